/*
 * What a store tells of itself: how it looks for a key, who keeps old data alive, the jobs
 * of its background, writers that had to wait, figures, tables. Nothing here changes it.
 */
#ifndef SHALE_OBSERVE_H
#define SHALE_OBSERVE_H

#include <shale/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a get, explained ---------------------------------------------------- */

/* How one place was asked for a key, see shale_explain(). */
enum shale_explain_filter { SHALE_FILTER_NOT_ASKED, SHALE_FILTER_NO, SHALE_FILTER_MAYBE };
enum shale_explain_block { SHALE_BLOCK_NOT_READ, SHALE_BLOCK_CACHED, SHALE_BLOCK_FROM_FILE };
enum shale_explain_outcome {
	SHALE_KEY_NOT_HERE,
	SHALE_KEY_FOUND,
	SHALE_KEY_DELETED, /* a tombstone of the key, or one of a range that covers it */
	SHALE_KEY_EXPIRED,
};

typedef struct shale_explain_step {
	bool memtable; /* else a run of tables */
	uint32_t level;
	uint64_t run;
	char object[40]; /* file name of the run's one table for the key; "": it has none */
	enum shale_explain_filter filter; /* of the memtable or the table */
	enum shale_explain_block block;
	uint64_t block_offset;
	uint32_t block_bytes; /* as stored */
	enum shale_explain_outcome outcome;
	shale_seq seq; /* of the version or tombstone that decided; 0: none did */
	uint64_t ns;   /* that all of it took */
} shale_explain_step;

/*
 * A get that tells its way: `each` is called for every memtable and run that is
 * considered, newest first, up to the one that decides. Returns what shale_get()
 * would: OK, SHALE_NOT_FOUND, or a failure, whose step is not told. Blocks that
 * are read go into the cache, as by a get. `each` must not call the store.
 */
SHALE_API shale_status shale_explain(shale_db *db, const shale_read_options *o, shale_slice key,
				     void (*each)(void *arg, const shale_explain_step *step),
				     void *arg);

/* ---- who keeps old data alive -------------------------------------------- */

enum shale_holder_kind { SHALE_HOLDER_SNAPSHOT, SHALE_HOLDER_ITERATOR };

typedef struct shale_holder {
	enum shale_holder_kind kind;
	const char *owner; /* "" if none was named; lasts for the call */
	uint64_t age_ms;
	shale_seq seq;
	/*
	 * What an iterator keeps that is no part of the store's state any more: memtables
	 * that were flushed, tables that were merged. Several may keep the same. Of a
	 * snapshot 0: which versions merges keep for it alone is not known.
	 */
	uint64_t memory_bytes, file_bytes;
} shale_holder;

/*
 * All open snapshots, oldest first, then all open iterators; stops when `each` returns
 * false. `each` must not call the store.
 */
SHALE_API shale_status shale_holders(shale_db *db, bool (*each)(void *arg, const shale_holder *h),
				     void *arg);

/* ---- what the background does --------------------------------------------- */

typedef enum shale_job_kind {
	SHALE_JOB_FLUSH = 1, /* a memtable became tables */
	SHALE_JOB_MERGE = 2, /* tables became other tables */
	SHALE_JOB_MOVE =
		3, /* tables went to another level as they are; nothing is read or written */
	SHALE_JOB_DROP = 4, /* tables went, unread; their entries count as expired */
} shale_job_kind;

typedef enum shale_job_state {
	SHALE_JOB_RUNNING = 0,
	SHALE_JOB_DONE = 1,
	/* shale_compact() was ended, the store closed, the family dropped; or a merge that was to
	   free room did not fit in */
	SHALE_JOB_CANCELLED = 2,
	SHALE_JOB_FAILED = 3, /* nothing changed; see status and text */
} shale_job_state;

