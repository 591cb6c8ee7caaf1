#include "sample.h"

#include <stdbool.h>
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

void sample_flow_cache(struct sample *s, uint32_t flows)
{
	struct fw_header *h = (struct fw_header *)(void *)s->bytes;

	h->flow_cache = flows;
	sample_seal(s->bytes, s->size);
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

/* What is found from a key on. */
struct branch {
	uint64_t key;
	uint32_t value;
};

/* Separators of one node, up to which the first of `count` branches is not found, and its values. */
static void narrow_node(const struct branch *branches, uint32_t count, int32_t *keys, uint32_t *values)
{
	for (uint32_t way = 0; way < FW_WAYS; way++) {
		values[way] = branches[way < count ? way : count - 1].value;
		if (way > 0)
			keys[way - 1] = way < count ? (int32_t)((uint32_t)(branches[way].key - 1) ^ UINT32_C(1) << 31)
						    : INT32_MAX;
	}
}

static void wide_node(const struct branch *branches, uint32_t count, int64_t *keys, uint32_t *values)
{
	for (uint32_t way = 0; way < FW_WAYS; way++) {
		values[way] = branches[way < count ? way : count - 1].value;
		if (way > 0)
			keys[way - 1] = way < count ? (int64_t)((branches[way].key - 1) ^ UINT64_C(1) << 63)
						    : INT64_MAX;
	}
}

/* Leaves that do not look at the lower half. */
static void plain_leaves(const uint32_t *values, uint32_t count, struct fw_leaf *leaves)
{
	for (uint32_t i = 0; i < count; i++)
		leaves[i] = (struct fw_leaf){ .own = values[i], .other = values[i] };
}

/* A tree of one level. */
static struct fw_tree put_narrow(struct sample *s, const struct branch *branches, uint32_t count,
				 uint32_t classes)
{
	int32_t keys[FW_SEPARATORS];
	uint32_t values[FW_WAYS];

	narrow_node(branches, count, keys, values);
	return (struct fw_tree){
		.kind = FW_TREE_NARROW,
		.classes = classes,
		.keys_at = sample_put(s, keys, sizeof keys),
		.key_count = FW_SEPARATORS,
		.values_at = sample_put(s, values, sizeof values),
		.value_count = FW_WAYS,
	};
}

/* The classes of sample_image()'s steps. The product of all is a mixed-radix number of them. */
enum { OTHER_PROTO, TCP, UDP, PROTOS };
enum { OTHER_PORT, ACCEPTED, DROPPED, REJECTED, PORTS };
enum { OTHER_LINK, LOOPBACK, LINKS };
enum { PRODUCT = PROTOS * PORTS * LINKS };
enum { PORT_TREE, V4_TREE, V6_TREE, TREES };

static void put_steps(struct sample *s)
{
	uint16_t protos[256] = { [FW_PROTO_TCP] = TCP, [FW_PROTO_UDP] = UDP };
	struct fw_wide links[] = { { 0, 0, OTHER_LINK, 0 },
				   name_start("lo", LOOPBACK),
				   name_start("lo", OTHER_LINK) };
	uint16_t product[PRODUCT];

	links[2].lo++;
	for (uint16_t i = 0; i < PRODUCT; i++)
		product[i] = i;
	const struct fw_step steps[] = {
		{ .field = FW_FIELD_PROTO,
		  .kind = FW_STEP_DIRECT,
		  .classes = PROTOS,
		  .stride = PORTS * LINKS,
		  .table_at = sample_put(s, protos, sizeof protos),
		  .table_count = 256 },
		{ .field = FW_FIELD_DPORT,
		  .kind = FW_STEP_SEARCH,
		  .classes = PORTS,
		  .stride = LINKS,
		  .tree = PORT_TREE },
		{ .field = FW_FIELD_IN, .kind = FW_STEP_IDENTITY, .classes = LINKS, .stride = 1 },
	};
	const struct fw_fold fold = { .step_count = 3,
				      .classes = PRODUCT,
				      .product_at = sample_put(s, product, sizeof product),
				      .product_count = PRODUCT };
	s->header.in_name_count = 3;
	s->header.in_names_at = sample_put(s, links, sizeof links);
	s->header.step_count = 3;
	s->header.steps_at = sample_put(s, steps, sizeof steps);
	s->header.fold_count = 1;
	s->header.folds_at = sample_put(s, &fold, sizeof fold);
}

static void put_trees(struct sample *s)
{
	const struct branch port[] = { { 0, OTHER_PORT },    { 4000, ACCEPTED }, { 5000, DROPPED },
				       { 5001, OTHER_PORT }, { 6000, REJECTED }, { 6002, OTHER_PORT } };
	const struct branch v4[] = { { 0, 0 }, { 127u << 24, 1 }, { 128u << 24, 0 } };
	const struct branch high[] = { { 0, FW_LOW | 0 }, { 1, 0 } };
	const struct branch low[] = { { 0, 0 }, { 1, 1 }, { 2, 0 } };
	int64_t high_keys[FW_SEPARATORS];
	uint32_t high_values[FW_WAYS];
	struct fw_leaf leaves[FW_WAYS];
	struct fw_low low_node = { .pad = { 0 } };

	wide_node(high, 2, high_keys, high_values);
	plain_leaves(high_values, FW_WAYS, leaves);
	wide_node(low, 3, low_node.key, low_node.value);
	const struct fw_tree trees[TREES] = {
		[PORT_TREE] = put_narrow(s, port, 6, PORTS),
		[V4_TREE] = put_narrow(s, v4, 3, 2),
		[V6_TREE] = { .kind = FW_TREE_WIDE,
			      .classes = 2,
			      .keys_at = sample_put(s, high_keys, sizeof high_keys),
			      .key_count = FW_SEPARATORS,
			      .values_at = sample_put(s, leaves, sizeof leaves),
			      .value_count = FW_WAYS,
			      .lows_at = sample_put(s, &low_node, sizeof low_node),
			      .low_count = 1 },
	};

	s->header.tree_count = TREES;
	s->header.trees_at = sample_put(s, trees, sizeof trees);
}

/* Sparse rows of few bits: the first word of the first block of each. */
static uint32_t put_sparse(struct sample *s, const uint64_t *bits, uint32_t classes)
{
	struct fw_block blocks[64];
	uint32_t numbers[64];
	struct fw_row rows[64];

	CHECK(classes <= 64 && s->header.block_count == 0);
	for (uint32_t c = 0; c < classes; c++) {
		numbers[c] = c;
		blocks[c] = (struct fw_block){ .bits = 1, .first = c };
		rows[c] = (struct fw_row){ .top = bits[c] != 0, .first = c };
	}
	s->header.number_count = s->header.block_count = s->header.word_count = classes;
	s->header.numbers_at = sample_put(s, numbers, classes * sizeof *numbers);
	s->header.blocks_at = sample_put(s, blocks, classes * sizeof *blocks);
	s->header.words_at = sample_put(s, bits, classes * sizeof *bits);
	return sample_put(s, rows, classes * sizeof *rows);
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
	const uint64_t source_decide[] = { 0x1c, 0x1f };
	uint64_t scalar_decide[PRODUCT] = { 0 };
	uint64_t effects_of[PRODUCT + 1] = { 0 };

	for (uint32_t c = 0; c < PRODUCT; c++) {
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
			effects_of[c] |= (uint64_t)effects[bit] << bit;
	}
	effects_of[PRODUCT] = 7; /* of any source */
	sample_begin(s);
	put_steps(s);
	put_trees(s);
	s->header.back_end = FW_BACK_END_DENSE;
	s->header.rule_count = SAMPLE_RULES;
	s->header.rules_at = sample_put(s, rules, sizeof rules);
	s->header.decide_count = 5;
	s->header.decide_at = sample_put(s, decide, sizeof decide);
	s->header.effect_count = 3;
	s->header.effect_at = sample_put(s, effect, sizeof effect);
	const uint32_t effect_rows = put_sparse(s, effects_of, PRODUCT + 1);
	const struct fw_row any = { .top = 1, .first = PRODUCT };
	const struct fw_row any_source[] = { any, any };
	put_literals(s);
	const struct fw_axis axes[] = {
		{ .kind = FW_AXIS_SCALAR,
		  .classes = PRODUCT,
		  .fold_count = 1,
		  .decide_at = sample_put(s, scalar_decide, sizeof scalar_decide),
		  .effect_at = effect_rows },
		{ .kind = FW_AXIS_SOURCE,
		  .classes = 2,
		  .v4_tree = V4_TREE,
		  .v6_tree = V6_TREE,
		  .decide_at = sample_put(s, source_decide, sizeof source_decide),
		  .effect_at = sample_put(s, any_source, sizeof any_source) },
	};
	s->header.axis_count = 2;
	s->header.axes_at = sample_put(s, axes, sizeof axes);
	sample_end(s);
}

/* Ascending keys from 0, values below `classes`. */
static void random_branches(struct branch *branches, uint64_t *seed, uint32_t count, uint32_t classes)
{
	uint64_t key = 0;

	for (uint32_t i = 0; i < count; i++, key += 1 + random_below(seed, 9))
		branches[i] = (struct branch){ key, random_below(seed, classes) };
}

enum { LOWS = 3, MOST_NODES = 1 + FW_WAYS };

static void random_lows(uint64_t *seed, uint32_t classes, struct fw_low *lows)
{
	for (uint32_t n = 0; n < LOWS; n++) {
		struct branch branches[FW_WAYS];
		const uint32_t count = 1 + random_below(seed, FW_WAYS);
		random_branches(branches, seed, count, classes);
		for (uint32_t i = 0; i < count && n + 1 < LOWS; i++)
			if (random_below(seed, 3) == 0)
				branches[i].value = FW_BRANCH | (n + 1 + random_below(seed, LOWS - 1 - n));
		lows[n] = (struct fw_low){ .pad = { 0 } };
		wide_node(branches, count, lows[n].key, lows[n].value);
	}
}

/* A tree of a level, or of two whose root uses as many of its answers as there are nodes below. */
static uint32_t add_tree(struct sample *s, uint64_t *seed, struct fw_tree *trees, bool wide,
			 uint32_t classes)
{
	int32_t narrow[MOST_NODES * FW_SEPARATORS];
	int64_t wides[MOST_NODES * FW_SEPARATORS];
	uint32_t values[(1 + MOST_NODES) * FW_WAYS];
	struct fw_low lows[LOWS];
	const uint32_t number = s->header.tree_count++;
	const uint32_t leaves = 1 + random_below(seed, FW_WAYS), roots = leaves > 1;

	for (uint32_t n = 0; n < roots + leaves; n++) {
		struct branch branches[FW_WAYS];
		const bool root = roots && n == 0;
		const uint32_t count = root ? leaves : 1 + random_below(seed, FW_WAYS);
		random_branches(branches, seed, count, classes);
		for (uint32_t i = 0; wide && i < count; i++)
			if (random_below(seed, 2))
				branches[i].value = FW_LOW | random_below(seed, LOWS);
		/* Those of the root are overwritten by the first leaf's. */
		uint32_t *to = values + (n - (n > 0 ? roots : 0)) * FW_WAYS;
		if (wide)
			wide_node(branches, count, wides + n * FW_SEPARATORS, to);
		else
			narrow_node(branches, count, narrow + n * FW_SEPARATORS, to);
	}
	const uint32_t keys = (roots + leaves) * FW_SEPARATORS, ends = leaves * FW_WAYS;
	struct fw_leaf apart[MOST_NODES * FW_WAYS];
	plain_leaves(values, ends, apart);
	for (uint32_t i = 0; i < ends; i++)
		if (random_below(seed, 2))
			apart[i] = (struct fw_leaf){ .lo = random_below(seed, 9),
						     .own = random_below(seed, classes),
						     .other = apart[i].other };
	random_lows(seed, classes, lows);
	trees[number] = (struct fw_tree){
		.kind = wide ? FW_TREE_WIDE : FW_TREE_NARROW,
		.classes = classes,
		.keys_at = wide ? sample_put(s, wides, keys * sizeof *wides)
				: sample_put(s, narrow, keys * sizeof *narrow),
		.key_count = keys,
		.values_at = wide ? sample_put(s, apart, ends * sizeof *apart)
				  : sample_put(s, values, ends * sizeof *values),
		.value_count = ends,
		.lows_at = wide ? sample_put(s, lows, sizeof lows) : 0,
		.low_count = wide ? LOWS : 0,
	};
	return number;
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

/* The most that random steps and folds have, so that a product of three steps fits its table. */
enum { MOST_NAMES = 8, MOST_STEPS = 3, MOST_FOLDED = 20 };
enum { MOST_PRODUCT = MOST_FOLDED * MOST_NAMES * MOST_NAMES * MOST_NAMES };

/* One for each entry, or for each of a few runs of them. */
static uint32_t put_classes(struct sample *s, uint64_t *seed, uint32_t count, uint32_t classes)
{
	const uint32_t run = random_below(seed, 2) ? 1 : 1 + count / 4;
	uint16_t table[MOST_PRODUCT];

	CHECK(count <= MOST_PRODUCT);
	for (uint32_t i = 0; i < count; i++)
		table[i] = i == 0 || random_below(seed, run) == 0 ? (uint16_t)random_below(seed, classes)
								   : table[i - 1];
	return sample_put(s, table, count * sizeof *table);
}

/* Dense rows in which a bit is set once in `sparse`, or always where sparse is 1. */
static uint32_t put_rows(struct sample *s, uint64_t *seed, uint32_t classes, uint32_t bits,
			 uint32_t sparse)
{
	uint64_t rows[4096] = { 0 };
	uint32_t words = bits <= 64 ? 1 : 4;

	while (words * 64 < bits)
		words *= 2;
	CHECK(classes * words <= 4096);
	for (uint32_t c = 0; c < classes; c++)
		for (uint32_t bit = 0; bit < bits; bit++)
			if (random_below(seed, sparse) == 0)
				rows[c * words + bit / 64] |= UINT64_C(1) << bit % 64;
	return sample_put(s, rows, classes * words * sizeof *rows);
}

/* Fills the shared blocks of sparse rows: each of 4096 bits with words for the first `bits`. */
static void put_blocks(struct sample *s, uint64_t *seed, uint32_t bits)
{
	enum { BLOCKS = 8 };
	struct fw_block blocks[BLOCKS];
	uint32_t numbers[BLOCKS];
	uint64_t words[BLOCKS * 4];

	for (uint32_t b = 0; b < BLOCKS; b++) {
		numbers[b] = random_below(seed, BLOCKS);
		blocks[b] = (struct fw_block){ .bits = 1, .first = 4 * b };
		for (uint32_t w = 1; w < 4 && w < bits / 64; w++)
			blocks[b].bits |= (uint64_t)random_below(seed, 2) << w;
		for (uint32_t w = 0; w < 4; w++)
			words[4 * b + w] = next_random(seed);
		if (bits < 64)
			words[4 * b] = (words[4 * b] & ((UINT64_C(1) << bits) - 1)) | 1;
	}
	s->header.number_count = s->header.block_count = BLOCKS;
	s->header.word_count = BLOCKS * 4;
	s->header.numbers_at = sample_put(s, numbers, sizeof numbers);
	s->header.blocks_at = sample_put(s, blocks, sizeof blocks);
	s->header.words_at = sample_put(s, words, sizeof words);
}

static uint32_t put_sparse_rows(struct sample *s, uint64_t *seed, uint32_t classes)
{
	struct fw_row rows[64];

	CHECK(classes <= 64);
	for (uint32_t c = 0; c < classes; c++)
		rows[c] = (struct fw_row){ .top = random_below(seed, 8) != 0,
					   .first = random_below(seed, s->header.number_count) };
	return sample_put(s, rows, classes * sizeof *rows);
}

static struct fw_step random_step(struct sample *s, uint64_t *seed, struct fw_tree *trees)
{
	static const struct { uint32_t field, values; } small[] = {
		{ FW_FIELD_HOOK, FW_HOOK_COUNT }, { FW_FIELD_PROTO, 256 },
		{ FW_FIELD_FLAGS, FW_NO_FLAGS + 1 }, { FW_FIELD_STATE, FW_STATE_COUNT },
	};
	struct fw_step step = {
		.field = FW_FIELD_MARK,
		.kind = random_below(seed, FW_STEP_COUNT),
		.classes = 1 + random_below(seed, 5),
	};
	const uint32_t which = random_below(seed, sizeof small / sizeof *small);

	switch (step.kind) {
	case FW_STEP_DIRECT:
		step.field = small[which].field;
		step.table_count = small[which].values;
		break;
	case FW_STEP_PAGED:
		step.field = random_below(seed, 2) ? FW_FIELD_SPORT : FW_FIELD_DPORT;
		step.table_count = 256 * (1 + random_below(seed, 3));
		step.page_count = FW_NO_PORT / 256 + 1;
		step.pages_at = put_classes(s, seed, step.page_count, step.table_count / 256);
		break;
	case FW_STEP_SEARCH:
		step.tree = add_tree(s, seed, trees, random_below(seed, 2), step.classes);
		return step;
	default:
		step.field = random_below(seed, 2) ? FW_FIELD_IN : FW_FIELD_OUT;
		step.classes = MOST_NAMES;
		return step;
	}
	step.table_at = put_classes(s, seed, step.table_count, step.classes);
	return step;
}

/* A fold of one to three steps after one of `before` classes. */
static struct fw_fold random_fold(struct sample *s, uint64_t *seed, uint32_t before,
				  struct fw_step *steps, struct fw_tree *trees)
{
	struct fw_fold fold = { .first_step = s->header.step_count,
				.step_count = 1 + random_below(seed, MOST_STEPS),
				.classes = 1 + random_below(seed, MOST_FOLDED),
				.product_count = before };

	for (uint32_t i = 0; i < fold.step_count; i++) {
		struct fw_step *step = &steps[s->header.step_count++];
		*step = random_step(s, seed, trees);
		step->stride = fold.product_count;
		fold.product_count *= step->classes;
	}
	fold.product_at = put_classes(s, seed, fold.product_count, fold.classes);
	return fold;
}

enum { MOST_CLASSES = 20, LISTED = 60, LONG_ROWS = 3, BLOCKS = 2, SLOTS = 64, WORDS = 2, OTHER_WORDS = 1, PARTS = 4 };

/* Bits of a combination in a row of one rule. */
enum { ONE_BITS = 7 };
static_assert(1 << ONE_BITS == 64 * WORDS, "each has a bit of a scalar class");

static uint32_t random_short_row(const struct sample *s, uint64_t *seed, const uint32_t *decide)
{
	if (random_below(seed, 3) > 0)
		return random_below(seed, LISTED);
	return FW_ONE | decide[random_below(seed, s->header.decide_count)] << ONE_BITS |
	       random_below(seed, 1 << ONE_BITS);
}

static uint32_t random_row(const struct sample *s, uint64_t *seed, const uint32_t *decide)
{
	return random_below(seed, 4) == 0 ? FW_BRANCH | random_below(seed, LONG_ROWS)
					  : random_short_row(s, seed, decide);
}

/* What the classes of a side lead to: rows, and last a part. */
static uint32_t put_records(struct sample *s, uint64_t *seed, uint32_t classes, uint32_t width,
			    uint32_t parts, const uint32_t *decide)
{
	uint32_t records[MOST_CLASSES * 2 * PARTS];

	for (uint32_t i = 0; i < classes * width; i++)
		records[i] = random_row(s, seed, decide);
	for (uint32_t c = 1; c <= classes; c++)
		records[c * width - 1] = random_below(seed, parts) | (random_below(seed, 4) ? 0 : FW_LONE);
	return sample_put(s, records, classes * width * sizeof *records);
}

/* Slots of pairs of small numbers, about half of them where they are looked for. */
static uint32_t put_slots(struct sample *s, uint64_t *seed, uint32_t width, const uint32_t *multipliers,
			  const uint32_t *decide)
{
	uint32_t slots[SLOTS * 4] = { 0 };

	for (uint32_t source = 0; source < 8; source++)
		for (uint32_t destination = 0; destination < 8; destination++) {
			const uint32_t mixed = source * FW_PAIR_MIX;
			const uint32_t hash = (mixed + destination) * FW_PAIR_SPREAD;
			const uint32_t multiplier = multipliers[(uint64_t)hash * BLOCKS >> 32];
			uint32_t *slot = slots + width * ((uint64_t)((hash | 1) * multiplier + mixed) * SLOTS >> 32);
			slot[0] = width == 2 ? source << 16 | destination : source;
			if (width == 4)
				slot[1] = destination;
			slot[width / 2] = random_row(s, seed, decide);
		}
	return sample_put(s, slots, SLOTS * width * sizeof *slots);
}

/* Up to four groups, with rows of any kind, after the axes of both addresses and the scalar ones. */
static void put_parted(struct sample *s, uint64_t *seed, struct fw_axis *axes, const uint32_t *decide)
{
	struct fw_candidate lists[LISTED];
	uint64_t bits[MOST_CLASSES * WORDS];
	uint32_t others[64 * WORDS];
	uint32_t long_rows[LONG_ROWS * MOST_CLASSES], rows[MOST_CLASSES * MOST_CLASSES];
	struct fw_group groups[FW_GROUP_COUNT];
	uint32_t multipliers[BLOCKS];
	const uint32_t first = axes[2].classes;
	const uint32_t from = axes[0].classes < PARTS ? axes[0].classes : PARTS;
	const uint32_t to = axes[1].classes < PARTS ? axes[1].classes : PARTS;
	struct fw_parted p = { .source_parts = from, .destination_parts = to,
			       .source_width = PARTS + 1 + random_below(seed, PARTS),
			       .destination_width = PARTS + 1 + random_below(seed, PARTS),
			       .combination_bits = ONE_BITS, .combination_words = WORDS, .other_words = OTHER_WORDS };

	for (uint32_t i = 0; i < LISTED; i++) {
		const uint32_t rule = decide[random_below(seed, s->header.decide_count)];
		lists[i] = (struct fw_candidate){ i == 0 ? FW_NO_RULE : rule,
						  i == 0 ? FW_LAST : random_below(seed, 64 * WORDS) };
		/* Rules of a list ascend: where one does not, the list before it ends. */
		if (i > 1 && (lists[i - 1].rule >= rule || random_below(seed, 4) == 0))
			lists[i - 1].combination |= FW_LAST;
	}
	lists[LISTED - 1].combination |= FW_LAST;
	p.sources_at = put_records(s, seed, axes[0].classes, p.source_width, from, decide);
	p.destinations_at = put_records(s, seed, axes[1].classes, p.destination_width, to, decide);
	for (uint32_t a = 2; a < s->header.axis_count; a++) {
		const uint32_t words = axes[a].classes * (a == 2 ? WORDS : OTHER_WORDS);
		for (uint32_t i = 0; i < words; i++)
			bits[i] = next_random(seed);
		axes[a].decide_at = sample_put(s, bits, words * sizeof *bits);
	}
	for (uint32_t i = 0; i < 64 * WORDS; i++)
		others[i] = random_below(seed, 64 * OTHER_WORDS);
	p.others_at = sample_put(s, others, sizeof others);
	for (uint32_t i = 0; i < LONG_ROWS * first; i++) {
		const uint32_t rule = decide[random_below(seed, s->header.decide_count)];
		if (s->header.axis_count > 3)
			long_rows[i] = random_short_row(s, seed, decide);
		else
			long_rows[i] = random_below(seed, 3) ? rule : FW_NO_RULE;
	}
	p.group_count = 1 + random_below(seed, FW_GROUP_COUNT);
	for (uint32_t g = 0; g < p.group_count; g++) {
		const bool source = g == FW_GROUP_SOURCE || g == FW_GROUP_PAIR;
		const bool destination = g == FW_GROUP_DESTINATION || g == FW_GROUP_PAIR;
		const uint32_t width = destination ? axes[1].classes : to;
		const uint32_t pairs = (source ? axes[0].classes : from) * width;
		groups[g] = (struct fw_group){ .kind = g };
		if (source != destination && random_below(seed, 2)) {
			groups[g].source_stride = source ? p.source_width : 1;
			groups[g].destination_stride = source ? 1 : p.destination_width;
			groups[g].rows_at = source ? p.sources_at : p.destinations_at;
		} else if (random_below(seed, 2)) {
			for (uint32_t i = 0; i < pairs; i++)
				rows[i] = random_row(s, seed, decide);
			groups[g].source_stride = width;
			groups[g].destination_stride = 1;
			groups[g].rows_at = sample_put(s, rows, pairs * sizeof *rows);
		} else {
			for (uint32_t i = 0; i < BLOCKS; i++)
				multipliers[i] = (uint32_t)next_random(seed);
			groups[g].slot_width = random_below(seed, 2) ? 2 : 4;
			groups[g].slot_count = SLOTS;
			groups[g].block_count = BLOCKS;
			groups[g].multipliers_at = sample_put(s, multipliers, sizeof multipliers);
			groups[g].slots_at = put_slots(s, seed, groups[g].slot_width, multipliers, decide);
		}
	}
	p.groups_at = sample_put(s, groups, p.group_count * sizeof *groups);
	p.list_count = LISTED;
	p.lists_at = sample_put(s, lists, sizeof lists);
	p.table_count = LONG_ROWS;
	p.tables_at = sample_put(s, long_rows, LONG_ROWS * first * sizeof *long_rows);
	s->header.parted_at = sample_put(s, &p, sizeof p);
}

void sample_random(struct sample *s, uint64_t *seed)
{
	struct fw_rule rules[400] = { { 0 } };
	uint32_t decide[800], effect[800];
	const struct fw_need needs[800] = { 0 };
	struct fw_axis axes[5] = { { 0 } };
	struct fw_fold folds[10];
	struct fw_step steps[30];
	struct fw_tree trees[FW_MAX_TREES];

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
	s->header.in_names_at = put_wide(s, seed, 20, MOST_NAMES);
	s->header.out_names_at = put_wide(s, seed, 20, MOST_NAMES);
	s->header.back_end = random_below(seed, FW_BACK_END_COUNT);
	const bool is_parted = s->header.back_end == FW_BACK_END_PARTED;
	const uint32_t least = s->header.effect_count > 0 && s->header.effect_count < s->header.decide_count
				       ? s->header.effect_count
				       : s->header.decide_count;
	put_blocks(s, seed, least);
	s->header.axis_count = 1 + random_below(seed, 5);
	if (is_parted && s->header.axis_count < 3)
		s->header.axis_count = 3;
	for (uint32_t i = 0; i < s->header.axis_count; i++) {
		struct fw_axis *a = &axes[i];
		a->kind = !is_parted ? random_below(seed, FW_AXIS_COUNT)
			  : i == 0   ? FW_AXIS_SOURCE
			  : i == 1   ? FW_AXIS_DESTINATION
				     : FW_AXIS_SCALAR;
		a->classes = 1;
		if (a->kind == FW_AXIS_SCALAR) {
			a->first_fold = s->header.fold_count;
			a->fold_count = 1 + random_below(seed, 2);
			for (uint32_t k = 0; k < a->fold_count; k++) {
				const struct fw_fold fold = random_fold(s, seed, a->classes, steps, trees);
				folds[s->header.fold_count++] = fold;
				a->classes = fold.classes;
			}
		} else {
			a->classes = 1 + random_below(seed, 20);
			a->v4_tree = add_tree(s, seed, trees, false, a->classes);
			a->v6_tree = add_tree(s, seed, trees, true, a->classes);
		}
		const uint32_t sparse = 1 + random_below(seed, 6);
		if (s->header.back_end == FW_BACK_END_DENSE)
			a->decide_at = put_rows(s, seed, a->classes, s->header.decide_count, sparse);
		else if (s->header.back_end == FW_BACK_END_SPARSE)
			a->decide_at = put_sparse_rows(s, seed, a->classes);
		a->effect_at = put_sparse_rows(s, seed, a->classes);
	}
	if (is_parted)
		put_parted(s, seed, axes, decide);
	s->header.axes_at = sample_put(s, axes, s->header.axis_count * sizeof *axes);
	s->header.folds_at = sample_put(s, folds, s->header.fold_count * sizeof *folds);
	s->header.steps_at = sample_put(s, steps, s->header.step_count * sizeof *steps);
	s->header.trees_at = sample_put(s, trees, s->header.tree_count * sizeof *trees);
	sample_end(s);
}
