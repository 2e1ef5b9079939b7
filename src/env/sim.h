/*
 * The simulated environment: a disk that forgets and tears, a clock that stands
 * still, a scheduler that plays any order of tasks again from its seed, and a
 * heap that fails when told to. struct sim bundles them as one shale_env; disk
 * and heap also work alone, under real threads.
 *
 * Running out of memory in the simulator itself, or a misuse that no library
 * should be forgiven (a file used after its close, a double free), ends the
 * process with a sentence.
 */
#ifndef ENV_SIM_H
#define ENV_SIM_H

#include <shale/env.h>

#include <stdio.h>

/* ---- disk --------------------------------------------------------------- */

/*
 * Every file has two images: `current`, which reads and mappings see, and
 * `durable`, which a sync makes equal to it. What lies between is a list of
 * pending operations. Names work alike: create, rename and unlink are pending
 * in their directory until sync_dir of it. A rename inside one directory is
 * atomic; one across directories is a new name there and an unlink here.
 *
 * Names have at most 55 bytes; "..", links and permissions are unknown. A path
 * may begin with "/" or not. While a file is mapped its buffer cannot move, so
 * a write behind the end of the buffer (mapped length or size) is -EFBIG, and a
 * mapping longer than the file -EINVAL.
 *
 * Buffers: a read fills all of the buffer with junk before anything else, so who uses
 * bytes that were not delivered is found out. A buffer that changes while a slow write
 * is under way (struct sim_latency), or a file that is closed under a slow read, ends
 * the process. What lay in a mapping is freed with the last one of its file.
 *
 * EINTR is never returned but by a rule: the interface's files do not let it out.
 *
 * Thread: any, except that a crash, clone or hash of a moment with mapped stores
 * under way sees some of these stores.
 */
struct sim_fs;

/* The calls that are counted, that may fail, and that a hook sees. */
enum sim_op {
	SIM_ANY, /* in rules and counts: all of them */
	SIM_OPEN,
	SIM_READ,
	SIM_WRITE,
	SIM_SYNC,
	SIM_WRITEBACK,
	SIM_ALLOCATE,
	SIM_TRUNCATE,
	SIM_SIZE,
	SIM_ADVISE,
	SIM_MAP,
	SIM_MKDIR,
	SIM_RMDIR,
	SIM_LIST,
	SIM_STAT,
	SIM_RENAME,
	SIM_UNLINK,
	SIM_SYNC_DIR,
	SIM_LOCK,
	SIM_SPACE,
	SIM_OPS, /* how many */
};

const char *sim_op_name(enum sim_op op);

enum { SIM_SECTOR = 512 };

struct sim_fs *sim_fs_new(uint64_t seed);
void sim_fs_free(struct sim_fs *fs); /* NULL is allowed; frees what was left open */
const shale_fs_ops *sim_fs_ops(void);

/*
 * What a crash leaves. `seed` decides where there is a choice; for the last three
 * power cuts it is the operation's index in 0 .. sim_fs_pending() - 1, oldest
 * first, where all unsynced stores through mappings of one file are one operation.
 */
enum sim_crash {
	/*
	 * Like a journaling file system: of the names a prefix of all operations in
	 * time; of each file a prefix of its writes, the last one cut at a sector.
	 */
	SIM_CRASH_ORDERED,
	/*
	 * Anything a drive may do: each operation persists or not, whatever the
	 * order; writes tear at sectors; a size may grow without its data (zeros,
	 * junk, another file's bytes); a sector of mapped stores persists, or not,
	 * or in part. Of writes to one sector a later one brings the earlier along.
	 */
	SIM_CRASH_CHAOS,
	SIM_CRASH_NONE_UNSYNCED, /* just what was synced */
	SIM_CRASH_ALL,           /* everything, as if all had been synced */
	SIM_CRASH_OMIT_ONE,      /* all but one operation */
	SIM_CRASH_ONLY_ONE,      /* nothing unsynced but one operation */
	SIM_CRASH_TEAR_ONE,      /* what came before it, and some of its sectors */
	SIM_CRASH_PROCESS,       /* kill -9: nothing is lost, pending stays pending */
};

/* Crash in place. Open files answer -EIO from now on (close them or not); locks are gone. */
void sim_fs_crash(struct sim_fs *fs, enum sim_crash mode, uint64_t seed);
/* A copy of this moment, pending operations included; no open files, rules or hooks. */
struct sim_fs *sim_fs_clone(struct sim_fs *fs);
/* Clone and crash in one, and cheaper: file contents that do not differ are shared. */
struct sim_fs *sim_fs_image(struct sim_fs *fs, enum sim_crash mode, uint64_t seed);
uint64_t sim_fs_pending(struct sim_fs *fs);
/* Of all names and contents as they are now; equal disks have equal hashes. */
uint64_t sim_fs_hash(struct sim_fs *fs);

/* ---- faults ---- */

