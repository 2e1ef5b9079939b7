/*
 * The engine: how the parts make a database. Files in the order of a write's life:
 *
 *   open.c create.c recover.c replay.c orphans.c   from a directory to a handle
 *   commit.c publish.c  the ordered step, the log, the memtables, visibility
 *   seal.c log.c        full memtables and log segments are set aside
 *   reuse.c             what nobody can see any more makes room in the memtable
 *   flush.c merge*.c    background work: memtables to tables, tables to tables (merge.h)
 *   install.c           a result becomes the state: manifest, version, view
 *   background.c        which of it comes first
 *   stall.c pace.c      writers wait when background work falls behind; merges for writers
 *   space.c garbage.c   room on the disk; files that nothing refers to
 *   read.c iterate.c    gets and scans over a view
 *   snapshot.c holders.c family.c maintain.c resume.c figures.c   the rest of the interface
 *   history.c           what the background did, and who had to wait for it
 *   close.c             the end
 *
 * A view is what a reader pins: the memtables and the version of one family. It
 * never changes; a seal or an install puts a new one in its place and the old
 * one is freed when no reader is left (base/epoch.h).
 *
 * A reader takes the view first and the visible sequence after: all the view's
 * tables hold is then visible, and what a later memtable holds is later.
 *
 * Locks, in the order they are taken: log_mu, install_mu, commit_mu, mu. No I/O under
 * commit_mu or mu. Versions and the manifest change under install_mu, memtables under
 * commit_mu, lists and marks under mu.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/epoch.h"
#include "compact/job.h"
#include "compact/adapt.h"
#include "compact/pace.h"
#include "compact/scheduler.h"
#include "db/crew.h"
#include "db/history.h"
#include "env/page_pool.h"
#include "memtable/memtable.h"
#include "version/manifest.h"
#include "wal/wal.h"

enum {
	RING_SIZE = 1024,       /* commits between their ordered step and their publication */
	SEALED_MAX = 32,        /* sealed memtables of a family */
	PASSED_MANY = 10000,    /* dead entries, in vain for a scan */
	DELETED_MANY = 1 << 16, /* tombstones of a memtable that are looked at for what they hide */
	JOB_CANCELLED = -99,    /* a merge that was told to end */
	LOG_SEGMENT_MIN = 64 << 10,
	LOG_SEGMENT_MAX = 16 << 20,
	LARGE_BLOCKS_FROM = 32 << 20, /* a smaller budget is better off with a heap alone */
};

/* A memtable and its way to disk. Guarded by db->mu, but for what is said. */
struct mem {
	struct mem *newer; /* in the family's sealed list, oldest first */
	shale_cf *cf;
	struct memtable *table;
	_Atomic uint64_t log_first; /* segment of its first record, 0: none; set under commit_mu */
	uint64_t log_begin;         /* LSN of that record; guarded by commit_mu */
	uint64_t reads_before;      /* gets and seeks until it was made */
	uint64_t hits_before;       /* of these gets, those that memtables answered */
	/* Set when sealed. */
	uint64_t seal_ticket; /* all its commits have tickets below */
	uint64_t last_seq;    /* all its sequences are <= this */
	size_t bytes;
	bool used;             /* some commit was ordered into it; guarded by commit_mu */
	uint64_t deletes_next; /* with so many tombstones it is looked at; guarded by commit_mu */
	bool flushing;         /* a thread has taken it: until it is built, that thread's alone */
	bool built;            /* by now the installing thread's, which discards it */
	bool installed;
	struct job result; /* when built; of the thread whose it is, as is `history` */
	shale_reason why;  /* it was sealed */
	struct history_job history;
};

struct view {
	struct epoch_item retired;
	const shale_env *env;
	_Atomic uint32_t refs;
	struct memtable *active;
	size_t sealed_count;
	struct memtable *sealed[SEALED_MAX]; /* newest first */
	struct version *version;
};

