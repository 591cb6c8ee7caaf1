/*
 * image_rooms.h - how the files that check an image share the work: each finds the tables of one
 * part, sets what struct fw_tables has of them, and says whether they are sound. In this order:
 * image.c has the header and the rules, image_dynamic.c what holds only for a time, image_front.c
 * what leads from fields to classes, image_back.c what leads from classes to rules.
 */
#ifndef FW_IMAGE_ROOMS_H
#define FW_IMAGE_ROOMS_H

#include <stdbool.h>

#include "image.h"

/* `count` records of `width` bytes, or NULL if they are none or not all in the image. */
const void *fw_section(const struct fw_tables *t, uint32_t at, uint64_t count, uint64_t width);

/* Memory for tables, for free(); NULL if there is none. Large ones lie in huge pages where the kernel has them. */
uint8_t *fw_image_memory(size_t size);

bool fw_find_dynamic(struct fw_tables *t);
bool fw_find_front(struct fw_tables *t);
bool fw_find_back(struct fw_tables *t);

#endif
