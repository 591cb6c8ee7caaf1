// measure.cpp - measures all contestants in one cell of the matrix, interleaved; a JSON line each.
//
// measure RULES SPLIT BATCH WORKERS PIPELINED ROUNDS SLICE_MS [CONTESTANT]: inline, and the one or all
//   SPLIT packets|rules|nothing. `nothing` is the empty round trip.
// measure idle WORKERS MS: what each costs while there is nothing to do.
// measure choice: what the pool adds to a job that it leaves to the caller.
// measure gain WORK_NS WORKERS PAIRS: inline and the pool in turns on batches of so much work.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "attempts.h"
#include "ours.h"
#include "primitives.h"

static const Contestant CONTESTANTS[] = {
	{ "inline", make<Inline>, true, false, true },
	{ "barrage", make<Barrage>, true, false, true },
	{ "attempt 1: flags, spin and yield", make<Flags>, false, true, true },
	{ "attempt 2: a thread a packet", make<ThreadAPacket>, false, false, true },
	{ "attempt 3: a queue a worker", make<Queues>, false, true, false },
	{ "attempt 4: two conditions", make<Conditions>, false, true, true },
	{ "std::barrier", make<Rounds<StdBarrier>>, true, true, true },
	{ "std::latch", make<Rounds<StdLatch>>, true, true, true },
	{ "atomic wait", make<Rounds<AtomicWait>>, true, true, true },
	{ "pthread_barrier", make<Rounds<PthreadBarrier>>, true, true, true },
	{ "futex", make<Rounds<Futex<0>>>, true, true, true },
	{ "spin, then futex", make<Rounds<Futex<100000>>>, true, true, true },
	{ "sense-reversing spin", make<Rounds<SenseReversing>>, true, true, true },
	{ "spin and yield", make<Rounds<SpinYield>>, true, true, true },
	{ "OpenMP", make<OpenMp>, true, false, true },
	{ "eventfd", make<Rounds<Eventfds>>, true, true, true },
	{ "semaphores", make<Rounds<Semaphores>>, true, true, true },
	{ "floor: a cache line there and back", make<Lines>, true, true, true },
	{ "barrage, a chunk each", make<Handover>, true, false, false, true },
};

static uint64_t now_ns()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

struct Usage {
	double cpu_ns;
	long switches;
};

static Usage usage()
{
	rusage r;
	getrusage(RUSAGE_SELF, &r);
	const auto ns = [](timeval t) {
		return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
	};
	return { ns(r.ru_utime) + ns(r.ru_stime), r.ru_nvcsw + r.ru_nivcsw };
}

static uint32_t cores()
{
	cpu_set_t set;
	sched_getaffinity(0, sizeof set, &set);
	return static_cast<uint32_t>(CPU_COUNT(&set));
}

struct Cell {
	Split split;
	uint32_t batch, workers;
	bool pipelined;
};

struct Sums {
	std::vector<double> slices; // wall ns a packet
	std::vector<double> means; // ns a batch, from its dispatch to its merged result
	std::vector<uint32_t> latencies; // ns a batch
	double cpu_ns = 0;
	long switches = 0;
	uint64_t packets = 0, batches = 0;
};

class Run {
	const Policy &policy;
	const std::vector<Packet> &packets;
	const std::vector<uint32_t> &expected;
	const Cell cell;
	Batch batches[2];
	uint32_t at = 0, starts[2] = {};

	void prepare(uint32_t slot, const Pool &pool)
	{
		Batch &b = batches[slot];
		b.policy = &policy;
		b.split = cell.split;
		b.count = cell.batch;
		b.shares = pool.shares(cell.split, cell.batch);
		starts[slot] = at;
		for (uint32_t i = 0; i < b.count; i++)
			b.packets[i] = packets[(at + i) % packets.size()];
		b.reset();
		at += b.count;
	}
	void check(uint32_t slot) const
	{
		const Batch &b = batches[slot];
		if (cell.split == Split::nothing)
			return;
		for (uint32_t i = 0; i < b.count; i++)
			if (b.rules[i] != expected[(starts[slot] + i) % expected.size()])
				throw std::logic_error("a contestant has found another rule");
	}

public:
	Run(const Policy &p, const std::vector<Packet> &k, const std::vector<uint32_t> &e, Cell c)
		: policy(p), packets(k), expected(e), cell(c)
	{
	}

	// The time of a batch is from its dispatch to its merged result.
	void slice(Pool &pool, uint64_t ns, Sums *sums)
	{
		uint32_t slot = 0;
		uint64_t count = 0, waited = 0;
		const Usage before = usage();
		const uint64_t start = now_ns();
		uint64_t end = start;
		prepare(slot, pool);
		do {
			const uint64_t dispatched = now_ns();
			pool.dispatch(batches[slot]);
			if (cell.pipelined)
				prepare(slot ^ 1, pool);
			pool.wait();
			batches[slot].merge();
			end = now_ns();
			waited += end - dispatched;
			if (sums)
				sums->latencies.push_back(static_cast<uint32_t>(end - dispatched));
			check(slot);
			if (cell.pipelined)
				slot ^= 1;
			else
				prepare(slot, pool);
			count++;
		} while (end - start < ns || count < 3);
		if (!sums)
			return;
		const Usage after = usage();
		const uint64_t done = count * cell.batch;
		sums->slices.push_back(static_cast<double>(end - start) / static_cast<double>(done));
		sums->means.push_back(static_cast<double>(waited) / static_cast<double>(count));
		sums->cpu_ns += after.cpu_ns - before.cpu_ns;
		sums->switches += after.switches - before.switches;
		sums->packets += done;
		sums->batches += count;
	}
};

