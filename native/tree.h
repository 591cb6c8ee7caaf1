/*
 * tree.h - the search trees of addresses and of other wide fields, for a group of numbers: front.h
 * includes it. compiler/tables/tree.ts says how they are made.
 */
#ifndef FW_TREE_H
#define FW_TREE_H

#include <stddef.h>
#include <string.h>

#include "search.h"

/* Numbers that lie `stride` bytes apart: in a row, or one in each of the packets' keys. */
INLINE uint32_t number_32(const void *numbers, size_t stride, size_t i)
{
	uint32_t number;

	memcpy(&number, (const char *)numbers + i * stride, sizeof number);
	return number;
}

INLINE uint64_t number_64(const void *numbers, size_t stride, size_t i)
{
	uint64_t number;

	memcpy(&number, (const char *)numbers + i * stride, sizeof number);
	return number;
}

INLINE int32_t narrow_key(uint32_t number)
{
	return (int32_t)(number ^ UINT32_C(1) << 31);
}

INLINE int64_t wide_key(uint64_t number)
{
	return (int64_t)(number ^ UINT64_C(1) << 63);
}

/*
 * What a group seeks: numbers, or upper halves, that lie so far apart, and for each the place of the
 * node that it has come to. Keys are as nodes compare them: 2^31 or 2^63 less than the numbers.
 */
struct sought {
	const void *numbers;
	size_t stride;
	bool keys;
	const uint32_t *places; /* NULL: of the root */
	const struct fw_address *addresses; /* wide: the numbers with their lower halves */
	size_t address_stride;
};

INLINE int32_t key_32(const struct sought *k, size_t i)
{
	const uint32_t number = number_32(k->numbers, k->stride, i);

	return k->keys ? (int32_t)number : narrow_key(number);
}

INLINE int64_t key_64(const struct sought *k, size_t i)
{
	const uint64_t number = number_64(k->numbers, k->stride, i);

	return k->keys ? (int64_t)number : wide_key(number);
}

/*
 * A level of the i-th search: from the place of a node to that of the next. A place is the number of
 * a node, or after the last level of a value, times 4 in a narrow tree and 8 in a wide one: the sizes
 * of keys, by which a processor multiplies as it loads.
 */
INLINE uint64_t next_place(const void *level, bool wide, uint64_t place, const struct sought *k, size_t i)
{
	const uint64_t first = place * FW_WAYS;

	return wide ? first + UINT64_C(8) * fw_answer_64((const int64_t *)level + place, key_64(k, i))
		    : first + UINT64_C(4) * fw_answer_32((const int32_t *)level + 2 * place, key_32(k, i));
}

/* What the i-th search found: the last level led to a place, and of a leaf the lower half decides. */
INLINE uint32_t value_at(const struct fw_search *s, bool wide, uint64_t place, const struct sought *k,
			 size_t i)
{
	static_assert(offsetof(struct fw_leaf, other) == offsetof(struct fw_leaf, own) + 4, "in a row");
	static_assert(sizeof(struct fw_leaf) == 16, "twice a place");
	if (!wide)
		return number_32(s->values, 1, place);
	const struct fw_leaf *leaf = (const void *)((const char *)s->leaves + 2 * place);
	const char *values = (const char *)leaf + offsetof(struct fw_leaf, own);
	/* A branch would go either way as often. */
	return number_32(values, 4, leaf->lo != number_64(&k->addresses->lo, k->address_stride, i));
}

/* One after the other. */
INLINE void search_each(const struct fw_search *s, bool wide, const struct sought *k,
			uint32_t n, uint32_t *values)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = 0;
		for (uint32_t l = 0; l < s->levels; l++)
			at = next_place(s->level[l], wide, at, k, i);
		values[i] = value_at(s, wide, at, k, i);
	}
}

#ifdef __AVX512VL__
#include "tree_avx512.h"
#endif

INLINE uint32_t low_value(const struct fw_search *s, uint32_t node, uint64_t lo)
{
	const struct fw_low *low = &s->lows[node];

	return low->value[fw_answer_64(low->key, wide_key(lo))];
}

