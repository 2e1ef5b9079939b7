/*
 * An environment whose allocator fails on demand and counts what is alive: for
 * tests that let every allocation fail in turn.
 */
#ifndef TESTS_SUPPORT_FAILING_HEAP_H
#define TESTS_SUPPORT_FAILING_HEAP_H

#include <shale/env.h>

struct failing_heap {
	shale_env env;
	uint64_t calls;   /* allocations asked for */
	uint64_t fail_at; /* the call that fails, from 1; 0: none */
	bool for_good;    /* all calls after it fail too */
	int64_t alive;    /* blocks not freed */
};

/* This machine but for the heap. Thread: one at a time. */
void failing_heap_init(struct failing_heap *h);

/* Let the n-th call from now fail. */
void failing_heap_arm(struct failing_heap *h, uint64_t n, bool for_good);

#endif
