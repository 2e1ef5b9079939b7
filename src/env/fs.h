/*
 * Short forms over the environment's file system, and the loops that short reads
 * and writes need. All return 0 (or a count) or -errno, as the operations do.
 */
#ifndef ENV_FS_H
#define ENV_FS_H

#include <shale/env.h>

#include <errno.h>

static inline int fs_open(const shale_env *env, const char *path, unsigned flags, shale_file **out)
{
	return env->fs.ops->open(env->fs.self, path, flags, out);
}

/* NULL is allowed. */
static inline void fs_close(const shale_env *env, shale_file *f)
{
	if (f != NULL)
		env->fs.ops->close(env->fs.self, f);
}

static inline int fs_sync(const shale_env *env, shale_file *f)
{
	return env->fs.ops->sync(env->fs.self, f);
}

static inline int fs_size(const shale_env *env, shale_file *f, uint64_t *out)
{
	return env->fs.ops->size(env->fs.self, f, out);
}

static inline int fs_stat(const shale_env *env, const char *path, uint64_t *size, bool *is_dir)
{
	return env->fs.ops->stat(env->fs.self, path, size, is_dir);
}

static inline int fs_list(const shale_env *env, const char *path,
			  int (*each)(void *arg, const char *name), void *arg)
{
	return env->fs.ops->list(env->fs.self, path, each, arg);
}

static inline int fs_rename(const shale_env *env, const char *from, const char *to)
{
	return env->fs.ops->rename(env->fs.self, from, to);
}

static inline int fs_unlink(const shale_env *env, const char *path)
{
	return env->fs.ops->unlink(env->fs.self, path);
}

static inline int fs_sync_dir(const shale_env *env, const char *path)
{
	return env->fs.ops->sync_dir(env->fs.self, path);
}

/* Up to n bytes; how many there were, `least` at least unless the file ends before. */
static inline int64_t fs_read_least(const shale_env *env, shale_file *f, void *buf, size_t n,
				    size_t least, uint64_t offset)
{
	size_t done = 0;

	while (done < least) {
		int64_t got = env->fs.ops->pread(env->fs.self, f, (uint8_t *)buf + done, n - done,
						 offset + done);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

/* How many bytes there were, n unless the file ends before. */
static inline int64_t fs_read(const shale_env *env, shale_file *f, void *buf, size_t n,
			      uint64_t offset)
{
	return fs_read_least(env, f, buf, n, n, offset);
}

/* Several reads together, of which any may be short, or not begun: then fs_read_rest(). */
static inline void fs_read_try(const shale_env *env, shale_read *reads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		reads[i].result = 0;
	if (env->fs.ops->read_many != NULL)
		env->fs.ops->read_many(env->fs.self, reads, n);
}

/* What is missing of it up to `least`; then its result is as that of fs_read_least(). */
static inline void fs_read_rest(const shale_env *env, shale_read *r, size_t least)
{
	size_t done = r->result > 0 ? (size_t)r->result : 0;
	int64_t more;

	if (r->result < 0 || done >= least)
		return;
	more = fs_read_least(env, r->file, (uint8_t *)r->buf + done, r->n - done, least - done,
			     r->offset + done);
	r->result = more < 0 ? more : (int64_t)done + more;
}

typedef int64_t fs_pwrite(void *self, shale_file *f, const void *buf, size_t n, uint64_t offset);

static inline int fs_write_by(fs_pwrite *pwrite, const shale_env *env, shale_file *f,
			      const void *data, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		int64_t put = pwrite(env->fs.self, f, (const uint8_t *)data + done, n - done,
				     offset + done);

		if (put < 0)
			return (int)put;
		if (put == 0)
			return -EIO; /* nothing taken and no reason given: no use to go on */
		done += (size_t)put;
	}
	return 0;
}

/* All n bytes; on failure some of them may have been written. */
static inline int fs_write(const shale_env *env, shale_file *f, const void *data, size_t n,
			   uint64_t offset)
{
	return fs_write_by(env->fs.ops->pwrite, env, f, data, n, offset);
}

/* The same, and they are durable; what else is dirty in the file need not be. */
static inline int fs_write_durable(const shale_env *env, shale_file *f, const void *data, size_t n,
				   uint64_t offset)
{
	int err;

	if (env->fs.ops->pwrite_durable != NULL)
		return fs_write_by(env->fs.ops->pwrite_durable, env, f, data, n, offset);
	err = fs_write(env, f, data, n, offset);
	return err < 0 ? err : fs_sync(env, f);
}

#endif
