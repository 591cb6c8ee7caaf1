#include "decide.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

enum { LOG_SLOTS = 1024 };

int fw_decider_init(struct fw_decider *d, const struct fw_tables *tables, struct fw_dynamic *dynamic,
		    uint32_t batch)
{
	*d = (struct fw_decider){
		.tables = tables,
		.dynamic = dynamic,
		.batch = batch,
		.counts = fw_counts_new(tables->header->rule_count),
		.keys = calloc(batch, sizeof *d->keys),
		.classes = calloc(batch, sizeof *d->classes),
		.rules = calloc(batch, sizeof *d->rules),
		.places = calloc(batch, sizeof *d->places),
	};
	const size_t words = sizeof(union fw_log_slot) / sizeof(uint64_t);
	const bool logging = !tables->logs || fw_ring_init(&d->log, LOG_SLOTS, (uint32_t)words) == 0;
	if (d->counts && d->keys && d->classes && d->rules && d->places && logging &&
	    fw_flows_new(tables, batch, &d->flows) == 0)
		return 0;
	fw_decider_clear(d);
	return -ENOMEM;
}

void fw_decider_clear(struct fw_decider *d)
{
	fw_pool_free(d->pool);
	fw_ring_clear(&d->log);
	fw_flows_free(d->flows);
	free(d->counts);
	free(d->keys);
	free(d->classes);
	free(d->rules);
	free(d->places);
	free(d->part_rules);
	*d = (struct fw_decider){ 0 };
}

static int make_parts(struct fw_decider *d)
{
	const uint32_t parts = fw_parts(d->tables);

	if (!d->by_rules || parts < 2)
		return 0;
	d->part_rules = calloc((size_t)parts * d->batch, sizeof *d->part_rules);
	return d->part_rules ? 0 : -ENOMEM;
}

int fw_decider_share(struct fw_decider *d, uint32_t threads, uint32_t pools, bool by_rules)
{
	d->by_rules = by_rules;
	const int error = make_parts(d);
	return error ? error : fw_pool_new(threads, pools, &d->pool);
}

int fw_decider_like(struct fw_decider *d, const struct fw_decider *old,
		    const struct fw_tables *tables, struct fw_dynamic *dynamic)
{
	int error = fw_decider_init(d, tables, dynamic, old->batch);

	if (error)
		return error;
	d->by_rules = old->by_rules;
	error = make_parts(d);
	if (error)
		fw_decider_clear(d);
	return error;
}

void fw_decider_succeed(struct fw_decider *d, struct fw_decider *old)
{
	uint64_t totals[FW_STAT_COUNT] = { 0 };

	fw_counts_add_stats(old->counts, totals);
	for (uint32_t i = 0; i < FW_STAT_COUNT; i++)
		fw_count(&d->counts->stats[i], totals[i]);
	d->pool = old->pool;
	old->pool = NULL;
}

bool fw_decider_take_log(struct fw_decider *d, union fw_log_slot *slot)
{
	return d->log.data && fw_ring_take(&d->log, slot->words);
}

static uint32_t state_in(const struct fw_tables *t, uint32_t mark)
{
	const uint32_t held = (mark & t->header->mark_mask) >> t->mark_shift;

	return held >= 1 && held <= FW_STATE_COUNT ? held - 1 : FW_STATE_UNTRACKED;
}

/* The fields that the packet itself does not say. */
static void complete_key(const struct fw_tables *t, const struct fw_seen *p, struct fw_key *key)
{
	const struct fw_header *h = t->header;

	key->scalar[FW_FIELD_HOOK] = p->hook;
	key->scalar[FW_FIELD_STATE] = state_in(t, p->mark);
	key->scalar[FW_FIELD_MARK] = p->mark & h->mark_bits & ~h->mark_mask;
	key->scalar[FW_FIELD_IN] = p->in;
	key->scalar[FW_FIELD_OUT] = p->out;
	key->scalar[FW_FIELD_UID] = p->uid;
	key->scalar[FW_FIELD_GID] = p->gid;
	if (t->macs) {
		const struct fw_address mac = { 0, p->mac };
		key->scalar[FW_FIELD_MAC] = fw_search_wide(t->macs, h->mac_count, mac);
	}
}

