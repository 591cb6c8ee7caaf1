/*
 * evaluate.h - the classifier's inner loops, written once and compiled twice: classify_portable.c
 * and classify_avx2.c include it, after search.h for their processor.
 *
 * Packets go through in groups of FW_GROUP, stage by stage: each stage is a loop over the group
 * whose turns do not wait for each other, so that the loads of many packets are under way at once.
 * No branch depends on a packet, save in the sparse back end.
 */
#ifndef FW_EVALUATE_H
#define FW_EVALUATE_H

#include "classify.h"
#include "search.h"
#include "sparse.h"

#define INLINE static inline __attribute__((always_inline))

/* The classes of one group of packets, axis by axis. */
typedef uint32_t lanes[FW_GROUP];

/* One step in a tree: the value at a key. */
INLINE uint32_t node_value(const void *nodes, uint32_t kind, uint32_t node, uint64_t key)
{
	switch (kind) {
	case FW_TREE_NARROW: {
		const struct fw_node_narrow *n = (const struct fw_node_narrow *)nodes + node;
		return n->value[fw_last_32(n->key, (uint32_t)key)];
	}
	case FW_TREE_TRIE16: {
		const struct fw_node_trie16 *n = (const struct fw_node_trie16 *)nodes + node;
		return n->value[fw_last_16(n->key, (uint16_t)key)];
	}
	case FW_TREE_TRIE32: {
		const struct fw_node_trie32 *n = (const struct fw_node_trie32 *)nodes + node;
		return n->value[fw_last_16(n->key, (uint16_t)key)];
	}
	default: {
		const struct fw_node_wide *n = (const struct fw_node_wide *)nodes + node;
		return n->value[fw_last_64(n->key, (int64_t)(key ^ UINT64_C(1) << 63))];
	}
	}
}

/*
 * Goes down from the values found so far, until none is a branch. Keys are 32 bits wide or 64.
 */
INLINE void descend(const struct fw_search *s, uint32_t kind, uint32_t branch, const uint32_t *narrow,
		    const uint64_t *wide, uint32_t n, uint32_t *values)
{
	uint8_t open[FW_GROUP];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		open[left] = (uint8_t)i;
		left += (values[i] & branch) != 0;
	}
	while (left > 0) {
		uint32_t still = 0;
		for (uint32_t j = 0; j < left; j++) {
			const uint32_t i = open[j];
			const uint64_t key = wide ? wide[i] : narrow[i];
			values[i] = node_value(s->nodes, kind, values[i] & ~branch, key);
			open[still] = (uint8_t)i;
			still += (values[i] & branch) != 0;
		}
		left = still;
	}
}

/* From the roots of a trie on. */
INLINE void search_trie(const struct fw_search *s, uint32_t kind, uint32_t branch, uint32_t node_size,
			const uint32_t *keys, uint32_t n, uint32_t *values)
{
	for (uint32_t i = 0; i < n; i++) {
		values[i] = s->roots[keys[i] >> 16];
		const char *node = (const char *)s->nodes + (uint64_t)values[i] * node_size;
		__builtin_prefetch(node);
		if (node_size > 64)
			__builtin_prefetch(node + 64);
	}
	for (uint32_t i = 0; i < n; i++)
		values[i] = node_value(s->nodes, kind, values[i], keys[i]);
	descend(s, kind, branch, keys, NULL, n, values);
}

/* The class of each key in a tree of 32-bit keys. */
INLINE void search_narrow(const struct fw_search *s, const uint32_t *keys, uint32_t n, uint32_t *values)
{
	switch (s->kind) {
	case FW_TREE_NARROW:
		for (uint32_t i = 0; i < n; i++)
			values[i] = node_value(s->nodes, FW_TREE_NARROW, 0, keys[i]);
		if (s->levels == 1)
			break;
		for (uint32_t i = 0; i < n && s->levels == 2; i++)
			values[i] = node_value(s->nodes, FW_TREE_NARROW, values[i] & ~FW_BRANCH, keys[i]);
		if (s->levels != 2)
			descend(s, FW_TREE_NARROW, FW_BRANCH, keys, NULL, n, values);
		break;
	case FW_TREE_TRIE16:
		search_trie(s, FW_TREE_TRIE16, FW_BRANCH16, sizeof(struct fw_node_trie16), keys, n, values);
		break;
	default:
		search_trie(s, FW_TREE_TRIE32, FW_BRANCH, sizeof(struct fw_node_trie32), keys, n, values);
		break;
	}
}

