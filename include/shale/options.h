/*
 * What can be chosen: of a store, a column family, a read, a write, a flush, a merge. Each
 * options struct starts with struct_size and is set up with its *_INIT macro; a zero field always means
 * the default.
 */
#ifndef SHALE_OPTIONS_H
#define SHALE_OPTIONS_H

#include <shale/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ------------------------------------------------------------- */

typedef enum shale_durability {
	SHALE_DEFAULT_DURABILITY = 0, /* the store's; of a store: SHALE_DURABLE */
	SHALE_EPHEMERAL = 1,          /* survives nothing: no log */
	SHALE_PROCESS = 2,            /* survives the death of the process */
	SHALE_INTERVAL = 3,           /* and power loss, but for the last interval */
	SHALE_DURABLE = 4,            /* survives power loss */
} shale_durability;

typedef enum shale_compression {
	SHALE_DEFAULT_COMPRESSION = 0, /* LZ4 in the levels that hold the bulk: leveled,
					   adaptive: the deepest two; hybrid: all but 0;
					   tiered, time window: all but 0 and 1 */
	SHALE_NO_COMPRESSION = 1,
	SHALE_LZ4 = 2,
	SHALE_ZSTD = 3,
	SHALE_SNAPPY = 4,
} shale_compression;

typedef enum shale_policy {
	SHALE_DEFAULT_POLICY = 0, /* hybrid */
	SHALE_LEVELED = 1,        /* one run a level: least space, most writing */
	SHALE_TIERED = 2,         /* up to max_runs a level: least writing, most runs to read */
	SHALE_HYBRID = 3,         /* up to max_runs a level, but one in the last */
	SHALE_TIME_WINDOW = 4,    /* runs of different window_ms never mix: time series */
	SHALE_FIFO = 5,           /* never merged; over max_bytes the oldest DATA IS DROPPED */
	SHALE_ADAPTIVE = 6,       /* one of the first three, by what is asked of the store */
} shale_policy;

/*
 * Whether tables are kept in the system's page cache. Who reads what was merged just now, in a
 * store of a few times the block cache, is served by it; but it takes processor time, a third of
 * what a merge takes, and memory that is not counted in memory_budget. File systems without
 * direct I/O do as by default.
 */
typedef enum shale_direct_io {
	SHALE_NO_DIRECT_IO = 0,  /* all goes through it */
	SHALE_DIRECT_WRITES = 1, /* flushes and merges write past it, each from a buffer of 1 MiB */
	SHALE_DIRECT_ALL = 2,    /* and whoever reads a table reads past it: who misses the block
				    cache waits for the device */
} shale_direct_io;

/* How a column family merges its runs. Zero fields take the defaults named. */
typedef struct shale_compaction {
	shale_policy policy;
	uint32_t size_ratio;    /* live data over what is obsolete (hybrid), or a level's size over
				 the one above (leveled): 2..64, default 6 (hybrid), 10 (leveled) */
	uint32_t top_runs;      /* runs in the top level that start a merge: 1..64, default 4; twice
				 as many while they are at most half of what lies beneath (tiered,
				 hybrid) */
	uint64_t base_bytes;    /* least size of the level that the top is merged into (leveled), or
				 of what may be obsolete (hybrid); default 1 memtable */
	uint64_t table_bytes;   /* target size of one table: 4 KiB..4 GiB, default 32 MiB; at most
				 an eighth of what space_reserve asks for, else a 512th of
				 the disk; with space_max a 64th of that, and 32 MiB */
	uint32_t max_runs;      /* runs over one key in a level that start a merge (tiered, hybrid,
				 time window): 2..64, default 12, 4 in a time window */
	uint32_t space_amp_max; /* per cent of live data that all tables may take, where it can be
				      kept by merging: 105..1000; 0: as the rest gives it */
	uint64_t window_ms;     /* of SHALE_TIME_WINDOW: 1.., default an hour */
	uint64_t max_bytes;     /* of SHALE_FIFO: tables over this are dropped; 0: none */
	/*
	 * Deleted data is gone from the disk so long after the flush of the delete; 0: when
	 * merges come to it. A snapshot holds that up, whether it sees the data or not, while it
	 * is older than anything in the table that the delete is in by then: any that was taken
	 * before the flush, and one taken later if a merge has put the delete together with what
	 * was written since. So does who still reads the old tables, such as an iterator.
	 */
	uint64_t delete_within_ms;
} shale_compaction;