/* What the rule says, made final. */
static void settle(const struct fw_tables *t, const struct fw_key *key, uint32_t rule,
		   struct fw_decision *d)
{
	d->rule = rule;
	if (rule == FW_NO_RULE)
		return;
	d->verdict = t->rules[rule].verdict;
	if (d->verdict != FW_VERDICT_REJECT)
		return;
	d->reject = t->rules[rule].reject;
	if (d->reject == FW_REJECT_AUTO) {
		/* Only a TCP header that was read has flags. */
		const bool tcp = key->scalar[FW_FIELD_FLAGS] != FW_NO_FLAGS;
		d->reject = tcp ? FW_REJECT_TCP_RESET : FW_REJECT_ICMP_PORT;
	}
	if (t->header->mark_mask == 0) {
		d->verdict = FW_VERDICT_DROP;
		d->reject = 0;
	}
}

static void write_log(struct fw_decider *d, uint32_t rule, const struct fw_key *key,
		      const struct fw_seen *p)
{
	const bool whole = d->tables->rules[rule].log == 2;
	const uint32_t captured = p->captured < FW_LOG_BYTES ? p->captured : FW_LOG_BYTES;
	union fw_log_slot slot = { .line.log = {
		.time = p->time,
		.source_hi = key->source.hi,
		.source_lo = key->source.lo,
		.destination_hi = key->destination.hi,
		.destination_lo = key->destination.lo,
		.rule = rule,
		.length = key->length,
		.captured = whole ? captured : 0,
		.family = key->scalar[FW_FIELD_FAMILY],
		.proto = key->scalar[FW_FIELD_PROTO],
		.sport = key->scalar[FW_FIELD_SPORT],
		.dport = key->scalar[FW_FIELD_DPORT],
		.in = p->in_index,
		.out = p->out_index,
	} };

	if (!fw_dynamic_may_log(d->dynamic, rule, &slot.line.log.suppressed))
		return;
	memcpy(slot.line.bytes, p->bytes, slot.line.log.captured);
	if (fw_ring_put(&d->log, slot.words))
		fw_count(&d->counts->stats[FW_STAT_LOGS_LOST], 1);
}

/* What a rule does to a packet that it matches. */
static void apply(struct fw_decider *d, uint32_t rule, const struct fw_key *key,
		  const struct fw_seen *p, struct fw_decision *decision)
{
	const struct fw_rule *r = &d->tables->rules[rule];

	fw_count(&d->counts->rules[rule].packets, 1);
	fw_count(&d->counts->rules[rule].bytes, key->length);
	/* Relaxed, as counts are: a time is its own whole news. */
	atomic_store_explicit(&d->counts->rules[rule].last, p->time, memory_order_relaxed);
	decision->mark_value = (decision->mark_value & ~r->mark_clear) | r->mark_value;
	decision->mark_clear |= r->mark_clear;
	if (r->log)
		write_log(d, rule, key, p);
}

/*
 * What comes of the i-th packet's rules that depend on literals or do not decide, up to the first
 * that decides by itself, `rule`. The rule that decides.
 */
static uint32_t apply_effects(struct fw_decider *d, uint32_t i, uint32_t rule,
			      const struct fw_seen *p, struct fw_decision *decision)
{
	const struct fw_tables *t = d->tables;
	const uint32_t count = t->header->effect_count;
	uint32_t last = FW_NO_RULE;

	for (uint32_t bit = fw_next_effect(t, &d->classes[i], 0);
	     bit < count && t->effect[bit] < rule;
	     bit = fw_next_effect(t, &d->classes[i], bit + 1)) {
		const uint32_t candidate = t->effect[bit];
		if (candidate == last)
			continue; /* another region of the same rule */
		if (t->needs[bit].count && !fw_dynamic_meets(d->dynamic, &t->needs[bit]))
			continue;
		if (t->rules[candidate].verdict != FW_VERDICT_NEXT)
			return candidate;
		last = candidate;
		apply(d, last, &d->keys[i], p, decision);
	}
	return rule;
}

