/*
 * Gets of many keys. One get waits for memory three or four times: for a filter
 * line, an index entry, a block. Many of them take each step together, so that
 * their waits overlap, and what is not in the cache is read from the device at
 * once:
 *
 *   1  memtables; for the rest, the candidate table of every run, filters fetched
 *   2  each key goes down its candidates to the first whose filter has it, aims at
 *      the block, which is fetched
 *   3  cached blocks are pinned, the others read together
 *   4  the blocks are searched; who was misled by a filter goes on with 2
 *
 * Keys are taken in groups, so that what one fetched is still there when it is used.
 * All of them see one moment.
 */
#include "db/get.h"

#include "base/hash.h"

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
	struct table_probe probe;
};

/* 2: to the next candidate that may have the key; false if it is answered. */
static bool want_aim(struct want *w)
{
	shale_status rc = SHALE_MORE;

	for (; rc == SHALE_MORE && w->at < w->count; w->at++) {
		struct table *t = w->candidates[w->at];

		if (!get_filter(&w->g, t, &rc))
			continue;
		if (table_probe_aim(&w->probe, t, w->g.key, w->g.seq)) {
			w->at++;
			return true;
		}
		rc = get_found(&w->g, SHALE_NOT_FOUND, NULL, w->out);
	}
	*w->rc = rc == SHALE_MORE ? SHALE_NOT_FOUND : rc;
	return false;
}

/* 3 and 4 for those that are aimed. */
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
	for (size_t i = 0; i < n; i++) {
		struct want *w = aimed[i];
		struct table_lookup found = { .pin = { NULL, 0 } };
		shale_status rc = w->probe.status;

		if (rc >= 0)
			rc = table_probe_find(&w->probe, w->g.key, w->g.seq, &found);
		*w->rc = get_found(&w->g, rc, &found, w->out);
	}
}

static void group_get(struct want *wants, size_t n)
{
	struct want *aimed[GROUP];
	size_t count;

	for (size_t i = 0; i < n; i++) {
		struct want *w = &wants[i];

		if (*w->rc == SHALE_OK)
			*w->rc = get_memtables(&w->g, w->out);
		if (*w->rc != SHALE_MORE)
			continue;
		w->g.hash = hash_key(w->g.key);
		w->at = 0;
		*w->rc = get_candidates(&w->g, 0, w->g.view->version->run_count, w->candidates,
					&w->count);
		if (*w->rc == SHALE_OK)
			*w->rc = SHALE_MORE;
	}
	do {
		count = 0;
		for (size_t i = 0; i < n; i++)
			if (*wants[i].rc == SHALE_MORE && want_aim(&wants[i]))
				aimed[count++] = &wants[i];
		wants_probe(aimed, count);
	} while (count != 0);
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
	shale_status rc = key_check(key);

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
			wants[i].out = &out[from + i];
			wants[i].rc = &each[from + i];
			each[from + i] = key_check(keys[from + i]);
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
	if (o != NULL)
		g.read = (struct table_read){ o->no_fill_cache, o->verify };
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
