/*
 * front.h - the first half of the classifier's inner loops: from the fields of a group of packets
 * to their classes on each axis. evaluate.h includes it, and says how it is compiled.
 *
 * Each stage is a loop over the group whose turns do not wait for each other, so that the loads of
 * many packets are under way at once. No branch depends on a packet.
 */
#ifndef FW_FRONT_H
#define FW_FRONT_H

#include "classify.h"
#include "tree.h"

#ifdef __AVX512VL__
#include "scalars_avx512.h"
#endif

INLINE uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The packets of a group that are of one family. */
struct family {
	uint32_t count;
	uint8_t lane[FW_GROUP]; /* if there are others */
};

struct group {
	const struct fw_key *keys;
	uint32_t count;
#ifdef __AVX512VL__
	struct rows rows; /* unless they are but FEW */
#endif
	struct family v4, v6;
};

/* Addresses of a side, so many bytes apart. */
struct side {
	const struct fw_address *first;
	size_t stride;
};

INLINE const struct fw_address *address(struct side side, size_t i)
{
	return (const void *)((const char *)side.first + i * side.stride);
}

/* Packets of both families, some of each: each family searched as a row of its own. */
INLINE void find_mixed(const struct fw_classifier *axis, const struct group *g, struct side side,
		       uint32_t *classes)
{
	const struct family *v4 = &g->v4, *v6 = &g->v6;
	struct fw_address wide[FW_GROUP];
	lanes narrow, found;

	for (uint32_t j = 0; j < v4->count; j++)
		narrow[j] = (uint32_t)address(side, v4->lane[j])->lo;
	search_numbers(axis->v4, narrow, v4->count, found);
	for (uint32_t j = 0; j < v4->count; j++)
		classes[v4->lane[j]] = found[j];
	uint32_t six = 0;
	do
		wide[six] = *address(side, v6->lane[six]);
	while (++six < v6->count);
	search_wide(axis->v6, wide, v6->count, found);
	for (uint32_t j = 0; j < v6->count; j++)
		classes[v6->lane[j]] = found[j];
}

INLINE void find_on_side(const struct fw_classifier *axis, const struct group *g, struct side side,
			 uint32_t *classes)
{
	if (g->v6.count == 0)
		search_tree(axis->v4, false, &side.first->lo, side.stride, g->count, classes);
	else if (g->v4.count == 0)
		search_tree(axis->v6, true, side.first, side.stride, g->count, classes);
	else
		find_mixed(axis, g, side, classes);
}

OUTLINE void find_addresses(const struct fw_classifier *axis, const struct group *g, uint32_t *classes)
{
	const bool source = axis->kind == FW_AXIS_SOURCE;
	const struct fw_address *first = source ? &g->keys->source : &g->keys->destination;

#ifdef __AVX512VL__
	if (g->count >= FEW) {
		const struct side row = { g->rows.sides[source ? 0 : 1], sizeof *first };
		find_on_side(axis, g, row, classes);
		return;
	}
#endif
	find_on_side(axis, g, (struct side){ first, sizeof *g->keys }, classes);
}

