/*
 * coalesce.h - when to let packets gather before they are received.
 *
 * Under a steady flow that does not fill batches a short sleep lets several packets come together,
 * which saves wakes. What a wake costs depends on the machine and the moment: an idle core of a
 * virtual machine takes long to wake, one that others keep busy hardly at all, and a sleep has its
 * own price. So both ways are measured, by CPU time a packet, and the cheaper is taken; the other is
 * tried for a moment now and then. At rest there is no sleep, nor when batches are full anyway; and
 * while packets wait there is one only in a flood, where they have waited long already.
 */
#ifndef FW_COALESCE_H
#define FW_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

#include "nfq.h"

enum {
	/* Of 20 to 200 tried: a longer one saves more CPU and costs more latency, see docs/queue.md. */
	FW_COALESCE_AUTO_US = 50,
	FW_COALESCE_BUSY = 20, /* packets in a window that make a flow worth gathering */
	FW_COALESCE_FLOOD = 200, /* and so many that their number counts, no longer one's time */
	FW_COALESCE_WINDOW_NS = 1000000,
	FW_COALESCE_TRIAL = 32, /* of so many windows, one tries the other way */
};

struct fw_coalesce {
	uint32_t sleep_us; /* 0: never */
	bool always; /* whether or not it is busy */
	bool sleeps; /* in this window */
	bool full; /* the last batch was */
	bool flood; /* in the last window */
	uint32_t seen; /* packets since the window began */
	uint32_t windows; /* of a busy flow */
	uint64_t window_ns; /* when it began */
	uint64_t window_cpu_ns;
	double cost_ns[2]; /* CPU time a packet, awake and with sleeps; 0: not known */
};

/* `setting`: microseconds before every receive, 0 for none, FW_COALESCE_AUTO for when it pays. */
void fw_coalesce_init(struct fw_coalesce *c, uint32_t setting);

/* Whether to sleep before the next receive, for c->sleep_us. */
static inline bool fw_coalesce_wanted(const struct fw_coalesce *c)
{
	return c->always || (c->sleeps && !c->full);
}

/* As fw_nfq_receive(), which waits; with the sleep if it is wanted and, but in a flood, nothing waits. */
int fw_coalesce_receive(const struct fw_coalesce *c, struct fw_nfq *q, struct fw_queued *packets);

/*
 * Takes note of a batch of n packets, of at most `batch`, received at `now_ns` (monotonic). True if
 * a window is over: then fw_coalesce_turn() wants to know the CPU time that the thread has used.
 */
bool fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns);
void fw_coalesce_turn(struct fw_coalesce *c, uint64_t now_ns, uint64_t cpu_ns);

#endif
