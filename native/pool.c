#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cores.h"
#include "thread.h"

/* A place in the protocol where another thread may come first: tests wait there. */
#ifndef FW_POOL_WINDOW
#define FW_POOL_WINDOW() ((void)0)
#endif

/*
 * The ticket says all there is to say of a round in one word, which is changed by atomic
 * read-modify-write only: generation 32 | somebody sleeps 1 | chunks 15 | next chunk 16.
 * With the number of chunks elsewhere, a late helper could claim from a round half written.
 * Generations wrap: a helper would have to be kept from running for 2^32 rounds to be misled.
 */
enum { GENERATION_SHIFT = 32, CHUNKS_SHIFT = 16 };
#define SLEEPING (UINT64_C(1) << 31)
/* In `done`, below the number of chunks that helpers have ever done, which wraps. */
#define CALLER_SLEEPS UINT32_C(1)
#define ONE_DONE UINT32_C(2)

enum {
	/* Below this much work a batch is not shared even with helpers that spin: the exchange of
	   the cache lines takes 0.3 us and two looks at the clock, and work / 2 has to win that. */
	HOT_NS = 3000,
	FIRST_WAKE_NS = 40000, /* until a wake was measured */
	MIN_WAKE_NS = 5000,
	MAX_WAKE_NS = 100000,
	SAMPLE = 16, /* of so many small jobs, one is measured */
	PROBE = 64, /* of so many jobs worth sharing, one is run alone and measured */
	INTEREST = 16, /* what sharing may lose: 1 / INTEREST of the work done alone since */
	REVIEW_NS = 1000000000, /* how often the cores are counted */
	POLLS = 16, /* between two looks at the clock */
};

/*
 * By who writes it, each in a pair of cache lines of its own: processors fetch them in pairs. What a
 * round consists of is in the ticket's line, so that a helper that spins has all of it at once.
 */
struct fw_pool {
	/* Fixed when the pool is made. */
	uint32_t helpers; /* 0 in a forked child, as everything here: see fw_pool_new() */
	uint32_t pools;
	pthread_t threads[FW_POOL_MAX_THREADS];
	/* The caller's own. */
	_Alignas(128) double unit_ns; /* work of one unit, alone */
	double gap_ns; /* between jobs worth sharing */
	double balance_ns; /* what sharing has won, within bounds */
	uint64_t ended; /* when the last job worth sharing was done */
	uint64_t reviewed; /* when the cores were counted */
	uint32_t generation;
	uint32_t done_before; /* `done` as the last round has left it */
	uint32_t small_jobs;
	uint32_t large_jobs;
	bool resting; /* until alone has earned what sharing has lost */
	bool crowded; /* fewer cores than threads */
	/* The round: written by the caller before it publishes, claimed from the ticket by all. */
	_Alignas(128) _Atomic uint64_t ticket;
	void (*run)(void *context, uint32_t chunk);
	void *context;
	_Atomic uint64_t published; /* when; read by a helper that was woken */
	_Atomic uint64_t spin_ns; /* how long a helper waits awake */
	_Atomic int caller_core; /* where the caller last published */
	_Atomic bool stop;
	/* Written by helpers, and by a caller that sleeps. */
	_Alignas(128) _Atomic uint32_t done;
	/* Written by helpers that were woken. Lost updates do not matter. */
	_Alignas(128) _Atomic uint64_t wake_ns;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	/* EAGAIN (it has changed) and EINTR both mean: look again. */
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int threads)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

static uint32_t generation_of(uint64_t ticket)
{
	return (uint32_t)(ticket >> GENERATION_SHIFT);
}

/* The half of the ticket that a futex can watch. */
static _Atomic uint32_t *generation_word(struct fw_pool *p)
{
	static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the generation is the later half");
	return (_Atomic uint32_t *)(void *)&p->ticket + 1;
}

/*
 * Where every core is busy the kernel may wake a helper on the caller's core, in front of the
 * caller. What it does there the caller would have done sooner, so it had better sleep again.
 */
