/*
 * How many of a table's entries hide older ones: that is how much in the runs beneath is
 * obsolete, which only a merge down to there would free. Nobody knows it for sure without
 * reading what lies beneath, so it is estimated: of the keys whose hash has some bits zero,
 * one of HIDES_SAMPLE, the filters of the tables beneath are asked. These say of some keys
 * wrongly that they are there. To know of how many, they are asked as well about a hash that
 * hardly any key has; as many are taken off.
 *
 * Tables beneath are opened for that. One that cannot be, or has no filter, says that any
 * key is there. Where that is so for half of the keys nothing is known; else they count as
 * the others do.
 *
 * Thread: one at a time.
 */
#ifndef COMPACT_HIDES_H
#define COMPACT_HIDES_H

#include "version/version.h"

enum { HIDES_SAMPLE = 64 };

struct hides {
	const struct table_env *te;
	const struct version *older; /* NULL: unknown */
	size_t first;                /* its runs from here on lie beneath */

	/* Since the last hides_take(). */
	uint64_t asked, found, wrong;
};

/* Whether a key with this hash is of the sample. */
static inline bool hides_is_sample(uint64_t hash)
{
	return (hash >> 32 & (HIDES_SAMPLE - 1)) == 0;
}

/* Ask about a key that hides_is_sample() of. */
void hides_ask(struct hides *h, shale_slice key, uint64_t hash);

/* The estimate for a table of so many entries whose keys were asked about; begins anew. */
uint64_t hides_take(struct hides *h, uint64_t entries);

#endif
