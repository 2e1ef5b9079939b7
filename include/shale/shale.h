/*
 * Shale: an embeddable, ordered key-value store (a log-structured merge tree).
 *
 * This header is all that an application includes. Here are the verbs, a function each;
 * what varies sits in an options struct (options.h) that may be NULL. Status codes and basic
 * types are in types.h, what a store tells of itself (figures, jobs, tables) in observe.h.
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

#include <shale/observe.h>
#include <shale/options.h>
#include <shale/types.h>

#ifdef __cplusplus
extern "C" {
#endif

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
 * Stop background work, write what is in memory to tables where the log is longer than
 * 256 KiB (the next open would take long otherwise) or there is none, make what is in the log durable, release
 * everything. The handle is gone whatever is returned; a failure says what could not be
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
 * are of this store (SHALE_INVALID); one that names none can be written to any. A crash keeps
 * all of it or nothing, with two exceptions for several families: in a SHALE_EPHEMERAL store
 * they are flushed one by one; and so they are after a failed sync of the log, until
 * shale_resume() has returned, where the batch was not durable before.
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

/* ---- column families ---------------------------------------------------- */

/* Create: SHALE_EXISTS if there is one. Handles are given back with _release(). */
SHALE_API shale_status shale_cf_create(shale_db *db, const char *name, const shale_cf_options *o,
				       shale_cf **out);
SHALE_API shale_status shale_cf_open(shale_db *db, const char *name, shale_cf **out);
SHALE_API void shale_cf_release(shale_cf *cf);
/* Calls `each` for every family; stops when it returns false. */
SHALE_API shale_status shale_cf_list(shale_db *db, bool (*each)(void *arg, const char *name),
				     void *arg);
/*
 * The options of a family (NULL: the default one). Set `out` up with SHALE_CF_OPTIONS_INIT: no
 * more is written than its struct_size says.
 */
SHALE_API shale_status shale_cf_get_options(shale_db *db, shale_cf *cf, shale_cf_options *out);
/*
 * Other options from now on, for tables not yet written; all but ttl_ms may change
 * (SHALE_INVALID). Another policy takes the stack as it finds it; nothing is
 * merged that it does not owe. Durable on success, else nothing changed.
 */
SHALE_API shale_status shale_cf_set_options(shale_db *db, shale_cf *cf, const shale_cf_options *o);
/*
 * Gone at once for new reads and writes; iterators that are open stay valid. After a failure it
 * is still there; only where the manifest cannot be written at all have writes stopped, until
 * shale_resume(), and a crash before that, or a close that fails, may leave it dropped.
 */
SHALE_API shale_status shale_cf_drop(shale_db *db, const char *name);

/* ---- maintenance -------------------------------------------------------- */

SHALE_API shale_status shale_flush(shale_db *db, const shale_flush_options *o);
/*
 * Merge all runs of a range into one. SHALE_MORE: not done, because `progress`
 * returned false, or compaction was paused when it began; what was begun is thrown
 * away and the store as before, but for a flush. Call again for another try.
 */
SHALE_API shale_status shale_compact(shale_db *db, const shale_compact_options *o);
/*
 * Wait until no flush or compaction is owed (while compaction is paused: no flush), and files
 * that they replaced and nobody reads any more are deleted, which has its pace. Memtables that
 * keep a long log alive, most of which was overwritten, are flushed first. Files that the log keeps
 * to be used again go, too.
 */
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
/*
 * What was set; what is in force now is in shale_stats. Set `out` up with SHALE_RATE_INIT: no
 * more is written than its struct_size says.
 */
SHALE_API shale_status shale_rate_get(shale_db *db, shale_rate *out);
/* Wait until the commit `seq` and all before it survive power loss. */
SHALE_API shale_status shale_wait_durable(shale_db *db, shale_seq seq);
/*
 * After a failure stopped the writes (a full disk, a failed sync): try again, where the log
 * failed with a fresh one. OK when writes work again.
 */
SHALE_API shale_status shale_resume(shale_db *db);

/* Read every live table and check all checksums, order and counts. The first
   damage is returned; `each` (may be NULL) is told of every table. The log was read
   by the open: shale_stats tells what of its end was left out (discarded_tail_bytes). */
typedef struct shale_check_report {
	uint64_t tables, blocks, entries, bytes;
} shale_check_report;
SHALE_API shale_status shale_check(shale_db *db,
				   void (*each)(void *arg, const char *file, uint64_t bytes,
						shale_status status),
				   void *arg, shale_check_report *out);

#ifdef __cplusplus
}
#endif
#endif
