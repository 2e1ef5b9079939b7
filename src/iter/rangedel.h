/*
 * Range tombstones, fragmented: the ranges of a set are cut at each other's ends
 * so that fragments are disjoint and sorted, each with the sequences of all
 * tombstones over it, newest first. Built once, then immutable.
 *
 * Thread: a built set may be read by any.
 */
#ifndef ITER_RANGEDEL_H
#define ITER_RANGEDEL_H

#include "base/mem.h"
#include "base/status.h"
#include "format/key.h"

/* One tombstone: keys in [lo, hi) with sequences below seq are deleted. */
struct rangedel {
	shale_slice lo, hi;
	uint64_t seq;
};

/* Whether [lo, hi) and [lower, upper) meet; a bound with data NULL is open. */
static inline bool range_meets(shale_slice lo, shale_slice hi, shale_slice lower, shale_slice upper)
{
	return (lower.data == NULL || slice_cmp(hi, lower) > 0) &&
	       (upper.data == NULL || slice_cmp(lo, upper) < 0);
}

struct rangedel_fragment {
	shale_slice lo, hi;
	const uint64_t *seqs; /* descending, distinct */
	size_t seq_count;
};

/* Key bytes, sequences and fragments are behind it in the same allocation. */
struct rangedel_set {
	const shale_env *env;
	size_t count;
	struct rangedel_fragment *fragments;
	size_t bytes; /* memory taken */
};

/* Copies keys. n = 0 gives an empty set. SHALE_NO_MEMORY. */
shale_status rangedel_build(const shale_env *env, const struct rangedel *in, size_t n,
			    struct rangedel_set **out);
/* The same, but SHALE_CORRUPT (text only) if the fragments have more than seqs_max sequences. */
shale_status rangedel_build_within(const shale_env *env, const struct rangedel *in, size_t n,
				   size_t seqs_max, struct rangedel_set **out);
/*
 * Of a fragment's sequences only the newest, and the newest at or below each of the
 * ascending `limits`: all that matters to who reads as of these and of now. Ranges that
 * nest need memory by their number so, not by its square. SHALE_NO_MEMORY.
 */
shale_status rangedel_build_newest(const shale_env *env, const struct rangedel *in, size_t n,
				   const uint64_t *limits, size_t limit_count,
				   struct rangedel_set **out);
void rangedel_free(struct rangedel_set *s); /* NULL is allowed */

/* The fragment that covers key, or NULL. s may be NULL. */
const struct rangedel_fragment *rangedel_find(const struct rangedel_set *s, shale_slice key);

/* Newest tombstone over key with sequence <= limit; 0 if there is none. */
uint64_t rangedel_newest(const struct rangedel_set *s, shale_slice key, uint64_t limit);

/* Oldest tombstone over key with sequence > seq; UINT64_MAX if there is none. */
uint64_t rangedel_next_above(const struct rangedel_set *s, shale_slice key, uint64_t seq);

#endif
