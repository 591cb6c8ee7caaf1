#include "classify.h"

#include "sparse.h"

const struct fw_evaluator *fw_evaluator_best(void)
{
	const struct fw_evaluator *avx512 = fw_evaluator_avx512(), *avx2 = fw_evaluator_avx2();

	return avx512 ? avx512 : avx2 ? avx2 : &fw_evaluator_portable;
}

void fw_classify(const struct fw_tables *t, const struct fw_key *keys, uint32_t n, uint32_t *rules,
		 struct fw_classes *classes)
{
	t->evaluator->classify(t, keys, n, rules, classes);
}

void fw_find_classes(const struct fw_tables *t, const struct fw_key *keys, uint32_t n,
		     struct fw_classes *classes)
{
	t->evaluator->find_classes(t, keys, n, classes);
}

void fw_find_scalar(const struct fw_tables *t, uint32_t axis, const struct fw_key *keys, uint32_t n,
		    uint32_t *classes)
{
	t->evaluator->find_scalar(t, axis, keys, n, classes);
}

/* By groups, by words of a dense row, or by blocks of sparse ones. */
uint32_t fw_parts(const struct fw_tables *t)
{
	switch (t->header->back_end) {
	case FW_BACK_END_PARTED:
		return t->parted->group_count;
	case FW_BACK_END_DENSE:
		return t->dense_words < 4 ? t->dense_words : 4;
	default:
		return (t->header->decide_count + 4095) / 4096;
	}
}

void fw_classify_part(const struct fw_tables *t, const struct fw_classes *classes, uint32_t n,
		      uint32_t part, uint32_t *rules)
{
	t->evaluator->classify_part(t, classes, n, part, rules);
}

uint32_t fw_next_effect(const struct fw_tables *t, const struct fw_classes *classes, uint32_t bit)
{
	const uint32_t count = t->header->effect_count;
	const struct fw_row *rows[FW_MAX_AXES];

	if (bit >= count)
		return count;
	for (uint32_t a = 0; a < t->axis_count; a++)
		rows[a] = &t->axes[a].effects[classes->of[a]];
	const uint32_t end = (count + 4095) / 4096 * 4096;
	const uint32_t found = fw_sparse_first(t, rows, t->axis_count, bit, end);
	return found < end ? found : count;
}
