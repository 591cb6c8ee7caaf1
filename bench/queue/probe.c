/*
 * probe ADDRESS - sends an ICMP echo request now and then, half to two and a half milliseconds after
 * the last was answered or given up, until SIGINT; then prints how long each answer took, as ping
 * does: time=0.042 ms, a line. Its moments are random, where those of `ping -i 0.002` are the
 * scheduler's: it does not sleep so short a time, but yields its core until the time has come.
 *
 * Like ping's, a time is from just before the request is sent until the kernel has the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { MOST = 1 << 20, GIVE_UP_US = 200000, LEAST_NS = 500000, RANDOM_NS = 2000000, BYTES = 56 };

struct echo {
	struct icmphdr header;
	uint8_t bytes[BYTES];
};

static double ms_between(struct timespec from, struct timespec to)
{
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* RFC 1071. */
static uint16_t checksum(const struct echo *e)
{
	uint16_t words[sizeof *e / 2];
	uint32_t sum = 0;

	memcpy(words, e, sizeof words);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~(sum + (sum >> 16));
}

static int open_socket(void)
{
	const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), yes = 1;
	const struct timeval give_up = { .tv_usec = GIVE_UP_US };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &give_up, sizeof give_up) < 0)
		fail("probe: socket");
	return fd;
}

/* When the kernel had the answer to this request: false if it does not come. */
static bool await_answer(int fd, const struct icmphdr *request, struct timespec *at)
{
	for (;;) {
		uint8_t packet[512];
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof *at)];
		struct iovec data = { packet, sizeof packet };
		struct msghdr message = {
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof control,
		};
		struct icmphdr answer;

		const ssize_t size = recvmsg(fd, &message, 0);
		if (size < 0)
			return false;
		if ((size_t)size < sizeof(struct iphdr) + sizeof answer)
			continue;
		memcpy(&answer, packet + sizeof(struct iphdr), sizeof answer);
		if (answer.type != ICMP_ECHOREPLY || answer.un.echo.id != request->un.echo.id ||
		    answer.un.echo.sequence != request->un.echo.sequence)
			continue;
		const struct cmsghdr *stamp = CMSG_FIRSTHDR(&message);
		if (!stamp || stamp->cmsg_type != SCM_TIMESTAMPNS)
			return false;
		memcpy(at, CMSG_DATA(stamp), sizeof *at);
		return true;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct echo e = { .header.type = ICMP_ECHO };
	static double times[MOST];
	size_t count = 0;

	if (argc < 2 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: probe ADDRESS\n", stderr);
		return 2;
	}
	const int fd = open_socket();
	/* Without SA_RESTART: it ends what waits. */
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = stop }, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	srandom((unsigned)getpid());
	e.header.un.echo.id = htons((uint16_t)getpid());
	ready();

	for (uint16_t sequence = 0; !stopped && count < MOST; sequence++) {
		const struct timespec pause = { .tv_nsec = LEAST_NS + random() % RANDOM_NS };
		struct timespec sent, answered;

		nanosleep(&pause, NULL);
		e.header.un.echo.sequence = htons(sequence);
		e.header.checksum = 0;
		e.header.checksum = checksum(&e);
		clock_gettime(CLOCK_REALTIME, &sent);
		if (sendto(fd, &e, sizeof e, 0, (const struct sockaddr *)&to, sizeof to) < 0 &&
		    errno != EINTR)
			fail("probe: sendto");
		if (await_answer(fd, &e.header, &answered))
			times[count++] = ms_between(sent, answered);
	}
	for (size_t i = 0; i < count; i++)
		printf("time=%.4f ms\n", times[i]);
	return 0;
}