static bool displaces_caller(const struct fw_pool *p)
{
	/* Relaxed: right or wrong, the round comes to its end. */
	return sched_getcpu() == atomic_load_explicit(&p->caller_core, memory_order_relaxed);
}

/* Claims chunks of the ticket's round and runs them until none is left. How many. */
static uint32_t run_chunks(struct fw_pool *p, uint64_t ticket)
{
	const uint32_t generation = generation_of(ticket);
	uint32_t count = 0;

	for (;;) {
		const uint32_t next = ticket & 0xffff;
		if (generation_of(ticket) != generation ||
		    next >= ((ticket >> CHUNKS_SHIFT) & FW_POOL_MAX_CHUNKS))
			return count;
		FW_POOL_WINDOW();
		/* Acquire: pairs with the exchange in publish(), for the job. */
		if (!atomic_compare_exchange_weak_explicit(&p->ticket, &ticket, ticket + 1,
							   memory_order_acquire,
							   memory_order_acquire))
			continue;
		/* The round cannot end, nor the job change, before this chunk is counted. */
		FW_POOL_WINDOW();
		p->run(p->context, next);
		count++;
		/* As it is if nobody else has claimed: to look first would be a transfer more. */
		ticket++;
	}
}

/* Polls until the generation changes or the time is up. The ticket. */
static uint64_t spin_for_round(struct fw_pool *p, uint32_t generation)
{
	/* Relaxed: a wish, not a fact that others hang on. */
	const uint64_t patience = atomic_load_explicit(&p->spin_ns, memory_order_relaxed);
	const uint64_t start = patience ? now() : 0;
	uint64_t ticket;

	do {
		for (uint32_t i = 0; i < POLLS; i++) {
			/* Acquire: pairs with the exchange in publish(), for `stop`. */
			ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
			if (generation_of(ticket) != generation)
				return ticket;
			relax();
		}
	} while (patience && now() - start < patience && !displaces_caller(p));
	return ticket;
}

/* A woken helper tells how long that took. */
static void measure_wake(struct fw_pool *p)
{
	/* Relaxed, all of them: figures for a decision that is right either way. */
	const uint64_t took = now() - atomic_load_explicit(&p->published, memory_order_relaxed);
	const uint64_t known = atomic_load_explicit(&p->wake_ns, memory_order_relaxed);
	uint64_t next = took < MAX_WAKE_NS ? (known * 7 + took) / 8 : (known * 7 + MAX_WAKE_NS) / 8;

	next = next < MIN_WAKE_NS ? MIN_WAKE_NS : next;
	atomic_store_explicit(&p->wake_ns, next, memory_order_relaxed);
}

/* Returns when there is another round than that of `generation`: its ticket. */
static uint64_t await_round(struct fw_pool *p, uint32_t generation)
{
	uint64_t ticket = spin_for_round(p, generation);

	if (generation_of(ticket) != generation)
		return ticket;
	FW_POOL_WINDOW();
	/* One word, so either publish() sees the flag, or we see the round: nobody is missed. */
	ticket = atomic_fetch_or_explicit(&p->ticket, SLEEPING, memory_order_acquire);
	if (generation_of(ticket) != generation)
		return ticket;
	do {
		FW_POOL_WINDOW();
		futex_wait(generation_word(p), generation);
		ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
	} while (generation_of(ticket) == generation);
	measure_wake(p);
	return ticket;
}

static void *help(void *argument)
{
	struct fw_pool *p = argument;
	uint32_t generation = 0;

	for (;;) {
		const uint64_t ticket = await_round(p, generation);
		generation = generation_of(ticket);
		/* Relaxed: `stop` was set before the round that was acquired in await_round(). */
		if (atomic_load_explicit(&p->stop, memory_order_relaxed))
			return NULL;
		const uint32_t count = displaces_caller(p) ? 0 : run_chunks(p, ticket);
		FW_POOL_WINDOW();
		if (count == 0)
			continue;
		/* Release: what the chunks wrote, for the acquire in join(). The caller sets its
		   flag in the same word, so one of the two sees the other. */
		const uint32_t before =
			atomic_fetch_add_explicit(&p->done, count * ONE_DONE, memory_order_acq_rel);
		if (before & CALLER_SLEEPS)
			futex_wake(&p->done, 1);
	}
}

