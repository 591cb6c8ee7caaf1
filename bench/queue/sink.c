/*
 * sink PORT - where the accepted packets end: a UDP socket that is never read, over IPv4 and IPv6.
 * It is full at once, and then the kernel drops what arrives at the same small cost for everyone.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const uint16_t port = (uint16_t)atoi(argc > 1 ? argv[1] : "9");
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) < 0) {
		perror("sink");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
