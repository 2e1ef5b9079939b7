/*
 * The system as Shale sees it: file system, clock, executor, allocator.
 *
 * The library reaches the outside only through a struct shale_env, so a test
 * can put a simulated disk, a virtual clock and a deterministic scheduler
 * beneath it, and an embedder its own allocator. shale_env_default() is this
 * machine. Each table of functions begins with its size, so it can grow.
 *
 * File operations return 0 (or a count) and -errno on failure; they never set
 * a Shale error: the layer above knows which object was meant.
 *
 * Thread: all functions may be called from any thread at once.
 */
#ifndef SHALE_ENV_H
#define SHALE_ENV_H

#include <shale/shale.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- file system -------------------------------------------------------- */

typedef struct shale_file shale_file; /* made by the file system */
typedef struct shale_file_lock shale_file_lock;

enum {
	SHALE_FILE_READ = 1,   /* for reading */
	SHALE_FILE_WRITE = 2,  /* for reading and writing */
	SHALE_FILE_CREATE = 4, /* create; with EXCLUSIVE it must not exist */
	SHALE_FILE_EXCLUSIVE = 8,
	SHALE_FILE_TRUNCATE = 16,
	/*
	 * Past the system's page cache, where memory, length and place are multiples of
	 * SHALE_DIRECT_ALIGN; what is not goes through it, and so may all that follows. A wish:
	 * where the file system cannot, or the environment knows nothing of it, all goes through
	 * the cache.
	 */
	SHALE_FILE_DIRECT = 32,
};

#define SHALE_DIRECT_ALIGN 4096

enum {
	SHALE_ADVISE_RANDOM = 1,
	SHALE_ADVISE_SEQUENTIAL = 2,
	SHALE_ADVISE_WILLNEED = 3,
	SHALE_ADVISE_DONTNEED = 4
};

/* One of several reads; `result` is what pread() would have returned. */
typedef struct shale_read {
	shale_file *file;
	void *buf;
	size_t n;
	uint64_t offset;
	int64_t result;
} shale_read;

