/*
 * A compaction policy: a pure function from the shape of the stack to the next
 * job. It does no I/O and takes no lock; the caller holds what guards the busy
 * marks of the tables. The read path knows nothing of policies, so a policy can
 * be changed on a live database: each one takes any stack as it finds it.
 *
 * A pick's inputs are tables of runs that stand next to each other in the stack,
 * closed under overlap: what stays above is newer, what stays below older than
 * anything in the pick for every key, so the output can take the place of the
 * lowest run picked, or any place beneath that nothing of its key range lies above.
 *
 *   policy_leveled.c   one run a level, sizes from the last level upwards
 *   policy_tiered.c    up to max_runs a level; hybrid: one in the last
 *   policy_window.c    by time of writing
 *   policy_fifo.c      never merged, the oldest dropped
 *   policy_adaptive.c  which of the first two, by what is asked of the store
 *   policy_reclaim.c   for all of them: what has expired or was deleted
 *   policy_fit.c       for all of them: what fits when there is little room
 *   policy_sweep.c     cuts runs into stretches of keys that no table crosses
 *
 * Which family's job is next is another matter: compact/turn.h.
 *
 * Thread: any; pure.
 */
#ifndef COMPACT_POLICY_H
#define COMPACT_POLICY_H

#include "version/version.h"

struct policy_options {
	shale_policy policy; /* as asked */
	shale_policy acting; /* what picks: the same, or what SHALE_ADAPTIVE has chosen */
	uint32_t size_ratio, top_runs, max_runs;
	uint32_t space_amp_max; /* per cent; 0: no matter */
	uint64_t base_bytes, table_bytes, window_ms, max_bytes, delete_within_ms;
};

/*
 * What a job that runs puts into a run: its outputs may lie anywhere between its smallest
 * and its largest key, in gaps between its inputs as well. So nothing else goes there.
 */
struct pick_claim {
	uint64_t run; /* id */
	shale_slice lo, hi;
	bool hi_excluded;
	struct pick_claim *next;
};

/* What a pick needs beside the stack. */
struct policy_now {
	uint64_t wall_ms;
	uint64_t oldest_snapshot;        /* sequence; UINT64_MAX: none */
	uint64_t next_run;               /* id for a run that does not exist yet */
	const struct pick_claim *claims; /* of the jobs that run on the stack */
	bool top_alone; /* what has expired, and else only what makes level 0 less, however dear */
};

enum pick_reason {
	PICK_TOP_RUNS = 1,
	PICK_LEVEL_SIZE,
	PICK_MANUAL,
	PICK_LEVEL_RUNS, /* more runs in a level than the policy wants */
	PICK_WINDOW,     /* a window of time is over */
	PICK_EXPIRED,    /* whole tables, or much of them, have expired */
	PICK_OLDEST,     /* over max_bytes */
	PICK_DELETED,    /* many tombstones that hide nothing any more */
	PICK_LATE,       /* tombstones that are about to be older than delete_within_ms */
	PICK_SPACE,      /* there is little room, and this fits in */
	PICK_REASONS,
};
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
	bool drop;           /* the tables go, and nothing comes */
	/* A deadline: it came due at the first, and must be done by the second; 0: none. */
	uint64_t since_ms, until_ms;
	const struct run *cut; /* not NULL: outputs end wherever a table of this run begins */
};

/*
 * Options with every default filled in: what the family was given, and the size
 * of a memtable.
 */
struct policy_options policy_options_of(const shale_compaction *c, uint64_t memtable_bytes);

/*
 * The most urgent job that no busy table and no claim stands in the way of. False when
 * none is owed, or all that are wait. `inputs` has room for v->run_count.
 */
bool policy_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out);

/* The claim of a pick while it runs; the keys are the version's. */
struct pick_claim policy_claim(const struct version *v, const struct pick *p);

/* All tables of all runs that meet [lo, hi), closed under overlap, to the deepest level that
   has any. False when there is nothing to do. Busy tables are not looked at. */
bool policy_pick_range(const struct policy_options *o, const struct version *v, shale_slice lo,
		       shale_slice hi, const struct policy_now *now, struct pick_input *inputs,
		       struct pick *out);

/* What the result of a pick takes at most. */
uint64_t pick_bytes(const struct version *v, const struct pick *p);

/*
 * A merge, owed or not, of which a share of `least` may be dead at best, and whose result
 * fits into `room` bytes. Of this and the next ones the caller asks pick_is_free(), unless
 * no job runs.
 */