/* The class of each address in a wide tree: the upper halves first, the lower where they matter. */
INLINE void search_wide(const struct fw_search *s, const uint64_t *hi, const uint64_t *lo, uint32_t n,
			uint32_t *values)
{
	uint8_t open[FW_GROUP];
	uint64_t keys[FW_GROUP];
	uint32_t below[FW_GROUP];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++)
		values[i] = node_value(s->nodes, FW_TREE_WIDE, 0, hi[i]);
	descend(s, FW_TREE_WIDE, FW_BRANCH, NULL, hi, n, values);
	for (uint32_t i = 0; i < n; i++) {
		open[left] = (uint8_t)i;
		keys[left] = lo[i];
		below[left] = (values[i] & ~FW_LOW) | FW_BRANCH;
		left += (values[i] & FW_LOW) != 0;
	}
	descend(s, FW_TREE_WIDE, FW_BRANCH, NULL, keys, left, below);
	for (uint32_t j = 0; j < left; j++)
		values[open[j]] = below[j];
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

INLINE void find_narrow(const struct fw_classifier *axis, const struct fw_key *keys,
			const struct family *v4, uint32_t n, uint32_t *classes)
{
	lanes values, found;

	if (v4->count == n) { /* as most groups are */
		for (uint32_t i = 0; i < n; i++)
			values[i] = (uint32_t)address(axis, &keys[i])->lo;
		search_narrow(axis->v4, values, n, classes);
		return;
	}
	for (uint32_t j = 0; j < v4->count; j++)
		values[j] = (uint32_t)address(axis, &keys[v4->lane[j]])->lo;
	search_narrow(axis->v4, values, v4->count, found);
	for (uint32_t j = 0; j < v4->count; j++)
		classes[v4->lane[j]] = found[j];
}

INLINE void find_wide(const struct fw_classifier *axis, const struct fw_key *keys,
		      const struct family *v6, uint32_t *classes)
{
	uint64_t hi[FW_GROUP], lo[FW_GROUP];
	lanes found;

	for (uint32_t j = 0; j < v6->count; j++) {
		const struct fw_address *a = address(axis, &keys[v6->lane[j]]);
		hi[j] = a->hi;
		lo[j] = a->lo;
	}
	search_wide(axis->v6, hi, lo, v6->count, found);
	for (uint32_t j = 0; j < v6->count; j++)
		classes[v6->lane[j]] = found[j];
}

INLINE void find_addresses(const struct fw_classifier *axis, const struct fw_key *keys,
			   const struct family *v4, const struct family *v6, uint32_t n,
			   uint32_t *classes)
{
	if (v4->count > 0)
		find_narrow(axis, keys, v4, n, classes);
	if (v6->count > 0)
		find_wide(axis, keys, v6, classes);
}

/* A field that a step reads, whatever its width. */
INLINE uint64_t field_value(const struct fw_key *key, uint32_t field)
{
	return key->scalar[field];
}

/* Adds a step's class times its stride to the index of each packet. */
INLINE void add_step(const struct fw_lookup *step, const struct fw_key *keys, uint32_t n,
		     uint32_t *index)
{
	const uint32_t field = step->field, stride = step->stride, last = step->last;
	const uint64_t zero[FW_GROUP] = { 0 };
	uint64_t wide[FW_GROUP];
	lanes values, classes;

	switch (step->kind) {
	case FW_STEP_DIRECT:
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t value = keys[i].scalar[field];
			index[i] += stride * step->table[value < last ? value : last];
		}
		return;
	case FW_STEP_PAGED:
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t value = keys[i].scalar[field], top = value >> 8;
			const uint32_t page = step->pages[top < last ? top : last];
			index[i] += stride * step->table[page * 256 + (value & 255)];
		}
		return;
	case FW_STEP_IDENTITY:
		for (uint32_t i = 0; i < n; i++)
			index[i] += stride * keys[i].scalar[field];
		return;
	default:
		for (uint32_t i = 0; i < n; i++) {
			wide[i] = field_value(&keys[i], field);
			values[i] = (uint32_t)wide[i];
		}
		if (step->search->kind == FW_TREE_WIDE)
			search_wide(step->search, zero, wide, n, classes);
		else
			search_narrow(step->search, values, n, classes);
		for (uint32_t i = 0; i < n; i++)
			index[i] += stride * classes[i];
	}
}

