/*
 * Threads, clocks and counts around the operations of ops.c. The time of each
 * operation is taken from the processor's counter. Which milliseconds saw an
 * operation end is noted in a table that all threads share, from which the longest
 * gap comes; each writes there at most once a millisecond.
 */
#include "run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SLOTS = SERIES_MAX * 1000 };

struct shared {
	const struct session *s;
	pthread_barrier_t start;
	atomic_bool stop;             /* the thread beside shall end */
	_Atomic uint64_t begin;       /* ticks; set before the barrier opens */
	_Atomic unsigned char *slots; /* by the millisecond: did an operation end? */
	uint64_t least, limit;        /* ticks; 0: none */
	double ticks_per_op;          /* of one thread, open loop; 0: closed loop */
	double ticks_per_side_op;     /* of the thread beside; 0: as it can */
};

struct thread {
	struct worker w;
	struct shared *all;
	uint32_t *series;
	bool side, cut;
	unsigned index;
	uint64_t ops;
	struct hist hist;
	pthread_t id;
};

static uint64_t to_ns(const struct shared *a, uint64_t t)
{
	return (uint64_t)((double)t * a->s->ns_per_tick);
}

/* Sleep while it is far; the last stretch is spun, since sleeping is not exact. */
static uint64_t wait_until(const struct shared *a, uint64_t when)
{
	enum { SLACK_NS = 80000 };
	uint64_t now = ticks();

	while (now < when) {
		uint64_t ns = to_ns(a, when - now);

		if (ns > 2 * SLACK_NS)
			nanosleep(&(struct timespec){ (time_t)((ns - SLACK_NS) / 1000000000),
						      (long)((ns - SLACK_NS) % 1000000000) },
				  NULL);
		now = ticks();
	}
	return when;
}

static void ended(struct thread *t, uint64_t began, uint64_t now)
{
	struct shared *a = t->all;
	uint64_t ms = to_ns(a, now - a->begin) / 1000000;

	hist_add(&t->hist, to_ns(a, now - began));
	t->ops++;
	if (ms >= SLOTS)
		return;
	t->series[ms / 1000]++;
	if (atomic_load_explicit(&a->slots[ms], memory_order_relaxed) == 0)
		atomic_store_explicit(&a->slots[ms], 1, memory_order_relaxed);
}

static void loop(struct thread *t)
{
	struct shared *a = t->all;
	uint64_t began = a->begin, now;
	uint64_t i = t->w.from;
	/* Threads of an open loop take turns; all at once would be bursts. */
	double first = a->ticks_per_op * t->index / a->s->sizes.threads;
	unsigned step = t->w.stream->group;

	while (i + step <= t->w.to) {
		if (a->ticks_per_op > 0)
			began = wait_until(a,
					   a->begin + (uint64_t)(first +
								 a->ticks_per_op * (double)t->ops));
		op_perform(&t->w, i);
		now = ticks();
		ended(t, began, now);
		began = now;
		if (a->limit != 0 && now - a->begin > a->limit) {
			t->cut = true;
			break;
		}
		i += step;
		if (i + step > t->w.to && now - a->begin < a->least)
			i = t->w.from;
	}
}

/* A little ahead of its rate it sleeps, and is behind then: it need not be exact, nor spin. */
static void side_wait(const struct thread *t)
{
	enum { AHEAD_NS = 1000000 };
	const struct shared *a = t->all;
	uint64_t due = a->begin + (uint64_t)(a->ticks_per_side_op * (double)t->ops);
	uint64_t now = ticks(), ns = due > now ? to_ns(a, due - now) : 0;

	if (ns > AHEAD_NS)
		nanosleep(&(struct timespec){ .tv_nsec = (long)(ns % 1000000000) }, NULL);
}

/* The thread beside goes round and round; it leaves no trace but its count. */
static void side_loop(struct thread *t)
{
	while (!atomic_load_explicit(&t->all->stop, memory_order_relaxed)) {
		if (t->all->ticks_per_side_op > 0)
			side_wait(t);
		op_perform(&t->w, t->ops % t->w.stream->count);
		t->ops++;
	}
}

static void *work(void *arg)
{
	struct thread *t = arg;

	pthread_barrier_wait(&t->all->start);
	pthread_barrier_wait(&t->all->start);
	if (t->side)
		side_loop(t);
	else
		loop(t);
	return NULL;
}

static void thread_init(struct thread *t, struct shared *a, const struct stream *stream)
{
	const struct session *s = a->s;

	t->all = a;
	t->w.s = s;
	t->w.stream = stream;
	t->w.h = s->e->thread_new != NULL ? s->e->thread_new(s->db) : s->db;
	t->w.keys = xcalloc(stream->group, sizeof(*t->w.keys));
	t->w.values = xcalloc(stream->group, sizeof(*t->w.values));
	t->w.found = xcalloc(stream->group, sizeof(*t->w.found));
	t->series = xcalloc(SERIES_MAX, sizeof(*t->series));
}

