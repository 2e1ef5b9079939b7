/*
 * Memory of versions that nobody can see any more, for new ones.
 *
 * Who overwrites a few keys again and again would fill the memtable with their old versions, to
 * be copied, passed by scans, and thrown away by the flush. A version is dead once a newer one of
 * its key has a sequence below which nobody looks further back (memtable_reuse_below()). Then it
 * is out of every reader's and every writer's way: a reader stops at the newest version that it
 * may see, a writer at the first that is older than its own, and both are above it. So its memory
 * is free at that moment, without a grace period of its own.
 *
 * Who puts a version above another notes it in a ring; at later puts, a few at a time, versions
 * noted that are old enough have what lies below them cut off. The pieces lie in a list for each
 * size, and a new version of that very size takes the one that came last, which is the one that a
 * near cache has.
 *
 * Rings and lists are of a stripe of tasks, under a lock that nobody waits for. Who finds it
 * taken, or the ring full, goes without a note: what is below then is cut off together with his
 * own version. One that is noted is cut off by nobody until its own turn has come (VERSION_NOTED),
 * so that no ring leads to memory that is used for something else, and what lies below a version
 * is cut off by one task.
 *
 * Thread: any at once, but for init.
 */
#ifndef MEMTABLE_REUSE_H
#define MEMTABLE_REUSE_H

#include "base/arena.h"
#include "memtable/node.h"

enum {
	REUSE_STRIPES = 4,
	REUSE_FINE = 8,        /* bytes between two sizes of pieces up to */
	REUSE_FINE_MAX = 2048, /* so many; beyond them */
	REUSE_COARSE = 128,    /* so many are, up to */
	REUSE_MAX = 16384,     /* so many; longer ones are not used again */
	REUSE_LISTS = 32,      /* sizes whose lists are made together */
	REUSE_GROUPS = (REUSE_FINE_MAX / REUSE_FINE + (REUSE_MAX - REUSE_FINE_MAX) / REUSE_COARSE +
			REUSE_LISTS - 1) /
		       REUSE_LISTS,
	REUSE_RING_MIN = 16,   /* versions; it doubles */
	REUSE_RING_MAX = 8192, /* up to this, */
	REUSE_SHARE = 64,      /* of the arena, for ring and lists; for the ring half of that */
	REUSE_STEPS = 4,       /* versions that one put cuts off at most */
};

struct memreuse {
	struct arena *arena;
	/* Nobody looks below the newest version of a key whose seqtype is at most this. */
	_Atomic uint64_t below;
	struct reuse_stripe {
		_Alignas(64) _Atomic uint32_t lock; /* 0 or 1; guards the rest */
		uint32_t capacity;                  /* of the ring: a power of two, or 0 */
		uint32_t head, tail;                /* counted on, not wrapped */
		struct version **ring;
		struct version **lists[REUSE_GROUPS]; /* REUSE_LISTS each, made when needed */
		size_t bytes;                         /* of ring and lists, once there */
		_Atomic uint64_t cut, deletes;        /* versions cut off; tombstones of these */
	} stripe[REUSE_STRIPES];
};

void memreuse_init(struct memreuse *r, struct arena *arena);

/* Bytes that a version with a value of this size takes. */
static inline size_t version_space(size_t value)
{
	size_t n = offsetof(struct version, value) + value;
	size_t step = n <= REUSE_FINE_MAX || n > REUSE_MAX ? REUSE_FINE : REUSE_COARSE;

	return (n + step - 1) & ~(step - 1);
}

/*
 * A version that will lie above another of its key, with its seqtype and its value's size set.
 * NULL: there is no memory.
 */
struct version *memreuse_version(struct memreuse *r, uint64_t seqtype, size_t size);

/* Versions that were cut off, and how many of them were tombstones. */
uint64_t memreuse_cut(const struct memreuse *r);
uint64_t memreuse_cut_deletes(const struct memreuse *r);

#endif
