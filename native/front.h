/*
 * front.h - the first half of the classifier's inner loops: from the fields of a group of packets
 * to their classes on each axis. evaluate.h includes it, and says how it is compiled.
 *
 * Each stage is a loop over the group whose turns do not wait for each other, so that the loads of
 * many packets are under way at once. No branch depends on a packet.
 */
#ifndef FW_FRONT_H
#define FW_FRONT_H

#include <string.h>

#include "classify.h"
#include "search.h"

#ifdef __AVX512VL__
#include "scalars_avx512.h"
#endif

/* So few are no group, for what does sixteen at a time. */
enum { FEW = 5 };

/* A number for each packet of a group. */
typedef uint32_t lanes[FW_GROUP];

INLINE uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Numbers that lie `stride` bytes apart: in a row, or one in each of the packets' keys. */
INLINE uint32_t number_32(const void *numbers, size_t stride, uint32_t i)
{
	uint32_t number;

	memcpy(&number, (const char *)numbers + i * stride, sizeof number);
	return number;
}

INLINE uint64_t number_64(const void *numbers, size_t stride, uint32_t i)
{
	uint64_t number;

	memcpy(&number, (const char *)numbers + i * stride, sizeof number);
	return number;
}

/* A key as nodes compare it: 2^31 or 2^63 less than it is. */
INLINE int32_t narrow_key(uint32_t key)
{
	return (int32_t)(key ^ UINT32_C(1) << 31);
}

INLINE int64_t wide_key(uint64_t key)
{
	return (int64_t)(key ^ UINT64_C(1) << 63);
}

/*
 * A level of a search: from the place of a node to that of the next. Places count eighths of a
 * node's bytes, which is what a processor multiplies by as it loads.
 */
INLINE uint64_t next_32(const void *level, uint64_t place, int32_t key)
{
	return place * FW_WAYS + UINT64_C(4) * fw_answer_32((const int32_t *)level + 2 * place, key);
}

INLINE uint64_t next_64(const void *level, uint64_t place, int64_t key)
{
	return place * FW_WAYS + UINT64_C(8) * fw_answer_64((const int64_t *)level + place, key);
}

/* What a lower half leads to from a leaf. A branch would go either way as often. */
INLINE uint32_t leaf_value(const struct fw_search *s, uint64_t place, uint64_t lo)
{
	const struct fw_leaf *leaf = &s->leaves[place / 8];
	const char *values = (const char *)leaf + offsetof(struct fw_leaf, own);

	static_assert(offsetof(struct fw_leaf, other) == offsetof(struct fw_leaf, own) + 4, "in a row");
	return number_32(values, 4, leaf->lo != lo);
}

/*
 * The steps of one search wait for each other, and a processor has no room to begin more than a few
 * of them, if there are more than two. So many take each step together: their keys and places are
 * still in registers.
 */
#ifdef __AVX2__
enum { ABREAST = 8 };
#else
enum { ABREAST = 1 };
#endif

/* From the i-th on. */
INLINE void narrow_abreast(const struct fw_search *s, uint32_t levels, const void *keys, size_t stride,
			   uint32_t i, uint32_t abreast, uint32_t *classes)
{
	uint64_t places[ABREAST] = { 0 };

#pragma GCC unroll 8
	for (uint32_t l = 0; l < levels; l++)
#pragma GCC unroll 8
		for (uint32_t j = 0; j < abreast; j++)
			places[j] = next_32(s->level[l], places[j],
					    narrow_key(number_32(keys, stride, i + j)));
#pragma GCC unroll 8
	for (uint32_t j = 0; j < abreast; j++)
		classes[i + j] = s->values[places[j] / 4];
}

INLINE void wide_abreast(const struct fw_search *s, uint32_t levels, const void *hi, const void *lo,
			 size_t stride, uint32_t i, uint32_t abreast, uint32_t *values)
{
	uint64_t places[ABREAST] = { 0 };

#pragma GCC unroll 8
	for (uint32_t l = 0; l < levels; l++)
#pragma GCC unroll 8
		for (uint32_t j = 0; j < abreast; j++)
			places[j] = next_64(s->level[l], places[j],
					    wide_key(number_64(hi, stride, i + j)));
#pragma GCC unroll 8
	for (uint32_t j = 0; j < abreast; j++)
		values[i + j] = leaf_value(s, places[j], number_64(lo, stride, i + j));
}

