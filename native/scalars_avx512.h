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

/* Entries of 16 bits: each is half of a word, so that none beyond the table's are read. */
INLINE __m512i entries_of(const uint16_t *table, __m512i at, __mmask16 in)
{
	const __m512i words = gather((const uint32_t *)(const void *)table, _mm512_srli_epi32(at, 1), in);
	const __m512i shift = _mm512_slli_epi32(_mm512_and_si512(at, all(1)), 4);

	return _mm512_and_si512(_mm512_srlv_epi32(words, shift), all(0xffff));
}

INLINE __m512i classes_of(const struct fw_lookup *step, bool paged, __m512i values, __mmask16 in)
{
	if (!paged)
		return entries_of(step->table, values, in);
	const __m512i pages = entries_of(step->pages, _mm512_srli_epi32(values, 8), in);
	const __m512i at = _mm512_or_si512(_mm512_slli_epi32(pages, 8), _mm512_and_si512(values, all(255)));
	return entries_of(step->table, at, in);
}

/* See add_direct() and add_paged(). */
INLINE void add_tables(const struct fw_lookup *steps, uint32_t count, bool paged,
		       const struct fw_key *keys, uint32_t n, uint32_t *index)
{
	for (uint32_t i = 0; i < n; i += WIDTH) {
		const __mmask16 in = first_lanes(n - i);
		__m512i sum = _mm512_maskz_loadu_epi32(in, index + i);
		for (uint32_t s = 0; s < count; s++) {
			const __m512i values = field_of(keys + i, steps[s].field, in);
			const __m512i classes = classes_of(&steps[s], paged, values, in);
			sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(classes, all(steps[s].stride)));
		}
		_mm512_mask_storeu_epi32(index + i, in, sum);
	}
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
