/* See histogram.h. */
#include "histogram.h"

#include <math.h>

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}

/* The largest value that falls into bucket i. */
static uint64_t histogram_upper(unsigned i)
{
	unsigned shift;

	if (i < 1u << HISTOGRAM_BITS)
		return i;
	shift = (i >> HISTOGRAM_BITS) - 1;
	return ((((uint64_t)1 << HISTOGRAM_BITS) + (i & ((1u << HISTOGRAM_BITS) - 1)) + 1)
		<< shift) -
	       1;
}

uint64_t histogram_quantile(const struct histogram *h, double part)
{
	uint64_t rank = (uint64_t)ceil(part * (double)h->count), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank && seen)
			return histogram_upper(i) < h->max ? histogram_upper(i) : h->max;
	}
	return 0;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
