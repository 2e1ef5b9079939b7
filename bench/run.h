/*
 * One step on an open store: threads go through a stream of operations, closed
 * loop (each starts when the one before has ended) or open loop (each has its
 * moment, given by a rate, and its latency counts from that moment, however late
 * it starts). The figures come back as one struct.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "hist.h"
#include "meter.h"
#include "stream.h"

enum { SERIES_MAX = 4 * 3600 }; /* seconds of a throughput series */

struct session {
	const struct engine *e;
	void *db;
	struct sizes sizes;
	size_t value_size;
	double ns_per_tick;
};

struct figures {
	uint64_t ops;
	uint64_t entries;    /* keys or entries that these touched */
	uint64_t user_bytes; /* put, keys and values */
	uint64_t side_ops;   /* of the thread beside, as in readwhilewriting */
	bool cut;            /* ended by a limit of time */
	struct meter meter;
	struct hist hist;
	uint64_t longest_gap_ns;     /* no operation of any thread ended, within a millisecond */
	uint32_t series[SERIES_MAX]; /* operations that ended in each second */
};

/* What one thread is about. */
struct worker {
	const struct session *s;
	void *h; /* the engine's handle of this thread */
	const struct stream *stream;
	uint64_t from, to;           /* its part */
	struct bytes *keys, *values; /* of one group */
	struct found *found;
	uint64_t entries, user_bytes;
	char taken[KEY_SIZE]; /* by OP_TAKE, last */
};

/* ops.c: the operation at `i`, whose answer is checked. */
void op_perform(struct worker *w, uint64_t i);
/* All entries by an iterator; returns how many. */
uint64_t op_scan(const struct session *s, void *h, bool backwards);

/* How a stream is gone through. */
struct pace {
	double rate;               /* operations a second in all; 0: a closed loop */
	uint64_t least_ns;         /* closed: go through it again until this has passed */
	uint64_t limit_ns;         /* end after this, done or not; 0: when done */
	const struct stream *side; /* what one more thread does meanwhile; NULL: nothing */
	double side_rate;          /* of that thread; 0: as it can */
};
void run_stream(const struct session *s, const struct stream *stream, const struct pace *p,
		struct figures *out);
void run_scan(const struct session *s, bool backwards, struct figures *out);
void run_settle(const struct session *s, const struct engine_options *o, struct figures *out);

/* kill.c: put keys and note in `file` how many returned, until killed. */
_Noreturn void kill_writer(const struct session *s, const char *file);
/* Which of these are there now? Returns how many are missing. */
uint64_t kill_replay(const struct session *s, const char *file, uint64_t *acknowledged);

#endif