/* Makes the round known, its first chunk the caller's own, and wakes who sleeps. Its ticket. */
static uint64_t publish(struct fw_pool *p, uint32_t chunks)
{
	const uint64_t ticket = (uint64_t)++p->generation << GENERATION_SHIFT |
				(uint64_t)chunks << CHUNKS_SHIFT | 1;

	FW_POOL_WINDOW();
	/* Release: the job, for who claims of it. Acquire is not needed, but `before` is. */
	const uint64_t before = atomic_exchange_explicit(&p->ticket, ticket, memory_order_acq_rel);
	FW_POOL_WINDOW();
	if (before & SLEEPING)
		futex_wake(generation_word(p), INT_MAX);
	return ticket;
}

/* Returns when helpers have done `count` chunks of this round. */
static void join(struct fw_pool *p, uint32_t count)
{
	const uint32_t all = p->done_before += count * ONE_DONE;
	/* Relaxed: a figure for a decision that is right either way. */
	const uint64_t patience = 2 * atomic_load_explicit(&p->wake_ns, memory_order_relaxed);
	const uint64_t start = count > 0 ? now() : 0;
	uint32_t done;

	do
		for (uint32_t i = 0; i < POLLS; i++) {
			/* Acquire, as below: pairs with the release in help(). */
			done = atomic_load_explicit(&p->done, memory_order_acquire);
			if (done == all)
				return;
			relax();
		}
	while (now() - start < patience);
	FW_POOL_WINDOW();
	done = atomic_fetch_or_explicit(&p->done, CALLER_SLEEPS, memory_order_acquire);
	for (done |= CALLER_SLEEPS; done != (all | CALLER_SLEEPS);) {
		FW_POOL_WINDOW();
		futex_wait(&p->done, done);
		done = atomic_load_explicit(&p->done, memory_order_acquire);
	}
	/* Relaxed: no helper writes it between rounds, and publish() releases it. */
	atomic_store_explicit(&p->done, all, memory_order_relaxed);
}

static void run_shared(struct fw_pool *p, const struct fw_job *job, uint64_t start)
{
	p->run = job->run;
	p->context = job->context;
	atomic_store_explicit(&p->published, start, memory_order_relaxed);
	atomic_store_explicit(&p->caller_core, sched_getcpu(), memory_order_relaxed);
	const uint64_t ticket = publish(p, job->chunks);
	job->run(job->context, 0);
	const uint32_t own = 1 + run_chunks(p, ticket);
	join(p, job->chunks - own);
}

static void run_alone(const struct fw_job *job)
{
	if (job->alone)
		job->alone(job->context);
	for (uint32_t chunk = 0; !job->alone && chunk < job->chunks; chunk++)
		job->run(job->context, chunk);
}

/* A measured run alone. One outlier, as when the kernel took the core away, moves little. */
static void learn(struct fw_pool *p, const struct fw_job *job, uint64_t took)
{
	const double unit = (double)took / job->size;

	if (p->unit_ns == 0)
		p->unit_ns = unit;
	else
		p->unit_ns += ((unit < 2 * p->unit_ns ? unit : 2 * p->unit_ns) - p->unit_ns) / 8;
}

/* Cores that the threads of this pool may run on: its part of them, if pools share them. */
static uint32_t cores(const struct fw_pool *p)
{
	cpu_set_t all, one;

	pthread_getaffinity_np(pthread_self(), sizeof all, &all);
	for (uint32_t i = 0; i < p->helpers; i++)
		if (pthread_getaffinity_np(p->threads[i], sizeof one, &one) == 0)
			CPU_OR(&all, &all, &one);
	const uint32_t affine = (uint32_t)CPU_COUNT(&all), quota = fw_quota_cores();
	const uint32_t mine = (affine < quota ? affine : quota) / p->pools;
	return mine > 0 ? mine : 1;
}

