#include "proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 256, PATH_SIZE = 300 };

struct fw_proc_queue fw_proc_queue(uint32_t queue)
{
	FILE *file = fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "re");
	char line[LINE_SIZE];

	while (file && fgets(line, sizeof line, file)) {
		struct fw_proc_queue q;
		uint32_t number;
		/* queue, port, waiting, copy mode, copy range, dropped, user dropped, sequence, 1 */
		const int fields = sscanf(line,
					  "%" SCNu32 "%" SCNu32 "%" SCNu32 "%*u %*u%" SCNu32
					  "%" SCNu32 "%" SCNu32,
					  &number, &q.port, &q.waiting, &q.dropped,
					  &q.user_dropped, &q.sequence);
		if (fields == 6 && number == queue) {
			fclose(file);
			return q;
		}
	}
	if (file)
		fclose(file);
	return (struct fw_proc_queue){ 0 };
}

/* The inode of the netfilter socket with a netlink port, or 0. */
static uint64_t socket_inode(uint32_t port)
{
	FILE *file = fopen("/proc/thread-self/net/netlink", "re");
	char line[LINE_SIZE];
	uint64_t found = 0;

	while (file && !found && fgets(line, sizeof line, file)) {
		uint32_t protocol, pid;
		uint64_t inode;
		/* sk, protocol, port, groups, rmem, wmem, dump, locks, drops, inode */
		const int fields = sscanf(line,
					  "%*s %" SCNu32 "%" SCNu32 "%*s %*s %*s %*s %*s %*s %" SCNu64,
					  &protocol, &pid, &inode);
		if (fields == 3 && protocol == NETLINK_NETFILTER && pid == port)
			found = inode;
	}
	if (file)
		fclose(file);
	return found;
}

/* Whether a process has a file descriptor that is a link to `target`. */
static bool has_open(const char *pid, const char *target)
{
	char path[PATH_SIZE];
	char link[LINE_SIZE];
	bool found = false;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	DIR *fds = opendir(path);
	if (!fds)
		return false;
	for (struct dirent *fd; !found && (fd = readdir(fds));) {
		const ssize_t n = readlinkat(dirfd(fds), fd->d_name, link, sizeof link - 1);
		found = n > 0 && (size_t)n == strlen(target) && memcmp(link, target, (size_t)n) == 0;
	}
	closedir(fds);
	return found;
}

int32_t fw_proc_owner(uint32_t queue)
{
	const uint32_t port = fw_proc_queue(queue).port;
	const uint64_t inode = port ? socket_inode(port) : 0;
	char target[LINE_SIZE];
	long owner = 0;

	DIR *processes = inode ? opendir("/proc") : NULL;
	if (!processes)
		return 0;
	snprintf(target, sizeof target, "socket:[%" PRIu64 "]", inode);
	for (struct dirent *p; !owner && (p = readdir(processes));)
		if (p->d_name[0] >= '1' && p->d_name[0] <= '9' && has_open(p->d_name, target))
			owner = strtol(p->d_name, NULL, 10);
	closedir(processes);
	return (int32_t)owner;
}