static_assert(FW_STAT_OUTPUT_REJECT_BYTES - FW_STAT_INPUT_ACCEPT_PACKETS ==
		      FW_HOOK_COUNT * (FW_VERDICT_COUNT - 1) * 2 - 1,
	      "packets and bytes of each hook and verdict");

static void count_verdict(struct fw_counts *c, const struct fw_seen *p, const struct fw_decision *d)
{
	static const uint32_t verdict_stat[FW_VERDICT_COUNT] = {
		[FW_VERDICT_ACCEPT] = FW_STAT_ACCEPTED,
		[FW_VERDICT_DROP] = FW_STAT_DROPPED,
		[FW_VERDICT_REJECT] = FW_STAT_REJECTED,
	};
	static const uint32_t malformed_stat[FW_MALFORMED_COUNT] = {
		[FW_MALFORMED_VERSION] = FW_STAT_BAD_VERSION,
		[FW_MALFORMED_IP_HEADER] = FW_STAT_BAD_IP_HEADER,
		[FW_MALFORMED_IP_LENGTH] = FW_STAT_BAD_IP_LENGTH,
		[FW_MALFORMED_EXTENSION] = FW_STAT_BAD_EXTENSION,
		[FW_MALFORMED_TRANSPORT] = FW_STAT_BAD_TRANSPORT,
		[FW_MALFORMED_CUT] = FW_STAT_BAD_CUT,
	};

	fw_count(&c->stats[verdict_stat[d->verdict]], 1);
	if (p->hook < FW_HOOK_COUNT) {
		const uint32_t of_hook = (p->hook * (FW_VERDICT_COUNT - 1) + d->verdict - 1) * 2;
		fw_count(&c->stats[FW_STAT_INPUT_ACCEPT_PACKETS + of_hook], 1);
		fw_count(&c->stats[FW_STAT_INPUT_ACCEPT_BYTES + of_hook], p->length);
	}
	if (d->malformed)
		fw_count(&c->stats[malformed_stat[d->malformed]], 1);
}

/* Keys to be classified, in chunks. */
struct batch {
	const struct fw_decider *decider;
	const struct fw_key *keys;
	uint32_t count;
	uint32_t *rules;
	struct fw_classes *classes;
	uint32_t parts; /* of part_rules, to be merged */
};

/* As many as fw_classify() takes through the tables together. */
enum { CHUNK = 32 };

static void classify_chunk(void *context, uint32_t chunk)
{
	const struct batch *b = context;
	const uint32_t first = chunk * CHUNK, left = b->count - first;

	fw_classify(b->decider->tables, b->keys + first, left < CHUNK ? left : CHUNK, b->rules + first,
		    b->classes + first);
}

static void classify_part(void *context, uint32_t part)
{
	const struct batch *b = context;
	const struct fw_decider *d = b->decider;
	uint32_t *rules = d->part_rules + (size_t)part * d->batch;

	for (uint32_t i = 0; i < b->count; i++)
		rules[i] = FW_NO_RULE;
	fw_classify_part(d->tables, b->classes, b->count, part, rules);
}

/* All parts lower the same rules, the first part's: nothing is left to merge. */
static void classify_parts(void *context)
{
	struct batch *b = context;
	const struct fw_decider *d = b->decider;

	classify_part(b, 0);
	for (uint32_t part = 1; part < b->parts; part++)
		fw_classify_part(d->tables, b->classes, b->count, part, d->part_rules);
	b->parts = 1;
}

/* The first match is the smallest rule of any part. */
static void merge_parts(const struct batch *b)
{
	const struct fw_decider *d = b->decider;

	for (uint32_t i = 0; i < b->count; i++)
		b->rules[i] = d->part_rules[i];
	for (uint32_t part = 1; part < b->parts; part++) {
		const uint32_t *rules = d->part_rules + (size_t)part * d->batch;
		for (uint32_t i = 0; i < b->count; i++)
			b->rules[i] = rules[i] < b->rules[i] ? rules[i] : b->rules[i];
	}
}