bool policy_pick_fitting(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out);
/* The same, but it may turn out not to fit in; the one of which most may be dead. */
bool policy_pick_hopeful(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out);
/* The nth of all of these, from 0; false: there are not so many. */
bool policy_pick_hopeful_nth(const struct policy_options *o, const struct version *v,
			     const struct policy_now *now, uint64_t room, uint32_t nth,
			     struct pick_input *inputs, struct pick *out);

/*
 * Where no merge fits: a table to write anew in pieces, so that stretches of keys that no
 * table crosses become short, and merges of these fit.
 */
bool policy_pick_cut(const struct policy_options *o, const struct version *v, uint64_t room,
		     struct pick_input *inputs, struct pick *out);

/* Bytes that merges owe before no job is due; 0 when settled. */
uint64_t policy_debt(const struct policy_options *o, const struct version *v);

/* How many runs in the top level start a merge, as things are; UINT32_MAX: none do. */
uint32_t policy_top_runs(const struct policy_options *o, const struct version *v);
/* Whether there are twice as many: they are merged before all else, as writers are held up next. */
bool policy_top_is_urgent(const struct policy_options *o, const struct version *v);

/* When, by the wall clock, a pick may come due though nothing was written; UINT64_MAX: never. */
uint64_t policy_wake_ms(const struct policy_options *o, const struct version *v, uint64_t wall_ms);

/* Whether a level holds the bulk of the data (such are compressed). */
bool policy_level_is_deep(const struct policy_options *o, uint32_t level);

/* What the output of a pick is said to be created: see policy_reclaim.c. */
uint64_t policy_created_ms(const struct policy_options *o, const struct version *v,
			   const struct pick *p, uint64_t wall_ms);

/* ---- guards (policy_sweep.c) ---- */

/*
 * Keys at which the outputs of merges end, whatever their level, so that a stretch
 * of keys can be merged alone: some of the smallest keys of the tables of the
 * largest run, picked by their hash, about GUARDS of them. Next index at or behind
 * `at` of a table of `r` that begins with a guard; r->count when there is none.
 */
const struct run *guard_run(const struct policy_options *o, const struct version *v);
size_t guard_next(const struct run *r, size_t at);
/*
 * How large the tables of a merge's output should become: table_bytes, but smaller where
 * they will be the first that there are beneath level 0, since these will be the guards.
 */
uint64_t guard_table_bytes(const struct policy_options *o, const struct version *v,
			   const struct pick *p);

/* ---- leveled (policy_leveled.c) ---- */

enum { LEVEL_LAST = SHALE_LEVELS_MAX - 1 };

/* Target size of each level; level 0 takes flushes and has none. The first level that takes
   merges from the top is returned. */
uint32_t leveled_targets(const struct policy_options *o, const struct version *v,
			 uint64_t target[SHALE_LEVELS_MAX]);
bool leveled_pick(const struct policy_options *o, const struct version *v,
		  const struct policy_now *now, struct pick_input *inputs, struct pick *out);
/* The merge of level 0 alone, where policy_top_is_urgent(); so are the other ..._pick_top(). */
bool leveled_pick_top(const struct policy_options *o, const struct version *v,
		      const struct policy_now *now, struct pick_input *inputs, struct pick *out);
/* The same for the sake of old tombstones, however few runs there are; so is tiered's. */
bool leveled_pick_top_late(const struct policy_options *o, const struct version *v,
			   const struct policy_now *now, struct pick_input *inputs,
			   struct pick *out);
uint64_t leveled_debt(const struct policy_options *o, const struct version *v);

/* ---- the others ---- */

bool tiered_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out);
bool tiered_pick_top(const struct policy_options *o, const struct version *v,
		     const struct policy_now *now, struct pick_input *inputs, struct pick *out);
bool tiered_pick_top_late(const struct policy_options *o, const struct version *v,
			  const struct policy_now *now, struct pick_input *inputs,
			  struct pick *out);
uint64_t tiered_debt(const struct policy_options *o, const struct version *v);
uint32_t tiered_top_runs(const struct policy_options *o, const struct version *v);
bool window_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out);
bool window_pick_top(const struct policy_options *o, const struct version *v,
		     const struct policy_now *now, struct pick_input *inputs, struct pick *out);
bool fifo_pick(const struct policy_options *o, const struct version *v, struct pick_input *inputs,
	       struct pick *out);

