#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "classify.h"
#include "image_rooms.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an image is read in place");

uint32_t fw_image_checksum(const uint8_t *image, uint32_t size)
{
	uint32_t hash = 0x811c9dc5;

	for (uint32_t i = offsetof(struct fw_header, rules_at); i + 4 <= size; i += 4) {
		uint32_t word;
		memcpy(&word, image + i, sizeof word);
		hash = (hash ^ word) * 0x01000193;
	}
	return hash;
}

const void *fw_section(const struct fw_tables *t, uint32_t at, uint64_t count, uint64_t width)
{
	const struct fw_header *h = t->header;

	if (count == 0 || at % FW_SECTION_ALIGN != 0 || at < sizeof *h || at > h->size)
		return NULL;
	return count <= (h->size - at) / width ? (const uint8_t *)h + at : NULL;
}

static bool find_header(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	if (h->dry_run > 1 || h->flow_cache > FW_MAX_FLOWS)
		return false;
	if (h->malformed != FW_VERDICT_ACCEPT && h->malformed != FW_VERDICT_DROP)
		return false;
	if (h->mark_mask == 0)
		return true;
	t->mark_shift = (uint32_t)__builtin_ctz(h->mark_mask);
	const uint32_t mask = h->mark_mask >> t->mark_shift;
	return (mask & (mask + 1)) == 0 && mask >= 0xf;
}

static bool find_rules(struct fw_tables *t)
{
	const struct fw_header *h = t->header;

	t->rules = fw_section(t, h->rules_at, h->rule_count, sizeof *t->rules);
	if (!t->rules)
		return false;
	for (uint32_t i = 0; i < h->rule_count; i++) {
		const struct fw_rule *r = &t->rules[i];
		if (r->verdict >= FW_VERDICT_COUNT || r->reject >= FW_REJECT_COUNT ||
		    (r->reject != 0 && r->verdict != FW_VERDICT_REJECT) ||
		    r->log > 2 || r->pad != 0 || (r->mark_value & ~r->mark_clear) != 0 ||
		    (r->mark_clear & h->mark_mask) != 0)
			return false;
	}
	return true;
}

/* Tables that do not fit a few pages are read all over: with huge pages, few addresses to translate. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = HUGE_PAGE / 8 };

static uint8_t *image_memory(uint32_t size)
{
	const size_t align = size < HUGE_FROM ? FW_SECTION_ALIGN : HUGE_PAGE;
	/* C11 wants a multiple of the alignment. */
	const size_t whole = ((size_t)size + align - 1) / align * align;
	uint8_t *memory = aligned_alloc(align, whole);

	if (memory && align == HUGE_PAGE)
		(void)madvise(memory, whole, MADV_HUGEPAGE); /* where the kernel has them */
	return memory;
}

int fw_tables_new(const uint8_t *image, uint32_t size, struct fw_tables **out)
{
	struct fw_header header;

	if (size < sizeof header)
		return -EBADMSG;
	memcpy(&header, image, sizeof header);
	if (header.magic != FW_MAGIC)
		return -EBADMSG;
	if (header.layout_hash != FW_LAYOUT_HASH)
		return -ENOEXEC;
	if (header.size != size || size % 4 != 0 || header.checksum != fw_image_checksum(image, size))
		return -EBADMSG;

	struct fw_tables *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	int error = -ENOMEM;
	uint8_t *copy = image_memory(size);
	if (!copy)
		goto fail;
	memcpy(copy, image, size);
	t->header = (const struct fw_header *)(const void *)copy;
	error = -EBADMSG;
	if (!find_header(t) || !find_rules(t) || !fw_find_dynamic(t) || !fw_find_front(t) ||
	    !fw_find_back(t))
		goto fail;
	t->evaluator = fw_evaluator_best();
	*out = t;
	return 0;
fail:
	fw_tables_free(t);
	return error;
}

void fw_tables_free(struct fw_tables *t)
{
	if (!t)
		return;
	free((void *)(uintptr_t)t->header);
	free(t);
}
