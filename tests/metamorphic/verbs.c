/* The verbs of a script as calls of the public interface. */
#include "metamorphic/run.h"

enum { HOUR_MS = 3600 * 1000 };

static shale_slice key_of(const struct run *r, const struct op *op, size_t i)
{
	return script_slice(r->script, op->key[i]);
}

static shale_slice bound_of(const struct run *r, uint16_t key)
{
	return key == NONE ? slice_from(NULL, 0) : script_slice(r->script, key);
}

/* Half an hour less: no run takes that long besides what it advances the clock by. */
static uint64_t ttl_ms(uint32_t hours)
{
	return hours != 0 ? (uint64_t)hours * HOUR_MS - HOUR_MS / 2 : 0;
}

/* ---- writes ---- */

static void committed(struct run *r, const struct answer *a, shale_seq seq)
{
	if (a->status != SHALE_OK)
		return;
	NEED(r, seq > r->last_seq, "sequence: %" PRIu64 " follows %" PRIu64, seq, r->last_seq);
	r->last_seq = seq;
}

/* Where no other write is logged, one that is would survive alone. */
static shale_durability durability_of(const struct run *r, const struct op *op)
{
	return op->durable && r->durability != SHALE_EPHEMERAL ? SHALE_DURABLE
							       : SHALE_DEFAULT_DURABILITY;
}

static void call_write_one(struct run *r, const struct op *op, struct answer *a)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_seq seq = 0;

	o.cf = op->family == 0 && r->at % 2 ? NULL : r->cf[op->family];
	o.durability = durability_of(r, op);
	o.seq_out = &seq;
	if (op->verb == PUT) {
		o.ttl_ms = ttl_ms(op->ttl);
		a->status = shale_put(r->db, &o, key_of(r, op, 0), value_bytes(op->id, op->size));
		r->puts++;
	} else if (op->verb == DELETE) {
		a->status = shale_delete(r->db, &o, key_of(r, op, 0));
		r->deletes++;
	} else {
		a->status = shale_delete_range(r->db, &o, bound_of(r, op->lower),
					       bound_of(r, op->upper));
		r->range_deletes += a->status == SHALE_OK;
	}
	committed(r, a, seq);
}

static void call_batch(struct run *r, const struct op *op, struct answer *a)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.cf = r->cf[op->family];
	if (op->verb == BATCH_PUT) {
		o.ttl_ms = ttl_ms(op->ttl);
		a->status = shale_batch_put(r->batch, &o, key_of(r, op, 0),
					    value_bytes(op->id, op->size));
	} else if (op->verb == BATCH_DELETE) {
		a->status = shale_batch_delete(r->batch, &o, key_of(r, op, 0));
	} else {
		a->status = shale_batch_delete_range(r->batch, &o, bound_of(r, op->lower),
						     bound_of(r, op->upper));
	}
	a->digest = a->status == SHALE_OK ? shale_batch_count(r->batch) : 0;
}

static void call_write(struct run *r, const struct op *op, struct answer *a)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	const struct changes *c = &r->oracle->batch;
	shale_seq seq = 0;

	o.durability = durability_of(r, op);
	o.seq_out = &seq;
	a->status = shale_write(r->db, &o, r->batch);
	a->digest = shale_batch_count(r->batch);
	if (c->count != 0)
		committed(r, a, seq);
	/* What each is can be told from the oracle's copy alone. */
	for (size_t i = 0; i < c->count; i++)
		r->puts += c->list[i].cell.id != 0;
}

/* ---- reads ---- */

static void read_options(const struct run *r, const struct op *op, shale_read_options *o)
{
	o->cf = r->cf[op->family];
	o->snapshot = op->snapshot != NO_SNAPSHOT ? r->snapshots[op->snapshot] : NULL;
	o->no_fill_cache = op->no_fill;
	o->verify = op->verify;
}

static void add_get(struct run *r, const struct op *op, size_t i, shale_status rc,
		    const shale_value *v, struct answer *a)
{
	if (rc == SHALE_OK)
		answer_add(a, key_of(r, op, i), slice_from(v->data, v->size));
	else if (rc == SHALE_NOT_FOUND)
		a->digest = a->digest * 31 + 7;
	else
		run_fail(r, "get: of key %zu gave %s", i, shale_status_name(rc));
}

