/*
 * Searching sorted arrays of heads (eight key bytes as an integer): the inner loop
 * of every get and seek.
 *
 * A long array is halved without branches down to HEADS_LINEAR; what is left is
 * counted through with vector compares, whose loads do not wait for each other, so
 * that lines which are not in the cache come together. The vector unit is chosen
 * at run time: AVX-512, AVX2, NEON, or none.
 */
#ifndef FORMAT_HEADS_H
#define FORMAT_HEADS_H

#include <stddef.h>
#include <stdint.h>

enum {
	HEADS_LINEAR = 64,
	HEADS_SAMPLE = 16, /* one of so many is in a sample */
};

/* How many of n heads, in any order, are < head. */
size_t heads_less(const uint64_t *heads, size_t n, uint64_t head);
/* The same without vectors: what the others are tested against. */
size_t heads_less_portable(const uint64_t *heads, size_t n, uint64_t head);

/*
 * One step of a binary search: the comparison goes either way equally often, so it
 * must not become a branch. It is computed from, and the empty asm keeps the
 * compiler from seeing that it is one of two values.
 */
static inline const uint64_t *heads_halve(const uint64_t *p, size_t half, uint64_t head)
{
	size_t less = p[half - 1] < head;

	__asm__("" : "+r"(less));
	return p + (half & -less);
}

/* First of n sorted heads that is >= head; n if there is none. */
static inline size_t heads_lower(const uint64_t *heads, size_t n, uint64_t head)
{
	const uint64_t *p = heads;

	while (n > HEADS_LINEAR) {
		size_t half = n / 2;

		p = heads_halve(p, half, head);
		n -= half;
	}
	return (size_t)(p - heads) + heads_less(p, n, head);
}

/* Entries of the sample of n heads. */
static inline size_t heads_samples(size_t n)
{
	return n / HEADS_SAMPLE;
}

/* sample[i] = heads[HEADS_SAMPLE * (i + 1) - 1] */
void heads_sample(const uint64_t *heads, size_t n, uint64_t *sample);

/* By the sample of n heads: from where on HEADS_SAMPLE of them are to be looked at. */
static inline size_t heads_sample_lower(const uint64_t *sample, size_t n, uint64_t head)
{
	return HEADS_SAMPLE * heads_lower(sample, heads_samples(n), head);
}

static inline size_t heads_lower_from(const uint64_t *heads, size_t n, size_t from, uint64_t head)
{
	size_t left = n - from < HEADS_SAMPLE ? n - from : HEADS_SAMPLE;

	return from + heads_less(heads + from, left, head);
}

/* heads_lower() by way of the sample, which is small enough to stay in the cache. */
static inline size_t heads_lower_sampled(const uint64_t *heads, size_t n, const uint64_t *sample,
					 uint64_t head)
{
	return heads_lower_from(heads, n, heads_sample_lower(sample, n, head), head);
}

#endif
