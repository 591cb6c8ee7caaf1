/*
 * groups_avx512.h - the partitions for sixteen packets at a time, where the processor has AVX-512.
 *
 * The steps are those of evaluate.h, but each is taken for all packets of a vector; those whose row
 * is of another kind are masked.
 */
#ifndef FW_GROUPS_AVX512_H
#define FW_GROUPS_AVX512_H

#include "front.h"
#include "lanes_avx512.h"

/* Sixteen packets of a group: a number for each. */
struct sixteen {
	__mmask16 in; /* those that there are */
	__mmask16 paired; /* those that may be in a pair of narrow sides */
	__m512i classes[3]; /* of the source, the destination and the first scalar axis */
	__m512i parts[2];
	__m512i rules;
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

/* Into room that is not cleared beforehand: the compiler would call on slow instructions for that. */
INLINE void take_sixteen(const struct fw_tables *t, lanes *classes, uint32_t from, uint32_t n,
			 const uint32_t *rules, struct sixteen *s)
{
	const __m512i one = all(1);

	s->in = first_lanes(n - from);
	s->rules = _mm512_maskz_loadu_epi32(s->in, rules + from);
	for (uint32_t a = 0; a < 3; a++)
		s->classes[a] = _mm512_maskz_loadu_epi32(s->in, classes[a] + from);
	for (uint32_t side = 0; side < 2; side++) {
		const uint32_t width = side ? t->parted->destination_width : t->parted->source_width;
		const __m512i next = _mm512_mullo_epi32(_mm512_add_epi32(s->classes[side], one), all(width));
		s->parts[side] = gather(side ? t->destinations : t->sources, _mm512_sub_epi32(next, one), s->in);
	}
	s->paired = s->in & ~_mm512_movepi32_mask(_mm512_or_si512(s->parts[0], s->parts[1]));
	for (uint32_t side = 0; side < 2; side++)
		s->parts[side] = _mm512_andnot_si512(all(FW_LONE), s->parts[side]);
}

INLINE __m512i sources_of(const struct sixteen *s, uint32_t kind)
{
	return kind == FW_GROUP_SOURCE || kind == FW_GROUP_PAIR ? s->classes[0] : s->parts[0];
}

INLINE __m512i destinations_of(const struct sixteen *s, uint32_t kind)
{
	return kind == FW_GROUP_DESTINATION || kind == FW_GROUP_PAIR ? s->classes[1] : s->parts[1];
}

/* What a loop over so many lanes goes up to: a few too many cost less than a branch that is not foreseen. */
INLINE uint32_t rounded(__mmask16 mask)
{
	return ((uint32_t)__builtin_popcount(mask) + 3) & ~UINT32_C(3);
}

/* Two numbers that lie beside each other for each lane. */
struct twice {
	__m512i first, second;
};

/* The two numbers at each place of two. */
INLINE struct twice gather_two(const uint32_t *from, __m512i at, __mmask16 mask)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	const __m512i zero = _mm512_setzero_si512();
	const __m512i low = _mm512_mask_i32gather_epi64(zero, (__mmask8)mask, _mm512_castsi512_si256(at), from, 8);
	const __m512i high = _mm512_mask_i32gather_epi64(zero, (__mmask8)(mask >> 8),
							 _mm512_extracti64x4_epi64(at, 1), from, 8);

	return (struct twice){ _mm512_permutex2var_epi32(low, even, high),
			       _mm512_permutex2var_epi32(low, _mm512_add_epi32(even, all(1)), high) };
}

