#include "image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "classify.h"
#include "packet.h"
#include "set.h"

enum { MAX_SET = 1 << 20 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an image is read in place");

uint32_t fw_image_checksum(const uint8_t *image, uint32_t size)
{
	uint32_t hash = 0x811c9dc5;

	for (uint32_t i = offsetof(struct fw_header, rules_at); i + 4 <= size; i += 4) {
		uint32_t word;
		memcpy(&word, image + i, sizeof word);
		hash = (hash ^ word) * 0x01000193;
	}
	return hash;
}

/* u64 words of a dense row: one, or 256 bits times a power of two. */
static uint32_t words(uint32_t bits)
{
	uint32_t n = bits <= 64 ? 1 : 4;

	while (n < FW_MAX_CLASSES && n * 64 < bits)
		n *= 2;
	return n;
}

/* `count` records of `width` bytes, or NULL if they are none or not all in the image. */
static const void *section(const struct fw_tables *t, uint32_t at, uint64_t count, uint64_t width)
{
	const struct fw_header *h = t->header;

	if (count == 0 || at % FW_SECTION_ALIGN != 0 || at < sizeof *h || at > h->size)
		return NULL;
	return count <= (h->size - at) / width ? (const uint8_t *)h + at : NULL;
}

/* The classes of a direct or product table. */
static bool classes_ok(const uint16_t *table, uint64_t count, uint32_t classes)
{
	if (!table)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (table[i] >= classes)
			return false;
	return true;
}

static bool wide_before(const struct fw_wide *a, const struct fw_wide *b)
{
	return a->hi != b->hi ? a->hi < b->hi : a->lo < b->lo;
}

static bool wide_ok(const struct fw_wide *table, uint32_t count, uint32_t classes)
{
	if (!table || table[0].hi != 0 || table[0].lo != 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (table[i].class >= classes || table[i].pad != 0 ||
		    (i > 0 && !wide_before(&table[i - 1], &table[i])))
			return false;
	return true;
}

/* A dense row for each class, without a bit that has no rule. */
static bool dense_ok(const uint64_t *rows, uint32_t classes, uint32_t width, uint32_t bits)
{
	if (!rows)
		return false;
	for (uint32_t c = 0; c < classes; c++)
		for (uint32_t w = bits / 64; w < width; w++) {
			const uint64_t beyond = w > bits / 64 ? ~UINT64_C(0) : ~UINT64_C(0) << bits % 64;
			if (rows[(uint64_t)c * width + w] & beyond)
				return false;
		}
	return true;
}

static uint32_t count_bits(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

static uint32_t last_bit(uint64_t bits)
{
	return 63 - (uint32_t)__builtin_clzll(bits);
}

/* Blocks and words as the tops and bits say; the last bit of a row has a rule. */
static bool sparse_ok(const struct fw_tables *t, const struct fw_row *rows, uint32_t classes,
		      uint32_t bits)
{
	const struct fw_header *h = t->header;

	if (!rows)
		return false;
	for (uint32_t c = 0; c < classes; c++) {
		const struct fw_row *r = &rows[c];
		const uint32_t blocks = count_bits(r->top);
		if (r->pad != 0 || r->first > h->number_count || blocks > h->number_count - r->first)
			return false;
		if (blocks == 0)
			continue;
		const struct fw_block *b = &t->blocks[t->numbers[r->first + blocks - 1]];
		const uint64_t word = t->words[b->first + count_bits(b->bits) - 1];
		if (word == 0 || last_bit(r->top) * 4096 + last_bit(b->bits) * 64 + last_bit(word) >= bits)
			return false;
	}
	return true;
}

static bool find_header(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	if (h->dry_run > 1 || h->flow_cache > FW_MAX_FLOWS)
		return false;
	if (h->malformed != FW_VERDICT_ACCEPT && h->malformed != FW_VERDICT_DROP)
		return false;
	if (h->mark_mask == 0)
		return true;
	t->mark_shift = (uint32_t)__builtin_ctz(h->mark_mask);
	const uint32_t mask = h->mark_mask >> t->mark_shift;
	return (mask & (mask + 1)) == 0 && mask >= 0xf;
}

static bool find_rules(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->rules = section(t, h->rules_at, h->rule_count, sizeof *t->rules);
	if (!t->rules)
		return false;
	for (uint32_t i = 0; i < h->rule_count; i++) {
		const struct fw_rule *r = &t->rules[i];
		if (r->verdict >= FW_VERDICT_COUNT || r->reject >= FW_REJECT_COUNT ||
		    (r->reject != 0 && r->verdict != FW_VERDICT_REJECT) ||
		    r->log > 2 || r->pad != 0 || (r->mark_value & ~r->mark_clear) != 0 ||
		    (r->mark_clear & h->mark_mask) != 0)
			return false;
	}
	return true;
}

/* The rule numbers behind a row's bits: ascending; those of a decide row are of rules that decide. */
static bool numbers_ok(const struct fw_tables *t, const uint32_t *numbers, uint32_t count,
		       bool decides)
{
	if (!numbers)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (numbers[i] >= t->header->rule_count || (i > 0 && numbers[i] < numbers[i - 1]))
			return false;
		if (decides && t->rules[numbers[i]].verdict == FW_VERDICT_NEXT)
			return false;
	}
	return true;
}

static bool find_numbers(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->dense_words = words(h->decide_count);
	t->decide = section(t, h->decide_at, h->decide_count, sizeof *t->decide);
	t->effect = section(t, h->effect_at, h->effect_count, sizeof *t->effect);
	return numbers_ok(t, t->decide, h->decide_count, true) &&
	       (h->effect_count == 0 || numbers_ok(t, t->effect, h->effect_count, false));
}

static bool literal_ok(const struct fw_header *h, const struct fw_literal *l)
{
	switch (l->kind) {
	case FW_LITERAL_LIMIT:
		/* A bucket's time must not overflow. */
		return l->interval > 0 && l->burst > 0 && l->interval <= UINT64_MAX / 4 / l->burst &&
		       l->source4 <= 32 && l->destination4 <= 32 && l->source6 <= 128 &&
		       l->destination6 <= 128;
	case FW_LITERAL_TIME:
		return l->from < 1440 && l->to <= 1440;
	case FW_LITERAL_UNTIL:
		return true;
	case FW_LITERAL_MEMBER:
		return l->set < h->set_count;
	default:
		return false;
	}
}

static bool sets_ok(const struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	for (uint32_t i = 0; i < h->set_count; i++) {
		const struct fw_set *s = &t->sets[i];
		if (s->size == 0 || s->size > MAX_SET || s->count > s->size ||
		    s->first > h->member_count || s->count > h->member_count - s->first)
			return false;
	}
	for (uint32_t i = 0; i < h->member_count; i++)
		if (!fw_member_ok(&t->members[i]))
			return false;
	return h->self_set == FW_NO_RULE || h->self_set < h->set_count;
}

/* Literals, the conditions on them, and the sets they ask. */
static bool find_dynamic(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->needs = section(t, h->needs_at, h->effect_count, sizeof *t->needs);
	t->conditions = section(t, h->conditions_at, h->condition_count, sizeof *t->conditions);
	t->literals = section(t, h->literals_at, h->literal_count, sizeof *t->literals);
	t->sets = section(t, h->sets_at, h->set_count, sizeof *t->sets);
	t->members = section(t, h->members_at, h->member_count, sizeof *t->members);
	if ((h->effect_count && !t->needs) || (h->condition_count && !t->conditions) ||
	    (h->literal_count && !t->literals) || (h->set_count && !t->sets) ||
	    (h->member_count && !t->members) || !sets_ok(t))
		return false;
	for (uint32_t i = 0; i < h->literal_count; i++)
		if (!literal_ok(h, &t->literals[i]))
			return false;
	for (uint32_t i = 0; i < h->condition_count; i++)
		if (t->conditions[i] / 2 >= h->literal_count)
			return false;
	for (uint32_t i = 0; i < h->effect_count; i++)
		if (t->needs[i].first > h->condition_count ||
		    t->needs[i].count > h->condition_count - t->needs[i].first)
			return false;
	for (uint32_t i = 0; i < h->rule_count; i++)
		t->logs |= t->rules[i].log != 0;
	return true;
}

static bool find_names(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->in_names = section(t, h->in_names_at, h->in_name_count, sizeof *t->in_names);
	t->out_names = section(t, h->out_names_at, h->out_name_count, sizeof *t->out_names);
	t->macs = section(t, h->macs_at, h->mac_count, sizeof *t->macs);
	return (h->in_name_count == 0 || wide_ok(t->in_names, h->in_name_count, FW_MAX_CLASSES)) &&
	       (h->out_name_count == 0 || wide_ok(t->out_names, h->out_name_count, FW_MAX_CLASSES)) &&
	       (h->mac_count == 0 || wide_ok(t->macs, h->mac_count, FW_MAX_CLASSES));
}

/* The field holds a class already: those of the names, or of the hardware addresses, are the step's. */
static bool identity_ok(const struct fw_tables *t, const struct fw_step *s)
{
	const struct fw_header *h = t->header;

	switch (s->field) {
	case FW_FIELD_IN:
		return wide_ok(t->in_names, h->in_name_count, s->classes);
	case FW_FIELD_OUT:
		return wide_ok(t->out_names, h->out_name_count, s->classes);
	case FW_FIELD_MAC:
		return wide_ok(t->macs, h->mac_count, s->classes);
	default:
		return false;
	}
}

/* Values of the fields that a direct or paged table may be of; see packet.h. */
static const uint32_t values_of[FW_FIELD_COUNT] = {
	[FW_FIELD_HOOK] = FW_HOOK_COUNT, [FW_FIELD_FAMILY] = 2,
	[FW_FIELD_PROTO] = 256,		 [FW_FIELD_SPORT] = FW_NO_PORT + 1,
	[FW_FIELD_DPORT] = FW_NO_PORT + 1, [FW_FIELD_TYPE] = FW_NO_ICMP + 1,
	[FW_FIELD_CODE] = FW_NO_ICMP + 1, [FW_FIELD_FLAGS] = FW_NO_FLAGS + 1,
	[FW_FIELD_FRAGMENT] = FW_FRAGMENT_LATER + 1, [FW_FIELD_STATE] = FW_STATE_COUNT,
	[FW_FIELD_LENGTH] = 65536,	 [FW_FIELD_TTL] = 256,
	[FW_FIELD_DSCP] = 64,		 [FW_FIELD_EXTHDR] = FW_NO_EXTENSIONS + 1,
};

static bool direct_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	l->table = section(t, s->table_at, s->table_count, sizeof *l->table);
	return s->table_count == values_of[s->field] &&
	       classes_ok(l->table, s->table_count, s->classes);
}

static bool paged_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	l->table = section(t, s->table_at, s->table_count, sizeof *l->table);
	l->pages = section(t, s->pages_at, s->page_count, sizeof *l->pages);
	return s->page_count == (values_of[s->field] + 255) / 256 && s->table_count % 256 == 0 &&
	       classes_ok(l->table, s->table_count, s->classes) &&
	       classes_ok(l->pages, s->page_count, s->table_count / 256);
}

