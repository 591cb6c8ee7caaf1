/* Every batch size, part and set of instructions gives what reading the tables bit by bit gives. */
#include "classify.h"

#include <stdbool.h>

#include "check.h"
#include "evaluators.h"
#include "sample.h"

enum { IMAGES = 200, KEYS = 400 };

/* The naive twin: the checked tables, bit by bit and key by key, by the classes found for it. */
static uint64_t bit_of(const struct fw_tables *t, const struct fw_row *row, uint32_t bit)
{
	const uint32_t b = bit / 4096, w = bit / 64 % 64;
	uint32_t skipped = 0;

	if (!(row->top >> b & 1))
		return 0;
	for (uint32_t i = 0; i < b; i++)
		skipped += (uint32_t)(row->top >> i & 1);
	const struct fw_block *block = &t->blocks[t->numbers[row->first + skipped]];
	if (!(block->bits >> w & 1))
		return 0;
	skipped = 0;
	for (uint32_t i = 0; i < w; i++)
		skipped += (uint32_t)(block->bits >> i & 1);
	return t->words[block->first + skipped] >> bit % 64 & 1;
}

static bool common(const struct fw_tables *t, const struct fw_classes *classes, bool effect,
		   uint32_t bit)
{
	for (uint32_t a = 0; a < t->axis_count; a++) {
		const struct fw_classifier *axis = &t->axes[a];
		const uint32_t class = classes->of[a];
		const uint64_t dense =
			axis->dense && !effect
				? axis->dense[class * t->dense_words + bit / 64] >> bit % 64 & 1
				: bit_of(t, effect ? &axis->effects[class] : &axis->sparse[class], bit);
		if (!dense)
			return false;
	}
	return true;
}

static uint32_t row_of_pair(const struct fw_rows *g, uint32_t source, uint32_t destination)
{
	if (g->destination_stride > 0)
		return g->rows[source * g->source_stride + destination * g->destination_stride];
	const uint32_t hash = (source * FW_PAIR_MIX + destination) * FW_PAIR_SPREAD;
	const uint32_t multiplier = g->multipliers[(uint64_t)hash * g->block_count >> 32];
	const uint32_t place = (hash | 1) * multiplier + source * FW_PAIR_MIX;
	const uint32_t *slot = g->slots + g->slot_width * ((uint64_t)place * g->slot_count >> 32);
	if (g->slot_width == 2)
		return slot[0] == (source << 16 | destination) ? slot[1] : 0;
	return slot[0] == source && slot[1] == destination ? slot[2] : 0;
}

/* Whether all scalar classes have a combination. */
static bool has(const struct fw_tables *t, const struct fw_classes *classes, uint32_t combination)
{
	for (uint32_t a = 2; a < t->axis_count; a++) {
		const uint32_t words = a == 2 ? t->parted->combination_words : t->parted->other_words;
		const uint32_t bit = a == 2 ? combination : t->others[combination];
		const uint64_t *bits = t->axes[a].dense + classes->of[a] * words;
		if (!(bits[bit / 64] >> bit % 64 & 1))
			return false;
	}
	return true;
}

static uint32_t rule_of_group(const struct fw_tables *t, const struct fw_rows *g,
			      const struct fw_classes *classes)
{
	const bool source = g->kind == FW_GROUP_SOURCE || g->kind == FW_GROUP_PAIR;
	const bool destination = g->kind == FW_GROUP_DESTINATION || g->kind == FW_GROUP_PAIR;
	const struct fw_parted *p = t->parted;
	const uint32_t from = t->sources[(classes->of[0] + 1) * p->source_width - 1];
	const uint32_t to = t->destinations[(classes->of[1] + 1) * p->destination_width - 1];

	if (g->destination_stride == 0 && g->kind == FW_GROUP_PAIR && (from | to) & FW_LONE)
		return FW_NO_RULE;
	uint32_t row = row_of_pair(g, source ? classes->of[0] : from & ~FW_LONE,
					 destination ? classes->of[1] : to & ~FW_LONE);
	if (row & FW_BRANCH) {
		row = t->long_rows[(row & ~FW_BRANCH) * t->first_classes + classes->of[2]];
		if (t->axis_count == 3)
			return row;
	}
	if (row & FW_ONE) {
		const uint32_t combination = row & ((1u << p->combination_bits) - 1);
		return has(t, classes, combination) ? (row & ~FW_ONE) >> p->combination_bits : FW_NO_RULE;
	}
	for (const struct fw_candidate *c = &t->lists[row];; c++) {
		if (has(t, classes, c->combination & ~FW_LAST))
			return c->rule;
		if (c->combination & FW_LAST)
			return FW_NO_RULE;
	}
}

