/*
 * contestant.h - what the contestants of the classification bench have in common.
 *
 * All get the same rules and the same packets; each packs both beforehand into the form it likes
 * best, so that only the search itself is timed. The answer is the position of the first rule that
 * matches, or NO_MATCH.
 */
#ifndef CONTESTANT_H
#define CONTESTANT_H

#include <stddef.h>
#include <stdint.h>

enum { NO_MATCH = -1, ACL_CONTESTANTS = 5 };

/* As bench/classify/rules.ts writes it. An IPv4 address is the first word; words in host order. */
struct rule {
	uint32_t source[4];
	uint32_t destination[4];
	uint16_t sport[2]; /* first and last */
	uint16_t dport[2];
	uint8_t source_length; /* of the prefix */
	uint8_t destination_length;
	uint8_t proto;
	uint8_t proto_mask; /* 255 or 0 */
};

struct rules {
	const struct rule *of;
	uint32_t count;
	uint32_t words; /* of an address: 1 or 4 */
	uint8_t *image; /* for engines: the rules as tables, and a last one for all others; to be taken */
	uint32_t image_size;
};

struct packet {
	uint32_t source[4];
	uint32_t destination[4];
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
};

struct contestant {
	const char *name;
	uint32_t key_size; /* bytes of a packed packet */
	/* NULL if these rules are not for it; *bytes is the memory that it takes. */
	void *(*build)(const struct rules *rules, size_t *bytes);
	void (*pack)(uint32_t words, const struct packet *packet, void *key);
	void (*classify)(void *built, const void *keys, uint32_t n, int32_t *answers);
};

/* The bits of word `w` of an address that a prefix of this length compares. */
static inline uint32_t prefix_mask(uint32_t length, uint32_t w)
{
	if (length <= 32 * w)
		return 0;
	return length >= 32 * (w + 1) ? ~0u : ~(~0u >> (length - 32 * w));
}

extern const struct contestant engine, engine_flows, linear_scalar, linear_avx2;

#endif
