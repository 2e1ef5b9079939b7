/* Sorting and finding numbers, without the C library. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ascending; heapsort, so no input is slow. */
static inline void sort_u64(uint64_t *v, size_t n)
{
	for (size_t heap = n / 2, end = n; end > 1;) {
		size_t at, child;
		uint64_t x;

		if (heap > 0) {
			x = v[at = --heap];
		} else {
			x = v[--end];
			v[end] = v[at = 0];
		}
		for (; (child = 2 * at + 1) < end; at = child) {
			if (child + 1 < end && v[child] < v[child + 1])
				child++;
			if (v[child] <= x)
				break;
			v[at] = v[child];
		}
		v[at] = x;
	}
}

static inline bool sorted_has_u64(const uint64_t *v, size_t n, uint64_t x)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && v[lo] == x;
}

#endif
