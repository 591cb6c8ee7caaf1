/* Buckets by key, in bounded memory. */
#include "limit.h"

#include "check.h"

enum { KEYS = 8, SECOND = 1000000000 };

static const struct fw_literal rate = {
	.kind = FW_LITERAL_LIMIT, .interval = SECOND, .burst = 1, .keys = 1, .source4 = 32,
	.source6 = 128,
};

static bool take(struct fw_limit *l, uint32_t source, uint64_t now)
{
	const struct fw_key key = { .source = { 0, source } };

	return fw_limit_take(l, &key, now);
}

static void each_key_has_a_bucket_of_its_own(void)
{
	struct fw_limit l;

	CHECK(fw_limit_init(&l, &rate, KEYS) == 0);
	for (uint32_t source = 0; source < KEYS; source++)
		CHECK(take(&l, source, SECOND));
	for (uint32_t source = 0; source < KEYS; source++)
		CHECK(!take(&l, source, SECOND));
	fw_limit_clear(&l);
}

static void the_key_used_longest_ago_makes_room(void)
{
	struct fw_limit l;

	CHECK(fw_limit_init(&l, &rate, KEYS) == 0);
	for (uint32_t source = 0; source < KEYS; source++)
		CHECK(take(&l, source, SECOND));
	CHECK(!take(&l, 0, SECOND)); /* used again: now 1 is the oldest */
	CHECK(take(&l, 100, SECOND));
	CHECK(!take(&l, 0, SECOND));
	for (uint32_t source = 2; source < KEYS; source++)
		CHECK(!take(&l, source, SECOND));
	CHECK(take(&l, 1, SECOND)); /* forgotten, so its bucket is new */
	fw_limit_clear(&l);
}

static void many_keys_leave_the_table_whole(void)
{
	struct fw_limit l;
	uint64_t seed = 3;

	CHECK(fw_limit_init(&l, &rate, KEYS) == 0);
	for (uint32_t i = 0; i < 100000; i++)
		take(&l, random_below(&seed, 3 * KEYS), i);
	CHECK(l.used == KEYS);
	uint32_t ages = 0, chained = 0;
	for (uint32_t n = l.buckets[0].newer; n; n = l.buckets[n].newer)
		ages++;
	for (uint32_t c = 0; c < KEYS; c++)
		for (uint32_t n = l.chains[c]; n; n = l.buckets[n].next_in_chain)
			chained++;
	CHECK(ages == KEYS && chained == KEYS);
	fw_limit_clear(&l);
}

int main(void)
{
	each_key_has_a_bucket_of_its_own();
	the_key_used_longest_ago_makes_room();
	many_keys_leave_the_table_whole();
	return 0;
}