/* A scalar's tree has keys of 32 or 64 bits. */
static bool search_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	const struct fw_tree *trees = fw_at(t, t->header->trees_at);

	if (s->tree >= t->header->tree_count || trees[s->tree].classes > s->classes)
		return false;
	l->search = &t->searches[s->tree];
	return true;
}

static bool find_lookup(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	*l = (struct fw_lookup){ .field = s->field, .kind = s->kind, .stride = s->stride };
	if (s->field >= FW_FIELD_COUNT || s->classes == 0 || s->classes > FW_MAX_CLASSES ||
	    s->pad != 0)
		return false;
	switch (s->kind) {
	case FW_STEP_DIRECT:
		return direct_ok(t, s, l);
	case FW_STEP_PAGED:
		return paged_ok(t, s, l);
	case FW_STEP_SEARCH:
		return search_ok(t, s, l);
	case FW_STEP_IDENTITY:
		return identity_ok(t, s);
	default:
		return false;
	}
}

/*
 * The largest sum of class times stride stays within the product. `before` is the number of
 * classes of the fold before, 1 if there is none.
 */
static bool find_fold(struct fw_tables *t, const struct fw_fold *f, uint32_t before,
		      struct fw_product *p)
{
	const struct fw_header *h = t->header;
	const struct fw_step *steps = section(t, h->steps_at, h->step_count, sizeof *steps);
	uint64_t most = before - 1;

