#include "env/page_pool.h"

static void *pool_alloc(void *self, size_t n)
{
	const shale_env *under = ((struct page_pool *)self)->under;

	return under->allocator.ops->alloc(under->allocator.self, n);
}

static void *pool_realloc(void *self, void *p, size_t n)
{
	const shale_env *under = ((struct page_pool *)self)->under;

	return under->allocator.ops->realloc(under->allocator.self, p, n);
}

static void pool_free(void *self, void *p)
{
	const shale_env *under = ((struct page_pool *)self)->under;

	under->allocator.ops->free(under->allocator.self, p);
}

static void *pool_alloc_aligned(void *self, size_t align, size_t n)
{
	const shale_env *under = ((struct page_pool *)self)->under;

	return under->allocator.ops->alloc_aligned(under->allocator.self, align, n);
}

static void *pool_pages(void *self, size_t n)
{
	struct page_pool *p = self;
	void *piece = NULL;

	if (n == MEM_PAGES) {
		mutex_lock(&p->mu);
		if (p->count > 0)
			piece = p->free[--p->count];
		p->out++;
		mutex_unlock(&p->mu);
	}
	if (piece == NULL)
		piece = mem_pages(p->under, n);
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
		if (p->count + p->out < p->max) {
			p->free[p->count++] = piece;
			piece = NULL;
		}
		mutex_unlock(&p->mu);
	}
	if (piece != NULL)
		mem_pages_free(p->under, piece, n);
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

static size_t pieces_in(uint64_t bytes)
{
	uint64_t pieces = bytes / MEM_PAGES;

	return pieces < PAGE_POOL_MAX ? (size_t)pieces : PAGE_POOL_MAX;
}

void page_pool_init(struct page_pool *p, const shale_env *under, uint64_t bytes)
{
	*p = (struct page_pool){ .under = under, .env = *under };
	p->max = pieces_in(bytes);
	mutex_init(&p->mu, under, RANK_LEAF);
	if (under->allocator.ops->pages == NULL)
		return;
	p->env.allocator.self = p;
	p->env.allocator.ops = &pool_allocator;
}

void page_pool_fini(struct page_pool *p)
{
	while (p->count > 0)
		mem_pages_free(p->under, p->free[--p->count], MEM_PAGES);
}

void page_pool_set_limit(struct page_pool *p, uint64_t bytes)
{
	for (;;) {
		void *piece = NULL;

		mutex_lock(&p->mu);
		p->max = pieces_in(bytes);
		if (p->count > 0 && p->count + p->out > p->max)
			piece = p->free[--p->count];
		mutex_unlock(&p->mu);
		if (piece == NULL)
			return;
		mem_pages_free(p->under, piece, MEM_PAGES);
	}
}

uint64_t page_pool_bytes(struct page_pool *p)
{
	uint64_t bytes;

	mutex_lock(&p->mu);
	bytes = (uint64_t)p->count * MEM_PAGES;
	mutex_unlock(&p->mu);
	return bytes;
}
