/*
 * The pool runs each chunk exactly once and shows the caller what it wrote: with the threads held
 * up at every window of the protocol, over 10,000 lives, in a forked child, and on one core.
 *
 * The pool is compiled here a second time, with those windows open and on a machine of its own
 * number of cores, so that four threads meet however few cores there are.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static void window(void);
static int fake_affinity(pthread_t thread, size_t size, cpu_set_t *set);

/* Beside the library's own. */
#define fw_pool_new tested_pool_new
#define fw_pool_free tested_pool_free
#define fw_pool_run tested_pool_run
#define fw_pool_threads tested_pool_threads
#define FW_POOL_WINDOW window
#define pthread_getaffinity_np fake_affinity
#include "pool.c"
#undef pthread_getaffinity_np

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

enum { CORES = 4, ROUNDS = 20000, LIVES = 10000, CHUNKS = 40 };

static _Atomic uint32_t fake_cores = CORES;
static _Atomic bool delays;
static _Thread_local uint64_t luck;

static int fake_affinity(pthread_t thread, size_t size, cpu_set_t *set)
{
	(void)thread;
	(void)size;
	CPU_ZERO(set);
	for (uint32_t i = 0; i < fake_cores; i++)
		CPU_SET(i, set);
	return 0;
}

/* Most often nothing, now and then long enough for anything to happen elsewhere. */
static void window(void)
{
	if (!delays)
		return;
	if (luck == 0)
		luck = (uint64_t)(uintptr_t)&luck;
	const uint32_t what = random_below(&luck, 64);
	if (what < 8)
		sched_yield();
	else if (what == 8)
		for (const uint64_t until = now() + random_below(&luck, 60000); now() < until;)
			sched_yield();
}

/* Chunks that write what only the caller reads, plainly: ThreadSanitizer looks on. */
struct work {
	uint32_t runs[CHUNKS];
	uint64_t result[CHUNKS];
	uint64_t input;
	uint64_t each_ns;
};

static void run_chunk(void *context, uint32_t chunk)
{
	struct work *w = context;

	w->runs[chunk]++;
	w->result[chunk] = w->input + chunk;
	for (const uint64_t until = w->each_ns ? now() + w->each_ns : 0; until && now() < until;)
		relax();
}

/* To be shared whatever it takes. */
static bool run(struct fw_pool *p, struct work *w, uint32_t chunks)
{
	const struct fw_job job = { run_chunk, w, chunks, 0, NULL };

	w->input++;
	for (uint32_t i = 0; i < CHUNKS; i++)
		w->runs[i] = 0;
	const bool shared = fw_pool_run(p, &job);
	for (uint32_t i = 0; i < CHUNKS; i++) {
		CHECK(w->runs[i] == (i < chunks));
		CHECK(i >= chunks || w->result[i] == w->input + i);
	}
	return shared;
}

static struct fw_pool *new_pool(uint32_t threads)
{
	struct fw_pool *p;

	CHECK(fw_pool_new(threads, 1, &p) == 0);
	return p;
}

static void each_chunk_runs_once(uint32_t threads, uint64_t *seed)
{
	struct work w = { .input = 0 };
	struct fw_pool *p = new_pool(threads);
	uint32_t shared = 0;

	CHECK(fw_pool_threads(p) == threads);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		/* At times long enough for the helpers to fall asleep, and for the caller to. */
		const uint32_t kind = random_below(seed, 200);
		if (kind == 0)
			for (const uint64_t until = now() + 300000; now() < until;)
				sched_yield();
		w.each_ns = kind == 1 ? 100000 : 0;
		shared += run(p, &w, 1 + random_below(seed, CHUNKS));
	}
	CHECK(threads == 1 ? shared == 0 : shared > ROUNDS * 9 / 10);
	fw_pool_free(p);
}

static void pools_come_and_go(void)
{
	for (uint32_t i = 0; i < LIVES; i++) {
		struct work w = { .input = i };
		struct fw_pool *p = new_pool(2 + i % 3);
		run(p, &w, 1 + i % CHUNKS);
		fw_pool_free(p);
	}
}

static void a_child_works_alone(void)
{
	struct work w = { .input = 0 };
	struct fw_pool *p = new_pool(CORES);

	for (uint32_t i = 0; i < 20; i++) {
		const pid_t child = fork();
		if (child == 0) {
			CHECK(!run(p, &w, CHUNKS));
			fw_pool_free(p);
			_exit(0);
		}
		int status;
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		run(p, &w, CHUNKS);
	}
	CHECK(run(p, &w, CHUNKS));
	fw_pool_free(p);
}

static void threads_never_outnumber_cores(void)
{
	struct work w = { .input = 0 };

	fake_cores = 1;
	struct fw_pool *p = new_pool(CORES);
	CHECK(fw_pool_threads(p) == 1 && !run(p, &w, CHUNKS));
	fw_pool_free(p);

	fake_cores = CORES;
	CHECK(fw_pool_new(0, 2, &p) == 0);
	CHECK(fw_pool_threads(p) == CORES / 2);
	CHECK(run(p, &w, CHUNKS));
	fake_cores = 1;
	p->reviewed = 0; /* as after a second */
	for (uint32_t i = 0; i < 2 * PROBE; i++)
		CHECK(!run(p, &w, CHUNKS));
	fake_cores = CORES;
	fw_pool_free(p);
}

/* A chunk of the pool costs more than one run alone: as where helpers hardly get to run. */
static void slow_when_shared(void *context, uint32_t chunk)
{
	const struct fw_pool *p = context;

	(void)chunk;
	if (atomic_load_explicit(&p->published, memory_order_relaxed) > p->ended)
		for (const uint64_t until = now() + 30000; now() < until;)
			relax();
}

static void sharing_that_loses_is_given_up(void)
{
	struct fw_pool *p = new_pool(2);
	const struct fw_job job = { slow_when_shared, p, 8, 8, NULL };
	uint32_t shared = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		p->unit_ns = 2000; /* as probes would say */
		shared += fw_pool_run(p, &job);
	}
	/* Tried, and given up: how soon depends on the machine, and is the bench's to say. */
	CHECK(shared > 0 && shared < 1000);
	fw_pool_free(p);
}

int main(void)
{
	uint64_t seed = 1;

	threads_never_outnumber_cores();
	sharing_that_loses_is_given_up();
	a_child_works_alone();
	pools_come_and_go();
	for (uint32_t threads = 1; threads <= CORES; threads++)
		each_chunk_runs_once(threads, &seed);
	delays = true;
	for (uint32_t threads = 2; threads <= CORES; threads++)
		each_chunk_runs_once(threads, &seed);
	return 0;
}
