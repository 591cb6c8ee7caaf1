/*
 * lanes_avx512.h - what the loops for sixteen packets at a time have in common. Places count words
 * of 32 bits, of which an image has fewer than 2^30.
 */
#ifndef FW_LANES_AVX512_H
#define FW_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "search.h"

enum { WIDTH = 16, VECTORS = FW_GROUP / WIDTH };

INLINE __m512i all(uint32_t number)
{
	return _mm512_set1_epi32((int)number);
}

INLINE __mmask16 first_lanes(uint32_t n)
{
	return (__mmask16)(n < WIDTH ? (1u << n) - 1 : 0xffff);
}

/* Zero where the mask has none. */
INLINE __m512i gather(const uint32_t *from, __m512i at, __mmask16 mask)
{
	return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, at, from, 4);
}

/* Puts those side by side; room for sixteen. */
INLINE void put_those(uint32_t *to, __mmask16 those, __m512i numbers)
{
	_mm512_storeu_si512(to, _mm512_maskz_compress_epi32(those, numbers));
}

/* Four records of 16 bytes. */
INLINE __m512i four(const void *a, const void *b, const void *c, const void *d)
{
	__m512i records = _mm512_castsi128_si512(_mm_loadu_si128(a));

	records = _mm512_inserti64x2(records, _mm_loadu_si128(b), 1);
	records = _mm512_inserti64x2(records, _mm_loadu_si128(c), 2);
	return _mm512_inserti64x2(records, _mm_loadu_si128(d), 3);
}

INLINE __m512i lane_numbers(void)
{
	return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

#endif
