/* The exported interface without a kernel queue: what it refuses, and replaying packets. */
#include "fw.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "sample.h"

enum { PACKETS = 1000, PACKET_SIZE = 28, NAMES = 2 };

static const uint8_t names[NAMES * FW_NAME_SIZE] = { [FW_NAME_SIZE] = 'l', 'o' };

/* A UDP packet from 127.0.0.1 to a port. */
static void put_udp(uint8_t *p, uint32_t port)
{
	const uint8_t packet[PACKET_SIZE] = {
		0x45, 0, 0, PACKET_SIZE, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
		0, 1, (uint8_t)(port >> 8), (uint8_t)port, 0, 8, 0, 0,
	};

	memcpy(p, packet, sizeof packet);
}

/* More than a batch, in buffers that are aligned to nothing. */
static void replays_and_counts(struct fw_engine *e)
{
	static const uint32_t rule_of_kind[] = { 1, 2, 3, 5 };
	static const uint32_t ports[] = { 4000, 5000, 6000, 7000 };
	uint8_t *packets = malloc(PACKETS * sizeof(struct fw_packet) + 1);
	uint8_t *decisions = malloc(PACKETS * sizeof(struct fw_decision) + 1);
	uint8_t *bytes = malloc(PACKETS * PACKET_SIZE);
	uint8_t counters[SAMPLE_RULES * sizeof(struct fw_counter) + 1];
	uint8_t stats[FW_STAT_COUNT * sizeof(uint64_t) + 1];
	struct fw_counter counter;
	uint64_t received;

	for (uint32_t i = 0; i < PACKETS; i++) {
		const struct fw_packet p = { .at = i * PACKET_SIZE,
					     .captured = PACKET_SIZE,
					     .length = PACKET_SIZE,
					     .in = i % NAMES };
		memcpy(packets + 1 + i * sizeof p, &p, sizeof p);
		put_udp(bytes + i * PACKET_SIZE, ports[i % 4]);
	}
	CHECK(fw_engine_replay(e, packets + 1, PACKETS, bytes, PACKETS * PACKET_SIZE, names, NAMES,
			       decisions + 1) == 0);
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct fw_decision d;
		memcpy(&d, decisions + 1 + i * sizeof d, sizeof d);
		CHECK(d.rule == rule_of_kind[i % 4] && d.malformed == 0);
	}
	CHECK(fw_engine_counters(e, 0, counters + 1, SAMPLE_RULES) == 0);
	/* Rule 4 is `match in "lo"`; what no rule before it decides has the second name. */
	memcpy(&counter, counters + 1 + 4 * sizeof counter, sizeof counter);
	CHECK(counter.packets == PACKETS / 4 && counter.bytes == PACKETS / 4 * PACKET_SIZE);
	CHECK(fw_engine_stats(e, stats + 1, FW_STAT_COUNT) == 0);
	memcpy(&received, stats + 1 + FW_STAT_RECEIVED * sizeof received, sizeof received);
	CHECK(received == PACKETS);
	free(packets);
	free(decisions);
	free(bytes);
}

static int32_t replay_one(struct fw_engine *e, struct fw_packet p)
{
	uint8_t bytes[PACKET_SIZE];
	struct fw_decision d = { .rule = 1234 };

	put_udp(bytes, 4000);
	const int32_t result = fw_engine_replay(e, (const uint8_t *)&p, 1, bytes, sizeof bytes, names,
						NAMES, (uint8_t *)&d);
	CHECK((d.rule == 1234) == (result != 0));
	return result;
}

static void refuses_what_is_out_of_range(struct fw_engine *e)
{
	const struct fw_packet good = { .captured = PACKET_SIZE, .length = PACKET_SIZE };
	struct fw_packet p;

	CHECK(replay_one(e, good) == 0);
	CHECK(replay_one(e, (p = good, p.at = 1, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.at = UINT32_MAX, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.captured++, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.length--, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.hook = FW_HOOK_COUNT, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.in = NAMES, p)) == -EINVAL);
	CHECK(replay_one(e, (p = good, p.out = NAMES, p)) == -EINVAL);
	/* Nothing to do needs nothing. */
	CHECK(fw_engine_replay(e, NULL, 0, NULL, 0, NULL, 0, NULL) == 0);
	CHECK(fw_engine_start(e) == -EINVAL);
	CHECK(fw_engine_stop(e) == 0);
	CHECK(fw_engine_wait(e) == 0);
}

static void gives_out_its_image(struct fw_engine *e, const struct sample *s)
{
	static struct sample copy;

	CHECK(fw_engine_image(e, copy.bytes, s->size - 1) == (int32_t)s->size);
	CHECK(copy.bytes[0] == 0);
	CHECK(fw_engine_image(e, copy.bytes, s->size) == (int32_t)s->size);
	CHECK(memcmp(copy.bytes, s->bytes, s->size) == 0);
}

int main(void)
{
	static struct sample sample;
	struct fw_engine *e = NULL;

	CHECK(fw_layout_hash() == FW_LAYOUT_HASH);
	sample_image(&sample);
	CHECK(fw_engine_new(sample.bytes, sample.size - 1, &e) == -EBADMSG && !e);
	CHECK(fw_engine_new(NULL, 0, &e) == -EBADMSG && !e);
	CHECK(fw_engine_new(sample.bytes, sample.size, &e) == 0);
	gives_out_its_image(e, &sample);
	replays_and_counts(e);
	refuses_what_is_out_of_range(e);
	CHECK(fw_engine_free(e) == 0);
	return 0;
}