	if (!steps || f->step_count == 0 || f->first_step > h->step_count ||
	    f->step_count > h->step_count - f->first_step || f->pad != 0)
		return false;
	p->steps = &t->steps[f->first_step];
	uint32_t placed = f->first_step;
	for (uint32_t kind = 0; kind < FW_STEP_COUNT; kind++)
		for (uint32_t i = f->first_step; i < f->first_step + f->step_count; i++) {
			if (steps[i].kind != kind)
				continue;
			if (!find_lookup(t, &steps[i], &t->steps[placed++]))
				return false;
			most += (uint64_t)(steps[i].classes - 1) * steps[i].stride;
			p->counts[kind]++;
		}
	if (placed != f->first_step + f->step_count)
		return false; /* a kind that there is not */
	p->classes = section(t, f->product_at, f->product_count, sizeof *p->classes);
	return most < f->product_count && f->classes <= FW_MAX_CLASSES &&
	       classes_ok(p->classes, f->product_count, f->classes);
}

static bool find_folds(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;
	const struct fw_fold *folds = section(t, h->folds_at, h->fold_count, sizeof *folds);
	uint32_t classes = 1;

	if (!folds || a->fold_count == 0 || a->first_fold > h->fold_count ||
	    a->fold_count > h->fold_count - a->first_fold)
		return false;
	for (uint32_t i = a->first_fold; i < a->first_fold + a->fold_count; i++) {
		if (!find_fold(t, &folds[i], classes, &t->products[i]))
			return false;
		classes = folds[i].classes;
	}
	c->products = &t->products[a->first_fold];
	c->product_count = a->fold_count;
	return classes == a->classes;
}

