/* The way to a place in the memtable's tree, noted for later (tree.c). */
#ifndef MEMTABLE_AIM_H
#define MEMTABLE_AIM_H

#include <stdbool.h>
#include <stdint.h>

struct node;

/* A node, its parent's lock (the tree's for the root) and both words as noted. */
struct memtree_step {
	struct node *node;
	uint64_t word;
	struct node *parent; /* NULL for the root */
	_Atomic uint64_t *parent_lock;
	uint64_t parent_word;
	unsigned index; /* of node among the parent's children */
	bool spine;     /* nothing is to the right of node */
};

/*
 * The way to a key's leaf but for its last step, which waits for memory. The lowest
 * inner nodes of a large tree are in no near cache either, so there are two steps: who
 * takes the first for several keys, then the second for all of them, and then adds them,
 * waits for all those nodes at once and for all leaves at once. It holds nothing and may
 * be left unused after either step.
 */
struct memtree_aim {
	struct memtree_step above; /* the last inner node on the way */
	uint64_t hash; /* of the key, where the memtable was asked and not an iterator */
	unsigned child;
	bool far;   /* `above` is one higher: the second step is left */
	bool valid; /* false: not to be used, as where there was no inner node, or a full one */
};

#endif
