/*
 * evaluate.h - the classifier's inner loops, written once and compiled twice: classify_portable.c
 * and classify_avx2.c include it. This half finds the rule; front.h the classes before it.
 *
 * Packets go through in groups of FW_GROUP, stage by stage: each stage is a loop over the group
 * whose turns do not wait for each other, so that the loads of many packets are under way at once.
 * No branch depends on a packet, save in the sparse back end.
 */
#ifndef FW_EVALUATE_H
#define FW_EVALUATE_H

#include "front.h"
#include "sparse.h"

/* The dense back end on words `from` to `end`; inlined with the usual shapes as constants. */
INLINE void dense(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t axes,
		  uint32_t words, uint32_t from, uint32_t end, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *rows[FW_MAX_AXES];
		for (uint32_t a = 0; a < axes; a++)
			rows[a] = t->axes[a].dense + (uint64_t)classes[a][i] * words;
		const uint32_t bit = fw_first_common(rows, axes, from, end);
		rules[i] = bit < end * 64 ? smaller(rules[i], t->decide[bit]) : rules[i];
	}
}

INLINE void dense_all(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint32_t words = t->dense_words;

	if (t->axis_count != 3) {
		dense(t, classes, n, t->axis_count, words, 0, words, rules);
		return;
	}
	switch (words) {
	case 1:
		dense(t, classes, n, 3, 1, 0, 1, rules);
		break;
	case 4:
		dense(t, classes, n, 3, 4, 0, 4, rules);
		break;
	case 8:
		dense(t, classes, n, 3, 8, 0, 8, rules);
		break;
	case 16:
		dense(t, classes, n, 3, 16, 0, 16, rules);
		break;
	default:
		dense(t, classes, n, 3, words, 0, words, rules);
		break;
	}
}

INLINE void sparse(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t from,
		   uint32_t end, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct fw_row *rows[FW_MAX_AXES];
		for (uint32_t a = 0; a < t->axis_count; a++)
			rows[a] = &t->axes[a].sparse[classes[a][i]];
		const uint32_t bit = fw_sparse_first(t, rows, t->axis_count, from, end);
		if (bit < end)
			rules[i] = smaller(rules[i], t->decide[bit]);
	}
}

INLINE uint32_t number(const void *list, uint32_t size, uint64_t at)
{
	return size == 1   ? ((const uint8_t *)list)[at]
	       : size == 2 ? ((const uint16_t *)list)[at]
			   : ((const uint32_t *)list)[at];
}

/* A rule of a list; what stands for none is the greatest number either way. */
INLINE uint32_t rule_at(const void *list, uint32_t size, uint64_t at)
{
	const uint32_t rule = number(list, size, at);

	return size == 2 && rule == UINT16_MAX ? FW_NO_RULE : rule;
}

INLINE void wide_wide(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		      lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint16_t *cross = fw_at(t, g->cross_at);
	const void *list = fw_at(t, g->list_at);
	const uint32_t width = t->parted->wide_destinations;
	uint64_t at[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t s = t->sources[classes[0][i]].wide;
		const uint32_t d = t->destinations[classes[1][i]].wide;
		at[i] = (uint64_t)cross[s * width + d] * g->classes + classes[2][i];
		__builtin_prefetch((const char *)list + at[i] * rule_size);
	}
	for (uint32_t i = 0; i < n; i++)
		rules[i] = smaller(rules[i], rule_at(list, rule_size, at[i]));
}

/* From rows and columns of patterns to rules. */
INLINE void follow(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		   uint32_t pattern_size, const uint32_t *rows, const uint64_t *entries, uint32_t n,
		   uint32_t *rules)
{
	const void *patterns = fw_at(t, g->patterns_at);
	const void *list = fw_at(t, g->list_at);
	lanes at;

	for (uint32_t i = 0; i < n; i++) {
		at[i] = rows[i] + number(patterns, pattern_size, entries[i]);
		__builtin_prefetch((const char *)list + (uint64_t)at[i] * rule_size);
	}
	for (uint32_t i = 0; i < n; i++)
		rules[i] = smaller(rules[i], rule_at(list, rule_size, at[i]));
}

INLINE void one_sided(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		      uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	const bool source = g->kind == FW_GROUP_SOURCE;
	const struct fw_place *near = source ? t->sources : t->destinations;
	const struct fw_place *far = source ? t->destinations : t->sources;
	const uint32_t *near_class = classes[source ? 0 : 1], *far_class = classes[source ? 1 : 0];
	const uint16_t *cross = fw_at(t, g->cross_at);
	const char *patterns = fw_at(t, g->patterns_at);
	lanes rows;
	uint64_t entries[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		const struct fw_place *place = &near[near_class[i]];
		const uint32_t column = cross[far[far_class[i]].wide * t->app_classes + classes[2][i]];
		rows[i] = place->row;
		entries[i] = (uint64_t)place->pattern * g->classes + column;
		__builtin_prefetch(patterns + entries[i] * pattern_size);
	}
	follow(t, g, rule_size, pattern_size, rows, entries, n, rules);
}

