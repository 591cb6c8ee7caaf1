/*
 * scalars_avx512.h - the steps of scalar fields for sixteen packets at a time, where the processor
 * has AVX-512. front.h includes it, and says what they do.
 */
#ifndef FW_SCALARS_AVX512_H
#define FW_SCALARS_AVX512_H

#include "classify.h"
#include "rows_avx512.h"

/* A field, which steps ask for, of sixteen keys from the `from`-th on. */
INLINE __m512i field_of(const lanes *rows, uint32_t field, uint32_t from)
{
	return _mm512_load_si512(rows[field] + from);
}

/* Entries of 16 bits: each is half of a word, so that none beyond the table's are read. */
INLINE __m512i entries_of(const uint16_t *table, __m512i at, __mmask16 in)
{
	const __m512i words = gather((const uint32_t *)(const void *)table, _mm512_srli_epi32(at, 1), in);
	const __m512i shift = _mm512_slli_epi32(_mm512_and_si512(at, all(1)), 4);

	return _mm512_and_si512(_mm512_srlv_epi32(words, shift), all(0xffff));
}

/* Their classes in a step, which searches nothing, times its stride. */
INLINE __m512i classes_of(const struct fw_lookup *step, __m512i values, __mmask16 in)
{
	__m512i classes = values;

	if (step->small)
		return _mm512_permutex2var_epi32(_mm512_loadu_si512(step->entries), values,
						 _mm512_loadu_si512(step->entries + WIDTH));
	if (step->kind == FW_STEP_DIRECT)
		classes = entries_of(step->table, values, in);
	if (step->kind == FW_STEP_PAGED) {
		const __m512i pages = entries_of(step->pages, _mm512_srli_epi32(values, 8), in);
		const __m512i within = _mm512_and_si512(values, all(255));
		classes = entries_of(step->table, _mm512_or_si512(_mm512_slli_epi32(pages, 8), within), in);
	}
	return _mm512_mullo_epi32(classes, all(step->stride));
}

/* So many vectors take each step side by side, as the steps of one wait for each other. */
enum { SIDE_BY_SIDE = 4 };

/* Adds what a field says whose class changes at few values. */
INLINE void add_edges(const struct fw_lookup *step, const __m512i *values, uint32_t vectors, __m512i *sums)
{
	for (const struct fw_edge *edge = step->edges; edge < step->edges + step->edge_count; edge++) {
		const __m512i from = all(edge->from), more = all(edge->more);
		for (uint32_t v = 0; v < vectors; v++)
			sums[v] = _mm512_mask_add_epi32(sums[v], _mm512_cmpge_epu32_mask(values[v], from), sums[v], more);
	}
}

/* Adds what steps that search nothing say, for so many vectors of a group, from the `from`-th packet on. */
INLINE void add_abreast(const struct fw_lookup *steps, uint32_t count, const lanes *rows,
			uint32_t from, uint32_t n, uint32_t vectors, uint32_t *index)
{
	__m512i sums[SIDE_BY_SIDE], values[SIDE_BY_SIDE];
	__mmask16 in[SIDE_BY_SIDE];

	static_assert(FW_SMALL == 2 * WIDTH, "two registers");
	for (uint32_t v = 0; v < vectors; v++) {
		const uint32_t at = from + v * WIDTH;
		in[v] = n > at ? first_lanes(n - at) : 0;
		sums[v] = _mm512_maskz_loadu_epi32(in[v], index + at);
	}
	for (const struct fw_lookup *step = steps; step < steps + count; step++) {
		for (uint32_t v = 0; v < vectors; v++)
			values[v] = field_of(rows, step->field, from + v * WIDTH);
		if (step->few)
			add_edges(step, values, vectors, sums);
		else if (step->kind != FW_STEP_SEARCH)
			for (uint32_t v = 0; v < vectors; v++)
				sums[v] = _mm512_add_epi32(sums[v], classes_of(step, values[v], in[v]));
	}
	for (uint32_t v = 0; v < vectors; v++)
		_mm512_mask_storeu_epi32(index + from + v * WIDTH, in[v], sums[v]);
}

INLINE void add_all(const struct fw_lookup *steps, uint32_t count, const lanes *rows, uint32_t n,
		    uint32_t *index)
{
	for (uint32_t i = 0; i < n; i += SIDE_BY_SIDE * WIDTH)
		if (n - i > 2 * WIDTH)
			add_abreast(steps, count, rows, i, n, SIDE_BY_SIDE, index);
		else if (n - i > WIDTH)
			add_abreast(steps, count, rows, i, n, 2, index);
		else
			add_abreast(steps, count, rows, i, n, 1, index);
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
