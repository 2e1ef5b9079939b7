/*
 * Writing an immutable object. Bytes gather in a buffer and go to the file in
 * whole buffers, each accounted to the rate limiter first. What the kernel holds
 * dirty is bounded: its writing is started piece by piece, and before the next piece
 * the one before is waited for; all is synced every SYNC_BYTES. So a commit's sync
 * never queues behind a whole table, but behind two pieces at most, which are short
 * as long as somebody waits for commits.
 *
 * Where tables go past the page cache, the same is done with what is aligned: whole
 * buffers, and the last one but for its end. There is nothing to be awaited then, and a file
 * system that does not do it that way is kept in bounds all the same.
 *
 * The file is written under its own name: nothing refers to it before it is
 * sealed, and what a crash leaves behind is removed as an orphan.
 */
#include "env/store_impl.h"

#include <errno.h>

enum {
	BUFFER_BYTES = 256 << 10,
	DIRECT_BYTES = 1 << 20, /* the same past the page cache, where each is waited for */
	PIECE_BYTES = 1 << 20,  /* on its way to the device at once */
	SHORT_BYTES = 32 << 10, /* the same beside commits, and of the buffer */
	SYNC_BYTES = 16 << 20,
	BUFFER_ALIGN = SHALE_DIRECT_ALIGN,
};

#define BESIDE_NS UINT64_C(100000000) /* so long after a commit, the next one is expected */

struct store_writer {
	struct store *store;
	const struct rate_user *rate;
	struct object_name name;
	shale_file *file;
	uint8_t *buffer;
	size_t capacity;    /* of buffer */
	size_t used;        /* of it */
	bool beside;        /* commits, as this buffer was begun */
	uint64_t written;   /* bytes in the file */
	uint64_t started;   /* bytes whose writing to the device was begun */
	uint64_t arrived;   /* bytes whose writing was waited for */
	uint64_t synced;    /* bytes known to be durable */
	shale_error failed; /* the first failure; status 0: none */
};

static void writer_free(struct store_writer *w)
{
	if (w == NULL)
		return;
	mem_free(w->store->env, w->buffer);
	mem_free(w->store->env, w);
}

shale_status store_create(struct store *s, enum object_kind kind, uint64_t number,
			  const struct rate_user *rate, struct store_writer **out)
{
	struct object_name name = object_name(kind, number);
	struct store_writer *w = NULL;
	unsigned flags = SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_EXCLUSIVE;
	struct store_path path;
	shale_status rc = store_writable(s, name.text);
	int err;

	if (rc != SHALE_OK)
		return rc;
	w = mem_zalloc(s->env, sizeof(*w));
	if (w == NULL)
		return err_memory("a writer");
	w->store = s;
	w->rate = rate;
	w->name = name;
	w->capacity = s->direct_writes ? DIRECT_BYTES : BUFFER_BYTES;
	w->buffer = mem_aligned(s->env, BUFFER_ALIGN, w->capacity);
	if (w->buffer == NULL) {
		rc = err_memory("a writer's buffer");
		goto out;
	}
	store_path_to(s, name.text, &path);
	if (s->direct_writes)
		flags |= SHALE_FILE_DIRECT;
	err = fs_open(s->env, path.text, flags, &w->file);
	if (err < 0) {
		rc = err_sys(-err, name.text, "cannot create %s", path.text);
		goto out;
	}
	*out = w;
	w = NULL; /* moved */
out:
	writer_free(w);
	return rc;
}

/* The first failure is the writer's from then on. */
static shale_status writer_failed(struct store_writer *w, shale_status rc)
{
	w->failed = *err_last();
	w->failed.status = rc;
	return rc;
}

static shale_status writer_sync(struct store_writer *w)
{
	int err = fs_sync(w->store->env, w->file);

	if (err < 0)
		return writer_failed(w,
				     err_sys(-err, w->name.text, "cannot sync %s", w->name.text));
	w->arrived = w->started = w->synced = w->written;
	return SHALE_OK;
}

/*
 * Whether the beginning of a write-back, or a wait for it, tells of lost bytes: with any error
 * but those of a file system that has no such call. A device that fails gives the errno of its
 * kind of failure, not only EIO, and the sync that comes later does not repeat what was told
 * here.
 */
static bool lost(int err)
{
	return err < 0 && err != -ENOSYS && err != -EOPNOTSUPP && err != -EINVAL && err != -ESPIPE;
}

static bool beside_commits(const struct store_writer *w)
{
	uint64_t last = atomic_load_explicit(&w->store->commit_ns, memory_order_relaxed);

	return last != 0 && env_now_ns(w->store->env) < last + BESIDE_NS;
}