INLINE void find_scalars(const struct fw_classifier *axis, const struct fw_key *keys, uint32_t n,
			 uint32_t *classes)
{
	for (uint32_t i = 0; i < n; i++)
		classes[i] = 0;
	for (uint32_t p = 0; p < axis->product_count; p++) {
		const struct fw_product *product = &axis->products[p];
		for (uint32_t s = 0; s < product->step_count; s++)
			add_step(&product->steps[s], keys, n, classes);
		for (uint32_t i = 0; i < n; i++)
			classes[i] = product->classes[classes[i]];
	}
}

/* Where the back end will look first. */
INLINE void prefetch_class(const struct fw_tables *t, const struct fw_classifier *axis,
			   const uint32_t *classes, uint32_t n)
{
	if (axis->dense && t->dense_words > 4) {
		for (uint32_t i = 0; i < n; i++) {
			const uint64_t *row = axis->dense + (uint64_t)classes[i] * t->dense_words;
			__builtin_prefetch(row);
			if (t->dense_words > 8)
				__builtin_prefetch(row + 8);
		}
	} else if (t->parted && axis->kind != FW_AXIS_SCALAR) {
		const struct fw_place *places =
			axis->kind == FW_AXIS_SOURCE ? t->sources : t->destinations;
		for (uint32_t i = 0; i < n; i++)
			__builtin_prefetch(&places[classes[i]]);
	}
}

INLINE void find_all(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, lanes *classes)
{
	struct family v4 = { .count = 0 }, v6 = { .count = 0 };

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t six = keys[i].scalar[FW_FIELD_FAMILY] & 1;
		v4.lane[v4.count] = (uint8_t)i;
		v6.lane[v6.count] = (uint8_t)i;
		v4.count += 1 - six;
		v6.count += six;
	}
	for (uint32_t a = 0; a < t->axis_count; a++) {
		const struct fw_classifier *axis = &t->axes[a];
		if (axis->kind == FW_AXIS_SCALAR)
			find_scalars(axis, keys, n, classes[a]);
		else
			find_addresses(axis, keys, &v4, &v6, n, classes[a]);
		prefetch_class(t, axis, classes[a], n);
	}
}

INLINE uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The dense back end on words `from` to `end`; inlined with the usual shapes as constants. */
INLINE void dense(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t axes,
		  uint32_t words, uint32_t from, uint32_t end, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *rows[FW_MAX_AXES];
		for (uint32_t a = 0; a < axes; a++)
			rows[a] = t->axes[a].dense + (uint64_t)classes[a][i] * words;
		const uint32_t bit = fw_first_common(rows, axes, from, end);
		rules[i] = bit < end * 64 ? smaller(rules[i], t->decide[bit]) : rules[i];
	}
}

INLINE void dense_all(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint32_t words = t->dense_words;

	if (t->axis_count != 3) {
		dense(t, classes, n, t->axis_count, words, 0, words, rules);
		return;
	}
	switch (words) {
	case 1:
		dense(t, classes, n, 3, 1, 0, 1, rules);
		break;
	case 2:
		dense(t, classes, n, 3, 2, 0, 2, rules);
		break;
	case 4:
		dense(t, classes, n, 3, 4, 0, 4, rules);
		break;
	case 8:
		dense(t, classes, n, 3, 8, 0, 8, rules);
		break;
	case 16:
		dense(t, classes, n, 3, 16, 0, 16, rules);
		break;
	default:
		dense(t, classes, n, 3, words, 0, words, rules);
		break;
	}
}