/* Why a job was run. These numbers are kept in the store; a newer program may have more. */
typedef enum shale_reason {
	SHALE_REASON_OTHER = 0,
	SHALE_FLUSH_FULL = 1,        /* the memtable was full */
	SHALE_FLUSH_LOG = 2,         /* it kept more log alive than log_bytes_max */
	SHALE_FLUSH_MEMORY = 3,      /* all families' memtables together were too large */
	SHALE_FLUSH_ASKED = 4,       /* shale_flush(), shale_compact(), shale_resume() */
	SHALE_FLUSH_OPEN = 5,        /* it was recovered from the log */
	SHALE_FLUSH_CLOSE = 6,       /* the store was closed */
	SHALE_MERGE_TOP_RUNS = 7,    /* level 0 had top_runs runs, or twice as many: see there */
	SHALE_MERGE_LEVEL_SIZE = 8,  /* a level was too large for the one beneath */
	SHALE_MERGE_LEVEL_RUNS = 9,  /* a level had more runs than max_runs */
	SHALE_MERGE_ASKED = 10,      /* shale_compact() */
	SHALE_MERGE_WINDOW = 11,     /* a window of time was over */
	SHALE_MERGE_EXPIRED = 12,    /* whole tables had expired */
	SHALE_MERGE_MAX_BYTES = 13,  /* FIFO: all tables were over max_bytes */
	SHALE_MERGE_TOMBSTONES = 14, /* much of a table was tombstones, or had expired */
	SHALE_MERGE_DEADLINE = 15,   /* delete_within_ms of some tombstones was coming up */
	SHALE_MERGE_SPACE = 16,      /* there was little room, and it may free some */
	SHALE_FLUSH_SPACE = 17,      /* there was no room: what is flushed needs no log */
	SHALE_FLUSH_DELETES = 18,    /* half of the memtable were tombstones, and a scan passed
					many dead entries or little lay beneath but those */
	SHALE_REASONS
} shale_reason;
#define SHALE_REASONS_MAX 32u /* room in shale_stats for those to come */

/* A few words, such as "level size"; never NULL. */
SHALE_API const char *shale_reason_name(shale_reason reason);

typedef struct shale_job {
	uint64_t id;    /* rises from job to job, also over closing and opening */
	const char *cf; /* the family's name; "": it is gone. Lasts for the call */
	uint32_t cf_id;
	shale_job_kind kind;
	shale_reason reason;
	shale_job_state state;
	uint32_t levels_in; /* bit l: tables of level l went in */
	uint32_t level_out;
	uint64_t start_ms; /* by the wall clock */
	uint64_t ns;       /* that it took, or has taken so far */
	/* What went in and what came of it. While it runs, bytes_done of bytes_in are read (an
	   estimate, by entries) and bytes_out written. The bytes of a memtable are in memory. */
	uint64_t tables_in, tables_out, bytes_in, bytes_done, bytes_out;
	/* Of one that is done: entries_in = entries_kept + all that were dropped. */
	uint64_t entries_in, entries_kept, dropped_shadowed, dropped_tombstones, dropped_expired,
		dropped_range;
	shale_status status; /* OK, or why it failed */
	const char *text;    /* of the last few that failed: the sentence; else "" */
} shale_job;

/*
 * The last 256 flushes, merges, moves and drops, by when they ended, then those that
 * run now. Stops when `each` returns false. Those that are done are kept in the
 * store and outlive it being closed; those that failed or were cancelled are not.
 */
SHALE_API shale_status shale_compactions(shale_db *db, bool (*each)(void *arg, const shale_job *j),
					 void *arg);

/* What held writers back. */
typedef enum shale_stall_cause {
	SHALE_STALL_MEMTABLES = 1, /* flushes behind: the family's sealed memtables */
	SHALE_STALL_FAMILIES = 2,  /* flushes behind: the sealed memtables of all families */
	SHALE_STALL_TOP_RUNS = 3,  /* merges behind: runs in level 0 */
	SHALE_STALL_DEBT = 4,      /* merges behind: bytes they owe; delays, never stops */
	SHALE_STALL_CAUSES
} shale_stall_cause;
#define SHALE_STALLS_MAX 12u /* room in shale_stats for those to come */

