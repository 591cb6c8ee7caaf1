/*
 * sparse.h - the bits that sparse rows have in common, in order.
 *
 * Only blocks and words that all rows have are looked at; a word's place is told by the number of
 * bits before its own.
 */
#ifndef FW_SPARSE_H
#define FW_SPARSE_H

#include "image.h"

/* The number of bits below `bit`. */
static inline uint32_t fw_rank(uint64_t bits, uint32_t bit)
{
	return (uint32_t)__builtin_popcountll(bits & ((UINT64_C(1) << bit) - 1));
}

/* The first bit of block `b` that is `from` or above (a bit in the block), or 4096. */
static inline uint32_t fw_sparse_block(const struct fw_tables *t, const struct fw_row *const *rows,
				       uint32_t axes, uint32_t b, uint32_t from)
{
	const struct fw_block *blocks[FW_MAX_AXES];
	uint64_t common = ~UINT64_C(0) << from / 64;

	for (uint32_t a = 0; a < axes; a++) {
		blocks[a] = &t->blocks[t->numbers[rows[a]->first + fw_rank(rows[a]->top, b)]];
		common &= blocks[a]->bits;
	}
	for (; common; common &= common - 1) {
		const uint32_t w = (uint32_t)__builtin_ctzll(common);
		uint64_t bits = w == from / 64 ? ~UINT64_C(0) << from % 64 : ~UINT64_C(0);
		for (uint32_t a = 0; a < axes; a++)
			bits &= t->words[blocks[a]->first + fw_rank(blocks[a]->bits, w)];
		if (bits)
			return w * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return 4096;
}

/* The first common bit from `from` on and below `end`, a multiple of 4096; `end` if there is none. */
static inline uint32_t fw_sparse_first(const struct fw_tables *t, const struct fw_row *const *rows,
				       uint32_t axes, uint32_t from, uint32_t end)
{
	uint64_t common = ~UINT64_C(0);

	if (from >= end)
		return end;
	for (uint32_t a = 0; a < axes; a++)
		common &= rows[a]->top;
	common &= ~UINT64_C(0) << from / 4096;
	for (; common; common &= common - 1) {
		const uint32_t b = (uint32_t)__builtin_ctzll(common);
		if (b * 4096 >= end)
			break;
		const uint32_t bit = fw_sparse_block(t, rows, axes, b, b == from / 4096 ? from % 4096 : 0);
		if (bit < 4096)
			return b * 4096 + bit;
	}
	return end;
}

#endif
