/*
 * The inside of the simulated disk, shared by sim_image.c, sim_disk.c, sim_crash.c,
 * sim_fault.c, sim_file.c, sim_fs.c and sim_peek.c. All of struct sim_fs is guarded
 * by its mutex, except where said.
 */
#ifndef ENV_SIM_DISK_H
#define ENV_SIM_DISK_H

#include "base/rand.h"
#include "env/sim.h"

#include <pthread.h>
#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__)
#define SIM_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIM_TSAN
#endif
#endif

#define SIM_FILE_MAX (UINT64_C(8) << 30)
#define SIM_PAGE ((size_t)4096)
#define SIM_CAPACITY (UINT64_C(1) << 40)

/* Memory of the simulator itself; never NULL. */
void *sim_calloc(size_t n);
void *sim_realloc(void *p, size_t n);
/* A misuse: print it and abort. */
_Noreturn void sim_bug(const char *what, const char *name);

/* ---- images (sim_image.c) ---- */

/*
 * Bytes counted by reference and copied on write, so that the copy of a disk is
 * cheap. Bytes in [used, cap) are zero.
 */
struct blob {
	_Atomic uint32_t refs;
	bool paged; /* page-aligned memory of its own: for mappings */
	size_t used, cap;
	_Atomic uint64_t hash; /* of the content, once somebody asked; 0: not known */
	uint8_t *data;
};

/* A file's content: the blob's bytes and then zeros, up to size. */
struct image {
	struct blob *blob; /* NULL: all zeros */
	uint64_t size;
	uint32_t pins; /* live mappings of the blob: it must stay where it is */
};

struct blob *sim_blob_new(size_t cap, bool paged);
struct blob *sim_blob_ref(struct blob *b);
void sim_blob_unref(struct blob *b);

void sim_image_fini(struct image *i);
/* The same content: shared, or copied if mapped. */
struct image sim_image_share(const struct image *i);
/* False when pinned and too small. */
bool sim_image_write(struct image *i, uint64_t offset, const void *data, size_t n);
void sim_image_read(const struct image *i, uint64_t offset, void *buf, size_t n);
void sim_image_resize(struct image *i, uint64_t size);
/* dst[offset, +n) = src[offset, +n), cut at the size of dst. */
void sim_image_patch(struct image *dst, const struct image *src, uint64_t offset, uint64_t n);
/* n at most a page. */
bool sim_image_same(const struct image *a, const struct image *b, uint64_t offset, size_t n);
/* Make the blob fit for mapping [0, n). False: pinned and too small. */
bool sim_image_pin(struct image *i, uint64_t n);
void sim_image_unpin(struct image *i);
uint64_t sim_image_hash(const struct image *i);
/* Bytes from which on the content is all zero. */
size_t sim_image_used(const struct image *i);

/* ---- names (sim_disk.c) ---- */

enum { NAME_BYTES = 56 };

struct entry {
	char name[NAME_BYTES];
	uint32_t hash;
	uint32_t ino;
};

/* The entries of a directory; copied on write. */
struct names {
	_Atomic uint32_t refs;
	uint32_t count, cap;
	struct entry e[];
};

struct names *sim_names_share(struct names *t);
void sim_names_unref(struct names *t);
uint32_t sim_names_find(const struct names *t, const char *name); /* 0: none */
void sim_names_set(struct names **t, const char *name, uint32_t ino);
void sim_names_remove(struct names **t, const char *name);

/* ---- inodes (sim_disk.c) ---- */

enum op_kind {
	/* of a file */
	OP_WRITE,    /* offset, bytes */
	OP_TRUNCATE, /* offset: the size */
	OP_EXTEND,   /* offset: the size, with zeros */
	/* of a directory */
	OP_LINK,   /* bytes: name; ino */
	OP_UNLINK, /* bytes: name */
	OP_RENAME, /* bytes: from, to; ino */
};

struct op {
	uint64_t seq;
	uint8_t kind;
	uint32_t ino;
	uint64_t offset;
	struct blob *bytes;
};

struct flip {
	uint64_t offset;
	uint8_t mask;
};

enum inode_kind { INODE_FREE, INODE_FILE, INODE_DIR };