/* The lanes whose value has the bit, in `open`; their number. */
INLINE uint32_t lanes_with(uint32_t bit, const uint32_t *values, uint32_t n, uint32_t *open)
{
	uint32_t left = 0;

#ifdef __AVX512VL__
	for (uint32_t i = 0; i < n; i += WIDTH)
		left += sixteen_with(bit, values, i, n, open + left);
#else
	for (uint32_t i = 0; i < n; i++) {
		open[left] = i;
		left += (values[i] & bit) != 0;
	}
#endif
	return left;
}

/* Of addresses whose leaf leads to nodes for the lower half, what these lead to. */
INLINE void search_lows(const struct fw_search *s, const struct fw_address *first, size_t stride,
			uint32_t n, uint32_t *values)
{
	lanes open;

	if (!s->low)
		return;
	const uint32_t left = lanes_with(FW_LOW, values, n, open);
	for (uint32_t j = 0; j < left; j++) {
		const uint32_t i = open[j];
		values[i] = low_value(s, values[i] & ~FW_LOW, number_64(&first->lo, stride, i));
	}
	for (uint32_t j = 0; s->deep && j < left; j++) {
		const uint32_t i = open[j];
		while (values[i] & FW_BRANCH)
			values[i] = low_value(s, values[i] & ~FW_BRANCH, number_64(&first->lo, stride, i));
	}
}

#ifdef __AVX2__

/*
 * So many searches are written side by side, as the steps of one wait for each other: few, so that
 * all they know stays in registers, and more if there is more to do at each node. A tree of more
 * levels than these, narrow or wide, is larger than the caches near a core: its nodes come from so far
 * that the whole group takes each step together.
 */
#ifdef __AVX512VL__
enum { ABREAST = 4, NEAR_NARROW = 3, NEAR_WIDE = 2 };
#else
enum { ABREAST = 8, NEAR_NARROW = 4, NEAR_WIDE = 4 };
#endif

INLINE void search_abreast(const struct fw_search *s, bool wide, const void *const *level, uint32_t levels,
			   const struct sought *k, size_t i, uint32_t abreast, uint32_t *values)
{
	uint64_t at[ABREAST];

#pragma GCC unroll 8
	for (uint32_t j = 0; j < abreast; j++)
		at[j] = k->places ? k->places[i + j] : 0;
#pragma GCC unroll 8
	for (uint32_t l = 0; l < levels; l++)
#pragma GCC unroll 8
		for (uint32_t j = 0; j < abreast; j++)
			at[j] = next_place(level[l], wide, at[j], k, i + j);
#ifdef __AVX512VL__
	if (wide && abreast == 4) {
		four_values(s->leaves, at, k->addresses + i, values + i);
		return;
	}
#endif
#pragma GCC unroll 8
	for (uint32_t j = 0; j < abreast; j++)
		values[i + j] = value_at(s, wide, at[j], k, i + j);
}

/* The last levels, however many. */
INLINE void search_together(const struct fw_search *s, bool wide, uint32_t known, const struct sought *k,
			    uint32_t n, uint32_t *values)
{
	const struct fw_search local = { .values = s->values, .leaves = s->leaves };
	const void *const *level = &s->level[known];
	lanes at;

#pragma GCC unroll 4
	for (size_t i = 0; i < n; i++)
		at[i] = (uint32_t)next_place(*level, wide, k->places ? k->places[i] : 0, k, i);
	while (++level < &s->level[s->levels])
#pragma GCC unroll 4
		for (size_t i = 0; i < n; i++)
			at[i] = (uint32_t)next_place(*level, wide, at[i], k, i);
	size_t i = 0;
#ifdef __AVX512VL__
	for (; wide && i + 4 <= n; i += 4)
		four_values(s->leaves, (uint64_t[]){ at[i], at[i + 1], at[i + 2], at[i + 3] },
			    k->addresses + i, values + i);
#endif
	for (; i < n; i++)
		values[i] = value_at(&local, wide, at[i], k, i);
}

