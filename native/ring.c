#include "ring.h"

#include <errno.h>
#include <stdlib.h>

int fw_ring_init(struct fw_ring *r, uint32_t slots, uint32_t words)
{
	*r = (struct fw_ring){ .slots = slots, .words = words };
	r->data = calloc((size_t)slots * words, sizeof *r->data);
	return r->data ? 0 : -ENOMEM;
}

void fw_ring_clear(struct fw_ring *r)
{
	free((void *)(uintptr_t)r->data);
	r->data = NULL;
}

static _Atomic uint64_t *slot(const struct fw_ring *r, uint64_t number)
{
	return &r->data[(number & (r->slots - 1)) * r->words];
}

bool fw_ring_put(struct fw_ring *r, const uint64_t *record)
{
	const uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	bool lost = false;

	/* If the exchange fails the reader has just made room itself. */
	if (head - tail == r->slots)
		lost = atomic_compare_exchange_strong_explicit(&r->tail, &tail, tail + 1,
							       memory_order_acq_rel,
							       memory_order_acquire);
	/*
	 * Release: pairs with the acquire in fw_ring_take(). A reader that sees a word of the new
	 * record sees the tail moved, too, and does not keep what it has copied.
	 */
	_Atomic uint64_t *to = slot(r, head);
	for (uint32_t i = 0; i < r->words; i++)
		atomic_store_explicit(&to[i], record[i], memory_order_release);
	/* Release: pairs with the acquire in fw_ring_take(). */
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return lost;
}

bool fw_ring_take(struct fw_ring *r, uint64_t *record)
{
	for (;;) {
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
		/* Acquire: pairs with the release in fw_ring_put(). */
		if (tail >= atomic_load_explicit(&r->head, memory_order_acquire))
			return false;
		const _Atomic uint64_t *from = slot(r, tail);
		/* Acquire: pairs with the release of the words in fw_ring_put(). */
		for (uint32_t i = 0; i < r->words; i++)
			record[i] = atomic_load_explicit(&from[i], memory_order_acquire);
		/* Acq_rel: the slot is free for the writer only after it was copied. */
		if (atomic_compare_exchange_strong_explicit(&r->tail, &tail, tail + 1,
							    memory_order_acq_rel,
							    memory_order_relaxed))
			return true;
	}
}