/*
 * A tree of more levels than this is larger than the caches near a core. Its nodes come from so far
 * that ABREAST of them under way are too few: the whole group takes each step together. (Plain C has
 * so much to do at each node that it goes key by key.)
 */
enum { NEAR_LEVELS = 4 };

INLINE void by_levels(const struct fw_search *s, uint32_t levels, const void *keys, const void *lo,
		      size_t stride, uint32_t n, uint32_t *values)
{
	uint32_t places[FW_GROUP] = { 0 };

	for (uint32_t l = 0; l < levels; l++)
		for (uint32_t i = 0; i < n; i++)
			places[i] = (uint32_t)(lo ? next_64(s->level[l], places[i],
							    wide_key(number_64(keys, stride, i)))
						  : next_32(s->level[l], places[i],
							    narrow_key(number_32(keys, stride, i))));
	for (uint32_t i = 0; i < n; i++)
		values[i] = lo ? leaf_value(s, places[i], number_64(lo, stride, i))
			       : s->values[places[i] / 4];
}

/* `lo` is NULL for a narrow tree; with the number of levels as a constant. */
INLINE void search_levels(const struct fw_search *s, uint32_t levels, const void *keys, const void *lo,
			  size_t stride, uint32_t n, uint32_t *values)
{
	const struct fw_search local = *s;
	uint32_t i = 0;

	if (levels > NEAR_LEVELS && ABREAST > 1 && n > ABREAST) {
		by_levels(&local, levels, keys, lo, stride, n, values);
		return;
	}
	for (; levels > 2 && i + ABREAST <= n; i += ABREAST)
		if (lo)
			wide_abreast(&local, levels, keys, lo, stride, i, ABREAST, values);
		else
			narrow_abreast(&local, levels, keys, stride, i, ABREAST, values);
	for (; i < n; i++)
		if (lo)
			wide_abreast(&local, levels, keys, lo, stride, i, 1, values);
		else
			narrow_abreast(&local, levels, keys, stride, i, 1, values);
}

static_assert(FW_MAX_LEVELS == 8, "those of search_tree()");

INLINE void search_tree(const struct fw_search *s, const void *keys, const void *lo, size_t stride,
			uint32_t n, uint32_t *values)
{
	switch (s->levels) {
	case 1:
		search_levels(s, 1, keys, lo, stride, n, values);
		break;
	case 2:
		search_levels(s, 2, keys, lo, stride, n, values);
		break;
	case 3:
		search_levels(s, 3, keys, lo, stride, n, values);
		break;
	case 4:
		search_levels(s, 4, keys, lo, stride, n, values);
		break;
	case 5:
		search_levels(s, 5, keys, lo, stride, n, values);
		break;
	case 6:
		search_levels(s, 6, keys, lo, stride, n, values);
		break;
	case 7:
		search_levels(s, 7, keys, lo, stride, n, values);
		break;
	default:
		search_levels(s, 8, keys, lo, stride, n, values);
		break;
	}
}

INLINE uint32_t low_value(const struct fw_search *s, uint32_t node, uint64_t lo)
{
	const struct fw_low *low = &s->lows[node];

	return low->value[fw_answer_64(low->key, wide_key(lo))];
}

/* The lanes whose value has the bit, in `open`; their number. */
INLINE uint32_t lanes_with(uint32_t bit, const uint32_t *values, uint32_t n, uint8_t *open)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		open[left] = (uint8_t)i;
		left += (values[i] & bit) != 0;
	}
	return left;
}

/* The class of each address: by its leaf, and by nodes for the lower half where that does not suffice. */
INLINE void search_halves(const struct fw_search *s, const void *hi, const void *lo, size_t stride,
			  uint32_t n, uint32_t *values)
{
	uint8_t open[FW_GROUP];

	search_tree(s, hi, lo, stride, n, values);
	if (!s->low)
		return;
	const uint32_t left = lanes_with(FW_LOW, values, n, open);
	for (uint32_t j = 0; j < left; j++) {
		const uint32_t i = open[j];
		values[i] = low_value(s, values[i] & ~FW_LOW, number_64(lo, stride, i));
	}
	for (uint32_t j = 0; s->deep && j < left; j++) {
		const uint32_t i = open[j];
		while (values[i] & FW_BRANCH)
			values[i] = low_value(s, values[i] & ~FW_BRANCH, number_64(lo, stride, i));
	}
}

/* The class of each number, or of each pair of halves, that lie in a row. */
OUTLINE void search_numbers(const struct fw_search *s, const uint32_t *numbers, uint32_t n,
			    uint32_t *classes)
{
	search_tree(s, numbers, NULL, sizeof *numbers, n, classes);
}

