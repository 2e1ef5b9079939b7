/*
 * A heap over malloc that fails when told to and forgets nothing.
 *
 * Before each allocation lies its header, in a list of all that live:
 *
 *   base ... [struct piece][user's bytes]
 *
 * For a large alignment `base` is farther back, so the header keeps it. What is
 * given out and what is given back is filled with junk (the first JUNK_MAX bytes:
 * enough to be met, little enough to cost nothing), and realloc always moves, so
 * that stale pointers do not work by luck.
 */
#include "env/sim_disk.h"

#include <stdlib.h>

enum { ALIGN = 16, JUNK_MAX = 4096, JUNK_NEW = 0xc5, JUNK_OLD = 0xd9 };

#define PIECE_LIVE UINT64_C(0x5ba1e11f3)
#define PIECE_DEAD UINT64_C(0x5ba1edead)

struct piece {
	size_t size;
	void *base;
	struct piece *next, *prev;
	uint64_t pad;   /* the header is a multiple of ALIGN */
	uint64_t magic; /* next to the user's bytes: an underrun hits it */
};

_Static_assert(sizeof(struct piece) % ALIGN == 0, "the user's bytes must be aligned");

struct sim_heap {
	pthread_mutex_t mu; /* guards the rest */
	struct piece *pieces;
	uint64_t calls, live, bytes, peak, failures;
	uint64_t fail_in; /* the allocation that fails, counted down; 0: none */
	bool sticky;
};

static void fill(void *p, int junk, size_t n)
{
	memset(p, junk, n < JUNK_MAX ? n : JUNK_MAX);
}

/* Count the call; whether it is to fail. Locked. */
static bool must_fail(struct sim_heap *heap)
{
	heap->calls++;
	if (heap->fail_in == 0)
		return false;
	if (heap->fail_in > 1) {
		heap->fail_in--;
		return false;
	}
	if (!heap->sticky)
		heap->fail_in = 0;
	heap->failures++;
	return true;
}

static void *heap_alloc_aligned(void *self, size_t align, size_t n)
{
	struct sim_heap *heap = self;
	struct piece *p;
	uint8_t *base, *user;
	bool fail;

	pthread_mutex_lock(&heap->mu);
	fail = must_fail(heap);
	pthread_mutex_unlock(&heap->mu);
	if (align < ALIGN)
		align = ALIGN;
	if (fail || n > SIZE_MAX / 2)
		return NULL;
	/* malloc aligns to ALIGN, so this leaves room for the header. */
	base = malloc(sizeof(*p) + (align - ALIGN) + n);
	if (base == NULL)
		return NULL;
	user = (uint8_t *)(((uintptr_t)base + sizeof(*p) + align - 1) & ~(uintptr_t)(align - 1));
	fill(user, JUNK_NEW, n);
	p = (struct piece *)(void *)user - 1;
	*p = (struct piece){ .magic = PIECE_LIVE, .size = n, .base = base };

	pthread_mutex_lock(&heap->mu);
	p->next = heap->pieces;
	if (p->next != NULL)
		p->next->prev = p;
	heap->pieces = p;
	heap->live++;
	heap->bytes += n;
	if (heap->peak < heap->bytes)
		heap->peak = heap->bytes;
	pthread_mutex_unlock(&heap->mu);
	return user;
}

static void *heap_alloc(void *self, size_t n)
{
	return heap_alloc_aligned(self, ALIGN, n);
}

static struct piece *piece_of(void *user)
{
	struct piece *p = (struct piece *)user - 1;

	if (p->magic == PIECE_DEAD)
		sim_bug("memory was freed twice", "");
	if (p->magic != PIECE_LIVE)
		sim_bug("memory was freed that is not of this heap, or was overrun", "");
	return p;
}

static void heap_free(void *self, void *user)
{
	struct sim_heap *heap = self;
	struct piece *p;

	if (user == NULL)
		return;
	p = piece_of(user);
	pthread_mutex_lock(&heap->mu);
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		heap->pieces = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	heap->live--;
	heap->bytes -= p->size;
	pthread_mutex_unlock(&heap->mu);
	p->magic = PIECE_DEAD;
	fill(user, JUNK_OLD, p->size);
	free(p->base);
}

static void *heap_realloc(void *self, void *user, size_t n)
{
	void *moved = heap_alloc(self, n);

	if (moved != NULL && user != NULL) {
		size_t old = piece_of(user)->size;

		memcpy(moved, user, old < n ? old : n);
		heap_free(self, user);
	}
	return moved;
}

const shale_allocator_ops *sim_heap_ops(void)
{
	static const shale_allocator_ops ops = {
		.struct_size = sizeof(ops),
		.alloc = heap_alloc,
		.realloc = heap_realloc,
		.free = heap_free,
		.alloc_aligned = heap_alloc_aligned,
	};

	return &ops;
}

/* ---- life and counts ---- */

struct sim_heap *sim_heap_new(void)
{
	struct sim_heap *heap = sim_calloc(sizeof(*heap));

	pthread_mutex_init(&heap->mu, NULL);
	return heap;
}

void sim_heap_free_all(struct sim_heap *heap)
{
	while (heap->pieces != NULL)
		heap_free(heap, heap->pieces + 1);
}

void sim_heap_free(struct sim_heap *heap)
{
	if (heap == NULL)
		return;
	sim_heap_free_all(heap);
	pthread_mutex_destroy(&heap->mu);
	free(heap);
}

void sim_heap_fail(struct sim_heap *heap, uint64_t nth, bool sticky)
{
	pthread_mutex_lock(&heap->mu);
	heap->fail_in = nth;
	heap->sticky = sticky;
	pthread_mutex_unlock(&heap->mu);
}

static uint64_t count(const struct sim_heap *heap, const uint64_t *field)
{
	/* Only the lock is changed. */
	pthread_mutex_t *mu = (pthread_mutex_t *)&heap->mu;
	uint64_t n;

	pthread_mutex_lock(mu);
	n = *field;
	pthread_mutex_unlock(mu);
	return n;
}

uint64_t sim_heap_failures(const struct sim_heap *heap)
{
	return count(heap, &heap->failures);
}

uint64_t sim_heap_calls(const struct sim_heap *heap)
{
	return count(heap, &heap->calls);
}

uint64_t sim_heap_live(const struct sim_heap *heap)
{
	return count(heap, &heap->live);
}

uint64_t sim_heap_bytes(const struct sim_heap *heap)
{
	return count(heap, &heap->bytes);
}

uint64_t sim_heap_peak(const struct sim_heap *heap)
{
	return count(heap, &heap->peak);
}
