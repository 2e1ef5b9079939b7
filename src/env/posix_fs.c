/*
 * The file system of this machine. Every function returns -errno and retries what
 * a signal interrupted.
 *
 * Files are private to their owner (0600, directories 0700), never inherited by
 * exec, never reached through a symbolic link, and never use the descriptors 0
 * to 2: a host that closed those would otherwise print into a store.
 */
#include "env/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct shale_file_lock {
	int fd;
	pid_t owner;
};

/* Repeat a system call that returns -1 until no signal interrupts it. */
#define RETRY(call)                                                                                \
	({                                                                                         \
		__typeof__(call) retry_rc;                                                         \
		do                                                                                 \
			retry_rc = (call);                                                         \
		while (retry_rc == -1 && errno == EINTR);                                          \
		retry_rc;                                                                          \
	})

static int result(int rc)
{
	return rc < 0 ? -errno : 0;
}

/*
 * A large store has a file open for each table that it was asked for, and a thousand of them is
 * what a process may have unless it asks for more.
 */
static void allow_more_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static int fd_open(const char *path, int flags)
{
	int fd = RETRY(open(path, flags | O_CLOEXEC, 0600)), high, err = errno;

	if (fd < 0 && err == EMFILE) {
		allow_more_files(); /* or another thread has, just now */
		fd = RETRY(open(path, flags | O_CLOEXEC, 0600));
		err = errno;
	}
	if (fd < 0)
		return -err;
	if (fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	err = errno;
	close(fd);
	return high >= 0 ? high : -err;
}

/* ---- files -------------------------------------------------------------- */

static void through_cache(shale_file *f)
{
	int flags = fcntl(f->fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(f->fd, F_SETFL, flags & ~O_DIRECT);
	atomic_store_explicit(&f->direct, false, memory_order_relaxed);
}

bool posix_goes_direct(shale_file *f, const void *buf, size_t n, uint64_t offset)
{
	if (!atomic_load_explicit(&f->direct, memory_order_relaxed))
		return false;
	if ((((uintptr_t)buf | n | offset) & (SHALE_DIRECT_ALIGN - 1)) == 0)
		return true;
	through_cache(f);
	return false;
}

/*
 * File systems refuse O_DIRECT when a file is opened with it, or when it is used: there may
 * be some that want more than SHALE_DIRECT_ALIGN. In that case the caller tries again, also
 * when another thread has found it out meanwhile.
 */
static bool refused(shale_file *f, bool direct)
{
	if (errno != EINVAL || !direct)
		return false;
	through_cache(f);
	return true;
}

static int posix_open(void *self, const char *path, unsigned flags, shale_file **out)
{
	int mode = flags & SHALE_FILE_WRITE ? O_RDWR : O_RDONLY, fd;
	bool direct = (flags & SHALE_FILE_DIRECT) != 0;
	struct shale_file *f;

	(void)self;
	if (flags & SHALE_FILE_CREATE)
		mode |= O_CREAT;
	if (flags & SHALE_FILE_EXCLUSIVE)
		mode |= O_EXCL;
	if (flags & SHALE_FILE_TRUNCATE)
		mode |= O_TRUNC;
	f = malloc(sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	fd = fd_open(path, mode | O_NOFOLLOW | (direct ? O_DIRECT : 0));
	if (fd == -EINVAL && direct) {
		direct = false;
		/* The file may have been created before that was refused. */
		fd = fd_open(path, (mode & ~O_EXCL) | O_NOFOLLOW);
	}
	if (fd < 0) {
		free(f);
		return fd;
	}
	f->fd = fd;
	atomic_init(&f->direct, direct);
	*out = f;
	return 0;
}

static void posix_close(void *self, shale_file *f)
{
	(void)self;
	/* Not repeated: Linux has closed the descriptor even when it says EINTR. */
	close(f->fd);
	free(f);
}

int64_t posix_pread(void *self, shale_file *f, void *buf, size_t n, uint64_t offset)
{
	ssize_t got;
	bool direct;

	(void)self;
	do {
		direct = posix_goes_direct(f, buf, n, offset);
		got = RETRY(pread(f->fd, buf, n, (off_t)offset));
	} while (got < 0 && refused(f, direct));
	return got < 0 ? -errno : got;
}

static int64_t posix_pwrite(void *self, shale_file *f, const void *buf, size_t n, uint64_t offset)
{
	ssize_t put;
	bool direct;

	(void)self;
	do {
		direct = posix_goes_direct(f, buf, n, offset);
		put = RETRY(pwrite(f->fd, buf, n, (off_t)offset));
	} while (put < 0 && refused(f, direct));
	return put < 0 ? -errno : put;
}

static int posix_sync(void *self, shale_file *f)
{
	(void)self;
	return result(RETRY(fdatasync(f->fd)));
}

static int64_t posix_pwrite_durable(void *self, shale_file *f, const void *buf, size_t n,
				    uint64_t offset)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)buf, .iov_len = n };
	ssize_t put;
	int64_t rc;
	bool direct;
	int err;

	do {
		direct = posix_goes_direct(f, buf, n, offset);
		put = RETRY(pwritev2(f->fd, &v, 1, (off_t)offset, RWF_DSYNC));
	} while (put < 0 && refused(f, direct));
	if (put >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
		return put < 0 ? -errno : put;
	rc = posix_pwrite(self, f, buf, n, offset);
	err = rc < 0 ? 0 : posix_sync(self, f);
	return err < 0 ? err : rc;
}

static int posix_writeback(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	(void)self;
	return result(
		RETRY(sync_file_range(f->fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE)));
}

/* Tells of a write error, and with that the kernel has told of it. */
static int posix_writeback_wait(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	(void)self;
	return result(RETRY(
		sync_file_range(f->fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WAIT_BEFORE)));
}

/* Where the file system cannot reserve: real zeros behind what is there. */
static int write_zeros(int fd, uint64_t end)
{
	static const uint8_t zeros[65536];
	struct stat st;
	uint64_t at;

	if (RETRY(fstat(fd, &st)) != 0)
		return -errno;
	for (at = (uint64_t)st.st_size; at < end;) {
		size_t n = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);
		ssize_t put = RETRY(pwrite(fd, zeros, n, (off_t)at));

		if (put < 0)
			return -errno;
		at += (uint64_t)put;
	}
	return 0;
}

