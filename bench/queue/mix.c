/*
 * mix LINK MAC FILE PACE - sends the packets of a file in turn on a link, for the hardware address
 * at its other end, PACE a second, until SIGTERM. A line of the file is an IP packet in hexadecimal.
 * Then prints, a line each, how often each was sent.
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "program.h"

enum { PACKETS = 4096, SIZE = 2048, TICK_NS = 2000000 };

struct packet {
	size_t length;
	uint64_t sent;
	uint8_t bytes[SIZE];
};

/* Packets in the file. */
static size_t read_packets(struct packet *packets, const char *path)
{
	static char line[2 * SIZE + 2];
	FILE *file = fopen(path, "r");
	size_t count = 0;

	if (!file)
		fail(path);
	while (count < PACKETS && fgets(line, sizeof line, file)) {
		struct packet *packet = &packets[count++];
		unsigned byte;
		for (const char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2)
			packet->bytes[packet->length++] = (uint8_t)byte;
	}
	fclose(file);
	return count;
}

/* Seconds since `then`, which becomes now. */
static double elapsed(struct timespec *then)
{
	const struct timespec before = *then;

	clock_gettime(CLOCK_MONOTONIC, then);
	return (double)(then->tv_sec - before.tv_sec) +
	       (double)(then->tv_nsec - before.tv_nsec) / 1e9;
}

static void send_one(int fd, struct sockaddr_ll *to, struct packet *packet)
{
	to->sll_protocol = htons(packet->bytes[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	if (sendto(fd, packet->bytes, packet->length, 0, (struct sockaddr *)to, sizeof *to) >= 0)
		packet->sent++;
	else if (errno != ENOBUFS && errno != EINTR)
		fail("mix: sendto");
}

int main(int argc, char **argv)
{
	static struct packet packets[PACKETS];
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct timespec then;
	uint64_t turn = 0;

	if (argc != 5 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.sll_addr[0],
				&to.sll_addr[1], &to.sll_addr[2], &to.sll_addr[3], &to.sll_addr[4],
				&to.sll_addr[5]) != 6) {
		fprintf(stderr, "usage: mix LINK MAC FILE PACE\n");
		return 2;
	}
	const size_t count = read_packets(packets, argv[3]);
	/* After a pause it does not catch up with all: that would be a burst. */
	const double pace = atof(argv[4]), most = pace / 50 + 1;
	const int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || to.sll_ifindex == 0 || count == 0)
		fail("mix");
	signal(SIGTERM, stop);
	ready();

	(void)elapsed(&then);
	for (double due = 0; !stopped; (void)nanosleep(&tick, NULL)) {
		due += pace * elapsed(&then);
		if (due > most)
			due = most;
		for (; due >= 1; due--)
			send_one(fd, &to, &packets[turn++ % count]);
	}
	for (size_t i = 0; i < count; i++)
		printf("%" PRIu64 "\n", packets[i].sent);
	return 0;
}