INLINE void sparse(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t from,
		   uint32_t end, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct fw_row *rows[FW_MAX_AXES];
		for (uint32_t a = 0; a < t->axis_count; a++)
			rows[a] = &t->axes[a].sparse[classes[a][i]];
		const uint32_t bit = fw_sparse_first(t, rows, t->axis_count, from, end);
		if (bit < end)
			rules[i] = smaller(rules[i], t->decide[bit]);
	}
}

INLINE uint32_t number(const void *list, uint32_t size, uint64_t at)
{
	return size == 1   ? ((const uint8_t *)list)[at]
	       : size == 2 ? ((const uint16_t *)list)[at]
			   : ((const uint32_t *)list)[at];
}

/* A rule of a list; what stands for none is the greatest number either way. */
INLINE uint32_t rule_at(const void *list, uint32_t size, uint64_t at)
{
	const uint32_t rule = number(list, size, at);

	return size == 2 && rule == UINT16_MAX ? FW_NO_RULE : rule;
}

INLINE void wide_wide(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		      lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint16_t *cross = fw_at(t, g->cross_at);
	const void *list = fw_at(t, g->list_at);
	const uint32_t width = t->parted->wide_destinations;
	uint64_t at[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t s = t->sources[classes[0][i]].wide;
		const uint32_t d = t->destinations[classes[1][i]].wide;
		at[i] = (uint64_t)cross[s * width + d] * g->classes + classes[2][i];
		__builtin_prefetch((const char *)list + at[i] * rule_size);
	}
	for (uint32_t i = 0; i < n; i++)
		rules[i] = smaller(rules[i], rule_at(list, rule_size, at[i]));
}

/* From rows and columns of patterns to rules. */
INLINE void follow(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		   uint32_t pattern_size, const uint32_t *rows, const uint64_t *entries, uint32_t n,
		   uint32_t *rules)
{
	const void *patterns = fw_at(t, g->patterns_at);
	const void *list = fw_at(t, g->list_at);
	lanes at;

	for (uint32_t i = 0; i < n; i++) {
		at[i] = rows[i] + number(patterns, pattern_size, entries[i]);
		__builtin_prefetch((const char *)list + (uint64_t)at[i] * rule_size);
	}
	for (uint32_t i = 0; i < n; i++)
		rules[i] = smaller(rules[i], rule_at(list, rule_size, at[i]));
}

INLINE void one_sided(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
		      uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	const bool source = g->kind == FW_GROUP_SOURCE;
	const struct fw_place *near = source ? t->sources : t->destinations;
	const struct fw_place *far = source ? t->destinations : t->sources;
	const uint32_t *near_class = classes[source ? 0 : 1], *far_class = classes[source ? 1 : 0];
	const uint16_t *cross = fw_at(t, g->cross_at);
	const char *patterns = fw_at(t, g->patterns_at);
	lanes rows;
	uint64_t entries[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		const struct fw_place *place = &near[near_class[i]];
		const uint32_t column = cross[far[far_class[i]].wide * t->app_classes + classes[2][i]];
		rows[i] = place->row;
		entries[i] = (uint64_t)place->pattern * g->classes + column;
		__builtin_prefetch(patterns + entries[i] * pattern_size);
	}
	follow(t, g, rule_size, pattern_size, rows, entries, n, rules);
}

INLINE void narrow_narrow(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
			  uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	const uint32_t *lines = fw_at(t, g->buckets_at);
	const struct fw_place *places = fw_at(t, g->places_at);
	const char *patterns = fw_at(t, g->patterns_at);
	lanes at, rows;
	uint64_t entries[FW_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		at[i] = (classes[0][i] * FW_PAIR_MIX + classes[1][i]) * g->multiplier >> g->bucket_shift;
		__builtin_prefetch(lines + 16 * (uint64_t)at[i]);
	}
	if (g->bucket_ways == 8) {
		for (uint32_t i = 0; i < n; i++)
			at[i] = fw_pair_8(lines + 16 * (uint64_t)at[i], classes[0][i] << 16 | classes[1][i]);
	} else {
		for (uint32_t i = 0; i < n; i++)
			at[i] = fw_pair_4(lines + 16 * (uint64_t)at[i], (uint64_t)classes[0][i] << 32 | classes[1][i]);
	}
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&places[at[i]]);
	for (uint32_t i = 0; i < n; i++) {
		const struct fw_place *place = &places[at[i]];
		rows[i] = place->row;
		entries[i] = (uint64_t)place->pattern * g->classes + classes[2][i];
		__builtin_prefetch(patterns + entries[i] * pattern_size);
	}
	follow(t, g, rule_size, pattern_size, rows, entries, n, rules);
}