template <class T> static T quantile(std::vector<T> &v, double q)
{
	const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(v.size() - 1));
	std::nth_element(v.begin(), v.begin() + at, v.end());
	return v[static_cast<size_t>(at)];
}

static void print(const Contestant &c, const Cell &cell, uint32_t rules, bool helps, Sums &s)
{
	static const char *const names[] = { "packets", "rules", "nothing" };
	const bool alone = strcmp(c.name, "inline") == 0 || strcmp(c.name, "barrage") == 0;
	const uint32_t threads = cell.workers + !helps;
	const auto packets = static_cast<double>(s.packets), batches = static_cast<double>(s.batches);
	printf("{\"contestant\":\"%s\",\"rules\":%u,\"split\":\"%s\",\"batch\":%u,\"workers\":%u,"
	       "\"pipelined\":%s,\"oversubscribed\":%s,\"nsPerPacket\":%.1f,\"least\":%.1f,"
	       "\"most\":%.1f,\"cpuNsPerPacket\":%.1f,\"meanNs\":%.1f,\"p10Ns\":%u,\"p50Ns\":%u,\"p99Ns\":%u,"
	       "\"switchesPerBatch\":%.3f}\n",
	       c.name, rules, names[static_cast<int>(cell.split)], cell.batch, cell.workers,
	       cell.pipelined ? "true" : "false", !alone && threads > cores() ? "true" : "false",
	       quantile(s.slices, .5), quantile(s.slices, 0), quantile(s.slices, 1),
	       s.cpu_ns / packets, quantile(s.means, .5), quantile(s.latencies, .1),
	       quantile(s.latencies, .5), quantile(s.latencies, .99), static_cast<double>(s.switches) / batches);
}

static void measure(uint32_t rules, Cell cell, uint32_t rounds, uint64_t slice_ns, const char *only)
{
	Random random;
	const Policy policy = random_policy(random, rules);
	const std::vector<Packet> packets = random_packets(random, policy, 4096);
	std::vector<uint32_t> expected;
	for (const Packet &p : packets)
		expected.push_back(policy.first_match(p, 0, policy.size()));

	const auto run = std::make_unique<Run>(policy, packets, expected, cell);
	constexpr size_t COUNT = std::size(CONTESTANTS);
	Sums sums[COUNT];
	for (uint32_t round = 0; round < rounds; round++)
		for (size_t turn = 0; turn < COUNT; turn++) {
			// There and back again, so that nobody is always behind the same one.
			const size_t i = round % 2 ? COUNT - 1 - turn : turn;
			const Contestant &c = CONTESTANTS[i];
			const bool fits = (!cell.pipelined || c.pipelined) &&
					  (cell.split != Split::rules || c.by_rules) &&
					  (cell.split == Split::nothing || !c.empty_only) &&
					  (!only || strcmp(only, c.name) == 0 || i == 0);
			if (!fits)
				continue;
			const auto pool =
				c.maker(cell.workers, c.caller_can_help && !cell.pipelined);
			run->slice(*pool, slice_ns / 4, nullptr);
			run->slice(*pool, slice_ns, &sums[i]);
		}
	for (size_t i = 0; i < COUNT; i++)
		if (sums[i].packets)
			print(CONTESTANTS[i], cell, rules,
			      CONTESTANTS[i].caller_can_help && !cell.pipelined, sums[i]);
}

static void measure_idle(uint32_t workers, uint64_t ns)
{
	Random random;
	const Policy policy = random_policy(random, 24);
	const std::vector<Packet> packets = random_packets(random, policy, 1024);
	const std::vector<uint32_t> expected(1024);
	const auto run = std::make_unique<Run>(policy, packets, expected,
					       Cell{ Split::nothing, 1024, workers, false });
	for (const Contestant &c : CONTESTANTS) {
		const auto pool = c.maker(workers, c.caller_can_help);
		run->slice(*pool, 1000000, nullptr);
		usleep(20000); // what still spins may go to sleep
		const Usage before = usage();
		usleep(static_cast<useconds_t>(ns / 1000));
		const Usage after = usage();
		const auto time = static_cast<double>(ns);
		printf("{\"contestant\":\"%s\",\"workers\":%u,\"idleCores\":%.5f,"
		       "\"wakesPerSecond\":%.1f}\n",
		       c.name, workers, (after.cpu_ns - before.cpu_ns) / time,
		       static_cast<double>(after.switches - before.switches - 1) / time * 1e9);
		fflush(stdout);
	}
}