typedef struct shale_fs_ops {
	size_t struct_size;
	int (*open)(void *self, const char *path, unsigned flags, shale_file **out);
	void (*close)(void *self, shale_file *f);
	/* May be short; 0 at the end of the file. */
	int64_t (*pread)(void *self, shale_file *f, void *buf, size_t n, uint64_t offset);
	int64_t (*pwrite)(void *self, shale_file *f, const void *buf, size_t n, uint64_t offset);
	/* Data and the size needed to read it are durable (fdatasync). */
	int (*sync)(void *self, shale_file *f);
	/* Start writing a range back; a hint, but for errors, which are as writeback_wait()'s. */
	int (*writeback)(void *self, shale_file *f, uint64_t offset, uint64_t n);
	/* Reserve space and extend the file to at least offset + n, zero-filled. */
	int (*allocate)(void *self, shale_file *f, uint64_t offset, uint64_t n);
	int (*truncate)(void *self, shale_file *f, uint64_t size);
	int (*size)(void *self, shale_file *f, uint64_t *out);
	int (*advise)(void *self, shale_file *f, uint64_t offset, uint64_t n, int advice);
	/* Map [0, n) shared and writable, pages present; sync() covers the stores. */
	int (*map)(void *self, shale_file *f, uint64_t n, void **addr);
	void (*unmap)(void *self, shale_file *f, void *addr, uint64_t n);

	int (*mkdir)(void *self, const char *path);
	int (*rmdir)(void *self, const char *path);
	/* Calls `each` with every name but "." and ".."; stops at nonzero, returns it. */
	int (*list)(void *self, const char *path, int (*each)(void *arg, const char *name),
		    void *arg);
	int (*stat)(void *self, const char *path, uint64_t *size, bool *is_dir);
	int (*rename)(void *self, const char *from, const char *to);
	int (*unlink)(void *self, const char *path);
	int (*sync_dir)(void *self, const char *path);
	/* Exclusive, also against this process; -EAGAIN when held. */
	int (*lock)(void *self, const char *path, shale_file_lock **out);
	void (*unlock)(void *self, shale_file_lock *lock);
	int (*space)(void *self, const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
	/* Several reads that may wait for the device together. NULL: one after another. */
	void (*read_many)(void *self, shale_read *reads, size_t n);
	/*
	 * Wait until what writeback() began of a range is written. An error: it is not, and
	 * perhaps no sync() will say so again; but -ENOSYS, -EOPNOTSUPP, -EINVAL or -ESPIPE:
	 * there is no such wait for this file, as NULL says for all.
	 */
	int (*writeback_wait)(void *self, shale_file *f, uint64_t offset, uint64_t n);
	/*
	 * As pwrite(), and what was written is durable, with the size needed to read it;
	 * other bytes of the file need not be. NULL: pwrite() and sync().
	 */
	int64_t (*pwrite_durable)(void *self, shale_file *f, const void *buf, size_t n,
				  uint64_t offset);
} shale_fs_ops;

/* ---- clock -------------------------------------------------------------- */

typedef struct shale_clock_ops {
	size_t struct_size;
	uint64_t (*now_ns)(void *self);  /* monotonic */
	uint64_t (*wall_ms)(void *self); /* since 1970, UTC */
	void (*random)(void *self, void *buf, size_t n);
} shale_clock_ops;

/* ---- executor ----------------------------------------------------------- */

typedef struct shale_thread shale_thread;

typedef struct shale_executor_ops {
	size_t struct_size;
	int (*spawn)(void *self, const char *name, void (*fn)(void *arg), void *arg,
		     shale_thread **out);
	/* Waits for its end and frees it. */
	void (*join)(void *self, shale_thread *t);
	/*
	 * Sleep while *word == expected, until a wake of that word or the
	 * timeout (UINT64_MAX: none). May return early for no reason. All locks
	 * and conditions of the library are made of this and of wake().
	 */
	void (*wait)(void *self, const uint32_t *word, uint32_t expected, uint64_t timeout_ns);
	void (*wake)(void *self, const uint32_t *word, int count);
	/* The caller waits for another task that is not asleep: let it run. NULL: nothing. */
	void (*yield)(void *self);
	unsigned (*cpus)(void *self);
	/*
	 * A word that is nonzero in this process and reads zero in a child made
	 * by fork(); NULL where that cannot be told.
	 */
	const uint32_t *(*alive)(void *self);
	/*
	 * The calling task is to have less of the processors than others from now on: by `nice`,
	 * 1 to 19, of Linux. A wish; nothing but its share may change. NULL, or a table that
	 * ends before this: nothing.
	 */
	void (*give_way)(void *self, unsigned nice);
} shale_executor_ops;

/* ---- allocator ---------------------------------------------------------- */

typedef struct shale_allocator_ops {
	size_t struct_size;
	/* 16-byte aligned; NULL when there is no memory. */
	void *(*alloc)(void *self, size_t n);
	void *(*realloc)(void *self, void *p, size_t n);
	void (*free)(void *self, void *p);
	/* `align` a power of two; given back with free(). */
	void *(*alloc_aligned)(void *self, size_t align, size_t n);
	/*
	 * Memory for large, long-lived pieces, given back whole, where possible in
	 * huge pages: n is a multiple of 2 MiB and so is the address. Both may be
	 * NULL: alloc_aligned() and free() serve then.
	 */
	void *(*pages)(void *self, size_t n);
	void (*pages_free)(void *self, void *p, size_t n);
} shale_allocator_ops;

struct shale_env {
	size_t struct_size;
	struct {
		void *self;
		const shale_fs_ops *ops;
	} fs;
	struct {
		void *self;
		const shale_clock_ops *ops;
	} clock;
	struct {
		void *self;
		const shale_executor_ops *ops;
	} executor;
	struct {
		void *self;
		const shale_allocator_ops *ops;
	} allocator;
};

/* This machine. Constant; never freed. */
SHALE_API const shale_env *shale_env_default(void);

#ifdef __cplusplus
}
#endif
#endif