INLINE void narrow_narrow(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
			  uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint32_t *lines = fw_at(t, g->buckets_at);
	const struct fw_place *places = fw_at(t, g->places_at);
	const char *patterns = fw_at(t, g->patterns_at);
	lanes at, rows;
	uint64_t entries[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		at[i] = (classes[0][i] * FW_PAIR_MIX + classes[1][i]) * g->multiplier >> g->bucket_shift;
		__builtin_prefetch(lines + 16 * (uint64_t)at[i]);
	}
	if (g->bucket_ways == 8) {
		for (uint32_t i = 0; i < n; i++)
			at[i] = fw_pair_8(lines + 16 * (uint64_t)at[i], classes[0][i] << 16 | classes[1][i]);
	} else {
		for (uint32_t i = 0; i < n; i++)
			at[i] = fw_pair_4(lines + 16 * (uint64_t)at[i], (uint64_t)classes[0][i] << 32 | classes[1][i]);
	}
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&places[at[i]]);
	for (uint32_t i = 0; i < n; i++) {
		const struct fw_place *place = &places[at[i]];
		rows[i] = place->row;
		entries[i] = (uint64_t)place->pattern * g->classes + classes[2][i];
		__builtin_prefetch(patterns + entries[i] * pattern_size);
	}
	follow(t, g, rule_size, pattern_size, rows, entries, n, rules);
}

INLINE void group_sized(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
			uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	if (g->kind == FW_GROUP_NONE)
		wide_wide(t, g, rule_size, classes, n, rules);
	else if (g->kind == FW_GROUP_PAIR)
		narrow_narrow(t, g, rule_size, pattern_size, classes, n, rules);
	else
		one_sided(t, g, rule_size, pattern_size, classes, n, rules);
}

static void group(const struct fw_tables *t, const struct fw_group *g, lanes *classes,
		  uint32_t n, uint32_t *rules)
{
	if (t->parted->rule_size == 2) {
		if (g->pattern_size == 1)
			group_sized(t, g, 2, 1, classes, n, rules);
		else
			group_sized(t, g, 2, 2, classes, n, rules);
	} else {
		if (g->pattern_size == 1)
			group_sized(t, g, 4, 1, classes, n, rules);
		else
			group_sized(t, g, 4, 2, classes, n, rules);
	}
}

INLINE void find_rules(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++)
		rules[i] = FW_NO_RULE;
	switch (t->header->back_end) {
	case FW_BACK_END_DENSE:
		dense_all(t, classes, n, rules);
		break;
	case FW_BACK_END_SPARSE:
		sparse(t, classes, n, 0, fw_parts(t) * 4096, rules);
		break;
	default:
		for (uint32_t g = 0; g < t->parted->group_count; g++)
			group(t, &t->groups[g], classes, n, rules);
		break;
	}
}

INLINE void put_classes(const struct fw_tables *t, lanes *classes, uint32_t n,
			struct fw_classes *out)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t a = 0; a < t->axis_count; a++)
			out[i].of[a] = classes[a][i];
}

static void classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		     struct fw_classes *out)
{
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		find_all(t, keys + from, count, classes);
		find_rules(t, classes, count, rules + from);
		if (t->header->effect_count > 0)
			put_classes(t, classes, count, out + from);
	}
}

static void find_classes(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
			 struct fw_classes *out)
{
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		find_all(t, keys + from, count, classes);
		put_classes(t, classes, count, out + from);
	}
}

static void classify_part(const struct fw_tables *t, const struct fw_classes *in, uint32_t n,
			  uint32_t part, uint32_t *rules)
{
	const uint32_t parts = fw_parts(t), words = t->dense_words;
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		for (uint32_t i = 0; i < count; i++)
			for (uint32_t a = 0; a < t->axis_count; a++)
				classes[a][i] = in[from + i].of[a];
		switch (t->header->back_end) {
		case FW_BACK_END_DENSE:
			dense(t, classes, count, t->axis_count, words, words * part / parts,
			      words * (part + 1) / parts, rules + from);
			break;
		case FW_BACK_END_SPARSE:
			sparse(t, classes, count, part * 4096, (part + 1) * 4096, rules + from);
			break;
		default:
			group(t, &t->groups[part], classes, count, rules + from);
			break;
		}
	}
}

#endif
