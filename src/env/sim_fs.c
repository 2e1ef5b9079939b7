/*
 * The calls of the simulated disk (shale_fs_ops) that deal with names, and the
 * table of them all; those on open files are in sim_file.c.
 *
 * Each call is: call_begin() (which leaves the disk locked), the work on inodes,
 * the operation noted in the log of its inode, call_end(). An injected failure
 * with `after` does the work and then reports failure, as a lost reply would.
 */
#include "env/sim_disk.h"

#include <errno.h>
#include <stdlib.h>

/* ---- names ---- */

static int mkdir_locked(struct sim_fs *fs, const char *path)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	int rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);

	if (rc < 0)
		return rc;
	if (ino != 0)
		return -EEXIST;
	ino = sim_disk_inode_new(fs, INODE_DIR);
	sim_disk_link(fs, dir, name, ino);
	return 0;
}

static int fs_mkdir(void *self, const char *path)
{
	struct call c = call_begin(self, SIM_MKDIR, path);

	return (int)call_end(&c, call_refused(&c) ? -EIO : mkdir_locked(c.fs, path));
}

static bool is_empty(const struct inode *dir)
{
	return dir->names == NULL || dir->names->count == 0;
}

static int remove_locked(struct sim_fs *fs, const char *path, enum inode_kind kind)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	int rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);

	if (rc < 0)
		return rc;
	if (ino == 0)
		return -ENOENT;
	if (dir == 0)
		return -EBUSY;
	if (fs->inode[ino].kind != kind)
		return kind == INODE_DIR ? -ENOTDIR : -EISDIR;
	if (kind == INODE_DIR && !is_empty(&fs->inode[ino]))
		return -ENOTEMPTY;
	sim_disk_unlink(fs, dir, name);
	return 0;
}

static int fs_rmdir(void *self, const char *path)
{
	struct call c = call_begin(self, SIM_RMDIR, path);

	return (int)call_end(&c, call_refused(&c) ? -EIO : remove_locked(c.fs, path, INODE_DIR));
}

static int fs_unlink(void *self, const char *path)
{
	struct call c = call_begin(self, SIM_UNLINK, path);

	return (int)call_end(&c, call_refused(&c) ? -EIO : remove_locked(c.fs, path, INODE_FILE));
}

static int rename_check(struct sim_fs *fs, uint32_t ino, uint32_t over)
{
	const struct inode *i = &fs->inode[ino], *o = &fs->inode[over];

	if (over == 0)
		return 0;
	if (i->kind == INODE_DIR && o->kind != INODE_DIR)
		return -ENOTDIR;
	if (i->kind != INODE_DIR && o->kind == INODE_DIR)
		return -EISDIR;
	return o->kind == INODE_DIR && !is_empty(o) ? -ENOTEMPTY : 0;
}

static int rename_locked(struct sim_fs *fs, const char *from, const char *to)
{
	char names[2][NAME_BYTES], both[2 * NAME_BYTES];
	uint32_t dir[2], ino, over;
	size_t n;
	int rc = sim_disk_lookup_parent(fs, from, 0, &dir[0], names[0], &ino);

	if (rc == 0 && ino == 0)
		rc = -ENOENT;
	if (rc == 0 && dir[0] == 0)
		rc = -EBUSY;
	if (rc == 0)
		rc = sim_disk_lookup_parent(fs, to, fs->inode[ino].kind == INODE_DIR ? ino : 0,
					    &dir[1], names[1], &over);
	if (rc == 0 && dir[1] == 0)
		rc = -EBUSY;
	if (rc == 0 && over != ino)
		rc = rename_check(fs, ino, over);
	if (rc < 0 || over == ino)
		return rc;
	if (over != 0) {
		fs->inode[over].nlink--;
		sim_disk_put(fs, &fs->inode[over]);
	}
	if (dir[0] != dir[1]) {
		sim_disk_link(fs, dir[1], names[1], ino);
		sim_disk_unlink(fs, dir[0], names[0]);
		return 0;
	}
	n = strlen(names[0]) + 1;
	memcpy(both, names[0], n);
	memcpy(both + n, names[1], strlen(names[1]) + 1);
	sim_inode_log(fs, &fs->inode[dir[0]], OP_RENAME, ino, 0, both, n + strlen(names[1]) + 1);
	sim_names_remove(&fs->inode[dir[0]].names, names[0]);
	sim_names_set(&fs->inode[dir[0]].names, names[1], ino);
	return 0;
}

static int fs_rename(void *self, const char *from, const char *to)
{
	struct call c = call_begin(self, SIM_RENAME, to);

	return (int)call_end(&c, call_refused(&c) ? -EIO : rename_locked(c.fs, from, to));
}

static int fs_sync_dir(void *self, const char *path)
{
	struct call c = call_begin(self, SIM_SYNC_DIR, path);
	uint32_t ino = 0;
	int rc = call_refused(&c) ? -EIO : sim_disk_lookup(c.fs, path, &ino);

	if (rc == 0 && c.fs->inode[ino].kind != INODE_DIR)
		rc = -ENOTDIR;
	if (rc == 0)
		rc = sim_disk_handle_room(c.fs);
	if (rc == 0 && !c.fs->lying)
		sim_disk_sync_dir(c.fs, &c.fs->inode[ino]);
	return (int)call_end(&c, rc);
}

