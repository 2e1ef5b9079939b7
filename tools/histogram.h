/*
 * Latencies in logarithmic buckets: 32 to every power of two, so a quantile is
 * within about 3 percent. Recording is a few instructions. One thread owns one;
 * histograms of several threads are merged when these have ended.
 */
#ifndef TOOLS_HISTOGRAM_H
#define TOOLS_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_BITS = 5,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
	uint64_t count, sum, max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_index(uint64_t value)
{
	unsigned top;

	if (value < 1u << HISTOGRAM_BITS)
		return (unsigned)value;
	top = 63 - (unsigned)__builtin_clzll(value);
	/* Above the leading one, HISTOGRAM_BITS bits choose the bucket within its power of two. */
	return ((top - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS) +
	       (unsigned)((value >> (top - HISTOGRAM_BITS)) & ((1u << HISTOGRAM_BITS) - 1));
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	h->bucket[histogram_index(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `part` of all (0.5: the median) do not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double part);
double histogram_mean(const struct histogram *h);

#endif
