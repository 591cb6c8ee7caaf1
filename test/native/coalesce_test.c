/*
 * When packets are let gather: a flow of packets a time, where it saves enough CPU; never at rest or
 * full. And how: until the next beat, unless one waits.
 */
#include "coalesce.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "layout.h"

enum { BATCH = 64, SECOND = 1000000000, AWAKE_NS = 10000, SLOT = 64 };

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

static void begin(struct fw_coalesce *c, uint32_t setting)
{
	fw_coalesce_clear(c);
	CHECK(fw_coalesce_init(c, setting) == 0);
}

/* A socket in the place of the kernel's, which holds so many messages. They are no packets. */
static struct fw_nfq queue_of(uint32_t messages, int *other)
{
	static uint8_t slot[SLOT];
	static struct iovec vector = { slot, sizeof slot };
	static struct mmsghdr message = { .msg_hdr = { .msg_iov = &vector, .msg_iovlen = 1 } };
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) == 0);
	while (messages-- > 0)
		CHECK(send(ends[1], "", 1, 0) == 1);
	*other = ends[1];
	return (struct fw_nfq){
		.fd = ends[0],
		.options.batch = 1,
		.messages = &message,
		.vectors = &vector,
	};
}

/* The result of a receive while so many messages wait, and how many beats were waited for. */
static int receive(struct fw_coalesce *c, uint32_t messages, uint32_t *beats)
{
	struct fw_queued packet;
	int other;
	struct fw_nfq q = queue_of(messages, &other);

	c->turn = 0;
	const int n = fw_coalesce_receive(c, &q, &packet);
	*beats = c->turn;
	close(q.fd);
	close(other);
	return n;
}

int main(void)
{
	struct fw_coalesce c = { .timers = { -1, -1 } };
	uint32_t beats;

	begin(&c, FW_COALESCE_AUTO);
	CHECK(c.pause_us == FW_COALESCE_AUTO_US);
	CHECK(!fw_coalesce_wanted(&c)); /* the first packet never waits */
	CHECK(pauses(&c, 1000, 1, 0) == 0);
	CHECK(pauses(&c, 15000, 1, 0) == 0);
	begin(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 94); /* but the first windows and the trials */
	CHECK(pauses(&c, 50000, 4, AWAKE_NS / 2) >= 94);
	begin(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS * 2) <= 6); /* tried, and found dear */
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 60); /* it has become cheap */
	begin(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS * 19 / 20) <= 6); /* too little for what waits */
	CHECK(pauses(&c, 500000, BATCH / 2, AWAKE_NS * 19 / 20) >= 70); /* but enough in a flood */
	begin(&c, FW_COALESCE_AUTO);
	CHECK(!c.flood); /* what waits is received at once */
	CHECK(pauses(&c, 500000, BATCH, AWAKE_NS / 2) == 0); /* full batches need no help */
	CHECK(c.flood);
	CHECK(pauses(&c, 500000, BATCH / 2, AWAKE_NS / 2) >= 90);
	CHECK(c.flood);
	CHECK(pauses(&c, 50000, 2, AWAKE_NS / 2) >= 80);
	CHECK(!c.flood);
	CHECK(pauses(&c, 100000, 5, AWAKE_NS / 2) >= 80);
	CHECK(c.flood);

	/* Where packets take less than half of the core's time, one is awaited without a look for it. */
	begin(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 40000, 1, AWAKE_NS * 2) <= 6);
	CHECK(c.rest);
	CHECK(pauses(&c, 80000, 1, AWAKE_NS * 2) <= 6);
	CHECK(!c.rest);

	/* After a flow has ended, the next packet may find a pause, the one after it none. */
	begin(&c, FW_COALESCE_AUTO);
	CHECK(pauses(&c, 50000, 1, AWAKE_NS / 2) >= 94);
	CHECK(fw_coalesce_saw(&c, 1, BATCH, 10ull * SECOND));
	fw_coalesce_turn(&c, 10ull * SECOND, 10ull * SECOND);
	CHECK(!fw_coalesce_wanted(&c));

	begin(&c, 0);
	CHECK(pauses(&c, 50000, 1, 0) == 0);
	CHECK(receive(&c, 0, &beats) == -EAGAIN); /* it did not wait for a beat */
	CHECK(beats == 0);
	begin(&c, 200);
	CHECK(c.pause_us == 200);
	CHECK(pauses(&c, 1000, 1, AWAKE_NS * 2) == 100);

	c.rest = false;
	CHECK(receive(&c, 1, &beats) == 0);
	CHECK(beats == 0); /* what waits is received at once */
	CHECK(receive(&c, 0, &beats) == -EAGAIN); /* it would wait for a packet now */
	CHECK(beats == FW_COALESCE_BEATS % 2);
	c.flood = true;
	CHECK(receive(&c, 1, &beats) == 0);
	CHECK(beats == 0); /* it slept */
	fw_coalesce_clear(&c);
	return 0;
}