/* Merges that failed for want of room (merge_room.c). */
struct misfits {
	uint64_t changes, snapshot;             /* of the stack; the oldest: when they were tried */
	bool sure;                              /* one that seemed to fit in */
	uint32_t hopes;                         /* so many that might have */
	uint32_t rounds;                        /* so often those were tried once more */
	uint64_t sure_again_ns, hopes_again_ns; /* when they are next */
};

/* Background work that failed and is tried again. Guarded by mu. */
struct failure {
	shale_status status; /* SHALE_OK: none */
	shale_error error;
	uint64_t retry_ns; /* not before */
	uint32_t tries;
	bool top; /* it was a merge of level 0 */
};

/* A column family; the public handle is a counted reference to it. */
struct shale_cf {
	shale_db *db;
	_Atomic uint32_t refs;
	uint32_t id;
	char name[SHALE_CF_NAME_MAX + 1];
	shale_cf_options options;     /* sanitised; changed under install_mu and mu */
	struct policy_options policy; /* changed under mu */
	struct adapt adapt;           /* guarded by mu */

	_Atomic(struct view *) view;   /* load with memory_order_seq_cst inside an epoch */
	_Atomic uint32_t delay;        /* back-pressure: ns for every KiB written */
	_Atomic uint64_t pace_ns;      /* the time up to which writes have been let through */
	_Atomic uint32_t delay_behind; /* what merges that are behind ask for */
	/* Values of shale_stall_cause: of delay, of delay_behind, of full memtables. */
	_Atomic uint32_t delay_cause, behind_cause, full_cause;
	_Atomic bool dropped;
	_Atomic(struct gaps *) gaps; /* NULL: none was found yet */

	/* Guarded by commit_mu. */
	struct mem *active;
	struct scout *scout; /* NULL: there was nothing for it to look at */

	/* Changed under install_mu and mu. */
	struct version *version;
	uint64_t flushed_seq;

	uint64_t replay_from; /* flushed_seq when recovery began; its thread's */

	/* Guarded by mu. */
	struct mem *oldest, *newest; /* sealed */
	size_t sealed_count;
	unsigned merging;          /* jobs that run */
	struct pick_claim *claims; /* of these */
	struct turn turn;
	uint64_t changes; /* of version, by this process */
	struct misfits misfits;
	struct failure failed;    /* of its merges */
	bool exclusive;           /* a compaction that was asked for keeps the others out */
	_Atomic uint32_t telling; /* who compact it and are told how far they are: they may write */
	uint64_t debt;            /* bytes that merges owe */
	uint32_t pressure;        /* how much writers are delayed for it, of PACE_PRESSURE_MAX */
};

/* A commit between its ordered step and its publication. */
struct ring_slot {
	_Alignas(64) _Atomic uint64_t done; /* ticket + 1 */
	uint64_t last_seq, log_end;         /* valid once done */
	bool failed;
};

struct garbage {
	uint64_t number, bytes;
};

struct live_log {
	uint64_t number, length, last_seq;
	bool sealed;
};

/* Back-pressure of one cause since open; relaxed. */
struct stall_count {
	_Atomic uint64_t delays, delay_ns, longest_delay_ns, stops, stop_ns, longest_stop_ns;
};

/* A snapshot or an iterator, as shale_holders() tells of it (holders.c). */
struct holder {
	struct holder *prev, *next;   /* of iterators */
	struct holder_stripe *stripe; /* NULL: in none */
	uint64_t since_ms, seq;
	shale_cf *cf; /* of iterators */
	const struct view *view;
	char owner[SHALE_OWNER_MAX + 1];
};

enum { HOLDER_STRIPES = 16 };

/* Iterators made by some of the threads. */
struct holder_stripe {
	_Alignas(64) struct mutex mu;
	struct holder ring;
	size_t count;
};

/* A moment of the past, of which it is asked whether anybody still sees it (reuse.c). */
struct lookback {
	uint64_t look_at; /* when next_seq has come to this */
	uint64_t seq;     /* visible then */
	uint64_t ticket;  /* commits below were under way */
	struct epoch_mark readers;
};