static shale_status write_back_failed(struct store_writer *w, int err)
{
	return writer_failed(w, err_sys(-err, w->name.text, "cannot write back %s", w->name.text));
}

static shale_status writer_push(struct store_writer *w)
{
	const shale_env *env = w->store->env;
	int err = 0;

	if (env->fs.ops->writeback_wait != NULL && w->started != w->arrived)
		err = env->fs.ops->writeback_wait(env->fs.self, w->file, w->arrived,
						  w->started - w->arrived);
	if (lost(err))
		return write_back_failed(w, err);
	w->arrived = w->started;
	/* Where room is found for the bytes only now, there may be none: they are gone, told here. */
	err = env->fs.ops->writeback(env->fs.self, w->file, w->started, w->written - w->started);
	if (lost(err))
		return write_back_failed(w, err);
	w->started = w->written;
	return SHALE_OK;
}

static shale_status over_limit(struct store_writer *w, size_t n)
{
	const struct store *s = w->store;

	return writer_failed(w, err_at(SHALE_NO_SPACE, w->name.text, w->written,
				       "cannot write %zu bytes of %s: the files in %s take %" PRIu64
				       " of the %" PRIu64 " bytes that they may",
				       n, w->name.text, s->path, store_used(s), s->limit));
}

static shale_status writer_write(struct store_writer *w, const void *data, size_t n)
{
	const shale_env *env = w->store->env;
	int err;

	if (unlikely(w->store->limit != 0 && store_used(w->store) + n > w->store->limit))
		return over_limit(w, n);

	rate_take(w->rate, n, 1);
	err = fs_write(env, w->file, data, n, w->written);
	if (err < 0)
		return writer_failed(w, store_fail_at(err, w->name.text, w->written, "write", n));
	w->written += n;
	store_grew(w->store, n);
	if (w->written - w->synced >= SYNC_BYTES)
		return writer_sync(w);
	if (w->written - w->started >= (w->beside ? SHORT_BYTES : PIECE_BYTES))
		return writer_push(w);
	return SHALE_OK;
}

static shale_status writer_flush(struct store_writer *w)
{
	/* What is not aligned goes last, by itself. */
	size_t n = w->used, end = w->store->direct_writes ? n % SHALE_DIRECT_ALIGN : 0;
	shale_status rc = SHALE_OK;

	w->used = 0;
	if (n - end != 0)
		rc = writer_write(w, w->buffer, n - end);
	if (rc == SHALE_OK && end != 0)
		rc = writer_write(w, w->buffer + (n - end), end);
	return rc;
}

shale_status store_writer_append(struct store_writer *w, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (w->failed.status != SHALE_OK) {
		*err_last() = w->failed;
		return w->failed.status;
	}
	while (n > 0) {
		shale_status rc = SHALE_OK;
		size_t full, part;

		if (w->used == 0)
			w->beside = beside_commits(w);
		full = w->beside ? SHORT_BYTES : w->capacity;
		part = full - w->used;
		if (part > n)
			part = n;
		if (part == full && !w->store->direct_writes) { /* nothing waits: no copy */
			rc = writer_write(w, p, part);
		} else {
			memcpy(w->buffer + w->used, p, part);
			w->used += part;
			if (w->used == full)
				rc = writer_flush(w);
		}
		if (rc != SHALE_OK)
			return rc;
		p += part;
		n -= part;
	}
	return SHALE_OK;
}

uint64_t store_writer_size(const struct store_writer *w)
{
	return w->written + w->used;
}

shale_status store_writer_seal(struct store_writer *w)
{
	shale_error first;
	shale_status rc = w->failed.status;

	if (rc != SHALE_OK)
		*err_last() = w->failed;
	else
		rc = writer_flush(w);
	if (rc == SHALE_OK)
		rc = writer_sync(w);
	if (rc == SHALE_OK)
		rc = store_sync_names(w->store, w->name.text);
	if (rc == SHALE_OK) {
		fs_close(w->store->env, w->file);
		writer_free(w);
		return SHALE_OK;
	}
	first = *err_last(); /* tell of this, whatever becomes of the removal */
	store_writer_abort(w);
	*err_last() = first;
	return rc;
}

void store_writer_abort(struct store_writer *w)
{
	struct store_path path;

	if (w == NULL)
		return;
	fs_close(w->store->env, w->file);
	store_path_to(w->store, w->name.text, &path);
	/* If this fails the object is an orphan, which the next open removes. */
	if (fs_unlink(w->store->env, path.text) >= 0)
		store_shrank(w->store, w->written);
	writer_free(w);
}
