#include "coalesce.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"

enum { NS = 1000, SECOND_NS = 1000000000 };

/* A timer that is due `first_ns` after `start`, and from then on, whenever it has been read, again. */
static int new_timer(struct timespec start, uint32_t first_ns, uint32_t every_ns)
{
	const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	const long ns = start.tv_nsec + (long)first_ns;
	const struct itimerspec due = {
		.it_value = { start.tv_sec + ns / SECOND_NS, ns % SECOND_NS },
		.it_interval = { .tv_nsec = (long)every_ns },
	};

	if (fd < 0)
		return -errno;
	(void)timerfd_settime(fd, TFD_TIMER_ABSTIME, &due, NULL); /* which is valid */
	return fd;
}

int fw_coalesce_init(struct fw_coalesce *c, uint32_t setting)
{
	const bool adaptive = setting == FW_COALESCE_AUTO;
	struct timespec now;

	*c = (struct fw_coalesce){
		.pause_us = adaptive ? FW_COALESCE_AUTO_US : setting,
		.timers = { -1, -1 },
		.always = !adaptive && setting > 0,
	};
	const uint32_t pause_ns = c->pause_us * NS;
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (uint32_t i = 0; i < 2 && pause_ns > 0; i++) {
		c->timers[i] = new_timer(now, (i + 1) * pause_ns, 2 * pause_ns);
		if (c->timers[i] < 0)
			return c->timers[i];
	}
	return 0;
}

void fw_coalesce_clear(struct fw_coalesce *c)
{
	for (int i = 0; i < 2; i++)
		if (c->timers[i] >= 0)
			close(c->timers[i]);
}

/* Until the next beat; not at all if it has passed. */
static void await_beat(struct fw_coalesce *c)
{
	uint64_t times;

	/* Interrupted, it was a shorter pause. */
	if (read(c->timers[c->turn], &times, sizeof times) == sizeof times)
		c->turn ^= 1;
}

int fw_coalesce_receive(struct fw_coalesce *c, struct fw_nfq *q, struct fw_queued *packets)
{
	const bool pause = fw_coalesce_wanted(c);

	/* What came while others were answered waits no longer, but many may wait for more. */
	if (pause && c->flood)
		nanosleep(&(struct timespec){ .tv_nsec = (long)c->pause_us * NS }, NULL);
	int n = c->rest && !pause ? -EAGAIN : fw_nfq_receive(q, false, packets);
	for (int beats = 0; pause && n == -EAGAIN && beats < FW_COALESCE_BEATS; beats++) {
		await_beat(c);
		n = fw_nfq_receive(q, false, packets);
	}
	return n == -EAGAIN ? fw_nfq_receive(q, true, packets) : n;
}

bool fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns)
{
	if (c->pause_us == 0)
		return false;
	c->seen += n;
	c->full = n == batch;
	return now_ns - c->window_ns >= FW_COALESCE_WINDOW_NS;
}

void fw_coalesce_turn(struct fw_coalesce *c, uint64_t now_ns, uint64_t cpu_ns)
{
	const uint64_t elapsed = now_ns - c->window_ns;
	/* A long wait makes a long window: what counts is packets a time. */
	const uint64_t rate = (uint64_t)c->seen * FW_COALESCE_WINDOW_NS;
	const bool busy = rate > FW_COALESCE_BUSY * elapsed;
	double *cost = &c->cost_ns[c->pauses];

	/* A core that is idle half of the time finds nothing else there. */
	c->rest = !busy || 2 * (cpu_ns - c->window_cpu_ns) < elapsed;
	c->flood = rate > FW_COALESCE_FLOOD * elapsed;
	if (busy) {
		const double now = (double)(cpu_ns - c->window_cpu_ns) / c->seen;
		/* One window in which the host took the core away says little. */
		const double likely = *cost == 0 || now < 2 * *cost ? now : 2 * *cost;
		*cost += *cost == 0 ? likely : (likely - *cost) / 4;
		/* In a flood packets wait for others in any case. What is not known is tried. */
		const double worth = c->flood ? 1 : FW_COALESCE_WORTH / 100.0;
		const bool pays = c->cost_ns[true] < worth * c->cost_ns[false];
		c->pauses = ++c->windows % FW_COALESCE_TRIAL == 0 ? !pays : pays;
	} else {
		c->pauses = false;
	}
	c->window_ns = now_ns;
	c->window_cpu_ns = cpu_ns;
	c->seen = 0;
}