static int fs_list(void *self, const char *path, int (*each)(void *arg, const char *name),
		   void *arg)
{
	struct call c = call_begin(self, SIM_LIST, path);
	struct names *t = NULL;
	uint32_t ino = 0;
	int rc = call_refused(&c) ? -EIO : sim_disk_lookup(c.fs, path, &ino);

	if (rc == 0 && c.fs->inode[ino].kind != INODE_DIR)
		rc = -ENOTDIR;
	if (rc == 0)
		rc = sim_disk_handle_room(c.fs);
	if (rc == 0)
		t = sim_names_share(c.fs->inode[ino].names);
	rc = (int)call_end(&c, rc);
	/* The table is shared, so nobody changes it under us. */
	for (uint32_t i = 0; rc == 0 && t != NULL && i < t->count; i++)
		rc = each(arg, t->e[i].name);
	sim_names_unref(t);
	return rc;
}

static int fs_stat(void *self, const char *path, uint64_t *size, bool *is_dir)
{
	struct call c = call_begin(self, SIM_STAT, path);
	uint32_t ino = 0;
	int rc = call_refused(&c) ? -EIO : sim_disk_lookup(c.fs, path, &ino);

	if (rc == 0 && size != NULL)
		*size = c.fs->inode[ino].cur.size;
	if (rc == 0 && is_dir != NULL)
		*is_dir = c.fs->inode[ino].kind == INODE_DIR;
	return (int)call_end(&c, rc);
}

/* ---- locks and space ---- */

static int lock_locked(struct sim_fs *fs, const char *path, struct sim_lock **out)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	struct sim_lock *lock;
	int rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);

	if (rc < 0)
		return rc;
	if (ino != 0 && fs->inode[ino].kind == INODE_DIR)
		return -EISDIR;
	rc = sim_disk_handle_room(fs);
	if (rc < 0)
		return rc;
	if (ino == 0) {
		ino = sim_disk_inode_new(fs, INODE_FILE);
		sim_disk_link(fs, dir, name, ino);
	}
	for (lock = fs->locks; lock != NULL; lock = lock->next) {
		if (lock->generation == fs->generation && lock->ino == ino)
			return -EAGAIN;
	}
	lock = sim_calloc(sizeof(*lock));
	lock->generation = fs->generation;
	lock->ino = ino;
	lock->next = fs->locks;
	if (lock->next != NULL)
		lock->next->prev = lock;
	fs->locks = lock;
	fs->inode[ino].opens++;
	*out = lock;
	return 0;
}

static int fs_lock(void *self, const char *path, shale_file_lock **out)
{
	struct call c = call_begin(self, SIM_LOCK, path);
	struct sim_lock *lock = NULL;
	int rc = c.v.err != 0 ? -EIO : lock_locked(c.fs, path, &lock);

	if (rc == 0)
		*out = (shale_file_lock *)lock;
	return (int)call_end(&c, rc);
}

static void fs_unlock(void *self, shale_file_lock *file_lock)
{
	struct sim_fs *fs = self;
	struct sim_lock *lock = (struct sim_lock *)file_lock;

	pthread_mutex_lock(&fs->mu);
	sim_put_open(fs, lock->generation, lock->ino);
	if (lock->prev != NULL)
		lock->prev->next = lock->next;
	else
		fs->locks = lock->next;
	if (lock->next != NULL)
		lock->next->prev = lock->prev;
	pthread_mutex_unlock(&fs->mu);
	free(lock);
}

static int fs_space(void *self, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
	struct call c = call_begin(self, SIM_SPACE, path);
	uint32_t ino;
	int rc = call_refused(&c) ? -EIO : sim_disk_lookup(c.fs, path, &ino);

	if (rc == 0) {
		uint64_t capacity = c.fs->full_err == EDQUOT ? SIM_CAPACITY : c.fs->capacity;

		*free_bytes = capacity > c.fs->bytes ? capacity - c.fs->bytes : 0;
		*total_bytes = capacity;
	}
	return (int)call_end(&c, rc);
}

const shale_fs_ops *sim_fs_ops(void)
{
	static const shale_fs_ops ops = {
		.struct_size = sizeof(ops),
		.open = sim_file_open,
		.close = sim_file_close,
		.pread = sim_file_pread,
		.pwrite = sim_file_pwrite,
		.sync = sim_file_sync,
		.writeback = sim_file_writeback,
		.allocate = sim_file_allocate,
		.truncate = sim_file_truncate,
		.size = sim_file_size,
		.advise = sim_file_advise,
		.map = sim_file_map,
		.unmap = sim_file_unmap,
		.mkdir = fs_mkdir,
		.rmdir = fs_rmdir,
		.list = fs_list,
		.stat = fs_stat,
		.rename = fs_rename,
		.unlink = fs_unlink,
		.sync_dir = fs_sync_dir,
		.lock = fs_lock,
		.unlock = fs_unlock,
		.space = fs_space,
		.pwrite_durable = sim_file_pwrite_durable,
	};

	return &ops;
}

/* ---- life ---- */

struct sim_fs *sim_fs_new(uint64_t seed)
{
	struct sim_fs *fs = sim_disk_new_empty(seed);

	sim_disk_inode_new(fs, INODE_DIR);
	fs->inode[INO_ROOT].nlink = 1;
	return fs;
}

void sim_fs_free(struct sim_fs *fs)
{
	struct sim_file *f;
	struct sim_lock *lock;

	if (fs == NULL)
		return;
	while ((f = fs->files) != NULL) {
		fs->files = f->next;
		while (f->mapping != NULL)
			sim_mapping_drop(fs, f, &f->mapping);
		free(f);
	}
	while ((lock = fs->locks) != NULL) {
		fs->locks = lock->next;
		free(lock);
	}
	for (int i = 0; i < CLOSED_KEPT; i++)
		free(fs->closed[i]);
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++)
		sim_inode_fini(&fs->inode[ino]);
	free(fs->inode);
	sim_fs_faults_clear(fs);
	pthread_mutex_destroy(&fs->mu);
	free(fs);
}
