/*
 * A get, told step by step: the same places in the same order as read.c, with the
 * time that each took. Nothing is overlapped, so that a step's time is its own.
 */
#include "db/get.h"

#include "base/hash.h"

#include <stdio.h>

struct explain {
	struct get g;
	void (*each)(void *arg, const shale_explain_step *step);
	void *arg;
	shale_explain_step step;
	uint64_t start;
};

static void begin(struct explain *x)
{
	x->step = (shale_explain_step){ .outcome = SHALE_KEY_NOT_HERE };
	x->start = env_now_ns(x->g.db->env);
}

/* Tell the step; SHALE_MORE while nothing has decided. */
static shale_status end(struct explain *x)
{
	x->step.ns = env_now_ns(x->g.db->env) - x->start;
	x->each(x->arg, &x->step);
	switch (x->step.outcome) {
	case SHALE_KEY_NOT_HERE:
		return SHALE_MORE;
	case SHALE_KEY_FOUND:
		return SHALE_OK;
	default:
		return SHALE_NOT_FOUND;
	}
}

/* A version was found here, with a range tombstone of `hidden` over it or none. */
static void judge(struct explain *x, uint64_t st, shale_slice stored, uint64_t hidden)
{
	enum op_type type = seqtype_type(st);

	x->step.seq = seqtype_seq(st);
	if (hidden > seqtype_seq(st)) {
		x->step.seq = hidden;
		x->step.outcome = SHALE_KEY_DELETED;
	} else if (type == OP_DELETE) {
		x->step.outcome = SHALE_KEY_DELETED;
	} else if (entry_expired(type, stored, env_wall_ms(x->g.db->env))) {
		x->step.outcome = SHALE_KEY_EXPIRED;
	} else {
		x->step.outcome = SHALE_KEY_FOUND;
	}
}

/* No version is here; a range tombstone over the key decides all the same. */
static void judge_none(struct explain *x, uint64_t hidden)
{
	if (hidden == 0)
		return;
	x->step.seq = hidden;
	x->step.outcome = SHALE_KEY_DELETED;
}

static shale_status explain_memtable(struct explain *x, struct memtable *m)
{
	uint64_t hidden = memtable_range_newest(m, x->g.key, x->g.seq), st;
	shale_slice stored;

	begin(x);
	x->step.memtable = true;
	x->step.filter = memtable_may_have(m, x->g.hash) ? SHALE_FILTER_MAYBE : SHALE_FILTER_NO;
	if (x->step.filter == SHALE_FILTER_MAYBE &&
	    memtable_get(m, x->g.key, x->g.seq, &st, &stored))
		judge(x, st, stored, hidden);
	else
		judge_none(x, hidden);
	return end(x);
}

/* The block that may hold the key, if there is one. */
static shale_status explain_block(struct explain *x, struct table *t, uint64_t hidden)
{
	struct table_lookup found = { .pin = { NULL, 0 } };
	struct table_probe p, *one = &p;
	shale_status rc;

	if (!table_probe_aim(&p, t, x->g.key, x->g.seq)) {
		judge_none(x, hidden);
		return SHALE_OK;
	}
	table_probe_place(&p, &x->step.block_offset, &x->step.block_bytes);
	if (table_probe_cached(&p, &x->g.read)) {
		x->step.block = SHALE_BLOCK_CACHED;
	} else {
		x->step.block = SHALE_BLOCK_FROM_FILE;
		table_probes_read(&one, 1, &x->g.read);
		if (p.status < 0)
			return p.status;
	}
	rc = table_probe_find(&p, x->g.key, x->g.seq, &found);
	if (rc == SHALE_OK) {
		judge(x, found.seqtype, found.value, hidden);
		cache_release(x->g.db->cache, &found.pin);
	} else {
		judge_none(x, hidden);
	}
	return SHALE_OK;
}

static shale_status explain_run(struct explain *x, const struct run *r)
{
	size_t at;
	struct table *t;
	const struct rangedel_set *ranges;
	uint64_t hidden = 0;
	shale_status rc;

	begin(x);
	x->step.level = r->level;
	x->step.run = r->id;
	at = run_find(r, x->g.key);
	if (at == r->count)
		return end(x);
	rc = table_meta_open(r->tables[at], &x->g.db->table_env, &t);
	if (rc < 0)
		return rc;
	snprintf(x->step.object, sizeof(x->step.object), "%s",
		 object_name(OBJECT_TABLE, table_number(t)).text);
	ranges = table_ranges(t);
	if (ranges != NULL)
		hidden = rangedel_newest(ranges, x->g.key, x->g.seq);
	x->step.filter = table_filter_has(t, x->g.hash) ? SHALE_FILTER_MAYBE : SHALE_FILTER_NO;
	if (x->step.filter == SHALE_FILTER_NO)
		judge_none(x, hidden);
	else
		rc = explain_block(x, t, hidden);
	return rc < 0 ? rc : end(x);
}

static shale_status explain_all(struct explain *x)
{
	const struct view *v = x->g.view;
	shale_status rc = explain_memtable(x, v->active);

	for (size_t i = 0; i < v->sealed_count && rc == SHALE_MORE; i++)
		rc = explain_memtable(x, v->sealed[i]);
	for (size_t i = 0; i < v->version->run_count && rc == SHALE_MORE; i++)
		rc = explain_run(x, v->version->runs[i]);
	return rc == SHALE_MORE ? SHALE_NOT_FOUND : rc;
}

shale_status shale_explain(shale_db *db, const shale_read_options *o, shale_slice key,
			   void (*each)(void *arg, const shale_explain_step *step), void *arg)
{
	struct explain x = { .g = { .db = db, .key = key }, .each = each, .arg = arg };
	shale_status rc = read_enter(db, o);
	unsigned slot;

	if (rc >= 0)
		rc = key_check(&x.g.key);
	if (rc < 0)
		return rc;
	x.g.read = read_how(o);
	x.g.hash = hash_key(x.g.key);
	slot = epoch_enter(&db->readers);
	x.g.view = atomic_load(&family_of(db, o != NULL ? o->cf : NULL)->view);
	x.g.seq = read_seq(db, o);
	rc = explain_all(&x);
	epoch_exit(&db->readers, slot);
	return rc;
}
