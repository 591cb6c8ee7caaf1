/*
 * connect ADDRESS PORT - opens TCP connections, 32 at a time, and resets each once it stands, until
 * SIGTERM. Then prints how many stood.
 * connect PORT - takes and closes such connections, over IPv4 and IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

enum { AT_ONCE = 32, BACKLOG = 4096, TIMEOUT_MS = 100 };

static void serve(uint16_t port)
{
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int fd = socket(AF_INET6, SOCK_STREAM, 0), yes = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0 ||
	    listen(fd, BACKLOG) < 0)
		fail("connect: listen");
	ready();
	while (!stopped) {
		const int peer = accept(fd, NULL, NULL);
		if (peer >= 0)
			close(peer);
	}
}

static int begin(const struct sockaddr_in *to)
{
	const struct linger reset = { .l_onoff = 1 };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("connect: socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* no TIME_WAIT */
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
		fail("connect: connect");
	return fd;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	sigaction(SIGTERM, &action, NULL);

	if (argc == 2) {
		serve((uint16_t)atoi(argv[1]));
		return 0;
	}
	struct sockaddr_in to = { .sin_family = AF_INET };
	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: connect [ADDRESS] PORT\n", stderr);
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	struct pollfd all[AT_ONCE];
	uint64_t stood = 0;

	for (unsigned i = 0; i < AT_ONCE; i++)
		all[i] = (struct pollfd){ .fd = begin(&to), .events = POLLOUT };
	ready();
	while (!stopped) {
		if (poll(all, AT_ONCE, TIMEOUT_MS) <= 0)
			continue;
		for (unsigned i = 0; i < AT_ONCE; i++) {
			if (!all[i].revents)
				continue;
			int error = 0;
			socklen_t size = sizeof error;
			getsockopt(all[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
			stood += error == 0;
			close(all[i].fd);
			all[i].fd = begin(&to);
		}
	}
	printf("%" PRIu64 "\n", stood);
	return 0;
}
