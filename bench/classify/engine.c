/* The engine of this project, through the same call as its packet loop makes. */
#include "flows.h"
#include "contestant.h"

enum { MOST = 4096 };

static void *build(const struct rules *rules, size_t *bytes)
{
	struct fw_tables *tables;

	if (fw_tables_new(rules->image, rules->image_size, &tables) != 0)
		return NULL;
	*bytes = rules->image_size;
	return tables;
}

static struct fw_address address(uint32_t words, const uint32_t *w)
{
	if (words == 1)
		return (struct fw_address){ 0, w[0] };
	return (struct fw_address){ (uint64_t)w[0] << 32 | w[1], (uint64_t)w[2] << 32 | w[3] };
}

static void pack(uint32_t words, const struct packet *p, void *key)
{
	*(struct fw_key *)key = (struct fw_key){
		.source = address(words, p->source),
		.destination = address(words, p->destination),
		.scalar = {
			[FW_FIELD_FAMILY] = words == 4,
			[FW_FIELD_PROTO] = p->proto,
			[FW_FIELD_SPORT] = p->sport,
			[FW_FIELD_DPORT] = p->dport,
			[FW_FIELD_TYPE] = FW_NO_ICMP,
			[FW_FIELD_CODE] = FW_NO_ICMP,
			[FW_FIELD_FLAGS] = FW_NO_FLAGS,
			[FW_FIELD_EXTHDR] = words == 4 ? 0 : FW_NO_EXTENSIONS,
			[FW_FIELD_UID] = FW_NO_ID,
			[FW_FIELD_GID] = FW_NO_ID,
		},
	};
}

/* The last rule is the default, which no other contestant has. */
static void without_default(const struct fw_tables *t, uint32_t n, int32_t *answers)
{
	for (uint32_t i = 0; i < n; i++)
		answers[i] = answers[i] == (int32_t)t->header->rule_count - 1 ? NO_MATCH : answers[i];
}

static void classify(void *tables, const void *keys, uint32_t n, int32_t *answers)
{
	static struct fw_classes classes[MOST];
	const struct fw_tables *t = tables;

	fw_classify(t, keys, n, (uint32_t *)answers, classes);
	without_default(t, n, answers);
}

/* The same behind its flow cache, as large as the image says. */
static void *build_flows(const struct rules *rules, size_t *bytes)
{
	struct fw_tables *t = build(rules, bytes);
	struct fw_flows *flows = NULL;

	if (t && fw_flows_new(t, MOST, &flows) == 0 && flows)
		*bytes += flows->count * sizeof *flows->places;
	return flows;
}

static void classify_flows(void *built, const void *keys, uint32_t n, int32_t *answers)
{
	static struct fw_classes classes[MOST];
	struct fw_flows *f = built;
	uint32_t *rules = (uint32_t *)answers;

	if (!fw_flows_wanted(f, n)) {
		classify((void *)(uintptr_t)f->tables, keys, n, answers);
		return;
	}
	fw_classify(f->tables, f->keys, fw_flows_find(f, keys, n, rules, classes), f->rules, f->classes);
	fw_flows_keep(f, rules, classes);
	without_default(f->tables, n, answers);
}

const struct contestant engine = { "barrage", sizeof(struct fw_key), build, pack, classify };
const struct contestant engine_flows = { "barrage + flows", sizeof(struct fw_key), build_flows, pack,
					 classify_flows };