/* A read or write that reports success but did not do what was asked (err is not used). */
enum sim_stray {
	SIM_STRAY_NONE,
	SIM_STRAY_MISDIRECTED, /* the bytes of, or into, another sector of some file */
	SIM_STRAY_LOST,        /* a write that went nowhere; a read of zeros */
};

struct sim_fault {
	enum sim_op op; /* SIM_ANY: every call counts */
	const char
		*name_ends; /* only objects whose name ends so; NULL: all. Must outlive the rule */
	uint64_t nth;       /* fails the nth matching call from now on; 0 is as 1 */
	int err;            /* the errno, such as EIO */
	bool sticky;        /* that one and all matching after it */
	bool after;         /* the call does its work and then fails */
	/*
	 * A failed sync forgets what it should have written: reads still see it and
	 * the next sync succeeds, but it is not durable (as Linux does).
	 */
	bool clean;
	bool old; /* with clean: reads see the old bytes and size again (as Btrfs does) */
	enum sim_stray stray;
};

void sim_fs_fault(struct sim_fs *fs, const struct sim_fault *rule);
void sim_fs_faults_clear(struct sim_fs *fs); /* the rules; counts stay */
uint64_t sim_fs_fault_hits(struct sim_fs *fs);
uint64_t sim_fs_calls(struct sim_fs *fs, enum sim_op op);
uint64_t sim_fs_open_handles(struct sim_fs *fs); /* files and locks that were not given back */
/* Chance in 1000 that a read or a write of more than one byte is cut short. */
void sim_fs_short_io(struct sim_fs *fs, unsigned reads, unsigned writes);
/*
 * Room for file contents in bytes; what does not fit is -ENOSPC, or what is set here:
 * of a quota (EDQUOT) space() does not know.
 */
void sim_fs_set_full_error(struct sim_fs *fs, int err);
void sim_fs_set_capacity(struct sim_fs *fs, uint64_t bytes);
/*
 * How many files, locks and (while listed or synced) directories may be open at once;
 * what would be one more is -err: EMFILE of the process, ENFILE of the system. 0: any.
 */
void sim_fs_set_handles_max(struct sim_fs *fs, uint64_t max, int err);
/* A drive that lies: sync and sync_dir succeed and do nothing. */
void sim_fs_set_lying(struct sim_fs *fs, bool lying);
/* Reads of this byte see bit 0..7 inverted; mappings do not. -ENOENT: no such file. */
int sim_fs_flip(struct sim_fs *fs, const char *path, uint64_t offset, unsigned bit);
void sim_fs_flips_clear(struct sim_fs *fs);

/*
 * Called before each counted call, with no lock held, on the caller's stack: the
 * place to take an image of every moment, or to end the run (sim_stop()).
 */
typedef void (*sim_fs_hook)(void *arg, struct sim_fs *fs, enum sim_op op, const char *name);
void sim_fs_on_call(struct sim_fs *fs, sim_fs_hook fn, void *arg);

/* ---- for tests, beside the rules: not counted, never failing by a rule ---- */

/* 0 and a copy to be freed with free(), or -errno. */
int sim_fs_read_file(struct sim_fs *fs, const char *path, void **data, size_t *size);
/* Create or replace a file and sync it and its directory, which must exist. */
int sim_fs_write_file(struct sim_fs *fs, const char *path, const void *data, size_t size);
/* Remove a file and sync its directory. */
int sim_fs_remove_file(struct sim_fs *fs, const char *path);
/* Invert `mask` in a byte of the file, for reads, mappings and for good. */
int sim_fs_corrupt(struct sim_fs *fs, const char *path, uint64_t offset, uint8_t mask);
/* Each name of a directory in the order of names; stops at nonzero, returns it. */
int sim_fs_list(struct sim_fs *fs, const char *path,
		int (*each)(void *arg, const char *name, uint64_t size, bool is_dir), void *arg);
/* Print the tree and what is pending. */
void sim_fs_dump(struct sim_fs *fs, FILE *out);

/* ---- heap --------------------------------------------------------------- */

/*
 * Memory that is counted, filled with junk when given out and when given back,
 * and moved by every realloc. Thread: any.
 */
struct sim_heap;

struct sim_heap *sim_heap_new(void);
void sim_heap_free(struct sim_heap *heap); /* and all that lives in it; NULL is allowed */
const shale_allocator_ops *sim_heap_ops(void);
/* The nth allocation from now on fails (sticky: and all after it); 0: none does. */
void sim_heap_fail(struct sim_heap *heap, uint64_t nth, bool sticky);
uint64_t sim_heap_failures(const struct sim_heap *heap); /* how many were made to fail */
uint64_t sim_heap_calls(const struct sim_heap *heap);    /* allocations asked for */
uint64_t sim_heap_live(const struct sim_heap *heap);     /* allocations not given back */
uint64_t sim_heap_bytes(const struct sim_heap *heap);
uint64_t sim_heap_peak(const struct sim_heap *heap); /* bytes */
/* Give back all: what a killed process leaves. */
void sim_heap_free_all(struct sim_heap *heap);

