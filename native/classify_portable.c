/* The evaluator for any processor. */
#include "evaluate.h"

const struct fw_evaluator fw_evaluator_portable = { classify, find_classes, find_scalar, classify_part };