OUTLINE void search_pairs(const struct fw_search *s, const uint64_t *hi, const uint64_t *lo, uint32_t n,
			  uint32_t *classes)
{
	search_halves(s, hi, lo, sizeof *hi, n, classes);
}

/* The addresses of a group, IPv4 and IPv6 apart. */
struct family {
	uint32_t count;
	uint8_t lane[FW_GROUP];
};

INLINE const struct fw_address *address(const struct fw_classifier *axis, const struct fw_key *key)
{
	return axis->kind == FW_AXIS_SOURCE ? &key->source : &key->destination;
}

/* Packets of both families: each searched as a row of its own. */
INLINE void find_mixed(const struct fw_classifier *axis, const struct fw_key *keys,
		       const struct family *v4, const struct family *v6, uint32_t *classes)
{
	uint64_t hi[FW_GROUP], lo[FW_GROUP];
	lanes narrow, found;

	for (uint32_t j = 0; j < v4->count; j++)
		narrow[j] = (uint32_t)address(axis, &keys[v4->lane[j]])->lo;
	search_numbers(axis->v4, narrow, v4->count, found);
	for (uint32_t j = 0; j < v4->count; j++)
		classes[v4->lane[j]] = found[j];
	for (uint32_t j = 0; j < v6->count; j++) {
		const struct fw_address *a = address(axis, &keys[v6->lane[j]]);
		hi[j] = a->hi;
		lo[j] = a->lo;
	}
	search_pairs(axis->v6, hi, lo, v6->count, found);
	for (uint32_t j = 0; j < v6->count; j++)
		classes[v6->lane[j]] = found[j];
}

OUTLINE void find_addresses(const struct fw_classifier *axis, const struct fw_key *keys,
			   const struct family *v4, const struct family *v6, uint32_t n,
			   uint32_t *classes)
{
	const struct fw_address *first = address(axis, keys);

	if (v6->count == 0)
		search_tree(axis->v4, &first->lo, NULL, sizeof *keys, n, classes);
	else if (v4->count == 0)
		search_halves(axis->v6, &first->hi, &first->lo, sizeof *keys, n, classes);
	else
		find_mixed(axis, keys, v4, v6, classes);
}

/* Adds the classes of `count` fields, each with a table entry a value, times their strides. */
INLINE void add_direct(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys,
		       uint32_t n, uint32_t *index)
{
	const uint16_t *tables[4];
	uint32_t fields[4], strides[4];

#ifdef __AVX512VL__
	if (n >= FEW) {
		add_tables(steps, count, false, keys, n, index);
		return;
	}
#endif

	for (uint32_t s = 0; s < count; s++) {
		tables[s] = steps[s].table;
		fields[s] = steps[s].field;
		strides[s] = steps[s].stride;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t sum = index[i];
		for (uint32_t s = 0; s < count; s++)
			sum += strides[s] * tables[s][keys[i].scalar[fields[s]]];
		index[i] = sum;
	}
}

INLINE void add_paged(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys,
		      uint32_t n, uint32_t *index)
{
	const uint16_t *tables[2], *pages[2];
	uint32_t fields[2], strides[2];

#ifdef __AVX512VL__
	if (n >= FEW) {
		add_tables(steps, count, true, keys, n, index);
		return;
	}
#endif

	for (uint32_t s = 0; s < count; s++) {
		tables[s] = steps[s].table;
		pages[s] = steps[s].pages;
		fields[s] = steps[s].field;
		strides[s] = steps[s].stride;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t sum = index[i];
		for (uint32_t s = 0; s < count; s++) {
			const uint32_t value = keys[i].scalar[fields[s]];
			sum += strides[s] * tables[s][pages[s][value >> 8] * 256u + (value & 255)];
		}
		index[i] = sum;
	}
}

static void add_search(const struct fw_lookup *step, const struct fw_key *keys, uint32_t n,
		       uint32_t *index)
{
	const uint64_t zero[FW_GROUP] = { 0 };
	uint64_t wide[FW_GROUP];
	lanes narrow, classes;

	for (uint32_t i = 0; i < n; i++)
		wide[i] = narrow[i] = keys[i].scalar[step->field];
	if (step->search->kind == FW_TREE_WIDE)
		search_pairs(step->search, zero, wide, n, classes);
	else
		search_numbers(step->search, narrow, n, classes);
	for (uint32_t i = 0; i < n; i++)
		index[i] += step->stride * classes[i];
}