static void nothing(void *, uint32_t)
{
}

// Calls of an empty job that the pool has learnt to leave to the caller, less those made directly.
static void measure_choice()
{
	constexpr uint32_t CALLS = 100000, ROUNDS = 101;
	fw_pool *pool = nullptr;
	if (fw_pool_new(2, 1, &pool) != 0)
		throw std::bad_alloc();
	const fw_job job = { nothing, nullptr, 1, 1, nullptr },
		     halves = { nothing, nullptr, 2, 2, nullptr };
	const auto call = [](const fw_job &j) {
		void (*volatile run)(void *, uint32_t) = j.run; // as the pool calls it: not inlined
		for (uint32_t chunk = 0; chunk < j.chunks; chunk++)
			run(j.context, chunk);
	};
	for (const fw_job &j : { job, halves }) {
		std::vector<double> added;
		for (uint32_t round = 0; round < ROUNDS; round++) {
			const uint64_t start = now_ns();
			for (uint32_t i = 0; i < CALLS; i++)
				call(j);
			const uint64_t middle = now_ns();
			for (uint32_t i = 0; i < CALLS; i++)
				fw_pool_run(pool, &j);
			const auto direct = static_cast<double>(middle - start);
			added.push_back((static_cast<double>(now_ns() - middle) - direct) / CALLS);
		}
		printf("{\"chunks\":%u,\"addedNs\":%.1f,\"least\":%.1f,\"most\":%.1f}\n", j.chunks,
		       quantile(added, .5), quantile(added, 0), quantile(added, 1));
	}
	fw_pool_free(pool);
}

// 1,000 rules, and as many packets a batch as take so long inline.
static void measure_gain(uint64_t work_ns, uint32_t workers, uint32_t pairs)
{
	constexpr uint64_t SLICE_NS = 10000000;
	Random random;
	const Policy policy = random_policy(random, 1000);
	const std::vector<Packet> packets = random_packets(random, policy, 4096);
	std::vector<uint32_t> expected;
	for (const Packet &p : packets)
		expected.push_back(policy.first_match(p, 0, policy.size()));
	const auto inline_pool = make<Inline>(1, true), pool = make<Barrage>(workers, true);
	const auto slices = [&](uint32_t batch, uint32_t count, Pool &own, Sums &sums) {
		const auto run = std::make_unique<Run>(policy, packets, expected,
						       Cell{ Split::packets, batch, workers, false });
		run->slice(own, SLICE_NS / 4, nullptr);
		for (uint32_t i = 0; i < count; i++)
			run->slice(own, SLICE_NS, &sums);
	};
	Sums trial;
	slices(64, 9, *inline_pool, trial);
	const double batch = static_cast<double>(work_ns) * 64 / quantile(trial.means, .5);
	const auto size = static_cast<uint32_t>(std::clamp(batch, 1., double{ MAX_BATCH }));
	std::vector<double> gains, inline_ns;
	for (uint32_t pair = 0; pair < pairs; pair++) {
		Sums alone, shared;
		slices(size, 1, pair % 2 ? *pool : *inline_pool, pair % 2 ? shared : alone);
		slices(size, 1, pair % 2 ? *inline_pool : *pool, pair % 2 ? alone : shared);
		// Medians, so that what a neighbour takes of a slice does not count.
		gains.push_back(quantile(alone.latencies, .5) /
				static_cast<double>(quantile(shared.latencies, .5)));
		inline_ns.push_back(quantile(alone.latencies, .5));
	}
	printf("{\"workNs\":%.0f,\"batch\":%u,\"workers\":%u,\"cores\":%u,\"pairs\":%u,"
	       "\"gain\":%.3f,\"p10\":%.3f,\"p90\":%.3f}\n",
	       quantile(inline_ns, .5), size, workers, cores(), pairs, quantile(gains, .5),
	       quantile(gains, .1), quantile(gains, .9));
}

static uint32_t number(const char *text)
{
	return static_cast<uint32_t>(strtoul(text, nullptr, 10));
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "idle") == 0) {
		measure_idle(number(argv[2]), uint64_t(number(argv[3])) * 1000000);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "choice") == 0) {
		measure_choice();
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "gain") == 0) {
		measure_gain(number(argv[2]), number(argv[3]), number(argv[4]));
		return 0;
	}
	if (argc < 8) {
		fputs("usage: measure RULES SPLIT BATCH WORKERS PIPELINED ROUNDS SLICE_MS\n", stderr);
		return 2;
	}
	const Split split = strcmp(argv[2], "packets") == 0 ? Split::packets :
			    strcmp(argv[2], "rules") == 0   ? Split::rules :
							      Split::nothing;
	const Cell cell = { split, number(argv[3]), number(argv[4]), number(argv[5]) != 0 };
	measure(number(argv[1]), cell, number(argv[6]), uint64_t(number(argv[7])) * 1000000,
		argc > 8 ? argv[8] : nullptr);
	return 0;
}
