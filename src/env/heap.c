/*
 * The allocator of this machine: the C library's; but large pieces are mappings of
 * their own, in huge pages, which the kernel gets back as soon as they are freed.
 */
#include "env/posix.h"

#include <sys/mman.h>

#include <stdlib.h>

static void *heap_alloc(void *self, size_t n)
{
	(void)self;
	return malloc(n);
}

static void *heap_realloc(void *self, void *p, size_t n)
{
	(void)self;
	return realloc(p, n);
}

static void heap_free(void *self, void *p)
{
	(void)self;
	free(p);
}

static void *heap_alloc_aligned(void *self, size_t align, size_t n)
{
	void *p;

	(void)self;
	if (align < sizeof(void *))
		align = sizeof(void *);
	return posix_memalign(&p, align, n) == 0 ? p : NULL;
}

static void *heap_pages(void *self, size_t n)
{
	const size_t huge = 2u << 20;
	uint8_t *p =
		mmap(NULL, n + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	(void)self;
	if (p == MAP_FAILED)
		return NULL;
	/* Cut what was only taken to align. */
	before = (huge - ((uintptr_t)p & (huge - 1))) & (huge - 1);
	if (before != 0)
		munmap(p, before);
	munmap(p + before + n, huge - before);
	p += before;
	(void)madvise(p, n, MADV_HUGEPAGE); /* a wish */
	return p;
}

static void heap_pages_free(void *self, void *p, size_t n)
{
	(void)self;
	munmap(p, n);
}

const shale_allocator_ops heap_allocator = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = heap_alloc,
	.realloc = heap_realloc,
	.free = heap_free,
	.alloc_aligned = heap_alloc_aligned,
	.pages = heap_pages,
	.pages_free = heap_pages_free,
};
