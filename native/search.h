/*
 * search.h - the smallest steps of a search, by AVX-512 or AVX2 where this file is compiled for it
 * and by plain C where not: the answers are the same.
 */
#ifndef FW_SEARCH_H
#define FW_SEARCH_H

#include "image.h"
#include "packet.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
/* Long as it is made of so much that is inlined: once is enough. */
#define OUTLINE static __attribute__((noinline))

/* At most this many packets at once: the more, the seldomer one step has to end before the next. */
enum { FW_GROUP = 256 };

/* A number for each packet of a group; no vector of them lies across cache lines. */
typedef uint32_t lanes[FW_GROUP] __attribute__((aligned(64)));

/* So few are no group, for what does sixteen at a time. */
enum { FEW = 5 };

/* The class of a value in a sorted table whose first start is 0. */
static inline uint32_t fw_search_wide(const struct fw_wide *table, uint32_t count,
				      struct fw_address value)
{
	uint32_t at = 0;

	for (uint32_t left = count; left > 1;) {
		const uint32_t half = left / 2;
		const struct fw_wide *w = &table[at + half];
		if (w->hi < value.hi || (w->hi == value.hi && w->lo <= value.lo))
			at += half;
		left -= half;
	}
	return table[at].class;
}

#ifdef __AVX2__

static inline __m256i fw_load(const void *from)
{
	return _mm256_loadu_si256(from);
}

/* How many of a node's separators are below the key. */
static inline uint32_t fw_answer_32(const int32_t *node, int32_t key)
{
	const __m256i keys = _mm256_set1_epi32(key);

#ifdef __AVX512VL__
	return (uint32_t)__builtin_popcount(_mm256_cmpgt_epi32_mask(keys, fw_load(node)));
#else
	const __m256i below = _mm256_cmpgt_epi32(keys, fw_load(node));

	return (uint32_t)__builtin_popcount((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(below)));
#endif
}

static inline uint32_t fw_answer_64(const int64_t *node, int64_t key)
{
#ifdef __AVX512VL__
	const __m512i keys = _mm512_set1_epi64(key);

	return (uint32_t)__builtin_popcount(_mm512_cmpgt_epi64_mask(keys, _mm512_loadu_si512(node)));
#else
	const __m256i keys = _mm256_set1_epi64x(key);
	const __m256 a = _mm256_castsi256_ps(_mm256_cmpgt_epi64(keys, fw_load(node)));
	const __m256 b = _mm256_castsi256_ps(_mm256_cmpgt_epi64(keys, fw_load(node + 4)));

	/* Half of each result says it all. */
	return (uint32_t)__builtin_popcount((uint32_t)_mm256_movemask_ps(_mm256_shuffle_ps(a, b, 0x88)));
#endif
}

#ifdef __AVX512VL__

/* A bit for each word, of eight from `w` on, in which the rows have a bit in common. */
static inline __attribute__((always_inline)) uint32_t
fw_common_8(const uint64_t *const *rows, uint32_t axes, uint32_t w)
{
	__m512i bits = _mm512_loadu_si512(rows[0] + w);

	for (uint32_t a = 1; a < axes; a++)
		bits = _mm512_and_si512(bits, _mm512_loadu_si512(rows[a] + w));
	return _mm512_test_epi64_mask(bits, bits);
}

/* The first of 4, 8 or 16 words in which the rows have a bit in common; `count` or more if none. */
static inline __attribute__((always_inline)) uint32_t
fw_first_word(const uint64_t *const *rows, uint32_t axes, uint32_t count)
{
	uint32_t common = UINT32_C(1) << 16;

	if (count == 4) {
		__m256i bits = fw_load(rows[0]);
		for (uint32_t a = 1; a < axes; a++)
			bits = _mm256_and_si256(bits, fw_load(rows[a]));
		common |= _mm256_test_epi64_mask(bits, bits);
	}
	for (uint32_t w = 0; w + 8 <= count; w += 8)
		common |= fw_common_8(rows, axes, w) << w;
	return (uint32_t)__builtin_ctz(common);
}

#else

/* All ones for each word, of four from `w` on, in which the rows have no bit in common. */
static inline __attribute__((always_inline)) __m256i
fw_empty_4(const uint64_t *const *rows, uint32_t axes, uint32_t w)
{
	__m256i bits = fw_load(rows[0] + w);

	for (uint32_t a = 1; a < axes; a++)
		bits = _mm256_and_si256(bits, fw_load(rows[a] + w));
	return _mm256_cmpeq_epi64(bits, _mm256_setzero_si256());
}

/* The first of 4, 8 or 16 words in which the rows have a bit in common; `count` or more if none. */
static inline __attribute__((always_inline)) uint32_t
fw_first_word(const uint64_t *const *rows, uint32_t axes, uint32_t count)
{
	if (count < 16) {
		uint32_t empty = 0;
		for (uint32_t w = 0; w < count; w += 4)
			empty |= (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(fw_empty_4(rows, axes, w)))
				 << w;
		return (uint32_t)__builtin_ctz(~empty);
	}
	/* Packing works in halves of a register: two words are what moves back into order. */
	const __m256i a = _mm256_packs_epi32(fw_empty_4(rows, axes, 0), fw_empty_4(rows, axes, 4));
	const __m256i b = _mm256_packs_epi32(fw_empty_4(rows, axes, 8), fw_empty_4(rows, axes, 12));
	const __m256i empty = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b),
							  _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
	const uint64_t mask = (uint32_t)_mm256_movemask_epi8(empty);
	return (uint32_t)__builtin_ctzll(~mask) / 2;
}

#endif

/* The first bit that all rows have in words `from` to `end`; 64 * end if there is none. */
static inline __attribute__((always_inline)) uint32_t
fw_first_common(const uint64_t *const *rows, uint32_t axes, uint32_t from, uint32_t end)
{
	uint32_t w = from;

	if (from == 0 && (end == 4 || end == 8 || end == 16)) {
		w = fw_first_word(rows, axes, end);
		const uint32_t at = w < end ? w : end - 1;
		uint64_t bits = rows[0][at];
		for (uint32_t a = 1; a < axes; a++)
			bits &= rows[a][at];
		return w < end ? 64 * w + (uint32_t)__builtin_ctzll(bits) : 64 * end;
	}
	for (; w < end; w++) {
		uint64_t bits = rows[0][w];
		for (uint32_t a = 1; a < axes; a++)
			bits &= rows[a][w];
		if (bits)
			return 64 * w + (uint32_t)__builtin_ctzll(bits);
	}
	return 64 * end;
}

#else

static inline uint32_t fw_answer_32(const int32_t *node, int32_t key)
{
	uint32_t below = 0;

	for (uint32_t i = 0; i < FW_SEPARATORS; i++)
		below += node[i] < key;
	return below;
}

static inline uint32_t fw_answer_64(const int64_t *node, int64_t key)
{
	uint32_t below = 0;

	for (uint32_t i = 0; i < FW_SEPARATORS; i++)
		below += node[i] < key;
	return below;
}

static inline __attribute__((always_inline)) uint32_t
fw_first_common(const uint64_t *const *rows, uint32_t axes, uint32_t from, uint32_t end)
{
	for (uint32_t w = from; w < end; w++) {
		uint64_t bits = rows[0][w];
		for (uint32_t a = 1; a < axes; a++)
			bits &= rows[a][w];
		if (bits)
			return 64 * w + (uint32_t)__builtin_ctzll(bits);
	}
	return 64 * end;
}

#endif
#endif
