#include "thread.h"

#include <signal.h>

int fw_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *argument)
{
	sigset_t all, before;

	/* A new thread inherits the mask of the one that makes it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(thread, NULL, main, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	pthread_setname_np(*thread, name);
	return 0;
}
