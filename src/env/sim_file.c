/*
 * Open files of the simulated disk: handles, their data and their mappings.
 *
 * A handle belongs to a generation of the disk; a crash begins a new one, after
 * which the handle answers -EIO. Its mappings keep the memory they had, cut off
 * from the disk: stores of a process that is dead harm nothing.
 */
#include "env/sim_disk.h"

#include "base/crc32c.h"

#include <errno.h>
#include <stdlib.h>

enum { JUNK = 0xdb };

static struct call file_begin(void *self, enum sim_op op, struct sim_file *f)
{
	if (f->closed)
		sim_bug("a file was used after its close", f->name);
	return call_begin(self, op, f->name);
}

/* NULL: stale. */
static struct inode *file_inode(struct sim_fs *fs, const struct sim_file *f)
{
	return f->generation == fs->generation ? &fs->inode[f->ino] : NULL;
}

static struct sim_file *file_new(struct sim_fs *fs, const char *name, uint32_t ino, bool writable)
{
	struct sim_file *f = sim_calloc(sizeof(*f));

	f->generation = fs->generation;
	f->ino = ino;
	f->writable = writable;
	memcpy(f->name, name, strlen(name) + 1);
	f->next = fs->files;
	if (f->next != NULL)
		f->next->prev = f;
	fs->files = f;
	fs->inode[ino].opens++;
	return f;
}

void sim_put_open(struct sim_fs *fs, uint64_t generation, uint32_t ino)
{
	struct inode *i = &fs->inode[ino];

	if (generation != fs->generation)
		return;
	i->opens--;
	if (i->nlink == 0)
		sim_disk_put(fs, i);
}

static bool grow(struct sim_fs *fs, struct inode *i, uint64_t size)
{
	uint64_t more = size > i->cur.size ? size - i->cur.size : 0;

	/* What needs no room fits also where capacity was taken away. */
	if (more != 0 && (more > fs->capacity || fs->bytes > fs->capacity - more))
		return false;
	fs->bytes += more;
	return true;
}

static void resize(struct sim_fs *fs, struct inode *i, enum op_kind kind, uint64_t size)
{
	if (i->cur.size > size)
		fs->bytes -= i->cur.size - size;
	sim_inode_log(fs, i, kind, 0, size, NULL, 0);
	sim_image_resize(&i->cur, size);
}

static int open_locked(struct sim_fs *fs, const char *path, unsigned flags, struct sim_file **out)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	int rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);

	if (rc < 0)
		return rc;
	if (ino == 0 && !(flags & SHALE_FILE_CREATE))
		return -ENOENT;
	if (ino != 0 && (flags & SHALE_FILE_CREATE) && (flags & SHALE_FILE_EXCLUSIVE))
		return -EEXIST;
	if (ino != 0 && fs->inode[ino].kind == INODE_DIR)
		return -EISDIR;
	if (!(flags & (SHALE_FILE_READ | SHALE_FILE_WRITE)))
		return -EINVAL;
	rc = sim_disk_handle_room(fs);
	if (rc < 0)
		return rc;
	if (ino == 0) {
		ino = sim_disk_inode_new(fs, INODE_FILE);
		sim_disk_link(fs, dir, name, ino);
	} else if ((flags & SHALE_FILE_TRUNCATE) && fs->inode[ino].cur.size != 0) {
		resize(fs, &fs->inode[ino], OP_TRUNCATE, 0);
	}
	*out = file_new(fs, name, ino, (flags & SHALE_FILE_WRITE) != 0);
	return 0;
}

int sim_file_open(void *self, const char *path, unsigned flags, shale_file **out)
{
	struct call c = call_begin(self, SIM_OPEN, path);
	struct sim_file *f = NULL;
	int rc = -EIO;

	/* A failed open gives no handle, whatever it did: `after` is as before. */
	if (c.v.err == 0)
		rc = open_locked(c.fs, path, flags, &f);
	if (rc == 0)
		*out = (shale_file *)f;
	return (int)call_end(&c, rc);
}

void sim_mapping_drop(struct sim_fs *fs, struct sim_file *f, struct mapping **at)
{
	struct mapping *m = *at;
	struct inode *i = file_inode(fs, f);

	if (i != NULL)
		sim_image_unpin(&i->cur);
	*at = m->next;
	sim_blob_unref(m->blob);
	free(m);
}

