/* exercise.h - uses tables as the engine does, for a sanitizer to watch. */
#ifndef EXERCISE_H
#define EXERCISE_H

#include "image.h"

/* Decides a few hundred packets of all kinds, from every edge of the fields. */
void exercise(const struct fw_tables *t);

#endif
