#include "sample.h"

#include <string.h>

#include "check.h"
#include "image.h"
#include "packet.h"

void sample_begin(struct sample *s)
{
	memset(s, 0, sizeof *s);
	s->size = (sizeof s->header + FW_SECTION_ALIGN - 1) / FW_SECTION_ALIGN * FW_SECTION_ALIGN;
	s->header.malformed = FW_VERDICT_DROP;
	s->header.mark_mask = 0xfu << SAMPLE_MARK_SHIFT;
}

uint32_t sample_put(struct sample *s, const void *data, size_t size)
{
	const uint32_t at = s->size;

	CHECK(at + size + FW_SECTION_ALIGN <= sizeof s->bytes);
	memcpy(s->bytes + at, data, size);
	s->size += ((uint32_t)size + FW_SECTION_ALIGN - 1) / FW_SECTION_ALIGN * FW_SECTION_ALIGN;
	return at;
}

void sample_seal(uint8_t *bytes, uint32_t size)
{
	struct fw_header h;

	memcpy(&h, bytes, sizeof h);
	h.magic = FW_MAGIC;
	h.layout_hash = FW_LAYOUT_HASH;
	h.size = size;
	memcpy(bytes, &h, sizeof h);
	h.checksum = fw_image_checksum(bytes, size);
	memcpy(bytes, &h, sizeof h);
}

void sample_end(struct sample *s)
{
	s->header.self_set = FW_NO_RULE;
	memcpy(s->bytes, &s->header, sizeof s->header);
	sample_seal(s->bytes, s->size);
}

static struct fw_wide name_start(const char *name, uint32_t class)
{
	char padded[FW_NAME_SIZE] = { 0 };
	struct fw_wide w = { .class = class };

	memcpy(padded, name, strlen(name));
	memcpy(&w.hi, padded, 8);
	memcpy(&w.lo, padded + 8, 8);
	w.hi = __builtin_bswap64(w.hi);
	w.lo = __builtin_bswap64(w.lo);
	return w;
}

/* The classes of sample_image()'s steps. The product of all is a mixed-radix number of them. */
enum { OTHER_PROTO, TCP, UDP, PROTOS };
enum { OTHER_PORT, ACCEPTED, DROPPED, REJECTED, PORTS };
enum { OTHER_LINK, LOOPBACK, LINKS };

static void put_steps(struct sample *s)
{
	uint16_t protos[256] = { [FW_PROTO_TCP] = TCP, [FW_PROTO_UDP] = UDP };
	const struct fw_narrow ports[] = { { 0, OTHER_PORT },    { 4000, ACCEPTED },
					   { 5000, DROPPED },    { 5001, OTHER_PORT },
					   { 6000, REJECTED },   { 6002, OTHER_PORT } };
	struct fw_wide links[] = { { 0, 0, OTHER_LINK, 0 },
				   name_start("lo", LOOPBACK),
				   name_start("lo", OTHER_LINK) };
	uint16_t product[PROTOS * PORTS * LINKS];

	links[2].lo++;
	for (uint16_t i = 0; i < PROTOS * PORTS * LINKS; i++)
		product[i] = i;
	const struct fw_step steps[] = {
		{ FW_FIELD_PROTO, FW_STEP_DIRECT, PROTOS, sample_put(s, protos, sizeof protos), 256, 0,
		  PROTOS, 0 },
		{ FW_FIELD_DPORT, FW_STEP_SEARCH, PORTS, sample_put(s, ports, sizeof ports), 6,
		  sample_put(s, product, PROTOS * PORTS * sizeof *product), PROTOS * PORTS, 0 },
		{ FW_FIELD_IN, FW_STEP_IDENTITY, LINKS, 0, 0, sample_put(s, product, sizeof product),
		  PROTOS * PORTS * LINKS, 0 },
	};
	s->header.in_name_count = 3;
	s->header.in_names_at = sample_put(s, links, sizeof links);
	s->header.step_count = 3;
	s->header.steps_at = sample_put(s, steps, sizeof steps);
}

/* A literal of each kind. Rule 4 asks all but the limit, which are true; nobody asks the limit. */
static void put_literals(struct sample *s)
{
	const struct fw_literal literals[FW_LITERAL_COUNT] = {
		{ .kind = FW_LITERAL_LIMIT, .interval = 1000000000, .burst = 5, .keys = 15,
		  .source4 = 24, .source6 = 64, .destination4 = 32, .destination6 = 128 },
		{ .kind = FW_LITERAL_TIME, .to = 1440, .days = 127 },
		{ .kind = FW_LITERAL_UNTIL, .until = 99991231 },
		{ .kind = FW_LITERAL_MEMBER },
	};
	const uint32_t conditions[] = { 3, 5, 7 };
	const struct fw_need needs[] = { { 0, 0 }, { 0, 0 }, { 0, 3 } };
	const struct fw_set sets[] = { { .size = 4, .count = 2 } };
	const struct fw_member members[] = { { .lo = 127u << 24, .length = 8 },
					     { .lo = 1, .family = 1, .length = 128 } };

	s->header.needs_at = sample_put(s, needs, sizeof needs);
	s->header.condition_count = 3;
	s->header.conditions_at = sample_put(s, conditions, sizeof conditions);
	s->header.literal_count = FW_LITERAL_COUNT;
	s->header.literals_at = sample_put(s, literals, sizeof literals);
	s->header.set_count = 1;
	s->header.sets_at = sample_put(s, sets, sizeof sets);
	s->header.member_count = 2;
	s->header.members_at = sample_put(s, members, sizeof members);
}

