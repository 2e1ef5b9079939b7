/*
 * A skip list of entries (Pugh, 1990): the textbook memtable, kept as the oracle
 * for the real one and for merges, and as what the real one is measured against.
 * Memory is the C library's; running out of it aborts. Thread: one at a time.
 */
#ifndef TESTS_SUPPORT_SKIPLIST_H
#define TESTS_SUPPORT_SKIPLIST_H

#include "iter/iter.h"

enum { SKIP_LEVELS = 16 };

struct skip_node {
	shale_slice key, value; /* owned, behind the node */
	uint64_t seqtype;
	struct skip_node *prev; /* NULL for the first */
	struct skip_node *next[];
};

struct skiplist {
	struct skip_node *head; /* before the first */
	uint64_t random;
	size_t count;
};

struct skiplist *skiplist_new(void);
void skiplist_free(struct skiplist *s);

/* Copies. False when that very entry is there already. */
bool skiplist_add(struct skiplist *s, shale_slice key, uint64_t seqtype, shale_slice value);

/* The first entry not before (key, seqtype) in entry order; NULL at the end. */
struct skip_node *skiplist_seek(const struct skiplist *s, shale_slice key, uint64_t seqtype);

/* The newest version of key with sequence <= limit, or NULL. */
struct skip_node *skiplist_get(const struct skiplist *s, shale_slice key, uint64_t limit);

/* As memtable_iter_new(); the list must outlive it. Frees itself alone. */
struct iter *skiplist_iter(struct skiplist *s, uint64_t limit, bool newest_only);

#endif