static bool lows_ok(struct fw_search *s, const struct fw_tree *tree)
{
	for (uint32_t i = 0; i < tree->low_count; i++)
		for (uint32_t way = 0; way < FW_WAYS; way++) {
			const uint32_t value = s->lows[i].value[way], to = value & ~FW_BRANCH;
			/* What a node leads to stands behind it, so that every search ends. */
			if (value & FW_BRANCH ? to <= i || to >= tree->low_count : value >= tree->classes)
				return false;
			s->deep |= (value & FW_BRANCH) != 0;
		}
	return true;
}

static bool values_ok(struct fw_search *s, const struct fw_tree *tree)
{
	for (uint32_t i = 0; i < tree->value_count; i++) {
		const uint32_t value = s->values[i];
		if (value & FW_LOW ? (value & ~FW_LOW) >= tree->low_count : value >= tree->classes)
			return false;
		s->low |= (value & FW_LOW) != 0;
	}
	return true;
}

/* A level's separators; one that would lead to a node that is not there is above all. */
static bool level_ok(const void *nodes, bool wide, uint32_t count, uint32_t below)
{
	const int32_t *narrow_keys = nodes;
	const int64_t *wide_keys = nodes;

	for (uint32_t way = 1; way < FW_WAYS; way++) {
		const uint32_t key = (count - 1) * FW_SEPARATORS + way - 1;
		if ((count - 1) * FW_WAYS + way >= below &&
		    (wide ? wide_keys[key] != INT64_MAX : narrow_keys[key] != INT32_MAX))
			return false;
	}
	return true;
}

/* How many levels there are, and the nodes of each, follows from the values. */
static bool levels_ok(struct fw_search *s, const struct fw_tree *tree, const void *keys)
{
	const bool wide = tree->kind == FW_TREE_WIDE;
	const uint32_t size = wide ? sizeof(int64_t) : sizeof(int32_t);
	uint32_t counts[FW_MAX_LEVELS];
	uint64_t at = 0;

	for (uint32_t nodes = tree->value_count / FW_WAYS;; nodes = (nodes + FW_WAYS - 1) / FW_WAYS) {
		if (s->levels == FW_MAX_LEVELS)
			return false;
		counts[s->levels++] = nodes;
		at += nodes;
		if (nodes == 1)
			break;
	}
	if (at * FW_SEPARATORS != tree->key_count)
		return false;
	at = 0;
	for (uint32_t l = 0; l < s->levels; l++) {
		const uint32_t nodes = counts[s->levels - 1 - l];
		s->level[l] = (const char *)keys + at * FW_SEPARATORS * size;
		at += nodes;
		if (l + 1 < s->levels &&
		    !level_ok(s->level[l], wide, nodes, counts[s->levels - 2 - l]))
			return false;
	}
	return true;
}

