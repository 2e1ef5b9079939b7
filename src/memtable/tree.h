/*
 * The memtable's tree: from a key to its entry, and from leaf to leaf.
 * Thread: any. No call blocks; a lock is held for the change of one node and
 * never while memory is allocated, so that a task that waits for one waits for
 * a task that runs.
 */
#ifndef MEMTABLE_TREE_H
#define MEMTABLE_TREE_H

#include "base/arena.h"
#include "memtable/aim.h"
#include "memtable/reuse.h"

struct memtree {
	const shale_env *env;
	struct arena *arena;
	struct memreuse *reuse;
	_Atomic uint64_t lock; /* of root, as a node's */
	_Atomic(struct node *) root;
};

/* One version to be added. */
struct memtree_new {
	uint64_t seqtype;
	shale_slice value;
};

/* A copy of one leaf, all of one time. */
struct leaf_copy {
	struct node *leaf, *next, *prev;
	unsigned count;
	struct entry *slot[NODE_SLOTS];
};

/* False when there is no memory. */
bool memtree_init(struct memtree *t, const shale_env *env, struct arena *arena,
		  struct memreuse *reuse);

/* Only reads, and has the next node on the way brought near. */
void memtree_aim(struct memtree *t, shale_slice key, struct memtree_aim *out);
/* The second step, for the same key: only reads, and has the leaf brought near. */
void memtree_aim_closer(struct memtree *t, shale_slice key, struct memtree_aim *aim);

/* False when there is no memory: nothing was added. `aim`: at that key, or NULL. */
bool memtree_add(struct memtree *t, shale_slice key, const struct memtree_new *what,
		 const struct memtree_aim *aim);

/* The key's entry, or NULL. */
struct entry *memtree_find(struct memtree *t, shale_slice key);

/*
 * Copy the leaf where the key belongs; *at is how many of its keys are below the
 * key and *equal whether the one at *at is the key. `aim`: at that key, or NULL.
 */
void memtree_copy(struct memtree *t, shale_slice key, const struct memtree_aim *aim,
		  struct leaf_copy *c, unsigned *at, bool *equal);

/* The leftmost or the rightmost leaf. */
void memtree_copy_edge(struct memtree *t, bool right, struct leaf_copy *c);

/* Go on to the next leaf; false at the end. */
bool memtree_copy_next(struct memtree *t, struct leaf_copy *c);

/*
 * Go back to what lies before the (non-empty) copy: the first *at keys of the new
 * one, at least one. False at the beginning.
 */
bool memtree_copy_prev(struct memtree *t, struct leaf_copy *c, unsigned *at);

/* The newest version with seqtype <= limit; NULL if there is none. */
static inline struct version *entry_visible(struct entry *e, uint64_t limit)
{
	struct version *v = node_load(&e->newest);

	while (v != NULL && v->seqtype > limit)
		v = node_load(&v->next);
	return v;
}

/* Walks the whole tree and asserts its invariants; nobody may write meanwhile. */
void memtree_check(struct memtree *t);

#endif
