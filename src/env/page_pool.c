#include "env/page_pool.h"

/* Before a small block, at its end. */
struct head {
	size_t bytes;  /* that were asked for */
	size_t before; /* from the heap's block to this one */
};

enum {
	HEAD = 16,
	HEAP_OWN = 16, /* what the heap beneath takes for itself, about */
	PAGE = 4096,   /* the least that the kernel clears at once */
};
_Static_assert(sizeof(struct head) <= HEAD, "a block stays aligned to 16");

/* ---- what is held ---- */

static void hold(struct page_pool *p, uint64_t bytes)
{
	/* In one order with page_pool_tell_at(): one of the two sees what the other did. */
	uint64_t before = atomic_fetch_add(&p->used, bytes);
	uint64_t limit = atomic_load(&p->limit);

	if (unlikely(before <= limit && before + bytes > limit) && p->beyond != NULL)
		p->beyond(p->arg);
}

static void unhold(struct page_pool *p, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&p->used, bytes, memory_order_relaxed);
}

static void *pages_new(struct page_pool *p, size_t n)
{
	void *memory = mem_pages(p->under, n);

	if (memory != NULL)
		hold(p, n);
	return memory;
}

static void pages_drop(struct page_pool *p, void *memory, size_t n)
{
	mem_pages_free(p->under, memory, n);
	unhold(p, n);
}

/* ---- large blocks ---- */

static bool is_large(const struct page_pool *p, size_t align, size_t n)
{
	return p->blocks && n >= LARGE_LEAST && align <= LARGE_UNIT &&
	       n <= SIZE_MAX / 2; /* beyond that the heap refuses */
}

/* A kept piece; under mu. */
static void *kept_take(struct page_pool *p)
{
	return p->count > 0 ? p->free[--p->count] : NULL;
}

/* Keep a piece that nobody uses, if there is room; under mu. */
static bool kept_add(struct page_pool *p, void *piece)
{
	if (p->count + p->out >= p->max)
		return false;
	p->free[p->count++] = piece;
	return true;
}

static void *block_new(struct page_pool *p, size_t n)
{
	size_t bytes = large_piece_bytes(n);
	void *memory = NULL, *block;

	mutex_lock(&p->mu);
	block = large_take(&p->large, n);
	if (block == NULL && bytes == MEM_PAGES)
		memory = kept_take(p);
	mutex_unlock(&p->mu);
	if (block != NULL)
		return block;
	if (memory == NULL)
		memory = pages_new(p, bytes);
	if (memory == NULL)
		return NULL;
	mutex_lock(&p->mu);
	block = large_take(&p->large, n); /* others may have made room meanwhile */
	if (block == NULL && large_add(&p->large, memory, bytes)) {
		block = large_take(&p->large, n);
		memory = NULL;
	}
	mutex_unlock(&p->mu);
	if (memory != NULL)
		pages_drop(p, memory, bytes);
	return block;
}

/* False: it is none. */
static bool block_free(struct page_pool *p, void *block)
{
	size_t bytes = 0;
	void *memory = NULL;
	bool found;

	if (!p->blocks || (uintptr_t)block % LARGE_UNIT != 0)
		return false;
	mutex_lock(&p->mu);
	found = large_give(&p->large, block, &memory, &bytes);
	if (memory != NULL && bytes == MEM_PAGES && kept_add(p, memory))
		memory = NULL;
	mutex_unlock(&p->mu);
	if (memory != NULL)
		pages_drop(p, memory, bytes);
	return found;
}

/* What a large block takes; 0: it is none. */
static size_t block_bytes(struct page_pool *p, const void *block)
{
	size_t bytes;

	if (!p->blocks || (uintptr_t)block % LARGE_UNIT != 0)
		return 0;
	mutex_lock(&p->mu);
	bytes = large_size(&p->large, block);
	mutex_unlock(&p->mu);
	return bytes;
}