/* The last levels; how many they are is a constant. */
INLINE void search_levels(const struct fw_search *s, bool wide, uint32_t levels, const struct sought *k,
			  uint32_t n, uint32_t *values)
{
	const struct fw_search local = *s;
	const void *level[FW_MAX_LEVELS];
	size_t i = 0;

	for (uint32_t l = 0; l < levels; l++)
		level[l] = s->level[s->levels - levels + l];
	for (; i + ABREAST <= n; i += ABREAST)
		search_abreast(&local, wide, level, levels, k, i, ABREAST, values);
	for (; i < n; i++)
		search_abreast(&local, wide, level, levels, k, i, 1, values);
}

static_assert(NEAR_NARROW <= 4 && NEAR_WIDE <= 4, "those of search_below()");

/* What numbers lead to from where they are, so many levels below the root. */
INLINE void search_below(const struct fw_search *s, bool wide, uint32_t known, const struct sought *k,
			 uint32_t n, uint32_t *values)
{
	const uint32_t levels = s->levels - known;

	if (levels > (wide ? NEAR_WIDE : NEAR_NARROW)) {
		search_together(s, wide, known, k, n, values);
		return;
	}
	switch (levels) {
	case 1:
		search_levels(s, wide, 1, k, n, values);
		break;
	case 2:
		search_levels(s, wide, 2, k, n, values);
		break;
	case 3:
		search_levels(s, wide, 3, k, n, values);
		break;
	default:
		search_levels(s, wide, 4, k, n, values);
		break;
	}
}

#ifdef __AVX512VL__

/* The class of each number in a row, by what the first levels say of all of them at once. */
INLINE void search_from_top(const struct fw_search *s, bool wide, const struct sought *k, uint32_t n,
			    uint32_t *values)
{
	int64_t wide_keys[FW_GROUP] __attribute__((aligned(64)));
	lanes keys, places;

	if (wide) {
		search_top_64(s->top.wide, k->addresses, n, wide_keys, places);
		const struct sought below = {
			wide_keys, sizeof *wide_keys, true, places, k->addresses, k->address_stride,
		};
		search_below(s, true, s->top_levels, &below, n, values);
	} else {
		search_top_32(s->top.narrow, k, n, keys, places);
		const struct sought below = { keys, sizeof *keys, true, places, NULL, 0 };
		search_below(s, false, s->top_levels, &below, n, values);
	}
}

#endif
#endif

/*
 * The class of each number: in a wide tree, of each address, by its upper half, and in leaves and nodes
 * behind them by its lower one. (Plain C has so much to do at each node that it goes number by number.)
 */
INLINE void search_tree(const struct fw_search *s, bool wide, const void *numbers, size_t stride,
			uint32_t n, uint32_t *values)
{
	static_assert(offsetof(struct fw_address, hi) == 0, "an address begins with its upper half");
	const struct sought sought = { numbers, stride, false, NULL, wide ? numbers : NULL, stride };

#if defined __AVX512VL__
	/* Of more than a few, all is in rows. */
	if (n >= FEW && stride <= sizeof(struct fw_address))
		search_from_top(s, wide, &sought, n, values);
	else
#elif defined __AVX2__
	if (n >= FEW)
		search_below(s, wide, 0, &sought, n, values);
	else
#endif
		search_each(s, wide, &sought, n, values);
	if (wide)
		search_lows(s, sought.addresses, stride, n, values);
}

/* The class of each number, or of each address, in a row. */
OUTLINE void search_numbers(const struct fw_search *s, const uint32_t *numbers, uint32_t n,
			    uint32_t *classes)
{
	search_tree(s, false, numbers, sizeof *numbers, n, classes);
}

OUTLINE void search_wide(const struct fw_search *s, const struct fw_address *numbers, uint32_t n,
			 uint32_t *classes)
{
	search_tree(s, true, numbers, sizeof *numbers, n, classes);
}

/* The classes of scalars, by a tree of either width. */
OUTLINE void search_scalars(const struct fw_search *s, const uint32_t *values, uint32_t n, uint32_t *classes)
{
	struct fw_address wide[FW_GROUP];

	if (s->kind != FW_TREE_WIDE) {
		search_numbers(s, values, n, classes);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		wide[i] = (struct fw_address){ .hi = 0, .lo = values[i] };
	search_wide(s, wide, n, classes);
}

#endif
