/* What flush.c and the merges share (work.c). */
#ifndef DB_WORK_H
#define DB_WORK_H

#include "db/db.h"

/* How long after a failure background work is tried again. */
#define WORK_RETRY_NS UINT64_C(500000000)

uint64_t work_new_number(void *db);
/* A flush went through: the last failure is over. Under mu. */
void work_succeeded(shale_db *db);
/* A look for merges did, which clears what was no flush's failure. Under mu. */
void work_look_succeeded(shale_db *db);
/*
 * A merge of the family has ended; `top`: of its level 0. What failed is tried again, each time
 * after twice as long. Under mu.
 */
void work_merge_ended(shale_cf *cf, shale_status rc, bool top);
/* Its status and, where that is a failure, its sentence for this thread. */
shale_status failure_tell(const struct failure *f);
/* What failed in the background, of flushes or of any family's merges. Under mu. */
shale_status work_failure(const shale_db *db);
/* Whether a flush, or a merge that is not paused, is under way, or a flush is due; under mu. */
bool work_is_left(const shale_db *db);
/* Whether the time to try again after a failed flush has not come; bounds *wait_ns. */
bool work_must_wait(shale_db *db, uint64_t *wait_ns);
/* The same for merges, which do not wait where it failed for want of room. */
bool work_merges_must_wait(shale_db *db, uint64_t *wait_ns);
struct table_build_options work_build_options(shale_db *db, const shale_cf *cf, uint32_t level);
/*
 * The version for job.older: v itself where what the outputs hide should be found out, which is
 * under hybrid while open tables have less than a quarter of the memory; else NULL.
 */
const struct version *work_older(shale_db *db, const struct policy_options *o,
				 const struct version *v);
/* A job is done: before anybody who waited for it can look. */
void work_count(shale_db *db, const shale_job *j);

#endif
