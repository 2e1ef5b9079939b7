/*
 * The store: what the engine above knows of persistence. Three kinds of object,
 * chosen so that an object store or a replicated log could serve as well:
 *
 *   immutable objects  created exclusively, appended in order, sealed (durable),
 *                      then only read or deleted
 *   logs               written at the tail, made durable, read back at recovery
 *   the root           one small cell, read and compare-and-swapped
 *
 * This is the local store: a directory. A create or delete of a name is made
 * durable by a sync of the directory; the root is replaced by write, sync,
 * rename, sync of the directory. LOCK keeps a second owner out.
 *
 * Every failure names the object. Thread: any, except one writer one thread.
 */
#ifndef ENV_STORE_H
#define ENV_STORE_H

#include "base/buf.h"
#include "base/status.h"
#include "env/names.h"
#include "env/rate.h"

struct store;
struct store_writer;
struct object;
struct log_file;

struct store_options {
	bool create;    /* make the directory if it is missing (its parent must exist) */
	bool read_only; /* take no lock, create nothing */
	/* Objects are written, or read, past the page cache (SHALE_FILE_DIRECT). */
	bool direct_writes, direct_reads;
};

/*
 * SHALE_NOT_FOUND: no such directory and `create` is false. SHALE_BUSY: LOCK is
 * held; the text says by which process where that is known. SHALE_NOT_A_STORE:
 * `path` is no directory, or has files but no ROOT, and not only files of ours.
 */
shale_status store_open(const shale_env *env, const char *path, const struct store_options *o,
			struct store **out);
void store_close(struct store *s);
const char *store_path(const struct store *s);
bool store_is_read_only(const struct store *s);
const shale_env *store_env(const struct store *s);

/* Somebody waited for a log to be synced, and will again: who writes objects makes way. */
void store_note_commit(struct store *s);

/* Remove all objects of a store, ROOT, LOCK and the directory if then empty. */
shale_status store_destroy(const shale_env *env, const char *path);

/* ---- root ---- */

/* SHALE_NOT_FOUND when there is none. Replaces the contents of *out. */
shale_status store_root_read(struct store *s, struct buf *out);
/* Durable on success. SHALE_CONFLICT unless the cell holds `expected` (size 0: nothing). */
shale_status store_root_swap(struct store *s, shale_slice expected, shale_slice bytes);

/* ---- immutable objects ---- */

/* `rate` may be NULL. The object must not exist. */
shale_status store_create(struct store *s, enum object_kind kind, uint64_t number,
			  const struct rate_user *rate, struct store_writer **out);
/* Buffered. A failure is remembered and returned by all later calls. */
shale_status store_writer_append(struct store_writer *w, const void *data, size_t n);
uint64_t store_writer_size(const struct store_writer *w);
/* Data and name are durable on success. Frees w in any case; on failure the object is removed. */
shale_status store_writer_seal(struct store_writer *w);
/* Remove the unfinished object. NULL is allowed. */
void store_writer_abort(struct store_writer *w);

shale_status store_open_object(struct store *s, enum object_kind kind, uint64_t number,
			       struct object **out);
uint64_t object_size(const struct object *o);
uint64_t object_number_of(const struct object *o);
/* Exactly n bytes; a short object is SHALE_CORRUPT naming the offset. */
shale_status object_read(struct object *o, uint64_t offset, void *buf, size_t n);
/* One of several reads that wait together. `got` is private. */
struct object_read {
	struct object *object;
	uint64_t offset;
	void *buf;
	size_t n;
	int64_t got;
};
void object_read_many(struct object_read *reads, size_t n);
/* How one of them ended, as object_read() would have said. */
shale_status object_read_result(const struct object_read *r);
/* A hint that [offset, offset + n) will be read soon; nothing past the page cache. */
void object_readahead(struct object *o, uint64_t offset, uint64_t n);
void object_close(struct object *o); /* NULL is allowed */

/* Not durable by itself; a missing object is SHALE_MISSING. */
shale_status store_delete(struct store *s, enum object_kind kind, uint64_t number);
shale_status store_stat(struct store *s, enum object_kind kind, uint64_t number, uint64_t *size);

/* Every object of ours; stops at a failure of `each`, returns it. */
shale_status store_list(struct store *s,
			shale_status (*each)(void *arg, enum object_kind kind, uint64_t number),
			void *arg);
shale_status store_space(struct store *s, uint64_t *free_bytes, uint64_t *total_bytes);
/*
 * Bytes of all objects: what store_set_used() told, and what was made and deleted
 * since. ROOT and LOCK do not count.
 */
uint64_t store_used(const struct store *s);
void store_set_used(struct store *s, uint64_t bytes);
/* Objects grow no further than to that many bytes in all, SHALE_NO_SPACE; 0: no bound. */
void store_set_limit(struct store *s, uint64_t bytes);
/*
 * Delete an object that takes long to delete, in steps: at most `step` bytes at a
 * time. *left is what is still to be done; 0: it is gone.
 */
shale_status store_delete_some(struct store *s, enum object_kind kind, uint64_t number,
			       uint64_t step, uint64_t *left);

/* ---- logs ---- */

/* A new log of `capacity` reserved, zero-read bytes (0: grows). Its name is durable. */
shale_status store_log_create(struct store *s, enum object_kind kind, uint64_t number,
			      uint64_t capacity, struct log_file **out);
/* Give the closed log `from` the number `to`; its old bytes remain. Its name is durable. */
shale_status store_log_recycle(struct store *s, enum object_kind kind, uint64_t from, uint64_t to,
			       struct log_file **out);
shale_status store_log_open(struct store *s, enum object_kind kind, uint64_t number, bool write,
			    struct log_file **out);
void log_file_close(struct log_file *f); /* NULL is allowed; unmaps */
shale_status log_file_size(struct log_file *f, uint64_t *out);
shale_status log_file_write(struct log_file *f, uint64_t offset, const void *data, size_t n);
/* The same, and these bytes are durable, others not more than they were. */
shale_status log_file_write_durable(struct log_file *f, uint64_t offset, const void *data,
				    size_t n);
shale_status log_file_sync(struct log_file *f);
/* Up to n bytes; *got tells how many there were. */
shale_status log_file_read(struct log_file *f, uint64_t offset, void *buf, size_t n, size_t *got);
/* Map [0, n) for stores; SHALE_UNSUPPORTED where the file system cannot. Once. */
shale_status log_file_map(struct log_file *f, uint64_t n, void **addr);
/* Take the mapping back; a sync still covers what was stored through it. */
void log_file_unmap(struct log_file *f);
const char *log_file_name(const struct log_file *f);

#endif