static void call_get(struct run *r, const struct op *op, struct answer *a)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_value v;

	read_options(r, op, &o);
	a->status = shale_get(r->db, &o, key_of(r, op, 0), &v);
	add_get(r, op, 0, a->status, &v, a);
	if (op->verb == HOLD && a->status == SHALE_OK)
		r->holds[op->reg] = v;
	else
		shale_value_release(&v);
}

static void call_multi_get(struct run *r, const struct op *op, struct answer *a)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_slice keys[GETS_MAX];
	shale_value v[GETS_MAX];
	shale_status each[GETS_MAX];

	read_options(r, op, &o);
	for (size_t i = 0; i < op->key_count; i++)
		keys[i] = key_of(r, op, i);
	a->status = shale_multi_get(r->db, &o, op->key_count, keys, v, each);
	if (a->status != SHALE_OK)
		return;
	for (size_t i = 0; i < op->key_count; i++) {
		add_get(r, op, i, each[i], &v[i], a);
		shale_value_release(&v[i]);
	}
}

static void call_release(struct run *r, const struct op *op, struct answer *a)
{
	shale_value *v = &r->holds[op->reg];

	answer_add(a, slice_from(NULL, 0), slice_from(v->data, v->size));
	shale_value_release(v);
}

static void call_iter(struct run *r, const struct op *op, struct answer *a)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;

	read_options(r, op, &o);
	o.lower = bound_of(r, op->lower);
	o.upper = bound_of(r, op->upper);
	o.prefix = bound_of(r, op->prefix);
	o.skip_max = op->skip;
	a->status = shale_iter_new(r->db, &o, &r->iters[op->reg]);
}

/* One move; where it stopped for its budget it goes on. */
static shale_status move(struct run *r, shale_iter *it, enum verb verb, shale_slice key)
{
	shale_status rc;

	switch (verb) {
	case FIRST:
		rc = shale_iter_first(it);
		break;
	case LAST:
		rc = shale_iter_last(it);
		break;
	case SEEK:
		rc = shale_iter_seek(it, key);
		break;
	case SEEK_PREV:
		rc = shale_iter_seek_prev(it, key);
		break;
	case NEXT:
		rc = shale_iter_next(it);
		break;
	default:
		rc = shale_iter_prev(it);
	}
	for (size_t n = 0; rc == SHALE_MORE; n++) {
		NEED(r, n < 100000, "iterator: pauses for ever");
		NEED(r, shale_iter_key(it).size == 0, "iterator: shows a key in a pause");
		rc = verb == FIRST || verb == SEEK || verb == NEXT ? shale_iter_next(it)
								   : shale_iter_prev(it);
	}
	return rc;
}

static void add_entry(struct run *r, shale_iter *it, struct answer *a)
{
	shale_slice value;

	NEED(r, shale_iter_value(it, &value) == SHALE_OK, "iterator: no value");
	answer_add(a, shale_iter_key(it), value);
}

static void call_move(struct run *r, const struct op *op, struct answer *a)
{
	shale_slice key = op->key_count != 0 ? key_of(r, op, 0) : slice_from(NULL, 0);
	bool steps = op->verb == NEXT || op->verb == PREV;
	shale_iter *it = r->iters[op->reg];

	for (uint32_t i = 0; i <= (steps ? op->n : 0); i++) {
		a->status = move(r, it, op->verb, key);
		if (a->status != SHALE_OK)
			break;
		add_entry(r, it, a);
	}
}

static void call_scan(struct run *r, const struct op *op, struct answer *a)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_slice none = slice_from(NULL, 0);
	shale_iter *it;

	read_options(r, op, &o);
	a->status = shale_iter_new(r->db, &o, &it);
	if (a->status != SHALE_OK)
		return;
	for (int way = 0; way < 2; way++) {
		shale_status rc = move(r, it, way == 0 ? FIRST : LAST, none);

		for (; rc == SHALE_OK; rc = move(r, it, way == 0 ? NEXT : PREV, none))
			add_entry(r, it, a);
		NEED(r, rc == SHALE_END, "scan: gave %s", shale_status_name(rc));
	}
	shale_iter_free(it);
}

/* ---- families ---- */

static void call_create(struct run *r, const struct op *op, struct answer *a)
{
	shale_cf_options o = r->settings.options.default_cf;
	shale_cf *cf = NULL;

	o.ttl_ms = ttl_ms(op->ttl);
	a->status = shale_cf_create(r->db, family_name(op->family), &o, &cf);
	if (a->status == SHALE_OK)
		r->cf[op->family] = cf;
	shale_batch_clear(r->batch);
}

