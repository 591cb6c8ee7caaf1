/*
 * nfq.h - one kernel packet queue (NFQUEUE): receive a batch, answer a batch.
 *
 * Answers leave in one send, in ascending id order, a short run of equal answers as one message. Such
 * a message answers every packet up to its id that is still queued: that is exact because ids ascend,
 * every packet that was delivered is answered with its batch, and what could not be delivered is
 * not queued. So a batch whose answers cannot be sent ends the queue's use: nothing that was to be
 * dropped may be swept along by a later accept.
 */
#ifndef FW_NFQ_H
#define FW_NFQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fw_queue_options {
	uint32_t queue;
	uint32_t batch; /* packets received and answered at once */
	uint32_t copy; /* bytes of each packet */
	uint32_t depth; /* packets the kernel may hold */
	uint32_t coalesce; /* microseconds to gather packets, 0, or FW_COALESCE_AUTO */
	bool fail_open; /* accept unfiltered what overflows the queue */
};

/* A packet as the kernel gives it. `bytes` stay valid until the next receive. */
struct fw_queued {
	const uint8_t *bytes;
	uint32_t captured;
	uint32_t length;
	uint32_t id;
	uint32_t mark;
	uint32_t hook; /* enum fw_hook, FW_HOOK_COUNT for the kernel's others */
	uint32_t in; /* interface index, 0 for none */
	uint32_t out;
	uint32_t uid; /* of the sending socket, FW_NO_ID for none */
	uint32_t gid;
	uint64_t mac; /* source hardware address, FW_NO_MAC for none */
};

/* What becomes of a packet. */
struct fw_answer {
	uint32_t id;
	uint32_t mark; /* its new mark, if `marked`, else 0 */
	bool accept;
	bool marked;
	bool again; /* instead, it is queued again, to come with FW_COPY_AGAIN of its bytes */
};

/*
 * Any packet that comes over an Ethernet comes whole in so many bytes. No other packet is copied
 * beyond options.copy for it, so that nobody can make us copy much of everything.
 */
enum { FW_COPY_AGAIN = 2048 };

struct fw_nfq {
	int fd;
	struct fw_queue_options options;
	uint64_t verdict_errors; /* answers the kernel refused: the packet was no longer queued */
	uint32_t slot_size;
	uint8_t *slots; /* one message each */
	struct mmsghdr *messages;
	struct iovec *vectors;
	char *answers;
};

/*
 * Binds the queue; packets come from now on. -EPERM: no CAP_NET_ADMIN; -EBUSY: bound by another
 * socket; -EPROTONOSUPPORT: the kernel has no NFQUEUE; -ENOMEM, or another negative errno.
 */
int fw_nfq_open(struct fw_nfq *q, const struct fw_queue_options *options);
/* Gives the queue back: the kernel drops what is in it, and no more is queued. */
void fw_nfq_unbind(struct fw_nfq *q);
void fw_nfq_close(struct fw_nfq *q);

/*
 * Receives what is there, up to a batch; or, if `wait`, waits for a packet and takes no other: it is
 * answered before the kernel is asked for more. The number of packets, which is 0 after a wake;
 * -EAGAIN: nothing is there; -ENOBUFS: packets were lost on the way; anything else is fatal.
 */
int fw_nfq_receive(struct fw_nfq *q, bool wait, struct fw_queued *packets);

/* Sends the answers of one received batch. Any failure is fatal. */
int fw_nfq_answer(struct fw_nfq *q, const struct fw_answer *answers, uint32_t n);

/*
 * Packets that one message answers, at most. The kernel takes them all out of its queue under the
 * lock that it needs to put one in, so long runs hold up the sender; short ones cost us messages. Of
 * 1, 2, 3, 4, 8 and any number tried, see docs/queue.md.
 */
enum { FW_ANSWER_RUN = 4 };

/* The messages that say so: pure. `out` has room for n * FW_ANSWER_SIZE; returns the bytes used. */
enum { FW_ANSWER_SIZE = 96 };
size_t fw_nfq_put_answers(char *out, const struct fw_queue_options *options,
			  const struct fw_answer *answers, uint32_t n);

/* The packet in a message from the kernel of which `size` bytes were received; false if it is none. */
bool fw_nfq_parse(const uint8_t *message, size_t size, struct fw_queued *packet);

#endif
