/*
 * classify.h - keys + tables -> the number of the first rule that matches each.
 *
 * fw_classify() is a pure function of its arguments, so any thread may run it on any part of a
 * batch. It is total: a key that no rule takes gets FW_NO_RULE. The classes it finds on the way
 * lead fw_next_effect() to the `match` rules, which never decide.
 */
#ifndef FW_CLASSIFY_H
#define FW_CLASSIFY_H

#include "image.h"
#include "packet.h"

/* A packet's class on each axis. */
struct fw_classes {
	uint16_t of[FW_MAX_AXES];
};
static_assert(FW_MAX_CLASSES - 1 == UINT16_MAX, "a class fits in fw_classes");

/* `rules` and `classes` hold n entries each; keys come from fw_packet_parse(). */
void fw_classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		 struct fw_classes *classes);

/* The first effect bit from `bit` on whose rule matches; the tables' effect_count if there is none. */
uint32_t fw_next_effect(const struct fw_tables *t, const struct fw_classes *classes, uint32_t bit);

#endif
