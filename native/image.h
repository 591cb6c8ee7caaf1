/*
 * image.h - the tables of one policy, made from untrusted bytes.
 *
 * fw_tables_new() takes the image and checks every count, offset, alignment and index in it once.
 * What it returns cannot lead a reader astray: every class is below the number of classes of what
 * it indexes, every tree ends, every row has its full length, and every rule number has a rule.
 * Code that follows these tables needs no checks of its own, and they never change, so any thread
 * may read them.
 */
#ifndef FW_IMAGE_H
#define FW_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* A node for the lower half of an address; its separators are 2^63 less than they are. */
struct fw_low {
	int64_t key[FW_SEPARATORS];
	uint32_t value[FW_WAYS];
	uint32_t pad[7];
};
static_assert(sizeof(struct fw_low) == FW_LOW_NODE_SIZE, "fw_low size");

/* So many separators fill a register of the largest, with a number that is above all. */
enum { FW_TOP = 15 };

struct fw_search {
	uint32_t kind; /* FW_TREE_... */
	uint32_t levels;
	const void *level[FW_MAX_LEVELS]; /* nodes of FW_SEPARATORS int32_t or int64_t */
	uint32_t top_levels; /* the first that have no more than FW_TOP separators that lead anywhere */
	union {
		int32_t narrow[FW_TOP + 1];
		int64_t wide[FW_TOP + 1];
	} top; /* those, in order, filled up with the highest number */
	const uint32_t *values; /* narrow */
	const struct fw_leaf *leaves; /* wide */
	const struct fw_low *lows;
	bool low; /* some leaf leads to a low node */
	bool deep; /* some value there leads on */
};

/* So many values two of the largest registers hold. */
enum { FW_SMALL = 32 };

/* So many fields of packets are made rows together: see scalars_avx512.h. */
enum { FW_QUAD = 4 };

/* At so few values a class may change for a field to be compared with each of them. */
enum { FW_EDGES = 12 };

/* From a value on the class, times the stride, is so much more: or less, by what wraps. */
struct fw_edge {
	uint32_t from;
	uint32_t more;
};

/* A step: the class of one field, times its stride. */
struct fw_lookup {
	uint32_t field; /* enum fw_field */
	uint32_t kind; /* FW_STEP_... */
	uint32_t stride;
	const uint16_t *table;
	const uint16_t *pages;
	const struct fw_search *search;
	/* Where all of it fits into registers. */
	bool small; /* the table has no more entries than `entries` */
	bool few; /* it is not small, and its class changes at no more values than `edges` */
	uint32_t entries[FW_SMALL]; /* the table's, times the stride */
	uint32_t edge_count;
	struct fw_edge edges[FW_EDGES];
};

struct fw_product {
	const struct fw_lookup *steps; /* by kind */
	uint32_t step_count;
	uint32_t counts[FW_STEP_COUNT]; /* of steps of each kind */
	const uint16_t *classes;
};

/* An axis: a class for the packet, and the rules that remain possible in it. */
struct fw_classifier {
	uint32_t kind; /* FW_AXIS_... */
	uint32_t product_count; /* scalar */
	const struct fw_product *products;
	const struct fw_search *v4; /* address */
	const struct fw_search *v6;
	const uint64_t *dense; /* one row a class, by the back end; parted: what it leaves possible */
	const struct fw_row *sparse;
	const struct fw_row *effects; /* NULL if no rule counts or depends */
};

/* A group of the partitions: where the rows of pairs of numbers are. */
struct fw_rows {
	uint32_t kind; /* enum fw_group */
	uint32_t source_stride;
	uint32_t destination_stride; /* 0 if pairs are hashed */
	const uint32_t *rows;
	const uint32_t *slots; /* if not: slot_width for each */
	const uint32_t *multipliers; /* one a block */
	uint32_t block_count;
	uint32_t slot_count;
	uint32_t slot_width; /* 2 or 4 */
};

/*
 * Where partitions have few enough parts, a search of addresses says with the class what its record ends
 * with, so that nobody has to look there: the part, and FW_ALONE for FW_LONE. FW_LOW and FW_BRANCH are
 * above.
 */
enum { FW_PART_SHIFT = 18, FW_PART_BITS = 11 };
#define FW_CLASS_MASK ((UINT32_C(1) << FW_PART_SHIFT) - 1)
#define FW_ALONE (UINT32_C(1) << (FW_PART_SHIFT + FW_PART_BITS))

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
	const struct fw_evaluator *evaluator; /* the best for this processor: see classify.h */
	uint32_t dense_words; /* u64 words in a dense row: 1, 4, 8, 16 ... */
	uint32_t mark_shift; /* of the lowest bit of header->mark_mask */
	uint32_t axis_count;
	/* What all sparse rows share. */
	const uint32_t *numbers;
	const struct fw_block *blocks;
	const uint64_t *words;
	/* The parted back end. */
	const struct fw_parted *parted;
	const uint32_t *sources; /* parted->source_width for each class, the last with its part */
	const uint32_t *destinations;
	const struct fw_candidate *lists;
	const uint32_t *long_rows; /* first_classes for each */
	uint32_t first_classes; /* of the first scalar axis */
	uint32_t scalar_count; /* scalar axes, behind those of the addresses */
	bool says_parts; /* searches of addresses say parts with classes: see FW_PART_SHIFT */
	uint8_t *own; /* what those then lead to, in place of the image's */
	const uint32_t *others; /* if more than one: what each combination asks of those behind the first */
	struct fw_rows groups[FW_GROUP_COUNT];
	uint32_t quads; /* a bit for each four fields of which one is asked for, or the family is one */
	struct fw_classifier axes[FW_MAX_AXES];
	struct fw_product products[FW_MAX_FOLDS];
	struct fw_lookup steps[FW_MAX_STEPS];
	struct fw_search searches[FW_MAX_TREES];
};

/*
 * See fw_engine_new(). -ENOEXEC: made for another layout; -EBADMSG: not an image, or damaged; -ENOMEM.
 */
int fw_tables_new(uint8_t *image, uint32_t size, struct fw_tables **out);
void fw_tables_free(struct fw_tables *t);

/* What a header's `checksum` must be. `size` is at least that of a header. */
uint32_t fw_image_checksum(const uint8_t *image, uint32_t size);

/* A part of a checked image. */
static inline const void *fw_at(const struct fw_tables *t, uint32_t offset)
{
	return (const uint8_t *)t->header + offset;
}

#endif
