/*
 * The background threads and the merges: whose turn it is (compact/turn.h), how many work
 * at what, and merges that want help (merge_parts.c). Guarded by db->mu, but for atomics.
 */
#ifndef DB_CREW_H
#define DB_CREW_H

#include "compact/turn.h"

struct merge_work;

struct crew {
	struct turns turns;
	unsigned asked;            /* merges in threads that called shale_compact() */
	unsigned helping;          /* threads that do parts of others' merges */
	struct merge_work *shared; /* merges with parts that nobody has begun */
	_Atomic uint32_t busy;     /* background threads that do not sleep */
	/* Relaxed, both: who looks a moment late looks again soon (merge_yield.c). */
	_Atomic bool may_be_urgent; /* some merge may be that cannot wait for a thread */
	_Atomic uint64_t look_ns;   /* when one was looked for last */
};

/* One merge, if one is owed and not too many run, or it cannot wait (merge_yield.c). No lock
   held, as in the next two. */
bool merge_some(shale_db *db);
/* A part of one that others have begun, if there is any. */
bool merge_help(shale_db *db);
/* Bound the wait by when a merge may come due though nothing is written; merges were last looked
   for behind looked_ns. */
void merge_wake(shale_db *db, uint64_t looked_ns, uint64_t *wait_ns);
/* Whether a family may have one that cannot wait; under mu. For stall_sum(). */
bool merge_may_be_urgent(const struct shale_cf *cf);

#endif
