/* Any bytes as a packet, of any length on the wire: read in bounds, and every field in range. */
#include <string.h>

#include "check.h"
#include "packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_key key;
	uint32_t beyond;

	/* The first bytes say how much longer the packet is than its capture. */
	if (size < sizeof beyond)
		return 0;
	memcpy(&beyond, data, sizeof beyond);
	const uint32_t captured = (uint32_t)(size - sizeof beyond);
	const uint32_t length = captured + beyond % 3 * (beyond % 100000);
	if (fw_packet_parse(data + sizeof beyond, captured, length, &key))
		return 0;
	CHECK(key.length <= length);
	CHECK(key.scalar[FW_FIELD_FAMILY] <= 1);
	CHECK(key.scalar[FW_FIELD_PROTO] <= 255);
	CHECK(key.scalar[FW_FIELD_SPORT] <= FW_NO_PORT);
	CHECK(key.scalar[FW_FIELD_DPORT] <= FW_NO_PORT);
	CHECK(key.scalar[FW_FIELD_TYPE] <= FW_NO_ICMP);
	CHECK(key.scalar[FW_FIELD_CODE] <= FW_NO_ICMP);
	CHECK(key.scalar[FW_FIELD_FLAGS] <= FW_NO_FLAGS);
	CHECK(key.scalar[FW_FIELD_FRAGMENT] <= FW_FRAGMENT_LATER);
	return 0;
}
