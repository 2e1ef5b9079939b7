/*
 * This machine's file system with a finger in it: counts operations, shortens
 * transfers, and fails an operation of one kind after so many more of it.
 */
#ifndef UNIT_ENV_SHIM_H
#define UNIT_ENV_SHIM_H

#include "support/test.h"

#include <shale/env.h>

enum shim_op {
	SHIM_OPEN,
	SHIM_PREAD,
	SHIM_PWRITE,
	SHIM_SYNC,
	SHIM_WRITEBACK,
	SHIM_WRITEBACK_WAIT,
	SHIM_ALLOCATE,
	SHIM_MAP,
	SHIM_LIST,
	SHIM_STAT,
	SHIM_RENAME,
	SHIM_UNLINK,
	SHIM_SYNC_DIR,
	SHIM_OPS,
};

struct shim {
	shale_env env;
	shale_fs_ops ops;
	unsigned count[SHIM_OPS];
	int fail_errno[SHIM_OPS];   /* 0: does not fail */
	unsigned fail_at[SHIM_OPS]; /* the call, counted from 1, from which on it fails */
	size_t transfer_max;        /* 0: whole transfers */
	uint64_t bytes_written;
	uint64_t dirty, dirty_max; /* bytes written and not synced, of all files together */
	/* The same, not waited for either; of one file that is written from its start. */
	uint64_t pending, pending_max, arrived;
	unsigned direct; /* files opened with SHALE_FILE_DIRECT */
	/* Reads and writes that may go past the page cache, those that may not. */
	unsigned aligned, unaligned;
};

static inline int shim_fails(void *self, enum shim_op op)
{
	struct shim *s = self;

	s->count[op]++;
	return s->fail_errno[op] != 0 && s->count[op] >= s->fail_at[op] ? -s->fail_errno[op] : 0;
}

static inline size_t shim_part(const struct shim *s, size_t n)
{
	return s->transfer_max != 0 && n > s->transfer_max ? s->transfer_max : n;
}

static inline void shim_note(struct shim *s, const void *buf, size_t n, uint64_t offset)
{
	if ((((uintptr_t)buf | n | offset) & (SHALE_DIRECT_ALIGN - 1)) == 0)
		s->aligned++;
	else
		s->unaligned++;
}

#define SHIM_CALL(op, call)                                                                        \
	int rc = shim_fails(self, op);                                                             \
	return rc != 0 ? rc : shale_env_default()->fs.ops->call

static inline int shim_open(void *self, const char *path, unsigned flags, shale_file **out)
{
	((struct shim *)self)->direct += (flags & SHALE_FILE_DIRECT) != 0;
	SHIM_CALL(SHIM_OPEN, open(NULL, path, flags, out));
}

static inline int64_t shim_pread(void *self, shale_file *f, void *buf, size_t n, uint64_t offset)
{
	shim_note(self, buf, n, offset);
	SHIM_CALL(SHIM_PREAD, pread(NULL, f, buf, shim_part(self, n), offset));
}

static inline int64_t shim_pwrite(void *self, shale_file *f, const void *buf, size_t n,
				  uint64_t offset)
{
	struct shim *s = self;
	int64_t rc = shim_fails(self, SHIM_PWRITE);

	shim_note(s, buf, n, offset);
	if (rc == 0)
		rc = shale_env_default()->fs.ops->pwrite(NULL, f, buf, shim_part(s, n), offset);
	if (rc > 0) {
		s->bytes_written += (uint64_t)rc;
		s->dirty += (uint64_t)rc;
		s->dirty_max = s->dirty > s->dirty_max ? s->dirty : s->dirty_max;
		s->pending =
			offset + (uint64_t)rc > s->arrived ? offset + (uint64_t)rc - s->arrived : 0;
		s->pending_max = s->pending > s->pending_max ? s->pending : s->pending_max;
	}
	return rc;
}

static inline int shim_sync(void *self, shale_file *f)
{
	struct shim *s = self;

	s->dirty = 0;
	s->arrived += s->pending;
	s->pending = 0;
	SHIM_CALL(SHIM_SYNC, sync(NULL, f));
}

static inline int shim_writeback(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	SHIM_CALL(SHIM_WRITEBACK, writeback(NULL, f, offset, n));
}

static inline int shim_writeback_wait(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	((struct shim *)self)->arrived = offset + n;
	SHIM_CALL(SHIM_WRITEBACK_WAIT, writeback_wait(NULL, f, offset, n));
}

static inline int shim_allocate(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	SHIM_CALL(SHIM_ALLOCATE, allocate(NULL, f, offset, n));
}

static inline int shim_map(void *self, shale_file *f, uint64_t n, void **addr)
{
	SHIM_CALL(SHIM_MAP, map(NULL, f, n, addr));
}

static inline int shim_list(void *self, const char *path, int (*each)(void *arg, const char *name),
			    void *arg)
{
	SHIM_CALL(SHIM_LIST, list(NULL, path, each, arg));
}

static inline int shim_stat(void *self, const char *path, uint64_t *size, bool *is_dir)
{
	SHIM_CALL(SHIM_STAT, stat(NULL, path, size, is_dir));
}

static inline int shim_rename(void *self, const char *from, const char *to)
{
	SHIM_CALL(SHIM_RENAME, rename(NULL, from, to));
}

static inline int shim_unlink(void *self, const char *path)
{
	SHIM_CALL(SHIM_UNLINK, unlink(NULL, path));
}

static inline int shim_sync_dir(void *self, const char *path)
{
	SHIM_CALL(SHIM_SYNC_DIR, sync_dir(NULL, path));
}

static inline void shim_init(struct shim *s)
{
	memset(s, 0, sizeof(*s));
	s->env = *shale_env_default();
	s->ops = *s->env.fs.ops;
	s->ops.open = shim_open;
	s->ops.pread = shim_pread;
	s->ops.pwrite = shim_pwrite;
	s->ops.sync = shim_sync;
	s->ops.pwrite_durable = NULL; /* these two */
	s->ops.writeback = shim_writeback;
	s->ops.writeback_wait = shim_writeback_wait;
	s->ops.allocate = shim_allocate;
	s->ops.map = shim_map;
	s->ops.list = shim_list;
	s->ops.stat = shim_stat;
	s->ops.rename = shim_rename;
	s->ops.unlink = shim_unlink;
	s->ops.sync_dir = shim_sync_dir;
	s->env.fs.ops = &s->ops;
	s->env.fs.self = s; /* this machine's other operations ignore it */
}

/* The `nth` call of this kind from now on fails, and all after it. */
static inline void shim_fail(struct shim *s, enum shim_op op, unsigned nth, int errnum)
{
	s->fail_errno[op] = errnum;
	s->fail_at[op] = s->count[op] + nth;
}

static inline void shim_heal(struct shim *s)
{
	memset(s->fail_errno, 0, sizeof(s->fail_errno));
}

#endif
