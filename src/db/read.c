/*
 * Gets. The view is pinned by an epoch, not counted. The key is hashed once, for the
 * filters of memtables and tables. In the tables, the one candidate of every run is found
 * first and its filter line brought on its way; then they are asked newest to oldest, so
 * that the misses overlap instead of adding up.
 *
 * A range tombstone found in a newer place hides whatever lies below it, since
 * for one key a newer run holds only newer versions.
 */
#include "db/get.h"

#include "base/hash.h"

/* Turn a version found into the answer; SHALE_NOT_FOUND if it is none. */
static bool is_live(const struct get *g, uint64_t st, shale_slice stored)
{
	enum op_type type = seqtype_type(st);

	return type != OP_DELETE && seqtype_seq(st) >= g->hidden &&
	       !(type == OP_PUT_TTL && entry_expired(type, stored, env_wall_ms(g->db->env)));
}

static shale_status get_memtable(struct get *g, struct memtable *m, shale_value *out)
{
	shale_slice stored, value;
	uint64_t st;

	if (unlikely(memtable_has_ranges(m))) {
		uint64_t newest = memtable_range_newest(m, g->key, g->seq);

		if (newest > g->hidden)
			g->hidden = newest;
	}
	if (!memtable_may_have(m, g->hash) || !memtable_get(m, g->key, g->seq, &st, &stored))
		return g->hidden != 0 ? SHALE_NOT_FOUND : SHALE_MORE;
	if (!is_live(g, st, stored))
		return SHALE_NOT_FOUND;
	value = entry_value(seqtype_type(st), stored);
	*out = (shale_value){ .data = value.data,
			      .size = value.size,
			      .pin = { PIN_MEMTABLE, (uintptr_t)memtable_pin(m) } };
	stats_add(&g->db->stats, STAT_MEMTABLE_HITS, 1);
	return SHALE_OK;
}

shale_status get_memtables(struct get *g, shale_value *out)
{
	shale_status rc;

	g->hash = hash_key(g->key);
	rc = get_memtable(g, g->view->active, out);
	for (size_t i = 0; i < g->view->sealed_count && rc == SHALE_MORE; i++)
		rc = get_memtable(g, g->view->sealed[i], out);
	return rc;
}

bool get_filter(struct get *g, const struct table *t, shale_status *rc)
{
	const struct rangedel_set *ranges = table_ranges(t);

	if (unlikely(ranges != NULL)) {
		uint64_t newest = rangedel_newest(ranges, g->key, g->seq);

		if (newest > g->hidden)
			g->hidden = newest;
	}
	stats_add(&g->db->stats, STAT_FILTER_PROBES, 1);
	if (table_filter_has(t, g->hash))
		return true;
	stats_add(&g->db->stats, STAT_FILTER_NEGATIVES, 1);
	*rc = g->hidden != 0 ? SHALE_NOT_FOUND : SHALE_MORE;
	return false;
}

shale_status get_found(struct get *g, shale_status rc, struct table_lookup *found, shale_value *out)
{
	shale_slice value;

	if (rc == SHALE_NOT_FOUND) {
		stats_add(&g->db->stats, STAT_FILTER_FALSE, 1);
		return g->hidden != 0 ? SHALE_NOT_FOUND : SHALE_MORE;
	}
	if (rc < 0)
		return rc;
	if (!is_live(g, found->seqtype, found->value)) {
		cache_release(g->db->cache, &found->pin);
		return SHALE_NOT_FOUND;
	}
	value = entry_value(seqtype_type(found->seqtype), found->value);
	*out = (shale_value){ .data = value.data,
			      .size = value.size,
			      .pin = { PIN_CACHE, (uintptr_t)g->db->cache,
				       (uintptr_t)found->pin.data, found->pin.token } };
	return SHALE_OK;
}

static shale_status get_table(struct get *g, struct table *t, shale_value *out)
{
	struct table_lookup found = { .pin = { NULL, 0 } };
	shale_status rc;

	if (!get_filter(g, t, &rc))
		return rc;
	return get_found(g, table_get(t, &g->read, g->key, g->seq, &found), &found, out);
}

