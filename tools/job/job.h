/*
 * The job: a store at work, with every answer checked. Three parts fill in their
 * results; the report prints them.
 */
#ifndef TOOLS_JOB_JOB_H
#define TOOLS_JOB_JOB_H

#include "histogram.h"
#include "look.h"
#include "stack.h"

#include <shale/shale.h>

#include <stdbool.h>
#include <stdint.h>

struct job_corpus {
	uint64_t records, repeated, bytes; /* as parsed; `repeated` share a key with another */
	uint64_t load_ns, verify_ns;
	uint64_t file_bytes;
};

struct job_clicks {
	uint64_t events, user_bytes, ingest_ns, settle_ns, scan_ns;
	struct histogram puts, gets, scans; /* while ingesting */
	uint64_t scanned;                   /* entries of the short scans */
	struct histogram cold_gets;         /* afterwards, uniformly over all events */
	struct histogram absent_gets;       /* then of keys that are not there */
	shale_stats ingest, cold_before, cold_after, absent_after;
	uint64_t memory_max; /* of memory_used while ingesting */
	uint64_t live_bytes, file_bytes;
	struct stack stack;
};

struct job_crash {
	uint32_t rounds;
	uint64_t acknowledged, in_flight; /* in_flight: found though nobody was told */
	uint64_t open_ns_max, recovered_records, recovered_bytes, kill_ms_min, kill_ms_max;
};

struct job {
	/* What was asked. */
	const char *dir;
	uint64_t events, seed, memory;
	uint64_t rounds;
	/* What came of it. */
	struct job_corpus corpus;
	struct job_clicks clicks;
	struct job_crash crash;
	uint64_t start_ns;
	struct look look; /* of stdout */
};

/* Each returns TOOL_OK or, having told what is wrong, TOOL_FAILED. */
int corpus_run(struct job *job);
int clicks_run(struct job *job);
int crash_run(struct job *job);
int report_run(struct job *job);

/* ---- shared by the parts ---- */

void step_title(const struct job *job, const char *number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "  ✓ text": something was done, and verified. */
void step_done(const struct job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* job->dir/name; free with free(). */
char *step_path(const struct job *job, const char *name);
/* A fresh store there: what an earlier run left is removed. `o` may be changed by the caller. */
int step_fresh(const char *path);
int step_open(const char *path, const shale_options *o, shale_db **out);
int step_close(shale_db *db, const char *path);
/* Bytes of all files in a directory. */
uint64_t step_dir_bytes(const char *path);

#endif