struct shale_snapshot {
	shale_db *db;
	uint64_t seq;
	struct holder holder; /* guarded by snapshots_mu */
	struct shale_snapshot *prev, *next;
};

struct shale_db {
	/* Set by open, then constant. */
	const shale_env *env;   /* of pages: the options' one, and a pool */
	struct page_pool pages; /* of all memory but the cache's */
	shale_options options;  /* sanitised */
	bool peek;              /* read-only, and the log is left alone */
	const uint32_t *alive;  /* reads zero in a child of fork() */
	struct store *store;
	struct cache *cache;
	struct codec_pool codecs;
	struct table_env table_env;
	struct scheduler *scheduler; /* flushes and merges; NULL when read-only */
	struct scheduler *keeper;    /* of the log: one thread; NULL when read-only */
	uint64_t synced_ns;          /* when that thread synced the log last, for the interval */
	struct {
		uint64_t published, since_ns;
		bool looked;
	} rest;         /* since then nothing was published, and was it seen to; of that thread */
	uint32_t epoch; /* of the store's owner */
	uint64_t store_id;
	uint64_t memtables_max;           /* bytes */
	_Atomic uint64_t memtables_share; /* bytes set aside for them now (memory.c) */
	_Atomic uint64_t memory_calm_ns;  /* since then they need less */
	_Atomic bool memory_busy;
	_Atomic bool memory_beyond; /* the cache has more than is left */
	_Atomic bool is_read;       /* was, while the memtable flushed last filled (flush.c) */
	uint64_t recovery_ns, orphans_removed;
	struct wal_report recovered;
	struct manifest_report recovered_manifest;

	struct stats stats;
	struct history history;
	struct stall_count stalls[SHALE_STALL_CAUSES];
	struct budget budget;
	struct epoch readers;

	_Atomic uint32_t next_counter; /* object numbers */
	_Atomic uint64_t next_run;
	_Atomic bool write_stopped; /* stop_error tells why; guarded by mu */
	/* What a new manifest may take: as the one there, or less, see install_shrink_manifest().
	   Relaxed: a figure. */
	_Atomic uint64_t manifest_bytes;
	_Atomic bool space_short; /* no room for writes but deletes (space.c) */
	_Atomic bool space_low;   /* not much: merges see to more */
	_Atomic bool space_ample; /* segments of the log may lie there for later */

	/* Visibility (publish.c). */
	_Alignas(64) _Atomic uint64_t visible;   /* newest published sequence */
	_Alignas(64) _Atomic uint64_t published; /* tickets below are published */
	_Atomic uint32_t publishing;             /* somebody advances it */
	_Atomic uint32_t publish_waiters, publish_event;
	_Atomic bool publish_broken;
	_Atomic uint64_t flush_ticket; /* a sealed memtable waits until this is published */
	struct ring_slot *ring;

	/* The ordered step. */
	_Alignas(64) struct mutex commit_mu;
	uint64_t next_seq, next_ticket;
	uint64_t since_look; /* bytes written since seal_for_memory() */
	struct lookback lookback;
	_Atomic uint64_t log_segment; /* active one; read anywhere */
	_Atomic(struct wal *) wal;

	struct mutex log_mu;   /* one log segment is prepared or noted at a time */
	struct wal **old_wals; /* that shale_resume() replaced; guarded by install_mu */
	size_t old_wal_count;

	struct mutex install_mu;
	struct manifest *manifest;
	_Atomic uint64_t last_edit; /* of the manifest; read anywhere */
	struct {
		uint64_t seen_edit, need; /* last_edit when it was looked at; bytes */
		uint64_t again_ns;        /* not before */
	} shrink;                         /* of the manifest: install_shrink_manifest() */
	_Atomic bool manifest_failed;     /* an append failed: write a new one first */
	struct garbage *doubted;          /* install_give_up() */
	size_t doubted_count, doubted_capacity;
	struct live_log *logs; /* what the manifest lists, oldest first */
	size_t log_count, log_capacity;
	uint32_t next_cf;

