/*
 * ring.h - records of one size from one thread to another, never waiting.
 *
 * The writer never waits: where there is no room it takes the oldest record away. A reader that was
 * copying just that one notices, and discards what it has. Both ends may run at any time.
 */
#ifndef FW_RING_H
#define FW_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fw_ring {
	uint32_t slots; /* a power of 2 */
	uint32_t words; /* u64 words of a record */
	_Atomic uint64_t *data;
	_Alignas(64) _Atomic uint64_t head; /* records ever written; the writer's */
	_Alignas(64) _Atomic uint64_t tail; /* records ever taken, by the reader or away */
};

/* -ENOMEM. `words` and `slots` at least 1, slots a power of 2. */
int fw_ring_init(struct fw_ring *r, uint32_t slots, uint32_t words);
void fw_ring_clear(struct fw_ring *r);

/* By one thread. Whether a record was lost for it. */
bool fw_ring_put(struct fw_ring *r, const uint64_t *record);

/* By one other thread. Whether there was a record. */
bool fw_ring_take(struct fw_ring *r, uint64_t *record);

#endif
