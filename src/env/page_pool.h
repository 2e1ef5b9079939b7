/*
 * A pool of large pages between a store and its environment: memtables come and
 * go, and the kernel would clear each page they take anew, in the writers' time.
 * The pool keeps what the last memtable gave back for the next one.
 *
 * It is an environment of its own that passes everything else through. Where the
 * one beneath gives no large pages, nothing is pooled.
 *
 * Thread: any.
 */
#ifndef ENV_PAGE_POOL_H
#define ENV_PAGE_POOL_H

#include "base/lock.h"

enum { PAGE_POOL_MAX = 256 };

struct page_pool {
	const shale_env *under;
	shale_env env;

	struct mutex mu;   /* rank LEAF; guards the rest */
	size_t max;        /* pieces of MEM_PAGES bytes */
	size_t count, out; /* kept; in use */
	void *free[PAGE_POOL_MAX];
};

/* Keeps what is in use and what is kept together within `bytes`, and at most PAGE_POOL_MAX pieces. */
void page_pool_init(struct page_pool *p, const shale_env *under, uint64_t bytes);
/* All that was taken must have been given back. */
void page_pool_fini(struct page_pool *p);
/* Another limit; what is kept beyond it goes back to the system. */
void page_pool_set_limit(struct page_pool *p, uint64_t bytes);
uint64_t page_pool_bytes(struct page_pool *p);

#endif