void sim_file_close(void *self, shale_file *file)
{
	struct sim_fs *fs = self;
	struct sim_file *f = (struct sim_file *)file, **old;

	if (f->closed)
		sim_bug("a file was closed twice", f->name);
	pthread_mutex_lock(&fs->mu);
	if (f->mapping != NULL)
		sim_bug("a file was closed while it is mapped", f->name);
	sim_put_open(fs, f->generation, f->ino);
	f->closed = true;
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		fs->files = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	old = &fs->closed[fs->closed_next++ % CLOSED_KEPT];
	free(*old);
	*old = f;
	pthread_mutex_unlock(&fs->mu);
}

/* ---- data ---- */

int64_t sim_file_pread(void *self, shale_file *file, void *buf, size_t n, uint64_t offset)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c;
	struct inode *i;

	memset(buf, JUNK, n);
	c = file_begin(self, SIM_READ, f);
	if (f->closed)
		sim_bug("a file was closed while it was read", f->name);
	i = file_inode(c.fs, f);
	if (call_refused(&c) || i == NULL)
		return call_end(&c, -EIO);
	if (offset >= i->cur.size)
		return call_end(&c, 0);
	if (n > i->cur.size - offset)
		n = (size_t)(i->cur.size - offset);
	n = sim_disk_short(c.fs, n, c.fs->short_reads);
	if (c.v.stray != SIM_STRAY_NONE)
		sim_stray_read(c.fs, c.v.stray, f->ino, offset, buf, n);
	else
		sim_image_read(&i->cur, offset, buf, n);
	for (uint32_t k = 0; k < i->flip_count; k++) {
		const struct flip *flip = &i->flip[k];

		if (flip->offset >= offset && flip->offset - offset < n)
			((uint8_t *)buf)[flip->offset - offset] ^= flip->mask;
	}
	return call_end(&c, (int64_t)n);
}

static int64_t pwrite_locked(struct sim_fs *fs, struct sim_file *f, const void *buf, size_t n,
			     uint64_t offset, enum sim_stray stray)
{
	struct inode *i = file_inode(fs, f);
	bool written;

	if (i == NULL)
		return -EIO;
	if (!f->writable)
		return -EBADF;
	if (n == 0)
		return 0;
	if (offset > SIM_FILE_MAX || n > SIM_FILE_MAX - offset)
		return -EFBIG;
	n = sim_disk_short(fs, n, fs->short_writes);
	if (!grow(fs, i, offset + n)) {
		/* As much as fits. */
		uint64_t room = i->cur.size;

		if (fs->capacity > fs->bytes)
			room += fs->capacity - fs->bytes;
		if (offset >= room)
			return sim_disk_full(fs);
		n = (size_t)(room - offset);
		grow(fs, i, offset + n);
	}
	written = stray != SIM_STRAY_NONE ? sim_stray_write(fs, stray, f->ino, offset, buf, n)
					  : sim_image_write(&i->cur, offset, buf, n);
	if (!written) {
		if (offset + n > i->cur.size)
			fs->bytes -= offset + n - i->cur.size;
		return -EFBIG;
	}
	if (stray == SIM_STRAY_NONE)
		sim_inode_log(fs, i, OP_WRITE, 0, offset, buf, n);
	return (int64_t)n;
}

int64_t sim_file_pwrite(void *self, shale_file *file, const void *buf, size_t n, uint64_t offset)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_WRITE, f);
	int64_t rc = -EIO;
	/* Without latency nothing else runs before the end. */
	bool slow = c.fs->latency != NULL;
	uint32_t crc = slow ? crc32c(0, buf, n) : 0;

	if (!call_refused(&c))
		rc = pwrite_locked(c.fs, f, buf, n, offset, c.v.stray);
	rc = call_end(&c, rc);
	if (slow && crc32c(0, buf, n) != crc)
		sim_bug("a buffer was changed while it was written", f->name);
	return rc;
}

/* All of it, or what was written to [offset, +n) alone. */
static int sync_some(void *self, struct sim_file *f, bool all, uint64_t offset, uint64_t n)
{
	struct call c = file_begin(self, SIM_SYNC, f);
	struct inode *i = file_inode(c.fs, f);

	if (i == NULL)
		return (int)call_end(&c, -EIO);
	if (c.v.err != 0 && c.v.clean && c.v.old)
		sim_inode_sync_failed_old(c.fs, i);
	else if (c.v.err != 0 && c.v.clean)
		sim_inode_sync_failed_clean(i);
	else if (!call_refused(&c) && !c.fs->lying && all)
		sim_inode_sync(i);
	else if (!call_refused(&c) && !c.fs->lying)
		sim_inode_sync_range(i, offset, n);
	return (int)call_end(&c, 0);
}

