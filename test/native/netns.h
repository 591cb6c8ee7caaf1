/*
 * netns.h - a network namespace of the test's own, with lo up; it goes with the process.
 *
 * Without root, or where the kernel lacks what is asked, the program ends with NETNS_SKIPPED
 * after a line that says why.
 */
#ifndef NETNS_H
#define NETNS_H

enum { NETNS_SKIPPED = 77 };

/* Before any thread is made: they inherit the namespace. */
void netns_enter(void);

/* Runs a shell command with `input`; ends the test if it fails. */
void netns_shell(const char *command, const char *input);

_Noreturn void netns_skip(const char *why);

#endif
