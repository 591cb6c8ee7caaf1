/*
 * groups_avx512.h - the partitions for sixteen packets at a time, where the processor has AVX-512.
 *
 * The steps are those of evaluate.h, but each is taken for all packets of a vector, those whose row
 * is of another kind being masked, and for all vectors of a group before the next: a gather that waits
 * for another keeps those behind it from beginning, though they have all that they need.
 */
#ifndef FW_GROUPS_AVX512_H
#define FW_GROUPS_AVX512_H

#include "front.h"
#include "lanes_avx512.h"

/* A number for each packet of a group, sixteen in each vector. */
typedef __m512i vectors[VECTORS];

/* The packets of a group. */
struct abreast {
	uint32_t count; /* vectors */
	__mmask16 in[VECTORS]; /* packets that there are */
	__mmask16 paired[VECTORS]; /* those that may be in a pair of narrow sides */
	lanes *classes; /* what is behind the last packet is of none */
	vectors parts[2];
	vectors rules;
};

/* The lists that are to be walked, each with its packet's number. */
struct open_lists {
	uint32_t count;
	uint32_t rows[FW_GROUP_COUNT * FW_GROUP + WIDTH], lanes[FW_GROUP_COUNT * FW_GROUP + WIDTH];
};

/* (a * b) >> 32 of unsigned numbers. */
INLINE __m512i high_product(__m512i a, uint32_t b)
{
	const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(a, all(b)), 32);
	const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), all(b));

	return _mm512_mask_blend_epi32(0xaaaa, even, odd);
}

/* Those whose class on the scalar axis `a` leaves the combination. */
INLINE __mmask16 leaves(const struct fw_tables *t, uint32_t a, __m512i classes, __m512i combinations,
			__mmask16 mask)
{
	const uint32_t *words = (const uint32_t *)(const void *)t->axes[a].dense;
	const uint32_t width = a > 2 ? t->parted->other_words : t->parted->combination_words;
	const __m512i number = a > 2 ? gather(t->others, combinations, mask) : combinations;
	const __m512i first = _mm512_mullo_epi32(classes, all(2 * width));
	const __m512i at = _mm512_add_epi32(first, _mm512_srli_epi32(number, 5));
	const __m512i bit = _mm512_sllv_epi32(all(1), _mm512_and_si512(number, all(31)));

	return mask & _mm512_test_epi32_mask(gather(words, at, mask), bit);
}

/* The classes of sixteen packets on an axis. */
INLINE __m512i classes_on(const struct abreast *p, uint32_t axis, uint32_t i)
{
	return _mm512_load_si512(p->classes[axis] + i * WIDTH);
}

/* The parts of their addresses on a side, and which are in no pair: of records, which end with them. */
INLINE __mmask16 parts_of_records(const struct abreast *p, uint32_t side, const uint32_t *records,
				  uint32_t width, uint32_t i, __m512i *parts)
{
	const __m512i first = _mm512_mullo_epi32(classes_on(p, side, i), all(width));
	const __m512i last = gather(records, _mm512_add_epi32(first, all(width - 1)), p->in[i]);

	*parts = _mm512_andnot_si512(all(FW_LONE), last);
	return _mm512_movepi32_mask(last);
}

/* The same if searches have said them with the classes; leaves those alone. */
INLINE __mmask16 parts_said(const struct abreast *p, uint32_t side, uint32_t i, __m512i *parts)
{
	const __m512i said = classes_on(p, side, i);

	_mm512_store_si512(p->classes[side] + i * WIDTH, _mm512_and_si512(said, all(FW_CLASS_MASK)));
	*parts = _mm512_and_si512(_mm512_srli_epi32(said, FW_PART_SHIFT), all((1 << FW_PART_BITS) - 1));
	return _mm512_test_epi32_mask(said, all(FW_ALONE));
}

INLINE void take_packets(const struct fw_tables *t, lanes *classes, uint32_t n, bool with_parts,
			 const uint32_t *rules, struct abreast *p)
{
	const struct fw_parted *parted = t->parted;

	p->classes = classes;
	p->count = (n + WIDTH - 1) / WIDTH;
	for (uint32_t i = 0; i < p->count; i++) {
		p->in[i] = first_lanes(n - i * WIDTH);
		p->rules[i] = _mm512_maskz_loadu_epi32(p->in[i], rules + i * WIDTH);
		__m512i *sources = &p->parts[0][i], *destinations = &p->parts[1][i];
		p->paired[i] = p->in[i];
		if (with_parts) {
			p->paired[i] &= ~parts_said(p, 0, i, sources);
			p->paired[i] &= ~parts_said(p, 1, i, destinations);
		} else {
			p->paired[i] &= ~parts_of_records(p, 0, t->sources, parted->source_width, i, sources);
			p->paired[i] &= ~parts_of_records(p, 1, t->destinations, parted->destination_width, i,
							  destinations);
		}
	}
}