static void call_drop(struct run *r, const struct op *op, struct answer *a)
{
	shale_cf *cf = r->cf[op->family];
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	a->status = shale_cf_drop(r->db, family_name(op->family));
	shale_batch_clear(r->batch);
	if (a->status != SHALE_OK)
		return;
	o.cf = cf;
	NEED(r, shale_delete(r->db, &o, slice_from("x", 1)) == SHALE_INVALID,
	     "drop: the family can be written");
	shale_cf_release(cf);
	r->cf[op->family] = NULL;
	crash_dropped(r, op->family);
}

static bool see_family(void *arg, const char *name)
{
	uint64_t *seen = arg;

	for (unsigned f = 0; f < FAMILIES; f++)
		if (strcmp(name, family_name(f)) == 0) {
			*seen |= UINT64_C(1) << f;
			return true;
		}
	*seen = UINT64_MAX;
	return true;
}

/* Those of one of the fixed sets; the time to live has to stay. */
static void call_set_options(struct run *r, const struct op *op, struct answer *a)
{
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	struct settings s;

	settings_parse(settings_sets[op->n % settings_set_count].text, &s);
	s.options.default_cf.ttl_ms = ttl_ms(r->oracle->family_ttl[op->family]);
	a->status = shale_cf_set_options(r->db, r->cf[op->family], &s.options.default_cf);
	NEED(r, shale_cf_get_options(r->db, r->cf[op->family], &o) == SHALE_OK,
	     "get_options: failed");
	NEED(r,
	     o.compaction.policy == s.options.default_cf.compaction.policy ||
		     s.options.default_cf.compaction.policy == SHALE_DEFAULT_POLICY,
	     "get_options: another policy");
}

/* ---- maintenance ---- */

static void call_flush(struct run *r, const struct op *op, struct answer *a)
{
	shale_flush_options o = SHALE_FLUSH_OPTIONS_INIT;

	o.cf = op->n == 0 ? r->cf[op->family] : NULL;
	o.no_wait = op->no_wait;
	a->status = shale_flush(r->db, &o);
	if (a->status == SHALE_OK && o.cf == NULL && !o.no_wait)
		crash_settle(r);
}

static void call_compact(struct run *r, const struct op *op, struct answer *a)
{
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;

	o.cf = r->cf[op->family];
	o.lower = bound_of(r, op->lower);
	o.upper = bound_of(r, op->upper);
	a->status = shale_compact(r->db, &o);
	if (a->status == SHALE_MORE && r->pauses != 0) {
		for (; r->pauses != 0; r->pauses--)
			NEED(r, shale_resume_compaction(r->db) == SHALE_OK, "compact: paused");
		a->status = shale_compact(r->db, &o);
	}
}

static void call_figures(struct run *r)
{
	shale_stats s = SHALE_STATS_INIT;

	NEED(r, shale_stats_get(r->db, &s) == SHALE_OK, "figures: failed");
	NEED(r,
	     s.memory_used == s.memory_memtables + s.memory_cache + s.memory_tables + s.memory_log +
				      s.memory_other,
	     "figures: the parts of the memory are not the whole");
	NEED(r, s.last_seq >= r->last_seq, "figures: last_seq is %" PRIu64 " after %" PRIu64,
	     s.last_seq, r->last_seq);
	NEED(r, s.puts == r->puts, "figures: %" PRIu64 " puts of %" PRIu64, s.puts, r->puts);
	NEED(r, s.entries_in >= s.entries_kept, "figures: merges keep more than they read");
}

struct table_walk {
	struct run *r;
	shale_seq seq;
	bool good;
};

static bool see_table(void *arg, const shale_table_info *t)
{
	struct table_walk *w = arg;
	uint64_t family = 0;

	see_family(&family, t->cf);
	w->good = w->good && family != UINT64_MAX && t->level < SHALE_LEVELS_MAX &&
		  slice_cmp(t->smallest, t->largest) <= 0 && t->min_seq <= t->max_seq &&
		  t->bytes != 0 && t->tombstones <= t->entries;
	return true;
}

static void call_open_again(struct run *r, struct answer *a)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_db *db;

	o.env = sim_env(r->sim);
	a->status = shale_open(DIR, &o, &db);
}

