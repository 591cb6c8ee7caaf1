/*
 * scalars_avx512.h - the steps of scalar fields for sixteen packets at a time, where the processor
 * has AVX-512. front.h includes it, and says what they do.
 */
#ifndef FW_SCALARS_AVX512_H
#define FW_SCALARS_AVX512_H

#include "classify.h"
#include "lanes_avx512.h"

/* A field of sixteen keys. */
INLINE __m512i field_of(const struct fw_key *keys, uint32_t field, __mmask16 in)
{
	static_assert(sizeof *keys % 4 == 0, "keys are whole words");
	return gather(&keys->scalar[field], _mm512_mullo_epi32(lane_numbers(), all(sizeof *keys / 4)), in);
}

/* Of how many keys a field is odd. */
INLINE uint32_t count_odd(const struct fw_key *keys, uint32_t field, uint32_t n)
{
	uint32_t odd = 0;

	for (uint32_t i = 0; i < n; i += WIDTH) {
		const __m512i values = field_of(keys + i, field, first_lanes(n - i));
		odd += (uint32_t)__builtin_popcount(_mm512_test_epi32_mask(values, all(1)));
	}
	return odd;
}

/* Entries of 16 bits: each is half of a word, so that none beyond the table's are read. */
INLINE __m512i entries_of(const uint16_t *table, __m512i at, __mmask16 in)
{
	const __m512i words = gather((const uint32_t *)(const void *)table, _mm512_srli_epi32(at, 1), in);
	const __m512i shift = _mm512_slli_epi32(_mm512_and_si512(at, all(1)), 4);

	return _mm512_and_si512(_mm512_srlv_epi32(words, shift), all(0xffff));
}

INLINE __m512i classes_of(const struct fw_lookup *step, __m512i values, __mmask16 in)
{
	if (step->kind == FW_STEP_DIRECT)
		return entries_of(step->table, values, in);
	const __m512i pages = entries_of(step->pages, _mm512_srli_epi32(values, 8), in);
	const __m512i at = _mm512_or_si512(_mm512_slli_epi32(pages, 8), _mm512_and_si512(values, all(255)));
	return entries_of(step->table, at, in);
}

/* Adds the classes of `count` steps with tables, times their strides, for so many vectors side by side. */
INLINE void add_tables(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys, uint32_t n,
		       uint32_t vectors, uint32_t *index)
{
	__m512i sums[VECTORS];
	__mmask16 in[VECTORS];

	for (uint32_t v = 0; v < vectors; v++) {
		in[v] = n > v * WIDTH ? first_lanes(n - v * WIDTH) : 0;
		sums[v] = _mm512_maskz_loadu_epi32(in[v], index + v * WIDTH);
	}
	for (uint32_t s = 0; s < count; s++)
		for (uint32_t v = 0; v < vectors; v++) {
			const __m512i values = field_of(keys + v * WIDTH, steps[s].field, in[v]);
			const __m512i classes = classes_of(&steps[s], values, in[v]);
			sums[v] = _mm512_add_epi32(sums[v], _mm512_mullo_epi32(classes, all(steps[s].stride)));
		}
	for (uint32_t v = 0; v < vectors; v++)
		_mm512_mask_storeu_epi32(index + v * WIDTH, in[v], sums[v]);
}

INLINE void look_up(const uint16_t *table, uint32_t n, uint32_t *numbers)
{
	for (uint32_t i = 0; i < n; i += WIDTH) {
		const __mmask16 in = first_lanes(n - i);
		const __m512i at = _mm512_maskz_loadu_epi32(in, numbers + i);
		_mm512_mask_storeu_epi32(numbers + i, in, entries_of(table, at, in));
	}
}

#endif
