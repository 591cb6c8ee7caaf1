#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int fw_notify_send(const uint8_t *address, uint32_t length, const uint8_t *message, uint32_t size)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (length < 2 || length >= sizeof to.sun_path || (address[0] != '/' && address[0] != '@'))
		return -EINVAL;
	memcpy(to.sun_path, address, length);
	if (address[0] == '@')
		to.sun_path[0] = 0;
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	const socklen_t used = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	const ssize_t sent = sendto(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT,
				    (const struct sockaddr *)&to, used);
	const int error = sent < 0 ? -errno : 0;
	close(fd);
	return error;
}
