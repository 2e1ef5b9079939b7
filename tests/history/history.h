/*
 * Histories of concurrent operations, and what a store may not show in one.
 *
 * Time is a counter: an operation takes a stamp before its call and one after it, so
 * a.end < b.start means that a was over before b began. Every value written has an id
 * of its own; 0 is the absence of a value.
 */
#ifndef TESTS_HISTORY_HISTORY_H
#define TESTS_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H_KEYS = 12, H_PENDING_MAX = 6 };

#define H_NEVER UINT64_MAX

enum h_kind {
	H_WRITE, /* put, delete or batch: part[] is what it wrote */
	H_READ,  /* get, multi_get, scan, snapshot: part[] is what it saw */
};

struct h_op {
	enum h_kind kind;
	/* Of a snapshot: when it was taken, not when it was read. */
	uint64_t start, end; /* end H_NEVER: it did not return; a write may count or not */
	/* Of a write: of its last part, from the store; of a snapshot: its; 0: not known. */
	uint64_t seq;
	uint32_t size; /* of a write: how many sequence numbers it takes */
	uint32_t client;
	uint32_t count;
	struct {
		uint32_t key, id; /* each key once */
	} part[H_KEYS];
};

/* One life of a store: what was in it at its start, and what was done then. */
struct history {
	uint32_t initial[H_KEYS];
	uint64_t initial_seq; /* commits of this life follow it without gaps; 0: unknown */
	/* Reads that start from here on may miss commits made before: power was lost. */
	uint64_t lossy_from; /* H_NEVER: never */
	/*
	 * And reads from here on may miss what others saw, if nobody acknowledged it: a
	 * commit is visible before it is durable. H_NEVER: never.
	 */
	uint64_t unheard_from;
	struct h_op *op;
	size_t count;
};

/*
 * Is each key by itself a register that everybody sees change at one instant? Wing
 * and Gong's search with memory of what was tried. NULL: yes; else what is wrong, in
 * static storage. A lossy history cannot be asked.
 */
const char *history_check_keys(const struct history *h);
/*
 * Is each read a prefix of the commits in the order of their sequences, not older than
 * what was acknowledged before it began or what earlier reads saw, and not newer than
 * what had begun when it ended; and is this order one of real time? Batches are whole
 * then. Linear in the history but for commits that never returned.
 */
const char *history_check_commits(const struct history *h);

#endif
