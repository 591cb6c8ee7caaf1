/*
 * tree_avx512.h - the first levels of a search tree for many numbers at a time, where the processor has
 * AVX-512: their separators are so few that registers hold them. tree.h includes it.
 *
 * How many of them are below a key is found by halves; a permutation looks up a separator for each
 * lane.
 */
#ifndef FW_TREE_AVX512_H
#define FW_TREE_AVX512_H

#include "lanes_avx512.h"

static_assert(FW_TOP == 15, "four steps by halves");

INLINE void search_top_32(const int32_t *separators, const struct sought *k, uint32_t n,
			  int32_t *keys, uint32_t *places)
{
	const __m512i top = _mm512_loadu_si512(separators);
	const __m512i apart = _mm512_mullo_epi32(lane_numbers(), all((uint32_t)k->stride / 4));

	for (uint32_t i = 0; i < n; i += WIDTH) {
		const void *first = (const char *)k->numbers + i * k->stride;
		const __m512i key = _mm512_xor_si512(gather(first, apart, first_lanes(n - i)), all(UINT32_C(1) << 31));
		__m512i below = _mm512_setzero_si512();
		for (uint32_t half = 8; half > 0; half /= 2) {
			const __m512i at = _mm512_add_epi32(below, all(half - 1));
			const __mmask16 on = _mm512_cmplt_epi32_mask(_mm512_permutexvar_epi32(at, top), key);
			below = _mm512_mask_add_epi32(below, on, below, all(half));
		}
		_mm512_storeu_si512(keys + i, key);
		_mm512_storeu_si512(places + i, _mm512_slli_epi32(below, 2));
	}
}

INLINE void search_top_64(const int64_t *separators, const struct sought *k, uint32_t n,
			  int64_t *keys, uint32_t *places)
{
	const __m512i low = _mm512_loadu_si512(separators), high = _mm512_loadu_si512(separators + 8);
	const __m256i apart = _mm512_castsi512_si256(_mm512_mullo_epi32(lane_numbers(), all((uint32_t)k->stride)));
	const __m512i zero = _mm512_setzero_si512();

	for (uint32_t i = 0; i < n; i += 8) {
		const void *first = (const char *)k->numbers + i * k->stride;
		const __mmask8 in = (__mmask8)first_lanes(n - i);
		const __m512i number = _mm512_mask_i32gather_epi64(zero, in, apart, first, 1);
		const __m512i key = _mm512_xor_si512(number, _mm512_set1_epi64(INT64_MIN));
		__m512i below = zero;
		for (int64_t half = 8; half > 0; half /= 2) {
			const __m512i at = _mm512_add_epi64(below, _mm512_set1_epi64(half - 1));
			const __mmask8 on = _mm512_cmplt_epi64_mask(_mm512_permutex2var_epi64(low, at, high), key);
			below = _mm512_mask_add_epi64(below, on, below, _mm512_set1_epi64(half));
		}
		_mm512_storeu_si512(keys + i, key);
		_mm256_storeu_si256((void *)(places + i), _mm512_cvtepi64_epi32(_mm512_slli_epi64(below, 3)));
	}
}

/* See lanes_with(): of the lanes from `from` on. */
INLINE uint32_t sixteen_with(uint32_t bit, const uint32_t *values, uint32_t from, uint32_t n, uint32_t *open)
{
	const __mmask16 in = first_lanes(n - from);
	const __m512i found = _mm512_maskz_loadu_epi32(in, values + from);
	const __mmask16 with = _mm512_test_epi32_mask(found, all(bit));
	const __m512i numbers = _mm512_add_epi32(all(from), lane_numbers());

	_mm512_storeu_si512(open, _mm512_maskz_compress_epi32(with, numbers));
	return (uint32_t)__builtin_popcount(with);
}

/* See search_tree(). */
INLINE void search_from_top(const struct fw_search *s, bool wide, const struct sought *k, uint32_t n,
			    uint32_t *values)
{
	int64_t wide_keys[FW_GROUP];
	int32_t keys[FW_GROUP];
	lanes places;

	if (wide) {
		search_top_64(s->top.wide, k, n, wide_keys, places);
		const struct sought below = {
			wide_keys, sizeof *wide_keys, true, places, k->lows, k->low_stride,
		};
		search_below(s, true, s->top_levels, &below, n, values);
	} else {
		search_top_32(s->top.narrow, k, n, keys, places);
		const struct sought below = { keys, sizeof *keys, true, places, NULL, 0 };
		search_below(s, false, s->top_levels, &below, n, values);
	}
}

#endif
