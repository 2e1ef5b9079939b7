/*
 * Reads against the order of commits.
 *
 * The commits lie in the order of their sequence numbers; position p means: the first
 * p of them. What a read saw is right at some positions; of these it must have one
 * between
 *   low   all commits that ended before it began, and the positions of reads that did
 *   high  no commit that began after it ended
 * The lowest is taken, since that leaves later reads the most. A snapshot that knows
 * its sequence has one position.
 *
 * A commit that never returned has no known sequence. Since sequences are dense, its
 * place is a gap between others, or the end; all ways to fill the gaps are tried. They
 * are few: one such commit for each client at most.
 */
#include "history/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[256];

struct order {
	const struct history *h;
	const struct h_op **commit; /* in order of sequences */
	size_t count;
	const struct h_op **read; /* in order of their beginnings */
	size_t reads;
	const struct h_op *pending[H_PENDING_MAX];
	size_t pendings;
	/* Of one candidate: */
	const struct h_op **all; /* with the pending ones that count */
	uint64_t *seq;           /* of each */
	size_t all_count;
	uint64_t *low, *place; /* of each read */
	uint32_t (*state)[H_KEYS];
};

static void *must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static int by_seq(const void *a, const void *b)
{
	const struct h_op *x = *(struct h_op *const *)a, *y = *(struct h_op *const *)b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_start(const void *a, const void *b)
{
	const struct h_op *x = *(struct h_op *const *)a, *y = *(struct h_op *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Something and its end, to be sorted by that. */
struct ended {
	uint64_t end;
	size_t at;
};

static int by_end(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;

	return x->end < y->end ? -1 : x->end > y->end;
}

/* The ends of some operations, in order; to be freed. */
static struct ended *ends_of(const struct h_op **op, size_t n)
{
	struct ended *e = must(malloc((n + 1) * sizeof(*e)));

	for (size_t i = 0; i < n; i++)
		e[i] = (struct ended){ op[i]->end, i };
	qsort(e, n, sizeof(*e), by_end);
	return e;
}

/* The state at each position. */
static void play(struct order *o)
{
	memcpy(o->state[0], o->h->initial, sizeof(o->state[0]));
	for (size_t p = 0; p < o->all_count; p++) {
		const struct h_op *c = o->all[p];

		memcpy(o->state[p + 1], o->state[p], sizeof(o->state[0]));
		for (uint32_t k = 0; k < c->count; k++)
			o->state[p + 1][c->part[k].key] = c->part[k].id;
	}
}

static bool fits(const struct order *o, const struct h_op *read, size_t p)
{
	for (uint32_t k = 0; k < read->count; k++)
		if (o->state[p][read->part[k].key] != read->part[k].id)
			return false;
	return true;
}

/* A commit that was over before another began has the lower sequence. */
static bool in_real_time(const struct order *o)
{
	uint64_t first_end = H_NEVER;

	for (size_t p = o->all_count; p-- > 0;) {
		if (first_end < o->all[p]->start) {
			snprintf(text, sizeof(text),
				 "the commit of client %" PRIu32 " at time %" PRIu64
				 " has a lower sequence than one that was over before",
				 o->all[p]->client, o->all[p]->start);
			return false;
		}
		if (o->all[p]->end < first_end)
			first_end = o->all[p]->end;
	}
	return true;
}

/* For each read: all commits that ended before it began lie below this position. */
static void find_low(struct order *o)
{
	struct ended *e = ends_of(o->all, o->all_count);
	uint64_t low = 0;
	size_t at = 0;

	for (size_t r = 0; r < o->reads; r++) {
		for (; at < o->all_count && e[at].end < o->read[r]->start; at++)
			if (e[at].at + 1 > low)
				low = e[at].at + 1;
		o->low[r] = low;
	}
	free(e);
}

/* No commit that began after the read's end: positions below the first such. */
static uint64_t find_high(const struct order *o, const struct h_op *read, uint64_t from)
{
	uint64_t p = from;

	while (p < o->all_count && o->all[p]->start < read->end)
		p++;
	return p;
}

static bool read_fits(struct order *o, size_t r, uint64_t low, uint64_t *got)
{
	const struct h_op *read = o->read[r];
	uint64_t high = find_high(o, read, low);

	for (uint64_t p = low; p <= high; p++) {
		bool at_seq = read->seq == 0 || ((p == 0 || o->seq[p - 1] <= read->seq) &&
						 (p == o->all_count || o->seq[p] > read->seq));

		if (at_seq && fits(o, read, (size_t)p)) {
			*got = p;
			return true;
		}
	}
	snprintf(text, sizeof(text),
		 "the read of client %" PRIu32 " at time %" PRIu64 "..%" PRIu64
		 " (sequence %" PRIu64 ") fits no prefix from commit %" PRIu64 " to %" PRIu64,
		 read->client, read->start, read->end, read->seq, low, high);
	return false;
}

/* One candidate order: NULL, or what is wrong with it. */
static const char *check_order(struct order *o)
{
	struct ended *e = ends_of(o->read, o->reads);
	uint64_t seen = 0;
	size_t at = 0;
	bool ok = in_real_time(o);

	play(o);
	find_low(o);
	for (size_t r = 0; ok && r < o->reads; r++) {
		uint64_t low = o->low[r];

		/* It is not older than reads that were over; they began before, so they are placed. */
		for (; at < o->reads && e[at].end < o->read[r]->start; at++)
			if (o->place[e[at].at] > seen)
				seen = o->place[e[at].at];
		if (seen > low && o->read[r]->start < o->h->unheard_from)
			low = seen;
		if (o->read[r]->start >= o->h->lossy_from)
			low = 0;
		ok = read_fits(o, r, low, &o->place[r]);
	}
	free(e);
	return ok ? NULL : text;
}

static const char *fill(struct order *o, size_t at, uint64_t next, unsigned placed);

/* Put one of the pending commits next; `before`: the sequence it must stay below. */
static const char *fill_pending(struct order *o, size_t at, uint64_t next, unsigned placed,
				uint64_t before)
{
	const char *wrong = "sequences of commits leave a gap that no open commit fills";

	for (size_t i = 0; i < o->pendings && wrong != NULL; i++) {
		const struct h_op *p = o->pending[i];

		if ((placed & 1u << i) != 0 || next + p->size > before)
			continue;
		o->all[o->all_count] = p;
		o->seq[o->all_count++] = next + p->size - 1;
		wrong = fill(o, at, next + p->size, placed | 1u << i);
		o->all_count--;
	}
	return wrong;
}

static uint64_t first_seq(const struct h_op *commit)
{
	return commit->seq - commit->size + 1;
}

/* Place commits from sequence `next` on; `placed`: the pending ones used, by bit. */
static const char *fill(struct order *o, size_t at, uint64_t next, unsigned placed)
{
	size_t before = o->all_count;
	const char *wrong;

	for (; at < o->count; at++) {
		if (o->pendings != 0 && first_seq(o->commit[at]) != next)
			break;
		o->all[o->all_count] = o->commit[at];
		o->seq[o->all_count++] = o->commit[at]->seq;
		next = o->commit[at]->seq + 1;
	}
	if (at < o->count) {
		wrong = fill_pending(o, at, next, placed, first_seq(o->commit[at]));
	} else {
		wrong = check_order(o);
		if (wrong != NULL && fill_pending(o, at, next, placed, UINT64_MAX) == NULL)
			wrong = NULL;
	}
	o->all_count = before;
	return wrong;
}

static bool sequences_differ(const struct order *o)
{
	for (size_t i = 1; i < o->count; i++) {
		if (o->commit[i]->seq - o->commit[i]->size + 1 > o->commit[i - 1]->seq)
			continue;
		snprintf(text, sizeof(text), "two commits share the sequence %" PRIu64,
			 o->commit[i - 1]->seq);
		return false;
	}
	return true;
}

static const char *sort(struct order *o)
{
	for (size_t i = 0; i < o->h->count; i++) {
		const struct h_op *op = &o->h->op[i];

		if (op->kind == H_READ && op->end != H_NEVER)
			o->read[o->reads++] = op;
		else if (op->kind == H_WRITE && op->end != H_NEVER)
			o->commit[o->count++] = op;
		else if (op->kind == H_WRITE && o->pendings < H_PENDING_MAX)
			o->pending[o->pendings++] = op;
		else if (op->kind == H_WRITE)
			return "too many commits that never returned";
	}
	qsort(o->commit, o->count, sizeof(*o->commit), by_seq);
	qsort(o->read, o->reads, sizeof(*o->read), by_start);
	return sequences_differ(o) ? NULL : text;
}

const char *history_check_commits(const struct history *h)
{
	struct order o = { .h = h };
	size_t n = h->count + 1;
	const char *wrong;

	o.commit = must(calloc(n, sizeof(*o.commit)));
	o.read = must(calloc(n, sizeof(*o.read)));
	o.all = must(calloc(n, sizeof(*o.all)));
	o.seq = must(calloc(n, sizeof(*o.seq)));
	o.low = must(calloc(n, sizeof(*o.low)));
	o.place = must(calloc(n, sizeof(*o.place)));
	o.state = must(calloc(n, sizeof(*o.state)));
	wrong = sort(&o);
	if (wrong == NULL)
		wrong = fill(&o, 0, h->initial_seq + 1, 0);
	free(o.commit);
	free(o.read);
	free(o.all);
	free(o.seq);
	free(o.low);
	free(o.place);
	free(o.state);
	return wrong;
}
