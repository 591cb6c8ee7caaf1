/*
 * dynamic.h - what is true of a packet only for a time: rates, hours, sets that change; and when a
 * rule's log may say something again.
 *
 * One for all threads of an engine, so that a limit is one limit. A thread holds it from
 * fw_dynamic_begin() to fw_dynamic_end(), for the second phase of a batch; policies without such
 * rules never do.
 */
#ifndef FW_DYNAMIC_H
#define FW_DYNAMIC_H

#include "image.h"
#include "packet.h"

struct fw_dynamic;

/* The tables are the caller's, and outlive it. -ENOMEM. */
int fw_dynamic_new(const struct fw_tables *t, struct fw_dynamic **out);
/* Not before whatever it was carried from. */
void fw_dynamic_free(struct fw_dynamic *d);

/* For each literal, set and rule of new tables, its number in the old ones; FW_NO_RULE for none. */
struct fw_carry {
	const uint32_t *literals;
	const uint32_t *sets;
	const uint32_t *rules;
};

/*
 * Gives `d`, which nobody uses yet, what `from` has come to know: the members of its sets, when its
 * logs may speak, and its buckets, which both share from then on. Once. -EINVAL: a number is out of
 * range, given twice, or the literal of one limit is not that of the other; -ENOSPC: a set is too
 * small now; -ENOMEM. After a failure `d` can only be freed.
 */
int fw_dynamic_carry(struct fw_dynamic *d, struct fw_dynamic *from, const struct fw_carry *carry);

void fw_dynamic_begin(struct fw_dynamic *d);
void fw_dynamic_end(struct fw_dynamic *d);

/* The packet that is asked about next, seen at a time in nanoseconds since 1970. */
void fw_dynamic_packet(struct fw_dynamic *d, const struct fw_key *key, uint64_t time);
/* Whether its literals are as a bit of an effect row needs them. Each is asked once a packet. */
bool fw_dynamic_meets(struct fw_dynamic *d, const struct fw_need *need);
/* Whether a rule that it matches may log it now; *suppressed is how many it has left out before. */
bool fw_dynamic_may_log(struct fw_dynamic *d, uint32_t rule, uint32_t *suppressed);

/*
 * Members of a run-time set, from any thread that does not hold it. `left` is in nanoseconds from
 * now, 0 for the set's own timeout. -EINVAL: no such set, or no such member can be; -EPERM: the set
 * is the host's own addresses; -ENOSPC: full; -ENOENT: it was not there.
 */
int fw_dynamic_add(struct fw_dynamic *d, uint32_t set, const struct fw_member *m);
int fw_dynamic_del(struct fw_dynamic *d, uint32_t set, const struct fw_member *m);
/* Writes up to `room` members; how many there are, or -EINVAL. */
int64_t fw_dynamic_list(struct fw_dynamic *d, uint32_t set, struct fw_member *out, uint32_t room);

/* Asks the kernel for the host's addresses, if some rule does. `generation` says which were asked for. */
void fw_dynamic_refresh_self(struct fw_dynamic *d, uint32_t generation);

/* Nanoseconds since 1970. */
uint64_t fw_time_now(void);

#endif
