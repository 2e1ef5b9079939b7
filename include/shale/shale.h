/*
 * Shale: an embeddable, ordered key-value store (a log-structured merge tree).
 *
 * Everything an application calls is in this header. One function a verb; what
 * varies sits in an options struct that may be NULL. Options start with
 * struct_size and are set up with their *_INIT macro; a zero field always means
 * the default.
 *
 * Status: 0 is success, a positive value an expected outcome (nothing is there,
 * the end was reached), a negative value a failure. What failed, where and why
 * is in shale_last_error() of the calling thread until its next call.
 *
 * Thread: every function may be called from any thread at once, except that one
 * iterator, one batch and one value belong to one thread at a time.
 *
 * Memory: slices borrow; the library copies what it keeps. What a call hands
 * out says how it is given back. On failure nothing is handed out.
 */
#ifndef SHALE_SHALE_H
#define SHALE_SHALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHALE_VERSION_MAJOR 0
#define SHALE_VERSION_MINOR 1
#define SHALE_VERSION_PATCH 0
#define SHALE_VERSION "0.1.0"

#if defined(_WIN32)
#define SHALE_API
#else
#define SHALE_API __attribute__((visibility("default")))
#endif

/* ---- limits ------------------------------------------------------------- */

#define SHALE_KEY_MAX 65536u                    /* bytes, 64 KiB */
#define SHALE_VALUE_MAX (1024ull * 1024 * 1024) /* bytes, 1 GiB */
#define SHALE_CF_NAME_MAX 255u                  /* bytes of a column family's name */
#define SHALE_OWNER_MAX 47u                     /* bytes of an owner's name that are kept */
#define SHALE_LEVELS_MAX 8u                     /* levels of a column family */

/* ---- status ------------------------------------------------------------- */

typedef int shale_status;

enum {
	SHALE_OK = 0,

	/* Expected outcomes. */
	SHALE_NOT_FOUND = 1, /* no such key, or no such column family */
	SHALE_END = 2,       /* an iterator ran past its last entry */
	SHALE_CONFLICT = 3,  /* another transaction won (reserved) */
	SHALE_BUSY = 4,      /* the store is locked by another owner */
	SHALE_MORE = 5,      /* the work budget is used up; call again to go on */

	/* Failures. */
	SHALE_INVALID = -1,     /* an argument or option is out of its range */
	SHALE_CORRUPT = -2,     /* stored bytes are damaged */
	SHALE_IO = -3,          /* a system call failed */
	SHALE_NO_SPACE = -4,    /* the disk or its quota is full */
	SHALE_NO_MEMORY = -5,   /* an allocation failed */
	SHALE_TOO_LARGE = -6,   /* key, value or batch over its limit */
	SHALE_NOT_A_STORE = -7, /* the directory holds no Shale store */
	SHALE_UNSUPPORTED = -8, /* the store needs a newer program */
	SHALE_MISSING = -9,     /* a file that the store refers to is not there */
	SHALE_READ_ONLY = -10,  /* opened read-only, or writes stopped after a failure */
	SHALE_EXISTS = -11,     /* what was to be created is there already */
	SHALE_FORKED = -12,     /* the handle was inherited over fork() */
	SHALE_NO_FILES = -13,   /* too many open files */
	SHALE_BUG = -14,        /* an invariant of the library itself is broken */
};

/* The symbolic name of a status, such as "SHALE_CORRUPT"; never NULL. */
SHALE_API const char *shale_status_name(shale_status status);

typedef struct shale_error {
	shale_status status;
	int sys_errno;    /* errno of the system call that failed, or 0 */
	uint64_t offset;  /* byte offset in the object, or UINT64_MAX */
	char object[128]; /* file the error is about, or "" */
	char text[384];   /* one sentence for a person */
} shale_error;

/* The calling thread's last failure; valid until its next call. Never NULL. */
SHALE_API const shale_error *shale_last_error(void);

/* ---- basic types -------------------------------------------------------- */

typedef struct shale_db shale_db;
typedef struct shale_cf shale_cf;
typedef struct shale_batch shale_batch;
typedef struct shale_iter shale_iter;
typedef struct shale_snapshot shale_snapshot;
typedef struct shale_env shale_env;
typedef uint64_t shale_seq;

/* Borrowed bytes. */
typedef struct shale_slice {
	const void *data;
	size_t size;
} shale_slice;

/* Bytes pinned where the engine keeps them; give back with shale_value_release(). */
typedef struct shale_value {
	const void *data;
	size_t size;
	uintptr_t pin[4];
} shale_value;

