/*
 * Logs: files written at their tail and read back at recovery. A new log can be
 * given all its space at once, and a used one a new number, so that the syncs
 * that follow change data only and not the file's size or layout. The bytes of
 * its former life remain; whoever reads it must tell them by their content.
 */
#include "env/store_impl.h"

struct log_file {
	const shale_env *env;
	struct store *store; /* for its account */
	shale_file *file;
	uint64_t end; /* of the file, where that is made here; else UINT64_MAX */
	void *map;    /* of map_size bytes; NULL: not mapped */
	uint64_t map_size;
	struct object_name name;
};

static shale_status log_new(struct store *s, struct object_name name, struct log_file **out)
{
	struct log_file *f = mem_zalloc(s->env, sizeof(*f));

	if (f == NULL)
		return err_memory("a log");
	f->env = s->env;
	f->store = s;
	f->name = name;
	f->end = UINT64_MAX;
	*out = f;
	return SHALE_OK;
}

static shale_status log_open_file(struct log_file *f, const char *path, unsigned flags)
{
	int err = fs_open(f->env, path, flags, &f->file);

	if (err == 0)
		return SHALE_OK;
	f->file = NULL;
	return err_sys(-err, f->name.text, "cannot %s %s",
		       flags & SHALE_FILE_CREATE ? "create" : "open", path);
}

static shale_status log_reserve(struct log_file *f, uint64_t capacity)
{
	int err;

	f->end = 0;
	if (capacity == 0)
		return SHALE_OK;
	err = f->env->fs.ops->allocate(f->env->fs.self, f->file, 0, capacity);
	if (err < 0)
		return err_sys(-err, f->name.text, "cannot reserve %" PRIu64 " bytes for %s",
			       capacity, f->name.text);
	f->end = capacity;
	store_grew(f->store, capacity);
	return log_file_sync(f);
}

/* Close it and remove its name, keeping the failure that led here. */
static void log_discard(struct log_file *f, const char *path)
{
	const shale_env *env = f->env;
	shale_error first = *err_last();
	uint64_t end = f->end != UINT64_MAX ? f->end : 0;
	struct store *store = f->store;

	log_file_close(f);
	if (fs_unlink(env, path) >= 0)
		store_shrank(store, end);
	*err_last() = first;
}

shale_status store_log_create(struct store *s, enum object_kind kind, uint64_t number,
			      uint64_t capacity, struct log_file **out)
{
	struct object_name name = object_name(kind, number);
	struct log_file *f = NULL;
	struct store_path path;
	shale_status rc = store_writable(s, name.text);

	if (rc == SHALE_OK)
		rc = log_new(s, name, &f);
	if (rc != SHALE_OK)
		return rc;
	store_path_to(s, name.text, &path);
	rc = log_open_file(f, path.text,
			   SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_EXCLUSIVE);
	if (rc != SHALE_OK) {
		log_file_close(f);
		return rc;
	}
	rc = log_reserve(f, capacity);
	if (rc == SHALE_OK)
		rc = store_sync_names(s, name.text);
	if (rc != SHALE_OK) {
		log_discard(f, path.text);
		return rc;
	}
	*out = f;
	return SHALE_OK;
}

/* Give `from` the name of f, which must be free: a rename would take what is there. */
static shale_status log_rename(struct store *s, struct log_file *f, const char *from,
			       const char *to)
{
	uint64_t size;
	bool is_dir;
	int err = fs_stat(s->env, to, &size, &is_dir);

	if (err == 0)
		return err_at(SHALE_EXISTS, f->name.text, UINT64_MAX,
			      "cannot recycle a log as %s: it exists", to);
	if (err == -ENOENT)
		err = fs_rename(s->env, from, to);
	if (err < 0)
		return err_sys(-err, f->name.text, "cannot rename %s to %s", from, f->name.text);
	return SHALE_OK;
}

shale_status store_log_recycle(struct store *s, enum object_kind kind, uint64_t from, uint64_t to,
			       struct log_file **out)
{
	struct object_name old = object_name(kind, from), name = object_name(kind, to);
	struct store_path old_path, path;
	struct log_file *f = NULL;
	shale_status rc = store_writable(s, name.text);

