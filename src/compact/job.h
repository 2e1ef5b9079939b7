/*
 * A merge job: one ordered source of entries through keep.c into new tables. A
 * flush and every compaction run through here. Counts in must equal counts kept
 * plus dropped; a job that does not add up fails and changes nothing.
 *
 * Outputs are cut at about table_bytes, between user keys, where possible at the
 * boundaries of the tables in the run beneath the output, so that a later merge
 * meets few tables. Range tombstones weigh what entries of their size would.
 *
 * A job may be one of several that share the keys of a merge among them: each is about the
 * keys from `lower` up to `upper`, of the entries and of the range tombstones.
 *
 * Thread: one job one thread.
 */
#ifndef COMPACT_JOB_H
#define COMPACT_JOB_H

#include "compact/keep.h"
#include "version/version.h"

/* How far a job has come, or several that share it, for whoever looks; relaxed. */
struct job_progress {
	_Atomic uint64_t entries_in, bytes_out;
};

struct job {
	/* Set by the caller. */
	const struct table_env *te;
	struct table_build_options build;
	uint64_t table_bytes;
	struct iter *source;               /* taken: freed by job_run() */
	shale_slice lower, upper;          /* keys outside are not its business; data NULL: open */
	uint64_t expected_entries;         /* what the inputs hold; UINT64_MAX: unknown */
	const struct rangedel_set *ranges; /* range tombstones of all inputs; may be NULL */
	struct keep_config keep;           /* `ranges` is filled in by job_run() */
	const struct run *beneath;         /* run below the output, for cutting; may be NULL */
	/* Runs of `older` from the first on lie beneath the outputs; NULL: unknown (hides.h). */
	const struct version *older;
	size_t first_older;
	const struct run *guards;          /* see compact/policy.h; may be NULL */
	bool every_guard;                  /* outputs end wherever a table of `guards` begins */
	uint64_t (*new_number)(void *arg); /* for each output */
	/* Called about every 64 KiB: a chance to do more urgent work; < 0 ends the job. */
	shale_status (*pause)(void *arg);
	void *arg;
	struct job_progress *progress; /* added to before each `pause`; may be NULL */

	/* Results. Outputs are the caller's: job_fini(). */
	struct table_built *outputs;
	size_t output_count, output_capacity;
	uint64_t entries_in, entries_out, bytes_out;
	uint64_t counts[KEEP_VERDICTS];
};

/* On failure no output file stays. */
shale_status job_run(struct job *j);
/* What came in is what went out or was dropped (SHALE_BUG), and what the inputs promise
   (SHALE_CORRUPT); asked by job_run(). */
shale_status job_check_counts(const struct job *j);
/* Free the results; with `remove`, the output files too. */
void job_fini(struct job *j, bool remove);

/*
 * Oracle for keep_config (bottom.c): whether any run of the stack older than the inputs may
 * hold a key. Keys come in rising order, so each run's position only moves on.
 */
struct bottom {
	const struct version *version; /* NULL: nothing is ever the bottom */
	size_t first_run;              /* runs from here on are older than the inputs */
	size_t *position;              /* per run, how far its tables are passed */

	/* The last answer, and the key up to which it holds (data NULL: all keys). */
	bool asked, answer, until_included;
	shale_slice until;
};
shale_status bottom_init(struct bottom *b, const shale_env *env, const struct version *v,
			 size_t first_run);
void bottom_fini(struct bottom *b, const shale_env *env);
bool bottom_key(void *bottom, shale_slice key);
bool bottom_range(void *bottom, shale_slice lo, shale_slice hi);

#endif
