/*
 * sample.h - images made by hand.
 *
 * The policy of sample_image(), each rule for every hook:
 *   0  match   udp
 *   1  accept  udp or tcp, dport 4000-4999, from 127.0.0.0/8 or ::1
 *   2  drop    dport 5000
 *   3  reject  dport 6000-6001
 *   4  match   in "lo"
 *   5  drop
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "layout.h"

enum {
	SAMPLE_RULES = 6,
	SAMPLE_CAPACITY = 1 << 20,
	SAMPLE_MARK_SHIFT = 28,
};

/* An image being written: the header first, then section after section. */
struct sample {
	_Alignas(64) uint8_t bytes[SAMPLE_CAPACITY];
	uint32_t size;
	struct fw_header header;
};

void sample_begin(struct sample *s);
/* Appends a section; its offset. */
uint32_t sample_put(struct sample *s, const void *data, size_t size);
void sample_end(struct sample *s);
/* Makes the header of changed bytes true again, so that they are looked at further. */
void sample_seal(uint8_t *bytes, uint32_t size);

/* Has a whole image ask for a flow cache. */
void sample_flow_cache(struct sample *s, uint32_t flows);

void sample_image(struct sample *s);
/* Valid tables without a meaning: any number of axes, steps of all kinds, random rows. */
void sample_random(struct sample *s, uint64_t *seed);

#endif
