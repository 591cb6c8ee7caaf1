#include "nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "packet.h"

enum {
	ATTRIBUTES = 256, /* more than the kernel puts beside a packet's bytes */
	OVERHEAD = 1024, /* what a packet costs the receive buffer besides its bytes */
	SEND_BUFFER = 1 << 20,
	SEND_TRIES = 100, /* a millisecond apart */
	REQUEST_SIZE = 256,
};

/* Sequence numbers tell the acknowledgements apart: a refused answer is survived, no other is. */
enum { ANSWER, REQUEST };

static void set_option(int fd, int level, int name, int value)
{
	/* All of these only make room; a queue works without. */
	(void)setsockopt(fd, level, name, &value, sizeof value);
}

static void make_room(int fd, const struct fw_queue_options *o)
{
	const uint64_t receive = (uint64_t)o->depth * (o->copy + OVERHEAD);

	/* The kernel doubles what it is given. */
	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive < INT_MAX / 2 ? (int)receive : INT_MAX / 2);
	set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER);
	set_option(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
}

static struct nlmsghdr *put_request(char *buffer, uint32_t queue)
{
	struct nlmsghdr *request = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue);

	request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = REQUEST;
	return request;
}

static int send_all(int fd, const void *data, size_t size)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; send(fd, data, size, 0) < 0;) {
		if (errno == EINTR)
			continue;
		if ((errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) || ++tries == SEND_TRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The error in a message from the kernel: 0 also if it is an acknowledgement, or no error at all. */
static int error_in(const struct nlmsghdr *message, size_t size)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != NLMSG_ERROR || size < NLMSG_HDRLEN + sizeof *error)
		return 0;
	return error->error;
}

/* Asks, and waits for the answer. Only while no packets can come. */
static int request(int fd, const struct nlmsghdr *message)
{
	_Alignas(struct nlmsghdr) char reply[REQUEST_SIZE + NLMSG_HDRLEN + sizeof(int)];
	const int error = send_all(fd, message, message->nlmsg_len);

	if (error)
		return error;
	for (;;) {
		const ssize_t n = recv(fd, reply, sizeof reply, 0);
		if (n >= (ssize_t)NLMSG_HDRLEN)
			return error_in((const struct nlmsghdr *)(const void *)reply, (size_t)n);
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int command(int fd, uint32_t queue, uint8_t what)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_request(buffer, queue);

	nfq_nlmsg_cfg_put_cmd(message, AF_INET, what);
	return request(fd, message);
}

/* Binds with all options but the copy mode, without which the kernel delivers nothing. */
static int bind_queue(int fd, const struct fw_queue_options *o)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_request(buffer, o->queue);
	const uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID |
			       (o->fail_open ? NFQA_CFG_F_FAIL_OPEN : 0u);

	nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_qmaxlen(message, o->depth);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(message, NFQA_CFG_MASK,
			 htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID | NFQA_CFG_F_FAIL_OPEN));
	const int error = request(fd, message);
	/* The kernel refuses alike who may not bind at all and who comes second, but not in this. */
	if (error == -EPERM && command(fd, o->queue, NFQNL_CFG_CMD_PF_BIND) == 0)
		return -EBUSY;
	/* All we said is valid, so it is the kernel that does not know of queues. */
	return error == -EINVAL ? -EPROTONOSUPPORT : error;
}

/* The request to copy so much of each packet from now on. A refusal comes unasked. */
static struct nlmsghdr *put_copy(char *buffer, uint32_t queue, uint32_t copy)
{
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue);

	message->nlmsg_seq = REQUEST;
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, (int)copy);
	return message;
}

/* Packets may come ahead of a refusal, so that is left to fw_nfq_receive(). */
static int begin_copying(int fd, const struct fw_queue_options *o)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	const struct nlmsghdr *message = put_copy(buffer, o->queue, o->copy);

	return send_all(fd, message, message->nlmsg_len);
}