/* ---- small ones ---- */

static struct head *head_of(void *block)
{
	return (struct head *)((uint8_t *)block - HEAD);
}

static void *small_new(struct page_pool *p, size_t align, size_t n)
{
	size_t before = align > HEAD ? align : HEAD;
	const shale_allocator_ops *ops = p->under->allocator.ops;
	void *self = p->under->allocator.self;
	uint8_t *base;

	if (n > SIZE_MAX / 2 || before > SIZE_MAX / 4)
		return NULL;
	base = align > HEAD ? ops->alloc_aligned(self, align, before + n)
			    : ops->alloc(self, before + n);
	if (base == NULL)
		return NULL;
	*head_of(base + before) = (struct head){ n, before };
	hold(p, before + n + HEAP_OWN);
	return base + before;
}

static void small_free(struct page_pool *p, void *block)
{
	struct head h = *head_of(block);

	unhold(p, h.before + h.bytes + HEAP_OWN);
	p->under->allocator.ops->free(p->under->allocator.self, (uint8_t *)block - h.before);
}

/* ---- the allocator ---- */

static void *pool_alloc_aligned(void *self, size_t align, size_t n)
{
	struct page_pool *p = self;

	return is_large(p, align, n) ? block_new(p, n) : small_new(p, align, n);
}

static void *pool_alloc(void *self, size_t n)
{
	return pool_alloc_aligned(self, HEAD, n);
}

static void pool_free(void *self, void *block)
{
	struct page_pool *p = self;

	if (!block_free(p, block))
		small_free(p, block);
}

/* As the C library's: only for blocks that pool_alloc() made. */
static void *pool_realloc(void *self, void *block, size_t n)
{
	struct page_pool *p = self;
	size_t bytes;
	void *fresh;

	if (block == NULL)
		return pool_alloc(self, n);
	bytes = block_bytes(p, block);
	if (n <= bytes && n > bytes / 2)
		return block;
	if (bytes == 0) {
		struct head h = *head_of(block);

		bytes = h.bytes;
		if (!is_large(p, HEAD, n) && n <= SIZE_MAX / 2) {
			uint8_t *base =
				p->under->allocator.ops->realloc(p->under->allocator.self,
								 (uint8_t *)block - HEAD, HEAD + n);

			if (base == NULL)
				return NULL;
			unhold(p, h.bytes);
			hold(p, n);
			*head_of(base + HEAD) = (struct head){ n, HEAD };
			return base + HEAD;
		}
	}
	fresh = pool_alloc(self, n);
	if (fresh == NULL)
		return NULL;
	memcpy(fresh, block, bytes < n ? bytes : n);
	pool_free(self, block);
	return fresh;
}

/* Whether more pieces should be ready than are; under mu. */
static bool few_ready(const struct page_pool *p)
{
	return p->count < PAGE_POOL_READY && p->count + p->out < p->max;
}

static void *pool_pages(void *self, size_t n)
{
	struct page_pool *p = self;
	void *piece = NULL;
	bool ask = false;

	if (n == MEM_PAGES) {
		mutex_lock(&p->mu);
		piece = kept_take(p);
		p->out++;
		ask = p->wanted != NULL && !p->asked && few_ready(p);
		p->asked |= ask;
		mutex_unlock(&p->mu);
	}
	if (ask)
		p->wanted(p->wanted_arg);
	if (piece == NULL)
		piece = pages_new(p, n);
	if (piece == NULL && n == MEM_PAGES) {
		mutex_lock(&p->mu);
		p->out--;
		mutex_unlock(&p->mu);
	}
	return piece;
}

static void pool_pages_free(void *self, void *piece, size_t n)
{
	struct page_pool *p = self;

	if (n == MEM_PAGES) {
		mutex_lock(&p->mu);
		p->out--;
		if (kept_add(p, piece))
			piece = NULL;
		mutex_unlock(&p->mu);
	}
	if (piece != NULL)
		pages_drop(p, piece, n);
}

