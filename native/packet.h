/*
 * packet.h - the bytes of an IP packet -> the fields that rules test.
 *
 * fw_packet_parse() is total: it takes any bytes, never reads past `captured`, and either fills
 * the key or says why the packet is malformed. It looks at the packet only; where the packet was
 * seen (hook, state, mark, interfaces) is put into the key by fw_decide().
 */
#ifndef FW_PACKET_H
#define FW_PACKET_H

#include <stdint.h>

#include "layout.h"

/* Values that a packet itself cannot have. */
enum {
	FW_NO_PORT = 65536,
	FW_ICMP6 = 256, /* ICMPv6 types and codes stand this much higher than those of ICMP */
	FW_NO_ICMP = 512,
	FW_NO_FLAGS = 256,
	FW_NO_EXTENSIONS = 32,
};

#define FW_NO_MAC (UINT64_C(1) << 48)
#define FW_NO_ID UINT32_MAX /* (uid_t)-1 */

/* Bits of the EXTHDR field. */
enum {
	FW_EXT_HOP_BY_HOP = 1,
	FW_EXT_ROUTING = 2,
	FW_EXT_FRAGMENT = 4,
	FW_EXT_AUTHENTICATION = 8,
	FW_EXT_DESTINATION = 16,
};

enum {
	FW_FRAGMENT_WHOLE,
	FW_FRAGMENT_FIRST,
	FW_FRAGMENT_LATER,
};

/* The protocols whose headers are read. */
enum {
	FW_PROTO_ICMP = 1,
	FW_PROTO_TCP = 6,
	FW_PROTO_UDP = 17,
	FW_PROTO_ICMP6 = 58,
	FW_PROTO_SCTP = 132,
};

/* In host order; an IPv4 address is in `lo`. */
struct fw_address {
	uint64_t hi;
	uint64_t lo;
};

/*
 * Values of key.scalar[]:
 *   HOOK      enum fw_hook
 *   FAMILY    0 IPv4, 1 IPv6
 *   PROTO     0..255: what follows the IP header and the IPv6 extension headers; 59 is nothing
 *   SPORT     0..65535 of TCP, UDP and SCTP; FW_NO_PORT for others and for later fragments
 *   DPORT     as SPORT
 *   TYPE      ICMP 0..255, ICMPv6 FW_ICMP6 + 0..255; FW_NO_ICMP for others and later fragments
 *   CODE      as TYPE
 *   FLAGS     FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 of TCP;
 *             FW_NO_FLAGS for others and later fragments
 *   FRAGMENT  FW_FRAGMENT_...; an IPv6 fragment that is all of its packet is whole
 *   STATE     enum fw_state
 *   MARK      the packet mark's bits that some rule tests, without those that are ours
 *   IN, OUT   class of the interface's name
 *   LENGTH    bytes of the IP packet, at most 65535; segments yet to be cut (GSO) may have more
 *   TTL       time to live, or hop limit
 *   DSCP      0..63
 *   EXTHDR    FW_EXT_... of the IPv6 headers that were walked; FW_NO_EXTENSIONS for IPv4
 *   MAC       class of the source hardware address
 *   UID, GID  of the sending socket; FW_NO_ID for none
 */
struct fw_key {
	struct fw_address source;
	struct fw_address destination;
	uint32_t scalar[FW_FIELD_COUNT];
	uint32_t length; /* IP bytes as on the wire; what follows the packet is not counted */
};

/*
 * Reads `captured` bytes of a packet that had `length` on the wire, length >= captured.
 * Sets FAMILY to FRAGMENT, LENGTH to EXTHDR, the addresses and the length; the key is undefined if
 * malformed.
 */
enum fw_malformed fw_packet_parse(const uint8_t *bytes, uint32_t captured, uint32_t length,
				  struct fw_key *key);

#endif
