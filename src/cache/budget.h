/*
 * The memory budget: what each part of a store holds, in bytes, so that one
 * figure can be kept and its breakdown adds up. Thread: any, relaxed.
 */
#ifndef CACHE_BUDGET_H
#define CACHE_BUDGET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum budget_part { BUDGET_CACHE, BUDGET_TABLES, BUDGET_LOG, BUDGET_OTHER, BUDGET_PARTS };

struct budget {
	uint64_t total; /* the limit; constant */
	_Atomic int64_t used[BUDGET_PARTS];
};

static inline void budget_add(struct budget *b, enum budget_part part, int64_t bytes)
{
	atomic_fetch_add_explicit(&b->used[part], bytes, memory_order_relaxed);
}

static inline uint64_t budget_used(const struct budget *b, enum budget_part part)
{
	int64_t v = atomic_load_explicit(&b->used[part], memory_order_relaxed);

	return v > 0 ? (uint64_t)v : 0;
}

static inline uint64_t budget_all(const struct budget *b)
{
	uint64_t sum = 0;

	for (int i = 0; i < BUDGET_PARTS; i++)
		sum += budget_used(b, (enum budget_part)i);
	return sum;
}

#endif
