/*
 * The local store: a flat directory.
 *
 *   LOCK       held by its one owner, whose process number it contains
 *   ROOT       the root cell; replaced as a whole, so it is the old or the new one
 *   ROOT.tmp   a root that was being written
 *   objects    named by env/names.h
 *
 * There is a ROOT exactly if there is a store. A directory without one is taken
 * only if it holds nothing but names of ours (a first open that was cut short, a
 * destroy that was), so a wrong path can damage nobody's files.
 *
 * Order: the directory's own name is durable before the first ROOT is, so whoever
 * finds a ROOT need not care for the directory above. store_destroy() removes
 * ROOT first, durably: a store is never there in part.
 */
#include "env/store_impl.h"

static const char root_name[] = "ROOT";
static const char root_tmp_name[] = "ROOT.tmp";
static const char lock_name[] = "LOCK";

enum { ROOT_MAX = 1 << 20 }; /* "one small cell"; bounds what a damaged size makes us read */

/* ---- helpers ------------------------------------------------------------ */

static void path_join(const char *dir, const char *name, struct store_path *out)
{
	size_t n = strlen(dir), k = strlen(name);

	ASSERT(n + 1 + k < sizeof(out->text));
	memcpy(out->text, dir, n);
	out->text[n] = '/';
	memcpy(out->text + n + 1, name, k + 1);
}

void store_path_to(const struct store *s, const char *name, struct store_path *out)
{
	path_join(s->path, name, out);
}

shale_status store_writable(const struct store *s, const char *name)
{
	if (s->read_only)
		return err_at(SHALE_READ_ONLY, name, UINT64_MAX,
			      "cannot change %s: the store is open for reading only", name);
	return SHALE_OK;
}

void store_grew(struct store *s, uint64_t bytes)
{
	atomic_fetch_add_explicit(&s->used, bytes, memory_order_relaxed);
}

/* Never below zero: what was there before is told of late. */
void store_shrank(struct store *s, uint64_t bytes)
{
	uint64_t used = atomic_load_explicit(&s->used, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&s->used, &used,
						      used > bytes ? used - bytes : 0,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

uint64_t store_used(const struct store *s)
{
	return atomic_load_explicit(&s->used, memory_order_relaxed);
}

void store_set_used(struct store *s, uint64_t bytes)
{
	atomic_store_explicit(&s->used, bytes, memory_order_relaxed);
}

void store_set_limit(struct store *s, uint64_t bytes)
{
	s->limit = bytes;
}

shale_status store_sync_names(const struct store *s, const char *name)
{
	int rc = fs_sync_dir(s->env, s->path);

	if (rc < 0)
		return err_sys(-rc, name, "cannot sync the directory %s after a change of %s",
			       s->path, name);
	return SHALE_OK;
}

shale_status store_fail_at(int rc, const char *name, uint64_t offset, const char *what, size_t n)
{
	shale_status code = err_sys(-rc, name, "cannot %s %zu bytes at %" PRIu64 " of %s", what, n,
				    offset, name);

	err_last()->offset = offset;
	return code;
}

/* The directory that holds `path`. */
static void path_parent(const char *path, struct store_path *out)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0) {
		memcpy(out->text, ".", 2);
		return;
	}
	memcpy(out->text, path, n);
	out->text[n] = '\0';
}

/* ---- open --------------------------------------------------------------- */

static bool name_is_ours(const char *name)
{
	enum object_kind kind;
	uint64_t number;

	return strcmp(name, root_name) == 0 || strcmp(name, root_tmp_name) == 0 ||
	       strcmp(name, lock_name) == 0 || object_name_parse(name, &kind, &number);
}

struct foreign {
	bool found;
	char name[64];
};

static int foreign_each(void *arg, const char *name)
{
	struct foreign *f = arg;
	size_t n = strlen(name);

	if (name_is_ours(name))
		return 0;
	f->found = true;
	if (n >= sizeof(f->name))
		n = sizeof(f->name) - 1;
	memcpy(f->name, name, n);
	f->name[n] = '\0';
	return 1;
}

