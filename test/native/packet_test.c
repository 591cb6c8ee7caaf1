/*
 * A table of packets, each with what must be made of it, and then every shorter capture and every
 * shorter length of each in a buffer of just that size, where a read too far is an error.
 */
#include "packet.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"

enum { MAX_SIZE = 256, NONE = FW_NO_PORT };

#define IP4(length, fragment, proto) \
	"4500" length "0000" fragment "40" proto "0000 0a000001 c0a80102 "
#define IP6(length, next) \
	"60000000" length next "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define TCP "1f90 0050 00000000 00000000 5012 0000 0000 0000 "
#define UDP "0035 1000 0008 0000 "
#define SCTP "0b59 0b5a 00000000 00000000 "

struct expected {
	uint32_t proto, sport, dport, type, code, flags, fragment;
};

#define NO_PORTS NONE, NONE
#define NO_ICMP FW_NO_ICMP, FW_NO_ICMP

static const struct {
	const char *what;
	const char *hex;
	uint32_t length; /* on the wire, 0 for what is there */
	enum fw_malformed malformed;
	struct expected key;
} cases[] = {
	{ "TCP", IP4("0028", "4000", "06") TCP, 0, 0, { 6, 8080, 80, NO_ICMP, 0x12, 0 } },
	{ "UDP", IP4("001c", "0000", "11") UDP, 0, 0, { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "SCTP", IP4("0020", "0000", "84") SCTP, 0, 0, { 132, 2905, 2906, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "ICMP", IP4("0018", "0000", "01") "0304 0000", 0, 0,
	  { 1, NO_PORTS, 3, 4, FW_NO_FLAGS, 0 } },
	{ "ICMPv6 in IPv4 is a number", IP4("0014", "0000", "3a"), 0, 0,
	  { 58, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "GRE", IP4("0015", "0000", "2f") "00", 0, 0, { 47, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "IPv4 options", "46000020 00000000 40110000 0a000001 c0a80102 01010101" UDP, 0, 0,
	  { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "first fragment", IP4("001c", "2000", "11") UDP, 0, 0,
	  { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 1 } },
	{ "later fragment", IP4("0018", "2001", "06") "deadbeef", 0, 0,
	  { 6, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 2 } },
	{ "last fragment", IP4("0014", "0001", "06"), 0, 0,
	  { 6, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 2 } },
	{ "padding behind the packet", IP4("001c", "0000", "11") UDP "000000000000", 0, 0,
	  { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "IPv4 segments yet to be cut", IP4("0000", "4000", "06") TCP, 100000, 0,
	  { 6, 8080, 80, NO_ICMP, 0x12, 0 } },
	{ "captured in part", IP4("05dc", "4000", "06") TCP, 1500, 0,
	  { 6, 8080, 80, NO_ICMP, 0x12, 0 } },

	{ "IPv6 TCP", IP6("0014", "06") TCP, 0, 0, { 6, 8080, 80, NO_ICMP, 0x12, 0 } },
	{ "ICMPv6", IP6("0004", "3a") "8701 0000", 0, 0,
	  { 58, NO_PORTS, 256 + 135, 257, FW_NO_FLAGS, 0 } },
	{ "ICMP in IPv6 is a number", IP6("0000", "01"), 0, 0,
	  { 1, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "nothing next", IP6("0000", "3b"), 0, 0, { 59, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "hop-by-hop, destination, routing, authentication, atomic fragment, TCP",
	  IP6("0044", "00") "3c00000000000000 2b00000000000000 3300000000000000"
			    "2c02000000000000 0000000000000000 0600000000000000" TCP,
	  0, 0, { 6, 8080, 80, NO_ICMP, 0x12, 0 } },
	{ "a long extension header", IP6("0018", "3c") "1101000000000000 0000000000000000" UDP, 0, 0,
	  { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "IPv6 first fragment", IP6("0010", "2c") "1100000100000000" UDP, 0, 0,
	  { 17, 53, 4096, NO_ICMP, FW_NO_FLAGS, 1 } },
	{ "IPv6 later fragment", IP6("0009", "2c") "0600000900000000 ff", 0, 0,
	  { 6, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 2 } },
	{ "a later fragment of an extension header", IP6("0009", "2c") "3c00000800000000 ff", 0, 0,
	  { 60, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 2 } },
	{ "nothing next behind an extension header", IP6("0008", "00") "3b00000000000000", 0, 0,
	  { 59, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "ESP ends the walk", IP6("0004", "32") "00000001", 0, 0,
	  { 50, NO_PORTS, NO_ICMP, FW_NO_FLAGS, 0 } },
	{ "IPv6 segments yet to be cut", IP6("0000", "06") TCP, 100000, 0,
	  { 6, 8080, 80, NO_ICMP, 0x12, 0 } },

	{ "nothing", "", 0, FW_MALFORMED_IP_HEADER, { 0 } },
	{ "version 0", "00", 0, FW_MALFORMED_VERSION, { 0 } },
	{ "version 5", "55000000", 0, FW_MALFORMED_VERSION, { 0 } },
	{ "IPv4 header cut off", "450000140000", 0, FW_MALFORMED_IP_HEADER, { 0 } },
	{ "IPv4 header not captured", "450000140000", 20, FW_MALFORMED_CUT, { 0 } },
	{ "IPv4 header too small", "44000014000000004006000001010101 02020202", 0,
	  FW_MALFORMED_IP_HEADER, { 0 } },
	{ "IPv4 options cut off", "46000014000000004006000001010101 02020202", 0,
	  FW_MALFORMED_IP_HEADER, { 0 } },
	{ "IPv4 length below its header", IP4("0013", "0000", "06") TCP, 0, FW_MALFORMED_IP_LENGTH,
	  { 0 } },
	{ "IPv4 length 0", IP4("0000", "0000", "06") TCP, 0, FW_MALFORMED_IP_LENGTH, { 0 } },
	{ "IPv4 length above the wire's", IP4("0029", "0000", "06") TCP, 0, FW_MALFORMED_IP_LENGTH,
	  { 0 } },
	{ "IPv6 header cut off", "60000000", 0, FW_MALFORMED_IP_HEADER, { 0 } },
	{ "IPv6 header not captured", "60000000", 40, FW_MALFORMED_CUT, { 0 } },
	{ "IPv6 length above the wire's", IP6("0015", "06") TCP, 0, FW_MALFORMED_IP_LENGTH, { 0 } },
	{ "IPv6 length 0 and TCP", IP6("0000", "06") TCP, 0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "no room for an extension header", IP6("0007", "00") "06000000000000", 0,
	  FW_MALFORMED_EXTENSION, { 0 } },
	{ "an extension header past the end", IP6("0008", "00") "0601000000000000", 0,
	  FW_MALFORMED_EXTENSION, { 0 } },
	{ "an authentication header past the end", IP6("0008", "33") "0602000000000000", 0,
	  FW_MALFORMED_EXTENSION, { 0 } },
	{ "an extension header not captured", IP6("0028", "00") "0601000000000000", 80,
	  FW_MALFORMED_CUT, { 0 } },
	{ "TCP past the end", IP4("0027", "4000", "06") TCP, 0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "TCP of a tiny first fragment", IP4("001c", "2000", "06") TCP, 0, FW_MALFORMED_TRANSPORT,
	  { 0 } },
	{ "TCP not captured", IP4("0028", "4000", "06") "1f90", 40, FW_MALFORMED_CUT, { 0 } },
	{ "TCP header too small", IP4("0028", "4000", "06") "1f900050000000000000000040020000 00000000",
	  0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "UDP past the end", IP4("001b", "0000", "11") UDP, 0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "SCTP past the end", IP4("001f", "0000", "84") SCTP, 0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "ICMP past the end", IP4("0017", "0000", "01") "03040000", 0, FW_MALFORMED_TRANSPORT, { 0 } },
	{ "ICMPv6 past the end", IP6("0003", "3a") "870100", 0, FW_MALFORMED_TRANSPORT, { 0 } },
};
enum { CASES = sizeof cases / sizeof *cases };

static uint32_t digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static uint32_t from_hex(const char *hex, uint8_t *bytes)
{
	uint32_t digits = 0;

	memset(bytes, 0, MAX_SIZE);
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		CHECK_FOR(digits < 2 * MAX_SIZE, hex);
		bytes[digits / 2] |= (uint8_t)(digit(*hex) << (digits % 2 ? 0 : 4));
		digits++;
	}
	return digits / 2;
}

/* Parses in memory of just the captured size. */
static enum fw_malformed parse(const uint8_t *bytes, uint32_t captured, uint32_t length,
			       struct fw_key *key)
{
	uint8_t *exact = malloc(captured ? captured : 1);

	memcpy(exact, bytes, captured);
	const enum fw_malformed bad =
		fw_packet_parse(captured ? exact : exact + 1, captured, length, key);
	free(exact);
	return bad;
}

static bool same_key(const struct fw_key *a, const struct fw_key *b)
{
	for (uint32_t f = FW_FIELD_FAMILY; f <= FW_FIELD_FRAGMENT; f++)
		if (a->scalar[f] != b->scalar[f])
			return false;
	return a->length == b->length && memcmp(&a->source, &b->source, sizeof a->source) == 0 &&
	       memcmp(&a->destination, &b->destination, sizeof a->destination) == 0;
}

static void check_key(const struct fw_key *key, const struct expected *e, bool six, const char *what)
{
	const uint64_t prefix = UINT64_C(0x20010db800000000);

	CHECK_FOR(key->scalar[FW_FIELD_FAMILY] == six, what);
	CHECK_FOR(key->scalar[FW_FIELD_PROTO] == e->proto, what);
	CHECK_FOR(key->scalar[FW_FIELD_SPORT] == e->sport, what);
	CHECK_FOR(key->scalar[FW_FIELD_DPORT] == e->dport, what);
	CHECK_FOR(key->scalar[FW_FIELD_TYPE] == e->type, what);
	CHECK_FOR(key->scalar[FW_FIELD_CODE] == e->code, what);
	CHECK_FOR(key->scalar[FW_FIELD_FLAGS] == e->flags, what);
	CHECK_FOR(key->scalar[FW_FIELD_FRAGMENT] == e->fragment, what);
	CHECK_FOR(key->source.hi == (six ? prefix : 0), what);
	CHECK_FOR(key->source.lo == (six ? 1 : 0x0a000001), what);
	CHECK_FOR(key->destination.hi == (six ? prefix : 0), what);
	CHECK_FOR(key->destination.lo == (six ? 2 : 0xc0a80102), what);
}

int main(void)
{
	for (uint32_t i = 0; i < CASES; i++) {
		const char *what = cases[i].what;
		uint8_t bytes[MAX_SIZE];
		struct fw_key whole, key;
		const uint32_t size = from_hex(cases[i].hex, bytes);
		const uint32_t length = cases[i].length ? cases[i].length : size;
		const enum fw_malformed bad = parse(bytes, size, length, &whole);

		CHECK_FOR(bad == cases[i].malformed, what);
		if (!bad)
			check_key(&whole, &cases[i].key, bytes[0] >> 4 == 6, what);
		for (uint32_t captured = 0; captured < size; captured++) {
			/* A shorter capture is understood alike, or known to be cut. */
			const enum fw_malformed less = parse(bytes, captured, length, &key);
			CHECK_FOR(less == FW_MALFORMED_CUT || less == bad, what);
			CHECK_FOR(less || same_key(&key, &whole), what);
			/* A shorter packet has nothing that was not captured. */
			const enum fw_malformed shorter = parse(bytes, captured, captured, &key);
			CHECK_FOR(shorter != FW_MALFORMED_CUT, what);
		}
	}
	return 0;
}