/* Whether a table has tombstones, and no snapshot is older than any of it. */
bool reclaim_is_outlived(const struct table_props *p, uint64_t oldest_snapshot);
/* Whether no older run meets a table of the run. */
bool reclaim_is_bottom(const struct version *v, size_t run, const struct table_props *p);
/* Whole tables that have expired: dropped without being read. */
bool reclaim_pick_expired(const struct version *v, const struct policy_now *now,
			  struct pick_input *inputs, struct pick *out);
/* Tombstones that are about to be older than delete_within_ms, the oldest first. */
bool reclaim_pick_late(const struct policy_options *o, const struct version *v,
		       const struct policy_now *now, struct pick_input *inputs, struct pick *out);
/* A table at the bottom of which much is dead, or one of tombstones and what they may hide. */
bool reclaim_pick_dense(const struct policy_options *o, const struct version *v,
			const struct policy_now *now, struct pick_input *inputs, struct pick *out);
/*
 * Whether so many tombstones over [lo, hi] would be merged with what tables have there, if
 * they were in one. False while some of it is busy, or there is nothing.
 */
bool reclaim_is_awaited(const struct policy_options *o, const struct version *v, shale_slice lo,
			shale_slice hi, uint64_t tombstones, struct pick_input *inputs);

/* ---- helpers for policies (policy.c) ---- */

/* Position in the stack of the first run at or beneath a level; run_count if none is. */
size_t level_first(const struct version *v, uint32_t level);
/* The tables of run i that meet [lo, hi]; false if some is busy. */
bool pick_add_overlap(const struct version *v, size_t i, shale_slice lo, shale_slice hi,
		      bool hi_excluded, struct pick_input *out);
/* Add all of level 0, or its runs from `first` on; false if some of it is busy or there is none. */
bool pick_add_top(const struct version *v, size_t first, struct pick *p);
/* Whether all tables of the inputs have disjoint key ranges. */
bool pick_is_disjoint(const struct version *v, const struct pick *p);
/* Whether nothing at `level` or beneath overlaps a table that lies above. */
bool pick_is_bottom(const struct version *v, size_t run, size_t table, uint32_t level);
bool pick_is_busy(const struct version *v, const struct pick_input *in);
/* Whether no claim is in the way of what the pick puts where it goes. */
bool pick_is_free(const struct version *v, const struct policy_now *now, const struct pick *p);
/* Smallest and largest key of a stretch of tables. */
void pick_bounds(const struct version *v, const struct pick_input *in, shale_slice *lo,
		 shale_slice *hi, bool *hi_excluded);
/* The same of all inputs of a pick, which has some. */
void pick_span(const struct version *v, const struct pick *p, shale_slice *lo, shale_slice *hi,
	       bool *hi_excluded);
/*
 * Whether the pick's tables, of which none overlaps another, should go down as they
 * are. Not those with many tombstones when nothing is left beneath for these to
 * hide: nothing would ever overlap them there, and they would stay for good.
 */
bool pick_is_worth_moving(const struct version *v, const struct pick *p);
/*
 * The output goes on top of a level that may have several runs: into the newest
 * if nothing there meets the pick, else into a new one.
 */
void pick_put_on_top(const struct version *v, uint32_t level, const struct policy_now *now,
		     struct pick *p);
/* A stretch of runs [first, end) merged, or moved, into the oldest of them. */
bool pick_collapse(const struct version *v, size_t first, size_t end, struct pick *p);
/* All that lies beneath [lo, hi] of run `from`, closed under overlap: down to the bottom. */
bool pick_column(const struct version *v, size_t from, shale_slice lo, shale_slice hi,
		 bool hi_excluded, struct pick *p);

/* ---- stretches (policy_sweep.c) ---- */

/*
 * Runs [first, end) of the stack in stretches of keys that no table crosses, from
 * the smallest key on. at[i] are the tables of run first + i in this stretch.
 */
struct sweep {
	const struct version *v;
	size_t first, end;
	struct pick_input *at;
	/* Of the stretch. */
	size_t runs;
	uint64_t bytes;
	bool busy;
};

void sweep_begin(struct sweep *s, const struct version *v, size_t first, size_t end,
		 struct pick_input *at);
bool sweep_next(struct sweep *s);
/* The stretch as the inputs of a pick, without empty ones; s->at is p->inputs. */
void sweep_take(const struct sweep *s, struct pick *p);
/*
 * The stretch of greatest worth; false if none is worth more than 0. Its inputs, without
 * empty ones, are in p->inputs.
 */
bool sweep_best(const struct version *v, size_t first, size_t end,
		double (*worth)(const struct sweep *s, const void *arg), const void *arg,
		struct pick *p);

#endif