static shale_status refuse_foreign(const struct store *s)
{
	struct foreign f = { .found = false };
	int rc = fs_list(s->env, s->path, foreign_each, &f);

	if (rc < 0)
		return err_sys(-rc, s->path, "cannot list the directory %s", s->path);
	if (f.found)
		return err_new(SHALE_NOT_A_STORE,
			       "%s holds no Shale store but other files, such as '%s'; "
			       "give the path of a store, of an empty directory or of a new one",
			       s->path, f.name);
	return SHALE_OK;
}

static shale_status make_directory(const struct store *s)
{
	int rc = s->env->fs.ops->mkdir(s->env->fs.self, s->path);

	if (rc == -ENOENT)
		return err_new(SHALE_IO,
			       "cannot make the directory %s: the one above it does not exist",
			       s->path);
	if (rc < 0 && rc != -EEXIST)
		return err_sys(-rc, s->path, "cannot make the directory %s", s->path);
	return SHALE_OK;
}

static shale_status sync_parent(const struct store *s, bool made)
{
	struct store_path parent;
	int rc;

	path_parent(s->path, &parent);
	rc = fs_sync_dir(s->env, parent.text);
	/* One that was there is its maker's to keep, if we may not look above it. */
	if (rc < 0 && (made || (rc != -EACCES && rc != -EPERM)))
		return err_sys(-rc, parent.text, "cannot sync the directory %s", parent.text);
	return SHALE_OK;
}

/* See that `path` is a directory of ours or may become one. */
static shale_status prepare_directory(const struct store *s, bool create)
{
	struct store_path root;
	shale_status status;
	bool is_dir, made = false;
	uint64_t size;
	int rc = fs_stat(s->env, s->path, &size, &is_dir);

	if (rc == -ENOENT) {
		if (!create)
			return err_new(SHALE_NOT_FOUND, "there is no directory %s", s->path);
		status = make_directory(s);
		if (status != SHALE_OK)
			return status;
		made = is_dir = true;
	} else if (rc < 0) {
		return err_sys(-rc, s->path, "cannot look at %s", s->path);
	}
	if (!is_dir)
		return err_new(SHALE_NOT_A_STORE,
			       "%s is not a directory; give the path of a store or of a new one",
			       s->path);

	store_path_to(s, root_name, &root);
	rc = fs_stat(s->env, root.text, &size, &is_dir);
	if (rc == 0)
		return SHALE_OK;
	if (rc != -ENOENT)
		return err_sys(-rc, root_name, "cannot look at %s", root.text);
	status = refuse_foreign(s);
	if (status == SHALE_OK && create)
		status = sync_parent(s, made);
	return status;
}

