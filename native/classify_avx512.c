/* The evaluator for processors with AVX-512: the Makefile compiles this file alone for them. */
#include "classify.h"

#if defined __AVX512BW__ && defined __AVX512DQ__ && defined __AVX512VL__
#include "evaluate.h"

static const struct fw_evaluator avx512 = { classify, find_classes, find_scalar, classify_part };

const struct fw_evaluator *fw_evaluator_avx512(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
			       __builtin_cpu_supports("avx512vl") && fw_evaluator_avx2()
		       ? &avx512
		       : NULL;
}

#else

const struct fw_evaluator *fw_evaluator_avx512(void)
{
	return NULL;
}

#endif
