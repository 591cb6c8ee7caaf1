#include "image_rooms.h"
#include "packet.h"

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

static bool find_names(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->in_names = fw_section(t, h->in_names_at, h->in_name_count, sizeof *t->in_names);
	t->out_names = fw_section(t, h->out_names_at, h->out_name_count, sizeof *t->out_names);
	t->macs = fw_section(t, h->macs_at, h->mac_count, sizeof *t->macs);
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

/* Takes note that a value has a class, if the one before has another: `last`. Returns the class. */
static uint32_t note_class(struct fw_lookup *l, uint32_t value, uint32_t class, uint32_t last)
{
	if (class == last)
		return class;
	if (l->edge_count < FW_EDGES)
		l->edges[l->edge_count] = (struct fw_edge){ value, (class - last) * l->stride };
	l->edge_count++;
	return class;
}

/* Notes where the class of a table changes; whether there is room for all such values. */
static bool table_edges(struct fw_lookup *l, uint32_t values)
{
	uint32_t last = 0;

	for (uint32_t value = 0; value < values; value++) {
		const uint32_t at = l->pages ? l->pages[value >> 8] * 256u + (value & 255) : value;
		last = note_class(l, value, l->table[at], last);
	}
	return l->edge_count <= FW_EDGES;
}

/* The same of a tree, if it is one node, which may yet be out of order. */
static bool search_edges(struct fw_lookup *l)
{
	const struct fw_search *s = l->search;
	const int32_t *separators = s->level[0];

	if (s->kind != FW_TREE_NARROW || s->levels > 1)
		return false;
	uint32_t last = note_class(l, 0, s->values[0], 0);
	for (uint32_t i = 0; i < FW_SEPARATORS; i++) {
		if (i > 0 && separators[i] < separators[i - 1])
			return false;
		if (separators[i] < INT32_MAX)
			last = note_class(l, (uint32_t)(separators[i] + 1) ^ UINT32_C(1) << 31, s->values[i + 1], last);
	}
	return l->edge_count <= FW_EDGES;
}

static bool direct_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	l->table = fw_section(t, s->table_at, s->table_count, sizeof *l->table);
	if (s->table_count != values_of[s->field] || !classes_ok(l->table, s->table_count, s->classes))
		return false;
	l->small = s->table_count <= FW_SMALL;
	for (uint32_t value = 0; l->small && value < s->table_count; value++)
		l->entries[value] = l->table[value] * l->stride;
	l->few = !l->small && table_edges(l, s->table_count);
	return true;
}

static bool paged_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	l->table = fw_section(t, s->table_at, s->table_count, sizeof *l->table);
	l->pages = fw_section(t, s->pages_at, s->page_count, sizeof *l->pages);
	if (s->page_count != (values_of[s->field] + 255) / 256 || s->table_count % 256 != 0 ||
	    !classes_ok(l->table, s->table_count, s->classes) ||
	    !classes_ok(l->pages, s->page_count, s->table_count / 256))
		return false;
	l->few = table_edges(l, values_of[s->field]);
	return true;
}

/* A scalar's tree has keys of 32 or 64 bits. */
static bool search_ok(const struct fw_tables *t, const struct fw_step *s, struct fw_lookup *l)
{
	const struct fw_tree *trees = fw_at(t, t->header->trees_at);

	if (s->tree >= t->header->tree_count || trees[s->tree].classes > s->classes)
		return false;
	l->search = &t->searches[s->tree];
	l->few = search_edges(l);
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
	const struct fw_step *steps = fw_section(t, h->steps_at, h->step_count, sizeof *steps);
	uint64_t most = before - 1;

	if (!steps || f->step_count == 0 || f->first_step > h->step_count ||
	    f->step_count > h->step_count - f->first_step || f->pad != 0)
		return false;
	p->steps = &t->steps[f->first_step];
	p->step_count = f->step_count;
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
	p->classes = fw_section(t, f->product_at, f->product_count, sizeof *p->classes);
	return most < f->product_count && f->classes <= FW_MAX_CLASSES &&
	       classes_ok(p->classes, f->product_count, f->classes);
}