/* The process that LOCK names, or 0. */
static uint64_t lock_owner(const struct store *s)
{
	struct store_path path;
	char text[16];
	uint64_t pid = 0;
	shale_file *f;
	int64_t n;

	store_path_to(s, lock_name, &path);
	if (fs_open(s->env, path.text, SHALE_FILE_READ, &f) < 0)
		return 0;
	n = fs_read(s->env, f, text, sizeof(text), 0);
	fs_close(s->env, f);
	for (int64_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pid = pid * 10 + (uint64_t)(text[i] - '0');
	return pid;
}

static shale_status take_lock(struct store *s)
{
	struct store_path path;
	uint64_t pid;
	int rc;

	store_path_to(s, lock_name, &path);
	rc = s->env->fs.ops->lock(s->env->fs.self, path.text, &s->lock);
	if (rc == 0)
		return SHALE_OK;
	s->lock = NULL;
	if (rc != -EAGAIN)
		return err_sys(-rc, lock_name, "cannot lock %s", path.text);
	pid = lock_owner(s);
	if (pid != 0)
		return err_at(SHALE_BUSY, lock_name, UINT64_MAX,
			      "the store %s is open already, in process %" PRIu64, s->path, pid);
	return err_at(SHALE_BUSY, lock_name, UINT64_MAX, "the store %s is open already", s->path);
}

shale_status store_open(const shale_env *env, const char *path, const struct store_options *o,
			struct store **out)
{
	size_t n = strlen(path);
	struct store *s;
	shale_status rc;

	if (n == 0 || n + 1 + sizeof(struct object_name) > STORE_PATH_MAX)
		return err_new(SHALE_INVALID, "the path of a store has %zu bytes; 1 to %zu can be",
			       n, STORE_PATH_MAX - sizeof(struct object_name) - 1);
	s = mem_zalloc(env, sizeof(*s));
	if (s == NULL)
		return err_memory("a store");
	s->env = env;
	s->read_only = o->read_only;
	s->direct_writes = o->direct_writes;
	s->direct_reads = o->direct_reads;
	mutex_init(&s->root_mu, env, RANK_STORE);
	s->path = mem_alloc(env, n + 1);
	if (s->path == NULL) {
		rc = err_memory("the path of a store");
		goto out;
	}
	memcpy(s->path, path, n + 1);
	rc = prepare_directory(s, o->create && !o->read_only);
	if (rc == SHALE_OK && !o->read_only)
		rc = take_lock(s);
	if (rc == SHALE_OK) {
		*out = s;
		s = NULL; /* moved */
	}
out:
	store_close(s);
	return rc;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->lock != NULL)
		s->env->fs.ops->unlock(s->env->fs.self, s->lock);
	mem_free(s->env, s->path);
	mem_free(s->env, s);
}

const char *store_path(const struct store *s)
{
	return s->path;
}

bool store_is_read_only(const struct store *s)
{
	return s->read_only;
}

void store_note_commit(struct store *s)
{
	atomic_store_explicit(&s->commit_ns, env_now_ns(s->env), memory_order_relaxed);
}

const shale_env *store_env(const struct store *s)
{
	return s->env;
}

/* ---- root --------------------------------------------------------------- */

shale_status store_root_read(struct store *s, struct buf *out)
{
	struct store_path path;
	shale_file *f;
	shale_status rc = SHALE_OK;
	uint64_t size;
	int64_t got;
	uint8_t *p;
	int err;

	store_path_to(s, root_name, &path);
	err = fs_open(s->env, path.text, SHALE_FILE_READ, &f);
	if (err == -ENOENT)
		return SHALE_NOT_FOUND;
	if (err < 0)
		return err_sys(-err, root_name, "cannot open %s", path.text);
	err = fs_size(s->env, f, &size);
	if (err < 0) {
		rc = err_sys(-err, root_name, "cannot tell the size of %s", path.text);
		goto out;
	}
	if (size > ROOT_MAX) {
		rc = err_at(SHALE_CORRUPT, root_name, size, "%s has %" PRIu64 " bytes; at most %d",
			    path.text, size, ROOT_MAX);
		goto out;
	}
	buf_reset(out);
	p = buf_extend(out, (size_t)size);
	if (p == NULL) {
		rc = err_memory("the root");
		goto out;
	}
	got = fs_read(s->env, f, p, (size_t)size, 0);
	if (got < 0)
		rc = store_fail_at((int)got, root_name, 0, "read", (size_t)size);
	else if ((uint64_t)got < size)
		rc = err_at(SHALE_CORRUPT, root_name, (uint64_t)got,
			    "%s ends at byte %" PRId64 ", needed %" PRIu64, path.text, got, size);
out:
	fs_close(s->env, f);
	return rc;
}

static shale_status root_write_tmp(struct store *s, const struct store_path *tmp, shale_slice bytes)
{
	shale_file *f;
	shale_status rc = SHALE_OK;
	int err = fs_open(s->env, tmp->text,
			  SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_TRUNCATE, &f);

	if (err < 0)
		return err_sys(-err, root_tmp_name, "cannot create %s", tmp->text);
	err = fs_write(s->env, f, bytes.data, bytes.size, 0);
	if (err < 0) {
		rc = store_fail_at(err, root_tmp_name, 0, "write", bytes.size);
		goto out;
	}
	err = fs_sync(s->env, f);
	if (err < 0)
		rc = err_sys(-err, root_tmp_name, "cannot sync %s", tmp->text);
out:
	fs_close(s->env, f);
	return rc;
}

