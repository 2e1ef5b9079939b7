/*
 * How fast merges may go: from what was set, the time of the day, how much merges are
 * behind, and what the foreground feels, to the limits of the moment. No clock, no
 * lock, no I/O: what it goes by is handed in.
 *
 * Thread: one at a time.
 */
#ifndef COMPACT_PACE_H
#define COMPACT_PACE_H

#include "base/latency.h"

#include <shale/shale.h>

enum { PACE_PRESSURE_MAX = 1000 };

struct pace_limits {
	uint64_t bytes_per_s, ops_per_s; /* 0: none */
};

/* The state of the store. Bytes are those since it was opened. */
struct pace_look {
	uint64_t now_ns, wall_ms;
	uint64_t flushed;  /* bytes of tables that flushes made */
	uint64_t merged;   /* bytes that merges have read and written */
	uint64_t debt;     /* bytes that merges owe */
	uint32_t pressure; /* how much writers are delayed for merges: 0 .. PACE_PRESSURE_MAX */
};

struct pace {
	shale_rate set; /* sanitised */
	struct latency latency;
	uint64_t p99_ns; /* as last seen; 0: not */
	/* Of the adaptive part. */
	uint64_t bytes_per_s; /* its limit; UINT64_MAX: none */
	uint64_t at_ns;       /* of its last step; 0: it has not begun */
	uint64_t flushed, merged;
	double flush_rate; /* bytes a second, over a minute or so: */
	double flush_s;    /* over so many seconds */
};

void pace_init(struct pace *p);
void pace_set(struct pace *p, const shale_rate *rate);
/* What was set for this time of the day. */
struct pace_limits pace_set_now(const shale_rate *rate, uint64_t wall_ms);
/* What merges may do now. To be asked some times a second. */
struct pace_limits pace_now(struct pace *p, const struct pace_look *look);

#endif
