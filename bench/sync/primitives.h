// primitives.h - the alternatives that were asked about, each as a fork and a join.
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <barrier>
#include <climits>
#include <latch>
#include <optional>
#include <semaphore>

#include "pools.h"

// What they share: a worker waits for a round, does its share, says so. `Sync` is the primitive:
//   Sync(threads); start() and finish() for the caller; await(thread) and report() for a worker.
template <class Sync> class Rounds : public Pool {
	Sync sync;
	std::atomic<bool> quit = false;

public:
	Rounds(uint32_t workers, bool helps) : Pool(workers, helps), sync(count)
	{
		spawn([this](uint32_t t) {
			for (uint32_t round = 1;; round++) {
				sync.await(t, round);
				if (quit)
					return;
				evaluate(t);
				sync.report(round);
			}
		});
	}
	~Rounds() override
	{
		quit = true;
		sync.start();
		join();
	}
	void dispatch(Batch &b) override
	{
		batch = &b;
		sync.start();
	}
	void wait() override
	{
		help();
		sync.finish();
	}
};

class StdBarrier {
	std::barrier<> barrier;

public:
	explicit StdBarrier(uint32_t threads) : barrier(threads + 1) {}
	void start() { barrier.arrive_and_wait(); }
	void finish() { barrier.arrive_and_wait(); }
	void await(uint32_t, uint32_t) { barrier.arrive_and_wait(); }
	void report(uint32_t) { barrier.arrive_and_wait(); }
};

class PthreadBarrier {
	pthread_barrier_t barrier;

public:
	explicit PthreadBarrier(uint32_t threads)
	{
		pthread_barrier_init(&barrier, nullptr, threads + 1);
	}
	~PthreadBarrier() { pthread_barrier_destroy(&barrier); }
	void start() { pthread_barrier_wait(&barrier); }
	void finish() { pthread_barrier_wait(&barrier); }
	void await(uint32_t, uint32_t) { pthread_barrier_wait(&barrier); }
	void report(uint32_t) { pthread_barrier_wait(&barrier); }
};

// A latch is used once, so each round has a pair of its own, made anew two rounds ahead: whoever
// has counted down a round's second latch has left those of the rounds before for good.
class StdLatch {
	struct alignas(64) Pair {
		std::optional<std::latch> go, done;
	};
	Pair pairs[4];
	const uint32_t threads;
	uint32_t round = 1;

	void renew(uint32_t r)
	{
		pairs[r % 4].go.emplace(1);
		pairs[r % 4].done.emplace(threads);
	}

public:
	explicit StdLatch(uint32_t count) : threads(count)
	{
		for (uint32_t r = 0; r < 4; r++)
			renew(r);
	}
	void start() { pairs[round % 4].go->count_down(); }
	void finish()
	{
		pairs[round % 4].done->wait();
		renew(round + 3);
		round++;
	}
	void await(uint32_t, uint32_t r) { pairs[r % 4].go->wait(); }
	void report(uint32_t r) { pairs[r % 4].done->count_down(); }
};

class AtomicWait {
	alignas(64) std::atomic<uint32_t> round = 0;
	alignas(64) std::atomic<uint32_t> left = 0;
	const uint32_t threads;

public:
	explicit AtomicWait(uint32_t count) : threads(count) {}
	void start()
	{
		left = threads;
		round++;
		round.notify_all();
	}
	void finish()
	{
		for (uint32_t l; (l = left) != 0;)
			left.wait(l);
	}
	void await(uint32_t, uint32_t r) { round.wait(r - 1); }
	void report(uint32_t)
	{
		if (--left == 0)
			left.notify_one();
	}
};

class Semaphores {
	sem_t go[MAX_SHARES], done;
	std::atomic<uint32_t> left = 0;
	const uint32_t threads;

	static void take(sem_t &s)
	{
		while (sem_wait(&s) != 0)
			;
	}

public:
	explicit Semaphores(uint32_t count) : threads(count)
	{
		for (sem_t &s : go)
			sem_init(&s, 0, 0);
		sem_init(&done, 0, 0);
	}
	void start()
	{
		left = threads;
		for (uint32_t t = 0; t < threads; t++)
			sem_post(&go[t]);
	}
	void finish()
	{
		if (threads)
			take(done);
	}
	void await(uint32_t t, uint32_t) { take(go[t]); }
	void report(uint32_t)
	{
		if (--left == 0)
			sem_post(&done);
	}
};

class Eventfds {
	int go[MAX_SHARES], done = eventfd(0, 0);
	std::atomic<uint32_t> left = 0;
	const uint32_t threads;

	static void take(int fd)
	{
		eventfd_t value;
		while (eventfd_read(fd, &value) != 0)
			;
	}

public:
	explicit Eventfds(uint32_t count) : threads(count)
	{
		for (uint32_t t = 0; t < threads; t++)
			go[t] = eventfd(0, 0);
	}
	~Eventfds()
	{
		for (uint32_t t = 0; t < threads; t++)
			close(go[t]);
		close(done);
	}
	void start()
	{
		left = threads;
		for (uint32_t t = 0; t < threads; t++)
			eventfd_write(go[t], 1);
	}
	void finish()
	{
		if (threads)
			take(done);
	}
	void await(uint32_t t, uint32_t) { take(go[t]); }
	void report(uint32_t)
	{
		if (--left == 0)
			eventfd_write(done, 1);
	}
};

