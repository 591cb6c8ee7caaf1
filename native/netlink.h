/*
 * netlink.h - a netlink socket whose other end is the kernel, and a way to wake its reader.
 *
 * A reader blocks in recv until a message comes; fw_netlink_wake() makes one come. Should even
 * that fail, recv gives up with EAGAIN every few seconds, so a reader that looks at its stop flag
 * after each recv always ends.
 */
#ifndef FW_NETLINK_H
#define FW_NETLINK_H

#include <stdint.h>

/* A socket that hears from the kernel alone, and joins multicast `groups`; or -errno. */
int fw_netlink_open(int protocol, uint32_t groups);

/* From any thread: asks the kernel for an acknowledgement of nothing, which the reader receives. */
void fw_netlink_wake(int fd);

#endif