/* ---- tasks and time ----------------------------------------------------- */

/*
 * Tasks are coroutines on the calling thread. Every call of the executor, the
 * clock and the disk is a point where the scheduler may go on with another task;
 * all choices come from the seed.
 *
 * Time is virtual: it stands still but for a small random cost of each call, and
 * jumps to the nearest timeout when every task sleeps. With a latency profile calls of
 * the disk sleep, so that all that others can do meanwhile is done.
 *
 * In a library built with SHALE_YIELDS the marked atomic steps (base/task.h) are such
 * points as well, and so are the fast paths of locks.
 *
 * Thread: one at a time.
 */
struct sim;

enum sim_result {
	SIM_DONE,    /* every task has ended */
	SIM_STOPPED, /* sim_stop() */
	SIM_STUCK,   /* a deadlock, or too many steps; told to the callback first */
};

enum sim_policy {
	SIM_RANDOM, /* at a point another task goes on by chance */
	/*
	 * Tasks have random priorities and the highest runs; at `depth` random steps
	 * the running one falls to the lowest. Finds bugs that need few, far switches.
	 */
	SIM_PRIORITY,
};

struct sim_schedule {
	enum sim_policy policy;
	unsigned switch_permille;   /* RANDOM: chance of a switch at a point */
	unsigned spurious_permille; /* chance that a wait ends at once, for no reason */
	unsigned depth;             /* PRIORITY */
	uint64_t steps;             /* PRIORITY: the run is expected to have so many points */
	uint64_t steps_max;         /* more of them is SIM_STUCK; 0: no limit */
};

/*
 * How long calls of the disk take: anything between, and with tail_permille of 1000 in
 * tail_ns. A read takes effect at the end of it, all others at its beginning: what is
 * written during a sync is not covered by it.
 */
struct sim_latency {
	struct {
		uint64_t least_ns, most_ns, tail_ns;
		unsigned tail_permille;
	} of[SIM_OPS];
};

struct sim_stats {
	uint64_t steps, switches, spawned;
	uint64_t unjoined; /* tasks of the last run that ended and were never joined */
	uint64_t now_ns;
};

/* With an empty disk, an empty heap, and { RANDOM, 250, 10 }. SHALE_NO_MEMORY. */
shale_status sim_new(uint64_t seed, struct sim **out);
void sim_free(struct sim *sim); /* NULL is allowed */
/* Start over with another seed: time, trace, randomness. Disk, heap, schedule stay. */
void sim_reset(struct sim *sim, uint64_t seed);

const shale_env *sim_env(struct sim *sim);
struct sim_fs *sim_get_fs(struct sim *sim);
struct sim_heap *sim_get_heap(struct sim *sim);
/* Put in another disk; the old one is the caller's now. */
struct sim_fs *sim_swap_fs(struct sim *sim, struct sim_fs *fs);

/* Run fn(arg) as the first task, till it and all it spawned have ended. Not nested. */
enum sim_result sim_run(struct sim *sim, void (*fn)(void *arg), void *arg);
void sim_set_schedule(struct sim *sim, const struct sim_schedule *schedule);
/* NULL: none, as at the beginning. */
void sim_set_latency(struct sim *sim, const struct sim_latency *latency);
struct sim_latency sim_latency_nvme(void);   /* reads 80 us, syncs 20 us to 1 ms */
struct sim_latency sim_latency_disk(void);   /* everything that moves the arm: 4 to 20 ms */
struct sim_latency sim_latency_stalls(void); /* quick, but one of 50 takes half a second */
/* Of every choice and call so far: equal seeds and programs give equal hashes. */
uint64_t sim_trace_hash(const struct sim *sim);
struct sim_stats sim_get_stats(const struct sim *sim);
/* Told why a run cannot go on, and who waits; default: print it and abort. */
void sim_on_stuck(struct sim *sim, void (*fn)(void *arg, const char *text), void *arg);

/*
 * The death of a process. From a task: all other tasks vanish where they stand
 * and this one goes on. Their heap is for sim_heap_free_all(), their files for
 * sim_fs_crash().
 */
void sim_kill_tasks(struct sim *sim);
/* From a task: all vanish, this one too; sim_run() returns SIM_STOPPED. */
_Noreturn void sim_stop(struct sim *sim);

/* The nth spawn from now on is -EAGAIN; 0: none. */
void sim_fail_spawn(struct sim *sim, uint64_t nth);
void sim_set_cpus(struct sim *sim, unsigned cpus);
/* false: as the child of a fork() would see it (executor alive()). */
void sim_set_alive(struct sim *sim, bool alive);
void sim_advance_ns(struct sim *sim, uint64_t ns);
/* The wall clock shows `ms` now and goes on from there, also backwards. */
void sim_set_wall_ms(struct sim *sim, uint64_t ms);

#endif
