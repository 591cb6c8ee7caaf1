// hazards.cpp - what was wrong with the attempts as they stood, each made to happen, and then the
// same asked of the pool. A line of JSON a hazard: how often it happened to each, of how many tries.
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "ours.h"

using namespace std::chrono_literals;

constexpr uint32_t WORKERS = 3;

static void say(const char *hazard, const char *what, long attempt, long tries, long pool)
{
	printf("{\"hazard\":\"%s\",\"what\":\"%s\",\"attempt\":%ld,\"tries\":%ld,\"pool\":%ld}\n",
	       hazard, what, attempt, tries, pool);
	fflush(stdout);
}

// Attempt 4 as it was: a flag says that a packet is there, and is taken back when it is done.
struct FourthAttempt {
	std::mutex mutex;
	std::condition_variable start, finished;
	bool packet_ready = false, shutdown = false;
	uint32_t workers_finished = 0;
	long packet = 0;
	std::atomic<bool> drop_detected = false;
	std::vector<std::thread> threads;

	// `evaluate` gets the worker and the packet; with `wait_for_reset`, a worker that is done
	// waits until the flag is taken back, else it looks for the next packet at once.
	template <class Evaluate> void run(bool wait_for_reset, Evaluate evaluate)
	{
		for (uint32_t t = 0; t < WORKERS; t++)
			threads.emplace_back([=, this] {
				std::unique_lock lock(mutex);
				for (;;) {
					start.wait(lock, [this] { return packet_ready || shutdown; });
					if (shutdown)
						return;
					const long current = packet;
					lock.unlock();
					evaluate(t, current);
					lock.lock();
					if (++workers_finished >= WORKERS)
						finished.notify_one();
					if (wait_for_reset) // which nobody announces
						start.wait(lock, [this] {
							return !packet_ready || shutdown;
						});
				}
			});
	}
	// Whether all workers finished in time.
	bool decide(long next)
	{
		std::unique_lock lock(mutex);
		packet = next;
		drop_detected = false;
		workers_finished = 0;
		packet_ready = true;
		start.notify_all();
		const bool done = finished.wait_for(
			lock, 1s, [this] { return workers_finished >= WORKERS; });
		packet_ready = false;
		return done;
	}
	~FourthAttempt()
	{
		{
			std::lock_guard lock(mutex);
			shutdown = true;
		}
		start.notify_all();
		for (auto &thread : threads)
			thread.join();
	}
};

// Rounds of the pool over `chunks`, each shared whatever it takes.
template <class Chunk> static void share(long rounds, uint32_t chunks, Chunk chunk)
{
	fw_pool *pool = nullptr;
	if (fw_pool_new(WORKERS, 1, &pool) != 0)
		throw std::bad_alloc();
	struct Context {
		Chunk &chunk;
		long round;
	} context = { chunk, 0 };
	const fw_job job = { [](void *c, uint32_t k) {
				    const auto *own = static_cast<Context *>(c);
				    own->chunk(own->round, k);
			    },
			     &context, chunks, 0, nullptr };
	for (; context.round < rounds; context.round++)
		fw_pool_run(pool, &job);
	fw_pool_free(pool);
}

static void deadlock()
{
	constexpr long PACKETS = 1000;
	long packet = 0;
	{
		FourthAttempt attempt;
		attempt.run(true, [](uint32_t, long) {});
		while (packet < PACKETS && attempt.decide(packet))
			packet++;
	}
	std::atomic<long> done = 0;
	share(PACKETS, WORKERS, [&](long, uint32_t) { done++; });
	say("deadlock", "packets never decided: workers wait for a reset that is not announced",
	    PACKETS - packet, PACKETS, PACKETS - done / WORKERS);
}

static void accepted_drops()
{
	constexpr long PACKETS = 20000;
	long accepted = 0, tried = 0;
	{
		FourthAttempt attempt;
		// Every packet meets a drop rule, and it stands in the last partition.
		attempt.run(false, [&](uint32_t t, long) {
			if (t == WORKERS - 1)
				attempt.drop_detected = true;
		});
		for (; tried < PACKETS && attempt.decide(tried); tried++)
			accepted += !attempt.drop_detected;
	}
	std::vector<uint8_t> dropped(PACKETS);
	share(PACKETS, WORKERS, [&](long packet, uint32_t partition) {
		if (partition == WORKERS - 1)
			dropped[static_cast<size_t>(packet)] = 1;
	});
	say("accepted drops", "a fast worker takes the packet twice, and is counted for a slow one",
	    accepted, tried, std::count(dropped.begin(), dropped.end(), 0));
}

