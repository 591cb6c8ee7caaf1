/*
 * flows.h - an exact-match cache in front of the classifier: flows met before keep their rule.
 *
 * A flow is a pair of addresses and a class on each scalar axis, which is all that the tables look
 * at: what is found for one is found for all its packets for as long as the tables are in force,
 * whatever literals, sets and names of interfaces do meanwhile. Flows that share a place displace
 * each other. Where few packets are of a flow that is known, looking costs more than it saves: the
 * cache then rests for a while.
 *
 *   if (fw_flows_wanted(f, n)) {
 *     missed = fw_flows_find(f, keys, n, rules, classes);
 *     fw_classify(t, f->keys, missed, f->rules, f->classes);
 *     fw_flows_keep(f, rules, classes);
 *   }
 *
 * gives `rules` and `classes` what fw_classify(t, keys, n, rules, classes) does.
 */
#ifndef FW_FLOWS_H
#define FW_FLOWS_H

#include "classify.h"

/* Tables with more scalar axes than this, a few of very many classes, have no cache. */
enum { FW_FLOW_SCALARS = 4 };

/* A cache line. */
struct fw_flow {
	struct fw_address source;
	struct fw_address destination;
	uint32_t scalars[FW_FLOW_SCALARS]; /* class on each scalar axis */
	uint32_t family; /* 1 IPv4, 2 IPv6, 0 for an empty place */
	uint32_t rule;
	uint32_t addresses[2]; /* class on each address axis */
};
static_assert(sizeof(struct fw_flow) == 64, "a cache line");

/* One thread's. */
struct fw_flows {
	const struct fw_tables *tables;
	struct fw_flow *places;
	uint32_t count; /* of places */
	uint32_t scalar_count;
	uint32_t address_count;
	uint32_t scalar_axes[FW_FLOW_SCALARS];
	uint32_t address_axes[2];
	/* The packets that were not found, and what the caller finds for them. */
	uint32_t missed;
	struct fw_key *keys;
	uint32_t *rules;
	struct fw_classes *classes;
	uint32_t *lanes; /* of each in the caller's arrays */
	/* Of each packet: its place, and its class on each scalar axis. */
	uint32_t *at;
	uint32_t *scalars[FW_FLOW_SCALARS];
	/* How it fares: packets of this trial and those found, or packets until the next. */
	uint32_t looked;
	uint32_t found;
	uint32_t resting;
};

/*
 * A cache as the tables' header asks for, of batches of up to `batch` packets; *out is NULL if it asks
 * for none, or the tables are not fit for one. -ENOMEM.
 */
int fw_flows_new(const struct fw_tables *t, uint32_t batch, struct fw_flows **out);
void fw_flows_free(struct fw_flows *f);

/* Before a batch: whether to look, or to rest. */
bool fw_flows_wanted(struct fw_flows *f, uint32_t n);

/*
 * Sets `rules`, and if the tables have effects `classes`, of the packets whose flow is known. The keys
 * of the others are in `f`; how many.
 */
uint32_t fw_flows_find(struct fw_flows *f, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		       struct fw_classes *classes);

/* Once the caller has classified those: puts them where they belong, and keeps their flows. */
void fw_flows_keep(struct fw_flows *f, uint32_t *rules, struct fw_classes *classes);

#endif
