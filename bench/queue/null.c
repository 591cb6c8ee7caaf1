/*
 * null QUEUE BATCH - Barrage's loop without Barrage: receives and answers batches by its own code
 * (native/nfq.c, native/coalesce.c), and decides by a look at the port. What is lost against this
 * is what parsing, classifying and counting cost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "coalesce.h"
#include "layout.h"
#include "nfq.h"
#include "program.h"
#include "verdict.h"

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: null QUEUE BATCH\n", stderr);
		return 2;
	}
	const struct fw_queue_options options = {
		.queue = (uint32_t)atoi(argv[1]),
		.batch = (uint32_t)atoi(argv[2]),
		.copy = COPY,
		.depth = DEPTH,
		.coalesce = FW_COALESCE_AUTO,
	};
	struct fw_queued *queued = calloc(options.batch, sizeof *queued);
	struct fw_answer *answers = calloc(options.batch, sizeof *answers);
	struct fw_coalesce coalesce;
	struct fw_nfq queue;

	int n = queued && answers ? fw_coalesce_init(&coalesce, options.coalesce) : -ENOMEM;
	if (n == 0)
		n = fw_nfq_open(&queue, &options);
	if (n < 0) {
		fprintf(stderr, "null: %s\n", strerror(-n));
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1000);
	ready();
	while (n >= 0 || n == -EAGAIN || n == -ENOBUFS) {
		n = fw_coalesce_receive(&coalesce, &queue, queued);
		if (n <= 0)
			continue;
		const uint64_t now = clock_ns(CLOCK_MONOTONIC);
		const uint32_t count = (uint32_t)n;
		for (uint32_t i = 0; i < count; i++)
			answers[i] = (struct fw_answer){
				.id = queued[i].id,
				.accept = is_wanted(queued[i].bytes, queued[i].captured),
			};
		n = fw_nfq_answer(&queue, answers, count);
		if (fw_coalesce_saw(&coalesce, count, options.batch, now))
			fw_coalesce_turn(&coalesce, now, clock_ns(CLOCK_THREAD_CPUTIME_ID));
	}
	fprintf(stderr, "null: %s\n", strerror(-n));
	return 1;
}
