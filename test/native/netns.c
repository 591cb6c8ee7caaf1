#include "netns.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

_Noreturn void netns_skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(NETNS_SKIPPED);
}

void netns_enter(void)
{
	if (geteuid() != 0)
		netns_skip("needs root");
	if (unshare(CLONE_NEWNET) != 0)
		netns_skip("may not make a network namespace");
	netns_shell("ip link set lo up", "");
}

void netns_shell(const char *command, const char *input)
{
	FILE *pipe = popen(command, "w");

	CHECK_FOR(pipe, command);
	fputs(input, pipe);
	CHECK_FOR(pclose(pipe) == 0, command);
}
