#include "counts.h"

#include <stdlib.h>
#include <string.h>

struct fw_counts *fw_counts_new(uint32_t rule_count)
{
	const size_t size = sizeof(struct fw_counts) + rule_count * sizeof(struct fw_rule_count);
	const size_t whole_lines = (size + 63) / 64 * 64;
	struct fw_counts *c = aligned_alloc(64, whole_lines);

	if (!c)
		return NULL;
	memset(c, 0, whole_lines);
	c->rule_count = rule_count;
	return c;
}

void fw_counts_add_stats(const struct fw_counts *c, uint64_t *totals)
{
	for (uint32_t i = 0; i < FW_STAT_COUNT; i++)
		totals[i] += atomic_load_explicit(&c->stats[i], memory_order_relaxed);
}

void fw_counts_add_rules(const struct fw_counts *c, struct fw_counter *counters)
{
	for (uint32_t i = 0; i < c->rule_count; i++) {
		counters[i].packets +=
			atomic_load_explicit(&c->rules[i].packets, memory_order_relaxed);
		counters[i].bytes += atomic_load_explicit(&c->rules[i].bytes, memory_order_relaxed);
		const uint64_t last = atomic_load_explicit(&c->rules[i].last, memory_order_relaxed);
		if (last > counters[i].last)
			counters[i].last = last;
	}
}

/* The least i for which value <= 2^i, but at most `last`. */
static uint32_t power_of_two(uint64_t value, uint32_t last)
{
	const uint32_t bits = value > 1 ? 64u - (uint32_t)__builtin_clzll(value - 1) : 0;

	return bits < last ? bits : last;
}

static_assert(FW_STAT_BATCH_1024 - FW_STAT_BATCH_1 == 10, "a counter a power of two");
static_assert(FW_STAT_VERDICT_US_MORE - FW_STAT_VERDICT_US_1 == 16, "a counter a power of two");

void fw_counts_batch(struct fw_counts *c, uint32_t n, uint64_t ns)
{
	const uint32_t size = power_of_two(n, FW_STAT_BATCH_1024 - FW_STAT_BATCH_1);
	const uint32_t time = power_of_two((ns + 999) / 1000,
					   FW_STAT_VERDICT_US_MORE - FW_STAT_VERDICT_US_1);

	fw_count(&c->stats[FW_STAT_BATCHES], 1);
	fw_count(&c->stats[FW_STAT_BATCH_1 + size], 1);
	fw_count(&c->stats[FW_STAT_VERDICT_US_1 + time], n);
	fw_count(&c->stats[FW_STAT_VERDICT_NS], n * ns);
}