// Any drop ends the search, though a lower partition holds an accept that comes first.
static void early_exit()
{
	Random random;
	Policy policy = random_policy(random, 24);
	for (Rule &r : policy.rules) // wide rules, so that several match
		r.source_mask = r.destination_mask = 0;
	const auto batch = std::make_unique<Batch>();
	batch->policy = &policy;
	batch->split = Split::rules;
	batch->shares = WORKERS;
	batch->count = MAX_BATCH;
	const std::vector<Packet> packets = random_packets(random, policy, MAX_BATCH);
	std::copy(packets.begin(), packets.end(), batch->packets);
	batch->reset();
	share(1, WORKERS, [&](long, uint32_t partition) { batch->evaluate(partition); });
	batch->merge();

	long attempt = 0, pool = 0;
	for (uint32_t i = 0; i < MAX_BATCH; i++) {
		const uint32_t truth = policy.first_match(packets[i], 0, policy.size());
		bool drop_detected = false;
		for (uint32_t s = 0; s < WORKERS; s++) {
			const uint32_t rule = policy.first_match(packets[i], policy.size() * s / WORKERS,
								 policy.size() * (s + 1) / WORKERS);
			drop_detected |= rule < policy.size() && !policy.rules[rule].accept;
		}
		const bool accept = truth == policy.size() || policy.rules[truth].accept;
		attempt += drop_detected == accept;
		pool += batch->rules[i] != truth;
	}
	say("early exit", "wrong verdicts: a drop anywhere wins over an accept before it", attempt,
	    MAX_BATCH, pool);
}

// The bits of a std::vector<bool> share a word, and setting one reads and writes all of them: here
// as two steps, with a chance for another thread in between.
static void data_race()
{
	constexpr long ROUNDS = 20000;
	std::atomic<uint32_t> results = 0;
	std::atomic<long> round = 0;
	std::atomic<uint32_t> done = 0;
	long lost = 0;
	std::vector<std::thread> threads;
	for (uint32_t t = 0; t < WORKERS; t++)
		threads.emplace_back([&, t] {
			for (long seen = 1; seen <= ROUNDS; seen++) {
				while (round != seen)
					sched_yield();
				const uint32_t read = results;
				sched_yield();
				results = read | 1u << t;
				done++;
			}
		});
	for (long r = 1; r <= ROUNDS; r++) {
		results = 0;
		done = 0;
		round = r;
		while (done != WORKERS)
			sched_yield();
		lost += WORKERS - std::popcount(results.load());
	}
	for (auto &thread : threads)
		thread.join();

	std::vector<uint32_t> sums(WORKERS);
	share(ROUNDS, WORKERS, [&](long, uint32_t k) { sums[k]++; });
	long missing = 0;
	for (const uint32_t sum : sums)
		missing += ROUNDS - sum;
	say("data race", "results lost: neighbours in one word, written without synchronisation", lost,
	    ROUNDS * WORKERS, missing);
}

// The flag is set without the mutex, between a worker's look at it and its going to sleep.
static void missed_shutdown()
{
	constexpr long TRIES = 50;
	long missed = 0;
	for (long i = 0; i < TRIES; i++) {
		std::mutex mutex;
		std::condition_variable start;
		std::atomic<bool> shutdown = false, looking = false, exited = false;
		std::thread worker([&] {
			std::unique_lock lock(mutex);
			start.wait(lock, [&] {
				const bool seen = shutdown;
				if (!looking.exchange(true))
					std::this_thread::sleep_for(1ms);
				return seen;
			});
			exited = true;
		});
		while (!looking)
			sched_yield();
		shutdown = true;
		start.notify_all();
		const auto end = std::chrono::steady_clock::now() + 20ms;
		while (!exited && std::chrono::steady_clock::now() < end)
			sched_yield();
		missed += !exited;
		{
			std::lock_guard lock(mutex);
		}
		start.notify_all();
		worker.join();
	}
	// Each of these lives would never end if its helpers missed the end of it.
	long ended = 0;
	for (; ended < TRIES; ended++)
		share(ended % 3, WORKERS, [](long, uint32_t) {});
	say("missed shutdown", "workers that sleep on: the flag is set outside the mutex", missed,
	    TRIES, TRIES - ended);
}

int main()
{
	deadlock();
	accepted_drops();
	early_exit();
	data_race();
	missed_shutdown();
	return 0;
}
