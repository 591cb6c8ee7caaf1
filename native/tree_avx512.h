/*
 * tree_avx512.h - the first levels of a search tree for many numbers at a time, where the processor has
 * AVX-512: their separators are so few that registers hold them. tree.h includes it.
 *
 * How many of them are below a key is found by halves; a permutation looks up a separator for each
 * lane. Addresses come into a row meanwhile, so that four at a time are compared with what leaves set
 * apart: the loops below are bound by how many loads they take, and those are for four one.
 */
#ifndef FW_TREE_AVX512_H
#define FW_TREE_AVX512_H

#include "lanes_avx512.h"

static_assert(FW_TOP == 15, "four steps by halves");

INLINE void search_top_32(const int32_t *separators, const struct sought *k, uint32_t n,
			  uint32_t *keys, uint32_t *places)
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

/* Four records of 16 bytes. */
INLINE __m512i four(const void *a, const void *b, const void *c, const void *d)
{
	__m512i records = _mm512_castsi128_si512(_mm_loadu_si128(a));

	records = _mm512_inserti64x2(records, _mm_loadu_si128(b), 1);
	records = _mm512_inserti64x2(records, _mm_loadu_si128(c), 2);
	return _mm512_inserti64x2(records, _mm_loadu_si128(d), 3);
}

/* Of eight addresses, of which `left` are there: they in a row, their keys, and the places of those. */
INLINE void top_of_eight(const int64_t *separators, const char *first, size_t stride, size_t left,
			 struct fw_address *addresses, int64_t *keys, uint32_t *places)
{
	const __m512i low = _mm512_loadu_si512(separators), high = _mm512_loadu_si512(separators + 8);
	const __m512i upper = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
	const char *at[8];

	for (size_t i = 0; i < 8; i++)
		at[i] = first + (i < left ? i : 0) * stride;
	const __m512i a = four(at[0], at[1], at[2], at[3]), b = four(at[4], at[5], at[6], at[7]);
	const __m512i key = _mm512_xor_si512(_mm512_permutex2var_epi64(a, upper, b), _mm512_set1_epi64(INT64_MIN));
	__m512i below = _mm512_setzero_si512();
	for (int64_t half = 8; half > 0; half /= 2) {
		const __m512i middle = _mm512_add_epi64(below, _mm512_set1_epi64(half - 1));
		const __mmask8 on = _mm512_cmplt_epi64_mask(_mm512_permutex2var_epi64(low, middle, high), key);
		below = _mm512_mask_add_epi64(below, on, below, _mm512_set1_epi64(half));
	}
	_mm512_storeu_si512(addresses, a);
	_mm512_storeu_si512(addresses + 4, b);
	_mm512_storeu_si512(keys, key);
	_mm256_storeu_si256((void *)places, _mm512_cvtepi64_epi32(_mm512_slli_epi64(below, 3)));
}

INLINE void search_top_64(const int64_t *separators, const struct sought *k, uint32_t n,
			  struct fw_address *addresses, int64_t *keys, uint32_t *places)
{
	const char *first = (const char *)k->addresses;
	const size_t stride = k->address_stride;
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		top_of_eight(separators, first + i * stride, stride, 8, addresses + i, keys + i, places + i);
	if (i < n)
		top_of_eight(separators, first + i * stride, stride, n - i, addresses + i, keys + i, places + i);
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

	_mm512_storeu_si512(open, _mm512_maskz_compress_epi32(with, numbers));
	return (uint32_t)__builtin_popcount(with);
}

#endif
