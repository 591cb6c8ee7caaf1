/*
 * Behind a flow cache of any size every packet gets the rule and the classes that the tables give it,
 * however many flows share a place; a cache that finds nothing rests, and looks again later.
 */
#include "flows.h"

#include "check.h"
#include "evaluators.h"
#include "sample.h"

enum { IMAGES = 100, FLOWS = 300, BATCH = 257, ROUNDS = 30 };

static struct fw_key random_key(uint64_t *seed)
{
	struct fw_key key = { .scalar = { 0 } };

	key.scalar[FW_FIELD_HOOK] = random_below(seed, FW_HOOK_COUNT);
	key.scalar[FW_FIELD_FAMILY] = random_below(seed, 2);
	key.scalar[FW_FIELD_PROTO] = random_below(seed, 256);
	key.scalar[FW_FIELD_DPORT] = random_below(seed, FW_NO_PORT + 1);
	key.scalar[FW_FIELD_IN] = random_below(seed, 2);
	key.scalar[FW_FIELD_OUT] = random_below(seed, 2);
	key.source.lo = random_below(seed, 200);
	key.destination.lo = random_below(seed, 200);
	/* Of an IPv6 address the upper half may be that of an IPv4 one, too. */
	if (key.scalar[FW_FIELD_FAMILY]) {
		key.source.hi = random_below(seed, 2);
		key.destination.hi = random_below(seed, 2);
	}
	return key;
}

static void check_batch(const struct fw_tables *t, struct fw_flows *f, const struct fw_key *keys,
			uint32_t n)
{
	uint32_t plain[BATCH], rules[BATCH];
	struct fw_classes known[BATCH], classes[BATCH];

	fw_classify(t, keys, n, plain, known);
	CHECK(fw_flows_wanted(f, n));
	const uint32_t missed = fw_flows_find(f, keys, n, rules, classes);
	CHECK(missed <= n);
	fw_classify(t, f->keys, missed, f->rules, f->classes);
	fw_flows_keep(f, rules, classes);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(rules[i] == plain[i]);
		for (uint32_t a = 0; t->header->effect_count > 0 && a < t->axis_count; a++)
			CHECK(classes[i].of[a] == known[i].of[a]);
	}
}

static void check_image(struct sample *s, const struct evaluators *evaluators, uint64_t *seed)
{
	static const uint32_t sizes[] = { 1, 2, 7, 64, 5000 };
	struct fw_key flows[FLOWS], keys[BATCH];
	struct fw_flows *f;
	struct fw_tables *t;

	for (uint32_t i = 0; i < FLOWS; i++)
		flows[i] = random_key(seed);
	sample_flow_cache(s, sizes[random_below(seed, 5)]);
	CHECK(fw_tables_new(s->bytes, s->size, &t) == 0);
	for (size_t e = 0; e < evaluators->count; e++) {
		t->evaluator = evaluators->of[e];
		CHECK(fw_flows_new(t, BATCH, &f) == 0);
		for (uint32_t round = 0; f && round < ROUNDS; round++) {
			/* Few enough that none is sent to rest. */
			const uint32_t n = random_below(seed, round % 3 ? 64 : BATCH + 1);
			for (uint32_t i = 0; i < n; i++)
				keys[i] = flows[random_below(seed, FLOWS)];
			check_batch(t, f, keys, n);
		}
		fw_flows_free(f);
	}
	fw_tables_free(t);
}

/* As often as it is asked, in packets: looks a trial long, rests sixteen, looks again. */
static void check_rest(struct sample *s)
{
	uint32_t rules[BATCH], looked = 0, rested = 0;
	struct fw_classes classes[BATCH];
	struct fw_key key = { .scalar = { 0 } };
	struct fw_flows *f;
	struct fw_tables *t;

	sample_flow_cache(s, 16);
	CHECK(fw_tables_new(s->bytes, s->size, &t) == 0);
	CHECK(fw_flows_new(t, BATCH, &f) == 0 && f);
	for (uint32_t i = 0; i < 1 << 18; i++) {
		if (!fw_flows_wanted(f, 1)) {
			rested++;
			continue;
		}
		looked++;
		key.source.lo = i;
		const uint32_t missed = fw_flows_find(f, &key, 1, rules, classes);
		fw_classify(t, f->keys, missed, f->rules, f->classes);
		fw_flows_keep(f, rules, classes);
	}
	CHECK(looked > 4096 && rested > 8 * looked);
	/* What repeats is worth looking for: it does not rest again. */
	while (!fw_flows_wanted(f, 1))
		;
	for (uint32_t i = 0; i < 1 << 16; i++) {
		CHECK(fw_flows_wanted(f, 1));
		const uint32_t missed = fw_flows_find(f, &key, 1, rules, classes);
		fw_classify(t, f->keys, missed, f->rules, f->classes);
		fw_flows_keep(f, rules, classes);
	}
	fw_flows_free(f);
	fw_tables_free(t);
}

int main(void)
{
	const struct evaluators evaluators = evaluators_here();
	static struct sample s;
	uint64_t seed = 1;

	for (uint32_t i = 0; i < IMAGES; i++) {
		if (i % 4)
			sample_random(&s, &seed);
		else
			sample_image(&s);
		check_image(&s, &evaluators, &seed);
	}
	sample_image(&s);
	check_rest(&s);
	return 0;
}
