/*
 * How long calls take, from a sample: a histogram in eighths of octaves, so that a
 * quantile is told within an eighth. While it is off a call costs one load; while it
 * is on, one call in LATENCY_EVERY of each task is timed.
 *
 * Thread: any. Relaxed throughout: a count that is taken a moment late is no matter.
 */
#ifndef BASE_LATENCY_H
#define BASE_LATENCY_H

#include "base/lock.h"

enum {
	LATENCY_EVERY = 16,
	LATENCY_OCTAVE = 8,                     /* the first bucket ends at 2^8 ns */
	LATENCY_BUCKETS = 1 + 8 * (36 - 8) + 1, /* the last begins at 2^36 ns, a minute */
};

struct latency {
	_Atomic bool on;
	_Alignas(64) _Atomic uint32_t count[LATENCY_BUCKETS];
};

static inline unsigned latency_bucket(uint64_t ns)
{
	unsigned octave;

	if (ns >> LATENCY_OCTAVE == 0)
		return 0;
	octave = 63 - (unsigned)__builtin_clzll(ns);
	if (octave >= 36)
		return LATENCY_BUCKETS - 1;
	return 1 + 8 * (octave - LATENCY_OCTAVE) + (unsigned)(ns >> (octave - 3) & 7);
}

/* Where a bucket ends. */
static inline uint64_t latency_end(unsigned bucket)
{
	if (bucket == 0)
		return UINT64_C(1) << LATENCY_OCTAVE;
	return (uint64_t)(9 + (bucket - 1) % 8) << (LATENCY_OCTAVE + (bucket - 1) / 8 - 3);
}

static inline uint64_t latency_begin_slow(const shale_env *env)
{
	return task_self()->calls++ % LATENCY_EVERY == 0 ? env_now_ns(env) : 0;
}

/* The time, if this call is one to be timed; else 0. */
static inline uint64_t latency_begin(const struct latency *l, const shale_env *env)
{
	if (likely(!atomic_load_explicit(&l->on, memory_order_relaxed)))
		return 0;
	return latency_begin_slow(env);
}

static inline void latency_add(struct latency *l, uint64_t ns)
{
	atomic_fetch_add_explicit(&l->count[latency_bucket(ns)], 1, memory_order_relaxed);
}

static inline void latency_note(struct latency *l, const shale_env *env, uint64_t began)
{
	if (unlikely(began != 0))
		latency_add(l, env_now_ns(env) - began);
}

/* How many were timed since the last latency_take(). */
static inline uint64_t latency_count(const struct latency *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		sum += atomic_load_explicit(&l->count[i], memory_order_relaxed);
	return sum;
}

/* What 99 of 100 of them took at most, 0 if there were none; and begin anew. */
static inline uint64_t latency_take_p99(struct latency *l)
{
	uint32_t count[LATENCY_BUCKETS];
	uint64_t sum = 0, above = 0;

	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		count[i] = atomic_exchange_explicit(&l->count[i], 0, memory_order_relaxed);
		sum += count[i];
	}
	for (size_t i = LATENCY_BUCKETS; i-- > 0;) {
		above += count[i];
		if (above * 100 > sum)
			return latency_end((unsigned)i);
	}
	return 0;
}

#endif
