/*
 * verdict.h - what those without rules decide by, so that their verdicts are those of the rules:
 * UDP to the last of eight ports is dropped, all else is accepted. And what all queues are like.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEPTH = 2048, COPY = 256 };

static inline bool is_wanted(const uint8_t *packet, size_t size)
{
	const bool v4 = size > 0 && packet[0] >> 4 == 4;
	const size_t at = v4 ? (size_t)(packet[0] & 15) * 4 : 40;

	if (size < at + 4 || packet[v4 ? 9 : 6] != IPPROTO_UDP)
		return true;
	return (packet[at + 3] & 7) != 7;
}

#endif
