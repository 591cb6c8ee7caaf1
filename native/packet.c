#include "packet.h"

enum {
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	MAX_LENGTH = 65535, /* that a length field can say; larger are segments yet to be cut (GSO) */
};

/* IPv6 extension headers that are walked, as the kernel's ipv6_skip_exthdr() does. */
enum {
	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	DESTINATION = 60,
};

/* A packet's bytes: `captured` of them are here, and it goes on to `end`. */
struct view {
	const uint8_t *bytes;
	uint32_t captured;
	uint32_t end;
};

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

/* Whether bytes up to `to` can be read: NONE, CUT, or `beyond` if the packet does not go so far. */
static enum fw_malformed reach(const struct view *v, size_t to, enum fw_malformed beyond)
{
	if (to <= v->captured)
		return FW_MALFORMED_NONE;
	return to > v->end ? beyond : FW_MALFORMED_CUT;
}

/* As reach(), for the IP header, which comes before the packet's own end is known. */
static enum fw_malformed reach_header(const struct view *v, uint32_t to)
{
	if (to <= v->captured)
		return FW_MALFORMED_NONE;
	return v->captured < v->end ? FW_MALFORMED_CUT : FW_MALFORMED_IP_HEADER;
}

/* The IP header has told the packet's length: what comes after is not the packet's. */
static void end_at(struct view *v, uint32_t end)
{
	v->end = end;
	if (v->captured > end)
		v->captured = end;
}

static enum fw_malformed parse_transport(const struct view *v, size_t at, struct fw_key *key)
{
	static const uint8_t header_size[256] = {
		[FW_PROTO_ICMP] = 4,   [FW_PROTO_TCP] = 20,  [FW_PROTO_UDP] = 8,
		[FW_PROTO_ICMP6] = 4,  [FW_PROTO_SCTP] = 12,
	};
	uint32_t *scalar = key->scalar;
	const uint32_t proto = scalar[FW_FIELD_PROTO];
	const uint32_t six = scalar[FW_FIELD_FAMILY];
	const uint8_t *p = v->bytes + at;

	/* Each family has an ICMP of its own; the other's is only a number. */
	if (header_size[proto] == 0 || proto == (six ? FW_PROTO_ICMP : FW_PROTO_ICMP6))
		return FW_MALFORMED_NONE;
	const enum fw_malformed bad = reach(v, at + header_size[proto], FW_MALFORMED_TRANSPORT);
	if (bad)
		return bad;
	switch (proto) {
	case FW_PROTO_ICMP:
	case FW_PROTO_ICMP6:
		scalar[FW_FIELD_TYPE] = p[0] + six * FW_ICMP6;
		scalar[FW_FIELD_CODE] = p[1] + six * FW_ICMP6;
		return FW_MALFORMED_NONE;
	case FW_PROTO_TCP:
		if (p[12] >> 4 < 5)
			return FW_MALFORMED_TRANSPORT;
		scalar[FW_FIELD_FLAGS] = p[13];
		break;
	default:
		break;
	}
	scalar[FW_FIELD_SPORT] = get16(p);
	scalar[FW_FIELD_DPORT] = get16(p + 2);
	return FW_MALFORMED_NONE;
}

static enum fw_malformed parse_ip4(struct view *v, struct fw_key *key, size_t *at)
{
	const uint8_t *p = v->bytes;
	enum fw_malformed bad = reach_header(v, IP4_HEADER);

	if (bad)
		return bad;
	const uint32_t header = (p[0] & 15u) * 4;
	if (header < IP4_HEADER)
		return FW_MALFORMED_IP_HEADER;
	bad = reach_header(v, header);
	if (bad)
		return bad;
	uint32_t length = get16(p + 2);
	if (length == 0 && v->end > MAX_LENGTH)
		length = v->end;
	if (length < header || length > v->end)
		return FW_MALFORMED_IP_LENGTH;
	end_at(v, length);

	const uint32_t fragment = get16(p + 6);
	const uint32_t offset = fragment & 0x1fff;
	const uint32_t more = fragment & 0x2000;
	if (offset || more)
		key->scalar[FW_FIELD_FRAGMENT] = offset ? FW_FRAGMENT_LATER : FW_FRAGMENT_FIRST;
	key->scalar[FW_FIELD_PROTO] = p[9];
	key->scalar[FW_FIELD_TTL] = p[8];
	key->scalar[FW_FIELD_DSCP] = p[1] >> 2;
	key->scalar[FW_FIELD_EXTHDR] = FW_NO_EXTENSIONS;
	key->source = (struct fw_address){ 0, get32(p + 12) };
	key->destination = (struct fw_address){ 0, get32(p + 16) };
	*at = header;
	return FW_MALFORMED_NONE;
}