/* A side's numbers for a group of some kind, as in evaluate.h. */
INLINE const __m512i *sources_of(const struct abreast *p, uint32_t kind)
{
	const bool narrow = kind == FW_GROUP_SOURCE || kind == FW_GROUP_PAIR;

	return narrow ? (const void *)p->classes[0] : p->parts[0];
}

INLINE const __m512i *destinations_of(const struct abreast *p, uint32_t kind)
{
	const bool narrow = kind == FW_GROUP_DESTINATION || kind == FW_GROUP_PAIR;

	return narrow ? (const void *)p->classes[1] : p->parts[1];
}

/* Two numbers for each lane. */
struct twice {
	__m512i first, second;
};

/* Of pairs in a row. */
INLINE struct twice unzip(__m512i low, __m512i high)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	const __m512i odd = _mm512_add_epi32(even, all(1));

	return (struct twice){ _mm512_permutex2var_epi32(low, even, high),
			       _mm512_permutex2var_epi32(low, odd, high) };
}

/* The two numbers at each place of two. */
INLINE struct twice gather_two(const void *from, __m512i at, __mmask16 mask)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m512i low = _mm512_mask_i32gather_epi64(zero, (__mmask8)mask, _mm512_castsi512_si256(at), from, 8);
	const __m512i high = _mm512_mask_i32gather_epi64(zero, (__mmask8)(mask >> 8),
							 _mm512_extracti64x4_epi64(at, 1), from, 8);

	return unzip(low, high);
}

/* The rows of pairs that have one each. */
INLINE void find_in_tables(const struct fw_rows *g, const struct abreast *p, __m512i *rows)
{
	const __m512i *sources = sources_of(p, g->kind), *destinations = destinations_of(p, g->kind);

	for (uint32_t i = 0; i < p->count; i++) {
		const __m512i source = _mm512_mullo_epi32(sources[i], all(g->source_stride));
		const __m512i destination = _mm512_mullo_epi32(destinations[i], all(g->destination_stride));
		rows[i] = gather(g->rows, _mm512_add_epi32(source, destination), p->in[i]);
	}
}

/* The row of the pair in a slot, 0 if it is another pair's. */
INLINE __m512i row_in_slot(const struct fw_rows *g, __m512i slots, __m512i sources, __m512i destinations,
			   __mmask16 in)
{
	if (g->slot_width == 2) {
		const struct twice slot = gather_two(g->slots, slots, in);
		const __m512i pairs = _mm512_or_si512(_mm512_slli_epi32(sources, 16), destinations);
		return _mm512_maskz_mov_epi32(_mm512_mask_cmpeq_epi32_mask(in, slot.first, pairs), slot.second);
	}
	const __m512i at = _mm512_slli_epi32(slots, 2);
	const __mmask16 same = _mm512_mask_cmpeq_epi32_mask(in, gather(g->slots, at, in), sources);
	const __mmask16 found = _mm512_mask_cmpeq_epi32_mask(same, gather(g->slots + 1, at, same), destinations);
	return gather(g->slots + 2, at, found);
}

/* Pairs that may have a row, side by side; room for a vector behind the last. */
struct pairs {
	uint32_t count;
	uint32_t sources[FW_GROUP + WIDTH], destinations[FW_GROUP + WIDTH], rows[FW_GROUP + WIDTH];
};

INLINE void keep_pairs(const __m512i *sources, const __m512i *destinations, const __mmask16 *wanted,
		       uint32_t count, struct pairs *pairs)
{
	pairs->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		put_those(pairs->sources + pairs->count, wanted[i], sources[i]);
		put_those(pairs->destinations + pairs->count, wanted[i], destinations[i]);
		pairs->count += (uint32_t)__builtin_popcount(wanted[i]);
	}
}

/* The slots of pairs: see slot_of(). */
INLINE __m512i slots_of(const struct fw_rows *g, const struct pairs *pairs, uint32_t j)
{
	const __mmask16 in = first_lanes(pairs->count - j);
	const __m512i sources = _mm512_loadu_si512(pairs->sources + j);
	const __m512i mixed = _mm512_mullo_epi32(sources, all(FW_PAIR_MIX));
	const __m512i both = _mm512_add_epi32(mixed, _mm512_loadu_si512(pairs->destinations + j));
	const __m512i hash = _mm512_mullo_epi32(both, all(FW_PAIR_SPREAD));
	const __m512i multipliers = gather(g->multipliers, high_product(hash, g->block_count), in);
	const __m512i spread = _mm512_mullo_epi32(_mm512_or_si512(hash, all(1)), multipliers);

	return high_product(_mm512_add_epi32(spread, mixed), g->slot_count);
}

