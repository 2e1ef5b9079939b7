/*
 * Building the blocked Bloom filter (layout in filter.h).
 *
 * The number of probes is the one that gave the fewest false positives when each
 * was tried with this hash scheme and 200,000 keys. It lies below the bits * ln 2
 * of an unblocked filter, since the keys of a line vary in number and a crowded
 * line fills up.
 */
#include "format/filter.h"

enum { FILTER_BITS_MAX = 32, FILTER_AHEAD = 16 };

static const uint8_t probes_of[FILTER_BITS_MAX + 1] = {
	1,  1,  1,  2,  3,  3,  4,  4,  5,  6,  6,  7,  7,  7,  8,  8,  9,
	10, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 14, 15, 15, 15, 15,
};

unsigned filter_probes(unsigned bits_per_key)
{
	return probes_of[bits_per_key < FILTER_BITS_MAX ? bits_per_key : FILTER_BITS_MAX];
}

uint64_t filter_lines(uint64_t keys, unsigned bits_per_key)
{
	uint64_t bits;

	/* Impossibly many keys give an impossibly large filter, not a small one. */
	if (__builtin_mul_overflow(keys, bits_per_key, &bits))
		bits = UINT64_MAX;
	bits = bits / (FILTER_LINE * 8) + (bits % (FILTER_LINE * 8) != 0);
	return bits != 0 ? bits : 1;
}

void filter_build(struct buf *out, const uint64_t *hashes, uint64_t n, uint64_t lines,
		  unsigned probes)
{
	uint8_t *filter = buf_extend(out, (size_t)lines * FILTER_LINE);

	if (filter == NULL)
		return;
	memset(filter, 0, (size_t)lines * FILTER_LINE);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t *line = filter + (filter_line(filter, lines, hashes[i]) - filter);
		uint64_t h = hashes[i] * UINT64_C(0x9e3779b97f4a7c15);

		if (i + FILTER_AHEAD < n)
			__builtin_prefetch(filter_line(filter, lines, hashes[i + FILTER_AHEAD]), 1);
		for (unsigned k = 0; k < probes; k++) {
			unsigned bit = (unsigned)(h >> 55);

			line[bit >> 3] |= (uint8_t)(1u << (bit & 7));
			h *= UINT64_C(0x9e3779b97f4a7c15);
		}
	}
}
