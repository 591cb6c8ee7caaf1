/*
 * canonical QUEUE - answers every packet of a kernel queue as libnetfilter_queue's own example does:
 * receive one, parse it, call back, answer it. It decides by a look at the port. Queue length and
 * receive buffer are those of Barrage, so that only the loop differs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "program.h"
#include "verdict.h"

enum { OVERHEAD = 1024 };

static int answer_packet(struct nfq_q_handle *queue, struct nfgenmsg *message,
			 struct nfq_data *packet, void *context)
{
	const struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(packet);

	uint8_t *bytes;
	const int size = nfq_get_payload(packet, &bytes);
	const bool wanted = size > 0 && is_wanted(bytes, (size_t)size);

	(void)message;
	(void)context;
	return nfq_set_verdict(queue, ntohl(header->packet_id), wanted ? NF_ACCEPT : NF_DROP, 0,
			       NULL);
}

int main(int argc, char **argv)
{
	const uint16_t number = (uint16_t)atoi(argc > 1 ? argv[1] : "0");
	const int room = DEPTH * (COPY + OVERHEAD), yes = 1;
	struct nfq_handle *handle = nfq_open();
	struct nfq_q_handle *queue =
		handle ? nfq_create_queue(handle, number, answer_packet, NULL) : NULL;
	char buffer[65536] __attribute__((aligned));

	if (!queue || nfq_set_queue_maxlen(queue, DEPTH) < 0 ||
	    nfq_set_mode(queue, NFQNL_COPY_PACKET, COPY) < 0) {
		perror("canonical");
		return 1;
	}
	const int fd = nfq_fd(handle);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes);
	ready();

	for (;;) {
		const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
		if (size >= 0)
			nfq_handle_packet(handle, buffer, (int)size);
		else if (errno != EINTR && errno != ENOBUFS) {
			perror("canonical");
			return 1;
		}
	}
}