static int make_slots(struct fw_nfq *q)
{
	const uint32_t batch = q->options.batch;
	const uint32_t copy = q->options.copy < FW_COPY_AGAIN ? FW_COPY_AGAIN : q->options.copy;

	q->slot_size = (copy + ATTRIBUTES + 63) / 64 * 64;
	q->slots = aligned_alloc(64, (size_t)batch * q->slot_size);
	q->messages = calloc(batch, sizeof *q->messages);
	q->vectors = calloc(batch, sizeof *q->vectors);
	q->answers = calloc(batch, FW_ANSWER_SIZE);
	if (!q->slots || !q->messages || !q->vectors || !q->answers)
		return -ENOMEM;
	for (uint32_t i = 0; i < batch; i++) {
		q->vectors[i] = (struct iovec){ q->slots + (size_t)i * q->slot_size, q->slot_size };
		q->messages[i].msg_hdr.msg_iov = &q->vectors[i];
		q->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

int fw_nfq_open(struct fw_nfq *q, const struct fw_queue_options *options)
{
	*q = (struct fw_nfq){ .options = *options, .fd = -1 };
	int error = make_slots(q);
	if (error)
		goto fail;
	error = q->fd = fw_netlink_open(NETLINK_NETFILTER, 0);
	if (error < 0)
		goto fail;
	make_room(q->fd, options);
	error = bind_queue(q->fd, options);
	if (error)
		goto fail;
	error = begin_copying(q->fd, options);
	if (error)
		goto fail;
	return 0;
fail:
	fw_nfq_close(q);
	return error;
}

void fw_nfq_unbind(struct fw_nfq *q)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_request(buffer, q->options.queue);

	nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_UNBIND);
	/* The kernel obeys before send returns. If it cannot be asked, closing does the same. */
	(void)send_all(q->fd, message, message->nlmsg_len);
}

void fw_nfq_close(struct fw_nfq *q)
{
	if (q->fd >= 0)
		close(q->fd);
	free(q->slots);
	free(q->messages);
	free(q->vectors);
	free(q->answers);
	*q = (struct fw_nfq){ .fd = -1 };
}

static uint32_t hook_of(uint8_t netfilter_hook)
{
	switch (netfilter_hook) {
	case NF_INET_LOCAL_IN:
		return FW_HOOK_INPUT;
	case NF_INET_FORWARD:
		return FW_HOOK_FORWARD;
	case NF_INET_LOCAL_OUT:
		return FW_HOOK_OUTPUT;
	default:
		return FW_HOOK_COUNT;
	}
}

static uint32_t number(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) == sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(a)) : 0;
}

/* An Ethernet address; links of other kinds have none that a rule could name. */
static uint64_t hardware_address(const struct nlattr *a)
{
	const struct nfqnl_msg_packet_hw *hw = mnl_attr_get_payload(a);
	uint64_t mac = 0;

	if (mnl_attr_get_payload_len(a) < sizeof *hw || ntohs(hw->hw_addrlen) != ETH_ALEN)
		return FW_NO_MAC;
	for (int i = 0; i < ETH_ALEN; i++)
		mac = mac << 8 | hw->hw_addr[i];
	return mac;
}