/* Whether to share a job of so much work that comes now. */
static bool pays(struct fw_pool *p, const struct fw_job *job, double work, uint64_t start)
{
	const double wake = (double)atomic_load_explicit(&p->wake_ns, memory_order_relaxed);

	if (start - p->reviewed > REVIEW_NS) {
		p->crowded = cores(p) < p->helpers + 1;
		p->reviewed = start;
	}
	/* One pause is no more than one: a burst after it finds the helpers awake from its start. */
	const double gap = (double)(start - p->ended);
	p->gap_ns += ((gap < 4 * wake ? gap : 4 * wake) - p->gap_ns) / 8;
	/* Waiting awake pays if the next job comes before a wake would be over. Less than a wake
	   would be unstable: one late wake sends everybody to sleep for good. */
	const bool dense = p->gap_ns < wake && !p->crowded;
	atomic_store_explicit(&p->spin_ns, dense ? (uint64_t)(2 * wake) : 0, memory_order_relaxed);
	if (p->crowded)
		return false;
	if (job->size == 0)
		return true;
	if (++p->large_jobs % PROBE == 0)
		return false;
	return dense || work > 2 * wake ||
	       !(atomic_load_explicit(&p->ticket, memory_order_relaxed) & SLEEPING);
}

/*
 * The account: what a shared job wins or loses against the estimate is put to it. Once it is
 * overdrawn the pool rests until the work done alone has paid it off, so that where helpers do not
 * get to run, as beside a busy neighbour, the loss is at most 1 / INTEREST.
 */
static void settle(struct fw_pool *p, double won)
{
	const double limit = 4.0 * (double)atomic_load_explicit(&p->wake_ns, memory_order_relaxed);

	p->balance_ns += won;
	if (p->balance_ns > limit)
		p->balance_ns = limit;
	if (p->balance_ns < -limit)
		p->resting = true;
}

static bool rests(struct fw_pool *p, double work)
{
	if (p->resting) {
		p->balance_ns += work / INTEREST;
		p->resting = p->balance_ns < 0;
	}
	return p->resting;
}

bool fw_pool_run(struct fw_pool *p, const struct fw_job *job)
{
	const double work = job->size ? p->unit_ns * job->size : INFINITY;

	if (p->helpers == 0 || job->chunks == 1 ||
	    ((work < HOT_NS || rests(p, work)) && p->small_jobs++ % SAMPLE != 0)) {
		run_alone(job);
		return false;
	}
	const uint64_t start = now();
	const bool shared = work >= HOT_NS && !p->resting && pays(p, job, work, start);
	if (shared)
		run_shared(p, job, start);
	else
		run_alone(job);
	p->ended = now();
	if (shared)
		settle(p, work - (double)(p->ended - start));
	else if (job->size)
		learn(p, job, p->ended - start);
	return shared;
}

uint32_t fw_pool_threads(const struct fw_pool *p)
{
	return p->helpers + 1;
}

int fw_pool_new(uint32_t threads, uint32_t pools, struct fw_pool **out)
{
	struct fw_pool *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	/* A child has this thread only; there the pool reads as zero: no helpers, nothing to join. */
	madvise(p, sizeof *p, MADV_WIPEONFORK);
	p->pools = pools;
	atomic_init(&p->wake_ns, FIRST_WAKE_NS);
	uint32_t limit = cores(p);
	limit = limit < FW_POOL_MAX_THREADS ? limit : FW_POOL_MAX_THREADS;
	const uint32_t wanted = threads == 0 || threads > limit ? limit : threads;
	while (p->helpers < wanted - 1) {
		const int error = fw_thread_start(&p->threads[p->helpers], "barrage/pool", help, p);
		if (error) {
			fw_pool_free(p);
			return error;
		}
		p->helpers++;
	}
	*out = p;
	return 0;
}

void fw_pool_free(struct fw_pool *p)
{
	if (!p)
		return;
	atomic_store_explicit(&p->stop, true, memory_order_relaxed);
	publish(p, 0);
	for (uint32_t i = 0; i < p->helpers; i++)
		pthread_join(p->threads[i], NULL);
	munmap(p, sizeof *p);
}
