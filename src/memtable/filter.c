#include "memtable/filter.h"

static bool part_new(struct memfilter *f, unsigned part)
{
	size_t bytes = (size_t)memfilter_words(part) * sizeof(uint64_t);
	_Atomic uint64_t *words = arena_alloc_line(f->arena, bytes);

	if (words == NULL)
		return false;
	memset((void *)words, 0, bytes);
	atomic_store_explicit(&f->part[part], words, memory_order_relaxed);
	/* Release: who sees the count finds the part, empty. */
	atomic_store_explicit(&f->count, part + 1, memory_order_release);
	return true;
}

bool memfilter_init(struct memfilter *f, struct arena *arena)
{
	f->arena = arena;
	for (unsigned i = 0; i < MEMFILTER_PARTS; i++)
		atomic_init(&f->part[i], NULL);
	atomic_init(&f->count, 0);
	atomic_init(&f->growing, false);
	return part_new(f, 0);
}

/* Five bits of a word; which word the upper bits of the hash have said. */
static inline uint64_t mask_of(uint64_t hash)
{
	uint64_t h = hash * UINT64_C(0x9e3779b97f4a7c15);

	return UINT64_C(1) << (h >> 58) | UINT64_C(1) << (h >> 52 & 63) |
	       UINT64_C(1) << (h >> 46 & 63) | UINT64_C(1) << (h >> 40 & 63) |
	       UINT64_C(1) << (h >> 34 & 63);
}

bool memfilter_add(struct memfilter *f, uint64_t hash)
{
	unsigned newest = atomic_load_explicit(&f->count, memory_order_acquire) - 1;
	_Atomic uint64_t *word = memfilter_word(f, newest, hash);
	uint64_t mask = mask_of(hash);

	/*
	 * Relaxed: whoever must find the key has seen that its commit was published, and so
	 * sees this and the count as well. A key that is put again changes nothing.
	 */
	if ((atomic_load_explicit(word, memory_order_relaxed) & mask) == mask)
		return false;
	atomic_fetch_or_explicit(word, mask, memory_order_relaxed);
	return true;
}

bool memfilter_has(const struct memfilter *f, uint64_t hash)
{
	unsigned count = atomic_load_explicit(&f->count, memory_order_acquire);
	uint64_t mask = mask_of(hash);

	while (count-- > 0) {
		uint64_t word =
			atomic_load_explicit(memfilter_word(f, count, hash), memory_order_relaxed);

		if ((word & mask) == mask)
			return true;
	}
	return false;
}

/* How many keys the first `parts` take. */
static uint64_t room_of(unsigned parts)
{
	uint64_t room = 0;

	for (unsigned i = 0; i < parts; i++)
		room += (uint64_t)MEMFILTER_FIRST_KEYS << memfilter_doublings(i);
	return room;
}

void memfilter_grow(struct memfilter *f, uint64_t keys)
{
	unsigned count = atomic_load_explicit(&f->count, memory_order_relaxed);

	/* Acquire and release as of a lock, under which the count does not change. */
	if (keys < room_of(count) || count == MEMFILTER_PARTS ||
	    atomic_exchange_explicit(&f->growing, true, memory_order_acquire))
		return;
	/* Another thread may have been faster. */
	if (atomic_load_explicit(&f->count, memory_order_relaxed) == count)
		(void)part_new(f, count);
	atomic_store_explicit(&f->growing, false, memory_order_release);
}