bool fw_nfq_parse(const uint8_t *message, size_t size, struct fw_queued *packet)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)message;
	const size_t headers = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
	const struct nfqnl_msg_packet_hdr *queued = NULL;
	const struct nlattr *attr = (const struct nlattr *)(const void *)(message + headers);
	const uint8_t *end = message + size;

	if (size < headers || header->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return false;
	*packet = (struct fw_queued){
		.bytes = message,
		.uid = FW_NO_ID,
		.gid = FW_NO_ID,
		.mac = FW_NO_MAC,
	};
	for (; mnl_attr_ok(attr, (int)(end - (const uint8_t *)attr)); attr = mnl_attr_next(attr)) {
		switch (mnl_attr_get_type(attr)) {
		case NFQA_PACKET_HDR:
			if (mnl_attr_get_payload_len(attr) >= sizeof *queued)
				queued = mnl_attr_get_payload(attr);
			break;
		case NFQA_MARK:
			packet->mark = number(attr);
			break;
		case NFQA_IFINDEX_INDEV:
			packet->in = number(attr);
			break;
		case NFQA_IFINDEX_OUTDEV:
			packet->out = number(attr);
			break;
		case NFQA_HWADDR:
			packet->mac = hardware_address(attr);
			break;
		case NFQA_UID:
			packet->uid = number(attr);
			break;
		case NFQA_GID:
			packet->gid = number(attr);
			break;
		case NFQA_CAP_LEN:
			packet->length = number(attr);
			break;
		case NFQA_PAYLOAD:
			packet->bytes = mnl_attr_get_payload(attr);
			packet->captured = mnl_attr_get_payload_len(attr);
			break;
		default:
			break;
		}
	}
	if (!queued)
		return false;
	packet->id = ntohl(queued->packet_id);
	packet->hook = hook_of(queued->hook);
	/* The kernel says the length only of a packet that it cut. */
	if (packet->length < packet->captured)
		packet->length = packet->captured;
	return true;
}

/* Waits for one message, by less than recvmmsg() does for it. */
static int receive_one(struct fw_nfq *q)
{
	const ssize_t size = recv(q->fd, q->vectors[0].iov_base, q->vectors[0].iov_len, 0);

	if (size < 0)
		return -1;
	q->messages[0].msg_len = (unsigned)size;
	return 1;
}

int fw_nfq_receive(struct fw_nfq *q, bool wait, struct fw_queued *packets)
{
	int count = 0;
	int n;

	do
		n = wait ? receive_one(q) : recvmmsg(q->fd, q->messages, q->options.batch, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		const uint8_t *slot = q->vectors[i].iov_base;
		const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)slot;

		if (fw_nfq_parse(slot, q->messages[i].msg_len, &packets[count])) {
			count++;
			continue;
		}
		const int error = error_in(header, q->messages[i].msg_len);
		if (error && header->nlmsg_seq == REQUEST)
			return error;
		q->verdict_errors += error != 0;
	}
	return count;
}

static bool same(const struct fw_answer *a, const struct fw_answer *b)
{
	return !a->again && !b->again && a->accept == b->accept && a->marked == b->marked && a->mark == b->mark;
}

static uint32_t verdict_of(const struct fw_answer *a, uint32_t queue)
{
	if (a->again)
		return NF_QUEUE_NR(queue);
	return a->accept ? NF_ACCEPT : NF_DROP;
}

/*
 * The kernel obeys one message after the other, and makes the message of a packet when it queues it:
 * one that is queued again between two changes of the copy range has as much as the first says, and
 * what others put into the queue meanwhile at most that. It gets a new id, passes no rule again, and
 * may find the queue full as any packet may.
 */
size_t fw_nfq_put_answers(char *out, const struct fw_queue_options *options,
			  const struct fw_answer *answers, uint32_t n)
{
	const uint32_t queue = options->queue;
	size_t size = 0;

	for (uint32_t first = 0, last; first < n; first = last + 1) {
		for (last = first; last + 1 < n && last + 1 - first < FW_ANSWER_RUN &&
				   same(&answers[first], &answers[last + 1]);)
			last++;
		const struct fw_answer *a = &answers[last];
		if (a->again)
			size += put_copy(out + size, queue, FW_COPY_AGAIN)->nlmsg_len;
		const int type = last > first ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT;
		struct nlmsghdr *message = nfq_nlmsg_put(out + size, type, queue);

		message->nlmsg_seq = ANSWER;
		nfq_nlmsg_verdict_put(message, (int)a->id, (int)verdict_of(a, queue));
		if (a->marked)
			nfq_nlmsg_verdict_put_mark(message, a->mark);
		size += message->nlmsg_len;
		if (a->again)
			size += put_copy(out + size, queue, options->copy)->nlmsg_len;
	}
	return size;
}

int fw_nfq_answer(struct fw_nfq *q, const struct fw_answer *answers, uint32_t n)
{
	return send_all(q->fd, q->answers, fw_nfq_put_answers(q->answers, &q->options, answers, n));
}
