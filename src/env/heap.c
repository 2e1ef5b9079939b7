/* The allocator of this machine: the C library's. */
#include "env/posix.h"

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

const shale_allocator_ops heap_allocator = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = heap_alloc,
	.realloc = heap_realloc,
	.free = heap_free,
	.alloc_aligned = heap_alloc_aligned,
};
