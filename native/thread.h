/* thread.h - starts a thread that takes no signals: those are the host program's. */
#ifndef FW_THREAD_H
#define FW_THREAD_H

#include <pthread.h>

/* `name` is at most 15 characters. -EAGAIN or another negative errno. */
int fw_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *argument);

#endif