static shale_status root_replace(struct store *s, shale_slice bytes)
{
	struct store_path tmp, root;
	shale_status rc;
	int err;

	store_path_to(s, root_tmp_name, &tmp);
	store_path_to(s, root_name, &root);
	rc = root_write_tmp(s, &tmp, bytes);
	if (rc != SHALE_OK)
		return rc;
	err = fs_rename(s->env, tmp.text, root.text);
	if (err < 0)
		return err_sys(-err, root_name, "cannot rename %s to %s", tmp.text, root_name);
	return store_sync_names(s, root_name);
}

shale_status store_root_swap(struct store *s, shale_slice expected, shale_slice bytes)
{
	struct buf now;
	shale_status rc = store_writable(s, root_name);

	if (rc != SHALE_OK)
		return rc;
	if (bytes.size == 0 || bytes.size > ROOT_MAX)
		return err_new(SHALE_INVALID, "a root has 1 to %d bytes, not %zu", ROOT_MAX,
			       bytes.size);
	buf_init(&now, s->env);
	mutex_lock(&s->root_mu);
	rc = store_root_read(s, &now);
	if (rc == SHALE_NOT_FOUND)
		rc = expected.size == 0 ? SHALE_OK : SHALE_CONFLICT;
	else if (rc == SHALE_OK && (expected.size == 0 || !slice_eq(buf_view(&now), expected)))
		rc = SHALE_CONFLICT;
	if (rc == SHALE_OK)
		rc = root_replace(s, bytes);
	else if (rc == SHALE_CONFLICT)
		rc = err_at(SHALE_CONFLICT, root_name, UINT64_MAX,
			    "the root of %s is not the one expected", s->path);
	mutex_unlock(&s->root_mu);
	buf_fini(&now);
	return rc;
}

/* ---- destroy ------------------------------------------------------------ */

static shale_status destroy_name(struct store *s, const char *name)
{
	struct store_path path;
	int rc;

	store_path_to(s, name, &path);
	rc = fs_unlink(s->env, path.text);
	if (rc < 0 && rc != -ENOENT)
		return err_sys(-rc, name, "cannot remove %s", path.text);
	return SHALE_OK;
}

static shale_status destroy_object(void *arg, enum object_kind kind, uint64_t number)
{
	struct object_name name = object_name(kind, number);

	return destroy_name(arg, name.text);
}

static shale_status destroy_all(struct store *s)
{
	shale_status rc = destroy_name(s, root_name);

	if (rc == SHALE_OK)
		rc = store_sync_names(s, root_name);
	if (rc == SHALE_OK)
		rc = store_list(s, destroy_object, s);
	if (rc == SHALE_OK)
		rc = destroy_name(s, root_tmp_name);
	/* Under the lock: another owner that waits at this file finds it gone and begins anew. */
	if (rc == SHALE_OK)
		rc = destroy_name(s, lock_name);
	return rc;
}

static shale_status destroy_directory(const shale_env *env, struct store *s)
{
	int err = env->fs.ops->rmdir(env->fs.self, s->path);

	if (err == -ENOTEMPTY || err == -EEXIST)
		return store_sync_names(s, lock_name); /* others' files are in it */
	if (err < 0)
		return err_sys(-err, s->path, "cannot remove the directory %s", s->path);
	return sync_parent(s, true);
}

shale_status store_destroy(const shale_env *env, const char *path)
{
	struct store_options options = { .create = false };
	struct store *s;
	shale_status rc = store_open(env, path, &options, &s);

	if (rc != SHALE_OK)
		return rc;
	rc = destroy_all(s);
	if (rc == SHALE_OK)
		rc = destroy_directory(env, s);
	store_close(s);
	return rc;
}
