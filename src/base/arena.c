#include "base/arena.h"

#include "base/task.h"

enum { CHUNK_MIN = 4096, CHUNK_MAX = MEM_PAGES };

struct arena_chunk {
	struct arena_chunk *next;
	size_t total; /* with this header */
	size_t size;  /* of data */
	_Atomic size_t used;
	_Alignas(64) uint8_t data[];
};

void arena_init(struct arena *a, const shale_env *env)
{
	a->env = env;
	for (int i = 0; i < ARENA_STRIPES; i++)
		atomic_init(&a->current[i], NULL);
	atomic_init(&a->bytes, 0);
	mutex_init(&a->mu, env, RANK_LEAF);
	a->chunks = NULL;
	a->chunk_size = CHUNK_MIN;
}

void arena_fini(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	while (c != NULL) {
		struct arena_chunk *next = c->next;

		if (c->total == CHUNK_MAX)
			mem_pages_free(a->env, c, c->total);
		else
			mem_free(a->env, c);
		c = next;
	}
	a->chunks = NULL;
}

static void *chunk_take(struct arena_chunk *c, size_t n)
{
	size_t at;

	/* Look first, so that a full chunk's cursor cannot run far past its end. */
	if (c == NULL || c->size - n < atomic_load_explicit(&c->used, memory_order_relaxed) ||
	    n > c->size)
		return NULL;
	at = atomic_fetch_add_explicit(&c->used, n, memory_order_relaxed);
	return at <= c->size - n ? c->data + at : NULL;
}

static struct arena_chunk *chunk_new(struct arena *a, size_t total, size_t used)
{
	struct arena_chunk *c =
		total == CHUNK_MAX ? mem_pages(a->env, total) : mem_aligned(a->env, 64, total);

	if (c == NULL)
		return NULL;
	c->total = total;
	c->size = total - sizeof(*c);
	atomic_init(&c->used, used);
	c->next = a->chunks;
	a->chunks = c;
	atomic_fetch_add_explicit(&a->bytes, total, memory_order_relaxed);
	return c;
}

static void *arena_alloc_slow(struct arena *a, unsigned stripe, size_t n)
{
	struct arena_chunk *c;
	void *p;

	mutex_lock(&a->mu);
	c = atomic_load_explicit(&a->current[stripe], memory_order_relaxed);
	p = chunk_take(c, n);
	if (p == NULL && n > CHUNK_MAX / 4) {
		c = chunk_new(a, sizeof(*c) + n, n);
		p = c != NULL ? c->data : NULL;
	} else if (p == NULL) {
		size_t size = a->chunk_size;

		while (size < 4 * n)
			size *= 2;
		c = chunk_new(a, size, n);
		if (c != NULL) {
			p = c->data;
			if (a->chunk_size < CHUNK_MAX)
				a->chunk_size *= 2;
			atomic_store_explicit(&a->current[stripe], c, memory_order_release);
		}
	}
	mutex_unlock(&a->mu);
	return p;
}

static void *take(struct arena *a, size_t n)
{
	unsigned stripe = task_stripe() % ARENA_STRIPES;
	void *p = chunk_take(atomic_load_explicit(&a->current[stripe], memory_order_acquire), n);

	return p != NULL ? p : arena_alloc_slow(a, stripe, n);
}

void *arena_alloc(struct arena *a, size_t n)
{
	return n > SIZE_MAX / 8 ? NULL : take(a, (n + 7) & ~(size_t)7);
}

void *arena_alloc_line(struct arena *a, size_t n)
{
	uint8_t *p = n > SIZE_MAX / 8 ? NULL : take(a, ((n + 7) & ~(size_t)7) + 56);

	return p != NULL ? (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63) : NULL;
}