struct inode {
	uint8_t kind;
	bool mapped; /* stores through a mapping may be unsynced */
	bool has_clean;
	uint32_t nlink;   /* current names */
	uint32_t opens;   /* live handles and locks */
	uint64_t map_seq; /* place in time of the mapped stores */

	struct image cur, dur;
	/*
	 * After a sync that failed clean: what the page cache takes for durable. Only
	 * what differs from it, or is written anew, is dirty.
	 */
	struct image clean;
	struct names *names, *names_dur;

	struct op *log; /* pending, oldest first */
	uint32_t log_count, log_cap;
	uint64_t log_bytes;

	struct flip *flip;
	uint32_t flip_count;
};

enum { INO_ROOT = 1 };

struct rule {
	struct sim_fault fault;
	uint64_t seen;
	struct rule *next;
};

struct sim_file {
	struct sim_file *next, *prev;
	uint64_t generation;
	uint32_t ino;
	bool writable, closed;
	char name[NAME_BYTES];
	struct mapping {
		struct mapping *next;
		struct blob *blob;
	} * mapping;
};

struct sim_lock {
	struct sim_lock *next, *prev;
	uint64_t generation;
	uint32_t ino;
};

/* Handles closed not long ago, kept to tell a use after close. */
enum { CLOSED_KEPT = 256 };

struct sim_fs {
	pthread_mutex_t mu;
	struct inode *inode; /* by number; 0 is unused */
	uint32_t inode_count, inode_cap;
	uint32_t garbage; /* names dropped since the last sweep */
	uint64_t seq;     /* of the last operation */
	/* A journal is written in order: names up to here are durable under ORDERED. */
	uint64_t names_floor;
	uint64_t bytes, capacity;
	uint64_t generation; /* a handle of another one is stale */
	struct sim_file *files;
	struct sim_lock *locks;
	struct sim_file *closed[CLOSED_KEPT];
	uint32_t closed_next;

	struct rand rand;
	struct rule *rules;
	uint64_t hits;
	uint64_t calls[SIM_OPS];
	unsigned short_reads, short_writes;
	bool lying;
	int full_err; /* 0: ENOSPC */
	uint64_t handles_max;
	int handles_err;

	/* Set before others know of the disk. */
	sim_fs_hook hook, inner_hook; /* the user's, the scheduler's */
	void *hook_arg, *inner_arg;
	/* The scheduler's: the caller sleeps as long as such a call takes. */
	void (*latency)(void *arg, enum sim_op op);
};

/* A disk without inodes, for copies; root is not made. */
struct sim_fs *sim_disk_new_empty(uint64_t seed);
uint32_t sim_disk_inode_new(struct sim_fs *fs, enum inode_kind kind);
void sim_inode_fini(struct inode *i);
void sim_inode_log(struct sim_fs *fs, struct inode *i, enum op_kind kind, uint32_t ino,
		   uint64_t offset, const void *bytes, size_t n);
void sim_inode_log_clear(struct inode *i);
/* Apply a file's operation. */
void sim_op_apply(struct image *image, const struct op *op);
/* Apply a directory's operation. */
void sim_op_apply_names(struct names **t, const struct op *op);

void sim_inode_sync(struct inode *i);
/*
 * What was written within a range is durable, and of the rest nothing more than was: or all
 * is, where that cannot be told apart.
 */
void sim_inode_sync_range(struct inode *i, uint64_t offset, uint64_t n);
void sim_inode_sync_failed_clean(struct inode *i);
/* The same, and the cache is dropped too: back to what is durable. */
void sim_inode_sync_failed_old(struct sim_fs *fs, struct inode *i);
void sim_disk_sync_dir(struct sim_fs *fs, struct inode *dir);

/* Resolve a path. -ENOENT, -ENOTDIR, -EINVAL, -ENAMETOOLONG. */
int sim_disk_lookup(struct sim_fs *fs, const char *path, uint32_t *ino);
/*
 * The directory in which the last part of the path is, that part, and its inode
 * (0: there is none). `avoid`: -EINVAL when the way leads through it.
 */
