/*
 * image.h - the tables of one policy, made from untrusted bytes.
 *
 * fw_tables_new() copies the image and checks every count, offset, alignment and index in it once.
 * What it returns cannot lead a reader astray: every class is below the number of classes of what
 * it indexes, every row has its full length, and every rule number has a rule. Code that follows
 * these tables needs no checks of its own, and they never change, so any thread may read them.
 */
#ifndef FW_IMAGE_H
#define FW_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* A step: the class of one field, folded into the class so far. */
struct fw_lookup {
	uint32_t field; /* enum fw_field */
	uint32_t kind; /* FW_STEP_... */
	uint32_t classes;
	uint32_t count; /* entries of `direct` or `search` */
	const uint16_t *direct; /* FW_STEP_DIRECT: the class of each value */
	const struct fw_narrow *search; /* FW_STEP_SEARCH */
	const uint16_t *product; /* [class so far][class], or NULL for an axis's first step */
};

/* An axis: a class for the packet, and the rules that remain possible in it. */
struct fw_classifier {
	uint32_t kind; /* FW_AXIS_... */
	uint32_t step_count; /* scalar */
	const struct fw_lookup *steps;
	const struct fw_narrow *v4; /* address */
	const struct fw_wide *v6;
	uint32_t v4_count;
	uint32_t v6_count;
	const uint64_t *decide; /* one row a class */
	const uint64_t *effect;
};

struct fw_tables {
	const struct fw_header *header; /* the image itself, in memory of our own */
	const struct fw_rule *rules;
	const uint32_t *decide; /* rule number of each bit of a decide row */
	const uint32_t *effect;
	const struct fw_wide *in_names; /* NULL if the policy does not look at them */
	const struct fw_wide *out_names;
	const struct fw_wide *macs;
	const struct fw_need *needs; /* one a bit of an effect row */
	const uint32_t *conditions;
	const struct fw_literal *literals;
	const struct fw_set *sets;
	const struct fw_member *members;
	bool logs; /* some rule does */
	uint32_t decide_words; /* u64 words in a row */
	uint32_t effect_words; /* 0 if no rule is `match` */
	uint32_t mark_shift; /* of the lowest bit of header->mark_mask */
	uint32_t axis_count;
	struct fw_classifier axes[FW_MAX_AXES];
	struct fw_lookup steps[FW_MAX_STEPS];
};

/* -ENOEXEC: made for another layout; -EBADMSG: not an image, or damaged; -ENOMEM. */
int fw_tables_new(const uint8_t *image, uint32_t size, struct fw_tables **out);
void fw_tables_free(struct fw_tables *t);

/* What a header's `checksum` must be. `size` is at least that of a header. */
uint32_t fw_image_checksum(const uint8_t *image, uint32_t size);

#endif