void sample_image(struct sample *s)
{
	const struct fw_rule rules[SAMPLE_RULES] = {
		{ .verdict = FW_VERDICT_NEXT }, { .verdict = FW_VERDICT_ACCEPT },
		{ .verdict = FW_VERDICT_DROP }, { .verdict = FW_VERDICT_REJECT, .reject = FW_REJECT_AUTO },
		{ .verdict = FW_VERDICT_NEXT }, { .verdict = FW_VERDICT_DROP },
	};
	const uint32_t decide[] = { 1, 1, 2, 3, 5 }; /* rule 1 has a region a protocol */
	const uint32_t effect[] = { 0, 0, 4 }; /* and rule 0 two that overlap */
	const struct fw_narrow v4[] = { { 0, 0 }, { 127u << 24, 1 }, { 128u << 24, 0 } };
	const struct fw_wide v6[] = { { 0, 0, 0, 0 }, { 0, 1, 1, 0 }, { 0, 2, 0, 0 } };
	const uint64_t source_decide[] = { 0x1c, 0x1f };
	const uint64_t all[] = { 7, 7 };
	uint64_t scalar_decide[PROTOS * PORTS * LINKS] = { 0 };
	uint64_t scalar_effect[PROTOS * PORTS * LINKS] = { 0 };

	for (uint32_t c = 0; c < PROTOS * PORTS * LINKS; c++) {
		const uint32_t link = c % LINKS, port = c / LINKS % PORTS, proto = c / LINKS / PORTS;
		const uint32_t regions[] = {
			port == ACCEPTED && proto == UDP, port == ACCEPTED && proto == TCP,
			port == DROPPED, port == REJECTED, 1,
		};
		const uint32_t effects[] = { proto == UDP, proto == UDP && port != DROPPED,
					     link == LOOPBACK };
		for (uint32_t bit = 0; bit < 5; bit++)
			scalar_decide[c] |= (uint64_t)regions[bit] << bit;
		for (uint32_t bit = 0; bit < 3; bit++)
			scalar_effect[c] |= (uint64_t)effects[bit] << bit;
	}
	sample_begin(s);
	put_steps(s);
	s->header.rule_count = SAMPLE_RULES;
	s->header.rules_at = sample_put(s, rules, sizeof rules);
	s->header.decide_count = 5;
	s->header.decide_at = sample_put(s, decide, sizeof decide);
	s->header.effect_count = 3;
	s->header.effect_at = sample_put(s, effect, sizeof effect);
	put_literals(s);
	const struct fw_axis axes[] = {
		{ .kind = FW_AXIS_SCALAR,
		  .classes = PROTOS * PORTS * LINKS,
		  .step_count = 3,
		  .decide_at = sample_put(s, scalar_decide, sizeof scalar_decide),
		  .effect_at = sample_put(s, scalar_effect, sizeof scalar_effect) },
		{ .kind = FW_AXIS_SOURCE,
		  .classes = 2,
		  .v4_at = sample_put(s, v4, sizeof v4),
		  .v4_count = 3,
		  .v6_at = sample_put(s, v6, sizeof v6),
		  .v6_count = 3,
		  .decide_at = sample_put(s, source_decide, sizeof source_decide),
		  .effect_at = sample_put(s, all, sizeof all) },
	};
	s->header.axis_count = 2;
	s->header.axes_at = sample_put(s, axes, sizeof axes);
	sample_end(s);
}

static uint32_t put_narrow(struct sample *s, uint64_t *seed, uint32_t count, uint32_t classes,
			   uint32_t gap)
{
	struct fw_narrow table[64];

	CHECK(count <= 64);
	for (uint32_t i = 0, start = 0; i < count; i++, start += 1 + random_below(seed, gap))
		table[i] = (struct fw_narrow){ start, random_below(seed, classes) };
	return sample_put(s, table, count * sizeof *table);
}

static uint32_t put_wide(struct sample *s, uint64_t *seed, uint32_t count, uint32_t classes)
{
	struct fw_wide table[64];
	struct fw_address start = { 0, 0 };

	CHECK(count <= 64);
	for (uint32_t i = 0; i < count; i++) {
		table[i] = (struct fw_wide){ start.hi, start.lo, random_below(seed, classes), 0 };
		start.hi += random_below(seed, 2);
		start.lo += 1 + random_below(seed, 3);
	}
	return sample_put(s, table, count * sizeof *table);
}

static uint32_t put_classes(struct sample *s, uint64_t *seed, uint32_t count, uint32_t classes)
{
	uint16_t table[4096];

	CHECK(count <= 4096);
	for (uint32_t i = 0; i < count; i++)
		table[i] = (uint16_t)random_below(seed, classes);
	return sample_put(s, table, count * sizeof *table);
}

