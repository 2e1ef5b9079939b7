/* Borrowed bytes: comparison in the one order there is, bytewise. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <shale/shale.h>

static inline shale_slice slice_from(const void *data, size_t size)
{
	return (shale_slice){ data, size };
}

/* <0, 0, >0; a prefix sorts before what it begins. */
static inline int slice_cmp(shale_slice a, shale_slice b)
{
	size_t n = a.size < b.size ? a.size : b.size;
	int c = n != 0 ? memcmp(a.data, b.data, n) : 0;

	if (c != 0)
		return c;
	return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool slice_eq(shale_slice a, shale_slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_starts(shale_slice s, shale_slice prefix)
{
	return s.size >= prefix.size &&
	       (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

/* Length of the longest common prefix. */
static inline size_t slice_common(shale_slice a, shale_slice b)
{
	const unsigned char *p = (const unsigned char *)a.data, *q = (const unsigned char *)b.data;
	size_t n = a.size < b.size ? a.size : b.size, i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t v, w;

		memcpy(&v, p + i, 8);
		memcpy(&w, q + i, 8);
		if (v != w) /* little-endian: the first byte that differs is the lowest */
			return i + (size_t)(__builtin_ctzll(v ^ w) / 8);
	}
	while (i < n && p[i] == q[i])
		i++;
	return i;
}

#endif