	struct mutex mu;
	struct cond changed; /* something was sealed, flushed, merged, failed */
	size_t family_count, family_capacity;
	shale_cf **families; /* by id; changed under commit_mu and mu */
	shale_error stop_error;
	struct failure failed; /* of flushes, and of looks for merges */
	unsigned flushing, merging;
	struct crew crew;
	bool compacting;               /* one shale_compact() at a time */
	_Atomic uint32_t pauses;       /* of merges; changed under mu */
	_Atomic uint64_t sealed_bytes; /* changed under mu */
	_Atomic uint64_t active_bytes; /* of all active memtables when last looked at, less what was
					  sealed since; changed under commit_mu */
	_Atomic uint64_t longest_stop_ns;
	_Atomic uint64_t level_read[SHALE_LEVELS_MAX], level_written[SHALE_LEVELS_MAX];

	struct mutex snapshots_mu;
	struct shale_snapshot snapshots; /* ring, oldest first */
	size_t snapshot_count;
	struct holder_stripe holders[HOLDER_STRIPES];

	/* Room (space.c). */
	/* As last seen: what the store's files may take until the disk is full, UINT64_MAX: not
	   known; the size of the disk; when. */
	_Atomic uint64_t disk_holds, disk_total, disk_asked_ns;
	_Atomic uint64_t table_most;    /* of the families' tables, as their policies are set */
	_Atomic uint64_t merging_bytes; /* that merges under way may write; changed under mu */
	_Atomic uint64_t space_refused;
	uint64_t space_sealed_ns;    /* when memtables were sealed for room last; under commit_mu */
	_Atomic bool space_unsealed; /* some wait to be, and may free room */
	/* Guarded by mu. */
	uint32_t space_tried; /* times nothing was found to merge that frees some */
	bool merge_blocked;   /* one is due that there is no room for */

	struct mutex garbage_mu; /* tables to delete (garbage.c) */
	struct garbage *garbage;
	size_t garbage_count, garbage_busy, garbage_capacity; /* busy: being deleted */
	uint64_t garbage_bytes;
	uint64_t delete_ns;    /* the time up to which deletes have been let through */
	uint64_t delete_least; /* bytes per second, by what has been waiting at most */
	_Atomic size_t garbage_pending;

	_Atomic uint32_t scouts_due; /* families with a stretch to follow (scout.h) */

	struct rate rate;              /* of merges */
	_Atomic uint64_t debt;         /* of all families; changed under mu */
	_Atomic uint32_t pressure;     /* the greatest of all families; changed under mu */
	_Atomic uint64_t pace_look_ns; /* when their limits are looked at again */
	struct mutex pace_mu;
	struct pace pace; /* guarded by pace_mu, but for `latency` */
	shale_cf *default_cf;
};

/* ---- entry ---- */

/*
 * Whether a handle came over fork(): locks may be held for ever by threads that did not. What is
 * to be given back stays as it is, a copy that goes with the process.
 */
static inline bool db_is_inherited(const shale_db *db)
{
	return *(const volatile uint32_t *)db->alive == 0;
}

/* Refuses such a handle. */
static inline shale_status db_enter(const shale_db *db)
{
	if (unlikely(db_is_inherited(db)))
		return err_new(SHALE_FORKED,
			       "this handle was inherited over fork(); open the store anew");
	return SHALE_OK;
}

/* Refuses a store that was opened read-only, too. */
shale_status db_writable(shale_db *db);

/* The environment they name, or this machine; nothing is read beyond the size they state. */
shale_status options_env(const shale_options *in, const shale_env **out);
/* Options with defaults filled in. SHALE_INVALID names the option and its range. */
shale_status options_sanitise(const shale_env *env, const shale_options *in, shale_options *out);
/* A struct of options for a caller, who states its size: no more is written. SHALE_INVALID. */
shale_status options_give(const char *name, const void *from, size_t size, void *out);
/* The last error, to a caller whose options have a place for it. */
void options_tell_error(const shale_options *o);
shale_status rate_sanitise(const shale_rate *in, shale_rate *out);
shale_status cf_options_sanitise(const shale_cf_options *in, shale_cf_options *out);
/* Not a null pointer; one to nothing at all becomes one to "", which may be added to. */
shale_status key_given(shale_slice *key);
/* The same, and not too large: what may be written and found. */
shale_status key_check(shale_slice *key);
shale_status value_check(shale_slice value);

