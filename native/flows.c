#include "flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 32, /* packets whose places are fetched together */
	TRIAL = 4096, /* packets that are looked at before it is judged, at least */
	TRIAL_PLACES = 2, /* and for each place: an empty cache has to fill first */
	REST = 16, /* trials that it rests for if it does not pay */
	PAYS = 2, /* if one packet of so many is found */
};

/* Notes where the classes that make a flow are; false if they are too many. */
static bool find_axes(struct fw_flows *f)
{
	const struct fw_tables *t = f->tables;

	for (uint32_t a = 0; a < t->axis_count; a++) {
		const bool scalar = t->axes[a].kind == FW_AXIS_SCALAR;
		uint32_t *count = scalar ? &f->scalar_count : &f->address_count;
		if (*count == (scalar ? FW_FLOW_SCALARS : 2))
			return false;
		(scalar ? f->scalar_axes : f->address_axes)[(*count)++] = a;
	}
	return true;
}

int fw_flows_new(const struct fw_tables *t, uint32_t batch, struct fw_flows **out)
{
	const uint32_t count = t->header->flow_cache;
	struct fw_flows *f = calloc(1, sizeof *f);

	*out = NULL;
	if (!f)
		return -ENOMEM;
	f->tables = t;
	f->count = count;
	if (count == 0 || !find_axes(f)) {
		free(f);
		return 0;
	}
	f->places = aligned_alloc(sizeof *f->places, count * sizeof *f->places);
	f->keys = calloc(batch, sizeof *f->keys);
	f->rules = calloc(batch, sizeof *f->rules);
	f->classes = calloc(batch, sizeof *f->classes);
	f->lanes = calloc(batch, sizeof *f->lanes);
	f->at = calloc(batch, sizeof *f->at);
	bool complete = f->places && f->keys && f->rules && f->classes && f->lanes && f->at;
	for (uint32_t s = 0; s < f->scalar_count; s++) {
		f->scalars[s] = calloc(batch, sizeof *f->scalars[s]);
		complete &= f->scalars[s] != NULL;
	}
	if (!complete) {
		fw_flows_free(f);
		return -ENOMEM;
	}
	memset(f->places, 0, count * sizeof *f->places);
	*out = f;
	return 0;
}

void fw_flows_free(struct fw_flows *f)
{
	if (!f)
		return;
	free(f->places);
	free(f->keys);
	free(f->rules);
	free(f->classes);
	free(f->lanes);
	free(f->at);
	for (uint32_t s = 0; s < FW_FLOW_SCALARS; s++)
		free(f->scalars[s]);
	free(f);
}

bool fw_flows_wanted(struct fw_flows *f, uint32_t n)
{
	const uint32_t trial = f->count < TRIAL / TRIAL_PLACES ? TRIAL : TRIAL_PLACES * f->count;

	if (f->resting > 0) {
		f->resting -= n < f->resting ? n : f->resting;
		return false;
	}
	if (f->looked < trial)
		return true;
	if (f->found < f->looked / PAYS)
		f->resting = REST * trial;
	f->looked = f->found = 0;
	return f->resting == 0;
}

/* The upper bits of a sum of products with odd numbers (multilinear; Lemire and Kaser 2014). */
static inline uint32_t place_of(const struct fw_flows *f, const struct fw_key *key, uint32_t i)
{
	uint64_t h = key->source.lo * UINT64_C(0xa0761d6478bd642f) +
		     key->source.hi * UINT64_C(0xe7037ed1a0b428db) +
		     key->destination.lo * UINT64_C(0x8ebc6af09c88c6e3) +
		     key->destination.hi * UINT64_C(0x589965cc75374cc3);

	for (uint32_t s = 0; s < f->scalar_count; s++)
		h = (h + f->scalars[s][i]) * UINT64_C(0x1d8e4e27c47d124f);
	return (uint32_t)((h >> 32) * f->count >> 32);
}

/* Whether the i-th packet is of a flow. */
static inline bool is_of(const struct fw_flows *f, const struct fw_flow *flow, const struct fw_key *key,
			 uint32_t i)
{
	uint64_t differs = (flow->source.lo ^ key->source.lo) | (flow->source.hi ^ key->source.hi) |
			   (flow->destination.lo ^ key->destination.lo) |
			   (flow->destination.hi ^ key->destination.hi) |
			   (flow->family ^ (1 + key->scalar[FW_FIELD_FAMILY]));

	for (uint32_t s = 0; s < f->scalar_count; s++)
		differs |= flow->scalars[s] ^ f->scalars[s][i];
	return differs == 0;
}

uint32_t fw_flows_find(struct fw_flows *f, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		       struct fw_classes *classes)
{
	const bool effects = f->tables->header->effect_count > 0;
	uint32_t missed = 0;

	for (uint32_t s = 0; s < f->scalar_count; s++)
		fw_find_scalar(f->tables, f->scalar_axes[s], keys, n, f->scalars[s]);
	for (uint32_t first = 0; first < n; first += BLOCK) {
		const uint32_t end = n - first < BLOCK ? n : first + BLOCK;
		for (uint32_t i = first; i < end; i++) {
			f->at[i] = place_of(f, &keys[i], i);
			__builtin_prefetch(&f->places[f->at[i]]);
		}
		for (uint32_t i = first; i < end; i++) {
			const struct fw_flow *known = &f->places[f->at[i]];
			rules[i] = known->rule;
			for (uint32_t s = 0; effects && s < f->scalar_count; s++)
				classes[i].of[f->scalar_axes[s]] = f->scalars[s][i];
			for (uint32_t a = 0; effects && a < f->address_count; a++)
				classes[i].of[f->address_axes[a]] = known->addresses[a];
			f->lanes[missed] = i;
			missed += !is_of(f, known, &keys[i], i);
		}
	}
	for (uint32_t j = 0; j < missed; j++)
		f->keys[j] = keys[f->lanes[j]];
	f->missed = missed;
	f->looked += n;
	f->found += n - missed;
	return missed;
}

void fw_flows_keep(struct fw_flows *f, uint32_t *rules, struct fw_classes *classes)
{
	const bool effects = f->tables->header->effect_count > 0;

	for (uint32_t j = 0; j < f->missed; j++) {
		const uint32_t i = f->lanes[j];
		struct fw_flow *flow = &f->places[f->at[i]];
		*flow = (struct fw_flow){
			.source = f->keys[j].source,
			.destination = f->keys[j].destination,
			.family = 1 + f->keys[j].scalar[FW_FIELD_FAMILY],
			.rule = f->rules[j],
		};
		for (uint32_t s = 0; s < f->scalar_count; s++)
			flow->scalars[s] = f->scalars[s][i];
		rules[i] = flow->rule;
		if (!effects)
			continue;
		classes[i] = f->classes[j];
		for (uint32_t a = 0; a < f->address_count; a++)
			flow->addresses[a] = classes[i].of[f->address_axes[a]];
	}
}
