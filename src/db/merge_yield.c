/*
 * What a merge makes way for. Merges leave one thread to flushes, and merges that cannot
 * wait may take that one, too. So all threads may be in merges, which can take minutes;
 * what is more urgent does not wait for one of them to end. A merge that meets such work
 * between two blocks stands still and does it, in its own thread: a flush, or a merge that
 * cannot wait. The latter makes way for flushes only, so that no more than one stands still
 * in a thread.
 *
 * A merge that cannot wait is one of the top level when that has twice the runs that make a
 * merge due, which is before writers are delayed, and one of which half the time to its
 * deadline is over. Of a family, only the merge that its policy puts first is looked at.
 * A merge that holds tables of level 0, for which writers may have to wait, does not become
 * much longer by that: what it stands still for on account of deadlines is little beside it.
 *
 * What is done meanwhile tells of its own failures (work.h); the merge may have
 * failed already and have a sentence of its own, which stays.
 */
#include "db/merge.h"

#define LOOK_NS UINT64_C(10000000)

#define URGENT_LATENESS 0.5

enum { LENDS = 4 }; /* of its bytes, a merge of level 0 makes way for such a part at most */

bool merge_is_needed(const shale_db *db, bool foreign)
{
	return !foreign && atomic_load_explicit(&db->crew.busy, memory_order_relaxed) >=
				   db->options.background_threads;
}

void merge_yield_to_flush(shale_db *db, bool foreign)
{
	uint64_t any = UINT64_MAX;

	if (merge_is_needed(db, foreign) && !work_must_wait(db, &any)) {
		shale_error before = *err_last();

		(void)flush_some(db);
		*err_last() = before;
	}
}

/* What moves costs nothing, and may be what level 0 waits for. */
bool merge_is_urgent(const struct merge *t, const struct claim *c)
{
	return ((t->pick.reason == PICK_TOP_RUNS || t->pick.move) &&
		policy_top_is_urgent(&t->cf->policy, t->cf->version)) ||
	       c->lateness >= URGENT_LATENESS;
}

bool merge_may_lend(const struct merge *within, const struct merge *t)
{
	if (within == NULL || t->pick.reason != PICK_LATE ||
	    within->base->runs[within->pick.inputs[0].run]->level != 0)
		return true;
	return within->lent + pick_bytes(t->cf->version, &t->pick) <= within->bytes / LENDS;
}

bool merge_may_be_urgent(const shale_cf *cf)
{
	return policy_top_is_urgent(&cf->policy, cf->version) || cf->policy.delete_within_ms != 0;
}

void merge_yield(const struct merge_part *p)
{
	shale_db *db = p->work->merge->db;
	uint64_t any = UINT64_MAX, now;

	merge_yield_to_flush(db, p->foreign);
	if (p->work->merge->urgent || !merge_is_needed(db, p->foreign) ||
	    !atomic_load_explicit(&db->crew.may_be_urgent, memory_order_relaxed))
		return;
	/* To ask all policies takes a while. */
	now = env_now_ns(db->env);
	if (now - atomic_load_explicit(&db->crew.look_ns, memory_order_relaxed) < LOOK_NS)
		return;
	atomic_store_explicit(&db->crew.look_ns, now, memory_order_relaxed);
	if (!work_must_wait(db, &any)) {
		shale_error before = *err_last();

		(void)merge_urgent(db, p->work->merge);
		*err_last() = before;
	}
}
