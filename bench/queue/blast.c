/*
 * blast ADDRESS PORT[,PORT]... [PACE] - sends 64-byte UDP datagrams from eight sockets until SIGTERM.
 *
 * As many as it can: the kernel cuts them from large messages (UDP_SEGMENT), many messages a call;
 * here, or, unless the link's gso_max_segs is 1, where they arrive. With PACE, that many a second,
 * one at a time and evenly spaced. The ports take turns, message by message. Then prints how many.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { SIZE = 64, SEGMENTS = 8, MESSAGES = 8, FLOWS = 8, PORTS = 64 };

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Where to, for one port; the socket has a port of its own, so each is a flow. */
static socklen_t read_target(struct sockaddr_storage *to, const char *address, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	*to = (struct sockaddr_storage){ .ss_family = AF_INET };
	v4->sin_port = htons(port); /* at the same place in both */
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1)
		return sizeof *v4;
	to->ss_family = AF_INET6;
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1) {
		fprintf(stderr, "blast: not an address: %s\n", address);
		exit(2);
	}
	return sizeof *v6;
}

static int open_flow(int family, bool segment)
{
	const int room = 8 << 20, size = SIZE;
	const int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0)
		fail("blast: socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (segment && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) < 0)
		fail("blast: UDP_SEGMENT");
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: blast ADDRESS PORT[,PORT]... [PACE]\n");
		return 2;
	}
	const double pace = argc > 3 ? atof(argv[3]) : 0;
	const bool flood = pace <= 0;
	const unsigned messages = flood ? MESSAGES : 1, segments = flood ? SEGMENTS : 1;
	static char payload[SIZE * SEGMENTS];
	struct iovec data = { payload, (size_t)SIZE * segments };
	struct sockaddr_storage targets[PORTS];
	struct mmsghdr batch[MESSAGES];
	int flows[FLOWS];
	uint64_t sent = 0;
	unsigned ports = 0, turn = 0;
	socklen_t size = 0;

	for (char *text = strtok(argv[2], ","); text && ports < PORTS; text = strtok(NULL, ","))
		size = read_target(&targets[ports++], argv[1], (uint16_t)atoi(text));
	if (ports == 0) {
		fprintf(stderr, "blast: no port\n");
		return 2;
	}
	memset(batch, 0, sizeof batch);
	for (unsigned i = 0; i < messages; i++) {
		batch[i].msg_hdr.msg_iov = &data;
		batch[i].msg_hdr.msg_iovlen = 1;
		batch[i].msg_hdr.msg_namelen = size;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = open_flow(targets[0].ss_family, flood);
	signal(SIGTERM, stop);
	ready();

	const double start = seconds();
	for (unsigned flow = 0; !stopped; flow = (flow + 1) % FLOWS) {
		while (!flood && !stopped && (double)sent > (seconds() - start) * pace)
			; /* a sleep would come back in bursts */
		for (unsigned i = 0; i < messages; i++)
			batch[i].msg_hdr.msg_name = &targets[turn++ % ports];
		const int n = sendmmsg(flows[flow], batch, messages, 0);
		if (n > 0)
			sent += (uint64_t)n * segments;
		else if (errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR)
			fail("blast: sendmmsg");
	}
	printf("%" PRIu64 "\n", sent);
	return 0;
}
