/*
 * What is asked of a column family decides how it merges: a pure function from
 * counters to policy options. See policy_adaptive.c.
 *
 * Thread: one at a time.
 */
#ifndef COMPACT_ADAPT_H
#define COMPACT_ADAPT_H

#include "compact/policy.h"

/* Sums since open; all rise. */
struct adapt_counters {
	uint64_t writes;              /* entries */
	uint64_t reads;               /* of single keys */
	uint64_t scans;               /* seeks */
	uint64_t merged, overwritten; /* entries that went into merges; of these dropped as old */
};

struct adapt {
	/* The family's. A choice takes the place of acting, top_runs, max_runs and size_ratio. */
	struct policy_options settings;
	bool begun;
	uint64_t at_ms; /* of the last look */
	struct adapt_counters last;
	/* Of late: a look's weight halves every two looks. */
	double writes, reads, scans, overwrites;
	size_t best, votes; /* the choice that was best at so many looks on end */
	size_t acting; /* the choice that *o of adapt_begin() and adapt_look() has been set to */
};

enum { ADAPT_INTERVAL_MS = 1000 };

/* *o is the family's settings; where these are adaptive, it becomes the first choice. */
void adapt_begin(struct adapt *a, struct policy_options *o);

/*
 * Look at the counters; about once in ADAPT_INTERVAL_MS. `data_bytes` is what the
 * tables hold. True: *o is another choice now.
 */
bool adapt_look(struct adapt *a, const struct adapt_counters *now, uint64_t wall_ms,
		uint64_t data_bytes, uint64_t memtable_bytes, struct policy_options *o);

/* What a choice costs for each operation of a mix; for tests and the simulator. */
double adapt_cost(const struct adapt *a, const struct policy_options *o, double memtables);

/* The cost of one write of an entry, of one run looked at by a get, of one by a seek. */
#define COST_WRITE 1.0
#define COST_READ_RUN 0.25
#define COST_SCAN_RUN 3.0

#endif
