/*
 * Gets of many keys. One get waits for memory time and again: for a filter line, an
 * index entry, a block, the value in it. Many of them take each step together, so that
 * their waits overlap, and what is not in the cache is read from the device at
 * once. Each step fetches no more than what the next one reads, since a processor waits
 * for some twenty lines of memory at a time:
 *
 *   1  memtables; for the rest, the candidate table of every run, filters fetched
 *   2  each key goes down its candidates to the first whose filter has it; the heads of
 *      the index, the block's description in it, the block's heads are fetched in turn
 *   3  cached blocks are pinned, the others read together
 *   4  the blocks' heads are searched, the entries fetched
 *   5  the entries are looked at; who was misled by a filter goes on with 2
 *
 * Keys are taken in groups, so that what one fetched is still there when it is used.
 * All of them see one moment.
 */
#include "db/get.h"

enum {
	GROUP = 32,
	GROUP_RUNS = 16, /* with more runs, keys are asked one by one */
	GROUP_MIN = 4,   /* as they are when there are few */
};

struct want {
	struct get g;
	shale_value *out;
	shale_status *rc; /* SHALE_MORE: not answered yet */
	struct table *candidates[GROUP_RUNS];
	size_t count, at;
	shale_status below; /* the candidates: SHALE_MORE, or why there are no more of them */
	struct table_probe probe;
};

/* 2: to the next candidate that may have the key; false if it is answered. */
static bool want_choose(struct want *w)
{
	shale_status rc = SHALE_MORE;

	while (rc == SHALE_MORE && w->at < w->count) {
		struct table *t = w->candidates[w->at++];

		if (get_filter(&w->g, t, &rc)) {
			table_probe_begin(&w->probe, t, w->g.key);
			return true;
		}
	}
	if (rc == SHALE_MORE)
		rc = w->below < 0 ? w->below : SHALE_NOT_FOUND;
	*w->rc = rc;
	return false;
}

/* 2 for all that are not answered; those that are aimed at a block then. */
static size_t wants_aim(struct want *wants, size_t n, struct want **aimed)
{
	size_t chosen = 0, count = 0;

	for (size_t i = 0; i < n; i++)
		if (*wants[i].rc == SHALE_MORE && want_choose(&wants[i]))
			aimed[chosen++] = &wants[i];
	for (size_t i = 0; i < chosen; i++) {
		struct want *w = aimed[i];

		if (table_probe_block(&w->probe, w->g.key, w->g.seq))
			aimed[count++] = w;
		else
			*w->rc = get_found(&w->g, SHALE_NOT_FOUND, NULL, w->out);
	}
	for (size_t i = 0; i < count; i++)
		table_probe_fetch(&aimed[i]->probe);
	return count;
}

/* 3, 4 and 5 for those. */
static void wants_probe(struct want **aimed, size_t n)
{
	struct table_probe *missing[GROUP];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		aimed[i]->probe.status = SHALE_OK;
		if (!table_probe_cached(&aimed[i]->probe, &aimed[i]->g.read))
			missing[count++] = &aimed[i]->probe;
	}
	if (count != 0)
		table_probes_read(missing, count, &aimed[0]->g.read);
	for (size_t i = 0; i < n; i++)
		if (likely(aimed[i]->probe.status >= 0))
			table_probe_search(&aimed[i]->probe, aimed[i]->g.key);
	for (size_t i = 0; i < n; i++) {
		struct want *w = aimed[i];
		struct table_lookup found = { .pin = { NULL, 0 } };
		shale_status rc = w->probe.status;

		if (likely(rc >= 0))
			rc = table_probe_found(&w->probe, w->g.key, w->g.seq, &found);
		*w->rc = get_found(&w->g, rc, &found, w->out);
	}
}

static bool any_open(const struct want *wants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (*wants[i].rc == SHALE_MORE)
			return true;
	return false;
}

static void group_get(struct want *wants, size_t n)
{
	struct want *aimed[GROUP];

	for (size_t i = 0; i < n; i++) {
		struct want *w = &wants[i];

		if (*w->rc == SHALE_OK)
			*w->rc = get_memtables(&w->g, w->out);
		if (*w->rc != SHALE_MORE)
			continue;
		w->at = 0;
		w->below = get_candidates(&w->g, 0, w->g.view->version->run_count, w->candidates,
					  &w->count);
	}
	while (any_open(wants, n))
		wants_probe(aimed, wants_aim(wants, n, aimed));
}

/* The failure that is told is that of the first key that has one. */
struct outcome {
	shale_status first;
	shale_error why;
	size_t found;
};

static void note(struct outcome *o, shale_status rc)
{
	o->found += rc == SHALE_OK;
	if (unlikely(rc < 0) && o->first == SHALE_OK) {
		o->first = rc;
		o->why = *err_last();
	}
}

static shale_status get_alone(struct get *g, shale_slice key, shale_value *out)
{
	shale_status rc = key_check(&key);

	g->key = key;
	g->hidden = 0;
	return rc < 0 ? rc : get_one(g, out);
}

static void get_each(struct get *g, size_t n, const shale_slice *keys, shale_value *out,
		     shale_status *each, struct outcome *o)
{
	for (size_t i = 0; i < n; i++) {
		each[i] = get_alone(g, keys[i], &out[i]);
		note(o, each[i]);
	}
}

static void get_groups(struct get *g, size_t n, const shale_slice *keys, shale_value *out,
		       shale_status *each, struct outcome *o)
{
	struct want wants[GROUP];

	for (size_t from = 0; from < n; from += GROUP) {
		size_t count = n - from < GROUP ? n - from : GROUP;

		for (size_t i = 0; i < count; i++) {
			wants[i].g = *g;
			wants[i].g.key = keys[from + i];
			wants[i].g.hidden = 0; /* one may have been tried alone before */
			wants[i].out = &out[from + i];
			wants[i].rc = &each[from + i];
			each[from + i] = key_check(&wants[i].g.key);
		}
		group_get(wants, count);
		/* What failed among others is tried alone, and so tells why. */
		for (size_t i = from; i < from + count; i++) {
			if (unlikely(each[i] < 0))
				each[i] = get_alone(g, keys[i], &out[i]);
			note(o, each[i]);
		}
	}
}

shale_status shale_multi_get(shale_db *db, const shale_read_options *o, size_t n,
			     const shale_slice *keys, shale_value *out, shale_status *each)
{
	struct outcome outcome = { .first = SHALE_OK };
	struct get g = { .db = db };
	shale_status rc = read_enter(db, o);
	unsigned slot;

	for (size_t i = 0; i < n; i++) {
		out[i] = (shale_value){ .data = NULL };
		each[i] = rc;
	}
	if (rc < 0)
		return rc;
	g.read = read_how(o);
	slot = epoch_enter(&db->readers);
	g.view = atomic_load(&family_of(db, o != NULL ? o->cf : NULL)->view);
	g.seq = read_seq(db, o);
	if (n < GROUP_MIN || g.view->version->run_count > GROUP_RUNS)
		get_each(&g, n, keys, out, each, &outcome);
	else
		get_groups(&g, n, keys, out, each, &outcome);
	epoch_exit(&db->readers, slot);
	if (unlikely(outcome.first < 0))
		*err_last() = outcome.why;
	stats_add(&db->stats, STAT_GETS, n);
	stats_add(&db->stats, STAT_GETS_FOUND, outcome.found);
	return outcome.first;
}