// A futex on a generation, after so many nanoseconds of spinning; both ends alike.
template <long SPIN_NS> class Futex {
	alignas(64) std::atomic<uint32_t> round = 0;
	alignas(64) std::atomic<uint32_t> sleepers = 0;
	alignas(64) std::atomic<uint32_t> left = 0;
	alignas(64) std::atomic<uint32_t> caller_sleeps = 0;
	const uint32_t threads;

	static void sleep(std::atomic<uint32_t> &word, uint32_t value)
	{
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
	}
	static void wake(std::atomic<uint32_t> &word)
	{
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
	}
	static long now()
	{
		timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		return t.tv_sec * 1000000000 + t.tv_nsec;
	}
	template <class Ready> static bool spin(Ready ready)
	{
		if (SPIN_NS == 0)
			return ready();
		for (const long end = now() + SPIN_NS; now() < end;)
			for (int i = 0; i < 16; i++) {
				if (ready())
					return true;
				pause_once();
			}
		return false;
	}

public:
	explicit Futex(uint32_t count) : threads(count) {}
	void start()
	{
		left = threads;
		round++;
		if (sleepers)
			wake(round);
	}
	void finish()
	{
		if (spin([this] { return left == 0; }))
			return;
		for (;;) {
			caller_sleeps = 1;
			if (left == 0)
				break;
			sleep(caller_sleeps, 1);
		}
		caller_sleeps = 0;
	}
	void await(uint32_t, uint32_t r)
	{
		if (spin([this, r] { return round == r; }))
			return;
		sleepers++;
		while (round != r)
			sleep(round, r - 1);
		sleepers--;
	}
	void report(uint32_t)
	{
		if (--left == 0 && caller_sleeps) {
			caller_sleeps = 0;
			wake(caller_sleeps);
		}
	}
};

// The floor: a cache line to each worker and one back, and nothing else. Who waits only looks.
class Lines : public Pool {
	struct alignas(128) Line {
		std::atomic<uint32_t> round = 0;
		Batch *batch = nullptr; // to be evaluated; null: end
		bool empty = false;
	};
	Line go[MAX_SHARES], back[MAX_SHARES];
	uint32_t round = 0;

	static void await(const Line &line, uint32_t wanted)
	{
		while (line.round.load(std::memory_order_acquire) != wanted)
			pause_once();
	}
	void send(Batch *b)
	{
		round++;
		for (uint32_t t = 0; t < count; t++) {
			go[t].batch = b;
			go[t].empty = b && b->split == Split::nothing;
			go[t].round.store(round, std::memory_order_release);
		}
	}

public:
	Lines(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		spawn([this](uint32_t t) {
			for (uint32_t seen = 1;; seen++) {
				await(go[t], seen);
				if (!go[t].batch)
					return;
				if (!go[t].empty)
					go[t].batch->evaluate(first + t);
				back[t].round.store(seen, std::memory_order_release);
			}
		});
	}
	~Lines() override
	{
		send(nullptr);
		join();
	}
	void dispatch(Batch &b) override
	{
		batch = &b;
		send(&b);
	}
	void wait() override
	{
		help();
		for (uint32_t t = 0; t < count; t++)
			await(back[t], round);
	}
};

// The central barrier of Mellor-Crummey and Scott: the sense of the round is in the word.
class SenseReversing {
	alignas(64) std::atomic<uint32_t> arrived = 0;
	alignas(64) std::atomic<uint32_t> sense = 0;
	const uint32_t threads;
	uint32_t caller_round = 0;

	void pass(uint32_t next)
	{
		if (arrived.fetch_add(1, std::memory_order_acq_rel) == threads) {
			arrived.store(0, std::memory_order_relaxed);
			sense.store(next, std::memory_order_release);
		} else
			while (sense.load(std::memory_order_acquire) != next)
				pause_once();
	}

public:
	explicit SenseReversing(uint32_t count) : threads(count) {}
	void start() { pass(++caller_round); }
	void finish() { pass(++caller_round); }
	void await(uint32_t, uint32_t r) { pass(2 * r - 1); }
	void report(uint32_t r) { pass(2 * r); }
};

class SpinYield {
	alignas(64) std::atomic<uint32_t> round = 0;
	alignas(64) std::atomic<uint32_t> left = 0;
	const uint32_t threads;

public:
	explicit SpinYield(uint32_t count) : threads(count) {}
	void start()
	{
		left.store(threads, std::memory_order_relaxed);
		round.fetch_add(1, std::memory_order_release);
	}
	void finish()
	{
		while (left.load(std::memory_order_acquire) != 0)
			sched_yield();
	}
	void await(uint32_t, uint32_t r)
	{
		while (round.load(std::memory_order_acquire) != r)
			sched_yield();
	}
	void report(uint32_t) { left.fetch_sub(1, std::memory_order_release); }
};
