/*
 * Memory for cached blocks. A cache of hundreds of megabytes made of small heap
 * pieces costs a walk of the page tables at nearly every look, and what is given
 * back to a heap in that order is never given back to the system. So blocks lie in
 * chunks of huge pages:
 *
 *   chunk   2 MiB, eight slabs
 *   slab    256 KiB, aligned: a header, then frames of one size
 *   frame   one block; sizes are multiples of 64, 32 of them between two powers of two
 *
 * A slab serves one size while any of its frames is taken, then any other; a chunk
 * without taken slabs goes back to the system at once. Pieces of unusual size, and
 * all of them where a cache is small, come from the heap.
 *
 * The owner of a frame is a number that whoever took it may leave there: it is how
 * a cache that must shrink finds what lies in one chunk.
 *
 * Thread: any; one short lock.
 */
#ifndef CACHE_FRAMES_H
#define CACHE_FRAMES_H

#include "base/lock.h"

enum {
	FRAMES_OCTAVES = 5, /* frames of more than 1 KiB up to 32 KiB */
	FRAMES_STEPS = 32,  /* sizes in an octave */
	FRAMES_SIZES = FRAMES_OCTAVES * FRAMES_STEPS,
	FRAMES_CHUNK_SLABS = 8,
	FRAMES_CHUNK_FRAMES = MEM_PAGES / 1024, /* more than there can be */
};

struct slab;

struct frames {
	const shale_env *env;
	bool heap_only; /* constant */

	struct mutex mu;                 /* rank CACHE; guards the rest */
	struct slab *open[FRAMES_SIZES]; /* with a free frame, doubly linked */
	struct chunk *chunks;
	size_t chunk_count, chunk_capacity, victim;
	uint64_t held;  /* bytes of slabs in use */
	uint64_t taken; /* bytes of frames in use, as charged */
};

/* With `heap_only` no chunk is ever made. */
void frames_init(struct frames *f, const shale_env *env, bool heap_only);
void frames_fini(struct frames *f); /* all was given back */

/* What a piece of n bytes takes, its share of its slab's header included. */
size_t frames_charge(const struct frames *f, size_t n);
/* Frames are aligned to 64 bytes, pieces of the heap as it does. NULL: no memory. */
void *frames_alloc(struct frames *f, size_t n);
void frames_free(struct frames *f, void *p, size_t n);
/* Leave `owner` (not 0) at a taken piece; pieces of the heap forget it. */
void frames_own(struct frames *f, void *p, size_t n, uint32_t owner);

/* A piece and whose it is. */
struct frames_owned {
	void *frame;
	uint32_t owner;
};

/* Turns through the chunks; zero at first. */
struct frames_turns {
	size_t in_vain; /* turns after which there were no fewer chunks than before */
	size_t chunks;  /* when the last one began */
};

/*
 * What lies in the next chunk, in turn; at most FRAMES_CHUNK_FRAMES. Returns how
 * many; *more is false when as many turns as there are chunks left were in vain.
 */
size_t frames_next_chunk(struct frames *f, struct frames_turns *t, struct frames_owned *out,
			 bool *more);
uint64_t frames_held(struct frames *f);
/* Bytes of chunks that no taken frame is charged for. */
uint64_t frames_slack(struct frames *f);

#endif