shale_status get_candidates(struct get *g, size_t from, size_t n, struct table **out, size_t *count)
{
	const struct version *v = g->view->version;

	*count = 0;
	for (size_t i = from; i < from + n; i++) {
		const struct run *r = v->runs[i];
		size_t at = run_find(r, g->key);
		shale_status rc;

		if (at == r->count)
			continue;
		rc = table_meta_open(r->tables[at], &g->db->table_env, &out[*count]);
		if (unlikely(rc < 0))
			return rc;
		table_filter_prefetch(out[(*count)++], g->hash);
	}
	return SHALE_MORE;
}

/* The runs [from, from + n) of the version; n is at most CANDIDATES. */
static shale_status get_runs(struct get *g, size_t from, size_t n, shale_value *out)
{
	struct table *candidates[CANDIDATES];
	size_t count;
	shale_status below = get_candidates(g, from, n, candidates, &count);

	for (size_t i = 0; i < count; i++) {
		shale_status rc = get_table(g, candidates[i], out);

		if (rc != SHALE_MORE)
			return rc;
	}
	return below;
}

static shale_status get_tables(struct get *g, shale_value *out)
{
	size_t runs = g->view->version->run_count;

	for (size_t from = 0; from < runs; from += CANDIDATES) {
		size_t n = runs - from < CANDIDATES ? runs - from : CANDIDATES;
		shale_status rc = get_runs(g, from, n, out);

		if (rc != SHALE_MORE)
			return rc;
	}
	return SHALE_NOT_FOUND;
}

shale_status get_one(struct get *g, shale_value *out)
{
	shale_status rc = get_memtables(g, out);

	return rc == SHALE_MORE ? get_tables(g, out) : rc;
}

shale_status read_enter(shale_db *db, const shale_read_options *o)
{
	shale_status rc = db_enter(db);

	if (rc < 0 || o == NULL)
		return rc;
	if (unlikely(o->struct_size != sizeof(*o)))
		return err_new(SHALE_INVALID,
			       "shale_read_options.struct_size is %zu; set it up with "
			       "SHALE_READ_OPTIONS_INIT",
			       o->struct_size);
	if (unlikely(o->cf != NULL && o->cf->db != db))
		return err_new(SHALE_INVALID, "the column family belongs to another store");
	if (unlikely(o->cf != NULL && atomic_load_explicit(&o->cf->dropped, memory_order_relaxed)))
		return err_new(SHALE_INVALID, "column family '%s' was dropped", o->cf->name);
	if (unlikely(o->snapshot != NULL && o->snapshot->db != db))
		return err_new(SHALE_INVALID, "the snapshot belongs to another store");
	return SHALE_OK;
}

shale_status shale_get(shale_db *db, const shale_read_options *o, shale_slice key, shale_value *out)
{
	uint64_t began = latency_begin(&db->pace.latency, db->env);
	struct get g = { .db = db, .key = key };
	shale_status rc = read_enter(db, o);
	unsigned slot;

	*out = (shale_value){ .data = NULL };
	if (likely(rc >= 0))
		rc = key_check(&g.key);
	if (unlikely(rc < 0))
		return rc;
	g.read = read_how(o);
	slot = epoch_enter(&db->readers);
	g.view = atomic_load(&family_of(db, o != NULL ? o->cf : NULL)->view);
	g.seq = read_seq(db, o);
	rc = get_one(&g, out);
	epoch_exit(&db->readers, slot);
	stats_add(&db->stats, STAT_GETS, 1);
	if (rc == SHALE_OK)
		stats_add(&db->stats, STAT_GETS_FOUND, 1);
	latency_note(&db->pace.latency, db->env, began);
	return rc;
}

void shale_value_release(shale_value *v)
{
	if (v->pin[0] == PIN_MEMTABLE) {
		memtable_unpin((struct memtable *)v->pin[1]);
	} else if (v->pin[0] == PIN_CACHE) {
		struct cache_item item = { (void *)v->pin[2], v->pin[3] };

		cache_release((struct cache *)v->pin[1], &item);
	}
	*v = (shale_value){ .data = NULL };
}
