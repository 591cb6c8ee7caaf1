/*
 * coalesce.h - when to let packets gather before they are received.
 *
 * Waking up for each packet costs more than deciding it. Under a steady flow that does not fill
 * batches a short sleep lets several packets come together; at rest, and when batches are full
 * anyway, there is none, so that neither a lone packet nor throughput pays for it.
 */
#ifndef FW_COALESCE_H
#define FW_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Of 30, 40, 50, 100 and 200 tried, the least that pays well: see docs/queue.md. */
	FW_COALESCE_AUTO_US = 40,
	FW_COALESCE_BUSY = 20, /* packets in a window that make a flow worth gathering */
	FW_COALESCE_WINDOW_NS = 1000000,
};

struct fw_coalesce {
	uint32_t sleep_us; /* 0: never */
	bool always; /* whether or not it is busy */
	bool busy;
	uint32_t seen; /* packets since the window began */
	uint64_t window_ns; /* when it began */
};

/* `setting`: microseconds before every receive, 0 for none, FW_COALESCE_AUTO for when it pays. */
void fw_coalesce_init(struct fw_coalesce *c, uint32_t setting);

/* Whether to sleep before the next receive, for c->sleep_us. */
static inline bool fw_coalesce_wanted(const struct fw_coalesce *c)
{
	return c->always || c->busy;
}

/* Takes note of a batch of n packets, of at most `batch`, received at `now_ns` (monotonic). */
void fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns);

#endif
