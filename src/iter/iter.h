/*
 * The internal iterator: entries (every version, tombstones included) of one
 * source in entry order. The merge joins several; the visible iterator above it
 * hides what a reader must not see.
 *
 * The current entry is in `top`: for a source that is the iterator itself, for one
 * that joins others the child which stands on it, so that no entry is copied on its
 * way up. Slices last until the next move. A failure ends the iteration: valid is false
 * and status negative. Thread: one at a time.
 */
#ifndef ITER_ITER_H
#define ITER_ITER_H

#include "base/mem.h"
#include "base/status.h"
#include "format/key.h"

struct iter;

enum { ITER_AIM_STEPS = 3 };

struct iter_ops {
	/* To the first entry whose user key is >= key (its newest version). */
	void (*seek)(struct iter *it, shale_slice key);
	/* To the last entry whose user key is <= key (its oldest version). */
	void (*seek_prev)(struct iter *it, shale_slice key);
	void (*first)(struct iter *it);
	void (*last)(struct iter *it);
	/* Only when valid. */
	void (*next)(struct iter *it);
	void (*prev)(struct iter *it);
	void (*free)(struct iter *it);
	/*
	 * The next call is a seek to this very key, or a seek_prev: find out what it
	 * will touch and bring that towards the processor, without waiting for it. Steps 0
	 * to ITER_AIM_STEPS - 1, in order: each goes by what the one before has brought,
	 * and between two of them it is others' turn. NULL: there is nothing to do.
	 */
	void (*aim)(struct iter *it, shale_slice key, unsigned step);
};

struct iter {
	const struct iter_ops *ops;
	bool valid;
	bool hot;               /* what a job writes of it should be in the block cache */
	shale_status status;    /* < 0 after a failure */
	const struct iter *top; /* has the current entry, while valid */

	/* The current entry of a source. */
	uint64_t seqtype;
	shale_slice key;
	shale_slice value; /* as stored: OP_PUT_TTL with its expiry */
};

static inline void iter_seek(struct iter *it, shale_slice key)
{
	it->ops->seek(it, key);
}
static inline void iter_seek_prev(struct iter *it, shale_slice key)
{
	it->ops->seek_prev(it, key);
}
static inline void iter_first(struct iter *it)
{
	it->ops->first(it);
}
static inline void iter_last(struct iter *it)
{
	it->ops->last(it);
}
static inline void iter_next(struct iter *it)
{
	it->ops->next(it);
}
static inline void iter_prev(struct iter *it)
{
	it->ops->prev(it);
}
static inline void iter_aim(struct iter *it, shale_slice key, unsigned step)
{
	if (it->ops->aim != NULL)
		it->ops->aim(it, key, step);
}
static inline shale_slice iter_key(const struct iter *it)
{
	return it->top->key;
}
static inline shale_slice iter_value(const struct iter *it)
{
	return it->top->value;
}
static inline uint64_t iter_seqtype(const struct iter *it)
{
	return it->top->seqtype;
}
static inline void iter_free(struct iter *it)
{
	if (it != NULL)
		it->ops->free(it);
}

/*
 * Merge n iterators, given newest source first (equal entries cannot occur, but
 * ties go to the newer). Takes the children in any case, also on failure; the
 * array stays the caller's. n = 0 gives an empty iterator; n = 1 the child.
 *
 * key_skip: all keys that will be seen are known to share their first key_skip
 * bytes; heads are taken behind them. 0 is always right.
 */
shale_status merge_iter_new(const shale_env *env, struct iter **children, size_t n, size_t key_skip,
			    struct iter **out);

#endif
