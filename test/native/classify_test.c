/* Every batch size and every shape of table gives what reading the tables one by one gives. */
#include "classify.h"

#include <stdbool.h>

#include "check.h"
#include "sample.h"

enum { IMAGES = 200, KEYS = 400 };

/* The naive twin: the image as layout.ts describes it, read anew for each key and without search. */
struct twin {
	const uint8_t *image;
	struct fw_header h;
};

static const void *at(const struct twin *t, uint32_t offset)
{
	return t->image + offset;
}

static uint32_t narrow_class(const struct fw_narrow *table, uint32_t count, uint32_t value)
{
	uint32_t class = 0;

	for (uint32_t i = 0; i < count; i++)
		if (table[i].start <= value)
			class = table[i].class;
	return class;
}

static uint32_t wide_class(const struct fw_wide *table, uint32_t count, struct fw_address value)
{
	uint32_t class = 0;

	for (uint32_t i = 0; i < count; i++)
		if (table[i].hi < value.hi || (table[i].hi == value.hi && table[i].lo <= value.lo))
			class = table[i].class;
	return class;
}

static uint32_t step_class(const struct twin *t, const struct fw_step *s, uint32_t value)
{
	if (s->kind == FW_STEP_IDENTITY)
		return value;
	if (s->kind == FW_STEP_SEARCH)
		return narrow_class(at(t, s->table_at), s->table_count, value);
	return ((const uint16_t *)at(t, s->table_at))[value < s->table_count ? value :
									       s->table_count - 1];
}

static uint32_t axis_class(const struct twin *t, const struct fw_axis *a, const struct fw_key *key)
{
	const struct fw_step *steps = at(t, t->h.steps_at);
	uint32_t class = 0;

	if (a->kind != FW_AXIS_SCALAR) {
		const struct fw_address address =
			a->kind == FW_AXIS_SOURCE ? key->source : key->destination;
		return key->scalar[FW_FIELD_FAMILY]
			       ? wide_class(at(t, a->v6_at), a->v6_count, address)
			       : narrow_class(at(t, a->v4_at), a->v4_count, (uint32_t)address.lo);
	}
	for (uint32_t i = a->first_step; i < a->first_step + a->step_count; i++) {
		const uint32_t next = step_class(t, &steps[i], key->scalar[steps[i].field]);
		class = i == a->first_step ? next
					   : ((const uint16_t *)at(t, steps[i].product_at))
						     [class * steps[i].classes + next];
	}
	return class;
}

/* Whether a bit stands in every axis's row. */
static bool common(const struct twin *t, const struct fw_key *key, bool effect, uint32_t bit)
{
	const struct fw_axis *axes = at(t, t->h.axes_at);
	const uint32_t words = ((effect ? t->h.effect_count : t->h.decide_count) + 63) / 64;

	for (uint32_t i = 0; i < t->h.axis_count; i++) {
		const uint64_t *rows = at(t, effect ? axes[i].effect_at : axes[i].decide_at);
		const uint64_t word = rows[axis_class(t, &axes[i], key) * words + bit / 64];
		if (!(word >> bit % 64 & 1))
			return false;
	}
	return true;
}

static uint32_t first_rule(const struct twin *t, const struct fw_key *key)
{
	const uint32_t *numbers = at(t, t->h.decide_at);

	for (uint32_t bit = 0; bit < t->h.decide_count; bit++)
		if (common(t, key, false, bit))
			return numbers[bit];
	return FW_NO_RULE;
}

static struct fw_key random_key(uint64_t *seed)
{
	struct fw_key key = { .scalar = { 0 } };
	const uint32_t span = random_below(seed, 2) ? 200 : UINT32_MAX;

	for (uint32_t i = 0; i < FW_FIELD_COUNT; i++)
		key.scalar[i] = random_below(seed, span);
	key.scalar[FW_FIELD_FAMILY] = random_below(seed, 2);
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

static void check_image(const struct sample *s, const struct fw_key *keys, uint32_t n)
{
	uint32_t rules[KEYS];
	struct fw_classes classes[KEYS];
	struct twin twin = { s->bytes, s->header };
	struct fw_tables *t;

	CHECK(fw_tables_new(s->bytes, s->size, &t) == 0);
	fw_classify(t, keys, n, rules, classes);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(rules[i] == first_rule(&twin, &keys[i]));
		uint32_t next = fw_next_effect(t, &classes[i], 0);
		for (uint32_t bit = 0; bit < s->header.effect_count; bit++) {
			if (!common(&twin, &keys[i], true, bit))
				continue;
			CHECK(next == bit);
			next = fw_next_effect(t, &classes[i], bit + 1);
		}
		CHECK(next == s->header.effect_count);
	}
	fw_tables_free(t);
}

int main(void)
{
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
		check_image(&s, keys, n);
	}
	for (uint32_t i = 0; i < IMAGES; i++) {
		for (uint32_t k = 0; k < KEYS; k++)
			keys[k] = random_key(&seed);
		sample_random(&s, &seed);
		check_image(&s, keys, 1 + random_below(&seed, KEYS));
	}
	return 0;
}
