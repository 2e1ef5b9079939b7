/*
 * A compaction policy: a pure function from the shape of the stack to the next
 * job. It does no I/O and takes no lock; the caller holds what guards the busy
 * marks of the tables. The read path knows nothing of policies, so a policy can
 * be changed on a live database.
 *
 * A pick's inputs are tables of runs that stand next to each other in the stack,
 * closed under overlap: what stays above is newer, what stays below older than
 * anything in the pick for every key, so the output can take the place of the
 * lowest run picked.
 *
 * Thread: any; pure.
 */
#ifndef COMPACT_POLICY_H
#define COMPACT_POLICY_H

#include "version/version.h"

struct policy_options {
	shale_policy policy;
	uint32_t size_ratio, top_runs;
	uint64_t base_bytes, table_bytes;
};

enum pick_reason { PICK_TOP_RUNS = 1, PICK_LEVEL_SIZE, PICK_MANUAL };
const char *pick_reason_name(enum pick_reason reason);

/* Tables [first, first + count) of the run at stack position `run`. */
struct pick_input {
	size_t run, first, count;
};

struct pick {
	enum pick_reason reason;
	double score; /* >= 1: owed; the larger the more urgent */
	size_t input_count;
	struct pick_input *inputs; /* newest first; as many as runs at most */
	uint32_t output_level;
	uint64_t output_run; /* id; of an existing run of that level, or `next_run` */
	bool move;           /* nothing overlaps: the tables go down as they are */
};

/*
 * Options with every default filled in: what the family was given, and the size
 * of a memtable.
 */
struct policy_options policy_options_of(const shale_compaction *c, uint64_t memtable_bytes);

/*
 * The most urgent job that no busy table stands in the way of. False when none is
 * owed, or all that are wait. `inputs` has room for v->run_count. next_run is the
 * id to use for a run that does not exist yet.
 */
bool policy_pick(const struct policy_options *o, const struct version *v, uint64_t next_run,
		 struct pick_input *inputs, struct pick *out);

/* All tables of all runs that meet [lo, hi), closed under overlap, to the deepest level that
   has any. False when there is nothing to do. Busy tables are not looked at. */
bool policy_pick_range(const struct policy_options *o, const struct version *v, shale_slice lo,
		       shale_slice hi, uint64_t next_run, struct pick_input *inputs,
		       struct pick *out);

/* Bytes that merges owe before no job is due; 0 when settled. */
uint64_t policy_debt(const struct policy_options *o, const struct version *v);

/* Whether a level is one of the two deepest that data lives in (they are compressed). */
bool policy_level_is_deep(const struct policy_options *o, uint32_t level);

/* ---- leveled (policy_leveled.c) ---- */

enum { LEVEL_LAST = SHALE_LEVELS_MAX - 1 };

/* Target size of each level; level 0 takes flushes and has none. The first level that takes
   merges from the top is returned. */
uint32_t leveled_targets(const struct policy_options *o, const struct version *v,
			 uint64_t target[SHALE_LEVELS_MAX]);
bool leveled_pick(const struct policy_options *o, const struct version *v, uint64_t next_run,
		  struct pick_input *inputs, struct pick *out);
uint64_t leveled_debt(const struct policy_options *o, const struct version *v);

/* ---- helpers for policies (policy.c) ---- */

/* The tables of run i that meet the key range of the inputs so far; false if some is busy. */
bool pick_add_overlap(const struct version *v, size_t i, shale_slice lo, shale_slice hi,
		      bool hi_excluded, struct pick_input *out);
/* Whether all tables of the inputs have disjoint key ranges. */
bool pick_is_disjoint(const struct version *v, const struct pick *p);
/* Whether nothing at `level` or beneath overlaps a table that lies above. */
bool pick_is_bottom(const struct version *v, size_t run, size_t table, uint32_t level);
bool pick_is_busy(const struct version *v, const struct pick_input *in);
/* Smallest and largest key of a stretch of tables. */
void pick_bounds(const struct version *v, const struct pick_input *in, shale_slice *lo,
		 shale_slice *hi, bool *hi_excluded);

#endif