/* What belongs to one column family; kept in the store. */
typedef struct shale_cf_options {
	size_t struct_size;
	shale_compression compression;                         /* for all levels, unless: */
	shale_compression level_compression[SHALE_LEVELS_MAX]; /* nonzero entries win */
	uint32_t block_bytes; /* data block before compression: 256 B..1 MiB, default 4 KiB */
	uint32_t filter_bits; /* Bloom filter bits a key: 1..32, default 10 */
	bool no_filter;       /* build no filters */
	uint64_t ttl_ms;      /* life of an entry that names none; 0: for ever */
	shale_compaction compaction;
	uint32_t level_filter_bits[SHALE_LEVELS_MAX]; /* nonzero entries win over filter_bits */
} shale_cf_options;
#define SHALE_CF_OPTIONS_INIT                                                                      \
	{                                                                                          \
		sizeof(shale_cf_options), SHALE_DEFAULT_COMPRESSION,                               \
			{ SHALE_DEFAULT_COMPRESSION }, 0, 0, false, 0,                             \
			{ SHALE_DEFAULT_POLICY, 0, 0, 0, 0, 0, 0, 0, 0, 0 },                       \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

/* A part of every day in which merges have other limits. */
typedef struct shale_rate_window {
	uint32_t from_min, to_min;       /* minutes of the day, UTC: 0..1439, 0..1440; it may go on
					    behind midnight; equal: not used */
	uint64_t bytes_per_s, ops_per_s; /* 0: no limit */
} shale_rate_window;

#define SHALE_RATE_WINDOWS 4

/*
 * How fast merges may read and write, all together. Flushes are not limited, and the
 * limits give way while writers are delayed because merges are behind: they rise with
 * the delay and are gone halfway to its longest. Kept in the handle, not in the store.
 */
typedef struct shale_rate {
	size_t struct_size;
	uint64_t bytes_per_s; /* of tables, read and written; 0: no limit */
	uint64_t ops_per_s;   /* reads (of up to 256 KiB) and writes (256 KiB, with direct_io 1 MiB,
				 or 32 KiB while there are durable commits); 0: no limit */
	shale_rate_window window[SHALE_RATE_WINDOWS]; /* the first that the time lies in counts */
	/*
	 * Bytes a second follow the 99th percentile of what single puts, deletes and gets
	 * take: less while it is above this, more up to the limit while it is below, never
	 * less than flushes need to be merged. 0: they do not, and nothing is measured.
	 */
	uint32_t target_p99_us;
} shale_rate;
#define SHALE_RATE_INIT                                                                            \
	{                                                                                          \
		sizeof(shale_rate), 0, 0, { { 0, 0, 0, 0 } }, 0                                    \
	}

typedef struct shale_options {
	size_t struct_size;
	bool error_if_missing;       /* do not create the store */
	bool error_if_exists;        /* fail if it is there already */
	bool read_only;              /* change nothing, start nothing in the background */
	uint64_t memory_budget;      /* bytes for everything: 1 MiB.., default 512 MiB */
	uint64_t memtable_bytes;     /* flush threshold: 16 KiB..4 GiB, default 64 MiB */
	uint64_t log_bytes_max;      /* log that a memtable may keep alive; default 8 of them */
	shale_durability durability; /* of writes that name none */
	uint32_t sync_interval_ms;   /* for SHALE_INTERVAL: 1..60000, default 100 */
	uint32_t background_threads; /* 1..64, default: the processors, at least 2 */
	uint64_t rate_bytes_per_s;   /* what rate.bytes_per_s is if that is 0 */
	uint64_t rate_ops_per_s;     /* what rate.ops_per_s is if that is 0 */
	shale_cf_options default_cf; /* of the default column family, when created */
	const shale_env *env;        /* the system to run on; NULL: this machine */
	shale_error *error;          /* filled when shale_open() fails; may be NULL */
	shale_rate rate;             /* limits of merges; see shale_rate_set() */
	uint64_t space_max;          /* bytes that all files of the store may take, its log
					included: 4 MiB.., 16 memtables at least; 0: no bound */
	uint64_t space_reserve;      /* bytes of the disk and of space_max that writes leave
					free: up to 1 EiB and half of space_max; 0: 2 memtables or 8
					tables, what is more, but at most a 64th of the disk.
					Of space_max it is an eighth at least, or 256 MiB:
					merges that free room need some */
	uint64_t delete_bytes_per_s; /* at which files that merges freed are deleted: 1 MiB..;
					default 256 MiB; UINT64_MAX: at once */
	/*
	 * 0..19: how much nicer (as nice(1) has it) the threads that flush and merge are than the
	 * one that opens the store. Where processors are short, reads beside a writer at full speed
	 * are faster then, and the writer is held back sooner, since merges fall behind; where
	 * readers keep all processors busy, writers may come to wait for flushes for long.
	 */
	uint32_t background_nice;
	shale_direct_io direct_io; /* of tables */
} shale_options;
#define SHALE_OPTIONS_INIT                                                                         \
	{                                                                                          \
		sizeof(shale_options), false, false, false, 0, 0, 0, SHALE_DEFAULT_DURABILITY, 0,  \
			0, 0, 0, SHALE_CF_OPTIONS_INIT, NULL, NULL, SHALE_RATE_INIT, 0, 0, 0, 0,   \
			SHALE_NO_DIRECT_IO                                                         \
	}

typedef struct shale_write_options {
	size_t struct_size;
	shale_cf *cf;                /* NULL: the default column family */
	shale_durability durability; /* at least this; never lowers the store's */
	uint64_t ttl_ms;             /* the entry is gone after this; 0: the family's */
	shale_seq *seq_out;          /* the commit's sequence number; may be NULL */
	/*
	 * Of a commit: for so long at most it is held back because flushes or merges are behind,
	 * or until there is room (SHALE_NO_SPACE comes sooner then). After that it fails with
	 * SHALE_STALLED, which names the family and the cause, and nothing is written. 0: as long
	 * as it takes. Not counted are the log and the device, once it has been let through.
	 */
	uint64_t stall_max_ms;
} shale_write_options;
#define SHALE_WRITE_OPTIONS_INIT                                                                   \
	{                                                                                          \
		sizeof(shale_write_options), NULL, SHALE_DEFAULT_DURABILITY, 0, NULL, 0            \
	}

typedef struct shale_read_options {
	size_t struct_size;
	shale_cf *cf;                   /* NULL: the default column family */
	const shale_snapshot *snapshot; /* NULL: the newest state */
	shale_slice lower;              /* iterators: first key allowed; data NULL: none */
	shale_slice upper;              /* iterators: first key beyond; data NULL: none */
	shale_slice prefix;             /* iterators: only keys that start so; data NULL: any */
	bool no_fill_cache;             /* do not keep the blocks read (one-off scans) */
	bool verify;                    /* check checksums of cached blocks again */
	uint64_t skip_max;              /* iterators: return SHALE_MORE after skipping this
					   many dead entries in one move; 0: never */
	const char *owner;              /* iterators: a name for shale_holders(), copied; may be
					   NULL */
} shale_read_options;
#define SHALE_READ_OPTIONS_INIT                                                                    \
	{                                                                                          \
		sizeof(shale_read_options), NULL, NULL, { NULL, 0 }, { NULL, 0 }, { NULL, 0 },     \
			false, false, 0, NULL                                                      \
	}

typedef struct shale_flush_options {
	size_t struct_size;
	shale_cf *cf; /* NULL: all of them */
	bool no_wait; /* only start it */
} shale_flush_options;
#define SHALE_FLUSH_OPTIONS_INIT                                                                   \
	{                                                                                          \
		sizeof(shale_flush_options), NULL, false                                           \
	}

typedef struct shale_compact_progress {
	uint64_t bytes_done, bytes_total; /* of the tables to be merged; total 0: not known yet */
	uint32_t jobs_done, jobs_total;
	bool paused; /* it waits for shale_resume_compaction() */
} shale_compact_progress;

typedef struct shale_compact_options {
	size_t struct_size;
	shale_cf *cf;      /* NULL: the default column family */
	shale_slice lower; /* first key; data NULL: from the start */
	shale_slice upper; /* first key beyond; data NULL: to the end */
	/*
	 * Told how far it is, on the calling thread: for every 64 KiB or so, and some
	 * times a second where it waits. False: no more. It must not call
	 * shale_compact() or shale_close(). NULL: nobody is told.
	 */
	bool (*progress)(void *arg, const shale_compact_progress *p);
	void *arg;
} shale_compact_options;
#define SHALE_COMPACT_OPTIONS_INIT                                                                 \
	{                                                                                          \
		sizeof(shale_compact_options), NULL, { NULL, 0 }, { NULL, 0 }, NULL, NULL          \
	}

/* ---- room on the disk ---------------------------------------------------- */

/*
 * Space. Room is what is free on the disk, and what is left of space_max where that
 * is set, less what unflushed data, merges, the manifest and the log may take next, and
 * the reserve. Without room, writes fail with SHALE_NO_SPACE, which says what is full;
 * deletes may use half of the reserve. Reads go on, flushes and merges too where their
 * result fits in. When there is room again, found by looking a few times a second, writes
 * go on by themselves, also after the log itself could not be written.
 *
 * What was deleted or overwritten can always be merged away out of the reserve, piece by
 * piece where a merge of all would not fit in, unless its tables were written when they
 * could be larger. Whoever else fills the disk may leave too little for that: then what
 * is all dead still goes, tables beneath a range that was deleted above all, since that
 * takes some bytes only. Time windows and FIFO merge nothing for room: there it comes of
 * a time to live, or of max_bytes. A store that filled its disk is opened as any other.
 * If somebody else left not even the bytes that owning a store takes, or not those for
 * what its log holds, shale_open() fails with SHALE_NO_SPACE and names the file; with
 * read_only it opens.
 *
 * A file that a merge has freed is deleted in steps, no faster than
 * delete_bytes_per_s on average, but faster where that would take over a minute, and at
 * once where more waits than 16 MiB and an eighth of the other files, without room, or
 * at shale_close().
 */

#ifdef __cplusplus
}
#endif
#endif