static const shale_allocator_ops pool_allocator = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = pool_alloc,
	.realloc = pool_realloc,
	.free = pool_free,
	.alloc_aligned = pool_alloc_aligned,
	.pages = pool_pages,
	.pages_free = pool_pages_free,
};

/* ---- the pool ---- */

/* A heap that has no pages of its own gets each piece back. */
static size_t pieces_in(const struct page_pool *p, uint64_t bytes)
{
	uint64_t pieces = p->under->allocator.ops->pages != NULL ? bytes / MEM_PAGES : 0;

	return pieces < PAGE_POOL_MAX ? (size_t)pieces : PAGE_POOL_MAX;
}

void page_pool_init(struct page_pool *p, const shale_env *under, uint64_t bytes, bool blocks)
{
	bool pages = under->allocator.ops->pages != NULL;

	*p = (struct page_pool){ .under = under, .env = *under };
	p->blocks = blocks && pages && !MEM_PAGES_HIDE_ERRORS;
	p->max = pieces_in(p, bytes);
	atomic_init(&p->used, 0);
	atomic_init(&p->limit, UINT64_MAX);
	mutex_init(&p->mu, under, RANK_LEAF);
	large_init(&p->large, under);
	p->env.allocator.self = p;
	p->env.allocator.ops = &pool_allocator;
}

void page_pool_fini(struct page_pool *p)
{
	while (p->count > 0)
		pages_drop(p, p->free[--p->count], MEM_PAGES);
	large_fini(&p->large);
}

void page_pool_set_limit(struct page_pool *p, uint64_t bytes)
{
	for (;;) {
		void *piece = NULL;

		mutex_lock(&p->mu);
		p->max = pieces_in(p, bytes);
		if (p->count + p->out > p->max)
			piece = kept_take(p);
		mutex_unlock(&p->mu);
		if (piece == NULL)
			return;
		pages_drop(p, piece, MEM_PAGES);
	}
}

void page_pool_tell(struct page_pool *p, void (*beyond)(void *arg), void *arg)
{
	p->beyond = beyond;
	p->arg = arg;
}

void page_pool_ask(struct page_pool *p, void (*wanted)(void *arg), void *arg)
{
	mutex_lock(&p->mu);
	p->wanted = wanted;
	p->wanted_arg = arg;
	mutex_unlock(&p->mu);
}

bool page_pool_prepare(struct page_pool *p)
{
	uint8_t *piece = NULL;
	bool ok;

	mutex_lock(&p->mu);
	/* Only for who takes: a store at rest is left alone. And never beyond what is known of. */
	p->asked &= few_ready(p) && atomic_load(&p->used) + MEM_PAGES <= atomic_load(&p->limit);
	ok = p->asked;
	mutex_unlock(&p->mu);
	if (!ok)
		return false;
	piece = pages_new(p, MEM_PAGES);
	for (size_t at = 0; piece != NULL && at < MEM_PAGES; at += PAGE)
		((volatile uint8_t *)piece)[at] = 0;
	mutex_lock(&p->mu);
	ok = piece != NULL && kept_add(p, piece);
	p->asked &= ok;
	mutex_unlock(&p->mu);
	if (piece != NULL && !ok)
		pages_drop(p, piece, MEM_PAGES);
	return ok;
}

void page_pool_tell_at(struct page_pool *p, uint64_t limit)
{
	atomic_store(&p->limit, limit);
	/* What was taken before that was compared with another limit. */
	if (atomic_load(&p->used) > limit && p->beyond != NULL)
		p->beyond(p->arg);
}

uint64_t page_pool_pages(struct page_pool *p)
{
	uint64_t bytes;

	mutex_lock(&p->mu);
	bytes = (uint64_t)(p->count + p->out) * MEM_PAGES;
	mutex_unlock(&p->mu);
	return bytes;
}
