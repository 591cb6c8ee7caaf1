#include "image_rooms.h"
#include "set.h"

enum { MAX_SET = 1 << 20 };

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
bool fw_find_dynamic(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->needs = fw_section(t, h->needs_at, h->effect_count, sizeof *t->needs);
	t->conditions = fw_section(t, h->conditions_at, h->condition_count, sizeof *t->conditions);
	t->literals = fw_section(t, h->literals_at, h->literal_count, sizeof *t->literals);
	t->sets = fw_section(t, h->sets_at, h->set_count, sizeof *t->sets);
	t->members = fw_section(t, h->members_at, h->member_count, sizeof *t->members);
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
