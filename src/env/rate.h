/*
 * Rate limiter for background I/O: two token buckets, bytes and operations, both
 * enforced. A taker that overdraws sleeps until the bucket is level again; a
 * bucket holds at most 100 ms worth, so a pause saves no burst.
 *
 * Thread: any. A rate of 0 is no limit.
 */
#ifndef ENV_RATE_H
#define ENV_RATE_H

#include "base/lock.h"

struct rate {
	const shale_env *env;
	_Atomic uint64_t bytes_per_s, ops_per_s; /* 0: no limit */
	_Atomic uint64_t bytes, ops, wait_ns;    /* taken, and waited for, ever */

	struct mutex mu;       /* rank RATE; guards the rest */
	uint64_t bytes_due_ns; /* the time at which the bucket is level again */
	uint64_t ops_due_ns;
	struct cond changed; /* signalled by rate_set() */
};

void rate_init(struct rate *r, const shale_env *env, uint64_t bytes_per_s, uint64_t ops_per_s);
/* Change the limits at any time; who sleeps now goes on at the new rate. */
void rate_set(struct rate *r, uint64_t bytes_per_s, uint64_t ops_per_s);

/* One who takes. */
struct rate_user {
	struct rate *rate;
	/*
	 * Called before each piece is taken and while it is waited for, every POLL_NS at
	 * least, with no lock held. False: wait no more, as what is to be read or written
	 * will not be used. May be NULL.
	 */
	bool (*poll)(void *arg);
	void *arg;
};

/* Account for one piece of I/O; sleeps as needed, holding no lock. u NULL: nothing. */
void rate_take(const struct rate_user *u, uint64_t bytes, uint64_t ops);

#endif
