/*
 * search.h - the class of many values at once, in a sorted table of an image.
 *
 * All values go down the table together: each level is one load and no branch a value, and the
 * loads of a level do not wait for each other. A table's first start is 0, so every value is found.
 */
#ifndef FW_SEARCH_H
#define FW_SEARCH_H

#include "packet.h"

/* At most this many values at once. */
enum { FW_GROUP = 32 };

static inline void fw_search_narrow(const struct fw_narrow *table, uint32_t count,
				    const uint32_t *values, uint32_t n, uint32_t *classes)
{
	uint32_t at[FW_GROUP] = { 0 };

	for (uint32_t left = count; left > 1;) {
		const uint32_t half = left / 2;
		for (uint32_t i = 0; i < n; i++)
			at[i] += half & -(uint32_t)(table[at[i] + half].start <= values[i]);
		left -= half;
	}
	for (uint32_t i = 0; i < n; i++)
		classes[i] = table[at[i]].class;
}

static inline void fw_search_wide(const struct fw_wide *table, uint32_t count,
				  const struct fw_address *values, uint32_t n, uint32_t *classes)
{
	uint32_t at[FW_GROUP] = { 0 };

	for (uint32_t left = count; left > 1;) {
		const uint32_t half = left / 2;
		for (uint32_t i = 0; i < n; i++) {
			const struct fw_wide *w = &table[at[i] + half];
			const uint32_t above = w->hi < values[i].hi;
			const uint32_t equal = w->hi == values[i].hi;
			at[i] += half & -(above | (equal & (w->lo <= values[i].lo)));
		}
		left -= half;
	}
	for (uint32_t i = 0; i < n; i++)
		classes[i] = table[at[i]].class;
}

#endif
