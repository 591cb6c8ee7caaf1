/* Which counter a batch goes to, by its size and by its time, at the bounds. */
#include "counts.h"

#include <stdlib.h>

#include "check.h"

static uint64_t taken(struct fw_counts *c, enum fw_stat s)
{
	return atomic_exchange(&c->stats[s], 0);
}

int main(void)
{
	struct fw_counts *c = fw_counts_new(1);

	CHECK(c);
	fw_counts_batch(c, 1, 0);
	CHECK(taken(c, FW_STAT_BATCH_1) == 1 && taken(c, FW_STAT_VERDICT_US_1) == 1);
	fw_counts_batch(c, 2, 1000);
	CHECK(taken(c, FW_STAT_BATCH_2) == 1 && taken(c, FW_STAT_VERDICT_US_1) == 2);
	fw_counts_batch(c, 3, 1001);
	CHECK(taken(c, FW_STAT_BATCH_4) == 1 && taken(c, FW_STAT_VERDICT_US_2) == 3);
	fw_counts_batch(c, 64, 64000);
	CHECK(taken(c, FW_STAT_BATCH_64) == 1 && taken(c, FW_STAT_VERDICT_US_64) == 64);
	fw_counts_batch(c, 65, 64001);
	CHECK(taken(c, FW_STAT_BATCH_128) == 1 && taken(c, FW_STAT_VERDICT_US_128) == 65);
	CHECK(taken(c, FW_STAT_BATCHES) == 5);
	CHECK(taken(c, FW_STAT_VERDICT_NS) == 2 * 1000 + 3 * 1001 + 64 * 64000 + 65 * 64001);
	fw_counts_batch(c, 1024, 32768000);
	CHECK(taken(c, FW_STAT_BATCH_1024) == 1 && taken(c, FW_STAT_VERDICT_US_32768) == 1024);
	fw_counts_batch(c, 1024, 32768001);
	fw_counts_batch(c, 1024, UINT64_MAX - 999);
	CHECK(taken(c, FW_STAT_BATCH_1024) == 2 && taken(c, FW_STAT_VERDICT_US_MORE) == 2048);
	free(c);
	return 0;
}
