/* What becomes of a packet besides its rule: final verdicts, marks, and what is counted. */
#include "decide.h"

#include <stdbool.h>

#include "check.h"
#include "links.h"
#include "sample.h"

enum { BATCH = 8, ACCEPTED = 4000, DROPPED = 5000, REJECTED = 6000 };

/* From 127.0.0.1 to 127.0.0.1, 40 bytes. */
static void put_packet(uint8_t *p, uint8_t proto, uint16_t dport, bool later_fragment)
{
	const uint8_t packet[40] = {
		0x45, 0, 0, 40, 0, 0, 0, later_fragment, 64, proto, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
		0x12, 0x34, (uint8_t)(dport >> 8), (uint8_t)dport, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2,
	};

	for (uint32_t i = 0; i < sizeof packet; i++)
		p[i] = packet[i];
}

static struct fw_seen seen(const uint8_t *bytes, uint32_t mark)
{
	return (struct fw_seen){ .bytes = bytes, .captured = 40, .length = 40, .mark = mark };
}

static uint64_t packets(const struct fw_decider *d, uint32_t rule)
{
	return atomic_load(&d->counts->rules[rule].packets);
}

static uint64_t stat(const struct fw_decider *d, enum fw_stat s)
{
	return atomic_load(&d->counts->stats[s]);
}

static struct fw_decision decide_one(struct fw_decider *d, uint8_t proto, uint16_t dport, bool later)
{
	uint8_t bytes[40];
	struct fw_decision decision;

	put_packet(bytes, proto, dport, later);
	const struct fw_seen s = seen(bytes, 0);
	fw_decide(d, &s, 1, &decision);
	return decision;
}

static void a_reject_is_settled_by_protocol(struct fw_decider *d)
{
	const struct fw_decision tcp = decide_one(d, FW_PROTO_TCP, REJECTED, false);
	const struct fw_decision udp = decide_one(d, FW_PROTO_UDP, REJECTED, false);

	CHECK(tcp.rule == 3 && tcp.verdict == FW_VERDICT_REJECT);
	CHECK(tcp.reject == FW_REJECT_TCP_RESET);
	CHECK(udp.verdict == FW_VERDICT_REJECT && udp.reject == FW_REJECT_ICMP_PORT);
	/* A later fragment has no port, so the default takes it. */
	CHECK(decide_one(d, FW_PROTO_TCP, REJECTED, true).rule == 5);
	CHECK(fw_mark_after(d->tables, 0x30000abc, &tcp) == 0x60000abc);
	CHECK(fw_mark_after(d->tables, 0x00000abc, &udp) == 0x70000abc);
}

static void an_accepted_packet_loses_our_mark_and_keeps_the_rest(struct fw_decider *d)
{
	const struct fw_decision a = decide_one(d, FW_PROTO_UDP, ACCEPTED, false);

	CHECK(a.rule == 1 && a.verdict == FW_VERDICT_ACCEPT && a.reject == 0);
	CHECK(fw_mark_after(d->tables, 0x20000abc, &a) == 0xabc);
}

static void a_match_counts_once_and_only_before_the_deciding_rule(struct fw_decider *d)
{
	const uint64_t udp_before = packets(d, 0), lo_before = packets(d, 4);
	struct fw_decision decisions[2];
	uint8_t bytes[2][40];
	struct fw_seen s[2];

	put_packet(bytes[0], FW_PROTO_UDP, ACCEPTED, false);
	put_packet(bytes[1], FW_PROTO_TCP, 1, false);
	for (int i = 0; i < 2; i++) {
		s[i] = seen(bytes[i], 0);
		s[i].in = fw_in_class(d->tables, (const uint8_t *)"lo\0\0\0\0\0\0\0\0\0\0\0\0\0");
	}
	fw_decide(d, s, 2, decisions);
	CHECK(packets(d, 0) == udp_before + 1);
	CHECK(packets(d, 4) == lo_before + 1);
	CHECK(atomic_load(&d->counts->rules[0].bytes) == packets(d, 0) * 40);
}

static void a_rule_keeps_the_time_of_its_last_packet(struct fw_decider *d)
{
	struct fw_decision decision;
	uint8_t bytes[40];

	put_packet(bytes, FW_PROTO_UDP, ACCEPTED, false);
	struct fw_seen s = seen(bytes, 0);
	s.time = 1700000000000000001;
	fw_decide(d, &s, 1, &decision);
	CHECK(atomic_load(&d->counts->rules[1].last) == s.time);
}