static bool find_tree(struct fw_tables *t, const struct fw_tree *tree, struct fw_search *s)
{
	const bool wide = tree->kind == FW_TREE_WIDE;

	if (tree->kind >= FW_TREE_COUNT || tree->value_count == 0 || tree->value_count % FW_WAYS != 0)
		return false;
	s->kind = tree->kind;
	const void *keys = section(t, tree->keys_at, tree->key_count,
				   wide ? sizeof(int64_t) : sizeof(int32_t));
	s->values = section(t, tree->values_at, tree->value_count, sizeof *s->values);
	s->lows = section(t, tree->lows_at, tree->low_count, sizeof *s->lows);
	return keys && s->values && (tree->low_count == 0 || (wide && s->lows)) &&
	       levels_ok(s, tree, keys) && values_ok(s, tree) && lows_ok(s, tree);
}

static bool find_trees(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_tree *trees = section(t, h->trees_at, h->tree_count, sizeof *trees);

	if (h->tree_count > FW_MAX_TREES || (h->tree_count > 0 && !trees))
		return false;
	for (uint32_t i = 0; i < h->tree_count; i++)
		if (!find_tree(t, &trees[i], &t->searches[i]))
			return false;
	return true;
}

static bool find_addresses(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_tree *trees = fw_at(t, t->header->trees_at);
	const uint32_t count = t->header->tree_count;

	if (a->v4_tree >= count || a->v6_tree >= count)
		return false;
	c->v4 = &t->searches[a->v4_tree];
	c->v6 = &t->searches[a->v6_tree];
	return c->v4->kind != FW_TREE_WIDE && c->v6->kind == FW_TREE_WIDE &&
	       trees[a->v4_tree].classes <= a->classes && trees[a->v6_tree].classes <= a->classes;
}

static bool find_axis(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;

	if (a->kind >= FW_AXIS_COUNT || a->classes == 0)
		return false;
	c->kind = a->kind;
	if (h->back_end == FW_BACK_END_DENSE) {
		const uint64_t size = (uint64_t)a->classes * t->dense_words;
		c->dense = section(t, a->decide_at, size, sizeof *c->dense);
		if (!dense_ok(c->dense, a->classes, t->dense_words, h->decide_count))
			return false;
	}
	if (h->back_end == FW_BACK_END_SPARSE) {
		c->sparse = section(t, a->decide_at, a->classes, sizeof *c->sparse);
		if (!sparse_ok(t, c->sparse, a->classes, h->decide_count))
			return false;
	}
	if (h->effect_count > 0) {
		c->effects = section(t, a->effect_at, a->classes, sizeof *c->effects);
		if (!sparse_ok(t, c->effects, a->classes, h->effect_count))
			return false;
	}
	return c->kind == FW_AXIS_SCALAR ? find_folds(t, a, c) : find_addresses(t, a, c);
}

static bool find_axes(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_axis *axes = section(t, h->axes_at, h->axis_count, sizeof *axes);

	if (!axes || h->axis_count > FW_MAX_AXES || h->fold_count > FW_MAX_FOLDS ||
	    h->step_count > FW_MAX_STEPS)
		return false;
	for (uint32_t i = 0; i < h->axis_count; i++)
		if (!find_axis(t, &axes[i], &t->axes[i]))
			return false;
	t->axis_count = h->axis_count;
	return true;
}

