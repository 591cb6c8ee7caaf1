#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "classify.h"
#include "fw.h"
#include "image_rooms.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an image is read in place");

uint32_t fw_image_checksum(const uint8_t *image, uint32_t size)
{
	const uint32_t from = offsetof(struct fw_header, rules_at), count = (size - from) / 4;
	uint32_t lanes[FW_CHECKSUM_LANES], hash = FW_FNV_BASIS;

	for (uint32_t lane = 0; lane < FW_CHECKSUM_LANES; lane++)
		lanes[lane] = FW_FNV_BASIS;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t word, *lane = &lanes[i % FW_CHECKSUM_LANES];
		memcpy(&word, image + from + 4 * i, sizeof word);
		*lane = (*lane ^ word) * FW_FNV_PRIME;
	}
	for (uint32_t lane = 0; lane < FW_CHECKSUM_LANES; lane++)
		hash = (hash ^ lanes[lane]) * FW_FNV_PRIME;
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
enum { HUGE_PAGE = FW_IMAGE_SLACK, HUGE_FROM = HUGE_PAGE / 8 };

uint32_t fw_image_place(uint8_t *room, uint32_t size)
{
	const uint32_t at = (uint32_t)(-(uintptr_t)room % HUGE_PAGE);

	if (size <= at)
		return 0;
	(void)madvise(room + at, (size - at) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
	return at;
}

uint8_t *fw_image_memory(size_t size)
{
	const size_t align = size < HUGE_FROM ? FW_SECTION_ALIGN : HUGE_PAGE;
	/* C11 wants a multiple of the alignment. */
	const size_t whole = (size + align - 1) / align * align;
	uint8_t *memory = aligned_alloc(align, whole);

	if (memory && align == HUGE_PAGE)
		(void)madvise(memory, whole, MADV_HUGEPAGE); /* where the kernel has them */
	return memory;
}

/*
 * An image in memory of our own, where nobody can change it. To touch that memory for the first time
 * would take longer than all the rest, so whole huge pages are not copied but moved: the kernel
 * leaves fresh ones at their addresses (mremap(2), MREMAP_DONTUNMAP).
 */
static uint8_t *take(uint8_t *image, uint32_t size)
{
	uint8_t *own = fw_image_memory(size);
	size_t moved = (uintptr_t)image % HUGE_PAGE == 0 ? size / HUGE_PAGE * HUGE_PAGE : 0;

	if (own && moved > 0 &&
	    mremap(image, moved, moved, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, own) != own) {
		/* What was there may be gone. It stays ours, unused: another thread's could be there now. */
		moved = 0;
		own = fw_image_memory(size);
	}
	if (own)
		memcpy(own + moved, image + moved, size - moved);
	return own;
}

static int check(struct fw_tables *t, uint32_t size)
{
	const struct fw_header *h = t->header;

	if (h->magic != FW_MAGIC)
		return -EBADMSG;
	if (h->layout_hash != FW_LAYOUT_HASH)
		return -ENOEXEC;
	if (h->size != size || size % 4 != 0 ||
	    h->checksum != fw_image_checksum((const uint8_t *)h, size))
		return -EBADMSG;
	return find_header(t) && find_rules(t) && fw_find_dynamic(t) && fw_find_front(t) &&
			       fw_find_back(t)
		       ? 0
		       : -EBADMSG;
}

int fw_tables_new(uint8_t *image, uint32_t size, struct fw_tables **out)
{
	if (size < sizeof(struct fw_header))
		return -EBADMSG;
	struct fw_tables *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->header = (const struct fw_header *)(const void *)take(image, size);
	const int error = t->header ? check(t, size) : -ENOMEM;
	if (error) {
		fw_tables_free(t);
		return error;
	}
	t->evaluator = fw_evaluator_best();
	*out = t;
	return 0;
}

void fw_tables_free(struct fw_tables *t)
{
	if (!t)
		return;
	free((void *)(uintptr_t)t->header);
	free(t->own);
	free(t);
}
