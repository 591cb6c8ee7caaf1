/*
 * rows_avx512.h - the keys of a group, turned: each field and each side's addresses in a row, for what
 * does sixteen packets at a time. front.h includes it.
 *
 * A key is read once, for all that is asked of it: the keys of a group are more than the nearest cache
 * holds beside tables.
 */
#ifndef FW_ROWS_AVX512_H
#define FW_ROWS_AVX512_H

#include <stdbool.h>
#include <stddef.h>

#include "lanes_avx512.h"

/* What lies behind the last packet is another's. */
struct rows {
	lanes fields[FW_FIELD_COUNT]; /* of the quads that are asked for */
	struct fw_address sides[2][FW_GROUP] __attribute__((aligned(64))); /* source, destination */
};

/* Fields are turned four at a time: that takes as long for sixteen keys as sixteen loads of one. */
static_assert(FW_FIELD_COUNT % FW_QUAD == 0, "all fields are in some quad");

/* What is so far into each of sixteen keys, of which `left` are there. */
struct places {
	const char *of[WIDTH];
};

INLINE struct places places_in(const struct fw_key *keys, uint32_t left, size_t offset)
{
	struct places at;

	for (uint32_t i = 0; i < WIDTH; i++)
		at.of[i] = (const char *)&keys[i < left ? i : 0] + offset;
	return at;
}

/* Words change places, then pairs of words. */
INLINE void turn_quad(const struct fw_key *keys, uint32_t left, uint32_t first, uint32_t from,
		      struct rows *rows)
{
	const struct places at = places_in(keys, left, offsetof(struct fw_key, scalar) + first * sizeof(uint32_t));
	lanes *fields = rows->fields + first;
	__m512i a[4], b[4];

	for (uint32_t i = 0; i < 4; i++)
		a[i] = four(at.of[i], at.of[i + 4], at.of[i + 8], at.of[i + 12]);
	for (uint32_t i = 0; i < 4; i += 2) {
		b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
		b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		_mm512_store_si512(fields[2 * i] + from, _mm512_unpacklo_epi64(b[i], b[i + 2]));
		_mm512_store_si512(fields[2 * i + 1] + from, _mm512_unpackhi_epi64(b[i], b[i + 2]));
	}
}

INLINE void turn_side(const struct fw_key *keys, uint32_t left, size_t offset, struct fw_address *side)
{
	const struct places at = places_in(keys, left, offset);

	for (uint32_t i = 0; i < WIDTH; i += 4)
		_mm512_store_si512(side + i, four(at.of[i], at.of[i + 1], at.of[i + 2], at.of[i + 3]));
}

/* Sixteen keys, of which `left` are there, into places from the `from`-th on. */
INLINE void turn(const struct fw_key *keys, uint32_t left, uint32_t quads, bool sides, uint32_t from,
		 struct rows *rows)
{
	for (uint32_t first = 0; first < FW_FIELD_COUNT; first += FW_QUAD, quads >>= 1)
		if (quads & 1)
			turn_quad(keys, left, first, from, rows);
	if (!sides)
		return;
	turn_side(keys, left, offsetof(struct fw_key, source), rows->sides[0] + from);
	turn_side(keys, left, offsetof(struct fw_key, destination), rows->sides[1] + from);
}

/* Some quads of fields, and addresses if they are wanted. */
INLINE void make_rows(const struct fw_key *keys, uint32_t n, uint32_t quads, bool sides, struct rows *rows)
{
	uint32_t i = 0;

	for (; i + WIDTH <= n; i += WIDTH)
		turn(keys + i, WIDTH, quads, sides, i, rows);
	if (i < n)
		turn(keys + i, n - i, quads, sides, i, rows);
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

#endif
