/*
 * evaluate.h - the classifier's inner loops, written once and compiled twice: classify_portable.c
 * and classify_avx2.c include it. This half finds the rule; front.h the classes before it.
 *
 * Packets go through in groups of FW_GROUP, stage by stage: each stage is a loop over the group
 * whose turns do not wait for each other, so that the loads of many packets are under way at once.
 * No branch depends on a packet, save in the sparse back end and in how long lists of rules are.
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

/* Rows that are still to be looked at, each with its packet's lane. */
struct open_rows {
	uint32_t count;
	uint32_t rows[FW_GROUP_COUNT * FW_GROUP];
	uint8_t lanes[FW_GROUP_COUNT * FW_GROUP];
};

/* Keeps a row that is a list and not empty, or one that is long. */
INLINE void keep_row(const struct fw_tables *t, uint32_t row, uint32_t lane, struct open_rows *lists,
		     struct open_rows *longs, bool has_longs)
{
	__builtin_prefetch(&t->lists[row]);
	lists->rows[lists->count] = row;
	lists->lanes[lists->count] = (uint8_t)lane;
	lists->count += row - 1 < FW_BRANCH - 1;
	if (has_longs) {
		longs->rows[longs->count] = row;
		longs->lanes[longs->count] = (uint8_t)lane;
		longs->count += row >> 31;
	}
}

/* Long rows say the rule at once. */
static void take_long_rows(const struct fw_tables *t, const struct open_rows *w, const uint32_t *apps,
			   uint32_t *rules)
{
	for (uint32_t j = 0; j < w->count; j++) {
		const uint32_t i = w->lanes[j];
		const uint64_t at = (uint64_t)(w->rows[j] & ~FW_BRANCH) * t->app_classes + apps[i];
		rules[i] = smaller(rules[i], t->long_rows[at]);
	}
}

/*
 * The first rule of each row that the app class allows. All rows are walked together, a step at a
 * time, until none is left; most need a step or two.
 */
INLINE void walk(const struct fw_tables *t, struct open_rows *w, const uint32_t *apps, uint32_t n,
		 uint32_t *rules)
{
	const uint32_t *app = (const uint32_t *)(const void *)t->app;
	const struct fw_candidate *lists = t->lists;
	const uint32_t *bits[FW_GROUP];

	for (uint32_t i = 0; i < n; i++)
		bits[i] = app + (size_t)apps[i] * 2 * t->parted->app_words;
	for (uint32_t left = w->count; left > 0;) {
		uint32_t still = 0;
		for (uint32_t j = 0; j < left; j++) {
			const uint32_t row = w->rows[j], i = w->lanes[j];
			const uint32_t combination = lists[row].combination;
			const uint32_t allowed = bits[i][combination / 32] >> combination % 32 & 1;
			rules[i] = smaller(rules[i], lists[row].rule | (allowed - 1));
			w->rows[still] = row + 1;
			w->lanes[still] = (uint8_t)i;
			still += 1 - allowed;
		}
		left = still;
	}
}

/* The rows of a group, by pairs of numbers. */
INLINE void find_rows(const struct fw_tables *t, const struct fw_rows *g, const uint32_t *sources,
		      const uint32_t *destinations, uint32_t n, bool has_longs, struct open_rows *lists,
		      struct open_rows *longs)
{
	if (g->width > 0) {
		const uint32_t *rows = g->rows;
		const uint32_t width = g->width;
		for (uint32_t i = 0; i < n; i++)
			keep_row(t, rows[(size_t)sources[i] * width + destinations[i]], i, lists, longs,
				 has_longs);
		return;
	}
	const uint32_t *buckets = g->buckets, *multipliers = g->multipliers;
	const uint32_t ways = g->bucket_ways;
	const uint64_t blocks = g->block_count;
	lanes at;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t hash = (sources[i] * FW_PAIR_MIX + destinations[i]) * FW_PAIR_SPREAD;
		const uint32_t block = (uint32_t)(hash * blocks >> 32);
		at[i] = block * FW_BLOCK_BUCKETS + (hash * multipliers[block] >> 28);
		__builtin_prefetch(buckets + 16 * (size_t)at[i]);
	}
	if (ways == 8)
		for (uint32_t i = 0; i < n; i++)
			keep_row(t,
				 fw_pair_8(buckets + 16 * (size_t)at[i], sources[i] << 16 | destinations[i]),
				 i, lists, longs, has_longs);
	else
		for (uint32_t i = 0; i < n; i++)
			keep_row(t,
				 fw_pair_4(buckets + 16 * (size_t)at[i],
					   (uint64_t)sources[i] << 32 | destinations[i]),
				 i, lists, longs, has_longs);
}

/* `count` groups from the first on: the rows of all are on their way before any is walked. */
INLINE void groups_with(const struct fw_tables *t, const struct fw_rows *first, uint32_t count,
			lanes *classes, uint32_t n, bool has_longs, uint32_t *rules)
{
	struct open_rows lists, longs;
	lanes sources, destinations;

	for (uint32_t i = 0; i < n; i++) {
		sources[i] = t->sources[classes[0][i]];
		destinations[i] = t->destinations[classes[1][i]];
	}
	lists.count = longs.count = 0;
	for (const struct fw_rows *g = first; g < first + count; g++) {
		const bool source = g->kind == FW_GROUP_SOURCE || g->kind == FW_GROUP_PAIR;
		const bool destination = g->kind == FW_GROUP_DESTINATION || g->kind == FW_GROUP_PAIR;
		find_rows(t, g, source ? classes[0] : sources, destination ? classes[1] : destinations, n,
			  has_longs, &lists, &longs);
	}
	if (has_longs)
		take_long_rows(t, &longs, classes[2], rules);
	walk(t, &lists, classes[2], n, rules);
}

static void groups(const struct fw_tables *t, const struct fw_rows *first, uint32_t count, lanes *classes,
		   uint32_t n, uint32_t *rules)
{
	if (t->parted->table_count > 0)
		groups_with(t, first, count, classes, n, true, rules);
	else
		groups_with(t, first, count, classes, n, false, rules);
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
		groups(t, t->groups, t->parted->group_count, classes, n, rules);
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

static void find_scalar(const struct fw_tables *t, uint32_t axis, const struct fw_key *keys, uint32_t n,
			uint32_t *classes)
{
	for (uint32_t from = 0; from < n; from += FW_GROUP)
		find_scalars(&t->axes[axis], keys + from, smaller(n - from, FW_GROUP), classes + from);
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
			groups(t, &t->groups[part], 1, classes, count, rules + from);
			break;
		}
	}
}

#endif
