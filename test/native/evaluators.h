/* evaluators.h - the classifier's evaluators that can be tried here; it is said which cannot. */
#ifndef EVALUATORS_H
#define EVALUATORS_H

#include <stdio.h>

#include "classify.h"

struct evaluators {
	uint32_t count;
	const struct fw_evaluator *of[3]; /* the portable one first */
};

static inline void evaluators_add(struct evaluators *e, const char *name,
				  const struct fw_evaluator *evaluator)
{
	if (evaluator)
		e->of[e->count++] = evaluator;
	else
		printf("the evaluator for %s is not tried: this processor has none\n", name);
}

static inline struct evaluators evaluators_here(void)
{
	struct evaluators e = { 1, { &fw_evaluator_portable } };

	evaluators_add(&e, "AVX2", fw_evaluator_avx2());
	evaluators_add(&e, "AVX-512", fw_evaluator_avx512());
	return e;
}

#endif
