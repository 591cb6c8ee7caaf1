/*
 * decide.h - a batch of packets -> what becomes of each, counted.
 *
 * The one path that every packet takes, from the kernel or from a replay: parse, classify (pure),
 * then in packet order the effects and the counting. Every packet gets a decision that accepts,
 * drops or rejects, unless more of it is needed and can be had. What no rule takes is dropped, and so
 * is a reject that has no mark to travel in.
 */
#ifndef FW_DECIDE_H
#define FW_DECIDE_H

#include "classify.h"
#include "counts.h"
#include "dynamic.h"
#include "flows.h"
#include "pool.h"
#include "ring.h"

/* A packet, and where it was seen. */
struct fw_seen {
	const uint8_t *bytes; /* from the IP header on */
	uint32_t captured; /* bytes present, <= length */
	uint32_t length; /* bytes on the wire */
	bool more; /* what is not captured can be had */
	uint32_t mark;
	uint32_t hook; /* enum fw_hook; a packet seen elsewhere (FW_HOOK_COUNT) is dropped */
	uint32_t in; /* class of the input interface */
	uint32_t out;
	uint32_t uid; /* of the sending socket, FW_NO_ID for none */
	uint32_t gid;
	uint64_t mac; /* source hardware address, FW_NO_MAC for none */
	uint64_t time; /* nanoseconds since 1970 */
	uint32_t in_index; /* of the input interface, for the log; 0 for none */
	uint32_t out_index;
};

/* A line of the log on its way to the reader, and the packet's first bytes. */
union fw_log_slot {
	struct {
		struct fw_log log;
		uint8_t bytes[FW_LOG_BYTES];
	} line;
	uint64_t words[(sizeof(struct fw_log) + FW_LOG_BYTES) / sizeof(uint64_t)];
};
static_assert(sizeof(union fw_log_slot) == sizeof(struct fw_log) + FW_LOG_BYTES, "log slot");

/* Tables, room for one batch, and the counters of one thread. */
struct fw_decider {
	const struct fw_tables *tables;
	struct fw_dynamic *dynamic;
	struct fw_counts *counts;
	struct fw_ring log; /* without data if no rule logs */
	struct fw_key *keys;
	struct fw_classes *classes;
	uint32_t *rules;
	uint32_t *places; /* of each key in the batch */
	struct fw_flows *flows; /* NULL: every packet goes through the tables */
	uint32_t batch; /* packets at once, at most */
	struct fw_pool *pool; /* NULL: the caller's thread alone */
	uint32_t *part_rules; /* a batch for each part of the rules; NULL: split by packets */
	bool by_rules; /* what was asked for, whether the tables have parts or not */
};

/*
 * Decides up to `batch` packets at once. -ENOMEM. The tables are the caller's, and outlive it, as
 * does `dynamic`, which is NULL only for tables without literals and logs.
 */
int fw_decider_init(struct fw_decider *d, const struct fw_tables *tables, struct fw_dynamic *dynamic,
		    uint32_t batch);
void fw_decider_clear(struct fw_decider *d);

/*
 * Lets a pool classify, see fw_pool_new(). By rules, each thread looks at all packets and at a part
 * of the rules, which suits few packets and slow tables; tables of one part are split by packets
 * all the same. Once.
 */
int fw_decider_share(struct fw_decider *d, uint32_t threads, uint32_t pools, bool by_rules);

/*
 * A decider's work goes to another, with other tables: fw_decider_like() makes one that can do it,
 * -ENOMEM; fw_decider_succeed() gives that the pool and the totals of `old` in between two batches,
 * and cannot fail. The counters of the rules stay with the old one, and so do the lines of its log.
 */
int fw_decider_like(struct fw_decider *d, const struct fw_decider *old,
		    const struct fw_tables *tables, struct fw_dynamic *dynamic);
void fw_decider_succeed(struct fw_decider *d, struct fw_decider *old);

/* By one thread: takes the oldest line of the log; false if there is none. */
bool fw_decider_take_log(struct fw_decider *d, union fw_log_slot *slot);

/*
 * How many packets were decided. The others' headers go on past what was captured, and more can be
 * had: they have the verdict FW_VERDICT_NEXT, and are counted as such only.
 */
uint32_t fw_decide(struct fw_decider *d, const struct fw_seen *packets, uint32_t n,
		   struct fw_decision *decisions);

/*
 * The mark a packet leaves with: as rules have set it; our bits are cleared of the state that came
 * in them, and carry the reject's number out.
 */
uint32_t fw_mark_after(const struct fw_tables *t, uint32_t mark, const struct fw_decision *decision);

#endif
