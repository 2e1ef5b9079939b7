/*
 * The block cache: decoded blocks by (table number, offset), lock-free, CLOCK.
 *
 * A fixed, open-addressed array of slots. A slot's state is one 64-bit word:
 * its life (empty, being built, visible, invisible), an acquire and a release
 * counter whose difference is the number of pins, and whose height is how recent
 * it is. A hit is one atomic add, a release one more. Eviction moves a clock
 * hand over the slots, ages what is not pinned and takes what has aged out. Where
 * hardly anything does, what comes is on trial: it has the place of who came a while
 * before and was not asked for again. So a cache that is a little too small keeps
 * most of what it has, and the page cache behind it is left with the rest. Merges
 * look without being seen, and put in what readers may ask for with no height yet.
 * (But for the trial, the scheme of RocksDB's HyperClockCache, described in its release
 * notes.)
 *
 * The cache owns the memory of its items (frames.h). The charge of an item is its
 * bytes; taking memory evicts until there is room; when all is pinned the item is
 * handed out uncached ("standalone") and freed at its release. Numbers are never
 * reused, so an entry is never stale.
 *
 * Thread: any.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "cache/budget.h"
#include "cache/frames.h"

struct cache;

/* A pinned item. */
struct cache_item {
	void *data;
	uintptr_t token; /* private: slot or standalone record */
};

/* Where an item was when it was last found: a guess, tried first. All zero: none yet. */
struct cache_hint {
	_Atomic uint32_t slot;
	_Atomic uintptr_t data;
};

/*
 * `item_bytes`: expected charge of an item, from which the number of slots
 * follows. `budget` (part BUDGET_CACHE) is told of every change; may be NULL.
 */
shale_status cache_new(const shale_env *env, uint64_t capacity, size_t item_bytes,
		       struct budget *budget, struct cache **out);
void cache_free(struct cache *c); /* nothing may be pinned; NULL is allowed */

/* Pin the item if it is there. */
bool cache_get(struct cache *c, uint64_t number, uint64_t offset, struct cache_item *out);
/* The same, by a hint that belongs to this key alone; it learns from what is found. */
bool cache_get_hinted(struct cache *c, struct cache_hint *hint, uint64_t number, uint64_t offset,
		      struct cache_item *out);
/* What cache_insert() has pinned lies there from now on. */
void cache_hint_learn(const struct cache *c, struct cache_hint *hint,
		      const struct cache_item *item);
/* Bring what the hint leads to, `lines` cache lines of it, towards the processor. */
void cache_prefetch(const struct cache *c, const struct cache_hint *hint, size_t lines);

/*
 * Memory for an item of n bytes; room is made for it. NULL: there is no memory.
 * It goes back by cache_discard() or into cache_insert().
 */
void *cache_alloc(struct cache *c, size_t n);
void cache_discard(struct cache *c, void *data, size_t n); /* NULL is allowed */

/*
 * Give `data`, n bytes by cache_alloc(), to the cache and pin it. If another
 * thread put the same key in first, `data` is freed and that item is pinned.
 * Without room (or with `keep` false) the item is standalone; when even that
 * needs memory that is not there, returns false and data stays the caller's.
 */
bool cache_insert(struct cache *c, uint64_t number, uint64_t offset, void *data, size_t n,
		  bool keep, struct cache_item *out);

/*
 * For a merge, which passes over everything once and then writes it anew: pin the item if it is
 * there. The visit does not count as use, and ends by cache_unpeek(). *used: somebody has asked
 * for it, or put it in by asking, and the hand has not forgotten that. The hint, as above, may be
 * wrong.
 */
bool cache_peek(struct cache *c, const struct cache_hint *hint, uint64_t number, uint64_t offset,
		struct cache_item *out, bool *used);
void cache_unpeek(struct cache_item *item); /* zeroes it; data NULL is allowed */
/* Whether cache_peek() would find it, for who only plans. */
bool cache_has(const struct cache *c, const struct cache_hint *hint, uint64_t number,
	       uint64_t offset);
/*
 * Put in `data`, n bytes by cache_alloc(), of a key that is new. Until somebody asks for it, it
 * is the first to go. Taken in any case; without room it is freed.
 */
void cache_offer(struct cache *c, uint64_t number, uint64_t offset, void *data, size_t n);
/*
 * Nobody will ask for it again: unless it is pinned it is among the first to go. It does not go at
 * once, since to free items here and there gives back no memory that others than items could have.
 */
void cache_forget(struct cache *c, const struct cache_hint *hint, uint64_t number, uint64_t offset);

/* An item with a NULL data is allowed. Zeroes it. */
void cache_release(struct cache *c, struct cache_item *item);
/* Pin once more. */
struct cache_item cache_again(struct cache *c, const struct cache_item *item);

/* The limit may change at any time; shrinking evicts. */
void cache_set_capacity(struct cache *c, uint64_t capacity);
/* Bytes of all items, with what their places in memory lose. */
uint64_t cache_used(const struct cache *c);
/* What the cache holds beside: bytes of its pages that no item takes. */
uint64_t cache_slack(struct cache *c);

#endif
