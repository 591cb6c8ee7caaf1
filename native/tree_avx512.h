/*
 * tree_avx512.h - the first levels of a search tree for many numbers at a time, where the processor has
 * AVX-512: their separators are so few that registers hold them. tree.h includes it.
 *
 * How many of them are below a key is found by halves; a permutation looks up a separator for each
 * lane. What leaves set apart is compared with four addresses at a time: the loops below are bound by
 * how many loads they take, and those are for four one.
 */
#ifndef FW_TREE_AVX512_H
#define FW_TREE_AVX512_H

#include "lanes_avx512.h"

static_assert(FW_TOP == 15, "four steps by halves");

/* Sixteen numbers in a row: words, or the last halves of addresses' lower ones. */
INLINE __m512i sixteen_numbers(const void *numbers, size_t stride, size_t i)
{
	if (stride == sizeof(uint32_t))
		return _mm512_loadu_si512((const uint32_t *)numbers + i);
	const struct fw_address *at = (const void *)((const char *)numbers - offsetof(struct fw_address, lo));
	const __m512i third = _mm512_add_epi32(_mm512_slli_epi32(lane_numbers(), 2), all(2));
	__m512i eight[2];

	for (size_t half = 0; half < 2; half++, i += 8)
		eight[half] = _mm512_permutex2var_epi32(_mm512_loadu_si512(at + i), third,
							_mm512_loadu_si512(at + i + 4));
	return _mm512_inserti64x4(eight[0], _mm512_castsi512_si256(eight[1]), 1);
}

INLINE void search_top_32(const int32_t *separators, const struct sought *k, uint32_t n,
			  uint32_t *keys, uint32_t *places)
{
	const __m512i top = _mm512_loadu_si512(separators);

	for (uint32_t i = 0; i < n; i += WIDTH) {
		const __m512i numbers = sixteen_numbers(k->numbers, k->stride, i);
		const __m512i key = _mm512_xor_si512(numbers, all(UINT32_C(1) << 31));
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

INLINE void search_top_64(const int64_t *separators, const struct fw_address *addresses, uint32_t n,
			  int64_t *keys, uint32_t *places)
{
	const __m512i low = _mm512_loadu_si512(separators), high = _mm512_loadu_si512(separators + 8);
	const __m512i upper = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);

	for (size_t i = 0; i < n; i += 8) {
		const __m512i a = _mm512_loadu_si512(addresses + i), b = _mm512_loadu_si512(addresses + i + 4);
		const __m512i key = _mm512_xor_si512(_mm512_permutex2var_epi64(a, upper, b), _mm512_set1_epi64(INT64_MIN));
		__m512i below = _mm512_setzero_si512();
		for (int64_t half = 8; half > 0; half /= 2) {
			const __m512i middle = _mm512_add_epi64(below, _mm512_set1_epi64(half - 1));
			const __mmask8 on = _mm512_cmplt_epi64_mask(_mm512_permutex2var_epi64(low, middle, high), key);
			below = _mm512_mask_add_epi64(below, on, below, _mm512_set1_epi64(half));
		}
		_mm512_storeu_si512(keys + i, key);
		_mm256_storeu_si256((void *)(places + i), _mm512_cvtepi64_epi32(_mm512_slli_epi64(below, 3)));
	}
}

/* What the leaves at four places say of addresses in a row: see value_at(). */
INLINE void four_values(const struct fw_leaf *leaves, const uint64_t *places, const struct fw_address *addresses,
			uint32_t *values)
{
	static_assert(offsetof(struct fw_leaf, lo) == offsetof(struct fw_address, lo), "compared with it");
	static_assert(offsetof(struct fw_leaf, own) == 0 && offsetof(struct fw_leaf, other) == 4,
		      "beside it");
	const char *at = (const char *)leaves;
	const __m512i leaf = four(at + 2 * places[0], at + 2 * places[1], at + 2 * places[2], at + 2 * places[3]);
	const __mmask8 others = _mm512_cmpneq_epi64_mask(leaf, _mm512_loadu_si512(addresses));
	/* The two values take the place of what was compared, where the mask is. */
	const __m512i both = _mm512_shuffle_epi32(leaf, 0x4e);
	const __m512i said = _mm512_mask_srli_epi64(both, others, both, 32);
	const __m512i third = _mm512_add_epi32(_mm512_slli_epi32(lane_numbers(), 2), all(2));

	/* The third word of each, in a row. */
	_mm_storeu_si128((void *)values, _mm512_castsi512_si128(_mm512_permutexvar_epi32(third, said)));
}

/* See lanes_with(): of the lanes from `from` on. */
INLINE uint32_t sixteen_with(uint32_t bit, const uint32_t *values, uint32_t from, uint32_t n, uint32_t *open)
{
	const __mmask16 in = first_lanes(n - from);
	const __m512i found = _mm512_maskz_loadu_epi32(in, values + from);
	const __mmask16 with = _mm512_test_epi32_mask(found, all(bit));
	const __m512i numbers = _mm512_add_epi32(all(from), lane_numbers());

	put_those(open, with, numbers);
	return (uint32_t)__builtin_popcount(with);
}

#endif
