/*
 * Cache-line-blocked Bloom filter: a key's hash picks one 64-byte line and, in
 * it, k bits (k follows from the bits a key). A probe touches one line. Putze,
 * Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters" (2007).
 *
 *   off  size     field
 *   0    64 L     L lines
 *
 * L and k are in the table's footer. line = high 64 bits of (hash * L);
 * bit i of k: h = hash * 0x9e3779b97f4a7c15, then 9 bits from the top of h after
 * multiplying h by the same odd constant i more times.
 */
#ifndef FORMAT_FILTER_H
#define FORMAT_FILTER_H

#include "base/buf.h"

enum { FILTER_LINE = 64, FILTER_PROBES_MAX = 16 };

/* Probes for a number of bits a key (best for blocked filters; found by measurement). */
unsigned filter_probes(unsigned bits_per_key);
/* Lines for n keys; at least 1. */
uint64_t filter_lines(uint64_t keys, unsigned bits_per_key);
/* Append `lines` lines holding the n hashes. */
void filter_build(struct buf *out, const uint64_t *hashes, uint64_t n, uint64_t lines,
		  unsigned probes);

static inline const uint8_t *filter_line(const void *lines, uint64_t count, uint64_t hash)
{
	uint64_t i = (uint64_t)(((unsigned __int128)hash * count) >> 64);

	return (const uint8_t *)lines + i * FILTER_LINE;
}

/* False: the key is not among those built in. */
static inline bool filter_line_has(const uint8_t *line, uint64_t hash, unsigned probes)
{
	uint64_t h = hash * UINT64_C(0x9e3779b97f4a7c15);

	for (unsigned i = 0; i < probes; i++) {
		unsigned bit = (unsigned)(h >> 55);

		if ((line[bit >> 3] >> (bit & 7) & 1) == 0)
			return false;
		h *= UINT64_C(0x9e3779b97f4a7c15);
	}
	return true;
}

#endif
