/*
 * notify.h - tells the service manager how we are, as sd_notify(3) says: one datagram of lines to a
 * unix socket. Deno has no such datagrams that are stable.
 */
#ifndef FW_NOTIFY_H
#define FW_NOTIFY_H

#include <stdint.h>

/*
 * `address` is a path, or an abstract name behind an `@`, of `length` bytes. 0; -EINVAL if it is too
 * long or neither; else what the kernel says. Never waits: -EAGAIN if nobody reads.
 */
int fw_notify_send(const uint8_t *address, uint32_t length, const uint8_t *message, uint32_t size);

#endif
