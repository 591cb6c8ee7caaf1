/*
 * sink PORT... - where the accepted packets end: UDP sockets that are never read, over IPv4 and IPv6.
 * They are full at once, and then the kernel drops what arrives at the same small cost for everyone.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct sockaddr_in6 any = { .sin6_family = AF_INET6,
						  .sin6_port = htons((uint16_t)atoi(argv[i])) };
		const int fd = socket(AF_INET6, SOCK_DGRAM, 0);

		if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0) {
			perror("sink");
			return 1;
		}
	}
	ready();
	for (;;)
		pause();
}
