/* The engine of this project, through the same call as its packet loop makes. */
#include "classify.h"
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

static void classify(void *tables, const void *keys, uint32_t n, int32_t *answers)
{
	static struct fw_classes classes[MOST];
	const struct fw_tables *t = tables;

	fw_classify(t, keys, n, (uint32_t *)answers, classes);
	/* The last rule is the default, which no other contestant has. */
	for (uint32_t i = 0; i < n; i++)
		answers[i] = answers[i] == (int32_t)t->header->rule_count - 1 ? NO_MATCH : answers[i];
}

const struct contestant engine = { "barrage", sizeof(struct fw_key), build, pack, classify };
