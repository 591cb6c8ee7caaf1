// workload.h - what every contestant evaluates: the same linear rules over the same packets.
//
// The rules are plain and slow on purpose: work per packet grows with their number, so that 24,
// 1,000 and 10,000 of them stand for little, some and much work. First match wins.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

enum class Split { packets, rules, nothing };

struct Rule {
	uint32_t source, source_mask;
	uint32_t destination, destination_mask;
	uint16_t first_port, last_port;
	uint8_t protocol; // 0 for any
	bool accept;
};

struct Packet {
	uint32_t source, destination;
	uint16_t port;
	uint8_t protocol;
};

constexpr uint32_t MAX_BATCH = 1024, MAX_SHARES = 64;

// xorshift64*, by George Marsaglia: the same numbers on every machine.
class Random {
	uint64_t state = 88172645463325252;

public:
	uint32_t next()
	{
		state ^= state >> 12;
		state ^= state << 25;
		state ^= state >> 27;
		return static_cast<uint32_t>(state * 2685821657736338717u >> 32);
	}
	uint32_t below(uint32_t limit) { return next() % limit; }
};

struct Policy {
	std::vector<Rule> rules;
	uint32_t size() const { return static_cast<uint32_t>(rules.size()); }

	// The first rule from `from` to `to` - 1 that matches; size() if none does.
	uint32_t first_match(const Packet &p, uint32_t from, uint32_t to) const
	{
		for (uint32_t i = from; i < to; i++) {
			const Rule &r = rules[i];
			if (((p.source ^ r.source) & r.source_mask) == 0 &&
			    ((p.destination ^ r.destination) & r.destination_mask) == 0 &&
			    p.port >= r.first_port && p.port <= r.last_port &&
			    (r.protocol == 0 || r.protocol == p.protocol))
				return i;
		}
		return size();
	}
};

inline Policy random_policy(Random &random, uint32_t count)
{
	Policy policy;
	for (uint32_t i = 0; i < count; i++) {
		const auto port = static_cast<uint16_t>(random.below(60000));
		policy.rules.push_back({ random.next(), i % 3 ? 0xffffff00 : 0xffff0000,
					 random.next(), i % 4 ? 0xffffff00 : 0,
					 static_cast<uint16_t>(i % 2 ? port : 0),
					 static_cast<uint16_t>(i % 2 ? port + 16 : 65535),
					 static_cast<uint8_t>(i % 5 ? (i % 2 ? 6 : 17) : 0),
					 random.below(2) == 0 });
	}
	return policy;
}

// Every other packet meets a rule.
inline std::vector<Packet> random_packets(Random &random, const Policy &policy, uint32_t count)
{
	std::vector<Packet> packets;
	for (uint32_t i = 0; i < count; i++) {
		Packet p = { random.next(), random.next(), static_cast<uint16_t>(random.next()),
			     static_cast<uint8_t>(random.below(2) ? 6 : 17) };
		if (i % 2) {
			const Rule &r = policy.rules[random.below(policy.size())];
			p = { r.source, r.destination, r.first_port,
			      r.protocol ? r.protocol : p.protocol };
		}
		packets.push_back(p);
	}
	return packets;
}

// A batch, and the room for what each share of the work finds.
struct Batch {
	const Policy *policy = nullptr;
	Split split = Split::packets;
	uint32_t shares = 1, count = 0;
	alignas(64) Packet packets[MAX_BATCH];
	alignas(64) uint32_t rules[MAX_BATCH];
	alignas(64) std::atomic<uint32_t> found[MAX_SHARES][MAX_BATCH];

	// Before the shares are evaluated: nothing is found yet.
	void reset()
	{
		for (uint32_t s = 0; split == Split::rules && s < shares; s++)
			for (uint32_t i = 0; i < count; i++)
				found[s][i].store(policy->size(), std::memory_order_relaxed);
	}

	// The exact early exit: a lower partition has matched. Relaxed: to miss it only costs time.
	bool is_decided_below(uint32_t share, uint32_t packet) const
	{
		for (uint32_t s = 0; s < share; s++)
			if (found[s][packet].load(std::memory_order_relaxed) < policy->size())
				return true;
		return false;
	}

	// Any share on any thread. Shares of many packets end at a cache line of results.
	void evaluate(uint32_t share)
	{
		if (split == Split::nothing)
			return;
		if (split == Split::packets) {
			const uint32_t grain = count >= 32 * shares ? 16 : 1;
			const uint32_t grains = (count + grain - 1) / grain;
			const uint32_t from = grains * share / shares * grain;
			const uint32_t to = std::min(count, grains * (share + 1) / shares * grain);
			for (uint32_t i = from; i < to; i++)
				rules[i] = policy->first_match(packets[i], 0, policy->size());
			return;
		}
		const uint32_t from = static_cast<uint32_t>(uint64_t(policy->size()) * share / shares);
		const uint32_t to =
			static_cast<uint32_t>(uint64_t(policy->size()) * (share + 1) / shares);
		for (uint32_t i = 0; i < count; i++)
			if (!is_decided_below(share, i))
				found[share][i].store(policy->first_match(packets[i], from, to),
						      std::memory_order_relaxed);
	}

	// After all shares: the least rule of any partition is the first match.
	void merge()
	{
		if (split != Split::rules)
			return;
		for (uint32_t i = 0; i < count; i++) {
			uint32_t least = policy->size();
			for (uint32_t s = 0; s < shares; s++)
				least = std::min(least, found[s][i].load(std::memory_order_relaxed));
			rules[i] = least;
		}
	}
};
