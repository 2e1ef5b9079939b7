#include "memtable/reuse.h"

#include "base/task.h"

enum {
	NEAR = 4, /* versions behind the first of a ring, to be brought near in two steps */
	FAR = 12,
	NEAR_BYTES = 512, /* of a piece, for who takes it */
};

void memreuse_init(struct memreuse *r, struct arena *arena)
{
	memset(r, 0, sizeof(*r));
	r->arena = arena;
}

/* The number of the list for pieces of so many bytes, as of version_space(). */
static size_t list_of(size_t space)
{
	size_t fine = space < REUSE_FINE_MAX ? space : REUSE_FINE_MAX;

	return fine / REUSE_FINE - 1 + (space - fine) / REUSE_COARSE;
}

static bool take_lock(struct reuse_stripe *s)
{
	uint32_t free = 0;

	task_point(false);
	return atomic_load_explicit(&s->lock, memory_order_relaxed) == 0 &&
	       atomic_compare_exchange_strong_explicit(&s->lock, &free, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static void give_lock(struct reuse_stripe *s)
{
	task_point(false);
	atomic_store_explicit(&s->lock, 0, memory_order_release);
}

/* ---- with the lock held ---- */

static struct version **ring_at(const struct reuse_stripe *s, uint32_t i)
{
	return &s->ring[i & (s->capacity - 1)];
}

/* So many pointers, all NULL; NULL: there is no memory, or ring and lists have their share. */
static struct version **take_array(struct reuse_stripe *s, struct arena *arena, size_t n,
				   size_t share)
{
	size_t bytes = n * sizeof(struct version *);
	struct version **array = NULL;

	if (s->bytes + bytes <= arena_bytes(arena) / share)
		array = arena_alloc(arena, bytes);
	if (array == NULL)
		return NULL;
	s->bytes += bytes;
	memset(array, 0, bytes);
	return array;
}

/* What was outgrown stays in the arena: as much as the new one at most. Lists need room, too. */
static bool ring_grow(struct reuse_stripe *s, struct arena *arena)
{
	uint32_t capacity = s->capacity != 0 ? 2 * s->capacity : REUSE_RING_MIN;
	struct version **ring =
		capacity <= REUSE_RING_MAX ? take_array(s, arena, capacity, 2 * REUSE_SHARE) : NULL;

	if (ring == NULL)
		return false;
	for (uint32_t i = s->head; i != s->tail; i++)
		ring[i & (capacity - 1)] = *ring_at(s, i);
	s->ring = ring;
	s->capacity = capacity;
	return true;
}

/* False: it cannot be noted. */
static bool push(struct reuse_stripe *s, struct arena *arena, struct version *v)
{
	if (s->tail - s->head == s->capacity && !ring_grow(s, arena))
		return false;
	*ring_at(s, s->tail++) = v;
	return true;
}

static void bring_near(const struct reuse_stripe *s)
{
	uint32_t behind = s->tail - s->head;

	if (behind > FAR)
		__builtin_prefetch(*ring_at(s, s->head + FAR));
	if (behind > NEAR)
		__builtin_prefetch(node_load(&(*ring_at(s, s->head + NEAR))->next));
}

/* By the holder of the lock; release: what is counted here had been counted in the memtable. */
static void add(_Atomic uint64_t *n)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
			      memory_order_release);
}

/* A dead version's memory to its list. */
static void release(struct reuse_stripe *s, struct arena *arena, struct version *v)
{
	size_t space = version_space(version_size(v)), i = list_of(space);
	struct version ***group, **list;

	add(&s->cut);
	if (seqtype_type(v->seqtype) == OP_DELETE)
		add(&s->deletes);
	if (space > REUSE_MAX)
		return;
	group = &s->lists[i / REUSE_LISTS];
	if (unlikely(*group == NULL) &&
	    (*group = take_array(s, arena, REUSE_LISTS, REUSE_SHARE)) == NULL)
		return;
	list = *group + i % REUSE_LISTS;
	for (size_t at = 0; at < space && at < NEAR_BYTES; at += 64)
		__builtin_prefetch((const char *)v + at, 1);
	__builtin_prefetch((const char *)v + space - 1, 1);
	atomic_store_explicit(&v->next, *list, memory_order_relaxed);
	*list = v;
}

/* Cut off what lies below v, up to one that is noted. False: there is more, for later. */
static bool cut_below(struct reuse_stripe *s, struct arena *arena, struct version *v,
		      unsigned *steps)
{
	struct version *dead = atomic_load_explicit(&v->next, memory_order_relaxed), *next;

	/* Acquire: whoever had it noted has left it. */
	while (dead != NULL &&
	       (atomic_load_explicit(&dead->size, memory_order_acquire) & VERSION_NOTED) == 0) {
		if (++*steps > REUSE_STEPS)
			return false;
		next = atomic_load_explicit(&dead->next, memory_order_relaxed);
		atomic_store_explicit(&v->next, next, memory_order_relaxed);
		release(s, arena, dead);
		dead = next;
	}
	return true;
}

/* Below the oldest of the ring, cut off what is dead. */
static void cut_some(struct reuse_stripe *s, struct arena *arena, uint64_t below)
{
	unsigned steps = 0;

	while (s->head != s->tail) {
		struct version *v = *ring_at(s, s->head);

		if (v->seqtype > below || !cut_below(s, arena, v, &steps))
			return;
		bring_near(s);
		/* By nobody else while it is noted. */
		atomic_store_explicit(&v->size, version_size(v), memory_order_release);
		s->head++;
	}
}

static struct version *pop(struct reuse_stripe *s, size_t space)
{
	size_t i = list_of(space);
	struct version **group = space <= REUSE_MAX ? s->lists[i / REUSE_LISTS] : NULL;
	struct version *v = group != NULL ? group[i % REUSE_LISTS] : NULL;

	if (v != NULL)
		group[i % REUSE_LISTS] = atomic_load_explicit(&v->next, memory_order_relaxed);
	return v;
}

/* ---- the interface ---- */

struct version *memreuse_version(struct memreuse *r, uint64_t seqtype, size_t size)
{
	struct reuse_stripe *s = &r->stripe[task_stripe() % REUSE_STRIPES];
	size_t space = version_space(size);
	bool locked = take_lock(s);
	struct version *v = NULL;

	/* First: what is cut off now is near when the next put takes it. */
	if (likely(locked)) {
		v = pop(s, space);
		cut_some(s, r->arena, atomic_load_explicit(&r->below, memory_order_acquire));
	}
	if (v == NULL)
		v = arena_alloc(r->arena, space);
	if (v != NULL) {
		bool noted = locked && push(s, r->arena, v);

		v->seqtype = seqtype;
		atomic_store_explicit(&v->size, (uint32_t)size | (noted ? VERSION_NOTED : 0),
				      memory_order_relaxed);
	}
	if (likely(locked))
		give_lock(s);
	return v;
}

uint64_t memreuse_cut(const struct memreuse *r)
{
	uint64_t sum = 0;

	for (int i = 0; i < REUSE_STRIPES; i++)
		sum += atomic_load_explicit(&r->stripe[i].cut, memory_order_acquire);
	return sum;
}

uint64_t memreuse_cut_deletes(const struct memreuse *r)
{
	uint64_t sum = 0;

	for (int i = 0; i < REUSE_STRIPES; i++)
		sum += atomic_load_explicit(&r->stripe[i].deletes, memory_order_acquire);
	return sum;
}