/* Rows of pairs that are hashed: see slot_of(). */
INLINE __m512i rows_in_slots(const struct fw_rows *g, const struct sixteen *s)
{
	const __m512i sources = sources_of(s, g->kind), destinations = destinations_of(s, g->kind);
	const __mmask16 in = g->kind == FW_GROUP_PAIR ? s->paired : s->in;
	const __m512i mixed = _mm512_mullo_epi32(sources, all(FW_PAIR_MIX));
	const __m512i hash = _mm512_mullo_epi32(_mm512_add_epi32(mixed, destinations), all(FW_PAIR_SPREAD));
	const __m512i multipliers = gather(g->multipliers, high_product(hash, g->block_count), in);
	const __m512i place = _mm512_add_epi32(_mm512_mullo_epi32(hash, multipliers), mixed);
	const __m512i slots = high_product(place, g->slot_count);

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

INLINE __m512i rows_of_pairs(const struct fw_rows *g, const struct sixteen *s)
{
	const __m512i source = _mm512_mullo_epi32(sources_of(s, g->kind), all(g->source_stride));
	const __m512i destination =
		_mm512_mullo_epi32(destinations_of(s, g->kind), all(g->destination_stride));

	return gather(g->rows, _mm512_add_epi32(source, destination), s->in);
}

/* What long rows say: a rule, or a row where there is more than one scalar axis. */
INLINE __m512i said(const struct fw_tables *t, __m512i rows, __mmask16 longs, const struct sixteen *s)
{
	const __m512i first = _mm512_mullo_epi32(_mm512_andnot_si512(all(FW_BRANCH), rows),
						 all(t->first_classes));

	return gather(t->long_rows, _mm512_add_epi32(first, s->classes[2]), longs);
}

/* Takes the rules of rows that are no lists; the lists. */
INLINE __m512i take_rows(const struct fw_tables *t, uint32_t scalars, __m512i rows, lanes *classes,
			 uint32_t from, struct sixteen *s)
{
	const uint32_t bits = t->parted->combination_bits;
	const __mmask16 longs = _mm512_movepi32_mask(rows);

	if (longs) {
		const __m512i rule = said(t, rows, longs, s);
		if (scalars > 1)
			rows = _mm512_mask_mov_epi32(rows, longs, rule);
		else
			s->rules = _mm512_mask_min_epu32(s->rules, longs, s->rules, rule);
	}
	__mmask16 ones = _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(rows, 30), all(FW_ONE >> 30));
	const __m512i combinations = _mm512_and_si512(rows, all((UINT32_C(1) << bits) - 1));
	const __m512i rule = _mm512_srl_epi32(_mm512_andnot_si512(all(FW_ONE), rows),
					      _mm_cvtsi32_si128((int)bits));
	for (uint32_t a = 2; a < 2 + scalars; a++)
		ones = leaves(t, a, _mm512_maskz_loadu_epi32(s->in, classes[a] + from), combinations, ones);
	s->rules = _mm512_mask_min_epu32(s->rules, ones, s->rules, rule);
	return rows;
}

INLINE void keep_lists(__m512i rows, uint32_t from, struct open_lists *l)
{
	const __m512i numbers = _mm512_add_epi32(all(from), lane_numbers());
	const __mmask16 lists = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(rows, all(1)), all(FW_ONE - 1));

	_mm512_storeu_si512(l->rows + l->count, _mm512_maskz_compress_epi32(lists, rows));
	_mm512_storeu_si512(l->lanes + l->count, _mm512_maskz_compress_epi32(lists, numbers));
	l->count += (uint32_t)__builtin_popcount(lists);
}

/* The first candidate of each list, which most have need of only; those that go on are left. */
INLINE void step_lists(const struct fw_tables *t, uint32_t scalars, lanes *classes,
		       struct open_lists *l, uint32_t *rules)
{
	const uint32_t *lists = (const uint32_t *)(const void *)t->lists;
	uint32_t still = 0;

