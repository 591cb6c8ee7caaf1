#include "image.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "set.h"

enum { MAX_SET = 1 << 20 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an image is read in place");

uint32_t fw_image_checksum(const uint8_t *image, uint32_t size)
{
	uint32_t hash = 0x811c9dc5;

	for (uint32_t i = offsetof(struct fw_header, rules_at); i < size; i++)
		hash = (hash ^ image[i]) * 0x01000193;
	return hash;
}

static uint32_t words(uint32_t bits)
{
	return bits / 64 + (bits % 64 != 0);
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

static bool narrow_ok(const struct fw_narrow *table, uint32_t count, uint32_t classes)
{
	if (!table || table[0].start != 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (table[i].class >= classes || (i > 0 && table[i].start <= table[i - 1].start))
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

/* A row for each class, without a bit that has no rule. */
static bool rows_ok(const uint64_t *rows, uint32_t classes, uint32_t bits)
{
	const uint32_t width = words(bits);
	const uint64_t beyond = bits % 64 ? ~UINT64_C(0) << bits % 64 : 0;

	if (!rows)
		return false;
	for (uint32_t c = 0; c < classes; c++)
		if (rows[(uint64_t)c * width + width - 1] & beyond)
			return false;
	return true;
}

static bool find_header(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	if (h->pad != 0 || (h->malformed != FW_VERDICT_ACCEPT && h->malformed != FW_VERDICT_DROP))
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
		    r->log > 2 || r->pad != 0 || (r->mark_value & ~r->mark_clear) != 0 || (r->mark_clear & h->mark_mask) != 0)
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

	t->decide_words = words(h->decide_count);
	t->effect_words = words(h->effect_count);
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
static bool identity_ok(const struct fw_tables *t, const struct fw_lookup *l)
{
	const struct fw_header *h = t->header;

	if (l->count != 0)
		return false;
	switch (l->field) {
	case FW_FIELD_IN:
		return wide_ok(t->in_names, h->in_name_count, l->classes);
	case FW_FIELD_OUT:
		return wide_ok(t->out_names, h->out_name_count, l->classes);
	case FW_FIELD_MAC:
		return wide_ok(t->macs, h->mac_count, l->classes);
	default:
		return false;
	}
}

static bool find_lookup(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	*l = (struct fw_lookup){
		.field = s->field,
		.kind = s->kind,
		.classes = s->classes,
		.count = s->table_count,
	};
	if (l->field >= FW_FIELD_COUNT || l->classes == 0 || l->classes > FW_MAX_CLASSES ||
	    s->pad != 0)
		return false;
	switch (l->kind) {
	case FW_STEP_DIRECT:
		l->direct = section(t, s->table_at, l->count, sizeof *l->direct);
		return classes_ok(l->direct, l->count, l->classes);
	case FW_STEP_SEARCH:
		l->search = section(t, s->table_at, l->count, sizeof *l->search);
		return narrow_ok(l->search, l->count, l->classes);
	case FW_STEP_IDENTITY:
		return identity_ok(t, l);
	default:
		return false;
	}
}

/* Follows an axis's steps: each product table must take every class that can come to it. */
static bool find_steps(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;
	const struct fw_step *steps = section(t, h->steps_at, h->step_count, sizeof *steps);
	uint32_t classes = 0;

	if (!steps || a->step_count == 0 || a->first_step > h->step_count ||
	    a->step_count > h->step_count - a->first_step)
		return false;
	for (uint32_t i = a->first_step; i < a->first_step + a->step_count; i++) {
		struct fw_lookup *l = &t->steps[i];
		const uint32_t after = steps[i].product_classes;

		if (!find_lookup(t, &steps[i], l))
			return false;
		if (i == a->first_step) {
			if (steps[i].product_at != 0 || after != l->classes)
				return false;
		} else {
			const uint64_t size = (uint64_t)classes * l->classes;
			l->product = section(t, steps[i].product_at, size, sizeof *l->product);
			if (after > FW_MAX_CLASSES || !classes_ok(l->product, size, after))
				return false;
		}
		classes = after;
	}
	c->steps = &t->steps[a->first_step];
	c->step_count = a->step_count;
	return classes == a->classes;
}

static bool find_axis(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;

	if (a->kind >= FW_AXIS_COUNT || a->classes == 0 || a->classes > FW_MAX_CLASSES)
		return false;
	c->kind = a->kind;
	c->decide = section(t, a->decide_at, (uint64_t)a->classes * t->decide_words, sizeof *c->decide);
	c->effect = section(t, a->effect_at, (uint64_t)a->classes * t->effect_words, sizeof *c->effect);
	if (!rows_ok(c->decide, a->classes, h->decide_count) ||
	    (h->effect_count != 0 && !rows_ok(c->effect, a->classes, h->effect_count)))
		return false;
	if (c->kind == FW_AXIS_SCALAR)
		return find_steps(t, a, c);
	c->v4_count = a->v4_count;
	c->v6_count = a->v6_count;
	c->v4 = section(t, a->v4_at, a->v4_count, sizeof *c->v4);
	c->v6 = section(t, a->v6_at, a->v6_count, sizeof *c->v6);
	return narrow_ok(c->v4, a->v4_count, a->classes) && wide_ok(c->v6, a->v6_count, a->classes);
}

static bool find_axes(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_axis *axes = section(t, h->axes_at, h->axis_count, sizeof *axes);

	if (!axes || h->axis_count > FW_MAX_AXES || h->step_count > FW_MAX_STEPS)
		return false;
	for (uint32_t i = 0; i < h->axis_count; i++)
		if (!find_axis(t, &axes[i], &t->axes[i]))
			return false;
	t->axis_count = h->axis_count;
	return true;
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
	if (header.size != size || header.checksum != fw_image_checksum(image, size))
		return -EBADMSG;

	struct fw_tables *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	int error = -ENOMEM;
	/* C11 wants a multiple of the alignment. */
	const size_t whole_lines = ((size_t)size + FW_SECTION_ALIGN - 1) & ~(size_t)(FW_SECTION_ALIGN - 1);
	uint8_t *copy = aligned_alloc(FW_SECTION_ALIGN, whole_lines);
	if (!copy)
		goto fail;
	memcpy(copy, image, size);
	t->header = (const struct fw_header *)(const void *)copy;
	error = -EBADMSG;
	if (!find_header(t) || !find_rules(t) || !find_numbers(t) || !find_dynamic(t) || !find_names(t) || !find_axes(t))
		goto fail;
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