static void thread_fini(struct thread *t)
{
	if (t->all->s->e->thread_free != NULL)
		t->all->s->e->thread_free(t->w.h);
	free(t->w.keys);
	free(t->w.values);
	free(t->w.found);
	free(t->series);
}

/* The time before the first operation and after the last count as well. */
static uint64_t longest_gap(const struct shared *a, uint64_t ns)
{
	uint64_t last = 0, longest = 0, end = ns / 1000000;

	for (uint64_t ms = 0; ms <= end && ms < SLOTS; ms++) {
		if (a->slots[ms] == 0 && ms != end)
			continue;
		if (ms - last > longest)
			longest = ms - last;
		last = ms;
	}
	return longest <= 1 ? 0 : longest * 1000000;
}

static void collect(struct thread *t, struct figures *out)
{
	out->user_bytes += t->w.user_bytes;
	if (t->side) {
		out->side_ops += t->ops;
		return;
	}
	out->ops += t->ops;
	out->entries += t->w.entries;
	out->cut |= t->cut;
	hist_merge(&out->hist, &t->hist);
	for (unsigned i = 0; i < SERIES_MAX; i++)
		out->series[i] += t->series[i];
}

/* The first barrier: all are there; the second: the clocks run. */
static void measure(struct shared *a, struct thread *t, unsigned threads, struct figures *out)
{
	struct meter start;
	unsigned last = threads;

	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&t[i].id, NULL, work, &t[i]) != 0)
			die("cannot start a thread");
	pthread_barrier_wait(&a->start);
	start = meter_start();
	a->begin = ticks();
	pthread_barrier_wait(&a->start);
	if (t[threads - 1].side)
		last--;
	for (unsigned i = 0; i < last; i++)
		pthread_join(t[i].id, NULL);
	out->meter = meter_stop(&start);
	a->stop = true;
	if (last != threads)
		pthread_join(t[last].id, NULL);
	for (unsigned i = 0; i < threads; i++)
		collect(&t[i], out);
	out->longest_gap_ns = longest_gap(a, out->meter.ns);
}

void run_stream(const struct session *s, const struct stream *stream, const struct pace *p,
		struct figures *out)
{
	unsigned readers = s->sizes.threads, threads = readers + (p->side != NULL);
	struct thread *t = xcalloc(threads, sizeof(*t));
	struct shared a = { .s = s };

	a.least = (uint64_t)((double)p->least_ns / s->ns_per_tick);
	a.limit = (uint64_t)((double)p->limit_ns / s->ns_per_tick);
	if (p->rate > 0)
		a.ticks_per_op = 1e9 * readers / p->rate / s->ns_per_tick;
	if (p->side_rate > 0)
		a.ticks_per_side_op = 1e9 / p->side_rate / s->ns_per_tick;
	a.slots = xcalloc(SLOTS, 1);
	pthread_barrier_init(&a.start, NULL, threads + 1);
	for (unsigned i = 0; i < readers; i++) {
		uint64_t groups = stream->count / stream->group;

		thread_init(&t[i], &a, stream);
		t[i].index = i;
		t[i].w.from = groups * i / readers * stream->group;
		t[i].w.to = groups * (i + 1) / readers * stream->group;
	}
	if (p->side != NULL) {
		thread_init(&t[readers], &a, p->side);
		t[readers].side = true;
	}
	*out = (struct figures){ 0 };
	measure(&a, t, threads, out);
	for (unsigned i = 0; i < threads; i++)
		thread_fini(&t[i]);
	pthread_barrier_destroy(&a.start);
	free((void *)a.slots);
	free(t);
}

void run_scan(const struct session *s, bool backwards, struct figures *out)
{
	void *h = s->e->thread_new != NULL ? s->e->thread_new(s->db) : s->db;
	struct meter start = meter_start();

	*out = (struct figures){ 0 };
	out->ops = out->entries = op_scan(s, h, backwards);
	out->meter = meter_stop(&start);
	if (s->e->thread_free != NULL)
		s->e->thread_free(h);
}

void run_settle(const struct session *s, const struct engine_options *o, struct figures *out)
{
	struct meter start = meter_start();
	uint64_t waited = s->e->settle(s->db, o), before = now_ns();

	*out = (struct figures){ 0 };
	/* What is in the page cache belongs to the bytes written, but not to the time. */
	meter_sync();
	waited += now_ns() - before;
	out->meter = meter_stop(&start);
	out->meter.ns = out->meter.ns > waited ? out->meter.ns - waited : 0;
}
