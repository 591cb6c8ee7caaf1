// pools.h - ways to have one batch evaluated by several threads, behind one interface.
//
// dispatch() hands the batch to the threads and wait() returns when it is evaluated; between the
// two the caller may prepare another. Where the caller helps, it takes share 0 in wait().
#pragma once

#include <sched.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "workload.h"

class Pool {
protected:
	Batch *batch = nullptr;
	std::vector<std::thread> threads;
	const uint32_t first; // share of the first thread: 1 where the caller has taken share 0
	const uint32_t count; // of threads

	// Threads end when their function returns.
	template <class Function> void spawn(Function function)
	{
		for (uint32_t t = 0; t < count; t++)
			threads.emplace_back(function, t);
	}
	void join()
	{
		for (auto &thread : threads)
			thread.join();
		threads.clear();
	}
	void evaluate(uint32_t thread) { batch->evaluate(first + thread); }
	void help()
	{
		if (first)
			batch->evaluate(0);
	}

public:
	Pool(uint32_t workers, bool caller_helps)
		: first(caller_helps), count(workers - caller_helps)
	{
	}
	virtual ~Pool() = default;
	virtual void dispatch(Batch &b) = 0;
	virtual void wait() = 0;
	// Before the batch is dispatched: how it is to be cut up.
	virtual uint32_t shares(Split, uint32_t) const { return first + count; }
};

using Maker = std::unique_ptr<Pool> (*)(uint32_t workers, bool caller_helps);

template <class P> std::unique_ptr<Pool> make(uint32_t workers, bool caller_helps)
{
	return std::make_unique<P>(workers, caller_helps);
}

struct Contestant {
	const char *name;
	Maker maker;
	// What it can do. One that only the caller drives cannot be pipelined.
	bool caller_can_help, pipelined, by_rules;
	bool empty_only = false;
};

// The four attempts, in attempts.h; the alternatives, in primitives.h; inline and ours, in ours.h.
inline void pause_once()
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("yield");
#endif
}