static bool find_folds(struct fw_tables *t, const struct fw_axis *a, struct fw_classifier *c)
{
	const struct fw_header *h = t->header;
	const struct fw_fold *folds = fw_section(t, h->folds_at, h->fold_count, sizeof *folds);
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

/* A class, or a low node that there is. */
static bool value_ok(struct fw_search *s, const struct fw_tree *tree, uint32_t value)
{
	s->low |= (value & FW_LOW) != 0;
	return value & FW_LOW ? (value & ~FW_LOW) < tree->low_count : value < tree->classes;
}

static bool values_ok(struct fw_search *s, const struct fw_tree *tree)
{
	for (uint32_t i = 0; s->values && i < tree->value_count; i++)
		if (s->values[i] >= tree->classes)
			return false;
	for (uint32_t i = 0; s->leaves && i < tree->value_count; i++)
		if (!value_ok(s, tree, s->leaves[i].own) || !value_ok(s, tree, s->leaves[i].other))
			return false;
	return s->values || s->leaves;
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

/* The separators of the first levels, which lead to so many nodes of the next, in order. */
static void find_top(struct fw_search *s, bool wide, uint32_t levels, uint32_t nodes)
{
	s->top_levels = levels;
	for (uint32_t node = 1; node <= FW_TOP + 1; node++) {
		/* The separator before a node is in the level above, or higher if that node is its parent's first. */
		uint32_t l = levels - 1, at = node;
		for (; node < nodes && at % FW_WAYS == 0; at /= FW_WAYS)
			l--;
		const uint32_t key = at / FW_WAYS * FW_SEPARATORS + at % FW_WAYS - 1;
		if (wide)
			s->top.wide[node - 1] = node < nodes ? ((const int64_t *)s->level[l])[key] : INT64_MAX;
		else
			s->top.narrow[node - 1] = node < nodes ? ((const int32_t *)s->level[l])[key] : INT32_MAX;
	}
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
		if (nodes <= FW_TOP + 1)
			find_top(s, wide, l, nodes);
	}
	return true;
}

static bool find_tree(struct fw_tables *t, const struct fw_tree *tree, struct fw_search *s)
{
	const bool wide = tree->kind == FW_TREE_WIDE;

	if (tree->kind >= FW_TREE_COUNT || tree->value_count == 0 || tree->value_count % FW_WAYS != 0)
		return false;
	s->kind = tree->kind;
	const void *keys = fw_section(t, tree->keys_at, tree->key_count,
				   wide ? sizeof(int64_t) : sizeof(int32_t));
	if (wide)
		s->leaves = fw_section(t, tree->values_at, tree->value_count, sizeof *s->leaves);
	else
		s->values = fw_section(t, tree->values_at, tree->value_count, sizeof *s->values);
	s->lows = fw_section(t, tree->lows_at, tree->low_count, sizeof *s->lows);
	return keys && (tree->low_count == 0 || (wide && s->lows)) &&
	       levels_ok(s, tree, keys) && values_ok(s, tree) && lows_ok(s, tree);
}

static bool find_trees(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_tree *trees = fw_section(t, h->trees_at, h->tree_count, sizeof *trees);

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
	if (a->kind >= FW_AXIS_COUNT || a->classes == 0)
		return false;
	c->kind = a->kind;
	return c->kind == FW_AXIS_SCALAR ? find_folds(t, a, c) : find_addresses(t, a, c);
}

static uint32_t quads_asked(const struct fw_tables *t)
{
	uint32_t quads = 1u << FW_FIELD_FAMILY / FW_QUAD;

	for (uint32_t i = 0; i < t->header->step_count; i++)
		quads |= 1u << t->steps[i].field / FW_QUAD;
	return quads;
}

static bool find_axes(struct fw_tables *t)
{
	const struct fw_header *h = t->header;
	const struct fw_axis *axes = fw_section(t, h->axes_at, h->axis_count, sizeof *axes);

	if (!axes || h->axis_count > FW_MAX_AXES || h->fold_count > FW_MAX_FOLDS ||
	    h->step_count > FW_MAX_STEPS)
		return false;
	for (uint32_t i = 0; i < h->axis_count; i++)
		if (!find_axis(t, &axes[i], &t->axes[i]))
			return false;
	t->axis_count = h->axis_count;
	t->quads = quads_asked(t);
	return true;
}

bool fw_find_front(struct fw_tables *t)
{
	return find_names(t) && find_trees(t) && find_axes(t);
}
