/*
 * One merge, as the files about merges share it:
 *
 *   merge.c         its life: held, begun, paused, told to end, installed, ended
 *   merge_tables.c  the work of one: tables in, tables out
 *   merge_next.c    which one is next, of all families
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
	struct policy_options policy; /* as it was when picked */
	uint64_t created_ms;          /* of the outputs */
	struct rate_user rate;
	struct history_job history;

	/* How far it is, and who is told (data of shale_compact()); NULL: nobody. */
	const shale_compact_options *asked;
	const struct job *job; /* while it runs */
	uint64_t bytes;        /* of all inputs */
	bool told_to_end;
};

/* What a policy is told beside the stack. */
struct policy_now merge_now(shale_db *db, uint64_t oldest_snapshot);
/* Hold what t->pick names, of the family's version now; t->inputs go over to it. Under mu. */
void merge_begin(struct merge *t);
/* Carry it out. JOB_CANCELLED: it was told to end. No lock held. */
shale_status merge_run(struct merge *t);
/* Let go of everything; no lock held. */
void merge_end(struct merge *t, shale_status rc);

/* Tell who asked for it how far it is; false: it is to end. */
bool merge_tell(struct merge *t, uint32_t jobs_done);
/* Wait a little, or until something changes; under mu, which this releases meanwhile. */
bool merge_wait(struct merge *t);

/* Of a job that runs (job.pause): while merges are paused, and whether it is to go on. */
shale_status merge_pause(void *t);
/* Put the outputs of a job, or the picked tables without one, in the place of the inputs. */
shale_status merge_install(struct merge *t, const struct job *job);
/* Merge the picked tables into new ones, and install them. */
shale_status merge_tables(struct merge *t);

#endif
