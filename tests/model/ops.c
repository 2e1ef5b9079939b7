/* Random operations, each on the store and on the oracle, whose answers must be the same. */
#include "model/model.h"

/* ---- writes ---- */

static bool write_one(struct model *m, shale_batch *b, shale_write_options *o)
{
	size_t f = below(m, FAMILIES), k = below(m, KEYS);
	uint8_t value[16384];
	shale_status rc;

	o->cf = f == 0 && below(m, 2) ? NULL : m->cf[f];
	o->ttl_ms = 0;
	switch (below(m, 10)) {
	case 0:
	case 1:
		change_add(&m->pending, f, k, 0, 0);
		rc = b ? shale_batch_delete(b, o, key_of(m, k))
		       : shale_delete(m->db, o, key_of(m, k));
		break;
	case 2: {
		size_t end = k + 1 + below(m, below(m, 4) == 0 ? KEYS : 8);

		if (end >= KEYS)
			end = KEYS - 1;
		if (end <= k)
			return true;
		for (size_t i = k; i < end; i++)
			change_add(&m->pending, f, i, 0, 0);
		rc = b ? shale_batch_delete_range(b, o, key_of(m, k), key_of(m, end))
		       : shale_delete_range(m->db, o, key_of(m, k), key_of(m, end));
		break;
	}
	default: {
		uint32_t id = ++m->next_id;

		if (below(m, 16) == 0)
			o->ttl_ms = HOUR_MS;
		/* After a crash its value tells whether it was written, with its expiry. */
		while (o->ttl_ms != 0 && value_size(id) < 8)
			id = ++m->next_id;
		value_make(id, value);
		/* The store's clock reads a moment later; an hour's jump decides. */
		change_add(&m->pending, f, k, id, o->ttl_ms ? wall_ms(m) + HOUR_MS : 0);
		rc = b ? shale_batch_put(b, o, key_of(m, k), slice_from(value, value_size(id)))
		       : shale_put(m->db, o, key_of(m, k), slice_from(value, value_size(id)));
	}
	}
	CHECK(m, rc == SHALE_OK, "a write gave %s", shale_status_name(rc));
	return false;
}

static void op_write(struct model *m)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_seq seq = 0;

	/* Where others are not logged, one that is would survive alone. */
	if (below(m, 20) == 0 && m->options.durability != SHALE_EPHEMERAL)
		o.durability = SHALE_DURABLE;
	o.seq_out = &seq;
	if (write_one(m, NULL, &o))
		return;
	CHECK(m, seq != 0, "no sequence number");
	acknowledged(m, o.durability == SHALE_DURABLE);
	if (below(m, 50) == 0) {
		CHECK(m, shale_wait_durable(m->db, seq) == SHALE_OK, "wait_durable");
		settle(m);
	}
}

static void op_batch(struct model *m)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t n = 1 + below(m, below(m, 10) == 0 ? 200 : 12);
	shale_batch *b;
	shale_status rc;

	CHECK(m, shale_batch_new(&m->batch) == SHALE_OK, "batch");
	b = m->batch;
	for (size_t i = 0; i < n; i++)
		write_one(m, b, &o);
	o = (shale_write_options)SHALE_WRITE_OPTIONS_INIT;
	rc = shale_write(m->db, &o, b);
	CHECK(m, rc == SHALE_OK, "write gave %s", shale_status_name(rc));
	m->batch = NULL;
	shale_batch_free(b);
	acknowledged(m, false);
}

/* ---- reads ---- */

static void read_options(struct model *m, shale_read_options *o, size_t *f, const struct state **s)
{
	size_t which = below(m, SNAPSHOTS * 2);

	*f = below(m, FAMILIES);
	*s = &m->now;
	o->cf = m->cf[*f];
	o->no_fill_cache = below(m, 4) == 0;
	o->verify = below(m, 8) == 0;
	if (which < SNAPSHOTS && m->snapshots[which].snapshot != NULL) {
		o->snapshot = m->snapshots[which].snapshot;
		*s = &m->snapshots[which].state;
	}
}