uint64_t db_new_number(shale_db *db);

/* The end of a handle (close.c), also of one that was not opened all the way. */
void db_end_threads(shale_db *db);
/* Free everything; background work has ended. */
void db_release(shale_db *db);

/* How the budget is divided (memory.c). */
void memory_init(shale_db *db);
uint64_t memory_cache_most(const shale_db *db); /* the cache's largest share ever */
/* Give the cache what all else leaves of the budget. */
void memory_fit(shale_db *db);
/* Have memory_beyond set, and the background kicked, when others took so much that it must. */
void memory_watch(shale_db *db);
/* And pages be made ready, from when the threads run. */
void memory_ask(shale_db *db);
uint64_t memory_used(shale_db *db);              /* everything, bytes */
uint64_t memory_log_segment(const shale_db *db); /* bytes of one */
/* Whether the memtables need more than their share: kick the background. */
bool memory_is_short(const shale_db *db);
/* Shift between memtables and cache as need be; bounds *wait_ns. No lock held. */
void memory_balance(shale_db *db, uint64_t *wait_ns);
/* The same where it is due; for long work in the background, on its way. */
void memory_balance_some(shale_db *db);

/* Record why writes stop for good; the first reason stays. */
void db_stop_writes(shale_db *db);
/* The same when a log failed, unless shale_resume() has replaced it meanwhile. */
void db_log_failed(shale_db *db, const struct wal *wal);
/* A flush, or a look for merges, failed (err_last() tells why): report it, try again later. */
void db_soft_failure(shale_db *db, shale_status rc);

/* ---- families and views ---- */

shale_status family_new(shale_db *db, uint32_t id, const char *name, const shale_cf_options *o,
			shale_cf **out);
/* From its options; under mu, or while nobody else knows of it. */
void family_set_policy(shale_cf *cf);
shale_cf *family_ref(shale_cf *cf);
void family_unref(shale_cf *cf); /* NULL is allowed */
/* Add to db->families; under commit_mu and mu. Room must have been made. */
shale_status families_reserve(shale_db *db);
void families_add(shale_db *db, shale_cf *cf);
/* By id; under commit_mu or mu. NULL if there is none. */
shale_cf *families_find(shale_db *db, uint32_t id);
/* Refuses a family of another store; NULL is the default one. */
static inline shale_status family_check(const shale_db *db, const shale_cf *cf)
{
	if (unlikely(cf != NULL && cf->db != db))
		return err_new(SHALE_INVALID, "the column family belongs to another store");
	return SHALE_OK;
}

/* The family of an options struct's cf, which may be NULL. */
static inline shale_cf *family_of(shale_db *db, shale_cf *cf)
{
	return cf != NULL ? cf : db->default_cf;
}

/*
 * Views are allocated before what they show is decided, so that nothing can fail
 * between the manifest and memory. Fill from the family's state, under mu, and
 * put it in place; the old one is retired.
 */
struct view *view_alloc(shale_db *db);
void view_discard(struct view *v); /* one that was not filled; NULL is allowed */
void view_publish(shale_cf *cf, struct view *v);
struct view *view_ref(struct view *v);
void view_unref(struct view *v);

struct mem *mem_new(shale_cf *cf);
void mem_discard(struct mem *m); /* NULL is allowed */

/* ---- writes ---- */

/* One family a commit touches, and the memtable it gets in the ordered step. */
struct commit_target {
	shale_cf *cf;
	struct mem *mem;
};

enum { COMMIT_TARGETS_INLINE = 4 };

struct commit {
	shale_slice payload; /* operations, as in the log */
	uint32_t crc;        /* of the payload */
	uint32_t count;
	bool frees;          /* nothing but deletes: may use the reserve */
	uint64_t give_up_ns; /* it is not held back any longer then; UINT64_MAX: as it takes */
	size_t target_count;
	struct commit_target *targets;
	struct commit_target inline_targets[COMMIT_TARGETS_INLINE];
};