/* The fields' classes, times their strides, added up: the number of each kind as a constant. */
INLINE void add_steps(const struct fw_product *product, const struct fw_key *keys, uint32_t n,
		      uint32_t *index)
{
	const struct fw_lookup *step = product->steps;
	uint32_t left = product->counts[FW_STEP_DIRECT];

	for (; left > 4; left -= 4, step += 4)
		add_direct(step, 4, keys, n, index);
	switch (left) {
	case 4:
		add_direct(step, 4, keys, n, index);
		break;
	case 3:
		add_direct(step, 3, keys, n, index);
		break;
	case 2:
		add_direct(step, 2, keys, n, index);
		break;
	case 1:
		add_direct(step, 1, keys, n, index);
		break;
	default:
		break;
	}
	step += left;
	for (left = product->counts[FW_STEP_PAGED]; left > 1; left -= 2, step += 2)
		add_paged(step, 2, keys, n, index);
	if (left > 0)
		add_paged(step++, 1, keys, n, index);
	for (left = product->counts[FW_STEP_SEARCH]; left > 0; left--)
		add_search(step++, keys, n, index);
	for (left = product->counts[FW_STEP_IDENTITY]; left > 0; left--, step++)
		for (uint32_t i = 0; i < n; i++)
			index[i] += step->stride * keys[i].scalar[step->field];
}

INLINE void find_scalars(const struct fw_classifier *axis, const struct fw_key *keys, uint32_t n,
			 uint32_t *classes)
{
	for (uint32_t i = 0; i < n; i++)
		classes[i] = 0;
	for (uint32_t p = 0; p < axis->product_count; p++) {
		const struct fw_product *product = &axis->products[p];
		const uint16_t *table = product->classes;
		add_steps(product, keys, n, classes);
#ifdef __AVX512VL__
		if (n >= FEW) {
			look_up(table, n, classes);
			continue;
		}
#endif
		for (uint32_t i = 0; i < n; i++)
			classes[i] = table[classes[i]];
	}
}

/*
 * Where the partitions will look first. Dense rows are few enough for the caches near a core, and
 * asking for them beforehand costs more than it saves.
 */
INLINE void prefetch_class(const struct fw_tables *t, const struct fw_classifier *axis,
			   const uint32_t *classes, uint32_t n)
{
	if (!t->parted)
		return;
	if (axis->kind == FW_AXIS_SCALAR) {
		const uint32_t width = axis == &t->axes[2] ? t->parted->combination_words
							   : t->parted->other_words;
		for (uint32_t i = 0; i < n; i++)
			__builtin_prefetch(axis->dense + (size_t)classes[i] * width);
	} else {
		const bool source = axis->kind == FW_AXIS_SOURCE;
		const uint32_t *records = source ? t->sources : t->destinations;
		const size_t width = source ? t->parted->source_width : t->parted->destination_width;
		for (uint32_t i = 0; i < n; i++)
			__builtin_prefetch(records + classes[i] * width);
	}
}

/* Which packets are of which family. */
INLINE void split_families(const struct fw_key *keys, uint32_t n, struct family *v4, struct family *v6)
{
	v4->count = v6->count = 0;
	for (uint32_t i = 0; i < n; i++) {
		v6->count += keys[i].scalar[FW_FIELD_FAMILY] & 1;
		/* Numbers that lie so far apart are not to be gathered into vectors. */
		__asm__("" : "+r"(v6->count));
	}
	v4->count = n - v6->count;
	if (v4->count == 0 || v6->count == 0)
		return;
	v4->count = v6->count = 0;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t six = keys[i].scalar[FW_FIELD_FAMILY] & 1;
		v4->lane[v4->count] = (uint8_t)i;
		v6->lane[v6->count] = (uint8_t)i;
		v4->count += 1 - six;
		v6->count += six;
	}
}

OUTLINE void find_all(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, lanes *classes)
{
	struct family v4, v6;

	split_families(keys, n, &v4, &v6);
	for (uint32_t a = 0; a < t->axis_count; a++) {
		const struct fw_classifier *axis = &t->axes[a];
		if (axis->kind == FW_AXIS_SCALAR)
			find_scalars(axis, keys, n, classes[a]);
		else
			find_addresses(axis, keys, &v4, &v6, n, classes[a]);
		prefetch_class(t, axis, classes[a], n);
	}
}

#endif
