#include "exercise.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "decide.h"
#include "links.h"

enum { PACKETS = 100, PACKET_SIZE = 44 };

/* A UDP, TCP or other packet of either family, with fields that are often at an edge. */
static void random_packet(uint8_t *p, uint64_t *seed)
{
	static const uint8_t protos[] = { 6, 17, 1, 58, 132, 0, 255, 44 };
	const bool six = random_below(seed, 2);

	for (int i = 0; i < PACKET_SIZE; i++)
		p[i] = (uint8_t)(random_below(seed, 3) ? random_below(seed, 2) * 255 :
							 random_below(seed, 256));
	memset(p, 0, 8);
	p[0] = six ? 0x60 : 0x45;
	p[six ? 5 : 3] = six ? PACKET_SIZE - 40 : PACKET_SIZE;
	p[six ? 6 : 9] = protos[random_below(seed, sizeof protos)];
}

void exercise(const struct fw_tables *t)
{
	uint8_t bytes[PACKETS][PACKET_SIZE];
	struct fw_seen seen[PACKETS];
	struct fw_decision decisions[PACKETS];
	struct fw_decider d;
	uint64_t seed = 5;

	CHECK(fw_decider_init(&d, t, PACKETS) == 0);
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint8_t names[2][FW_NAME_SIZE];
		memset(names, (int)random_below(&seed, 4) * 85, sizeof names);
		random_packet(bytes[i], &seed);
		seen[i] = (struct fw_seen){
			.bytes = bytes[i],
			.captured = PACKET_SIZE,
			.length = PACKET_SIZE,
			.mark = (uint32_t)next_random(&seed),
			.hook = random_below(&seed, FW_HOOK_COUNT + 1),
			.in = fw_in_class(t, names[0]),
			.out = fw_out_class(t, names[1]),
		};
	}
	fw_decide(&d, seen, PACKETS, decisions);
	for (uint32_t i = 0; i < PACKETS; i++) {
		const struct fw_decision *made = &decisions[i];
		CHECK(made->verdict > FW_VERDICT_NEXT && made->verdict < FW_VERDICT_COUNT);
		CHECK(made->verdict != FW_VERDICT_REJECT || made->reject != FW_REJECT_AUTO);
		CHECK(made->rule == FW_NO_RULE || made->rule < t->header->rule_count);
		const uint32_t mark = fw_mark_after(t, seen[i].mark, made);
		CHECK(((mark ^ seen[i].mark) & ~t->header->mark_mask & ~made->mark_clear) == 0);
	}
	fw_decider_clear(&d);
}