INLINE void group_sized(const struct fw_tables *t, const struct fw_group *g, uint32_t rule_size,
			uint32_t pattern_size, lanes *classes, uint32_t n, uint32_t *rules)
{
	if (g->kind == FW_GROUP_NONE)
		wide_wide(t, g, rule_size, classes, n, rules);
	else if (g->kind == FW_GROUP_PAIR)
		narrow_narrow(t, g, rule_size, pattern_size, classes, n, rules);
	else
		one_sided(t, g, rule_size, pattern_size, classes, n, rules);
}

static void group(const struct fw_tables *t, const struct fw_group *g, lanes *classes,
		  uint32_t n, uint32_t *rules)
{
	if (t->parted->rule_size == 2) {
		if (g->pattern_size == 1)
			group_sized(t, g, 2, 1, classes, n, rules);
		else
			group_sized(t, g, 2, 2, classes, n, rules);
	} else {
		if (g->pattern_size == 1)
			group_sized(t, g, 4, 1, classes, n, rules);
		else
			group_sized(t, g, 4, 2, classes, n, rules);
	}
}

INLINE void find_rules(const struct fw_tables *t, lanes *classes, uint32_t n, uint32_t *rules)
{
	for (uint32_t i = 0; i < n; i++)
		rules[i] = FW_NO_RULE;
	switch (t->header->back_end) {
	case FW_BACK_END_DENSE:
		dense_all(t, classes, n, rules);
		break;
	case FW_BACK_END_SPARSE:
		sparse(t, classes, n, 0, fw_parts(t) * 4096, rules);
		break;
	default:
		for (uint32_t g = 0; g < t->parted->group_count; g++)
			group(t, &t->groups[g], classes, n, rules);
		break;
	}
}

INLINE void put_classes(const struct fw_tables *t, lanes *classes, uint32_t n,
			struct fw_classes *out)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t a = 0; a < t->axis_count; a++)
			out[i].of[a] = classes[a][i];
}

static void classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		     struct fw_classes *out)
{
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		find_all(t, keys + from, count, classes);
		find_rules(t, classes, count, rules + from);
		if (t->header->effect_count > 0)
			put_classes(t, classes, count, out + from);
	}
}

static void find_classes(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
			 struct fw_classes *out)
{
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		find_all(t, keys + from, count, classes);
		put_classes(t, classes, count, out + from);
	}
}

static void classify_part(const struct fw_tables *t, const struct fw_classes *in, uint32_t n,
			  uint32_t part, uint32_t *rules)
{
	const uint32_t parts = fw_parts(t), words = t->dense_words;
	lanes classes[FW_MAX_AXES];

	for (uint32_t from = 0; from < n; from += FW_GROUP) {
		const uint32_t count = smaller(n - from, FW_GROUP);
		for (uint32_t i = 0; i < count; i++)
			for (uint32_t a = 0; a < t->axis_count; a++)
				classes[a][i] = in[from + i].of[a];
		switch (t->header->back_end) {
		case FW_BACK_END_DENSE:
			dense(t, classes, count, t->axis_count, words, words * part / parts,
			      words * (part + 1) / parts, rules + from);
			break;
		case FW_BACK_END_SPARSE:
			sparse(t, classes, count, part * 4096, (part + 1) * 4096, rules + from);
			break;
		default:
			group(t, &t->groups[part], classes, count, rules + from);
			break;
		}
	}
}

#endif
