/*
 * set.h - a set of address prefixes that changes at run time.
 *
 * A hash table of a fixed size; a lookup tries each prefix length that some member has. A member may
 * have a time to go: after it, it is as if it were not there. Not safe for two threads.
 */
#ifndef FW_SET_H
#define FW_SET_H

#include <stdbool.h>

#include "packet.h"

struct fw_set_entry {
	struct fw_member member; /* `left` is when it goes, 0 for never */
	uint32_t next; /* number of an entry, 0 for none */
	bool used;
};

struct fw_set_table {
	struct fw_set_entry *entries; /* from 1 on */
	uint32_t *chains;
	uint32_t mask; /* chains, a power of 2, less 1 */
	uint32_t size; /* members it can hold */
	uint32_t count; /* entries in use, those that have gone included */
	uint32_t free; /* first of the list of unused entries */
	uint32_t lengths[2][129]; /* entries of each family and prefix length */
};

int fw_set_init(struct fw_set_table *s, uint32_t size);
void fw_set_clear(struct fw_set_table *s);

/* Whether the member has a family, a length and no bits behind it. */
bool fw_member_ok(const struct fw_member *m);

/*
 * Adds a member, or gives one that is there a new time to go at; `until` 0 is never. -ENOSPC: full.
 * The member is one that fw_member_ok() likes.
 */
int fw_set_add(struct fw_set_table *s, const struct fw_member *m, uint64_t until, uint64_t now);
/* -ENOENT: it was not there. */
int fw_set_del(struct fw_set_table *s, const struct fw_member *m, uint64_t now);
/* Takes every member away. */
void fw_set_empty(struct fw_set_table *s);

/* Whether this very prefix is a member. */
bool fw_set_lists(const struct fw_set_table *s, const struct fw_member *m);

bool fw_set_has(const struct fw_set_table *s, struct fw_address a, uint32_t family, uint64_t now);

/*
 * What becomes of a set when its declared members change: `s`, which holds what is declared now, is
 * given the members of `from`, save those that only `declared`, what was declared before, can
 * account for. What was declared before and is no longer in `from` does not come back. -ENOSPC.
 */
int fw_set_carry(struct fw_set_table *s, const struct fw_set_table *from,
		 const struct fw_set_table *declared, uint64_t now);

/* Writes up to `room` members, `left` the time they still stay; how many there are. */
uint32_t fw_set_list(const struct fw_set_table *s, struct fw_member *out, uint32_t room, uint64_t now);

#endif
