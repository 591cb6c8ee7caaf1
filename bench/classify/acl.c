/*
 * DPDK's rte_acl by each of its paths. A library of its own, which the bench loads where it could
 * be built, so that nothing else needs DPDK. The paths share one context.
 */
#include <rte_acl.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "contestant.h"

enum { MOST = 4096, FIELDS = 11 };

RTE_ACL_RULE_DEF(acl_rule, FIELDS);

/* As in a header: protocol, then words in network order. IPv4 leaves the rest of its words out. */
struct key {
	uint32_t proto;
	uint32_t words[9];
};

static struct rte_acl_ctx *context;
static size_t context_bytes;

static size_t heap(void)
{
	struct rte_malloc_socket_stats stats;

	rte_malloc_get_socket_stats(0, &stats);
	return stats.heap_allocsz_bytes;
}

static int start(void)
{
	static char *arguments[] = { "bench", "--no-huge", "--no-pci", "-m", "6144", "--no-telemetry",
				     "--no-shconf", "--log-level", "1", "-l", "0",
				     "--force-max-simd-bitwidth=512", NULL };

	return rte_eal_init((int)(sizeof arguments / sizeof *arguments) - 1, arguments);
}

static void define(struct rte_acl_config *config, uint32_t words)
{
	uint32_t field = 0, at = 4;

	config->num_categories = 1;
	config->defs[field] = (struct rte_acl_field_def){ RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 0 };
	for (uint32_t w = 0; w < 2 * words; w++, at += 4) {
		field++;
		config->defs[field] = (struct rte_acl_field_def){ RTE_ACL_FIELD_TYPE_MASK, 4,
								  (uint8_t)field, (uint8_t)field, at };
	}
	for (uint32_t port = 0; port < 2; port++, at += 2) {
		const uint8_t input = (uint8_t)(1 + 2 * words);
		field++;
		config->defs[field] = (struct rte_acl_field_def){ RTE_ACL_FIELD_TYPE_RANGE, 2,
								  (uint8_t)field, input, at };
	}
	config->num_fields = field + 1;
}

static uint32_t bits_in_word(uint32_t length, uint32_t w)
{
	const uint32_t before = 32 * w;

	return length <= before ? 0 : length >= before + 32 ? 32 : length - before;
}

static void translate(const struct rules *rules, struct acl_rule *out)
{
	for (uint32_t i = 0; i < rules->count; i++) {
		const struct rule *r = &rules->of[i];
		struct rte_acl_field *f = out[i].field;
		out[i].data.category_mask = 1;
		out[i].data.priority = (int32_t)(rules->count - i);
		out[i].data.userdata = i + 1;
		f->value.u8 = r->proto & r->proto_mask;
		f->mask_range.u8 = r->proto_mask;
		f++;
		for (uint32_t w = 0; w < rules->words; w++, f++) {
			f->value.u32 = r->source[w];
			f->mask_range.u32 = bits_in_word(r->source_length, w);
		}
		for (uint32_t w = 0; w < rules->words; w++, f++) {
			f->value.u32 = r->destination[w];
			f->mask_range.u32 = bits_in_word(r->destination_length, w);
		}
		f->value.u16 = r->sport[0];
		f->mask_range.u16 = r->sport[1];
		f++;
		f->value.u16 = r->dport[0];
		f->mask_range.u16 = r->dport[1];
	}
}

static int compile(const struct rules *rules)
{
	struct rte_acl_config config = { 0 };
	const size_t before = start() < 0 ? 0 : heap();

	define(&config, rules->words);
	const struct rte_acl_param param = {
		.name = "bench",
		.socket_id = 0,
		.rule_size = RTE_ACL_RULE_SZ(config.num_fields),
		.max_rule_num = rules->count,
	};
	context = rte_acl_create(&param);
	struct acl_rule *list = calloc(rules->count, sizeof *list);
	translate(rules, list);
	/* Rules lie as far apart as the fields that are in use need. */
	uint8_t *packed = calloc(rules->count, param.rule_size);
	for (uint32_t i = 0; i < rules->count; i++)
		memcpy(packed + (size_t)i * param.rule_size, &list[i], param.rule_size);
	const int error = !context ? -1
				   : rte_acl_add_rules(context, (struct rte_acl_rule *)(void *)packed,
						       rules->count) ||
					     rte_acl_build(context, &config);
	free(list);
	free(packed);
	context_bytes = heap() - before;
	return error;
}

/* The first to be built does the work for all. */
static void *build(const struct rules *rules, size_t *bytes)
{
	static int state = 1;

	if (state == 1)
		state = compile(rules);
	*bytes = context_bytes;
	return state == 0 ? context : NULL;
}

static void pack(uint32_t words, const struct packet *p, void *key)
{
	struct key k = { .proto = p->proto };
	uint32_t *to = k.words;

	for (uint32_t w = 0; w < words; w++)
		*to++ = __builtin_bswap32(p->source[w]);
	for (uint32_t w = 0; w < words; w++)
		*to++ = __builtin_bswap32(p->destination[w]);
	*to = __builtin_bswap32((uint32_t)p->sport << 16 | p->dport);
	memcpy(key, &k, sizeof k);
}

static void classify(const void *keys, uint32_t n, int32_t *answers, enum rte_acl_classify_alg path)
{
	const uint8_t *data[MOST];

	for (uint32_t i = 0; i < n; i++)
		data[i] = (const uint8_t *)keys + i * sizeof(struct key);
	rte_acl_classify_alg(context, data, (uint32_t *)answers, n, 1, path);
	for (uint32_t i = 0; i < n; i++)
		answers[i]--;
}

#define CLASSIFY(name, path)                                                                       \
	static void classify_##name(void *built, const void *keys, uint32_t n, int32_t *answers)   \
	{                                                                                          \
		(void)built;                                                                       \
		classify(keys, n, answers, RTE_ACL_CLASSIFY_##path);                               \
	}

CLASSIFY(scalar, SCALAR)
CLASSIFY(sse, SSE)
CLASSIFY(avx2, AVX2)
CLASSIFY(avx512x16, AVX512X16)
CLASSIFY(avx512x32, AVX512X32)

/* Those that this processor cannot run are not there. */
static void *build_avx512(const struct rules *rules, size_t *bytes)
{
	const bool can = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			 __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vl");

	return can ? build(rules, bytes) : NULL;
}

#define PATH(name, build) { "rte_acl " #name, sizeof(struct key), build, pack, classify_##name }
const struct contestant acl_contestants[ACL_CONTESTANTS] = {
	PATH(scalar, build),		PATH(sse, build),		 PATH(avx2, build),
	PATH(avx512x16, build_avx512), PATH(avx512x32, build_avx512),
};