/* The blocks and words of sparse rows. */
static bool find_blocks(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->numbers = section(t, h->numbers_at, h->number_count, sizeof *t->numbers);
	t->blocks = section(t, h->blocks_at, h->block_count, sizeof *t->blocks);
	t->words = section(t, h->words_at, h->word_count, sizeof *t->words);
	if ((h->number_count > 0 && !t->numbers) || (h->block_count > 0 && !t->blocks) ||
	    (h->word_count > 0 && !t->words))
		return false;
	for (uint32_t i = 0; i < h->number_count; i++)
		if (t->numbers[i] >= h->block_count)
			return false;
	for (uint32_t i = 0; i < h->block_count; i++) {
		const struct fw_block *b = &t->blocks[i];
		if (b->bits == 0 || b->pad != 0 || b->first > h->word_count ||
		    count_bits(b->bits) > h->word_count - b->first)
			return false;
	}
	return true;
}

/* Rules that decide, or none. */
static bool decides_or_none(const struct fw_tables *t, uint32_t rule)
{
	return rule == FW_NO_RULE || (rule < t->header->rule_count &&
				      t->rules[rule].verdict != FW_VERDICT_NEXT);
}

/* Every walk of a list ends: what it ends with holds for every app class. */
static bool lists_ok(const struct fw_tables *t, const struct fw_parted *p)
{
	const uint32_t last = p->list_count - 1;

	if (!t->app || !t->lists || (p->table_count > 0 && !t->long_rows))
		return false;
	for (uint32_t c = 0; c < t->app_classes; c++)
		if (!(t->app[(uint64_t)c * p->app_words] & 1))
			return false;
	for (uint32_t i = 0; i < p->list_count; i++)
		if (!decides_or_none(t, t->lists[i].rule) ||
		    t->lists[i].combination / 64 >= p->app_words)
			return false;
	for (uint64_t i = 0; i < (uint64_t)p->table_count * t->app_classes; i++)
		if (!decides_or_none(t, t->long_rows[i]))
			return false;
	return t->lists[0].rule == FW_NO_RULE && t->lists[0].combination == 0 &&
	       t->lists[last].rule == FW_NO_RULE && t->lists[last].combination == 0;
}

static bool row_ok(const struct fw_parted *p, uint32_t row)
{
	return row & FW_BRANCH ? (row & ~FW_BRANCH) < p->table_count : row < p->list_count;
}

/* How many numbers a side of a group has. */
static uint32_t source_numbers(const struct fw_tables *t, const struct fw_group *g)
{
	const struct fw_axis *axes = fw_at(t, t->header->axes_at);

	return g->kind == FW_GROUP_SOURCE || g->kind == FW_GROUP_PAIR ? axes[0].classes
								       : t->parted->source_parts;
}

static uint32_t destination_numbers(const struct fw_tables *t, const struct fw_group *g)
{
	const struct fw_axis *axes = fw_at(t, t->header->axes_at);

	return g->kind == FW_GROUP_DESTINATION || g->kind == FW_GROUP_PAIR
		       ? axes[1].classes
		       : t->parted->destination_parts;
}

static bool group_ok(struct fw_tables *t, const struct fw_group *g, struct fw_rows *r)
{
	const struct fw_parted *p = t->parted;

	*r = (struct fw_rows){ .kind = g->kind,
			       .width = g->width,
			       .block_count = g->block_count,
			       .bucket_ways = g->bucket_ways };
	if (g->kind >= FW_GROUP_COUNT || g->pad != 0)
		return false;
	if (g->width > 0) {
		const uint64_t pairs = (uint64_t)source_numbers(t, g) * g->width;
		if (g->width != destination_numbers(t, g))
			return false;
		r->rows = section(t, g->rows_at, pairs, sizeof *r->rows);
		for (uint64_t i = 0; r->rows && i < pairs; i++)
			if (!row_ok(p, r->rows[i]))
				return false;
		return r->rows != NULL;
	}
	if (g->bucket_ways != 4 && g->bucket_ways != 8)
		return false;
	const uint64_t buckets = (uint64_t)g->block_count * FW_BLOCK_BUCKETS;
	r->buckets = section(t, g->buckets_at, buckets, 16 * sizeof *r->buckets);
	r->multipliers = section(t, g->multipliers_at, g->block_count, sizeof *r->multipliers);
	for (uint64_t i = 0; r->buckets && i < buckets; i++)
		for (uint32_t way = 0; way < g->bucket_ways; way++)
			if (!row_ok(p, r->buckets[16 * i + 8 + way]))
				return false;
	return r->buckets && r->multipliers;
}

