/*
 * scalars_avx512.h - the steps of scalar fields for sixteen packets at a time, where the processor
 * has AVX-512. front.h includes it, and says what they do.
 */
#ifndef FW_SCALARS_AVX512_H
#define FW_SCALARS_AVX512_H

#include "classify.h"
#include "lanes_avx512.h"

/*
 * The first fields of a group's keys, each in a row: sixteen loads from as many places take longer than
 * what it takes to turn eight fields of sixteen keys.
 */
enum { MOST_ROWS = 16 };

struct rows {
	uint32_t count; /* 8 or 16 */
	lanes of[MOST_ROWS];
};

/* Eight fields of two keys. */
INLINE __m512i fields_of(const struct fw_key *key, const struct fw_key *other, uint32_t first)
{
	return _mm512_inserti64x4(_mm512_castsi256_si512(fw_load(&key->scalar[first])),
				  fw_load(&other->scalar[first]), 1);
}

/*
 * Eight fields of sixteen keys, of which `left` are there: words change places, then pairs of words,
 * then pairs of those.
 */
INLINE void turn(const struct fw_key *keys, uint32_t left, uint32_t first, uint32_t from, struct rows *rows)
{
	const struct fw_key *key[WIDTH];
	__m512i a[8], b[8];

	for (uint32_t i = 0; i < WIDTH; i++)
		key[i] = &keys[i < left ? i : 0];
	for (uint32_t i = 0; i < 4; i++) {
		a[i] = fields_of(key[i], key[i + 4], first);
		a[i + 4] = fields_of(key[i + 8], key[i + 12], first);
	}
	for (uint32_t i = 0; i < 8; i += 2) {
		b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
		b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
	}
	for (uint32_t i = 0; i < 8; i += 4)
		for (uint32_t j = 0; j < 2; j++) {
			a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
			a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
		}
	for (uint32_t i = 0; i < 4; i++) {
		_mm512_storeu_si512(rows->of[first + i] + from, _mm512_shuffle_i64x2(a[i], a[i + 4], 0x88));
		_mm512_storeu_si512(rows->of[first + i + 4] + from, _mm512_shuffle_i64x2(a[i], a[i + 4], 0xdd));
	}
}

INLINE void turn_group(const struct fw_key *keys, uint32_t n, uint32_t first, struct rows *rows)
{
	uint32_t i = 0;

	for (; i + WIDTH <= n; i += WIDTH)
		turn(keys + i, WIDTH, first, i, rows);
	if (i < n)
		turn(keys + i, n - i, first, i, rows);
}

INLINE void make_rows(const struct fw_key *keys, uint32_t n, uint32_t count, struct rows *rows)
{
	static_assert((int)FW_FIELD_COUNT >= (int)MOST_ROWS, "no more than there are");
	rows->count = count;
	turn_group(keys, n, 0, rows);
	if (count > 8)
		turn_group(keys, n, 8, rows);
}

/* A field of sixteen keys, from the `from`-th on. */
INLINE __m512i field_of(const struct fw_key *keys, const struct rows *rows, uint32_t from, uint32_t field,
			__mmask16 in)
{
	static_assert(sizeof *keys % 4 == 0, "keys are whole words");
	return field < rows->count ? _mm512_loadu_si512(rows->of[field] + from)
				   : gather(&keys[from].scalar[field],
					    _mm512_mullo_epi32(lane_numbers(), all(sizeof *keys / 4)), in);
}

/* How many of a row are odd. */
INLINE uint32_t count_odd(const uint32_t *row, uint32_t n)
{
	uint32_t odd = 0;

	for (uint32_t i = 0; i < n; i += WIDTH)
		odd += (uint32_t)__builtin_popcount(
			_mm512_mask_test_epi32_mask(first_lanes(n - i), _mm512_loadu_si512(row + i), all(1)));
	return odd;
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

/* Adds what steps that search nothing say, for so many vectors of a group, from the `from`-th packet on. */
INLINE void add_abreast(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys,
			const struct rows *rows, uint32_t from, uint32_t n, uint32_t vectors, uint32_t *index)
{
	__m512i sums[SIDE_BY_SIDE];
	__mmask16 in[SIDE_BY_SIDE];

	static_assert(FW_SMALL == 2 * WIDTH, "two registers");
	for (uint32_t v = 0; v < vectors; v++) {
		const uint32_t at = from + v * WIDTH;
		in[v] = n > at ? first_lanes(n - at) : 0;
		sums[v] = _mm512_maskz_loadu_epi32(in[v], index + at);
	}
	for (const struct fw_lookup *step = steps; step < steps + count; step++)
		for (uint32_t v = 0; v < vectors && step->kind != FW_STEP_SEARCH; v++) {
			const __m512i values = field_of(keys, rows, from + v * WIDTH, step->field, in[v]);
			sums[v] = _mm512_add_epi32(sums[v], classes_of(step, values, in[v]));
		}
	for (uint32_t v = 0; v < vectors; v++)
		_mm512_mask_storeu_epi32(index + from + v * WIDTH, in[v], sums[v]);
}

INLINE void add_all(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys,
		    const struct rows *rows, uint32_t n, uint32_t *index)
{
	for (uint32_t i = 0; i < n; i += SIDE_BY_SIDE * WIDTH)
		if (n - i > 2 * WIDTH)
			add_abreast(steps, count, keys, rows, i, n, SIDE_BY_SIDE, index);
		else if (n - i > WIDTH)
			add_abreast(steps, count, keys, rows, i, n, 2, index);
		else
			add_abreast(steps, count, keys, rows, i, n, 1, index);
}

/* A field of a group, in a row. */
INLINE void read_field(const struct fw_key *keys, const struct rows *rows, uint32_t n, uint32_t field,
		       uint32_t *values)
{
	for (uint32_t i = 0; i < n; i += WIDTH) {
		const __mmask16 in = first_lanes(n - i);
		_mm512_mask_storeu_epi32(values + i, in, field_of(keys, rows, i, field, in));
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