/* *seq_out, where not NULL, is the sequence of the commit's last operation. */
shale_status commit_run(shale_db *db, struct commit *c, shale_durability durability,
			shale_seq *seq_out);

/* Commit `ticket` is in the memtables (or failed); returns when all before it are, too. */
shale_status publish(shale_db *db, uint64_t ticket, uint64_t last_seq, uint64_t log_end,
		     bool failed);
/* Wait until all tickets below `ticket` are published; false if that will never be. */
bool publish_wait(shale_db *db, uint64_t ticket);
/* The same for all that were ordered by now: readers see them. */
bool publish_wait_ordered(shale_db *db);

/*
 * Set the family's memtable aside and give it a new one. Under commit_mu. Does
 * nothing when it is empty. SHALE_MORE: too much is sealed already; wait in
 * stall_stop() without the lock and try again. Only SHALE_FLUSH_FULL minds how much
 * memory that is.
 */
shale_status seal_family(shale_db *db, shale_cf *cf, shale_reason why);
/* Seal the families whose memtable keeps more log alive than its bound; `end` is where it ends. */
shale_status seal_for_log(shale_db *db, uint64_t end);
/*
 * Nobody writes for now: seal the memtables that keep a long log alive and hold much less, as most
 * of what is in it was overwritten. Tables of what is left are written, kept and read at the next
 * open in less time. No lock held.
 */
void seal_at_rest(shale_db *db);
/* Whether the log is long enough for that. Any. */
bool seal_may_be_due_at_rest(const shale_db *db);
/* A scan has passed PASSED_MANY: seal the family's memtable if it is mostly tombstones. No lock
   held. */
void seal_for_scans(shale_db *db, shale_cf *cf);
/* Seal the family's memtable if what it deletes is most of what tables have there. Under
   commit_mu. */
void seal_for_deletes(shale_db *db, shale_cf *cf);
/* Now and then, have the memtables of a commit use the memory of hidden versions. Under
   commit_mu, with a ticket, once the targets have their memtables. */
void reuse_look(shale_db *db, const struct commit *c);
/* Seal the largest memtables when many families together hold too much. Under commit_mu. */
void seal_for_memory(shale_db *db);

/* Whether a segment of the log should be made known or ready now. Any. */
bool log_wants_segment(const shale_db *db, struct wal *wal);
/* Make a segment ready that takes a payload of that size; 0: what is wanted. No lock held. */
shale_status log_prepare(shale_db *db, uint64_t payload);
/* The disk is full: delete the segments that lie there for later. No lock held. */
void log_give_room(shale_db *db);
/* A mapped log that nobody writes to for now: what the kernel would write of it for nothing is
   deleted, and segments that lay there for later are made anew. */
void log_rest(shale_db *db);
/* Tell the manifest of segments that were closed; true if there was one. */
bool log_seal_some(shale_db *db);
/* The same for all closed segments, whatever the durability; before a clean close. */
shale_status log_seal_all(shale_db *db);
/* Encode LOG_REMOVE for what no memtable needs but `done`; under install_mu. */
shale_status log_encode_removals(shale_db *db, const struct mem *done, struct buf *payload,
				 uint64_t *below);
/* Those removals are durable: forget the segments and recycle them. Under install_mu. */
void log_apply_removals(shale_db *db, uint64_t below);
shale_status wal_new(shale_db *db, uint64_t first_lsn, struct wal **out);
/* Room for one more in db->logs; under install_mu, as is the next. */
shale_status logs_reserve(shale_db *db);
/* Where a log is in that list; its length if it is not there. */
size_t logs_find(const shale_db *db, uint64_t number);

/* ---- back-pressure ---- */

/* Delay a commit in proportion to the debt. SHALE_STALLED: for longer than it may be. No lock
   held. */
