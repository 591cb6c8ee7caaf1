/* A writer that never waits and a reader: what is read is whole, in order, and the rest is counted. */
#include "ring.h"

#include <pthread.h>

#include "check.h"

enum { SLOTS = 8, WORDS = 16, RECORDS = 200000 };

struct writer {
	struct fw_ring ring;
	uint64_t lost;
	_Atomic bool done;
};

static void *write_all(void *argument)
{
	struct writer *w = argument;
	uint64_t record[WORDS];

	for (uint64_t n = 0; n < RECORDS; n++) {
		for (uint32_t i = 0; i < WORDS; i++)
			record[i] = n * WORDS + i;
		w->lost += fw_ring_put(&w->ring, record);
	}
	/* Release: pairs with the acquire in main(). */
	atomic_store_explicit(&w->done, true, memory_order_release);
	return NULL;
}

int main(void)
{
	static struct writer w;
	uint64_t record[WORDS], read = 0, next = 0;
	pthread_t thread;
	bool done;

	CHECK(fw_ring_init(&w.ring, SLOTS, WORDS) == 0);
	CHECK(!fw_ring_take(&w.ring, record));
	CHECK(pthread_create(&thread, NULL, write_all, &w) == 0);
	do {
		done = atomic_load_explicit(&w.done, memory_order_acquire);
		while (fw_ring_take(&w.ring, record)) {
			const uint64_t n = record[0] / WORDS;
			CHECK(n >= next);
			next = n + 1;
			read++;
			for (uint32_t i = 0; i < WORDS; i++)
				CHECK(record[i] == n * WORDS + i);
		}
	} while (!done);
	pthread_join(thread, NULL);
	CHECK(next == RECORDS && read + w.lost == RECORDS);
	fw_ring_clear(&w.ring);
	return 0;
}