int sim_disk_lookup_parent(struct sim_fs *fs, const char *path, uint32_t avoid, uint32_t *dir,
			   char name[NAME_BYTES], uint32_t *ino);
void sim_disk_link(struct sim_fs *fs, uint32_t dir, const char *name, uint32_t ino);
void sim_disk_unlink(struct sim_fs *fs, uint32_t dir, const char *name);
/* nlink or opens of an inode fell: settle what it occupied. */
void sim_disk_put(struct sim_fs *fs, struct inode *i);
void sim_disk_sweep(struct sim_fs *fs);
/* nlink, opens and bytes anew, from the names as they are; frees the unreachable. */
void sim_disk_recount(struct sim_fs *fs);

/* ---- faults (sim_fault.c) ---- */

struct verdict {
	int err; /* to be returned; 0: none */
	bool after, clean, old, hit;
	enum sim_stray stray;
};

/* Count the call, run the hooks, lock the disk, and judge. */
struct verdict sim_disk_enter(struct sim_fs *fs, enum sim_op op, const char *name);
/* The errno of a full disk. */
int sim_disk_full(const struct sim_fs *fs);
/* 0, or -errno when one more handle is too many. */
int sim_disk_handle_room(const struct sim_fs *fs);
/* Some n' <= n, by the chance of short I/O. */
size_t sim_disk_short(struct sim_fs *fs, size_t n, unsigned permille);

/* ---- strays (sim_stray.c) ---- */

/* Instead of reading what was meant. */
void sim_stray_read(struct sim_fs *fs, enum sim_stray stray, uint32_t ino, uint64_t offset,
		    void *buf, size_t n);
/* Instead of writing what was meant; the file has grown as if it had. False: -EFBIG. */
bool sim_stray_write(struct sim_fs *fs, enum sim_stray stray, uint32_t ino, uint64_t offset,
		     const void *buf, size_t n);

/* ---- calls ---- */

struct call {
	struct sim_fs *fs;
	enum sim_op op;
	struct verdict v;
};

static inline struct call call_begin(void *self, enum sim_op op, const char *name)
{
	struct call c = { .fs = self, .op = op };

	c.v = sim_disk_enter(c.fs, op, name);
	return c;
}

/* Whether the call does no work at all. */
static inline bool call_refused(const struct call *c)
{
	return c->v.err != 0 && !c->v.after;
}

static inline int64_t call_end(struct call *c, int64_t rc)
{
	pthread_mutex_unlock(&c->fs->mu);
	/* That of a read came before its work. */
	if (c->fs->latency != NULL && c->op != SIM_READ)
		c->fs->latency(c->fs->inner_arg, c->op);
	return c->v.err != 0 ? -c->v.err : rc;
}

/* ---- open files (sim_file.c) ---- */

/* A handle or a lock of this inode is gone. */
void sim_put_open(struct sim_fs *fs, uint64_t generation, uint32_t ino);
int sim_file_open(void *self, const char *path, unsigned flags, shale_file **out);
/* Forget a mapping; *at is its place in the list of f. */
void sim_mapping_drop(struct sim_fs *fs, struct sim_file *f, struct mapping **at);
void sim_file_close(void *self, shale_file *file);
int64_t sim_file_pread(void *self, shale_file *file, void *buf, size_t n, uint64_t offset);
int64_t sim_file_pwrite(void *self, shale_file *file, const void *buf, size_t n, uint64_t offset);
int sim_file_sync(void *self, shale_file *file);
/* Counted and judged as a write and a sync. */
int64_t sim_file_pwrite_durable(void *self, shale_file *file, const void *buf, size_t n,
				uint64_t offset);
int sim_file_writeback(void *self, shale_file *file, uint64_t offset, uint64_t n);
int sim_file_allocate(void *self, shale_file *file, uint64_t offset, uint64_t n);
int sim_file_truncate(void *self, shale_file *file, uint64_t size);
int sim_file_size(void *self, shale_file *file, uint64_t *out);
int sim_file_advise(void *self, shale_file *file, uint64_t offset, uint64_t n, int advice);
int sim_file_map(void *self, shale_file *file, uint64_t n, void **addr);
void sim_file_unmap(void *self, shale_file *file, void *addr, uint64_t n);

#endif
