/*
 * gaps PORT - takes what comes to a UDP port, and watches for the longest time in which nothing came.
 *
 * Times are the kernel's, taken when a packet arrives here, which for a forwarded packet is when its
 * verdict let it go. For each line on standard input it prints packets and the longest gap in
 * nanoseconds since the last line.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { BATCH = 256, CONTROL = 64 };

static struct mmsghdr messages[BATCH];
static _Alignas(struct cmsghdr) char control[BATCH][CONTROL];
static uint64_t packets, last, longest;

static void take(const struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct timespec t;

	if (!c || c->cmsg_type != SCM_TIMESTAMPNS)
		return;
	memcpy(&t, CMSG_DATA(c), sizeof t);
	const uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (last && now > last && now - last > longest)
		longest = now - last;
	last = now;
	packets++;
}

static void receive(int fd)
{
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_control = control[i];
		messages[i].msg_hdr.msg_controllen = CONTROL;
	}
	const int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		take(&messages[i].msg_hdr);
}

int main(int argc, char **argv)
{
	const int room = 1 << 28, on = 1;
	const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6,
					  .sin6_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "")) };
	char line[16];

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0)
		fail("gaps");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0)
		fail("SO_TIMESTAMPNS");
	ready();
	for (;;) {
		struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
					{ .fd = STDIN_FILENO, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0)
			fail("poll");
		if (fds[0].revents)
			receive(fd);
		if (!fds[1].revents)
			continue;
		if (read(STDIN_FILENO, line, sizeof line) <= 0)
			return 0;
		printf("%" PRIu64 " %" PRIu64 "\n", packets, longest);
		fflush(stdout);
		packets = last = longest = 0;
	}
}
