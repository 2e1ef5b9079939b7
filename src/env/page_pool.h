/*
 * The memory of a store, between it and its environment: an environment of its own
 * that knows what is held (page_pool_used()) and passes everything else through.
 *
 * - Large pages. Memtables come and go, and the kernel would clear each page they take
 *   anew, in the writers' time. The pool keeps what the last memtable gave back for
 *   the next one. Where that is not enough, as in a store's first seconds, somebody is
 *   asked to make pieces ready (page_pool_prepare()) while the writers fill what they have.
 * - Large blocks lie in such pages (env/large.h), where there are any.
 * - Small ones come from the heap beneath, each with its size before it.
 *
 * Where the environment beneath has no large pages, all come from its heap.
 *
 * Thread: any.
 */
#ifndef ENV_PAGE_POOL_H
#define ENV_PAGE_POOL_H

#include "base/lock.h"
#include "env/large.h"

enum {
	PAGE_POOL_MAX = 256,
	PAGE_POOL_READY = 8, /* as many pieces are made ready */
};

struct page_pool {
	const shale_env *under;
	shale_env env;
	bool blocks; /* large blocks lie in pages; constant */

	_Atomic uint64_t used;  /* bytes of all that is held, kept pages included */
	_Atomic uint64_t limit; /* of `used`: beyond it somebody is told */
	void (*beyond)(void *arg);
	void *arg;

	struct mutex mu;   /* rank LEAF; guards the rest */
	size_t max;        /* pieces of MEM_PAGES bytes */
	size_t count, out; /* kept; in use, but for those of `large` */
	bool asked;        /* for pieces to be made ready */
	void (*wanted)(void *arg);
	void *wanted_arg;
	void *free[PAGE_POOL_MAX];
	struct large large;
};

/*
 * Keeps what is in use and what is kept together within `bytes`, and at most PAGE_POOL_MAX pieces.
 * `blocks`: large blocks lie in pages, if there are any. A store of some megabytes is
 * better off without.
 */
void page_pool_init(struct page_pool *p, const shale_env *under, uint64_t bytes, bool blocks);
/* All that was taken must have been given back. */
void page_pool_fini(struct page_pool *p);
/* Another limit of what is kept; what is kept beyond it goes back to the system. */
void page_pool_set_limit(struct page_pool *p, uint64_t bytes);
/* Call beyond(arg), from any thread with any lock held, when more than the limit is used. */
void page_pool_tell(struct page_pool *p, void (*beyond)(void *arg), void *arg);
void page_pool_tell_at(struct page_pool *p, uint64_t limit);
/* From now on call wanted(arg), as beyond(), when page_pool_prepare() should be called. */
void page_pool_ask(struct page_pool *p, void (*wanted)(void *arg), void *arg);
/* Make a piece ready: take it from the kernel and touch it. False: no more is wanted for now. */
bool page_pool_prepare(struct page_pool *p);
/* Bytes of pages that are in use, but for those of large blocks, or kept for it. */
uint64_t page_pool_pages(struct page_pool *p);

static inline uint64_t page_pool_used(const struct page_pool *p)
{
	return atomic_load_explicit(&p->used, memory_order_relaxed);
}

#endif