/* Rows in which a bit is set once in `sparse`, or always where sparse is 1. */
static uint32_t put_rows(struct sample *s, uint64_t *seed, uint32_t classes, uint32_t bits,
			 uint32_t sparse)
{
	uint64_t rows[4096] = { 0 };
	const uint32_t words = (bits + 63) / 64;

	CHECK(classes * words <= 4096);
	for (uint32_t c = 0; c < classes; c++)
		for (uint32_t bit = 0; bit < bits; bit++)
			if (random_below(seed, sparse) == 0)
				rows[c * words + bit / 64] |= UINT64_C(1) << bit % 64;
	return sample_put(s, rows, classes * words * sizeof *rows);
}

static struct fw_step random_step(struct sample *s, uint64_t *seed, uint32_t before)
{
	struct fw_step step = {
		.field = random_below(seed, FW_FIELD_COUNT),
		.kind = random_below(seed, 2) ? FW_STEP_DIRECT : FW_STEP_SEARCH,
		.classes = 1 + random_below(seed, 12),
		.table_count = 1 + random_below(seed, 40),
	};

	if (step.field == FW_FIELD_IN || step.field == FW_FIELD_OUT || step.field == FW_FIELD_MAC) {
		step.kind = FW_STEP_IDENTITY;
		step.classes = 8;
		step.table_count = 0;
	} else if (step.kind == FW_STEP_DIRECT) {
		step.table_at = put_classes(s, seed, step.table_count, step.classes);
	} else {
		step.table_at = put_narrow(s, seed, step.table_count, step.classes, 9);
	}
	step.product_classes = step.classes;
	if (before) {
		step.product_classes = 1 + random_below(seed, 60);
		step.product_at = put_classes(s, seed, before * step.classes, step.product_classes);
	}
	return step;
}

void sample_random(struct sample *s, uint64_t *seed)
{
	struct fw_rule rules[400] = { 0 };
	uint32_t decide[800], effect[800];
	const struct fw_need needs[800] = { 0 };
	struct fw_axis axes[5] = { { 0 } };
	struct fw_step steps[20];

	sample_begin(s);
	s->header.malformed = FW_VERDICT_ACCEPT;
	s->header.rule_count = 2 + random_below(seed, 398);
	for (uint32_t i = 0; i < s->header.rule_count; i++) {
		const uint32_t verdict = i == 0 ? FW_VERDICT_DROP : random_below(seed, FW_VERDICT_COUNT);
		rules[i].verdict = verdict;
		if (verdict == FW_VERDICT_REJECT)
			rules[i].reject = random_below(seed, FW_REJECT_COUNT);
		for (uint32_t regions = 1 + random_below(seed, 2); regions; regions--) {
			if (verdict == FW_VERDICT_NEXT)
				effect[s->header.effect_count++] = i;
			else
				decide[s->header.decide_count++] = i;
		}
	}
	s->header.rules_at = sample_put(s, rules, s->header.rule_count * sizeof *rules);
	s->header.decide_at = sample_put(s, decide, s->header.decide_count * sizeof *decide);
	s->header.effect_at = sample_put(s, effect, s->header.effect_count * sizeof *effect);
	s->header.needs_at = sample_put(s, needs, s->header.effect_count * sizeof *needs);
	s->header.in_name_count = s->header.out_name_count = 20;
	s->header.in_names_at = put_wide(s, seed, 20, 8);
	s->header.out_names_at = put_wide(s, seed, 20, 8);
	s->header.mac_count = 20;
	s->header.macs_at = put_wide(s, seed, 20, 8);
	s->header.axis_count = 1 + random_below(seed, 5);
	for (uint32_t i = 0; i < s->header.axis_count; i++) {
		struct fw_axis *a = &axes[i];
		a->kind = random_below(seed, FW_AXIS_COUNT);
		a->classes = 1 + random_below(seed, 20);
		if (a->kind == FW_AXIS_SCALAR) {
			a->first_step = s->header.step_count;
			a->step_count = 1 + random_below(seed, 4);
			a->classes = 0;
			for (uint32_t k = 0; k < a->step_count; k++) {
				const struct fw_step step = random_step(s, seed, a->classes);
				steps[s->header.step_count++] = step;
				a->classes = step.product_classes;
			}
		} else {
			a->v4_count = 1 + random_below(seed, 40);
			a->v6_count = 1 + random_below(seed, 40);
			a->v4_at = put_narrow(s, seed, a->v4_count, a->classes, 9);
			a->v6_at = put_wide(s, seed, a->v6_count, a->classes);
		}
		const uint32_t sparse = 1 + random_below(seed, 6);
		a->decide_at = put_rows(s, seed, a->classes, s->header.decide_count, sparse);
		a->effect_at = put_rows(s, seed, a->classes, s->header.effect_count, sparse);
	}
	s->header.axes_at = sample_put(s, axes, s->header.axis_count * sizeof *axes);
	s->header.steps_at = sample_put(s, steps, s->header.step_count * sizeof *steps);
	sample_end(s);
}
