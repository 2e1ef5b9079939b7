/*
 * A bump allocator whose pieces live and die together. Tasks allocate at once:
 * each stripe has its own chunk with an atomic cursor, so two threads rarely
 * touch one line. Chunks double from 4 KiB to 2 MiB, so a tiny arena stays tiny
 * and a large one lies in huge pages.
 * A request over a quarter of the largest chunk gets a chunk of its own.
 *
 * Thread: arena_alloc() any; init and fini one.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/lock.h"

enum { ARENA_STRIPES = 4 };

struct arena_chunk;

struct arena {
	const shale_env *env;
	_Atomic(struct arena_chunk *) current[ARENA_STRIPES];
	_Atomic size_t bytes; /* of all chunks */

	struct mutex mu; /* guards the rest */
	struct arena_chunk *chunks;
	size_t chunk_size;
};

void arena_init(struct arena *a, const shale_env *env);
void arena_fini(struct arena *a);

/* n bytes, 8-byte aligned, not zeroed; NULL when there is no memory. */
void *arena_alloc(struct arena *a, size_t n);

/* 64-byte aligned. */
void *arena_alloc_line(struct arena *a, size_t n);

/* Memory taken from the heap so far. */
static inline size_t arena_bytes(const struct arena *a)
{
	return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

#endif