/* Pure, so it may run anywhere, in any order. */
static void classify_batch(struct batch *b)
{
	const struct fw_decider *d = b->decider;
	struct fw_job job = { .context = b, .size = b->count };

	if (d->part_rules && b->count > 0) {
		fw_find_classes(d->tables, b->keys, b->count, b->classes);
		job.run = classify_part;
		job.alone = classify_parts;
		job.chunks = b->parts = fw_parts(d->tables);
		fw_pool_run(d->pool, &job);
		merge_parts(b);
	} else if (d->pool && b->count > CHUNK) {
		job.run = classify_chunk;
		job.chunks = (b->count + CHUNK - 1) / CHUNK;
		fw_pool_run(d->pool, &job);
	} else {
		fw_classify(d->tables, b->keys, b->count, b->rules, b->classes);
	}
}

/* Only packets of flows that are not known go through the tables. */
static void classify(struct fw_decider *d, uint32_t count)
{
	struct batch all = { d, d->keys, count, d->rules, d->classes, 0 };
	struct fw_flows *f = d->flows;

	if (!f || !fw_flows_wanted(f, count)) {
		classify_batch(&all);
		return;
	}
	const uint32_t missed = fw_flows_find(f, d->keys, count, d->rules, d->classes);
	struct batch rest = { d, f->keys, missed, f->rules, f->classes, 0 };
	classify_batch(&rest);
	fw_flows_keep(f, d->rules, d->classes);
	fw_count(&d->counts->stats[FW_STAT_FLOW_HITS], count - missed);
	fw_count(&d->counts->stats[FW_STAT_FLOW_MISSES], missed);
}

uint32_t fw_decide(struct fw_decider *d, const struct fw_seen *packets, uint32_t n,
		   struct fw_decision *decisions)
{
	const struct fw_tables *t = d->tables;
	uint32_t well_formed = 0, decided = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct fw_seen *p = &packets[i];
		struct fw_key *key = &d->keys[well_formed];
		const enum fw_malformed bad = fw_packet_parse(p->bytes, p->captured, p->length, key);

		decisions[i] = (struct fw_decision){ .rule = FW_NO_RULE, .verdict = FW_VERDICT_NEXT };
		if (bad == FW_MALFORMED_CUT && p->more)
			continue;
		decided++;
		decisions[i].verdict = bad ? t->header->malformed : FW_VERDICT_DROP;
		decisions[i].malformed = bad;
		if (bad || p->hook >= FW_HOOK_COUNT)
			continue;
		complete_key(t, p, key);
		d->places[well_formed++] = i;
	}
	classify(d, well_formed);
	/* In packet order, so that a limit's tokens go to the packets that came first. */
	const bool dynamic = t->header->literal_count || t->logs;
	if (dynamic)
		fw_dynamic_begin(d->dynamic);
	for (uint32_t i = 0; i < well_formed; i++) {
		const struct fw_seen *p = &packets[d->places[i]];
		const struct fw_key *key = &d->keys[i];
		struct fw_decision *decision = &decisions[d->places[i]];
		uint32_t rule = d->rules[i];

		if (dynamic)
			fw_dynamic_packet(d->dynamic, key, p->time);
		if (t->header->effect_count > 0)
			rule = apply_effects(d, i, rule, p, decision);
		if (rule != FW_NO_RULE)
			apply(d, rule, key, p, decision);
		settle(t, key, rule, decision);
	}
	if (dynamic)
		fw_dynamic_end(d->dynamic);
	for (uint32_t i = 0; i < n; i++)
		if (decisions[i].verdict != FW_VERDICT_NEXT)
			count_verdict(d->counts, &packets[i], &decisions[i]);
	fw_count(&d->counts->stats[FW_STAT_RECEIVED], decided);
	fw_count(&d->counts->stats[FW_STAT_QUEUED_AGAIN], n - decided);
	return decided;
}

uint32_t fw_mark_after(const struct fw_tables *t, uint32_t mark, const struct fw_decision *decision)
{
	const uint32_t changed = (mark & ~decision->mark_clear) | decision->mark_value;
	const uint32_t others = changed & ~t->header->mark_mask;

	if (decision->verdict != FW_VERDICT_REJECT)
		return others;
	return others | (FW_STATE_COUNT + decision->reject) << t->mark_shift;
}
