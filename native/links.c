#include "links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "search.h"
#include "thread.h"

static_assert(FW_NAME_SIZE == IFNAMSIZ, "a name on its way here is as the kernel has it");

static uint64_t big_endian(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof value);
	return __builtin_bswap64(value);
}

static uint32_t name_class(const struct fw_wide *names, uint32_t count, const uint8_t *name)
{
	const struct fw_address value = { big_endian(name), big_endian(name + 8) };

	return names ? fw_search_wide(names, count, value) : 0;
}

uint32_t fw_in_class(const struct fw_tables *t, const uint8_t *name)
{
	return name_class(t->in_names, t->header->in_name_count, name);
}

uint32_t fw_out_class(const struct fw_tables *t, const uint8_t *name)
{
	return name_class(t->out_names, t->header->out_name_count, name);
}

static void *watch_main(void *argument)
{
	struct fw_watch *w = argument;
	char message[8192];

	/* Acquire: pairs with the release in fw_watch_stop(). */
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		const ssize_t n = recv(w->fd, message, sizeof message, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		/* Lost announcements (ENOBUFS) are a change as well. */
		const bool deaf = n < 0 && errno != ENOBUFS;
		uint32_t next = atomic_load_explicit(&w->generation, memory_order_relaxed) + 1;
		if (deaf)
			next = 0;
		else if (next == 0)
			next = 1;
		/* Release: pairs with the acquire in fw_links_refresh(). */
		atomic_store_explicit(&w->generation, next, memory_order_release);
		if (deaf)
			break;
	}
	return NULL;
}

int fw_watch_start(struct fw_watch *w)
{
	const int fd = fw_netlink_open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
							  RTMGRP_IPV6_IFADDR);

	if (fd < 0)
		return fd;
	w->fd = fd;
	atomic_init(&w->stop, false);
	atomic_init(&w->generation, 1);
	const int error = fw_thread_start(&w->thread, "barrage/links", watch_main, w);
	if (error) {
		close(fd);
		return error;
	}
	w->running = true;
	return 0;
}

void fw_watch_stop(struct fw_watch *w)
{
	if (!w->running)
		return;
	/* Release: pairs with the acquire in watch_main(). */
	atomic_store_explicit(&w->stop, true, memory_order_release);
	fw_netlink_wake(w->fd);
	pthread_join(w->thread, NULL);
	close(w->fd);
	w->running = false;
}

int fw_links_init(struct fw_links *l, const struct fw_tables *t, const struct fw_watch *w)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*l = (struct fw_links){ .watch = w, .fd = fd };
	fw_links_use(l, t);
	return 0;
}

void fw_links_use(struct fw_links *l, const struct fw_tables *t)
{
	static const uint8_t no_name[FW_NAME_SIZE];

	memset(l->known, 0, sizeof l->known);
	l->tables = t;
	l->none.in = fw_in_class(t, no_name);
	l->none.out = fw_out_class(t, no_name);
}

void fw_links_clear(struct fw_links *l)
{
	close(l->fd);
}

uint32_t fw_links_refresh(struct fw_links *l)
{
	/* Acquire: pairs with the release in watch_main(); names are asked for after the change. */
	const uint32_t now = atomic_load_explicit(&l->watch->generation, memory_order_acquire);

	if (now == l->generation && now != 0)
		return now;
	memset(l->known, 0, sizeof l->known);
	l->generation = now;
	return now;
}

const struct fw_link *fw_link_find(struct fw_links *l, uint32_t index)
{
	struct fw_link *link = &l->known[index % FW_LINKS];
	struct ifreq request = { .ifr_ifindex = (int)index };

	if (index == 0)
		return &l->none;
	if (link->index == index)
		return link;
	if (ioctl(l->fd, SIOCGIFNAME, &request) < 0)
		return &l->none;
	/* What follows the name's end is not promised to be zero. */
	uint8_t name[FW_NAME_SIZE] = { 0 };
	memcpy(name, request.ifr_name, strnlen(request.ifr_name, sizeof name));
	link->index = index;
	link->in = fw_in_class(l->tables, name);
	link->out = fw_out_class(l->tables, name);
	return link;
}