static void a_malformed_packet_is_counted_by_reason_and_by_no_rule(struct fw_decider *d)
{
	uint64_t before[SAMPLE_RULES];
	struct fw_decision decisions[3];
	uint8_t bytes[3][40];
	struct fw_seen s[3];

	for (uint32_t i = 0; i < 3; i++) {
		put_packet(bytes[i], FW_PROTO_UDP, ACCEPTED, false);
		s[i] = seen(bytes[i], 0);
	}
	for (uint32_t i = 0; i < SAMPLE_RULES; i++)
		before[i] = packets(d, i);
	bytes[0][0] = 0x55;
	s[2].captured = 21;
	const uint64_t received = stat(d, FW_STAT_RECEIVED);
	fw_decide(d, s, 3, decisions);
	CHECK(decisions[0].malformed == FW_MALFORMED_VERSION && decisions[0].rule == FW_NO_RULE);
	CHECK(decisions[0].verdict == FW_VERDICT_DROP);
	CHECK(decisions[1].malformed == 0 && decisions[1].rule == 1);
	CHECK(decisions[2].malformed == FW_MALFORMED_CUT);
	CHECK(stat(d, FW_STAT_BAD_VERSION) == 1 && stat(d, FW_STAT_BAD_CUT) == 1);
	CHECK(stat(d, FW_STAT_RECEIVED) == received + 3);
	for (uint32_t i = 0; i < SAMPLE_RULES; i++)
		CHECK(packets(d, i) == before[i] + (i < 2));
}

/* Until there is more of it: nothing is counted, but that it will come again. */
static void a_packet_of_which_more_can_be_had_is_not_decided(struct fw_decider *d)
{
	struct fw_decision decisions[2];
	uint8_t bytes[2][40];
	struct fw_seen s[2];

	for (uint32_t i = 0; i < 2; i++) {
		put_packet(bytes[i], FW_PROTO_UDP, ACCEPTED, false);
		s[i] = seen(bytes[i], 0);
		s[i].more = true;
	}
	s[0].captured = 21;
	const uint64_t received = stat(d, FW_STAT_RECEIVED), cut = stat(d, FW_STAT_BAD_CUT);
	const uint64_t accepted = stat(d, FW_STAT_ACCEPTED), dropped = stat(d, FW_STAT_DROPPED);
	CHECK(fw_decide(d, s, 2, decisions) == 1);
	CHECK(decisions[0].verdict == FW_VERDICT_NEXT);
	CHECK(decisions[1].verdict == FW_VERDICT_ACCEPT && decisions[1].rule == 1);
	CHECK(stat(d, FW_STAT_QUEUED_AGAIN) == 1 && stat(d, FW_STAT_BAD_CUT) == cut);
	CHECK(stat(d, FW_STAT_RECEIVED) == received + 1);
	CHECK(stat(d, FW_STAT_ACCEPTED) == accepted + 1 && stat(d, FW_STAT_DROPPED) == dropped);
}

static void a_packet_from_another_hook_is_dropped(struct fw_decider *d)
{
	struct fw_decision decision;
	uint8_t bytes[40];

	put_packet(bytes, FW_PROTO_UDP, ACCEPTED, false);
	struct fw_seen s = seen(bytes, 0);
	s.hook = FW_HOOK_COUNT;
	fw_decide(d, &s, 1, &decision);
	CHECK(decision.rule == FW_NO_RULE && decision.verdict == FW_VERDICT_DROP);
	CHECK(decision.malformed == 0);
}

static void verdicts_add_up(const struct fw_decider *d)
{
	const enum fw_stat input[] = { FW_STAT_INPUT_ACCEPT_PACKETS, FW_STAT_INPUT_DROP_PACKETS,
				       FW_STAT_INPUT_REJECT_PACKETS };

	/* All but the one from another hook, which was dropped, have come by input, with 40 bytes. */
	CHECK(stat(d, input[0]) == stat(d, FW_STAT_ACCEPTED));
	CHECK(stat(d, input[1]) == stat(d, FW_STAT_DROPPED) - 1);
	CHECK(stat(d, input[2]) == stat(d, FW_STAT_REJECTED));
	for (int i = 0; i < 3; i++)
		CHECK(stat(d, input[i] + 1) == 40 * stat(d, input[i]));
	CHECK(stat(d, FW_STAT_RECEIVED) == stat(d, FW_STAT_ACCEPTED) + stat(d, FW_STAT_DROPPED) +
						   stat(d, FW_STAT_REJECTED));
}

/* A policy of one scalar step: the first of `rules` takes the value 1 of `field`, the last the rest. */
static struct fw_tables *two_rules(uint32_t field, struct fw_rule first, uint32_t mark_mask)
{
	static struct sample s;
	const struct fw_rule rules[] = { first, { .verdict = FW_VERDICT_DROP } };
	const uint32_t decide[] = { 0, 1 };
	const uint32_t top = UINT32_C(1) << 31;
	const uint32_t keys[FW_SEPARATORS] = { top, top + 1, ~top, ~top, ~top, ~top, ~top, ~top };
	const uint32_t values[FW_WAYS] = { 0, 1 };
	const uint64_t rows[] = { 2, 3 };
	struct fw_tables *t;

