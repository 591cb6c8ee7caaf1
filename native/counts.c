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
	}
}
