/* Where the columns of a block begin: the one place that builder and reader share. */
#ifndef FORMAT_BLOCK_LAYOUT_H
#define FORMAT_BLOCK_LAYOUT_H

#include "base/coding.h"

enum {
	BLOCK_HEADER = 16,
	BLOCK_PREFIX_MAX = 65535,
	BLOCK_ENTRIES_MAX = 1 << 24,
	BLOCK_WIDE_RESTS = 1,  /* flag: rest ends are u32 */
	BLOCK_WIDE_VALUES = 2, /* flag: value ends are u32 */
	HEAD_SIZE = 8,
};

struct block_layout {
	size_t types, head_sizes, seqs, seqs_end, rest_ends, rest_ends_end, value_ends, prefix,
		rests;
};

static inline size_t block_align(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* No overflow: n is at most 2^24, the widths are at most 8. */
static inline struct block_layout block_layout(size_t n, size_t prefix, unsigned flags,
					       unsigned width)
{
	struct block_layout at;

	at.types = BLOCK_HEADER + n * HEAD_SIZE;
	at.head_sizes = at.types + n;
	at.seqs = at.head_sizes + n;
	at.seqs_end = at.seqs + n * width;
	at.rest_ends = block_align(at.seqs_end);
	at.rest_ends_end = at.rest_ends + n * ((flags & BLOCK_WIDE_RESTS) != 0 ? 4 : 2);
	at.value_ends = block_align(at.rest_ends_end);
	at.prefix = at.value_ends + n * ((flags & BLOCK_WIDE_VALUES) != 0 ? 4 : 2);
	at.rests = at.prefix + prefix;
	return at;
}

/* Bytes a delta needs for a span of sequence numbers. */
static inline unsigned block_seq_width(uint64_t span)
{
	if (span == 0)
		return 0;
	if (span <= UINT8_MAX)
		return 1;
	if (span <= UINT16_MAX)
		return 2;
	return span <= UINT32_MAX ? 4 : 7;
}

#endif