static void check_get(struct model *m, const struct state *s, size_t f, size_t k, shale_status rc,
		      const shale_value *v)
{
	uint32_t id = live(m, s, f, k);

	CHECK(m, rc == (id != 0 ? SHALE_OK : SHALE_NOT_FOUND), "get of key %zu in %zu gave %s", k,
	      f, shale_status_name(rc));
	CHECK(m, id == 0 || value_is(id, slice_from(v->data, v->size)),
	      "get of key %zu in %zu gave a wrong value", k, f);
}

static void op_get(struct model *m)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	const struct state *s;
	size_t f, k = below(m, KEYS);
	shale_value v;
	shale_status rc;

	read_options(m, &o, &f, &s);
	rc = shale_get(m->db, &o, key_of(m, k), &v);
	check_get(m, s, f, k, rc, &v);
	shale_value_release(&v);
}

static void op_multi_get(struct model *m)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	size_t f, n = 1 + below(m, 20), k[20];
	shale_slice keys[20];
	shale_value v[20];
	shale_status each[20];
	const struct state *s;

	read_options(m, &o, &f, &s);
	for (size_t i = 0; i < n; i++)
		keys[i] = key_of(m, k[i] = below(m, KEYS));
	CHECK(m, shale_multi_get(m->db, &o, n, keys, v, each) == SHALE_OK, "multi_get");
	for (size_t i = 0; i < n; i++) {
		check_get(m, s, f, k[i], each[i], &v[i]);
		shale_value_release(&v[i]);
	}
}

/* Next live key index from k on in a direction, within [lo, hi); -1 if there is none. */
static int walk(struct model *m, const struct state *s, size_t f, int k, int step, int lo, int hi)
{
	for (; k >= lo && k < hi; k += step)
		if (live(m, s, f, (size_t)k) != 0)
			return k;
	return -1;
}

/* Bounds and a prefix, sometimes; what they leave is [*lo, *hi). */
static void choose_bounds(struct model *m, shale_read_options *o, int *lo, int *hi)
{
	*lo = 0;
	*hi = KEYS;
	if (below(m, 3) == 0) {
		*lo = (int)below(m, KEYS);
		o->lower = key_of(m, (size_t)*lo);
	}
	if (below(m, 3) == 0) {
		*hi = (int)below(m, KEYS);
		o->upper = key_of(m, (size_t)*hi);
	}
	if (below(m, 4) == 0) {
		size_t k = below(m, KEYS);

		o->prefix = slice_from(m->key[k], below(m, m->key_size[k] + 1));
		if (o->prefix.size != 0) {
			while (*lo < *hi && !slice_starts(key_of(m, (size_t)*lo), o->prefix))
				(*lo)++;
			for (int i = *lo; i < *hi; i++)
				if (!slice_starts(key_of(m, (size_t)i), o->prefix)) {
					*hi = i;
					break;
				}
		}
	}
}

static void op_iterate(struct model *m)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	const struct state *s;
	int lo, hi, at = -1, want;
	size_t f, moves = 1 + below(m, 40);
	shale_iter *it;
	shale_slice got;
	bool placed = false;
	struct state frozen;

	read_options(m, &o, &f, &s);
	choose_bounds(m, &o, &lo, &hi);
	CHECK(m, shale_iter_new(m->db, &o, &it) == SHALE_OK, "iter_new");
	frozen = *s;
	/* Writes behind the iterator's back must not show. */
	for (size_t i = below(m, 4); i > 0; i--)
		op_write(m);
	for (size_t i = 0; i < moves; i++) {
		int k = (int)below(m, KEYS);
		shale_status rc;

		switch (placed ? below(m, 12) : below(m, 4)) {
		case 0:
			rc = shale_iter_seek(it, key_of(m, (size_t)k));
			want = walk(m, &frozen, f, k > lo ? k : lo, 1, lo, hi);
			break;
		case 1:
			rc = shale_iter_seek_prev(it, key_of(m, (size_t)k));
			want = walk(m, &frozen, f, k < hi ? k : hi - 1, -1, lo, hi);
			break;
		case 2:
			rc = shale_iter_first(it);
			want = walk(m, &frozen, f, lo, 1, lo, hi);
			break;
		case 3:
			rc = shale_iter_last(it);
			want = walk(m, &frozen, f, hi - 1, -1, lo, hi);
			break;
		case 4:
		case 5:
		case 6:
			rc = shale_iter_prev(it);
			want = walk(m, &frozen, f, at - 1, -1, lo, hi);
			break;
		default:
			rc = shale_iter_next(it);
			want = walk(m, &frozen, f, at + 1, 1, lo, hi);
		}
		CHECK(m, rc == (want >= 0 ? SHALE_OK : SHALE_END), "a move of an iterator gave %s",
		      shale_status_name(rc));
		placed = want >= 0;
		at = want;
		if (!placed)
			continue;
		CHECK(m, slice_eq(shale_iter_key(it), key_of(m, (size_t)at)),
		      "an iterator stands on a wrong key, not %d", at);
		CHECK(m,
		      shale_iter_value(it, &got) == SHALE_OK &&
			      value_is(live(m, &frozen, f, (size_t)at), got),
		      "an iterator shows a wrong value at %d", at);
	}
	shale_iter_free(it);
}

