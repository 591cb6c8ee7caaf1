/*
 * blast ADDRESS PORT [PACE] - sends 64-byte UDP datagrams from eight sockets until SIGTERM.
 *
 * As many as it can: the kernel cuts them from large messages (UDP_SEGMENT), many messages a call.
 * With PACE, that many a second, one at a time and evenly spaced. Then prints how many.
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

enum { SIZE = 64, SEGMENTS = 32, MESSAGES = 8, FLOWS = 8 };

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A socket connected to the target; each has a port of its own, so each is a flow. */
static int open_flow(const char *address, uint16_t port, bool segment)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	const int room = 8 << 20, size = SIZE;

	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
		fprintf(stderr, "blast: not an address: %s\n", address);
		exit(2);
	}
	const struct sockaddr *to = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	const int fd = socket(to->sa_family, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) < 0)
		fail("blast: connect");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (segment && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) < 0)
		fail("blast: UDP_SEGMENT");
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: blast ADDRESS PORT [PACE]\n");
		return 2;
	}
	const double pace = argc > 3 ? atof(argv[3]) : 0;
	const bool flood = pace <= 0;
	const unsigned messages = flood ? MESSAGES : 1, segments = flood ? SEGMENTS : 1;
	static char payload[SIZE * SEGMENTS];
	struct iovec data = { payload, (size_t)SIZE * segments };
	struct mmsghdr batch[MESSAGES];
	int flows[FLOWS];
	uint64_t sent = 0;

	memset(batch, 0, sizeof batch);
	for (unsigned i = 0; i < messages; i++) {
		batch[i].msg_hdr.msg_iov = &data;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = open_flow(argv[1], (uint16_t)atoi(argv[2]), flood);
	signal(SIGTERM, stop);
	puts("ready");
	fflush(stdout);

	const double start = seconds();
	for (unsigned flow = 0; !stopped; flow = (flow + 1) % FLOWS) {
		while (!flood && !stopped && (double)sent > (seconds() - start) * pace)
			; /* a sleep would come back in bursts */
		const int n = sendmmsg(flows[flow], batch, messages, 0);
		if (n > 0)
			sent += (uint64_t)n * segments;
		else if (errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR)
			fail("blast: sendmmsg");
	}
	printf("%" PRIu64 "\n", sent);
	return 0;
}
