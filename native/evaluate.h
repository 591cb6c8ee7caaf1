/*
 * evaluate.h - the classifier's inner loops, written once and compiled three times: by
 * classify_portable.c, classify_avx2.c and classify_avx512.c. This half finds the rule; front.h the
 * classes before it.
 *
 * Packets go through in groups of FW_GROUP, stage by stage: each stage is a loop over the group
 * whose turns do not wait for each other, so that the loads of many packets are under way at once.
 * No branch depends on a packet, save in the sparse back end and in how long lists of rules are.
 */
#ifndef FW_EVALUATE_H
#define FW_EVALUATE_H

#include "front.h"
#include "sparse.h"

#ifdef __AVX512VL__
#include "groups_avx512.h"
#endif

/* The dense back end on words `from` to `end`; inlined with the usual shapes as constants. */
INLINE void dense(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t axes,
		  uint32_t words, uint32_t from, uint32_t end, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *rows[FW_MAX_AXES];
		uint32_t a = 0;
		do /* there is one at least */
			rows[a] = t->axes[a].dense + (uint64_t)classes[a][i] * words;
		while (++a < axes);
		const uint32_t bit = fw_first_common(rows, axes, from, end);
		rules[i] = bit < end * 64 ? smaller(rules[i], t->decide[bit]) : rules[i];
	}
}

INLINE void dense_of(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t axes, uint32_t *rules)
{
	switch (t->dense_words) {
	case 1:
		dense(t, classes, n, axes, 1, 0, 1, rules);
		break;
	case 4:
		dense(t, classes, n, axes, 4, 0, 4, rules);
		break;
	case 8:
		dense(t, classes, n, axes, 8, 0, 8, rules);
		break;
	case 16:
		dense(t, classes, n, axes, 16, 0, 16, rules);
		break;
	default:
		dense(t, classes, n, axes, t->dense_words, 0, t->dense_words, rules);
		break;
	}
}