/* The rows of pairs that are hashed. */
INLINE void find_in_slots(const struct fw_rows *g, const struct abreast *p, __m512i *rows)
{
	const __mmask16 *wanted = g->kind == FW_GROUP_PAIR ? p->paired : p->in;
	struct pairs pairs;
	vectors slots;

	keep_pairs(sources_of(p, g->kind), destinations_of(p, g->kind), wanted, p->count, &pairs);
	for (uint32_t j = 0; j < pairs.count; j += WIDTH)
		slots[j / WIDTH] = slots_of(g, &pairs, j);
	for (uint32_t j = 0; j < pairs.count; j += WIDTH) {
		const __m512i sources = _mm512_loadu_si512(pairs.sources + j);
		const __m512i destinations = _mm512_loadu_si512(pairs.destinations + j);
		const __mmask16 in = first_lanes(pairs.count - j);
		_mm512_storeu_si512(pairs.rows + j, row_in_slot(g, slots[j / WIDTH], sources, destinations, in));
	}
	for (uint32_t i = 0, at = 0; i < p->count; i++) {
		rows[i] = _mm512_maskz_expand_epi32(wanted[i], _mm512_loadu_si512(pairs.rows + at));
		at += (uint32_t)__builtin_popcount(wanted[i]);
	}
}

/* Takes what long rows say: rules, or rows that are not long where there is more than one scalar axis. */
INLINE void follow_longs(const struct fw_tables *t, uint32_t scalars, __m512i *rows, struct abreast *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const __mmask16 longs = _mm512_movepi32_mask(rows[i]);
		if (!longs)
			continue;
		const __m512i first = _mm512_mullo_epi32(_mm512_andnot_si512(all(FW_BRANCH), rows[i]),
							 all(t->first_classes));
		const __m512i said = gather(t->long_rows, _mm512_add_epi32(first, classes_on(p, 2, i)), longs);
		rows[i] = _mm512_mask_mov_epi32(rows[i], longs, scalars > 1 ? said : _mm512_setzero_si512());
		if (scalars == 1)
			p->rules[i] = _mm512_mask_min_epu32(p->rules[i], longs, p->rules[i], said);
	}
}

/*
 * Takes the rule of each row that is one, and the first of each list. What is left are the lists that go
 * on, from their second.
 */
INLINE void take_firsts(const struct fw_tables *t, uint32_t scalars, __m512i *rows, struct abreast *p)
{
	const uint32_t bits = t->parted->combination_bits;
	__mmask16 lists[VECTORS], any = 0;
	vectors rules, asked;

	for (uint32_t i = 0; i < p->count; i++)
		any |= _mm512_test_epi32_mask(rows[i], rows[i]);
	if (!any)
		return;
	for (uint32_t i = 0; i < p->count; i++) {
		lists[i] = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(rows[i], all(1)), all(FW_ONE - 1));
		rules[i] = _mm512_srl_epi32(_mm512_andnot_si512(all(FW_ONE), rows[i]),
					    _mm_cvtsi32_si128((int)bits));
		asked[i] = _mm512_and_si512(rows[i], all((UINT32_C(1) << bits) - 1));
		if (!lists[i])
			continue;
		const struct twice candidate = gather_two(t->lists, rows[i], lists[i]);
		rules[i] = _mm512_mask_mov_epi32(rules[i], lists[i], candidate.first);
		asked[i] = _mm512_mask_mov_epi32(asked[i], lists[i], candidate.second);
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const __m512i combination = _mm512_andnot_si512(all(FW_LAST), asked[i]);
		const __mmask16 sooner = _mm512_mask_cmplt_epu32_mask(
			_mm512_test_epi32_mask(rows[i], rows[i]), rules[i], p->rules[i]);
		__mmask16 yes = sooner;
		for (uint32_t a = 2; a < 2 + scalars; a++)
			yes = leaves(t, a, classes_on(p, a, i), combination, yes);
		p->rules[i] = _mm512_mask_mov_epi32(p->rules[i], yes, rules[i]);
		const __mmask16 on = lists[i] & sooner & ~yes & ~_mm512_movepi32_mask(asked[i]);
		rows[i] = _mm512_maskz_add_epi32(on, rows[i], all(1));
	}
}

INLINE void keep_lists(const __m512i *rows, uint32_t count, struct open_lists *l)
{
	for (uint32_t i = 0; i < count; i++) {
		const __m512i numbers = _mm512_add_epi32(all(i * WIDTH), lane_numbers());
		const __mmask16 lists = _mm512_test_epi32_mask(rows[i], rows[i]);
		if (!lists)
			continue;
		put_those(l->rows + l->count, lists, rows[i]);
		put_those(l->lanes + l->count, lists, numbers);
		l->count += (uint32_t)__builtin_popcount(lists);
	}
}