/* Adds the classes of `count` fields, each with a table entry a value, times their strides. */
INLINE void add_direct(const struct fw_lookup *steps, uint32_t count, const struct fw_key *keys,
		       uint32_t n, uint32_t *index)
{
	const uint16_t *tables[4];
	uint32_t fields[4], strides[4];

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

/* The classes of fields with tables: the number of each kind as a constant. */
INLINE void add_tables(const struct fw_product *product, const struct fw_key *keys, uint32_t n,
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
		add_paged(step, 1, keys, n, index);
}

INLINE void add_identities(const struct fw_product *product, const struct fw_key *keys, uint32_t n,
			   uint32_t *index)
{
	const struct fw_lookup *const end = product->steps + product->step_count;

	for (const struct fw_lookup *step = end - product->counts[FW_STEP_IDENTITY]; step < end; step++)
		for (uint32_t i = 0; i < n; i++)
			index[i] += step->stride * keys[i].scalar[step->field];
}

static void add_search(const struct fw_lookup *step, const struct group *g, uint32_t *index)
{
	const uint32_t n = g->count;
	lanes own = { 0 }, classes;
	const uint32_t *values = own;

#ifdef __AVX512VL__
	if (n >= FEW)
		values = g->rows.fields[step->field];
	else
#endif
		for (uint32_t i = 0; i < n; i++)
			own[i] = g->keys[i].scalar[step->field];
	search_scalars(step->search, values, n, classes);
	for (uint32_t i = 0; i < n; i++)
		index[i] += step->stride * classes[i];
}

/* The fields' classes, times their strides, added up. */
INLINE void add_steps(const struct fw_product *product, const struct group *g, uint32_t *index)
{
	const struct fw_lookup *search =
		product->steps + product->counts[FW_STEP_DIRECT] + product->counts[FW_STEP_PAGED];
	const uint32_t n = g->count;

#ifdef __AVX512VL__
	if (n >= FEW)
		add_all(product->steps, product->step_count, g->rows.fields, n, index);
	else
#endif
	{
		add_tables(product, g->keys, n, index);
		add_identities(product, g->keys, n, index);
	}
	for (uint32_t left = product->counts[FW_STEP_SEARCH]; left > 0; left--, search++)
#ifdef __AVX512VL__
		if (n < FEW || !search->few)
#endif
			add_search(search, g, index);
}

INLINE void find_scalars(const struct fw_classifier *axis, const struct group *g, uint32_t *classes)
{
	for (uint32_t i = 0; i < g->count; i++)
		classes[i] = 0;
	for (uint32_t p = 0; p < axis->product_count; p++) {
		const struct fw_product *product = &axis->products[p];
		const uint16_t *table = product->classes;
		add_steps(product, g, classes);
#ifdef __AVX512VL__
		if (g->count >= FEW) {
			look_up(table, g->count, classes);
			continue;
		}
#endif
		for (uint32_t i = 0; i < g->count; i++)
			classes[i] = table[classes[i]];
	}
}

/*
 * Where the partitions will look first, one packet after another: what looks for sixteen at once has
 * them under way by itself. Dense rows are few enough for the caches near a core, and asking for them
 * beforehand costs more than it saves.
 */
INLINE void prefetch_class(const struct fw_tables *t, const struct fw_classifier *axis,
			   const uint32_t *classes, uint32_t n)
{
	if (!t->parted)
		return;
#ifdef __AVX512VL__
	if (n >= FEW)
		return;
#endif
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

INLINE uint32_t count_six(const struct group *g)
{
	uint32_t six = 0;

#ifdef __AVX512VL__
	if (g->count >= FEW)
		return count_odd(g->rows.fields[FW_FIELD_FAMILY], g->count);
#endif
	for (uint32_t i = 0; i < g->count; i++) {
		six += g->keys[i].scalar[FW_FIELD_FAMILY] & 1;
		/* Numbers that lie so far apart are not to be gathered into vectors. */
		__asm__("" : "+r"(six));
	}
	return six;
}

/* Which packets are of which family. */
INLINE void split_families(struct group *g)
{
	struct family *v4 = &g->v4, *v6 = &g->v6;

	v6->count = count_six(g);
	v4->count = g->count - v6->count;
	if (v4->count == 0 || v6->count == 0)
		return;
	v4->count = v6->count = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const uint32_t six = g->keys[i].scalar[FW_FIELD_FAMILY] & 1;
		v4->lane[v4->count] = (uint8_t)i;
		v6->lane[v6->count] = (uint8_t)i;
		v4->count += 1 - six;
		v6->count += six;
	}
}

/* A group whose scalars can be found, and its addresses if they are to be. */
INLINE void begin_group(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, bool addresses,
			struct group *g)
{
	g->keys = keys;
	g->count = n;
#ifdef __AVX512VL__
	if (n >= FEW)
		make_rows(keys, n, t->quads, addresses, &g->rows);
#else
	(void)t, (void)addresses;
#endif
}

/* The classes of addresses alone. */
OUTLINE void forget_parts(uint32_t *classes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		classes[i] &= FW_CLASS_MASK;
}

/* Whether so many packets go through the partitions sixteen at a time, and their parts with classes. */
INLINE bool goes_abreast(uint32_t n)
{
#ifdef __AVX512VL__
	return n >= FEW;
#else
	(void)n;
	return false;
#endif
}

/* Of packets that go abreast, the classes of addresses are what searches say: with parts if they say them. */
OUTLINE void find_all(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, lanes *classes)
{
	struct group group;

	begin_group(t, keys, n, true, &group);
	split_families(&group);
	for (uint32_t a = 0; a < t->axis_count; a++) {
		const struct fw_classifier *axis = &t->axes[a];
		if (axis->kind == FW_AXIS_SCALAR)
			find_scalars(axis, &group, classes[a]);
		else
			find_addresses(axis, &group, classes[a]);
		if (t->says_parts && !goes_abreast(n) && axis->kind != FW_AXIS_SCALAR)
			forget_parts(classes[a], n);
		prefetch_class(t, axis, classes[a], n);
	}
}

#endif
