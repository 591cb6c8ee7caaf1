/*
 * barrage-guard - watches packet queues from outside the process that answers them.
 *
 *     barrage-guard FIRST LAST MILLISECONDS [COMMAND ARGUMENT...]
 *
 * A process that is stopped, or stuck, cannot notice it itself. What it leaves is seen in the kernel:
 * packets wait in one of its queues, and for some time none has been answered. Then this says so on
 * standard error, and runs the command if there is one. Standard output has the word "hung" when
 * that is done, and "back" when packets are answered again. It ends when its standard input does,
 * which is when its parent has gone. A line there with a number is that of a process with which
 * queueing ends: instead of running the command, that process is killed. 0 is none.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proc.h"

extern char **environ;

enum { MAX_QUEUES = 64, LOOKS = 4 /* in the time that makes a queue hung */ };

struct watched {
	uint32_t answered; /* packets, when last looked at */
	uint32_t looks; /* in a row that found some waiting and none answered */
};

/* Whether the queue has shown no progress for as many looks as make it hung. */
static bool look(struct watched *w, uint32_t queue, uint32_t *waiting)
{
	const struct fw_proc_queue q = fw_proc_queue(queue);
	const uint32_t answered = q.sequence - q.waiting;
	/* A queue that nobody has bound has no waiting packets, and is not hung. */
	const bool stuck = q.port && q.waiting > 0 && answered == w->answered;

	w->looks = stuck ? w->looks + (w->looks < LOOKS) : 0;
	w->answered = answered;
	*waiting = q.waiting;
	return w->looks == LOOKS;
}

static void run(char **command)
{
	pid_t child;
	int status;
	const int error = posix_spawnp(&child, command[0], NULL, NULL, command, environ);

	if (error) {
		fprintf(stderr, "barrage: cannot run %s: %s\n", command[0], strerror(error));
		return;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		fprintf(stderr, "barrage: %s failed, packets stay stopped\n", command[0]);
}

/* Takes note of what the parent says; false if it has gone. */
static bool hear(pid_t *owner)
{
	char text[64];
	const ssize_t n = read(STDIN_FILENO, text, sizeof text - 1);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	text[n] = '\0';
	for (char *at = text, *end; (void)strtol(at, &end, 10), end != at; at = end)
		*owner = (pid_t)strtol(at, NULL, 10);
	return true;
}

/* True after the time, false if the parent has gone. */
static bool wait_for(int milliseconds, pid_t *owner)
{
	struct pollfd parent = { .fd = STDIN_FILENO, .events = POLLIN };

	for (;;) {
		const int n = poll(&parent, 1, milliseconds);
		if (n == 0)
			return true;
		if (n < 0 ? errno != EINTR : !hear(owner))
			return false;
	}
}

static uint32_t number(const char *text, uint32_t most)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > most) {
		fprintf(stderr, "barrage-guard: %s is no number up to %u\n", text, most);
		exit(2);
	}
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static struct watched queues[MAX_QUEUES];

	if (argc < 4) {
		fprintf(stderr, "usage: barrage-guard FIRST LAST MILLISECONDS [COMMAND...]\n");
		return 2;
	}
	const uint32_t first = number(argv[1], 65535), last = number(argv[2], 65535);
	const uint32_t patience = number(argv[3], 3600000);
	if (last < first || last - first >= MAX_QUEUES)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* What a terminal sends to its programs, to interrupt or to stop them, is not for us. */
	(void)setsid();
	prctl(PR_SET_NAME, "barrage-guard");
	pid_t owner = 0;
	bool hung = false;
	while (wait_for((int)(patience / LOOKS), &owner)) {
		bool any = false;
		for (uint32_t i = first; i <= last; i++) {
			uint32_t waiting;
			if (!look(&queues[i - first], i, &waiting))
				continue;
			any = true;
			if (hung)
				continue;
			fprintf(stderr,
				"barrage: the engine hangs: %u packets wait in queue %u, and none was "
				"answered for %u ms\n",
				waiting, i, patience);
		}
		if (any && !hung) {
			if (argc > 4 && owner > 0)
				(void)kill(owner, SIGKILL);
			else if (argc > 4)
				run(&argv[4]);
			puts("hung");
		} else if (hung && !any) {
			fputs("barrage: the engine answers again\n", stderr);
			puts("back");
		}
		hung = any;
	}
	return 0;
}
