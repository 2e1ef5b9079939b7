/*
 * The range tombstones of a memtable.
 *
 * Every tombstone is put at the head of a list and stays there. Readers look
 * through the newest of the list one by one and through the older ones in
 * fragmented sets. When the part that is looked through one by one grows beyond
 * RANGES_TAIL, a reader that gets the lock without waiting builds a set of it,
 * together with the sets before it that are not larger; so there are few sets,
 * and a tombstone is rebuilt O(log n) times.
 *
 * A set takes up to RANGES_SET_MAX tombstones, because nested ones take room by
 * the square. Views that were replaced stay until the end, since a reader may be
 * in one.
 *
 * Thread: any; reading takes no lock and never waits.
 */
#ifndef MEMTABLE_RANGES_H
#define MEMTABLE_RANGES_H

#include "base/arena.h"
#include "iter/rangedel.h"

enum {
	RANGES_TAIL = 64,
	RANGES_SET_MAX = 1024,
};

struct range_node {
	struct rangedel range;
	struct range_node *older;
	uint64_t number; /* in order of arrival */
};

struct range_view;

struct memranges {
	const shale_env *env;
	struct arena *arena;
	_Atomic(struct range_node *) newest;
	_Atomic(struct range_view *) view;
	_Atomic size_t bytes; /* of views and sets */

	struct mutex mu; /* rank MEMTABLE; order of the list, building */
};

void memranges_init(struct memranges *r, const shale_env *env, struct arena *arena);
void memranges_fini(struct memranges *r);

/* False when there is no memory. */
bool memranges_add(struct memranges *r, shale_slice lo, shale_slice hi, uint64_t seq);

/* The newest over key with sequence <= limit, or 0. */
uint64_t memranges_newest(struct memranges *r, shale_slice key, uint64_t limit);

static inline bool memranges_any(const struct memranges *r)
{
	return atomic_load_explicit(&r->newest, memory_order_relaxed) != NULL;
}

#endif