static uint32_t extension_bit(uint32_t header)
{
	switch (header) {
	case HOP_BY_HOP:
		return FW_EXT_HOP_BY_HOP;
	case ROUTING:
		return FW_EXT_ROUTING;
	case FRAGMENT:
		return FW_EXT_FRAGMENT;
	case AUTHENTICATION:
		return FW_EXT_AUTHENTICATION;
	case DESTINATION:
		return FW_EXT_DESTINATION;
	default:
		return 0;
	}
}

/* Walks from header to header until one that is none of IPv6's own, or a later fragment. */
static enum fw_malformed skip_extensions(const struct view *v, struct fw_key *key, size_t *at)
{
	uint32_t *proto = &key->scalar[FW_FIELD_PROTO];

	while (key->scalar[FW_FIELD_FRAGMENT] != FW_FRAGMENT_LATER) {
		const uint8_t *p = v->bytes + *at;
		const uint32_t this = *proto;
		const uint32_t bit = extension_bit(this);
		uint32_t size = 8;

		if (bit == 0)
			break;
		enum fw_malformed bad = reach(v, *at + size, FW_MALFORMED_EXTENSION);
		if (bad)
			return bad;
		if (this == AUTHENTICATION) {
			size = (p[1] + 2u) * 4;
		} else if (this != FRAGMENT) {
			size = (p[1] + 1u) * 8;
		} else if (get16(p + 2) & 0xfff8) {
			key->scalar[FW_FIELD_FRAGMENT] = FW_FRAGMENT_LATER;
		} else if (p[3] & 1) {
			key->scalar[FW_FIELD_FRAGMENT] = FW_FRAGMENT_FIRST;
		}
		bad = reach(v, *at + size, FW_MALFORMED_EXTENSION);
		if (bad)
			return bad;
		key->scalar[FW_FIELD_EXTHDR] |= bit;
		*proto = p[0];
		*at += size;
	}
	return FW_MALFORMED_NONE;
}

static enum fw_malformed parse_ip6(struct view *v, struct fw_key *key, size_t *at)
{
	const uint8_t *p = v->bytes;
	const enum fw_malformed bad = reach_header(v, IP6_HEADER);

	if (bad)
		return bad;
	uint32_t length = IP6_HEADER + get16(p + 4);
	if (length == IP6_HEADER && v->end > IP6_HEADER + MAX_LENGTH)
		length = v->end;
	if (length > v->end)
		return FW_MALFORMED_IP_LENGTH;
	end_at(v, length);

	key->scalar[FW_FIELD_PROTO] = p[6];
	key->scalar[FW_FIELD_TTL] = p[7];
	key->scalar[FW_FIELD_DSCP] = get16(p) >> 6 & 63;
	key->scalar[FW_FIELD_EXTHDR] = 0;
	key->source = (struct fw_address){ get64(p + 8), get64(p + 16) };
	key->destination = (struct fw_address){ get64(p + 24), get64(p + 32) };
	*at = IP6_HEADER;
	return skip_extensions(v, key, at);
}

enum fw_malformed fw_packet_parse(const uint8_t *bytes, uint32_t captured, uint32_t length,
				  struct fw_key *key)
{
	struct view v = { bytes, captured, length };
	uint32_t *scalar = key->scalar;
	size_t at = 0;

	assert(captured <= length);
	enum fw_malformed bad = reach_header(&v, 1);
	if (bad)
		return bad;
	const uint32_t version = bytes[0] >> 4;
	if (version != 4 && version != 6)
		return FW_MALFORMED_VERSION;

	scalar[FW_FIELD_FAMILY] = version == 6;
	scalar[FW_FIELD_SPORT] = FW_NO_PORT;
	scalar[FW_FIELD_DPORT] = FW_NO_PORT;
	scalar[FW_FIELD_TYPE] = FW_NO_ICMP;
	scalar[FW_FIELD_CODE] = FW_NO_ICMP;
	scalar[FW_FIELD_FLAGS] = FW_NO_FLAGS;
	scalar[FW_FIELD_FRAGMENT] = FW_FRAGMENT_WHOLE;
	bad = version == 4 ? parse_ip4(&v, key, &at) : parse_ip6(&v, key, &at);
	if (bad)
		return bad;
	key->length = v.end;
	scalar[FW_FIELD_LENGTH] = v.end < MAX_LENGTH ? v.end : MAX_LENGTH;
	return scalar[FW_FIELD_FRAGMENT] == FW_FRAGMENT_LATER ? FW_MALFORMED_NONE
							      : parse_transport(&v, at, key);
}
