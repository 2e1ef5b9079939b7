/*
 * Counters that many threads add to: striped over cache lines, summed on read.
 * Relaxed: a reader sees some recent value of each.
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include "base/task.h"

#include <stdatomic.h>

enum { STATS_STRIPES = 8 };

enum stat {
	STAT_PUTS,
	STAT_DELETES,
	STAT_RANGE_DELETES,
	STAT_COMMITS,
	STAT_USER_BYTES,
	STAT_GETS,
	STAT_GETS_FOUND,
	STAT_ITERATORS,
	STAT_SEEKS,
	STAT_NEXTS,
	STAT_GAP_SKIPS,
	STAT_GAP_SCOUTED,
	STAT_MEMTABLE_HITS,
	STAT_FILTER_PROBES,
	STAT_FILTER_NEGATIVES,
	STAT_FILTER_FALSE,
	STAT_CACHE_HITS,
	STAT_CACHE_MISSES,
	STAT_BLOCK_READS,
	STAT_BLOCK_READ_BYTES,
	STAT_LOG_BYTES,
	STAT_LOG_SYNCS,
	STAT_LOG_SEGMENTS,
	STAT_LOG_RECYCLED,
	STAT_FLUSHES,
	STAT_FLUSH_BYTES,
	STAT_COMPACTIONS,
	STAT_COMPACTION_READ,
	STAT_COMPACTION_WRITTEN,
	STAT_TRIVIAL_MOVES,
	STAT_ENTRIES_IN,
	STAT_ENTRIES_KEPT,
	STAT_DROPPED_SHADOWED,
	STAT_DROPPED_TOMBSTONES,
	STAT_DROPPED_EXPIRED,
	STAT_DROPPED_RANGE,
	STAT_FILES_DELETED,
	STAT_DELAYED_WRITES,
	STAT_DELAY_NS,
	STAT_STOPS,
	STAT_STOP_NS,
	STAT_ORDER_WAITS,
	STAT_PUBLISH_WAITS,
	STAT_COUNT,
};

struct stats {
	struct {
		_Alignas(64) _Atomic uint64_t value[STAT_COUNT];
	} stripe[STATS_STRIPES];
};

static inline void stats_add(struct stats *s, enum stat which, uint64_t n)
{
	atomic_fetch_add_explicit(&s->stripe[task_stripe() % STATS_STRIPES].value[which], n,
				  memory_order_relaxed);
}

static inline uint64_t stats_sum(const struct stats *s, enum stat which)
{
	uint64_t sum = 0;

	for (int i = 0; i < STATS_STRIPES; i++)
		sum += atomic_load_explicit(&s->stripe[i].value[which], memory_order_relaxed);
	return sum;
}

/* Questions asked of the store so far: gets and seeks. */
static inline uint64_t stats_reads(const struct stats *s)
{
	return stats_sum(s, STAT_GETS) + stats_sum(s, STAT_SEEKS);
}

#endif
