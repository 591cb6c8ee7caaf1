/* When packets are let gather: a flow of packets a time, where it saves CPU; never at rest or full. */
#include "coalesce.h"

#include "check.h"
#include "layout.h"

enum { BATCH = 64, SECOND = 1000000000, AWAKE_NS = 10000 };

/*
 * Feeds one second of batches of n packets, evenly spaced, that cost so much CPU each with a pause
 * before them, and AWAKE_NS without; how often a pause was wanted, in percent.
 */
static uint32_t pauses(struct fw_coalesce *c, uint32_t packets_a_second, uint32_t n,
		       uint32_t pause_ns)
{
	const uint64_t gap = (uint64_t)SECOND / packets_a_second * n;
	uint64_t cpu = SECOND;
	uint32_t wanted = 0, batches = 0;

	for (uint64_t now = SECOND; now < 2ull * SECOND; now += gap) {
		const bool pause = fw_coalesce_wanted(c);
		wanted += pause;
		batches++;
		cpu += n * (pause ? pause_ns : AWAKE_NS);
		if (fw_coalesce_saw(c, n, BATCH, now))
			fw_coalesce_turn(c, now, cpu);
	}
	return wanted * 100 / batches;
}

int main(void)
{
	struct fw_coalesce c;

	fw_coalesce_init(&c, FW_COALESCE_AUTO);
	CHECK(c.sleep_us == FW_COALESCE_AUTO_US);
	CHECK(!fw_coalesce_wanted(&c)); /* the first packet never waits */
	CHECK(pauses(&c, 1000, 1, 0) == 0);
	CHECK(pauses(&c, 15000, 1, 0) == 0);
	fw_coalesce_init(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 94); /* but the first windows and the trials */
	CHECK(pauses(&c, 50000, 4, AWAKE_NS / 2) >= 94);
	fw_coalesce_init(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS * 2) <= 6); /* tried, and found dear */
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 80); /* it has become cheap */
	fw_coalesce_init(&c, FW_COALESCE_AUTO);
	CHECK(!c.flood); /* what waits is received at once */
	CHECK(pauses(&c, 500000, BATCH, AWAKE_NS / 2) == 0); /* full batches need no help */
	CHECK(c.flood);
	CHECK(pauses(&c, 500000, BATCH / 2, AWAKE_NS / 2) >= 94);
	CHECK(c.flood);
	CHECK(pauses(&c, 50000, 2, AWAKE_NS / 2) >= 80);
	CHECK(!c.flood);

	/* After a flow has ended, the next packet may find a pause, the one after it none. */
	fw_coalesce_init(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 94);
	CHECK(fw_coalesce_saw(&c, 1, BATCH, 10ull * SECOND));
	fw_coalesce_turn(&c, 10ull * SECOND, 10ull * SECOND);
	CHECK(!fw_coalesce_wanted(&c));

	fw_coalesce_init(&c, 0);
	CHECK(pauses(&c, 50000, 1, 0) == 0);
	fw_coalesce_init(&c, 200);
	CHECK(c.sleep_us == 200);
	CHECK(pauses(&c, 1000, 1, AWAKE_NS * 2) == 100);
	return 0;
}
