/* The evaluator for processors with AVX2: the Makefile compiles this file alone for them. */
#include "classify.h"

#ifdef __AVX2__
#include "evaluate.h"

static const struct fw_evaluator avx2 = { classify, find_classes, find_scalar, classify_part };

const struct fw_evaluator *fw_evaluator_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
			       __builtin_cpu_supports("popcnt")
		       ? &avx2
		       : NULL;
}

#else

const struct fw_evaluator *fw_evaluator_avx2(void)
{
	return NULL;
}

#endif