/*
 * btrfs writes every page to a new place, reserved or not, and on a full disk there is
 * none: a store into a mapping would be a SIGBUS. A new file can be told to stay where
 * it is; our checksums do not need those that it loses by that. Not every kind of btrfs
 * volume allows it, and other file systems refuse: then the file is as it is.
 */
static void keep_in_place(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 || (flags & FS_NOCOW_FL) != 0)
		return;
	flags |= FS_NOCOW_FL;
	(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int posix_allocate(void *self, shale_file *f, uint64_t offset, uint64_t n)
{
	struct statfs fs;

	(void)self;
	if (fstatfs(f->fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC)
		keep_in_place(f->fd);
	if (RETRY(fallocate(f->fd, 0, (off_t)offset, (off_t)n)) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return write_zeros(f->fd, offset + n);
}

static int posix_truncate(void *self, shale_file *f, uint64_t size)
{
	(void)self;
	return result(RETRY(ftruncate(f->fd, (off_t)size)));
}

static int posix_size(void *self, shale_file *f, uint64_t *out)
{
	struct stat st;

	(void)self;
	if (RETRY(fstat(f->fd, &st)) != 0)
		return -errno;
	*out = (uint64_t)st.st_size;
	return 0;
}

static int posix_advise(void *self, shale_file *f, uint64_t offset, uint64_t n, int advice)
{
	int native;

	(void)self;
	switch (advice) {
	case SHALE_ADVISE_RANDOM:
		native = POSIX_FADV_RANDOM;
		break;
	case SHALE_ADVISE_SEQUENTIAL:
		native = POSIX_FADV_SEQUENTIAL;
		break;
	case SHALE_ADVISE_WILLNEED:
		native = POSIX_FADV_WILLNEED;
		break;
	case SHALE_ADVISE_DONTNEED:
		native = POSIX_FADV_DONTNEED;
		break;
	default:
		return -EINVAL;
	}
	return -posix_fadvise(f->fd, (off_t)offset, (off_t)n, native);
}

/*
 * A page could not be made writable, and the fault does not say why; a write does. So write
 * back what is in each page, of a file that nobody else has yet, until one fails.
 */
static int map_failure(int fd, uint64_t n)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (uint64_t at = 0; at < n; at += page) {
		char byte;

		if (RETRY(pread(fd, &byte, 1, (off_t)at)) < 0 ||
		    RETRY(pwrite(fd, &byte, 1, (off_t)at)) < 0)
			return -errno;
	}
	return -EIO;
}

/*
 * MAP_POPULATE would fault a shared mapping for reading only and leave a fault to
 * the first store into each page; MADV_POPULATE_WRITE (Linux 5.14) takes them all
 * here. Older kernels do their best with the former.
 */
static int posix_map(void *self, shale_file *f, uint64_t n, void **addr)
{
	struct stat st;
	void *p;
	int err;

	(void)self;
	if (RETRY(fstat(f->fd, &st)) != 0)
		return -errno;
	if (n == 0 || n > SIZE_MAX || n > (uint64_t)st.st_size)
		return -EINVAL; /* a store beyond the end would be a SIGBUS */
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	if (RETRY(madvise(p, n, MADV_POPULATE_WRITE)) != 0) {
		err = errno;
		if (err != EINVAL) {
			munmap(p, n);
			return err == EFAULT ? map_failure(f->fd, n) : -err;
		}
		(void)madvise(p, n, MADV_WILLNEED);
	}
	*addr = p;
	return 0;
}

static void posix_unmap(void *self, shale_file *f, void *addr, uint64_t n)
{
	(void)self;
	(void)f;
	munmap(addr, n);
}

/* ---- names -------------------------------------------------------------- */

static int posix_mkdir(void *self, const char *path)
{
	(void)self;
	return result(RETRY(mkdir(path, 0700)));
}

static int posix_rmdir(void *self, const char *path)
{
	(void)self;
	return result(RETRY(rmdir(path)));
}

static int posix_list(void *self, const char *path, int (*each)(void *arg, const char *name),
		      void *arg)
{
	int fd = fd_open(path, O_RDONLY | O_DIRECTORY), rc = 0;
	DIR *dir;

	(void)self;
	if (fd < 0)
		return fd;
	do
		dir = fdopendir(fd);
	while (dir == NULL && errno == EINTR);
	if (dir == NULL) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL && errno == EINTR)
			continue;
		if (entry == NULL) {
			rc = -errno; /* 0 at the end */
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = each(arg, entry->d_name);
	}
	closedir(dir);
	return rc;
}

static int posix_stat(void *self, const char *path, uint64_t *size, bool *is_dir)
{
	struct stat st;

	(void)self;
	if (RETRY(stat(path, &st)) != 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	*is_dir = S_ISDIR(st.st_mode);
	return 0;
}

static int posix_rename(void *self, const char *from, const char *to)
{
	(void)self;
	return result(RETRY(rename(from, to)));
}

static int posix_unlink(void *self, const char *path)
{
	(void)self;
	return result(RETRY(unlink(path)));
}

static int posix_sync_dir(void *self, const char *path)
{
	int fd = fd_open(path, O_RDONLY | O_DIRECTORY), rc;

	(void)self;
	if (fd < 0)
		return fd;
	rc = result(RETRY(fsync(fd)));
	close(fd);
	return rc;
}

static int posix_space(void *self, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
	struct statvfs st;

	(void)self;
	if (RETRY(statvfs(path, &st)) != 0)
		return -errno;
	*free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	*total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

/* ---- the lock ----------------------------------------------------------- */

/*
 * A lock of the open file description (OFD): unlike the older POSIX lock it also
 * excludes a second open in this process, and closing another descriptor of the
 * file does not drop it.
 */
static int ofd_lock(int fd, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };

	if (RETRY(fcntl(fd, F_OFD_SETLK, &fl)) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

/* Is `path` still the file behind fd? Not if its owner destroyed the store meanwhile. */
static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return RETRY(fstat(fd, &a)) == 0 && RETRY(lstat(path, &b)) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* For whoever finds it locked; nothing depends on it. */
static void write_owner(int fd, pid_t owner)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)owner);

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		(void)ftruncate(fd, 0);
}

static int posix_lock(void *self, const char *path, shale_file_lock **out)
{
	struct shale_file_lock *lock = malloc(sizeof(*lock));
	int fd, rc;

	(void)self;
	if (lock == NULL)
		return -ENOMEM;
	for (;;) {
		fd = fd_open(path, O_RDWR | O_CREAT | O_NOFOLLOW);
		if (fd < 0) {
			free(lock);
			return fd;
		}
		rc = ofd_lock(fd, F_WRLCK);
		if (rc < 0) {
			close(fd);
			free(lock);
			return rc;
		}
		if (same_file(fd, path))
			break;
		close(fd);
	}
	lock->fd = fd;
	lock->owner = getpid();
	write_owner(fd, lock->owner);
	*out = lock;
	return 0;
}

static void posix_unlock(void *self, shale_file_lock *lock)
{
	(void)self;
	/*
	 * A child made by fork() shares the description, and with it the lock. The
	 * owner releases it even though such a child keeps the descriptor open; the
	 * child must not release it for its parent.
	 */
	if (lock->owner == getpid())
		(void)ofd_lock(lock->fd, F_UNLCK);
	close(lock->fd);
	free(lock);
}

const shale_fs_ops posix_fs = {
	.struct_size = sizeof(shale_fs_ops),
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pwrite = posix_pwrite,
	.sync = posix_sync,
	.writeback = posix_writeback,
	.allocate = posix_allocate,
	.truncate = posix_truncate,
	.size = posix_size,
	.advise = posix_advise,
	.map = posix_map,
	.unmap = posix_unmap,
	.mkdir = posix_mkdir,
	.rmdir = posix_rmdir,
	.list = posix_list,
	.stat = posix_stat,
	.rename = posix_rename,
	.unlink = posix_unlink,
	.sync_dir = posix_sync_dir,
	.lock = posix_lock,
	.unlock = posix_unlock,
	.space = posix_space,
	.read_many = posix_read_many,
	.writeback_wait = posix_writeback_wait,
	.pwrite_durable = posix_pwrite_durable,
};