/* The next candidate of each list; those that go on are left. */
INLINE void step_lists(const struct fw_tables *t, uint32_t scalars, lanes *classes,
		       struct open_lists *l, uint32_t *rules)
{
	uint32_t still = 0;

	for (uint32_t j = 0; j < l->count; j += WIDTH) {
		const __mmask16 in = first_lanes(l->count - j);
		const __m512i row = _mm512_maskz_loadu_epi32(in, l->rows + j);
		const __m512i lane = _mm512_maskz_loadu_epi32(in, l->lanes + j);
		const struct twice candidate = gather_two(t->lists, row, in);
		const __m512i rule = candidate.first, asked = candidate.second;
		const __m512i combination = _mm512_andnot_si512(all(FW_LAST), asked);
		__mmask16 yes = in;
		for (uint32_t a = 2; a < 2 + scalars; a++)
			yes = leaves(t, a, gather(classes[a], lane, in), combination, yes);
		const __mmask16 sooner = _mm512_mask_cmplt_epu32_mask(in, rule, gather(rules, lane, in));
		const __mmask16 on = sooner & ~yes & ~_mm512_movepi32_mask(asked);
		/* Two lists of one packet may both have found a rule. */
		for (__mmask16 found = yes & sooner; found;
		     found = _mm512_mask_cmplt_epu32_mask(yes & sooner, rule, gather(rules, lane, in)))
			_mm512_mask_i32scatter_epi32(rules, found, lane, rule, 4);
		put_those(l->rows + still, on, _mm512_add_epi32(row, all(1)));
		put_those(l->lanes + still, on, lane);
		still += (uint32_t)__builtin_popcount(on);
	}
	l->count = still;
}

/* The first rule of a list, from `row` on, that the i-th packet's scalar classes leave and that is before `known`. */
INLINE uint32_t first_of_list(const struct fw_tables *t, uint32_t scalars, lanes *classes, uint32_t i,
			      uint64_t row, uint32_t known)
{
	for (;; row += WIDTH) {
		const uint64_t left = t->parted->list_count - row;
		const __mmask16 in = first_lanes(left < WIDTH ? (uint32_t)left : WIDTH);
		const uint64_t *at = (const uint64_t *)(const void *)(t->lists + row);
		const struct twice candidates = unzip(_mm512_maskz_loadu_epi64((__mmask8)in, at),
						      _mm512_maskz_loadu_epi64((__mmask8)(in >> 8), at + 8));
		const __m512i rule = candidates.first, asked = candidates.second;
		const uint32_t last = _mm512_movepi32_mask(asked);
		/* Up to the last candidate of the list; rules ascend. */
		const __mmask16 wanted = (__mmask16)(last ^ (last - 1)) &
					 _mm512_cmplt_epu32_mask(rule, all(known));
		const __m512i combination = _mm512_andnot_si512(all(FW_LAST), asked);
		__mmask16 yes = wanted;
		for (uint32_t a = 2; a < 2 + scalars; a++)
			yes = leaves(t, a, all(classes[a][i]), combination, yes);
		if (yes)
			return t->lists[row + (uint32_t)__builtin_ctz(yes)].rule;
		if (last || wanted != 0xffff)
			return FW_NO_RULE;
	}
}

INLINE void groups_abreast(const struct fw_tables *t, const struct fw_rows *first, uint32_t count,
			   uint32_t scalars, lanes *classes, uint32_t n, bool with_parts,
			   uint32_t *rules)
{
	vectors rows[FW_GROUP_COUNT];
	struct abreast p;
	struct open_lists lists;

	take_packets(t, classes, n, with_parts, rules, &p);
	for (uint32_t g = 0; g < count; g++)
		if (first[g].destination_stride > 0)
			find_in_tables(&first[g], &p, rows[g]);
		else
			find_in_slots(&first[g], &p, rows[g]);
	for (uint32_t g = 0; g < count; g++)
		follow_longs(t, scalars, rows[g], &p);
	for (uint32_t g = 0; g < count; g++)
		take_firsts(t, scalars, rows[g], &p);
	for (uint32_t i = 0; i < p.count; i++)
		_mm512_mask_storeu_epi32(rules + i * WIDTH, p.in[i], p.rules[i]);
	/* Few are left. */
	lists.count = 0;
	for (uint32_t g = 0; g < count; g++)
		keep_lists(rows[g], p.count, &lists);
	while (lists.count > FEW)
		step_lists(t, scalars, classes, &lists, rules);
	for (uint32_t j = 0; j < lists.count; j++) {
		const uint32_t i = lists.lanes[j];
		rules[i] = smaller(rules[i],
				   first_of_list(t, scalars, classes, i, lists.rows[j], rules[i]));
	}
}

#endif
