/*
 * pool.h - fork-join for batches: the caller and its helpers run the chunks of one job.
 *
 * fw_pool_run() returns when each chunk has run exactly once, and the caller sees what they wrote.
 * The caller helps, so a helper that comes late delays nobody. A job that would not gain by being
 * shared is run by the caller alone: the pool learns what a unit of work takes, what a wake takes
 * and how soon jobs follow each other, and keeps an account of what sharing has brought. Helpers
 * sleep when there is nothing to do. There are never more threads than cores to run them. In a
 * forked child the pool has no helpers, and goes on working without.
 */
#ifndef FW_POOL_H
#define FW_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum { FW_POOL_MAX_THREADS = 64, FW_POOL_MAX_CHUNKS = 0x7fff };

struct fw_job {
	void (*run)(void *context, uint32_t chunk); /* any chunk on any thread, in any order */
	void *context;
	uint32_t chunks; /* 1..FW_POOL_MAX_CHUNKS */
	/* Work in all, in a unit that is the same for all jobs, such as packets, from which the
	   pool learns whether to share it. 0: share it, if there is anybody to share it with. */
	uint32_t size;
	/* All of it, uncut, for a job that is not shared; NULL: chunk by chunk. */
	void (*alone)(void *context);
};

struct fw_pool;

/*
 * `threads` counts the caller; 0: as many as there are cores. `pools` of the same size share the
 * cores, so that there are at most cores / pools threads, but always the caller. -EAGAIN, -ENOMEM.
 */
int fw_pool_new(uint32_t threads, uint32_t pools, struct fw_pool **out);
/* Waits for the helpers to end. Not during a run. */
void fw_pool_free(struct fw_pool *p);

/* From one thread at a time. Whether the helpers were asked. */
bool fw_pool_run(struct fw_pool *p, const struct fw_job *job);

/* With the caller. */
uint32_t fw_pool_threads(const struct fw_pool *p);

#endif