shale_status stall_delay(shale_db *db, const struct commit *c);
/* The stack has changed: what merges that are behind ask for; under mu. */
void stall_update(shale_db *db, shale_cf *cf);
/* The same of all families together, when one has gone; under mu. */
void stall_sum(shale_db *db);
/* A flush has ended: nobody need wait for the memory of its memtable, of any family. Under mu. */
void stall_flushed(shale_db *db);
/* Set a family's delay by that and by how full the memtables are; under mu or commit_mu. */
void stall_look(shale_db *db, shale_cf *cf);
/* Wait until something was flushed; the background failure if that stands in the way, or
   SHALE_STALLED. With no commit for a flush, also while writes have stopped. */
shale_status stall_stop(shale_db *db, shale_cf *cf, const struct commit *c);
/* Whether the memtables of many families, some of them sealed, fill what all may take; under mu
   or commit_mu. */
bool stall_is_full_of_others(const shale_db *db);
/* Why a family may not seal another memtable now; 0: it may. Under mu. */
shale_stall_cause stall_full(const shale_db *db, const shale_cf *cf);
/* What it has come to, by cause. */
void stall_sums(const shale_db *db, shale_stats *out);

/* ---- space ---- */

/* Set space_short by what was last seen; under commit_mu or mu. */
void space_look(shale_db *db);
/* The same when some was written, and have the disk asked now and then; under commit_mu. */
void space_written(shale_db *db);
/* Where space_short is set: wait for room a little, or SHALE_NO_SPACE. No lock held. */
shale_status space_wait(shale_db *db, const struct commit *c);
/* Of a table, at most. */
uint64_t space_table_bytes(const shale_db *db);
/* Bytes that a merge may write now; under mu. */
uint64_t space_room(const shale_db *db);
/* Why a merge that is due cannot run; under mu. */
shale_status space_blocked(shale_db *db);
/* Ask the disk. */
void space_ask(shale_db *db);
/* See to room, from time to time; bounds *wait_ns. Background only. */
void space_poll(shale_db *db, uint64_t *wait_ns);
void space_figures(shale_db *db, shale_stats *s);
void garbage_figures(shale_db *db, shale_stats *s);

/* ---- background ---- */

bool background_step(void *db, unsigned worker, uint64_t *wait_ns);
bool background_log_step(void *db, unsigned worker, uint64_t *wait_ns);
/* All of background_step() but merges. True: something was done. */
bool background_tidy(shale_db *db, uint64_t *wait_ns);
/* Writes that a full disk stopped are let go on when there is room; true: they are. */
bool resume_some(shale_db *db, uint64_t *wait_ns);
/* One flush, if one is owed. */
bool flush_some(shale_db *db);
/* One may be owed now. Any thread, also with locks held. */
void flush_kick(shale_db *db);
/* Flush a sealed memtable whose commits are all published, in this thread; for recovery. */
shale_status flush_mem(shale_db *db, struct mem *m);
/* Merge the range of `o` down, in this thread; SHALE_MORE: it was told to end. */
shale_status merge_range(shale_db *db, shale_cf *cf, const shale_compact_options *o);
/* Whether a merge runs or is due; SHALE_NO_MEMORY: that cannot be told. Under mu. */
shale_status merge_is_owed(shale_db *db, bool *out);
/* Append all range tombstones of a version's tables that meet [lower, upper) (data NULL:
   open); tables beyond are not opened. Slices last as long as its metas. */
shale_status ranges_of_version(shale_db *db, const struct version *v, shale_slice lower,
			       shale_slice upper, struct rangedel **list, size_t *count,
			       size_t *capacity);
/* Live snapshots, ascending; the array is the caller's (mem_free). */
shale_status snapshots_list(shale_db *db, uint64_t **out, size_t *count);
/* The oldest live snapshot; UINT64_MAX: none. */
uint64_t snapshots_oldest(shale_db *db);
/* Let adaptive families see what was asked since the last look, now and then. No lock held. */
void adapt_some(shale_db *db, uint64_t *wait_ns);
/* Delete some that nothing refers to; false: nothing now. wait_ns NULL: whatever the pace. */
bool garbage_some(shale_db *db, uint64_t *wait_ns);
/* table_meta.collect */
void garbage_add(void *arg, uint64_t number, uint64_t bytes);

