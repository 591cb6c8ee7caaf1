/*
 * limit.h - one `limit`: a token bucket, or one a key.
 *
 * A bucket is one number, the time at which it is full again (the "theoretical arrival time" of the
 * generic cell rate algorithm, ITU-T I.371): exact, with no refill to do. Keys are kept in a table of
 * a fixed size, and the one used longest ago makes room for a new one. Not safe for two threads.
 */
#ifndef FW_LIMIT_H
#define FW_LIMIT_H

#include <stdbool.h>

#include "packet.h"

enum { FW_LIMIT_KEYS = 1 << 16 };

struct fw_bucket_key {
	struct fw_address source;
	struct fw_address destination;
	uint32_t ports; /* source port in the high half */
	uint32_t family;
};

struct fw_bucket {
	struct fw_bucket_key key;
	uint64_t full_at; /* nanoseconds */
	uint32_t next_in_chain; /* numbers of buckets, 0 for none */
	uint32_t newer;
	uint32_t older;
};

struct fw_limit {
	struct fw_literal rate;
	uint64_t seed; /* of the hash, so that nobody can choose keys that collide */
	struct fw_bucket *buckets; /* number 0 is no key's: it is the ring of ages, and a keyless limit's */
	uint32_t *chains;
	uint32_t capacity;
	uint32_t used;
};

/* capacity: keys at once, a power of 2. -ENOMEM. */
int fw_limit_init(struct fw_limit *l, const struct fw_literal *rate, uint32_t capacity);
void fw_limit_clear(struct fw_limit *l);

/* Whether the packet's bucket had a token, which it has given. `now` may jump either way. */
bool fw_limit_take(struct fw_limit *l, const struct fw_key *key, uint64_t now);

#endif
