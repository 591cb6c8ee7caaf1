/* check.h - a test program's means: a failed CHECK prints itself and ends the program with 1. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, ""))
/* With a word on which of many cases it was. */
#define CHECK_FOR(condition, what) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, what))

_Noreturn static inline void check_failed(const char *file, int line, const char *condition,
					  const char *what)
{
	fprintf(stderr, "%s:%d: %s: not %s\n", file, line, what, condition);
	exit(1);
}

/* A seeded generator (splitmix64): the same numbers on every machine. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(next_random(state) % limit);
}

#endif
