/* What reaches a manager's socket, by path or by abstract name, and what is refused. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static int send_to(const char *address, const char *text)
{
	return fw_notify_send((const uint8_t *)address, (uint32_t)strlen(address),
			      (const uint8_t *)text, (uint32_t)strlen(text));
}

static void is_heard_at(char *address)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char heard[64] = { 0 };
	const size_t length = strlen(address);
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, address, length);
	if (address[0] == '@')
		at.sun_path[0] = 0;
	CHECK(send_to(address, "too soon") < 0);
	CHECK(bind(fd, (const struct sockaddr *)&at,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0);
	CHECK(send_to(address, "READY=1") == 0);
	CHECK(recv(fd, heard, sizeof heard, 0) == 7 && strcmp(heard, "READY=1") == 0);
	/* Nobody reads: it does not wait. */
	int error = 0;
	for (int i = 0; i < 100000 && !error; i++)
		error = send_to(address, "WATCHDOG=1");
	CHECK(error == -EAGAIN);
	close(fd);
	if (address[0] == '/')
		unlink(address);
}

int main(void)
{
	char path[64], name[64], longer[200];

	snprintf(path, sizeof path, "/tmp/barrage-notify-%d", getpid());
	snprintf(name, sizeof name, "@barrage-notify-%d", getpid());
	is_heard_at(path);
	is_heard_at(name);
	memset(longer, 'x', sizeof longer);
	longer[0] = '/';
	longer[sizeof longer - 1] = 0;
	CHECK(send_to(longer, "x") == -EINVAL);
	CHECK(send_to("relative", "x") == -EINVAL);
	CHECK(send_to("/", "x") == -EINVAL);
	CHECK(send_to("", "x") == -EINVAL);
	return 0;
}