INLINE void dense_all(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t *rules)
{
	switch (t->axis_count) {
	case 3:
		dense_of(t, classes, n, 3, rules);
		break;
	case 4:
		dense_of(t, classes, n, 4, rules);
		break;
	default:
		dense(t, classes, n, t->axis_count, t->dense_words, 0, t->dense_words, rules);
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

/* Rows that are to be looked at, each with its packet's lane. */
struct open_rows {
	uint32_t count;
	uint32_t rows[FW_GROUP_COUNT * FW_GROUP];
	uint8_t lanes[FW_GROUP_COUNT * FW_GROUP];
};

/* The rows of a group of packets, by what they are. */
struct found_rows {
	struct open_rows ones, lists, longs;
};

INLINE void keep_if(struct open_rows *w, bool wanted, uint32_t row, uint32_t lane)
{
	w->rows[w->count] = row;
	w->lanes[w->count] = (uint8_t)lane;
	w->count += wanted;
}

INLINE void keep_row(struct found_rows *f, uint32_t row, uint32_t lane, bool has_longs)
{
	keep_if(&f->ones, row >> 30 == FW_ONE >> 30, row, lane);
	keep_if(&f->lists, row - 1 < FW_ONE - 1, row, lane);
	if (has_longs)
		keep_if(&f->longs, row >> 31, row, lane);
}

/* The i-th bit of the row of a class, above zeros or others. */
INLINE uint32_t bit_at(const struct fw_classifier *axis, uint32_t class, size_t words, uint32_t i)
{
	const uint32_t *rows = (const uint32_t *)(const void *)axis->dense;

	return rows[2 * words * class + i / 32] >> i % 32;
}

/* All ones unless the packet's class on each of the scalar axes leaves the combination possible. */
INLINE uint32_t forbidden(const struct fw_tables *t, uint32_t scalars, lanes *classes, uint32_t i,
			  uint32_t combination)
{
	const struct fw_parted *p = t->parted;
	uint32_t bits = bit_at(&t->axes[2], classes[2][i], p->combination_words, combination);

	for (uint32_t a = 3; a < 2 + scalars; a++)
		bits &= bit_at(&t->axes[a], classes[a][i], p->other_words, t->others[combination]);
	return (bits & 1) - 1;
}

INLINE void take_ones(const struct fw_tables *t, uint32_t scalars, const struct open_rows *w,
		      lanes *classes, uint32_t *rules)
{
	const uint32_t bits = t->parted->combination_bits;

	for (uint32_t j = 0; j < w->count; j++) {
		const uint32_t i = w->lanes[j], one = w->rows[j] & ~FW_ONE;
		const uint32_t combination = one & ((UINT32_C(1) << bits) - 1);
		rules[i] = smaller(rules[i], one >> bits | forbidden(t, scalars, classes, i, combination));
	}
}

/* Long rows say the rule at once; or, where there is more than one scalar axis, a row that is not long. */
INLINE void take_longs(const struct fw_tables *t, uint32_t scalars, struct found_rows *f,
		       lanes *classes, uint32_t *rules)
{
	const struct open_rows *w = &f->longs;

	for (uint32_t j = 0; j < w->count; j++) {
		const uint32_t i = w->lanes[j];
		const uint64_t row = w->rows[j] & ~FW_BRANCH;
		const uint32_t said = t->long_rows[row * t->first_classes + classes[2][i]];
		if (scalars > 1)
			keep_row(f, said, i, false);
		else
			rules[i] = smaller(rules[i], said);
	}
}

/*
 * The first rule of each list that the scalar classes allow, if it is before what is known. All lists
 * are walked together, a step at a time, until none is left; most need a step or two.
 */
INLINE void walk(const struct fw_tables *t, uint32_t scalars, struct open_rows *w, lanes *classes,
		 uint32_t *rules)
{
	const struct fw_candidate *lists = t->lists;

	for (uint32_t left = w->count; left > 0;) {
		uint32_t still = 0;
		for (uint32_t j = 0; j < left; j++) {
			const uint32_t row = w->rows[j], i = w->lanes[j];
			const uint32_t rule = lists[row].rule, combination = lists[row].combination;
			const uint32_t no = forbidden(t, scalars, classes, i, combination & ~FW_LAST);
			const uint32_t later = rules[i] <= rule;
			rules[i] = smaller(rules[i], rule | no);
			w->rows[still] = row + 1;
			w->lanes[still] = (uint8_t)i;
			still += no & ~combination >> 31 & ~later & 1;
		}
		left = still;
	}
}

/* A row for each pair of numbers. */
INLINE void find_pairs(const struct fw_rows *g, const uint32_t *sources, const uint32_t *destinations,
		       uint32_t n, bool has_longs, struct found_rows *f)
{
	const uint32_t *rows = g->rows;
	const size_t source_stride = g->source_stride, destination_stride = g->destination_stride;

	for (uint32_t i = 0; i < n; i++)
		keep_row(f, rows[sources[i] * source_stride + destinations[i] * destination_stride], i,
			 has_longs);
}

/* The packets that may have a pair in a group's slots, and the slot of each. */
struct hashed_pairs {
	uint32_t count;
	uint8_t lanes[FW_GROUP];
	uint32_t slots[FW_GROUP];
};

/* Where it is if it is anywhere. */
INLINE uint32_t slot_of(const struct fw_rows *g, uint32_t source, uint32_t destination)
{
	const uint32_t mixed = source * FW_PAIR_MIX;
	const uint32_t hash = (mixed + destination) * FW_PAIR_SPREAD;
	const uint32_t multiplier = g->multipliers[(uint64_t)hash * g->block_count >> 32];

	return (uint32_t)((uint64_t)((hash | 1) * multiplier + mixed) * g->slot_count >> 32);
}

/* Of all packets but those whose number has its highest bit in `lone`. */
INLINE void find_slots(const struct fw_rows *g, const uint32_t *sources, const uint32_t *destinations,
		       const uint32_t *lone, uint32_t n, struct hashed_pairs *p)
{
	p->count = 0;
	for (uint32_t i = 0; i < n; i++) {
		p->lanes[p->count] = (uint8_t)i;
		p->count += ~lone[i] >> 31;
	}
	for (uint32_t j = 0; j < p->count; j++) {
		const uint32_t i = p->lanes[j];
		p->slots[j] = slot_of(g, sources[i], destinations[i]);
		__builtin_prefetch(g->slots + (size_t)p->slots[j] * g->slot_width);
	}
}

INLINE void open_slots(const struct fw_rows *g, const uint32_t *sources, const uint32_t *destinations,
		       const struct hashed_pairs *p, bool has_longs, struct found_rows *f)
{
	const uint32_t *slots = g->slots;

	if (g->slot_width == 2)
		for (uint32_t j = 0; j < p->count; j++) {
			const uint32_t i = p->lanes[j], *slot = slots + 2 * (size_t)p->slots[j];
			const bool same = slot[0] == (sources[i] << 16 | destinations[i]);
			keep_row(f, slot[1] & -(uint32_t)same, i, has_longs);
		}
	else
		for (uint32_t j = 0; j < p->count; j++) {
			const uint32_t i = p->lanes[j], *slot = slots + 4 * (size_t)p->slots[j];
			const bool same = slot[0] == sources[i] && slot[1] == destinations[i];
			keep_row(f, slot[2] & -(uint32_t)same, i, has_longs);
		}
}

/* A side's numbers for a group of some kind: classes where it is narrow, else parts. */
INLINE const uint32_t *source_numbers(uint32_t kind, lanes *classes, const uint32_t *parts)
{
	return kind == FW_GROUP_SOURCE || kind == FW_GROUP_PAIR ? classes[0] : parts;
}

INLINE const uint32_t *destination_numbers(uint32_t kind, lanes *classes, const uint32_t *parts)
{
	return kind == FW_GROUP_DESTINATION || kind == FW_GROUP_PAIR ? classes[1] : parts;
}

/*
 * `count` groups from the first on. Slots are on their way while the rows of other groups are found,
 * and lists while those are looked at that are no lists.
 */
INLINE void groups_with(const struct fw_tables *t, const struct fw_rows *first, uint32_t count,
			lanes *classes, uint32_t n, bool has_longs, uint32_t scalars,
			uint32_t *rules)
{
	const size_t source_width = t->parted->source_width;
	const size_t destination_width = t->parted->destination_width;
	const struct fw_rows *const end = first + count;
	struct hashed_pairs pairs[FW_GROUP_COUNT];
	struct found_rows found;
	lanes sources, destinations, lone;
	static const lanes none; /* zeros */

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t source = t->sources[(classes[0][i] + 1) * source_width - 1];
		const uint32_t destination = t->destinations[(classes[1][i] + 1) * destination_width - 1];
		lone[i] = source | destination;
		sources[i] = source & ~FW_LONE;
		destinations[i] = destination & ~FW_LONE;
	}
	for (const struct fw_rows *g = first; g < end; g++)
		if (g->destination_stride == 0)
			find_slots(g, source_numbers(g->kind, classes, sources),
				   destination_numbers(g->kind, classes, destinations),
				   g->kind == FW_GROUP_PAIR ? lone : none, n, &pairs[g->kind]);
	found.ones.count = found.lists.count = found.longs.count = 0;
	for (const struct fw_rows *g = first; g < end; g++)
		if (g->destination_stride > 0)
			find_pairs(g, source_numbers(g->kind, classes, sources),
				   destination_numbers(g->kind, classes, destinations), n, has_longs,
				   &found);
	for (const struct fw_rows *g = first; g < end; g++)
		if (g->destination_stride == 0)
			open_slots(g, source_numbers(g->kind, classes, sources),
				   destination_numbers(g->kind, classes, destinations),
				   &pairs[g->kind], has_longs, &found);
	if (scalars > 1)
		take_longs(t, scalars, &found, classes, rules);
	for (uint32_t j = 0; j < found.lists.count; j++)
		__builtin_prefetch(&t->lists[found.lists.rows[j]]);
	take_ones(t, scalars, &found.ones, classes, rules);
	if (scalars == 1 && has_longs)
		take_longs(t, scalars, &found, classes, rules);
	walk(t, scalars, &found.lists, classes, rules);
}

/* `with_parts`: the classes of addresses are as find_all() says them. */
static void groups(const struct fw_tables *t, const struct fw_rows *first, uint32_t count, lanes *classes,
		   uint32_t n, bool with_parts, uint32_t *rules)
{
#ifdef __AVX512VL__
	if (goes_abreast(n)) {
		with_parts &= t->says_parts;
		if (t->scalar_count > 1)
			groups_abreast(t, first, count, t->scalar_count, classes, n, with_parts, rules);
		else
			groups_abreast(t, first, count, 1, classes, n, with_parts, rules);
		return;
	}
#else
	(void)with_parts;
#endif
	if (t->scalar_count > 1)
		groups_with(t, first, count, classes, n, true, t->scalar_count, rules);
	else if (t->parted->table_count > 0)
		groups_with(t, first, count, classes, n, true, 1, rules);
	else
		groups_with(t, first, count, classes, n, false, 1, rules);
}

/* Leaves the classes alone. */
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
		groups(t, t->groups, t->parted->group_count, classes, n, true, rules);
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
		for (uint32_t a = 0; t->says_parts && goes_abreast(count) && a < 2; a++)
			forget_parts(classes[a], count);
		put_classes(t, classes, count, out + from);
	}
}

static void find_scalar(const struct fw_tables *t, uint32_t axis, const struct fw_key *keys, uint32_t n,
			uint32_t *classes)
{
	struct group group;

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		begin_group(t, keys + from, smaller(n - from, FW_GROUP), false, &group);
		find_scalars(&t->axes[axis], &group, classes + from);
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
			groups(t, &t->groups[part], 1, classes, count, false, rules + from);
			break;
		}
	}
}

#endif