	sample_begin(&s);
	s.header.mark_mask = mark_mask;
	s.header.mark_bits = 0xff;
	s.header.rule_count = 2;
	s.header.rules_at = sample_put(&s, rules, sizeof rules);
	s.header.decide_count = 2;
	s.header.decide_at = sample_put(&s, decide, sizeof decide);
	const struct fw_step step = { .field = field,
				      .kind = FW_STEP_SEARCH,
				      .classes = 2,
				      .stride = 1 };
	const struct fw_tree tree = { .kind = FW_TREE_NARROW,
				      .classes = 2,
				      .keys_at = sample_put(&s, keys, sizeof keys),
				      .key_count = FW_SEPARATORS,
				      .values_at = sample_put(&s, values, sizeof values),
				      .value_count = FW_WAYS };
	s.header.tree_count = 1;
	s.header.trees_at = sample_put(&s, &tree, sizeof tree);
	const uint16_t product[] = { 0, 1 };
	const struct fw_fold fold = { .step_count = 1,
				      .classes = 2,
				      .product_at = sample_put(&s, product, sizeof product),
				      .product_count = 2 };
	s.header.back_end = FW_BACK_END_DENSE;
	s.header.fold_count = 1;
	s.header.folds_at = sample_put(&s, &fold, sizeof fold);
	s.header.step_count = 1;
	s.header.steps_at = sample_put(&s, &step, sizeof step);
	const struct fw_axis axis = { .kind = FW_AXIS_SCALAR,
				      .classes = 2,
				      .fold_count = 1,
				      .decide_at = sample_put(&s, rows, sizeof rows) };
	s.header.axis_count = 1;
	s.header.axes_at = sample_put(&s, &axis, sizeof axis);
	sample_end(&s);
	CHECK(fw_tables_new(s.bytes, s.size, &t) == 0);
	return t;
}

static uint32_t verdict_with(const struct fw_tables *t, uint32_t mark)
{
	struct fw_decider d;
	struct fw_decision decision;
	uint8_t bytes[40];

	put_packet(bytes, FW_PROTO_UDP, 1, false);
	const struct fw_seen s = seen(bytes, mark);
	CHECK(fw_decider_init(&d, t, NULL, 1) == 0);
	fw_decide(&d, &s, 1, &decision);
	fw_decider_clear(&d);
	return decision.verdict;
}

static void state_and_mark_are_read_from_their_own_bits(void)
{
	const struct fw_rule accept = { .verdict = FW_VERDICT_ACCEPT };
	struct fw_tables *state = two_rules(FW_FIELD_STATE, accept, 0xf0);
	struct fw_tables *mark = two_rules(FW_FIELD_MARK, accept, 0xf0);

	for (uint32_t held = 0; held < 16; held++) {
		const bool established = held == FW_STATE_ESTABLISHED + 1;
		CHECK((verdict_with(state, held << 4 | 0xf0f) == FW_VERDICT_ACCEPT) == established);
	}
	CHECK(verdict_with(mark, 0xf1) == FW_VERDICT_ACCEPT);
	CHECK(verdict_with(mark, 0xf01) == FW_VERDICT_ACCEPT);
	CHECK(verdict_with(mark, 0xf2) == FW_VERDICT_DROP);
	fw_tables_free(state);
	fw_tables_free(mark);
}

static void without_a_mark_to_travel_in_a_reject_drops(void)
{
	const struct fw_rule reject = { .verdict = FW_VERDICT_REJECT, .reject = FW_REJECT_ICMP_ADMIN };
	struct fw_tables *marked = two_rules(FW_FIELD_MARK, reject, 0xf00);
	struct fw_tables *unmarked = two_rules(FW_FIELD_MARK, reject, 0);

	CHECK(verdict_with(marked, 1) == FW_VERDICT_REJECT);
	CHECK(verdict_with(unmarked, 1) == FW_VERDICT_DROP);
	fw_tables_free(marked);
	fw_tables_free(unmarked);
}

int main(void)
{
	static struct sample sample;
	struct fw_tables *t;
	struct fw_dynamic *dynamic;
	struct fw_decider d;

	sample_image(&sample);
	CHECK(fw_tables_new(sample.bytes, sample.size, &t) == 0);
	CHECK(fw_dynamic_new(t, &dynamic) == 0);
	CHECK(fw_decider_init(&d, t, dynamic, BATCH) == 0);
	a_reject_is_settled_by_protocol(&d);
	an_accepted_packet_loses_our_mark_and_keeps_the_rest(&d);
	a_match_counts_once_and_only_before_the_deciding_rule(&d);
	a_rule_keeps_the_time_of_its_last_packet(&d);
	a_malformed_packet_is_counted_by_reason_and_by_no_rule(&d);
	a_packet_of_which_more_can_be_had_is_not_decided(&d);
	a_packet_from_another_hook_is_dropped(&d);
	verdicts_add_up(&d);
	fw_decider_clear(&d);
	fw_dynamic_free(dynamic);
	fw_tables_free(t);
	state_and_mark_are_read_from_their_own_bits();
	without_a_mark_to_travel_in_a_reject_drops();
	return 0;
}
