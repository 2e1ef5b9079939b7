#include "support/failing_heap.h"

#include <stdlib.h>

static bool refuses(struct failing_heap *h)
{
	h->calls++;
	return h->fail_at != 0 && (h->for_good ? h->calls >= h->fail_at : h->calls == h->fail_at);
}

static void *counted(struct failing_heap *h, void *p)
{
	h->alive += p != NULL;
	return p;
}

static void *failing_alloc(void *self, size_t n)
{
	return refuses(self) ? NULL : counted(self, malloc(n));
}

static void *failing_realloc(void *self, void *p, size_t n)
{
	if (refuses(self))
		return NULL;
	return p != NULL ? realloc(p, n) : counted(self, malloc(n));
}

static void failing_free(void *self, void *p)
{
	struct failing_heap *h = self;

	h->alive--;
	free(p);
}

static void *failing_aligned(void *self, size_t align, size_t n)
{
	void *p;

	return refuses(self) || posix_memalign(&p, align, n) != 0 ? NULL : counted(self, p);
}

static const shale_allocator_ops failing_ops = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = failing_alloc,
	.realloc = failing_realloc,
	.free = failing_free,
	.alloc_aligned = failing_aligned,
};

void failing_heap_init(struct failing_heap *h)
{
	*h = (struct failing_heap){ .env = *shale_env_default() };
	h->env.allocator.self = h;
	h->env.allocator.ops = &failing_ops;
}

void failing_heap_arm(struct failing_heap *h, uint64_t n, bool for_good)
{
	h->calls = 0;
	h->fail_at = n;
	h->for_good = for_good;
}