SHALE_API const char *shale_stall_cause_name(shale_stall_cause cause);

/* A write, or a flush that was asked for, that had to wait until a flush or merge ended. */
typedef struct shale_stall {
	uint64_t id;    /* rising, from 1 at each open */
	const char *cf; /* whose; "": it is gone. Lasts for the call */
	uint32_t cf_id;
	shale_stall_cause cause; /* as it began */
	bool waiting;            /* it still does */
	uint64_t start_ms, ns;
	shale_status status; /* OK, or the background's failure that ended it */
} shale_stall;

/* The last 64 stops since open, oldest first. Stops when `each` returns false. */
SHALE_API shale_status shale_stalls(shale_db *db, bool (*each)(void *arg, const shale_stall *s),
				    void *arg);

/* ---- figures ------------------------------------------------------------ */

typedef struct shale_level_stats {
	uint64_t runs, tables, bytes, entries, tombstones;
	uint64_t read_bytes, written_bytes; /* by merges into this level */
} shale_level_stats;

/* What jobs of a kind did since open. Jobs that move tables do no more than count. */
typedef struct shale_work_stats {
	uint64_t jobs, failed;              /* that are done; that failed or were cancelled */
	uint64_t read_bytes, written_bytes; /* of tables */
	uint64_t entries_in, entries_kept, dropped_shadowed, dropped_tombstones, dropped_expired,
		dropped_range;
} shale_work_stats;

typedef struct shale_stall_stats {
	uint64_t delays, delay_ns, longest_delay_ns, stops, stop_ns, longest_stop_ns;
} shale_stall_stats;

typedef struct shale_stats {
	size_t struct_size;
	/* What was asked, since open. */
	uint64_t puts, deletes, range_deletes, commits, user_bytes;
	uint64_t gets, gets_found, iterators, seeks, nexts;
	uint64_t gap_skips; /* of iterators: over many deleted keys at once */
	uint64_t
		gap_scouted; /* dead entries that a background thread passed so that no scan has to */
	/* Reads: where they were answered. */
	uint64_t memtable_hits, filter_probes, filter_negatives, filter_false_positives;
	uint64_t cache_hits, cache_misses, block_reads, block_read_bytes;
	/* Log. */
	uint64_t log_bytes, log_syncs, log_segments, log_recycled;
	/* Background work. */
	uint64_t flushes, flush_bytes, compactions, compaction_read_bytes, compaction_written_bytes,
		trivial_moves;
	uint64_t entries_in, entries_kept, dropped_shadowed, dropped_tombstones, dropped_expired,
		dropped_range;
	uint64_t files_deleted;
	/* Back-pressure. */
	uint64_t delayed_writes, delay_ns, stops, stop_ns, longest_stop_ns;
	/* Commits that waited for others: for the ordered step; to become visible. */
	uint64_t order_waits, publish_waits;
	/* State. */
	uint64_t memtables, sealed_memtables, snapshots, oldest_snapshot, last_seq;
	uint64_t compaction_debt_bytes;
	shale_level_stats level[SHALE_LEVELS_MAX]; /* all families together */
	/* Memory, bytes; the parts add up to memory_used. */
	uint64_t memory_budget, memory_used, memory_memtables, memory_cache, memory_tables,
		memory_log, memory_other;
	/* The last open. */
	uint64_t recovery_ns, recovered_records, recovered_bytes, discarded_tail_bytes,
		discarded_tail_offset, orphans_removed;
	/* Limits of merges: what was let through and waited for since open; in force now. */
	uint64_t rate_bytes, rate_ops, rate_wait_ns;
	uint64_t rate_bytes_per_s, rate_ops_per_s; /* 0: none */
	uint64_t foreground_p99_ns;                /* as last observed; 0: not, see target_p99_us */
	uint64_t compaction_pauses;                /* not resumed */
	/* Flushes and merges, by why they ran and by the level they wrote to; each adds up to the
	   figures of background work above. */
	shale_work_stats by_reason[SHALE_REASONS_MAX]; /* at enum shale_reason */
	shale_work_stats by_level[SHALE_LEVELS_MAX];
	/* Back-pressure by its cause; adds up to the figures above. */
	shale_stall_stats by_cause[SHALE_STALLS_MAX]; /* at enum shale_stall_cause */
	/* Bytes of all tables, and of those that hold what is live: see
	   shale_space_amplification(). */
	uint64_t table_bytes, live_bytes;
	uint64_t open_iterators; /* not freed */
	/* Space, bytes; limits as in force, 0: none. garbage waits to be deleted. */
	uint64_t space_used, space_max, space_reserve, space_free; /* on the disk, as last seen */
	uint64_t garbage_files, garbage_bytes;
	uint64_t space_refused; /* writes, for want of room */
	uint64_t space_short;   /* 1: there is none now */
} shale_stats;
#define SHALE_STATS_INIT                                                                           \
	{                                                                                          \
		.struct_size = sizeof(shale_stats)                                                 \
	}