static void call_read_only(struct run *r)
{
	shale_options o = r->settings.options;
	shale_db *db;

	run_close(r);
	o.env = sim_env(r->sim);
	o.read_only = true;
	NEED(r, shale_open(DIR, &o, &db) == SHALE_OK, "read-only: open failed");
	r->db = db;
	for (size_t f = 0; f < FAMILIES; f++) {
		struct op scan = { .verb = SCAN, .family = (uint8_t)f, .snapshot = NO_SNAPSHOT };
		struct answer want, got = { .status = SHALE_OK };

		if (!oracle_step(r->oracle, &scan, &want))
			continue;
		NEED(r, shale_cf_open(db, family_name(f), &r->cf[f]) == SHALE_OK,
		     "read-only: no family");
		call_scan(r, &scan, &got);
		NEED(r, got.digest == want.digest, "read-only: a scan is wrong");
	}
	NEED(r, shale_delete(db, NULL, slice_from("x", 1)) == SHALE_READ_ONLY,
	     "read-only: can be written");
	run_close(r);
	run_open(r);
}

static void call_maintain(struct run *r, const struct op *op, struct answer *a)
{
	struct table_walk walk = { .r = r, .good = true };

	switch (op->verb) {
	case SNAPSHOT:
		a->status = shale_snapshot_new(r->db, &r->snapshots[op->reg]);
		if (a->status == SHALE_OK)
			NEED(r, shale_snapshot_seq(r->snapshots[op->reg]) >= r->last_seq,
			     "snapshot: older than the last write");
		break;
	case SNAPSHOT_FREE:
		shale_snapshot_free(r->snapshots[op->reg]);
		r->snapshots[op->reg] = NULL;
		break;
	case FLUSH:
		call_flush(r, op, a);
		break;
	case COMPACT:
		call_compact(r, op, a);
		break;
	case WAIT_IDLE:
		a->status = shale_wait_idle(r->db);
		break;
	case WAIT_DURABLE:
		a->status = shale_wait_durable(r->db, r->last_seq);
		crash_settle(r);
		break;
	case RESUME:
		a->status = shale_resume(r->db);
		break;
	case CHECK_ALL:
		a->status = shale_check(r->db, NULL, NULL, NULL);
		break;
	case FIGURES:
		call_figures(r);
		break;
	case TABLES:
		a->status = shale_tables(r->db, see_table, &walk);
		NEED(r, walk.good, "tables: one is impossible");
		break;
	case ADVANCE:
		sim_advance_ns(r->sim, UINT64_C(1000000) * HOUR_MS * op->n);
		break;
	case OPEN_AGAIN:
		call_open_again(r, a);
		break;
	case REOPEN:
		run_close(r);
		run_open(r);
		break;
	case READ_ONLY:
		call_read_only(r);
		break;
	}
}

void verb_call(struct run *r, const struct op *op, struct answer *out)
{
	switch (op->verb) {
	case PUT:
	case DELETE:
	case DELETE_RANGE:
		call_write_one(r, op, out);
		break;
	case BATCH_PUT:
	case BATCH_DELETE:
	case BATCH_DELETE_RANGE:
		call_batch(r, op, out);
		break;
	case BATCH_CLEAR:
		shale_batch_clear(r->batch);
		break;
	case WRITE:
		call_write(r, op, out);
		break;
	case GET:
	case HOLD:
		call_get(r, op, out);
		break;
	case MULTI_GET:
		call_multi_get(r, op, out);
		break;
	case RELEASE:
		call_release(r, op, out);
		break;
	case ITER:
		call_iter(r, op, out);
		break;
	case ITER_FREE:
		shale_iter_free(r->iters[op->reg]);
		r->iters[op->reg] = NULL;
		break;
	case SCAN:
		call_scan(r, op, out);
		break;
	case CREATE:
		call_create(r, op, out);
		break;
	case DROP:
		call_drop(r, op, out);
		break;
	case SET_OPTIONS:
		call_set_options(r, op, out);
		break;
	case FAMILIES_LIST:
		out->status = shale_cf_list(r->db, see_family, &out->digest);
		break;
	case FIRST:
	case LAST:
	case SEEK:
	case SEEK_PREV:
	case NEXT:
	case PREV:
		call_move(r, op, out);
		break;
	default:
		call_maintain(r, op, out);
	}
}
