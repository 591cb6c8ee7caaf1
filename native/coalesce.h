/*
 * coalesce.h - when to let packets gather before they are received.
 *
 * Under a steady flow that does not fill batches a short pause lets several packets come together,
 * which saves wakes. What a wake costs depends on the machine and the moment, and a pause has its own
 * price. So both ways are measured, by CPU time a packet, and the other one is tried for a moment now
 * and then. At rest there is no pause, nor when batches are full anyway; and while packets wait there
 * is one only in a flood, where they have waited long already.
 *
 * In a flood it is a sleep, after whatever the last batch took: the longer that was, the fewer there
 * are. Else it lasts until the next beat of two timers that take turns: whenever one is set anew the
 * other is due before it, so the hardware's timer is set only when one expires. That is half of what
 * a sleep costs on a virtual machine, where each time leaves the guest.
 */
#ifndef FW_COALESCE_H
#define FW_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

#include "nfq.h"

enum {
	/* Of 20 to 200 tried: a longer one saves more CPU and costs more latency, see docs/queue.md. */
	FW_COALESCE_AUTO_US = 50, /* from beat to beat */
	FW_COALESCE_BEATS = 3, /* without a packet, of which two may have passed unheard: then it rests */
	FW_COALESCE_BUSY = 20, /* packets in a window that make a flow worth gathering */
	FW_COALESCE_FLOOD = 75, /* and so many that their number counts, no longer one's time */
	FW_COALESCE_WINDOW_NS = 1000000,
	FW_COALESCE_TRIAL = 64, /* of so many windows, one tries the other way */
	FW_COALESCE_WORTH = 90, /* percent of the CPU time without pauses, at most, for which packets wait */
};

struct fw_coalesce {
	uint32_t pause_us; /* at most; 0: never */
	int timers[2]; /* due by turns */
	uint32_t turn; /* which is due next */
	bool always; /* whether or not it is busy */
	bool pauses; /* in this window */
	bool full; /* the last batch was */
	bool rest; /* so little to do in the last window that one more packet is not looked for */
	bool flood; /* in the last window */
	uint32_t seen; /* packets since the window began */
	uint32_t windows; /* of a busy flow */
	uint64_t window_ns; /* when it began */
	uint64_t window_cpu_ns;
	double cost_ns[2]; /* CPU time a packet, awake and with pauses; 0: not known */
};

/*
 * `setting`: microseconds that packets gather before a receive, at most, 0 for none, FW_COALESCE_AUTO
 * for when it pays. 0, or a negative errno if there can be no timers.
 */
int fw_coalesce_init(struct fw_coalesce *c, uint32_t setting);
void fw_coalesce_clear(struct fw_coalesce *c);

/* Whether to pause before the next receive. */
static inline bool fw_coalesce_wanted(const struct fw_coalesce *c)
{
	return c->always || (c->pauses && !c->full);
}

/*
 * Receives what is there, up to a batch, or waits for a packet: as fw_nfq_receive(). Before that comes
 * a pause, if it is wanted and, but in a flood, nothing is there. The thread's timer slack is the
 * caller's.
 */
int fw_coalesce_receive(struct fw_coalesce *c, struct fw_nfq *q, struct fw_queued *packets);

/*
 * Takes note of a batch of n packets, of at most `batch`, received at `now_ns` (monotonic). True if
 * a window is over: then fw_coalesce_turn() wants to know the CPU time that the thread has used.
 */
bool fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns);
void fw_coalesce_turn(struct fw_coalesce *c, uint64_t now_ns, uint64_t cpu_ns);

#endif