SHALE_API shale_status shale_stats_get(shale_db *db, shale_stats *out);

/*
 * Bytes written to the log and to tables for each byte of keys and values that was
 * written since open; 0 before the first. Memtables that are not flushed yet, and
 * merges that are owed, are still to come.
 */
static inline double shale_write_amplification(const shale_stats *s)
{
	return s->user_bytes == 0
		       ? 0
		       : (double)(s->log_bytes + s->flush_bytes + s->compaction_written_bytes) /
				 (double)s->user_bytes;
}

/*
 * Bytes of all tables for each that is live; 0 when nothing is. What is live is an
 * estimate that errs on the low side: of each key range, the tables with nothing older
 * beneath them, less the share of their entries that are tombstones. Of what lies above, only
 * what is known to hide nothing is live too (hybrid knows it, see docs/compaction.md); so under
 * other policies a store that gets new keys among the old ones looks wasteful until they have
 * sunk. Versions that a snapshot keeps, and what has expired within the lowest tables, count
 * as live.
 */
static inline double shale_space_amplification(const shale_stats *s)
{
	return s->live_bytes == 0 ? 0 : (double)s->table_bytes / (double)s->live_bytes;
}

/*
 * Tables over the key that a get asked, on average since open, by filter or by block;
 * memtables do not count. 0 without gets.
 */
static inline double shale_read_amplification(const shale_stats *s)
{
	return s->gets == 0 ? 0 : (double)s->filter_probes / (double)s->gets;
}

/* One table of the stack, as shale_tables() reports it; slices last for the call. */
typedef struct shale_table_info {
	const char *cf;
	uint32_t level;
	uint64_t run, number, bytes, entries, tombstones, range_tombstones;
	uint64_t data_bytes, index_bytes, filter_bytes, raw_bytes;
	uint64_t min_seq, max_seq, created_ms;
	shale_compression compression;
	shale_slice smallest, largest;
} shale_table_info;
/* Newest run first, then by key; stops when `each` returns false. */
SHALE_API shale_status shale_tables(shale_db *db,
				    bool (*each)(void *arg, const shale_table_info *t), void *arg);

/*
 * Look at a store without opening it: the tables and jobs that its manifest tells of,
 * as shale_tables() and shale_compactions() do; either function may be NULL. No lock
 * is taken, no log read, nothing written, so this works beside the process that has
 * the store open. What that one has in memory, and jobs that run, are not seen.
 * `o` gives `env` and may be NULL. Failures are those of shale_open().
 */
SHALE_API shale_status shale_peek(const char *path, const shale_options *o,
				  bool (*table)(void *arg, const shale_table_info *t),
				  bool (*job)(void *arg, const shale_job *j), void *arg);

#ifdef __cplusplus
}
#endif
#endif