int sim_file_sync(void *self, shale_file *file)
{
	return sync_some(self, (struct sim_file *)file, true, 0, 0);
}

int64_t sim_file_pwrite_durable(void *self, shale_file *file, const void *buf, size_t n,
				uint64_t offset)
{
	int64_t put = sim_file_pwrite(self, file, buf, n, offset);
	int err = put > 0 ? sync_some(self, (struct sim_file *)file, false, offset, (uint64_t)put)
			  : 0;

	return err < 0 ? err : put;
}

int sim_file_writeback(void *self, shale_file *file, uint64_t offset, uint64_t n)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_WRITEBACK, f);

	(void)offset;
	(void)n;
	return (int)call_end(&c, file_inode(c.fs, f) != NULL ? 0 : -EIO);
}

int sim_file_allocate(void *self, shale_file *file, uint64_t offset, uint64_t n)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_ALLOCATE, f);
	struct inode *i = file_inode(c.fs, f);

	if (call_refused(&c) || i == NULL)
		return (int)call_end(&c, -EIO);
	if (!f->writable)
		return (int)call_end(&c, -EBADF);
	if (offset > SIM_FILE_MAX || n > SIM_FILE_MAX - offset)
		return (int)call_end(&c, -EFBIG);
	if (!grow(c.fs, i, offset + n))
		return (int)call_end(&c, sim_disk_full(c.fs));
	if (offset + n > i->cur.size)
		resize(c.fs, i, OP_EXTEND, offset + n);
	return (int)call_end(&c, 0);
}

int sim_file_truncate(void *self, shale_file *file, uint64_t size)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_TRUNCATE, f);
	struct inode *i = file_inode(c.fs, f);

	if (call_refused(&c) || i == NULL)
		return (int)call_end(&c, -EIO);
	if (!f->writable)
		return (int)call_end(&c, -EBADF);
	if (size > SIM_FILE_MAX)
		return (int)call_end(&c, -EFBIG);
	if (!grow(c.fs, i, size))
		return (int)call_end(&c, sim_disk_full(c.fs));
	if (size != i->cur.size)
		resize(c.fs, i, OP_TRUNCATE, size);
	return (int)call_end(&c, 0);
}

int sim_file_size(void *self, shale_file *file, uint64_t *out)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_SIZE, f);
	struct inode *i = file_inode(c.fs, f);

	if (call_refused(&c) || i == NULL)
		return (int)call_end(&c, -EIO);
	*out = i->cur.size;
	return (int)call_end(&c, 0);
}

int sim_file_advise(void *self, shale_file *file, uint64_t offset, uint64_t n, int advice)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_ADVISE, f);

	(void)offset;
	(void)n;
	(void)advice;
	return (int)call_end(&c, file_inode(c.fs, f) != NULL ? 0 : -EIO);
}

int sim_file_map(void *self, shale_file *file, uint64_t n, void **addr)
{
	struct sim_file *f = (struct sim_file *)file;
	struct call c = file_begin(self, SIM_MAP, f);
	struct inode *i = file_inode(c.fs, f);
	struct mapping *m;

	/* As with open: a failure gives no mapping. */
	if (c.v.err != 0 || i == NULL)
		return (int)call_end(&c, -EIO);
	if (!f->writable)
		return (int)call_end(&c, -EACCES);
	if (n == 0 || n > i->cur.size)
		return (int)call_end(&c, -EINVAL);
	if (!sim_image_pin(&i->cur, n))
		return (int)call_end(&c, -EFBIG);
	if (i->cur.pins == 1)
		i->map_seq = ++c.fs->seq;
	i->mapped = true;
	m = sim_calloc(sizeof(*m));
	m->blob = sim_blob_ref(i->cur.blob);
	m->next = f->mapping;
	f->mapping = m;
	*addr = m->blob->data;
	return (int)call_end(&c, 0);
}

void sim_file_unmap(void *self, shale_file *file, void *addr, uint64_t n)
{
	struct sim_fs *fs = self;
	struct sim_file *f = (struct sim_file *)file;

	(void)n;
	if (f->closed)
		sim_bug("a file was used after its close", f->name);
	pthread_mutex_lock(&fs->mu);
	for (struct mapping **m = &f->mapping; *m != NULL; m = &(*m)->next) {
		if ((*m)->blob->data != addr)
			continue;
		sim_mapping_drop(fs, f, m);
		pthread_mutex_unlock(&fs->mu);
		return;
	}
	sim_bug("no such mapping", f->name);
}
