/*
 * Which keys a memtable may have. Most gets ask for a key that it has not; a way down its
 * tree to find that out is a wait for memory on every level, the filter is one or two.
 *
 * A Bloom filter in which all bits of a key lie in one word of 64 bits (the smallest block of
 * Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007): who
 * asks reads one word, who adds sets its bits by one atomic operation.
 *
 * How many keys will come nobody knows, and most memtables of a store with many families stay
 * small. So a filter is a list of parts, each eight times as large as the one before, from the
 * fifth on twice, since who makes a part has to clear it. Keys go into the newest part, which
 * takes as many as make ten bits for each; who asks, asks all parts. In a memtable of a million
 * keys these are four, three of which lie in near caches.
 *
 * Thread: all at once. A key that was added before a commit was published is there for all who
 * have seen that.
 */
#ifndef MEMTABLE_FILTER_H
#define MEMTABLE_FILTER_H

#include "base/arena.h"

enum {
	MEMFILTER_PARTS = 12,
	MEMFILTER_STEEP = 4, /* parts that grow by eight */
	MEMFILTER_FIRST_KEYS = 2048,
	MEMFILTER_FIRST_WORDS = MEMFILTER_FIRST_KEYS * 10 / 64,
};

struct memfilter {
	struct arena *arena;
	_Atomic(_Atomic uint64_t *) part[MEMFILTER_PARTS];
	_Atomic unsigned count; /* of parts; one at least */
	_Atomic bool growing;
};

/* The parts are of the arena and go with it. False: no memory. */
bool memfilter_init(struct memfilter *f, struct arena *arena);
/* True: it was not there, for all that the newest part knows. */
bool memfilter_add(struct memfilter *f, uint64_t hash);
/* False: no key with this hash was added. */
bool memfilter_has(const struct memfilter *f, uint64_t hash);
/* So many keys were added by now. Without memory the filter only gets worse. */
void memfilter_grow(struct memfilter *f, uint64_t keys);

static inline unsigned memfilter_doublings(unsigned part)
{
	return part < MEMFILTER_STEEP ? 3 * part : 2 * (MEMFILTER_STEEP - 1) + part;
}

static inline uint64_t memfilter_words(unsigned part)
{
	return (uint64_t)MEMFILTER_FIRST_WORDS << memfilter_doublings(part);
}

static inline _Atomic uint64_t *memfilter_word(const struct memfilter *f, unsigned part,
					       uint64_t hash)
{
	/* Relaxed: the count that led here was loaded with acquire. */
	_Atomic uint64_t *words = atomic_load_explicit(&f->part[part], memory_order_relaxed);

	return words + (uint64_t)(((unsigned __int128)hash * memfilter_words(part)) >> 64);
}

/* Have the word brought near that memfilter_add() will change. */
PREFETCHER memfilter_prefetch(const struct memfilter *f, uint64_t hash)
{
	unsigned newest = atomic_load_explicit(&f->count, memory_order_acquire) - 1;

	__builtin_prefetch((const void *)memfilter_word(f, newest, hash), 1);
}

#endif
