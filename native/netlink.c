#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { GIVE_UP_SECONDS = 3 };

int fw_netlink_open(int protocol, uint32_t groups)
{
	const struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = GIVE_UP_SECONDS };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	/* Connected, it takes no messages from other processes. */
	if (bind(fd, (const struct sockaddr *)&self, sizeof self) < 0 ||
	    connect(fd, (const struct sockaddr *)&kernel, sizeof kernel) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) {
		const int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

void fw_netlink_wake(int fd)
{
	const struct nlmsghdr nothing = {
		.nlmsg_len = sizeof nothing,
		.nlmsg_type = NLMSG_NOOP,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	};

	/* A full receive buffer loses the acknowledgement, and needs none. */
	while (send(fd, &nothing, sizeof nothing, 0) < 0 && errno == EINTR)
		;
}
