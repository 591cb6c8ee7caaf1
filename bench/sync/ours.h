// ours.h - the floor (inline), OpenMP, and Barrage's pool: the ones where the caller always helps.
#pragma once

#include "pools.h"

extern "C" {
#include "pool.h"
}

class Inline : public Pool {
public:
	using Pool::Pool;
	void dispatch(Batch &b) override { batch = &b; }
	void wait() override { batch->evaluate(0); }
	uint32_t shares(Split, uint32_t) const override { return 1; }
};

class OpenMp : public Pool {
public:
	using Pool::Pool;
	void dispatch(Batch &b) override { batch = &b; }
	void wait() override
	{
		const auto shares = static_cast<int>(batch->shares);
#pragma omp parallel for num_threads(shares) schedule(static, 1)
		for (int share = 0; share < shares; share++)
			batch->evaluate(static_cast<uint32_t>(share));
	}
};

// An empty job whose caller stays in its chunk until helpers have begun the others, though not for
// ever: they need not come. Left to itself it may have done all before a helper has looked.
class Handover : public Pool {
	fw_pool *pool = nullptr;
	alignas(128) std::atomic<uint32_t> begun = 0; // chunks ever, but the caller's
	uint32_t expected = 0;

	static void run(void *context, uint32_t chunk)
	{
		auto *own = static_cast<Handover *>(context);
		if (chunk > 0)
			own->begun.fetch_add(1, std::memory_order_release);
		if (chunk == 0)
			own->stay();
	}
	void stay() const
	{
		constexpr int LOOKS = 10000;
		for (int i = 0; i < LOOKS && begun.load(std::memory_order_acquire) != expected; i++)
			pause_once();
	}
	static void alone(void *context)
	{
		auto *own = static_cast<Handover *>(context);
		own->begun = own->expected;
	}

public:
	Handover(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		if (fw_pool_new(workers, 1, &pool) != 0)
			throw std::bad_alloc();
	}
	~Handover() override { fw_pool_free(pool); }
	void dispatch(Batch &) override {}
	void wait() override
	{
		const uint32_t runners = fw_pool_threads(pool);
		const fw_job job = { run, this, runners, 0, alone };
		expected += runners - 1;
		fw_pool_run(pool, &job);
	}
};

// Cut finer than there are threads, so that who comes late finds less to do.
class Barrage : public Pool {
	fw_pool *pool = nullptr;

	static void run(void *context, uint32_t chunk)
	{
		static_cast<Batch *>(context)->evaluate(chunk);
	}
	static void alone(void *context)
	{
		auto *batch = static_cast<Batch *>(context);
		batch->shares = 1;
		batch->evaluate(0);
	}

public:
	Barrage(uint32_t workers, bool helps) : Pool(workers, helps)
	{
		if (fw_pool_new(workers, 1, &pool) != 0)
			throw std::bad_alloc();
	}
	~Barrage() override { fw_pool_free(pool); }
	void dispatch(Batch &b) override { batch = &b; }
	void wait() override
	{
		const fw_job job = { run, batch, batch->shares,
				     batch->split == Split::nothing ? 0 : batch->count, alone };
		fw_pool_run(pool, &job);
	}
	uint32_t shares(Split split, uint32_t packets) const override
	{
		const uint32_t runners = fw_pool_threads(pool);
		if (runners == 1 || split != Split::packets)
			return runners;
		return std::min(packets, 4 * runners);
	}
};
