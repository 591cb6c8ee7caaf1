// attempts.h - the history: four ways that were tried, made correct enough to be measured.
//
// What was wrong with them as they stood is shown by hazards.cpp.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "pools.h"

// Attempt 1: permanent workers spin on a flag each, giving the core away in between.
class Flags : public Pool {
	struct Flag {
		std::atomic<uint32_t> round = 0;
	};
	Flag go[MAX_SHARES], done[MAX_SHARES]; // neighbours on a cache line, as they were
	std::atomic<bool> quit = false;
	uint32_t round = 0;

public:
	Flags(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		spawn([this](uint32_t t) {
			for (uint32_t seen = 1;; seen++) {
				while (go[t].round.load(std::memory_order_acquire) != seen)
					sched_yield();
				if (quit)
					return;
				evaluate(t);
				done[t].round.store(seen, std::memory_order_release);
			}
		});
	}
	~Flags() override
	{
		quit = true;
		release();
		join();
	}
	void release()
	{
		round++;
		for (uint32_t t = 0; t < count; t++)
			go[t].round.store(round, std::memory_order_release);
	}
	void dispatch(Batch &b) override
	{
		batch = &b;
		release();
	}
	void wait() override
	{
		help();
		for (uint32_t t = 0; t < count; t++)
			while (done[t].round.load(std::memory_order_acquire) != round)
				sched_yield();
	}
};

// Attempt 2: a thread for each packet, at most as many at a time as there are workers.
// By rules, all of them work on one packet.
class ThreadAPacket : public Pool {
	void packet(uint32_t i)
	{
		batch->rules[i] = batch->policy->first_match(batch->packets[i], 0,
							     batch->policy->size());
	}

public:
	using Pool::Pool;
	void dispatch(Batch &b) override { batch = &b; }
	void wait() override
	{
		if (batch->split != Split::packets) {
			spawn([this](uint32_t t) { evaluate(t); });
			join();
			return;
		}
		for (uint32_t i = 0; i < batch->count; i++) {
			threads.emplace_back([this, i] { packet(i); });
			if (threads.size() == count)
				join();
		}
		join();
	}
};

// Attempt 3: a queue with a mutex and a condition for each worker, packets dealt round robin.
class Queues : public Pool {
	struct alignas(64) Queue {
		std::mutex mutex;
		std::condition_variable filled;
		std::deque<int> packets; // -1: no more will come
	};
	Queue queues[MAX_SHARES];
	std::mutex mutex;
	std::condition_variable finished;
	std::atomic<uint32_t> left = 0;

	void put(uint32_t worker, int packet)
	{
		Queue &queue = queues[worker];
		{
			std::lock_guard lock(queue.mutex);
			queue.packets.push_back(packet);
		}
		queue.filled.notify_one();
	}
	int take(Queue &queue)
	{
		std::unique_lock lock(queue.mutex);
		queue.filled.wait(lock, [&] { return !queue.packets.empty(); });
		const int packet = queue.packets.front();
		queue.packets.pop_front();
		return packet;
	}

public:
	Queues(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		spawn([this](uint32_t t) {
			for (int i; (i = take(queues[t])) >= 0;) {
				if (batch->split != Split::nothing)
					batch->rules[i] = batch->policy->first_match(
						batch->packets[i], 0, batch->policy->size());
				if (left.fetch_sub(1) == 1) {
					std::lock_guard lock(mutex);
					finished.notify_one();
				}
			}
		});
	}
	~Queues() override
	{
		for (uint32_t t = 0; t < count; t++)
			put(t, -1);
		join();
	}
	void dispatch(Batch &b) override
	{
		batch = &b;
		left = b.count;
		for (uint32_t i = 0; i < b.count; i++)
			put(i % count, static_cast<int>(i));
	}
	void wait() override
	{
		std::unique_lock lock(mutex);
		finished.wait(lock, [this] { return left == 0; });
	}
};

// Attempt 4: two condition variables; a generation in place of the flag that deadlocked.
class Conditions : public Pool {
	std::mutex mutex;
	std::condition_variable start, finished;
	uint64_t generation = 0;
	uint32_t done = 0;
	bool quit = false;

public:
	Conditions(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		spawn([this](uint32_t t) {
			for (uint64_t seen = 0;;) {
				{
					std::unique_lock lock(mutex);
					start.wait(lock, [&] { return generation != seen; });
					seen = generation;
					if (quit)
						return;
				}
				evaluate(t);
				std::lock_guard lock(mutex);
				if (++done == count)
					finished.notify_one();
			}
		});
	}
	~Conditions() override
	{
		{
			std::lock_guard lock(mutex);
			quit = true;
			generation++;
		}
		start.notify_all();
		join();
	}
	void dispatch(Batch &b) override
	{
		{
			std::lock_guard lock(mutex);
			batch = &b;
			done = 0;
			generation++;
		}
		start.notify_all();
	}
	void wait() override
	{
		help();
		std::unique_lock lock(mutex);
		finished.wait(lock, [this] { return done == count; });
	}
};