static inline shale_slice shale_bytes(const void *data, size_t size)
{
	shale_slice s;
	s.data = data;
	s.size = size;
	return s;
}

static inline shale_slice shale_str(const char *text)
{
	return shale_bytes(text, strlen(text));
}

/* ---- options ------------------------------------------------------------ */

typedef enum shale_durability {
	SHALE_DEFAULT_DURABILITY = 0, /* the store's; of a store: SHALE_DURABLE */
	SHALE_EPHEMERAL = 1,          /* survives nothing: no log */
	SHALE_PROCESS = 2,            /* survives the death of the process */
	SHALE_INTERVAL = 3,           /* and power loss, but for the last interval */
	SHALE_DURABLE = 4,            /* survives power loss */
} shale_durability;

typedef enum shale_compression {
	SHALE_DEFAULT_COMPRESSION = 0, /* LZ4 in the deepest two levels, none above */
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

/* How a column family merges its runs. Zero fields take the defaults named. */
typedef struct shale_compaction {
	shale_policy policy;
	uint32_t size_ratio;  /* the last level's size over the data above it (hybrid), or over the
				 level above (leveled): 2..64, default 6 (hybrid), 10 (leveled) */
	uint32_t top_runs;    /* runs in the top level that start a merge: 1..64, default 4 */
	uint64_t base_bytes;  /* least size of what gathers above the last level; default 1 memtable
				 (leveled), 4 memtables (others) */
	uint64_t table_bytes; /* target size of one table: 4 KiB..4 GiB, default 32 MiB; at most
				 an eighth of what space_reserve asks for, else a 512th of
				 the disk; with space_max a 64th of that, and 32 MiB */
	uint32_t max_runs;    /* runs over one key in a level that start a merge (tiered, hybrid,
				 time window): 2..64, default 4 */
	uint32_t space_amp_max; /* per cent of live data that all tables may take, where it can be
				      kept by merging: 105..1000; 0: as the rest gives it */
	uint64_t window_ms;     /* of SHALE_TIME_WINDOW: 1.., default an hour */
	uint64_t max_bytes;     /* of SHALE_FIFO: tables over this are dropped; 0: none */
	uint64_t delete_within_ms; /* deleted data is gone from the disk after this, unless a
				      snapshot sees it; 0: when merges come to it */
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
	uint64_t ops_per_s;   /* reads (of up to 256 KiB) and writes (256 KiB); 0: no limit */
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
	uint64_t log_bytes_max;      /* log that unflushed data may hold; default 8 memtables */
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
					free: up to half of space_max; 0: 2 memtables or 8
					tables, what is more, but at most a 64th of the disk.
					Of space_max it is an eighth at least, or 256 MiB:
					merges that free room need some */
	uint64_t delete_bytes_per_s; /* at which files that merges freed are deleted: 1 MiB..;
					default 256 MiB; UINT64_MAX: at once */
} shale_options;
#define SHALE_OPTIONS_INIT                                                                         \
	{                                                                                          \
		sizeof(shale_options), false, false, false, 0, 0, 0, SHALE_DEFAULT_DURABILITY, 0,  \
			0, 0, 0, SHALE_CF_OPTIONS_INIT, NULL, NULL, SHALE_RATE_INIT, 0, 0, 0       \
	}

typedef struct shale_write_options {
	size_t struct_size;
	shale_cf *cf;                /* NULL: the default column family */
	shale_durability durability; /* at least this; never lowers the store's */
	uint64_t ttl_ms;             /* the entry is gone after this; 0: the family's */
	shale_seq *seq_out;          /* the commit's sequence number; may be NULL */
} shale_write_options;
#define SHALE_WRITE_OPTIONS_INIT                                                                   \
	{                                                                                          \
		sizeof(shale_write_options), NULL, SHALE_DEFAULT_DURABILITY, 0, NULL               \
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

/*
 * Space. Room is what is free on the disk, and what is left of space_max where that
 * is set, less what unflushed data will take and the reserve. Without room, writes
 * fail with SHALE_NO_SPACE, which says what is full; deletes may use half of the
 * reserve. Reads go on, flushes and merges too where their result fits in. When
 * there is room again, found by looking a few times a second, writes go on by
 * themselves, also after the log itself could not be written.
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

/* ---- a store ------------------------------------------------------------ */

/*
 * Open the store in directory `path` ("file:" may precede it), creating it
 * unless told otherwise. *out is closed with shale_close().
 *
 * SHALE_BUSY: another process, or this one, has it open. SHALE_INVALID: an
 * option is out of range. SHALE_NOT_A_STORE, SHALE_UNSUPPORTED, SHALE_CORRUPT,
 * SHALE_MISSING name the file. Also SHALE_EXISTS, SHALE_NOT_FOUND (with
 * error_if_missing), SHALE_IO, SHALE_NO_SPACE, SHALE_NO_MEMORY, SHALE_NO_FILES.
 */
SHALE_API shale_status shale_open(const char *path, const shale_options *o, shale_db **out);

/*
 * Stop background work, write what is in memory to tables where it is more than 256 KiB
 * (the next open would take long otherwise), make what is in the log durable, release
 * everything.
 * The handle is gone whatever is returned; a failure says what could not be
 * made durable. All iterators, snapshots, values and families must have been
 * given back, no other call may be running. NULL is allowed.
 *
 * SHALE_INVALID, and nothing has happened: iterators or snapshots are still open,
 * and shale_last_error() tells how many and whose the oldest is. Free them (see
 * shale_holders()) and close again; the store can be used until then.
 */
SHALE_API shale_status shale_close(shale_db *db);

/* Remove a store's files, and its directory if nothing else is in it. */
SHALE_API shale_status shale_destroy(const char *path, const shale_options *o);

/* ---- reads and writes --------------------------------------------------- */

SHALE_API shale_status shale_put(shale_db *db, const shale_write_options *o, shale_slice key,
				 shale_slice value);

/* OK, or SHALE_NOT_FOUND with *out zeroed. Release *out after OK. */
SHALE_API shale_status shale_get(shale_db *db, const shale_read_options *o, shale_slice key,
				 shale_value *out);

/* Unpin; the struct is zeroed. A zeroed struct is allowed. */
SHALE_API void shale_value_release(shale_value *v);

/*
 * Read n keys at one moment. each[i] and out[i] are as of shale_get(); the
 * result is the first failure among them, or OK.
 */
SHALE_API shale_status shale_multi_get(shale_db *db, const shale_read_options *o, size_t n,
				       const shale_slice *keys, shale_value *out,
				       shale_status *each);

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
	enum shale_explain_filter filter;
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

SHALE_API shale_status shale_delete(shale_db *db, const shale_write_options *o, shale_slice key);

/* Delete all keys in [lo, hi). SHALE_INVALID unless lo < hi. */
SHALE_API shale_status shale_delete_range(shale_db *db, const shale_write_options *o,
					  shale_slice lo, shale_slice hi);

/* ---- batches ------------------------------------------------------------ */

/* A group of writes that becomes visible and durable as one. */
SHALE_API shale_status shale_batch_new(shale_batch **out);
SHALE_API void shale_batch_free(shale_batch *b);
SHALE_API void shale_batch_clear(shale_batch *b);
SHALE_API size_t shale_batch_count(const shale_batch *b);
/* Of the options, `cf` and `ttl_ms` apply here; durability is given to shale_write(). */
SHALE_API shale_status shale_batch_put(shale_batch *b, const shale_write_options *o,
				       shale_slice key, shale_slice value);
SHALE_API shale_status shale_batch_delete(shale_batch *b, const shale_write_options *o,
					  shale_slice key);
SHALE_API shale_status shale_batch_delete_range(shale_batch *b, const shale_write_options *o,
						shale_slice lo, shale_slice hi);

/*
 * Commit; the batch stays as it was and can be cleared and used again. Its column families
 * are of this store (SHALE_INVALID); one that names none can be written to any.
 */
SHALE_API shale_status shale_write(shale_db *db, const shale_write_options *o, shale_batch *b);

/* ---- iterators ---------------------------------------------------------- */

/* A cursor over the state at its creation. Not positioned at first. */
SHALE_API shale_status shale_iter_new(shale_db *db, const shale_read_options *o, shale_iter **out);
SHALE_API void shale_iter_free(shale_iter *it);

/* Moves: SHALE_OK on an entry, SHALE_END past the last (or first), or a failure. */
SHALE_API shale_status shale_iter_seek(shale_iter *it, shale_slice key);      /* first >= key */
SHALE_API shale_status shale_iter_seek_prev(shale_iter *it, shale_slice key); /* last <= key */
SHALE_API shale_status shale_iter_first(shale_iter *it);
SHALE_API shale_status shale_iter_last(shale_iter *it);
SHALE_API shale_status shale_iter_next(shale_iter *it);
SHALE_API shale_status shale_iter_prev(shale_iter *it);

/* The entry; valid until the next move. An empty slice where there is none. */
SHALE_API shale_slice shale_iter_key(const shale_iter *it);
SHALE_API shale_status shale_iter_value(shale_iter *it, shale_slice *out);

/* ---- snapshots ---------------------------------------------------------- */

/* The state of now, for reads later. Keeps old versions alive until freed. */
SHALE_API shale_status shale_snapshot_new(shale_db *db, shale_snapshot **out);
SHALE_API void shale_snapshot_free(shale_snapshot *s);
SHALE_API shale_seq shale_snapshot_seq(const shale_snapshot *s);
/* A name for shale_holders(); copied, at most SHALE_OWNER_MAX bytes of it. NULL: none. */
SHALE_API void shale_snapshot_set_owner(shale_snapshot *s, const char *owner);

/* Who keeps old data alive. */
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

/* ---- column families ---------------------------------------------------- */

/* Create: SHALE_EXISTS if there is one. Handles are given back with _release(). */
SHALE_API shale_status shale_cf_create(shale_db *db, const char *name, const shale_cf_options *o,
				       shale_cf **out);
SHALE_API shale_status shale_cf_open(shale_db *db, const char *name, shale_cf **out);
SHALE_API void shale_cf_release(shale_cf *cf);
/* Calls `each` for every family; stops when it returns false. */
SHALE_API shale_status shale_cf_list(shale_db *db, bool (*each)(void *arg, const char *name),
				     void *arg);
/* The options of a family (NULL: the default one); struct_size is set. */
SHALE_API shale_status shale_cf_get_options(shale_db *db, shale_cf *cf, shale_cf_options *out);
/*
 * Other options from now on, for tables not yet written; all but ttl_ms may change
 * (SHALE_INVALID). Another policy takes the stack as it finds it; nothing is
 * merged that it does not owe. Durable on success, else nothing changed.
 */
SHALE_API shale_status shale_cf_set_options(shale_db *db, shale_cf *cf, const shale_cf_options *o);
/* Gone at once for new reads and writes; iterators that are open stay valid. */
SHALE_API shale_status shale_cf_drop(shale_db *db, const char *name);

/* ---- maintenance -------------------------------------------------------- */

SHALE_API shale_status shale_flush(shale_db *db, const shale_flush_options *o);
/*
 * Merge all runs of a range into one. SHALE_MORE: not done, because `progress`
 * returned false, or compaction was paused when it began; what was begun is thrown
 * away and the store as before, but for a flush. Call again for another try.
 */
SHALE_API shale_status shale_compact(shale_db *db, const shale_compact_options *o);
/* Wait until no flush or compaction is owed; while compaction is paused, no flush. */
SHALE_API shale_status shale_wait_idle(shale_db *db);
/*
 * No merge is begun, and those under way stop within some 64 KiB and wait, until each
 * pause was followed by a resume (SHALE_INVALID: there was none). Flushes go on. Writes
 * are delayed by what is owed meanwhile, but do not stop for it. Not kept in the store.
 */
SHALE_API shale_status shale_pause_compaction(shale_db *db);
SHALE_API shale_status shale_resume_compaction(shale_db *db);
/* Other limits for merges, from now on; who waits for the old ones goes on at the new. */
SHALE_API shale_status shale_rate_set(shale_db *db, const shale_rate *rate);
/* What was set; what is in force now is in shale_stats. */
SHALE_API shale_status shale_rate_get(shale_db *db, shale_rate *out);
/* Wait until the commit `seq` and all before it survive power loss. */
SHALE_API shale_status shale_wait_durable(shale_db *db, shale_seq seq);
/*
 * After a failure stopped the writes (a full disk, a failed sync): try again
 * with a fresh log. OK when writes work again.
 */
SHALE_API shale_status shale_resume(shale_db *db);

/* Read every live file and check all checksums, order and counts. The first
   damage is returned; `each` (may be NULL) is told of every file. */
typedef struct shale_check_report {
	uint64_t tables, blocks, entries, bytes;
} shale_check_report;
SHALE_API shale_status shale_check(shale_db *db,
				   void (*each)(void *arg, const char *file, uint64_t bytes,
						shale_status status),
				   void *arg, shale_check_report *out);

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
	SHALE_FLUSH_ASKED = 4,       /* shale_flush(), shale_compact(), shale_resume(); or a scan
					passed many dead entries and half of the memtable are
					tombstones */
	SHALE_FLUSH_OPEN = 5,        /* it was recovered from the log */
	SHALE_FLUSH_CLOSE = 6,       /* the store was closed */
	SHALE_MERGE_TOP_RUNS = 7,    /* level 0 had top_runs runs */
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
 * beneath them, less the share of their entries that are tombstones. What lies above
 * counts as overwriting, so a store that gets new keys among the old ones looks
 * wasteful until they have sunk. Versions that a snapshot keeps, and what has expired
 * within the lowest tables, count as live.
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
