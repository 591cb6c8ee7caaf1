/*
 * program.h - what the programs of the bench have in common: they say when they are ready, run until
 * SIGTERM, and end with a word when the system refuses.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t stopped;

static inline void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static inline _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static inline void ready(void)
{
	puts("ready");
	fflush(stdout);
}

#endif
