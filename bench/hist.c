#include "hist.h"

void hist_merge(struct hist *into, const struct hist *from)
{
	into->count += from->count;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

/* The middle of bucket i; the inverse of hist_bucket(). */
static uint64_t bucket_value(unsigned i)
{
	if (i < 64)
		return i;

	unsigned shift = i / 32 - 1;

	return ((uint64_t)(i % 32 + 32) << shift) + ((1ull << shift) >> 1);
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	uint64_t want = (uint64_t)((double)h->count * q), seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return bucket_value(i) < h->max ? bucket_value(i) : h->max;
	}
	return h->max;
}