static uint32_t first_rule(const struct fw_tables *t, const struct fw_classes *classes)
{
	uint32_t first = FW_NO_RULE;

	if (t->parted) {
		for (uint32_t g = 0; g < t->parted->group_count; g++) {
			const uint32_t rule = rule_of_group(t, &t->groups[g], classes);
			first = rule < first ? rule : first;
		}
		return first;
	}
	for (uint32_t bit = 0; bit < t->header->decide_count; bit++)
		if (common(t, classes, false, bit))
			return t->decide[bit];
	return first;
}

static struct fw_key random_key(uint64_t *seed)
{
	struct fw_key key = { .scalar = { 0 } };
	const uint32_t span = random_below(seed, 2) ? 200 : UINT32_MAX;

	for (uint32_t i = 0; i < FW_FIELD_COUNT; i++)
		key.scalar[i] = random_below(seed, span);
	key.scalar[FW_FIELD_HOOK] = random_below(seed, FW_HOOK_COUNT);
	key.scalar[FW_FIELD_FAMILY] = random_below(seed, 2);
	key.scalar[FW_FIELD_PROTO] = random_below(seed, 256);
	key.scalar[FW_FIELD_SPORT] = random_below(seed, FW_NO_PORT + 1);
	key.scalar[FW_FIELD_DPORT] = random_below(seed, FW_NO_PORT + 1);
	key.scalar[FW_FIELD_FLAGS] = random_below(seed, FW_NO_FLAGS + 1);
	key.scalar[FW_FIELD_STATE] = random_below(seed, FW_STATE_COUNT);
	key.scalar[FW_FIELD_IN] = random_below(seed, 8);
	key.scalar[FW_FIELD_OUT] = random_below(seed, 8);
	key.scalar[FW_FIELD_MAC] = random_below(seed, 8);
	key.source.lo = random_below(seed, span);
	key.destination.lo = random_below(seed, span);
	if (key.scalar[FW_FIELD_FAMILY]) {
		key.source.hi = random_below(seed, 20);
		key.destination.hi = random_below(seed, 20);
	}
	return key;
}

/* Any batch, one key at a time, part by part, and by each set of instructions: one answer. */
static void check_image(struct sample *s, const struct evaluators *evaluators,
			const struct fw_key *keys, uint32_t n)
{
	struct fw_classes first[KEYS];
	struct fw_tables *t;

	CHECK(fw_tables_new(s->bytes, s->size, &t) == 0);
	for (size_t e = 0; e < evaluators->count; e++) {
		uint32_t rules[KEYS], merged[KEYS], alone;
		struct fw_classes classes[KEYS];

		t->evaluator = evaluators->of[e];
		fw_classify(t, keys, n, rules, classes);
		fw_find_classes(t, keys, n, classes);
		for (uint32_t i = 0; i < n; i++)
			merged[i] = FW_NO_RULE;
		for (uint32_t part = 0; part < fw_parts(t); part++)
			fw_classify_part(t, classes, n, part, merged);
		for (uint32_t i = 0; i < n; i++) {
			if (e == 0)
				first[i] = classes[i];
			for (uint32_t a = 0; a < t->axis_count; a++)
				CHECK(classes[i].of[a] == first[i].of[a]);
			fw_classify(t, &keys[i], 1, &alone, &classes[i]);
			CHECK(rules[i] == first_rule(t, &classes[i]));
			CHECK(alone == rules[i] && merged[i] == rules[i]);
			uint32_t next = fw_next_effect(t, &classes[i], 0);
			for (uint32_t bit = 0; bit < t->header->effect_count; bit++) {
				if (!common(t, &classes[i], true, bit))
					continue;
				CHECK(next == bit);
				next = fw_next_effect(t, &classes[i], bit + 1);
			}
			CHECK(next == t->header->effect_count);
		}
	}
	fw_tables_free(t);
}

int main(void)
{
	const struct evaluators evaluators = evaluators_here();
	static struct sample s;
	struct fw_key keys[KEYS];
	uint64_t seed = 1;

	for (uint32_t i = 0; i < KEYS; i++)
		keys[i] = random_key(&seed);
	sample_image(&s);
	for (uint32_t n = 0; n <= 2 * 32 + 1; n++) {
		for (uint32_t i = 0; i < n; i++) {
			keys[i].scalar[FW_FIELD_IN] %= 2;
			keys[i].scalar[FW_FIELD_OUT] %= 2;
		}
		check_image(&s, &evaluators, keys, n);
	}
	for (uint32_t i = 0; i < IMAGES; i++) {
		for (uint32_t k = 0; k < KEYS; k++)
			keys[k] = random_key(&seed);
		sample_random(&s, &seed);
		check_image(&s, &evaluators, keys, 1 + random_below(&seed, KEYS));
	}
	return 0;
}
