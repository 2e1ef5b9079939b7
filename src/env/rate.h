/*
 * Rate limiter for background I/O: two token buckets, bytes and operations, both
 * enforced. A taker that overdraws sleeps until the bucket is level again; a
 * bucket holds at most 100 ms worth, so a pause saves no burst.
 *
 * Thread: any. A rate of 0 is no limit and costs one relaxed load.
 */
#ifndef ENV_RATE_H
#define ENV_RATE_H

#include "base/lock.h"

struct rate {
	const shale_env *env;
	_Atomic uint64_t bytes_per_s, ops_per_s; /* 0: no limit */

	struct mutex mu;       /* rank RATE; guards the rest */
	uint64_t bytes_due_ns; /* the time at which the bucket is level again */
	uint64_t ops_due_ns;
	struct cond changed; /* signalled by rate_set() */
};

void rate_init(struct rate *r, const shale_env *env, uint64_t bytes_per_s, uint64_t ops_per_s);
/* Change the limits at any time; who sleeps now goes on at the new rate. */
void rate_set(struct rate *r, uint64_t bytes_per_s, uint64_t ops_per_s);
/* Account for one piece of I/O; sleeps as needed, holding no lock. r NULL: nothing. */
void rate_take(struct rate *r, uint64_t bytes, uint64_t ops);

#endif
