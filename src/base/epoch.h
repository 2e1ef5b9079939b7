/*
 * Epochs: readers pin what they reach through shared pointers without touching
 * a shared counter; what is unlinked is freed once every reader that might
 * still see it has left.
 *
 * A reader takes one of EPOCH_SLOTS slots (its own, as a rule) by making the
 * slot's counter odd, and leaves by making it even again. To free an item that
 * no new reader can reach, epoch_retire() notes which slots are odd and their
 * counters; when each of them has changed, no reader from before is left.
 *
 * Order: a reader enters (seq_cst) before it loads the shared pointer (which it
 * must load seq_cst); the writer swaps the pointer (seq_cst) before it looks at
 * the slots. So either the writer sees the slot odd, or the reader sees the new
 * pointer.
 *
 * A ready-made library (Concurrency Kit) was the first choice; its assembly is
 * invisible to ThreadSanitizer and its records are bound to threads, which the
 * deterministic executor's tasks are not.
 *
 * Thread: any. A reader that blocks while it is inside delays all freeing.
 */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

#include "base/lock.h"

enum { EPOCH_SLOTS = 64 };

/* The readers of one moment. */
struct epoch_mark {
	uint64_t waits_for; /* bit per slot */
	uint64_t counter[EPOCH_SLOTS];
};

struct epoch_item {
	struct epoch_item *next;
	void (*free)(struct epoch_item *item);
	struct epoch_mark readers;
};

struct epoch {
	const shale_env *env;
	struct {
		_Alignas(64) _Atomic uint64_t counter;
	} slot[EPOCH_SLOTS];

	struct mutex mu; /* rank EPOCH; guards retired */
	struct epoch_item *retired;
	_Atomic size_t retired_count;
};

void epoch_init(struct epoch *e, const shale_env *env);
/* All readers must have left; frees what is retired. */
void epoch_fini(struct epoch *e);

/* Enter; the result is given to epoch_exit(). */
unsigned epoch_enter(struct epoch *e);

static inline void epoch_exit(struct epoch *e, unsigned slot)
{
	uint64_t now = atomic_load_explicit(&e->slot[slot].counter, memory_order_relaxed);

	task_point(false);
	atomic_store_explicit(&e->slot[slot].counter, now + 1, memory_order_release);
}

/*
 * Note who is inside. Who enters later has what was stored (seq_cst) before, and loads (seq_cst)
 * nothing that is older than what was loaded (seq_cst) before.
 */
void epoch_mark(struct epoch *e, struct epoch_mark *m);
/* Whether all of them have left; what they did is then seen. One thread at a time for a mark. */
bool epoch_passed(struct epoch *e, struct epoch_mark *m);

/* The item is unlinked; free it when it is safe. Never fails, never frees at once. */
void epoch_retire(struct epoch *e, struct epoch_item *item, void (*fn)(struct epoch_item *item));

/* Free what has become safe, outside the lock. Returns how many items still wait. */
size_t epoch_reclaim(struct epoch *e);

static inline bool epoch_pending(const struct epoch *e)
{
	return atomic_load_explicit(&e->retired_count, memory_order_acquire) != 0;
}

#endif
