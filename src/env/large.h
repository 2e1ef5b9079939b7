/*
 * Blocks of some tens of kilobytes to two megabytes, cut from pieces of MEM_PAGES
 * bytes, and larger ones in pieces of their own: the buffers, filters and indexes of a
 * store. There are few of them at a time, but they come and go all the time among
 * pieces that stay, and a heap that serves them grows to twice of what they take. Here
 * what they take is known to the byte, and an empty piece goes back whole.
 *
 * A piece is 64 units; a block is a run of units, in the first piece that has one.
 * Nothing is written into the pieces, so a block is aligned to its unit.
 *
 * Thread: the caller's lock.
 */
#ifndef ENV_LARGE_H
#define ENV_LARGE_H

#include "base/mem.h"
#include "base/status.h"

enum {
	LARGE_UNIT = MEM_PAGES / 64,
	LARGE_LEAST = LARGE_UNIT * 3 / 4, /* smaller blocks would waste too much */
};

struct large_piece {
	uint8_t *memory;
	size_t bytes;  /* MEM_PAGES, or a multiple: one block */
	uint64_t used; /* bit i: unit i is taken */
	uint64_t last; /* bit i: it is the last of its block */
};

struct large {
	const shale_env *env; /* of the list */
	struct large_piece *pieces;
	size_t count, capacity; /* by address */
};

void large_init(struct large *l, const shale_env *env);
void large_fini(struct large *l); /* all was given back */

/* Bytes of the piece that a block of n bytes, which no piece has room for, needs. */
size_t large_piece_bytes(size_t n);
/* Add a piece; false: no memory. */
bool large_add(struct large *l, void *memory, size_t bytes);
/* Take a block of n bytes; NULL: no piece has room for it. */
void *large_take(struct large *l, size_t n);
/* What the block at p takes; 0: there is none. */
size_t large_size(const struct large *l, const void *p);
/* Give back the block at p; false: there is none. A piece that becomes empty is removed and
   stored at *memory and *bytes, else NULL. */
bool large_give(struct large *l, void *p, void **memory, size_t *bytes);

#endif
