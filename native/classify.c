#include "classify.h"

#include "search.h"

/* IPv4 and IPv6 addresses are gathered apart, searched, and their classes put back. */
static void classify_addresses(const struct fw_classifier *axis, const struct fw_key *keys,
			       uint32_t n, uint32_t *classes)
{
	uint32_t v4[FW_GROUP], v4_lane[FW_GROUP], found[FW_GROUP];
	struct fw_address v6[FW_GROUP];
	uint32_t v6_lane[FW_GROUP];
	uint32_t n4 = 0, n6 = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct fw_address *a =
			axis->kind == FW_AXIS_SOURCE ? &keys[i].source : &keys[i].destination;
		const uint32_t six = keys[i].scalar[FW_FIELD_FAMILY];
		v4[n4] = (uint32_t)a->lo;
		v4_lane[n4] = i;
		v6[n6] = *a;
		v6_lane[n6] = i;
		n4 += 1 - six;
		n6 += six;
	}
	fw_search_narrow(axis->v4, axis->v4_count, v4, n4, found);
	for (uint32_t i = 0; i < n4; i++)
		classes[v4_lane[i]] = found[i];
	fw_search_wide(axis->v6, axis->v6_count, v6, n6, found);
	for (uint32_t i = 0; i < n6; i++)
		classes[v6_lane[i]] = found[i];
}

static void look_up(const struct fw_lookup *step, const struct fw_key *keys, uint32_t n,
		    uint32_t *classes)
{
	uint32_t values[FW_GROUP];

	for (uint32_t i = 0; i < n; i++)
		values[i] = keys[i].scalar[step->field];
	switch (step->kind) {
	case FW_STEP_DIRECT:
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t last = step->count - 1;
			classes[i] = step->direct[values[i] < last ? values[i] : last];
		}
		break;
	case FW_STEP_SEARCH:
		fw_search_narrow(step->search, step->count, values, n, classes);
		break;
	default:
		for (uint32_t i = 0; i < n; i++)
			classes[i] = values[i];
		break;
	}
}

static void classify_scalars(const struct fw_classifier *axis, const struct fw_key *keys,
			     uint32_t n, uint32_t *classes)
{
	uint32_t found[FW_GROUP];

	look_up(&axis->steps[0], keys, n, classes);
	for (uint32_t s = 1; s < axis->step_count; s++) {
		const struct fw_lookup *step = &axis->steps[s];
		look_up(step, keys, n, found);
		for (uint32_t i = 0; i < n; i++)
			classes[i] = step->product[classes[i] * step->classes + found[i]];
	}
}

/* The first bit set in all of the rows; 64 * words if there is none. */
static inline __attribute__((always_inline)) uint32_t
first_common(const uint64_t *const *rows, uint32_t axes, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++) {
		uint64_t bits = rows[0][w];
		for (uint32_t a = 1; a < axes; a++)
			bits &= rows[a][w];
		if (bits)
			return w * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return words * 64;
}

/* Inlined with the usual numbers of axes as constants, so that the inner loop is straight code. */
static inline __attribute__((always_inline)) void
find_rules(const struct fw_tables *t, uint32_t (*classes)[FW_GROUP], uint32_t axes, uint32_t n,
	   uint32_t *rules)
{
	const uint32_t words = t->decide_words;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *rows[FW_MAX_AXES];
		for (uint32_t a = 0; a < axes; a++)
			rows[a] = t->axes[a].decide + (uint64_t)classes[a][i] * words;
		const uint32_t bit = first_common(rows, axes, words);
		rules[i] = bit < words * 64 ? t->decide[bit] : FW_NO_RULE;
	}
}

static void classify_group(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
			   uint32_t *rules, struct fw_classes *out)
{
	uint32_t classes[FW_MAX_AXES][FW_GROUP];

	for (uint32_t a = 0; a < t->axis_count; a++) {
		const struct fw_classifier *axis = &t->axes[a];
		if (axis->kind == FW_AXIS_SCALAR)
			classify_scalars(axis, keys, n, classes[a]);
		else
			classify_addresses(axis, keys, n, classes[a]);
		for (uint32_t i = 0; i < n; i++) {
			__builtin_prefetch(axis->decide + (uint64_t)classes[a][i] * t->decide_words);
			out[i].of[a] = (uint16_t)classes[a][i];
		}
	}
	switch (t->axis_count) {
	case 1:
		find_rules(t, classes, 1, n, rules);
		break;
	case 3:
		find_rules(t, classes, 3, n, rules);
		break;
	default:
		find_rules(t, classes, t->axis_count, n, rules);
		break;
	}
}

void fw_classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		 struct fw_classes *classes)
{
	for (uint32_t i = 0; i < n; i += FW_GROUP)
		classify_group(t, keys + i, n - i < FW_GROUP ? n - i : FW_GROUP, rules + i,
			       classes + i);
}

uint32_t fw_next_effect(const struct fw_tables *t, const struct fw_classes *classes, uint32_t bit)
{
	for (uint32_t w = bit / 64; w < t->effect_words; w++) {
		uint64_t bits = ~UINT64_C(0);
		if (w == bit / 64)
			bits <<= bit % 64;
		for (uint32_t a = 0; a < t->axis_count; a++)
			bits &= t->axes[a].effect[(uint64_t)classes->of[a] * t->effect_words + w];
		if (bits)
			return w * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return t->header->effect_count;
}
