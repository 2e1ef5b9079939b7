/*
 * One run of a script under some settings, on the simulated machine, next to the
 * oracle: every answer must be the oracle's, and so that of all other runs.
 *
 *   run.c    opening and closing, lives, running
 *   verbs.c  the verbs
 *   crash.c  what may be there after a crash; what was lost is written again
 */
#ifndef METAMORPHIC_RUN_H
#define METAMORPHIC_RUN_H

#include "metamorphic/oracle.h"
#include "metamorphic/settings.h"

#define DIR "/db"

enum { FAILURE_TEXT = 1024 };

/* What runs have done: calls of each verb that were not passed over. */
struct run_counts {
	uint64_t verbs[VERBS], ops, passed_over, crashes, lost;
};

struct run {
	const struct script *script;
	struct settings settings;
	struct run_counts *counts;
	struct sim *sim;
	struct oracle *oracle;
	size_t at; /* the operation under way */
	unsigned opens;

	shale_db *db;
	shale_durability durability; /* of this open */
	shale_durability crashed;    /* of the one that crashed */
	shale_cf *cf[FAMILIES];
	shale_iter *iters[ITERATORS];
	shale_snapshot *snapshots[SNAPSHOTS];
	shale_value holds[HOLDS];
	shale_batch *batch; /* on this machine's heap, which no crash frees */
	shale_seq last_seq;
	unsigned pauses;                       /* of compaction */
	uint64_t puts, deletes, range_deletes; /* since the store was opened */

	/* What survives a power cut for sure, and the commits since. */
	struct content durable;
	struct changes history; /* of commits: [ends[i - 1], ends[i]) */
	size_t *ends, end_count, end_room;

	enum verb crash; /* KILL or POWER_CUT: how this life ended; else VERBS */
	bool failed;
	char failure[FAILURE_TEXT];
};

/* True if all went well; else what did not is in `failure` (FAILURE_TEXT bytes). */
bool run_script(const struct script *s, const char *settings, struct run_counts *counts,
		char *failure);

/* Ends the run. The text up to the first colon is the kind of failure. */
_Noreturn void run_fail(struct run *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define NEED(r, condition, ...)                                                                    \
	do {                                                                                       \
		if (!(condition))                                                                  \
			run_fail(r, __VA_ARGS__);                                                  \
	} while (0)

const char *family_name(size_t f);
void run_open(struct run *r);
void run_close(struct run *r);

/* The call that an operation is; its answer. */
void verb_call(struct run *r, const struct op *op, struct answer *out);

/* The oracle's last commit is acknowledged. */
void crash_acknowledged(struct run *r, bool durable);
/* All that was acknowledged survives a power cut. */
void crash_settle(struct run *r);
/* A family was dropped, which is durable: so is the end of all in it. */
void crash_dropped(struct run *r, size_t family);
/* The disk as the crash leaves it. */
void crash_disk(struct run *r);
/* After the first open since: one of the states that may be; then all that was acknowledged. */
void crash_recovered(struct run *r);

#endif