/* ---- the pace of merges ---- */

void pace_open(shale_db *db);
/* Set the limiter to what is right now, if it is time to look again. No lock held. */
void pace_some(shale_db *db);
/* Now, and tell it. No lock held. */
void pace_figures(shale_db *db, shale_stats *s);
static inline bool merges_are_paused(const shale_db *db)
{
	return atomic_load_explicit(&db->pauses, memory_order_relaxed) != 0;
}

/* ---- install ---- */

/* A change of one family's tables. */
struct install {
	shale_cf *cf;
	/* Tables that go, as of the version they were picked from. */
	const struct version *base;
	const struct pick *pick;
	/* Tables that come: outputs of a job, or the picked ones where pick->move; NULL: none. */
	const struct job *job;
	uint32_t level;
	uint64_t run;
	/* The memtable that these tables hold; NULL for a merge. */
	struct mem *flushed;
	/* What is noted of the work, with its counts; ended on success. */
	struct history_job *history;
};

/* Under install_mu. Durable and in effect on success; on failure nothing changed. */
shale_status install_run(shale_db *db, const struct install *in);
/*
 * The outputs of a job that were not installed go, at once or, where the end of a manifest that
 * failed may name them, when there is a new one. Ends the job. Takes install_mu.
 */
void install_give_up(shale_db *db, struct job *job);
/* Append an edit to the manifest, or write a new manifest when it has grown. Under install_mu. */
shale_status install_edit(shale_db *db, struct buf *payload);
/*
 * The same; where it fails, a new manifest without the edit is written at once, as the bytes of
 * a failed append may be on the disk all the same. *undone false: that failed too, and the edit
 * may hold after a power cut.
 */
shale_status install_edit_or_undo(shale_db *db, struct buf *payload, bool *undone);
/* After a failed append: a new manifest, so that what is made next can be noted. No lock held. */
shale_status install_heal(shale_db *db);
/* A new manifest with all that is known. Under install_mu. */
shale_status install_new_manifest(shale_db *db);
/*
 * Where room is short: look what a new manifest would take, so that no more is promised to
 * it, and write one if much of the old tells of what is gone and `room` bytes are enough.
 * Takes install_mu.
 */
void install_shrink_manifest(shale_db *db, uint64_t room);
/* The same at a clean end; nothing is installed after it. Holds install_mu. */
shale_status install_last_manifest(shale_db *db);

/* ---- recovery ---- */

/* Read the state from the store into db. */
shale_status recover(shale_db *db);

/* ---- what callers hold ---- */

void holders_init(shale_db *db);
/* Longer names are cut. NULL: none. */
void holder_name(struct holder *h, const char *owner);
/* An iterator, whose seq, cf and view are set; they stay until it is removed. */
void holder_add(shale_db *db, struct holder *h, const char *owner, uint64_t now_ms);
void holder_remove(struct holder *h); /* one that was not added is allowed */
size_t holders_iterators(shale_db *db);
/* SHALE_INVALID, with the oldest's owner, if a snapshot or iterator is open. */
shale_status holders_check_none(shale_db *db);

/* ---- reads ---- */

enum { PIN_NONE, PIN_MEMTABLE, PIN_CACHE };

/* Checks of every read. */
shale_status read_enter(shale_db *db, const shale_read_options *o);

/* How tables are read for these options; NULL: as by default. */
static inline struct table_read read_how(const shale_read_options *o)
{
	return (struct table_read){ .no_fill_cache = o != NULL && o->no_fill_cache,
				    .verify = o != NULL && o->verify };
}

/* Snapshot sequence of a read: the options', or what is visible now (after the view). */
static inline uint64_t read_seq(shale_db *db, const shale_read_options *o)
{
	if (o != NULL && o->snapshot != NULL)
		return o->snapshot->seq;
	return atomic_load(&db->visible); /* see epoch_mark() */
}

#endif