/* ---- snapshots and maintenance ---- */

static void op_snapshot(struct model *m)
{
	size_t i = below(m, SNAPSHOTS);

	if (m->snapshots[i].snapshot != NULL) {
		shale_snapshot_free(m->snapshots[i].snapshot);
		m->snapshots[i].snapshot = NULL;
		return;
	}
	CHECK(m, shale_snapshot_new(m->db, &m->snapshots[i].snapshot) == SHALE_OK, "snapshot");
	m->snapshots[i].state = m->now;
}

/* Another policy for a family, at once; other knobs with it. */
static shale_status set_policy(struct model *m)
{
	shale_cf *cf = m->cf[below(m, FAMILIES)];
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	shale_compaction *c = &o.compaction;
	shale_status rc = shale_cf_get_options(m->db, cf, &o);

	if (rc < 0)
		return rc;
	c->policy = (shale_policy)below(m, SHALE_ADAPTIVE + 1);
	c->size_ratio = 2 + (uint32_t)below(m, 6);
	c->top_runs = 1 + (uint32_t)below(m, 4);
	c->max_runs = 2 + (uint32_t)below(m, 4);
	c->space_amp_max = below(m, 3) == 0 ? 110 : 0;
	c->window_ms = 1 + below(m, 2 * HOUR_MS);
	c->delete_within_ms = below(m, 3) == 0 ? 1 + below(m, HOUR_MS) : 0;
	return shale_cf_set_options(m->db, cf, &o);
}

static void op_maintain(struct model *m)
{
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	size_t a = below(m, KEYS), b = below(m, KEYS);
	shale_status rc;

	switch (below(m, 9)) {
	case 0:
		if (a < b && below(m, 2)) {
			co.lower = key_of(m, a);
			co.upper = key_of(m, b);
		}
		co.cf = m->cf[below(m, FAMILIES)];
		rc = shale_compact(m->db, &co);
		break;
	case 1:
		rc = shale_wait_idle(m->db);
		break;
	case 2:
		rc = shale_check(m->db, NULL, NULL, NULL);
		break;
	case 3:
		sim_advance_ns(m->sim, 2ull * HOUR_MS * 1000000);
		rc = SHALE_OK;
		break;
	case 4:
		rc = shale_flush(m->db, NULL);
		if (rc == SHALE_OK)
			settle(m);
		break;
	case 5:
		rc = set_policy(m);
		break;
	default:
		fo.no_wait = true;
		fo.cf = m->cf[below(m, FAMILIES)];
		rc = shale_flush(m->db, &fo);
	}
	CHECK(m, rc == SHALE_OK, "maintenance gave %s", shale_status_name(rc));
}

void op_any(struct model *m)
{
	uint64_t dice = below(m, 1000);

	m->ops++;
	if (dice < 420)
		op_write(m);
	else if (dice < 470)
		op_batch(m);
	else if (dice < 820)
		op_get(m);
	else if (dice < 870)
		op_multi_get(m);
	else if (dice < 960)
		op_iterate(m);
	else if (dice < 985)
		op_snapshot(m);
	else
		op_maintain(m);
}