static bool parts_ok(const uint32_t *parts, uint32_t count, uint32_t most)
{
	if (!parts)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (parts[i] >= most)
			return false;
	return true;
}

static bool find_parted(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_axis *axes = fw_at(t, h->axes_at);
	uint32_t seen = 0;

	if (h->back_end != FW_BACK_END_PARTED)
		return h->back_end < FW_BACK_END_COUNT;
	if (t->axis_count != 3 || axes[0].kind != FW_AXIS_SOURCE ||
	    axes[1].kind != FW_AXIS_DESTINATION || axes[2].kind != FW_AXIS_SCALAR)
		return false;
	const struct fw_parted *p = t->parted = section(t, h->parted_at, 1, sizeof *t->parted);
	if (!p || p->group_count == 0 || p->group_count > FW_GROUP_COUNT || p->app_words == 0)
		return false;
	t->app_classes = axes[2].classes;
	t->sources = section(t, p->sources_at, axes[0].classes, sizeof *t->sources);
	t->destinations = section(t, p->destinations_at, axes[1].classes, sizeof *t->destinations);
	t->app = section(t, p->app_at, (uint64_t)t->app_classes * p->app_words, sizeof *t->app);
	t->lists = section(t, p->lists_at, p->list_count, sizeof *t->lists);
	t->long_rows = section(t, p->tables_at, (uint64_t)p->table_count * t->app_classes,
			       sizeof *t->long_rows);
	const struct fw_group *groups = section(t, p->groups_at, p->group_count, sizeof *groups);
	if (!groups || !parts_ok(t->sources, axes[0].classes, p->source_parts) ||
	    !parts_ok(t->destinations, axes[1].classes, p->destination_parts) || !lists_ok(t, p))
		return false;
	for (uint32_t i = 0; i < p->group_count; i++) {
		if (!group_ok(t, &groups[i], &t->groups[i]) || (seen & 1u << groups[i].kind))
			return false;
		seen |= 1u << groups[i].kind;
	}
	return true;
}

/* Tables that do not fit a few pages are read all over: with huge pages, few addresses to translate. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = HUGE_PAGE / 8 };

static uint8_t *image_memory(uint32_t size)
{
	const size_t align = size < HUGE_FROM ? FW_SECTION_ALIGN : HUGE_PAGE;
	/* C11 wants a multiple of the alignment. */
	const size_t whole = ((size_t)size + align - 1) / align * align;
	uint8_t *memory = aligned_alloc(align, whole);

	if (memory && align == HUGE_PAGE)
		(void)madvise(memory, whole, MADV_HUGEPAGE); /* where the kernel has them */
	return memory;
}

int fw_tables_new(const uint8_t *image, uint32_t size, struct fw_tables **out)
{
	struct fw_header header;

	if (size < sizeof header)
		return -EBADMSG;
	memcpy(&header, image, sizeof header);
	if (header.magic != FW_MAGIC)
		return -EBADMSG;
	if (header.layout_hash != FW_LAYOUT_HASH)
		return -ENOEXEC;
	if (header.size != size || size % 4 != 0 || header.checksum != fw_image_checksum(image, size))
		return -EBADMSG;

	struct fw_tables *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	int error = -ENOMEM;
	uint8_t *copy = image_memory(size);
	if (!copy)
		goto fail;
	memcpy(copy, image, size);
	t->header = (const struct fw_header *)(const void *)copy;
	error = -EBADMSG;
	if (!find_header(t) || !find_rules(t) || !find_numbers(t) || !find_dynamic(t) ||
	    !find_names(t) || !find_blocks(t) || !find_trees(t) || !find_axes(t) || !find_parted(t))
		goto fail;
	t->evaluator = fw_evaluator_best();
	*out = t;
	return 0;
fail:
	fw_tables_free(t);
	return error;
}

void fw_tables_free(struct fw_tables *t)
{
	if (!t)
		return;
	free((void *)(uintptr_t)t->header);
	free(t);
}
