/*
 * One merge, as the files about merges share it:
 *
 *   merge.c         its life: held, begun, paused, told to end, installed, ended
 *   merge_parts.c   the work of one is shared among threads, by keys
 *   merge_tables.c  the work of one part: tables in, tables out
 *   merge_next.c    which one is next, of all families
 *   merge_yield.c   what it makes way for
 *   merge_range.c   one that was asked for, of a range of keys
 */
#ifndef DB_MERGE_H
#define DB_MERGE_H

#include "db/work.h"

struct merge {
	shale_db *db;
	shale_cf *cf;
	struct version *base;
	struct pick pick;
	struct pick_input *inputs;
	struct pick_claim claim;      /* in the family's list, from begin to end */
	struct policy_options policy; /* as it was when picked */
	uint64_t created_ms;          /* of the outputs */
	struct history_job history;
	unsigned threads; /* that were free for it when it began, with its own */
	bool urgent;      /* one more than there are threads for: makes way for flushes only */
	uint64_t lent;    /* bytes of merges for a deadline that it made way for */

	/* Who is told how far it is (data of shale_compact()); NULL: nobody. */
	const shale_compact_options *asked;
	uint64_t bytes; /* of all inputs */
	_Atomic bool told_to_end;
	uint64_t promised;        /* bytes it may write */
	_Atomic uint64_t written; /* of these, in files that are done: they count as such */
	uint64_t changes;         /* of the family's stack, when it began */
	uint64_t oldest_snapshot;
	bool hope; /* it may not fit in: then nothing is wrong */
};

/* A stretch of the keys of a merge: the work of one thread. */
struct merge_part {
	struct merge_work *work;
	struct job job;
	struct rate_user rate;
	bool foreign; /* in the thread that asked for the merge: not one of ours */
};

/* What its parts share. */
struct merge_work {
	struct merge *merge;
	struct version *inputs; /* alone, as a small stack of their own */
	struct rangedel_set *ranges;
	uint64_t *snapshots;
	size_t snapshot_count;
	struct table_build_options build;
	uint64_t now_ms;
	struct cuts cuts; /* where parts end */
	size_t count;
	struct merge_part *part;

	_Atomic bool failed; /* some part: the others need not go on */
	/* Guarded by db->mu. */
	size_t begun, helped; /* parts; and those of them that other threads are at */
	shale_status rc;      /* of what failed first, but for an order to end; error tells why */
	shale_error error;
	struct merge_work *next;
};

/* What a policy is told beside the stack. */
struct policy_now merge_now(shale_db *db, uint64_t oldest_snapshot);
/* Threads that merges may take beside those that they have; under mu. */
unsigned merge_threads_left(const shale_db *db);
/* Hold what t->pick names, of the family's version now; t->inputs go over to it. Under mu. */
void merge_begin(struct merge *t);
/* Carry it out. JOB_CANCELLED: it was told to end. No lock held. */
shale_status merge_run(struct merge *t);
/* Let go of everything; no lock held. */
void merge_end(struct merge *t, shale_status rc);

/* Tell who asked for it how far it is; false: it is to end. In the thread that asked. */
bool merge_tell(struct merge *t, uint32_t jobs_done);
/* Wait a little, or until something changes; under mu, which this releases meanwhile. False:
   it is not wanted any more. foreign: in the thread that asked. */
bool merge_wait(struct merge *t, bool foreign);

/* Of a part's job (job.pause, rate_user.poll): make way, stop while merges are paused, and
   whether it is to go on. */
shale_status merge_pause(void *part);
bool merge_poll(void *part);

/* ---- making way ---- */

/* Whether all background threads are at work, this one, if not foreign, being one of them. */
bool merge_is_needed(const shale_db *db, bool foreign);
/* Do a flush that no thread is free for, if one is due. */
void merge_yield_to_flush(shale_db *db, bool foreign);
/* The same, and a merge that cannot wait. */
void merge_yield(const struct merge_part *p);
/* One that cannot wait, however many run; for a thread that stands still for it within
   another. No lock held. */
bool merge_urgent(shale_db *db, struct merge *within);
/* Whether a pick is of that kind; under mu. */
bool merge_is_urgent(const struct merge *t, const struct claim *c);
/* Whether a merge (NULL: none is in its way) may stand still for this one; under mu. */
bool merge_may_lend(const struct merge *within, const struct merge *t);

/* ---- the work ---- */

/* Put the outputs of a job, or the picked tables without one, in the place of the inputs. */
shale_status merge_install(struct merge *t, const struct job *job);
/* Merge the picked tables into new ones, and install them. */
shale_status merge_tables(struct merge *t);
/* The keys of part i. Its outputs stay in the part. */
shale_status merge_part_run(struct merge_work *w, size_t i, bool foreign);
/* All parts, in this thread and those that help; the outputs of all go to `whole`. */
shale_status merge_parts_run(struct merge_work *w, struct job *whole);

/* ---- merges for room (merge_room.c) ---- */

/* What the family's policy asks for, or what frees room where that is low. Under mu. */
bool merge_pick(struct merge *t, const struct policy_now *now);
/* It may come to nothing, or to little: of use where no family has anything else. */
bool merge_is_last_resort(const struct merge *t);
/*
 * SHALE_NO_SPACE when it had only hope, and has written more than it may: asked while it runs
 * and before its result is installed. What it writes beyond that takes the room of the edit.
 */
shale_status merge_check_hope(const struct merge *t, uint64_t written);
/* It has ended: there was no room (true: no failure, it had only hope); it cut. Under mu. */
bool merge_had_no_room(struct merge *t);
void merge_has_cut(struct merge *t);
/* When what is due is tried again; UINT64_MAX: nothing waits for that. Under mu. */
uint64_t merge_again_ns(const shale_cf *cf);

#endif
