#include <string.h>

#include "image_rooms.h"

/* u64 words of a dense row: one, or 256 bits times a power of two. */
static uint32_t words(uint32_t bits)
{
	uint32_t n = bits <= 64 ? 1 : 4;

	while (n < FW_MAX_CLASSES && n * 64 < bits)
		n *= 2;
	return n;
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
	t->decide = fw_section(t, h->decide_at, h->decide_count, sizeof *t->decide);
	t->effect = fw_section(t, h->effect_at, h->effect_count, sizeof *t->effect);
	return numbers_ok(t, t->decide, h->decide_count, true) &&
	       (h->effect_count == 0 || numbers_ok(t, t->effect, h->effect_count, false));
}

static uint32_t count_bits(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

static uint32_t last_bit(uint64_t bits)
{
	return 63 - (uint32_t)__builtin_clzll(bits);
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

/* The blocks and words of sparse rows. */
static bool find_blocks(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->numbers = fw_section(t, h->numbers_at, h->number_count, sizeof *t->numbers);
	t->blocks = fw_section(t, h->blocks_at, h->block_count, sizeof *t->blocks);
	t->words = fw_section(t, h->words_at, h->word_count, sizeof *t->words);
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

/* What a class of an axis leaves possible, in rows of the back end's kind. */
static bool find_axis_rows(const struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;

	if (h->back_end == FW_BACK_END_DENSE) {
		const uint64_t size = (uint64_t)a->classes * t->dense_words;
		c->dense = fw_section(t, a->decide_at, size, sizeof *c->dense);
		if (!dense_ok(c->dense, a->classes, t->dense_words, h->decide_count))
			return false;
	}
	if (h->back_end == FW_BACK_END_SPARSE) {
		c->sparse = fw_section(t, a->decide_at, a->classes, sizeof *c->sparse);
		if (!sparse_ok(t, c->sparse, a->classes, h->decide_count))
			return false;
	}
	if (h->effect_count == 0)
		return true;
	c->effects = fw_section(t, a->effect_at, a->classes, sizeof *c->effects);
	return sparse_ok(t, c->effects, a->classes, h->effect_count);
}

static bool find_rows(struct fw_tables *t)
{
	const struct fw_axis *axes = fw_at(t, t->header->axes_at);

	for (uint32_t i = 0; i < t->axis_count; i++)
		if (!find_axis_rows(t, &axes[i], &t->axes[i]))
			return false;
	return true;
}

/* Rules that decide, or none. */
static bool decides_or_none(const struct fw_tables *t, uint32_t rule)
{
	return rule == FW_NO_RULE || (rule < t->header->rule_count &&
				      t->rules[rule].verdict != FW_VERDICT_NEXT);
}

/*
 * Every list ends, and no rule of it is before another, so that one may stop at a rule that is too
 * late. A rule of several regions may stand there more than once.
 */
static bool lists_ok(const struct fw_tables *t, const struct fw_parted *p)
{
	if (!t->lists || t->lists[0].rule != FW_NO_RULE || t->lists[0].combination != FW_LAST)
		return false;
	for (uint32_t i = 0; i < p->list_count; i++) {
		const struct fw_candidate *c = &t->lists[i];
		const bool last = c->combination & FW_LAST;
		if (!decides_or_none(t, c->rule) ||
		    (c->combination & ~FW_LAST) / 64 >= p->combination_words)
			return false;
		if (!last && (i + 1 == p->list_count || c->rule > c[1].rule))
			return false;
	}
	return true;
}

static bool row_ok(const struct fw_tables *t, uint32_t row)
{
	const struct fw_parted *p = t->parted;
	const uint32_t bits = p->combination_bits, one = row & ~FW_ONE;

	if (row & FW_BRANCH)
		return (row & ~FW_BRANCH) < p->table_count;
	if (row & FW_ONE)
		return decides_or_none(t, one >> bits) &&
		       (one & ((UINT32_C(1) << bits) - 1)) / 64 < p->combination_words;
	return row < p->list_count;
}

/* Long rows say rules; where there are more scalar axes than one rows, which are not long again. */
static bool long_rows_ok(const struct fw_tables *t, const struct fw_parted *p)
{
	if (p->table_count > 0 && !t->long_rows)
		return false;
	for (uint64_t i = 0; i < (uint64_t)p->table_count * t->first_classes; i++) {
		const uint32_t said = t->long_rows[i];
		if (t->scalar_count > 1 ? said & FW_BRANCH || !row_ok(t, said) : !decides_or_none(t, said))
			return false;
	}
	return true;
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

/* A row for each pair, in a table of the group's own or in a side's records. */
static bool find_pairs(const struct fw_tables *t, const struct fw_group *g, struct fw_rows *r)
{
	/* Both are at most the number of classes, of which each has four bytes somewhere. */
	const uint64_t sources = source_numbers(t, g), destinations = destination_numbers(t, g);
	const uint64_t last = (sources - 1) * g->source_stride +
			      (destinations - 1) * g->destination_stride;

	r->rows = fw_section(t, g->rows_at, last + 1, sizeof *r->rows);
	if (!r->rows)
		return false;
	for (uint64_t s = 0; s < sources; s++)
		for (uint64_t d = 0; d < destinations; d++)
			if (!row_ok(t, r->rows[s * g->source_stride + d * g->destination_stride]))
				return false;
	return true;
}

static bool find_slots(const struct fw_tables *t, const struct fw_group *g, struct fw_rows *r)
{
	if (g->slot_width != 2 && g->slot_width != 4)
		return false;
	r->slots = fw_section(t, g->slots_at, g->slot_count, g->slot_width * sizeof *r->slots);
	r->multipliers = fw_section(t, g->multipliers_at, g->block_count, sizeof *r->multipliers);
	if (!r->slots || !r->multipliers)
		return false;
	for (uint64_t i = 0; i < g->slot_count; i++)
		if (!row_ok(t, r->slots[g->slot_width * i + g->slot_width / 2]))
			return false;
	return true;
}

static bool find_group(const struct fw_tables *t, const struct fw_group *g, struct fw_rows *r)
{
	*r = (struct fw_rows){ .kind = g->kind,
			       .source_stride = g->source_stride,
			       .destination_stride = g->destination_stride,
			       .block_count = g->block_count,
			       .slot_count = g->slot_count,
			       .slot_width = g->slot_width };
	if (g->kind >= FW_GROUP_COUNT)
		return false;
	return g->destination_stride > 0 ? find_pairs(t, g, r) : find_slots(t, g, r);
}

/* The records of a side's classes: the part of each. */
static const uint32_t *find_records(const struct fw_tables *t, uint32_t at, uint32_t width,
				    uint32_t classes, uint32_t parts)
{
	const uint32_t *records = width == 0 || parts == 0 || parts > classes
					  ? NULL
					  : fw_section(t, at, (uint64_t)classes * width, sizeof *records);

	for (uint64_t c = 1; records && c <= classes; c++)
		if ((records[c * width - 1] & ~FW_LONE) >= parts)
			return NULL;
	return records;
}

/* The scalar axes: bits of combinations for the first, and of what those ask of the others. */
static bool find_combinations(struct fw_tables *t, const struct fw_parted *p)
{
	const struct fw_axis *axes = fw_at(t, t->header->axes_at);

	t->first_classes = axes[2].classes;
	t->scalar_count = t->axis_count - 2;
	for (uint32_t i = 2; i < t->axis_count; i++) {
		struct fw_classifier *c = &t->axes[i];
		const uint64_t words = i == 2 ? p->combination_words : p->other_words;
		c->dense = fw_section(t, axes[i].decide_at, axes[i].classes * words, sizeof *c->dense);
		if (axes[i].kind != FW_AXIS_SCALAR || !c->dense)
			return false;
	}
	if (t->scalar_count == 1)
		return true;
	const uint64_t combinations = UINT64_C(64) * p->combination_words;
	t->others = fw_section(t, p->others_at, combinations, sizeof *t->others);
	for (uint64_t i = 0; t->others && i < combinations; i++)
		if (t->others[i] / 64 >= p->other_words)
			return false;
	return t->others;
}

static bool find_parted(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_axis *axes = fw_at(t, h->axes_at);
	uint32_t seen = 0;

	if (h->back_end != FW_BACK_END_PARTED)
		return h->back_end < FW_BACK_END_COUNT;
	if (t->axis_count < 3 || axes[0].kind != FW_AXIS_SOURCE ||
	    axes[1].kind != FW_AXIS_DESTINATION)
		return false;
	const struct fw_parted *p = t->parted = fw_section(t, h->parted_at, 1, sizeof *t->parted);
	if (!p || p->group_count == 0 || p->group_count > FW_GROUP_COUNT ||
	    p->combination_words == 0 || p->combination_bits > 30 ||
	    !find_combinations(t, p))
		return false;
	t->sources = find_records(t, p->sources_at, p->source_width, axes[0].classes, p->source_parts);
	t->destinations = find_records(t, p->destinations_at, p->destination_width, axes[1].classes,
				       p->destination_parts);
	t->lists = fw_section(t, p->lists_at, p->list_count, sizeof *t->lists);
	t->long_rows = fw_section(t, p->tables_at, (uint64_t)p->table_count * t->first_classes,
				  sizeof *t->long_rows);
	const struct fw_group *groups = fw_section(t, p->groups_at, p->group_count, sizeof *groups);
	if (!groups || !t->sources || !t->destinations || !lists_ok(t, p) ||
	    !long_rows_ok(t, p))
		return false;
	for (uint32_t i = 0; i < p->group_count; i++) {
		if (!find_group(t, &groups[i], &t->groups[i]) || (seen & 1u << groups[i].kind))
			return false;
		seen |= 1u << groups[i].kind;
	}
	return true;
}

/* What a value of a tree says if it is a class: see FW_PART_SHIFT. */
static void say_part(uint32_t *value, uint32_t flag, const uint32_t *records, uint32_t width)
{
	if (*value & flag)
		return;
	const uint32_t last = records[(uint64_t)(*value + 1) * width - 1];
	*value |= (last & ~FW_LONE) << FW_PART_SHIFT | (last & FW_LONE ? FW_ALONE : 0);
}

enum { TREES = 4 }; /* of addresses */

/* So many bytes of an image in memory of our own, where they can be changed: sections may share theirs. */
static void *own(uint8_t **room, const void *from, size_t size)
{
	uint8_t *to = *room;

	memcpy(to, from, size);
	*room += (size + FW_SECTION_ALIGN - 1) / FW_SECTION_ALIGN * FW_SECTION_ALIGN;
	return to;
}

static size_t room_of(const struct fw_tree *tree)
{
	const size_t size = tree->kind == FW_TREE_WIDE ? sizeof(struct fw_leaf) : sizeof(uint32_t);

	return tree->value_count * size + tree->low_count * sizeof(struct fw_low) + (size_t)2 * FW_SECTION_ALIGN;
}

static void say_parts(struct fw_search *s, const struct fw_tree *tree, const uint32_t *records,
		      uint32_t width, uint8_t **room)
{
	if (s->values) {
		uint32_t *values = own(room, s->values, tree->value_count * sizeof *values);
		for (uint32_t i = 0; i < tree->value_count; i++)
			say_part(&values[i], 0, records, width);
		s->values = values;
		return;
	}
	struct fw_leaf *leaves = own(room, s->leaves, tree->value_count * sizeof *leaves);
	for (uint32_t i = 0; i < tree->value_count; i++) {
		say_part(&leaves[i].own, FW_LOW, records, width);
		say_part(&leaves[i].other, FW_LOW, records, width);
	}
	s->leaves = leaves;
	if (tree->low_count == 0)
		return;
	struct fw_low *lows = own(room, s->lows, tree->low_count * sizeof *lows);
	for (uint32_t i = 0; i < tree->low_count; i++)
		for (uint32_t way = 0; way < FW_WAYS; way++)
			say_part(&lows[i].value[way], FW_BRANCH, records, width);
	s->lows = lows;
}

/* Whether the trees of addresses have room for parts beside classes, and are for one thing each. */
static bool can_say_parts(const struct fw_tables *t, const struct fw_axis *axes)
{
	const struct fw_parted *p = t->parted;

	for (uint32_t i = 0; i < t->header->step_count; i++)
		for (uint32_t a = 0; a < 2; a++)
			if (t->steps[i].search == t->axes[a].v4 || t->steps[i].search == t->axes[a].v6)
				return false;
	return axes[0].v4_tree != axes[1].v4_tree && axes[0].v6_tree != axes[1].v6_tree &&
	       axes[0].classes <= FW_CLASS_MASK && axes[1].classes <= FW_CLASS_MASK &&
	       p->source_parts <= 1u << FW_PART_BITS && p->destination_parts <= 1u << FW_PART_BITS;
}

/* Once all is right, trees are made to say more, if there is memory for it. */
static void find_parts(struct fw_tables *t)
{
	const struct fw_axis *axes = fw_at(t, t->header->axes_at);
	const struct fw_tree *trees = fw_at(t, t->header->trees_at);

	if (t->header->back_end != FW_BACK_END_PARTED || !can_say_parts(t, axes))
		return;
	const uint32_t of[TREES] = { axes[0].v4_tree, axes[0].v6_tree, axes[1].v4_tree, axes[1].v6_tree };
	size_t size = 0;
	for (uint32_t i = 0; i < TREES; i++)
		size += room_of(&trees[of[i]]);
	uint8_t *room = t->own = fw_image_memory(size);
	if (!room)
		return;
	for (uint32_t i = 0; i < TREES; i++)
		say_parts(&t->searches[of[i]], &trees[of[i]], i < 2 ? t->sources : t->destinations,
			  i < 2 ? t->parted->source_width : t->parted->destination_width, &room);
	t->says_parts = true;
}

bool fw_find_back(struct fw_tables *t)
{
	if (!find_numbers(t) || !find_blocks(t) || !find_rows(t) || !find_parted(t))
		return false;
	find_parts(t);
	return true;
}