	if (rc == SHALE_OK)
		rc = log_new(s, name, &f);
	if (rc != SHALE_OK)
		return rc;
	store_path_to(s, old.text, &old_path);
	store_path_to(s, name.text, &path);
	rc = log_open_file(f, old_path.text, SHALE_FILE_WRITE);
	if (rc == SHALE_OK)
		rc = log_rename(s, f, old_path.text, path.text);
	if (rc != SHALE_OK) {
		log_file_close(f);
		return rc;
	}
	rc = store_sync_names(s, name.text);
	if (rc != SHALE_OK) {
		log_discard(f, path.text);
		return rc;
	}
	*out = f;
	return SHALE_OK;
}

shale_status store_log_open(struct store *s, enum object_kind kind, uint64_t number, bool write,
			    struct log_file **out)
{
	struct object_name name = object_name(kind, number);
	struct log_file *f = NULL;
	struct store_path path;
	shale_status rc = write ? store_writable(s, name.text) : SHALE_OK;

	if (rc == SHALE_OK)
		rc = log_new(s, name, &f);
	if (rc != SHALE_OK)
		return rc;
	store_path_to(s, name.text, &path);
	rc = log_open_file(f, path.text, write ? SHALE_FILE_WRITE : SHALE_FILE_READ);
	if (rc != SHALE_OK) {
		log_file_close(f);
		return rc;
	}
	*out = f;
	return SHALE_OK;
}

void log_file_close(struct log_file *f)
{
	if (f == NULL)
		return;
	log_file_unmap(f);
	fs_close(f->env, f->file);
	mem_free(f->env, f);
}

shale_status log_file_size(struct log_file *f, uint64_t *out)
{
	int err = fs_size(f->env, f->file, out);

	if (err < 0)
		return err_sys(-err, f->name.text, "cannot tell the size of %s", f->name.text);
	return SHALE_OK;
}

static void note_end(struct log_file *f, uint64_t end)
{
	if (end <= f->end)
		return;
	store_grew(f->store, end - f->end);
	f->end = end;
}

/* After a write of n bytes, or a part of them. */
static shale_status log_written(struct log_file *f, int err, uint64_t offset, size_t n)
{
	uint64_t size;

	if (err < 0) {
		/* Some of it may be there, and will count when the file is deleted. */
		if (fs_size(f->env, f->file, &size) >= 0)
			note_end(f, size);
		return store_fail_at(err, f->name.text, offset, "write", n);
	}
	note_end(f, offset + n);
	return SHALE_OK;
}

shale_status log_file_write(struct log_file *f, uint64_t offset, const void *data, size_t n)
{
	return log_written(f, fs_write(f->env, f->file, data, n, offset), offset, n);
}

shale_status log_file_write_durable(struct log_file *f, uint64_t offset, const void *data, size_t n)
{
	return log_written(f, fs_write_durable(f->env, f->file, data, n, offset), offset, n);
}

shale_status log_file_sync(struct log_file *f)
{
	int err = fs_sync(f->env, f->file);

	if (err < 0)
		return err_sys(-err, f->name.text, "cannot sync %s", f->name.text);
	return SHALE_OK;
}

shale_status log_file_read(struct log_file *f, uint64_t offset, void *buf, size_t n, size_t *got)
{
	int64_t rc = fs_read(f->env, f->file, buf, n, offset);

	if (rc < 0)
		return store_fail_at((int)rc, f->name.text, offset, "read", n);
	*got = (size_t)rc;
	return SHALE_OK;
}

shale_status log_file_map(struct log_file *f, uint64_t n, void **addr)
{
	int err;

	ASSERT(f->map == NULL);
	err = f->env->fs.ops->map(f->env->fs.self, f->file, n, &f->map);
	if (err < 0)
		f->map = NULL;
	if (err == -ENODEV || err == -ENOSYS || err == -EOPNOTSUPP)
		return err_at(SHALE_UNSUPPORTED, f->name.text, UINT64_MAX,
			      "the file system cannot map %s", f->name.text);
	if (err < 0)
		return err_sys(-err, f->name.text, "cannot map %" PRIu64 " bytes of %s", n,
			       f->name.text);
	f->map_size = n;
	*addr = f->map;
	return SHALE_OK;
}

const char *log_file_name(const struct log_file *f)
{
	return f->name.text;
}

void log_file_unmap(struct log_file *f)
{
	if (f->map == NULL)
		return;
	f->env->fs.ops->unmap(f->env->fs.self, f->file, f->map, f->map_size);
	f->map = NULL;
}
