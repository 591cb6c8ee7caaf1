/*
 * proc.h - what the kernel says of its packet queues, in this thread's network namespace.
 *
 * Read from /proc, so for people and totals, never for a packet. What cannot be read is 0.
 */
#ifndef FW_PROC_H
#define FW_PROC_H

#include <stdint.h>

struct fw_proc_queue {
	uint32_t port; /* netlink port of the socket that has it bound */
	uint32_t waiting; /* packets without a verdict */
	uint32_t dropped; /* for want of room in the queue */
	uint32_t user_dropped; /* for want of room in the socket */
	uint32_t sequence; /* packets ever queued; wraps */
};

/* All zero if nobody has the queue bound. */
struct fw_proc_queue fw_proc_queue(uint32_t queue);

/* The process that has the queue bound, or 0. */
int32_t fw_proc_owner(uint32_t queue);

#endif
