/*
 * What background work does and did: the jobs that run, a ring of those that ended,
 * sums by reason and level, and the writers that had to stop. Jobs that are done go
 * into the manifest as notes (format/edit_job.c) and come back from there at open.
 *
 * Thread: any, but a history_job belongs to who runs the job. Locks: a leaf.
 */
#ifndef DB_HISTORY_H
#define DB_HISTORY_H

#include "base/lock.h"
#include "compact/job.h"
#include "compact/policy.h"

enum {
	HISTORY_JOBS = 256,   /* that ended, at most; in memory and in the manifest, of
				 which less is in one written without room */
	HISTORY_FAILURES = 8, /* of these, the last ones have their sentence */
	HISTORY_STOPS = 64,
};

/* A job under way, within the struct of who runs it. Zero before history_begin(). */
struct history_job {
	/* Set by the owner before history_begin(), then changed under the history's lock. */
	shale_job info;
	uint64_t start_ns, expected_entries;
	bool running;
	struct job_progress progress; /* told by job_run() */
	struct history_job *prev, *next;
};

struct history_failure {
	uint64_t id;
	char text[sizeof(((shale_error *)NULL)->text)];
};

struct history_stop {
	shale_stall info;
	uint64_t start_ns;
};

struct history {
	const shale_env *env;

	struct mutex mu;
	/* Ring of jobs that ended; grows up to HISTORY_JOBS. `first` is the oldest. */
	shale_job *ring;
	size_t first, count, capacity;
	uint64_t next_id;
	struct history_job running; /* list head, by when they began */
	struct history_failure failures[HISTORY_FAILURES];
	size_t failure_count;
	shale_work_stats by_reason[SHALE_REASONS_MAX], by_level[SHALE_LEVELS_MAX];
	struct history_stop stops[HISTORY_STOPS];
	uint64_t stop_count; /* since open: the id of the last */
};

void history_init(struct history *h, const shale_env *env);
void history_fini(struct history *h);

/* Describe what a pick is about to do. */
void history_of_pick(struct history_job *j, uint32_t cf, const struct pick *p,
		     const struct version *base);
/* Fill in kind, reason, family, levels, tables_in, bytes_in and expected_entries before. */
void history_begin(struct history *h, struct history_job *j);
/* What came of it: the outputs and counts of a job that has run. */
void history_result(struct history *h, struct history_job *j, const struct job *result);
/*
 * It ended; rc < 0: in vain, and err_last() tells why. Nothing for a job that does not
 * run, so whoever gives one up may call this.
 */
void history_end(struct history *h, struct history_job *j, shale_status rc, bool cancelled);
/* Whether what went in was kept or dropped; SHALE_BUG. */
shale_status history_check(const shale_job *j);

/* The note of a job that is about to be done. */
void history_note(struct history *h, const struct history_job *j, struct buf *payload);
/* The notes of those done among the last `most`, oldest first. */
void history_notes(struct history *h, size_t most, struct buf *payload);
/* A note found at open. */
void history_recover(struct history *h, const shale_job *j);

/* A writer stops; returns an id for history_stop_end(). */
uint64_t history_stop_begin(struct history *h, uint32_t cf, shale_stall_cause cause);
void history_stop_end(struct history *h, uint64_t id, uint64_t ns, shale_status rc);

void history_sums(struct history *h, shale_stats *out);

#endif
