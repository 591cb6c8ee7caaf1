/*
 * counts.h - one thread's counters: a line for each engine-wide figure and each rule.
 *
 * A block has a single writer, which needs no locked instruction; any thread may read it at any
 * time and sees each number whole. Blocks start on a cache line of their own.
 */
#ifndef FW_COUNTS_H
#define FW_COUNTS_H

#include <stdatomic.h>

#include "layout.h"

struct fw_rule_count {
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
	_Atomic uint64_t last;
};

struct fw_counts {
	_Alignas(64) _Atomic uint64_t stats[FW_STAT_COUNT];
	uint32_t rule_count;
	struct fw_rule_count rules[];
};

/* All zero; NULL if there is no memory. Freed with free(). */
struct fw_counts *fw_counts_new(uint32_t rule_count);

/* Add a block's numbers to the caller's: FW_STAT_COUNT totals, or as many counters as rules. */
void fw_counts_add_stats(const struct fw_counts *c, uint64_t *totals);
void fw_counts_add_rules(const struct fw_counts *c, struct fw_counter *counters);

/* By the block's writer only. Relaxed: a number is its own whole news, and pairs with nothing. */
static inline void fw_count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

/* By the block's writer only: a batch of n packets, whose verdicts left `ns` after it was received. */
void fw_counts_batch(struct fw_counts *c, uint32_t n, uint64_t ns);

#endif
