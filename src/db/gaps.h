/*
 * Gaps: stretches of a family's keys in which nothing is alive. Iterators find them by passing
 * one dead entry after the other, and whoever comes later steps over them at once. Without,
 * who takes from the front of a queue passes all that was taken before again and again.
 *
 * A gap [lo, hi) holds for readers at `since` or later: at `since` nothing in it was alive, and
 * no put has come into it after that. Each put looks, behind its ordered step and before it is
 * visible, whether it falls into a gap, and cuts it at its key. What is deleted, expires or is
 * merged away makes nothing alive, so nobody else has to look.
 *
 * What a reader at `seq` has seen says nothing of puts that were ordered behind `seq` but did
 * not find the gap written down yet. So it is first hoped for: written down, where puts see it
 * and end it, and then `born` is the newest sequence that was given out, asked for under
 * commit_mu, so that all puts behind it do see it. As far as a reader at `born` or later
 * has passed it and found nothing alive either, it is sure; all of it at once, where `born` is not above
 * `seq`, since then there are no such puts.
 *
 * Gaps are a help that may be forgotten at any time: there are GAPS of a family at most, whose
 * bounds have GAP_KEY bytes at most, and none survives a close.
 */
#ifndef DB_GAPS_H
#define DB_GAPS_H

#include "db/db.h"
#include "format/batch.h"

enum { GAP_KEY = 128 };

struct gap_key {
	size_t size; /* above GAP_KEY: it had no room */
	uint8_t bytes[GAP_KEY];
};

/* Dead keys that an iterator has passed in a row, in one direction. */
struct dead_run {
	uint64_t passed;     /* one by one; 0: there is no run */
	uint64_t told;       /* so many when it was last told of */
	uint64_t ask, step;  /* at so many it is asked for a gap, and so many later again */
	struct gap_key from; /* the first */
};

/* The next dead key of a run, which the iterator at `seq` has judged. True, with a gap's bound
   on the far side in *to, if the iterator may go there at once. */
bool gaps_pass(shale_cf *cf, struct dead_run *run, shale_slice key, uint64_t seq, bool backward,
	       struct gap_key *to);

/* The run goes up to `key`, which it does not include and, backwards, neither does what is
   remembered of it if `alive`. It stays; tells of it if it has grown by much. */
void gaps_tell(shale_cf *cf, struct dead_run *run, shale_slice key, bool alive, uint64_t seq,
	       bool backward);

/* A put, behind its ordered step and before it is visible. */
void gaps_put(shale_cf *cf, shale_slice key);

static inline bool gaps_exist(const shale_cf *cf)
{
	/* Acquire: who finds them finds them set up. */
	return atomic_load_explicit(&cf->gaps, memory_order_acquire) != NULL;
}

/*
 * Somebody is about to pass [lo, hi), so it is hoped for: who does at a sequence that is not below
 * any that was given out by now makes it sure, as far as there is nothing alive.
 */
void gaps_hope(shale_cf *cf, shale_slice lo, shale_slice hi);

void gaps_free(shale_cf *cf);

static inline void gap_key_set(struct gap_key *k, shale_slice key)
{
	k->size = key.size;
	if (key.size != 0 && key.size <= GAP_KEY)
		memcpy(k->bytes, key.data, key.size);
}

static inline shale_slice gap_key_view(const struct gap_key *k)
{
	return slice_from(k->bytes, k->size);
}

#endif
