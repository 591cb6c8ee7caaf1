/*
 * classify.h - keys + tables -> the number of the first rule that matches each.
 *
 * fw_classify() is a pure function of its arguments, so any thread may run it on any part of a
 * batch. It is total: a key that no rule takes gets FW_NO_RULE. The classes it finds on the way
 * lead fw_next_effect() to the rules that only count or that depend on literals.
 *
 * The same in two steps, for workers that share a batch: fw_find_classes() once, then
 * fw_classify_part() for each of fw_parts(), each into rules of its own or into the same; the
 * smallest number of all parts is what fw_classify() says.
 */
#ifndef FW_CLASSIFY_H
#define FW_CLASSIFY_H

#include <stdbool.h>

#include "image.h"
#include "packet.h"

/* A packet's class on each axis: as many as the tables have are set. */
struct fw_classes {
	uint32_t of[FW_MAX_AXES];
};

/* The same answers, by different instructions. */
struct fw_evaluator {
	void (*classify)(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
			 uint32_t *rules, struct fw_classes *classes);
	void (*find_classes)(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
			     struct fw_classes *classes);
	void (*find_scalar)(const struct fw_tables *t, uint32_t axis, const struct fw_key *keys,
			    uint32_t n, uint32_t *classes);
	void (*classify_part)(const struct fw_tables *t, const struct fw_classes *classes, uint32_t n,
			      uint32_t part, uint32_t *rules);
};

extern const struct fw_evaluator fw_evaluator_portable;
/* NULL unless the processor and the system have AVX2. */
const struct fw_evaluator *fw_evaluator_avx2(void);
/* NULL unless they have AVX-512 with bytes, words and short vectors, as all have that have much of it. */
const struct fw_evaluator *fw_evaluator_avx512(void);
/* What fw_tables_new() takes. */
const struct fw_evaluator *fw_evaluator_best(void);

/*
 * `rules` and `classes` hold n entries each; keys come from fw_packet_parse(). Classes are written
 * only if the tables have rules that only count or that depend on literals.
 */
void fw_classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		 struct fw_classes *classes);

void fw_find_classes(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
		     struct fw_classes *classes);
/* Those on one scalar axis alone. */
void fw_find_scalar(const struct fw_tables *t, uint32_t axis, const struct fw_key *keys, uint32_t n,
		    uint32_t *classes);

/* Into how many parts the rules can be split, at least 1. */
uint32_t fw_parts(const struct fw_tables *t);

/*
 * Lowers `rules` to the first rule of this part that matches, where that is smaller: begin with
 * FW_NO_RULE.
 */
void fw_classify_part(const struct fw_tables *t, const struct fw_classes *classes, uint32_t n,
		      uint32_t part, uint32_t *rules);

/* The first effect bit from `bit` on whose rule matches; the tables' effect_count if there is none. */
uint32_t fw_next_effect(const struct fw_tables *t, const struct fw_classes *classes, uint32_t bit);

#endif