	for (uint32_t j = 0; j < l->count; j += WIDTH) {
		const __mmask16 in = first_lanes(l->count - j);
		const __m512i row = _mm512_maskz_loadu_epi32(in, l->rows + j);
		const __m512i lane = _mm512_maskz_loadu_epi32(in, l->lanes + j);
		const __m512i rule = gather(lists, _mm512_slli_epi32(row, 1), in);
		const __m512i asked = gather(lists + 1, _mm512_slli_epi32(row, 1), in);
		const __m512i combination = _mm512_andnot_si512(all(FW_LAST), asked);
		__mmask16 yes = in;
		for (uint32_t a = 2; a < 2 + scalars; a++)
			yes = leaves(t, a, gather(classes[a], lane, in), combination, yes);
		const __m512i known = gather(rules, lane, in);
		const __mmask16 sooner = in & _mm512_cmplt_epu32_mask(rule, known);
		const __mmask16 on = sooner & ~yes & ~_mm512_movepi32_mask(asked);
		uint32_t lanes_found[WIDTH], rules_found[WIDTH];

		_mm512_storeu_si512(lanes_found, _mm512_maskz_compress_epi32(yes & sooner, lane));
		_mm512_storeu_si512(rules_found, _mm512_mask_compress_epi32(all(FW_NO_RULE), yes & sooner, rule));
		for (uint32_t k = 0; k < rounded(yes & sooner); k++)
			rules[lanes_found[k]] = smaller(rules[lanes_found[k]], rules_found[k]);
		_mm512_storeu_si512(l->rows + still,
				    _mm512_maskz_compress_epi32(on, _mm512_add_epi32(row, all(1))));
		_mm512_storeu_si512(l->lanes + still, _mm512_maskz_compress_epi32(on, lane));
		still += (uint32_t)__builtin_popcount(on);
	}
	l->count = still;
}

/* The first rule of a list, from `row` on, that the i-th packet's scalar classes leave and that is before `known`. */
INLINE uint32_t first_of_list(const struct fw_tables *t, uint32_t scalars, lanes *classes, uint32_t i,
			      uint64_t row, uint32_t known)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	const __m512i odd = _mm512_add_epi32(even, all(1));

	for (;; row += WIDTH) {
		const uint64_t left = t->parted->list_count - row;
		const __mmask16 in = first_lanes(left < WIDTH ? (uint32_t)left : WIDTH);
		const uint64_t *at = (const uint64_t *)(const void *)(t->lists + row);
		const __m512i low = _mm512_maskz_loadu_epi64((__mmask8)in, at);
		const __m512i high = _mm512_maskz_loadu_epi64((__mmask8)(in >> 8), at + 8);
		const __m512i rule = _mm512_permutex2var_epi32(low, even, high);
		const __m512i asked = _mm512_permutex2var_epi32(low, odd, high);
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
			   uint32_t scalars, lanes *classes, uint32_t n, uint32_t *rules)
{
	const struct fw_rows *const end = first + count;
	struct sixteen packets[VECTORS];
	struct open_lists lists;

	lists.count = 0;
	for (uint32_t i = 0; i * WIDTH < n; i++)
		take_sixteen(t, classes, i * WIDTH, n, rules, &packets[i]);
	for (const struct fw_rows *g = first; g < end; g++)
		for (uint32_t i = 0; i * WIDTH < n; i++) {
			const __m512i rows = g->destination_stride > 0
						     ? rows_of_pairs(g, &packets[i])
						     : rows_in_slots(g, &packets[i]);
			keep_lists(take_rows(t, scalars, rows, classes, i * WIDTH, &packets[i]), i * WIDTH,
				   &lists);
		}
	for (uint32_t j = 0; j < lists.count; j++)
		__builtin_prefetch(&t->lists[lists.rows[j]]);
	for (uint32_t i = 0; i * WIDTH < n; i++)
		_mm512_mask_storeu_epi32(rules + i * WIDTH, packets[i].in, packets[i].rules);
	step_lists(t, scalars, classes, &lists, rules);
	for (uint32_t j = 0; j < lists.count; j++) {
		const uint32_t i = lists.lanes[j];
		rules[i] = smaller(rules[i],
				   first_of_list(t, scalars, classes, i, lists.rows[j], rules[i]));
	}
}

#endif
