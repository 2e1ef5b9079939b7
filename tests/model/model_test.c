/*
 * The model test: random operations on a store over the simulated machine, each
 * answer compared with a sorted array that does the same. The store lives many
 * lives: a life ends in a clean close, in the death of the process or in a power
 * cut at a random system call, and the next life must begin with a state that the
 * store's durability allows:
 *
 *   process dies  all that was acknowledged (EPHEMERAL: some prefix a family)
 *   power cut     DURABLE: all that was acknowledged; else some prefix of the
 *                 operations that holds at least what was made durable
 *
 * The operation under way at the crash may be there or not, but never in part.
 *
 * SHALE_TEST_SEED repeats a run; a failure prints the seed of its option set.
 */
#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"
#include "env/sim.h"

enum {
	KEYS = 400,
	FAMILIES = 2,
	SNAPSHOTS = 4,
	HISTORY = 4096,
	LIVES = 12,
	LIFE_OPS = 3500,
	HOUR_MS = 3600 * 1000,
};

#define DIR "/db"

/* ---- the oracle ---- */

/* A family's content: for each key the id of its value, 0 for none. */
struct state {
	uint32_t id[FAMILIES][KEYS];
	uint64_t expiry[FAMILIES][KEYS]; /* 0: never */
};

/* One commit: what it wrote. */
struct change {
	size_t count;
	struct {
		uint16_t family, key;
		uint32_t id;
		uint64_t expiry;
	} * ops;
};

struct model {
	/* The option set. */
	const char *name;
	shale_options options;
	uint64_t seed;

	struct sim *sim;
	struct rand rand;
	uint8_t key[KEYS][80];
	size_t key_size[KEYS];

	shale_db *db;
	shale_cf *cf[FAMILIES];
	struct state now;

	/* Since what is known to survive a power cut. */
	struct state durable;
	struct change history[HISTORY];
	size_t history_count;
	struct change pending; /* under way; count 0: none */

	struct {
		shale_snapshot *snapshot;
		struct state state;
	} snapshots[SNAPSHOTS];

	uint32_t next_id;
	uint64_t ops, calls_left;
	bool crashing, closed;
	shale_batch *batch; /* under way; it is on this machine's heap, which no crash frees */
};

#define CHECK(m, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr,                                                            \
				"%s:%d: options '%s', seed 0x%" PRIx64 ", op %" PRIu64 ": ",       \
				__FILE__, __LINE__, (m)->name, (m)->seed, (m)->ops);               \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, " (last error: %s)\n", shale_last_error()->text);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t below(struct model *m, uint64_t n)
{
	return rand_below(&m->rand, n);
}

static shale_slice key_of(const struct model *m, size_t i)
{
	return slice_from(m->key[i], m->key_size[i]);
}

/* Keys of several shapes: decimal with a long shared prefix, binary, prefixes of each other. */
static void make_keys(struct model *m)
{
	for (size_t i = 0; i < KEYS; i++) {
		uint8_t *k = m->key[i];

		switch (i % 4) {
		case 0:
			m->key_size[i] = (size_t)sprintf((char *)k, "user:%012zu", i * 37 % 1000);
			break;
		case 1:
			m->key_size[i] = below(m, 24);
			for (size_t b = 0; b < m->key_size[i]; b++)
				k[b] = (uint8_t)(below(m, 3) * 127);
			break;
		case 2:
			m->key_size[i] = 1 + i / 8;
			memset(k, 'a', m->key_size[i]);
			break;
		default:
			m->key_size[i] = 16;
			for (size_t b = 0; b < 16; b++)
				k[b] = (uint8_t)below(m, 256);
		}
	}
	/* Sort, and make the equal ones different. */
	for (size_t i = 1; i < KEYS; i++)
		for (size_t j = i; j > 0 && slice_cmp(key_of(m, j - 1), key_of(m, j)) >= 0; j--) {
			uint8_t k[80];
			size_t size = m->key_size[j];

			if (slice_eq(key_of(m, j - 1), key_of(m, j))) {
				m->key[j][m->key_size[j]++] = 'z';
				i = 0; /* begin again: rare */
				break;
			}
			memcpy(k, m->key[j], 80);
			memcpy(m->key[j], m->key[j - 1], 80);
			m->key_size[j] = m->key_size[j - 1];
			memcpy(m->key[j - 1], k, 80);
			m->key_size[j - 1] = size;
		}
}

static size_t value_size(uint32_t id)
{
	uint64_t x = id;
	uint64_t h = rand_split(&x);

	if (h % 97 == 0)
		return h >> 32 & 0x3fff;
	return h % 5 == 0 ? 0 : h >> 40 & 0x7f;
}

static void value_make(uint32_t id, uint8_t *out)
{
	size_t n = value_size(id);
	uint64_t x = id * 7919u;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i % 8 == 0 ? rand_split(&x) : 'v' + id);
}

static bool value_is(uint32_t id, shale_slice got)
{
	uint8_t want[16384];

	value_make(id, want);
	return slice_eq(got, slice_from(want, value_size(id)));
}

static uint64_t wall_ms(struct model *m)
{
	const shale_env *env = sim_env(m->sim);

	return env->clock.ops->wall_ms(env->clock.self);
}

static uint32_t live(struct model *m, const struct state *s, size_t f, size_t k)
{
	return s->expiry[f][k] != 0 && s->expiry[f][k] <= wall_ms(m) ? 0 : s->id[f][k];
}

static void apply(struct state *s, const struct change *c)
{
	for (size_t i = 0; i < c->count; i++) {
		s->id[c->ops[i].family][c->ops[i].key] = c->ops[i].id;
		s->expiry[c->ops[i].family][c->ops[i].key] = c->ops[i].expiry;
	}
}

static void change_add(struct change *c, size_t f, size_t k, uint32_t id, uint64_t expiry)
{
	if ((c->count & (c->count + 1)) == 0 || c->ops == NULL)
		c->ops = realloc(c->ops, (2 * c->count + 2) * sizeof(*c->ops));
	c->ops[c->count].family = (uint16_t)f;
	c->ops[c->count].key = (uint16_t)k;
	c->ops[c->count].id = id;
	c->ops[c->count++].expiry = expiry;
}

static void change_free(struct change *c)
{
	free(c->ops);
	*c = (struct change){ 0 };
}

/* All so far survives a power cut. */
static void settle(struct model *m)
{
	for (size_t i = 0; i < m->history_count; i++)
		change_free(&m->history[i]);
	m->history_count = 0;
	m->durable = m->now;
}

static void acknowledged(struct model *m, bool durable)
{
	apply(&m->now, &m->pending);
	if (m->history_count == HISTORY) {
		CHECK(m, shale_flush(m->db, NULL) == SHALE_OK, "flush");
		change_free(&m->pending);
		settle(m);
		return;
	}
	m->history[m->history_count++] = m->pending;
	m->pending = (struct change){ 0 };
	if (durable || m->options.durability == SHALE_DURABLE)
		settle(m);
}

/* ---- operations ---- */

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

static void op_iterate(struct model *m)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	const struct state *s;
	int lo = 0, hi = KEYS, at = -1, want;
	size_t f, moves = 1 + below(m, 40);
	shale_iter *it;
	shale_slice got;
	bool placed = false;
	struct state frozen;

	read_options(m, &o, &f, &s);
	if (below(m, 3) == 0) {
		lo = (int)below(m, KEYS);
		o.lower = key_of(m, (size_t)lo);
	}
	if (below(m, 3) == 0) {
		hi = (int)below(m, KEYS);
		o.upper = key_of(m, (size_t)hi);
	}
	if (below(m, 4) == 0) {
		size_t k = below(m, KEYS);

		o.prefix = slice_from(m->key[k], below(m, m->key_size[k] + 1));
		if (o.prefix.size != 0) {
			while (lo < hi && !slice_starts(key_of(m, (size_t)lo), o.prefix))
				lo++;
			for (int i = lo; i < hi; i++)
				if (!slice_starts(key_of(m, (size_t)i), o.prefix)) {
					hi = i;
					break;
				}
		}
	}
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
	shale_cf_options o;
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

static void op_any(struct model *m)
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

/* ---- lives ---- */

static void load_state(struct model *m, struct state *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t f = 0; f < FAMILIES; f++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		size_t k = 0;
		shale_iter *it;
		shale_status rc;

		o.cf = m->cf[f];
		CHECK(m, shale_iter_new(m->db, &o, &it) == SHALE_OK, "iter_new");
		for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it)) {
			shale_slice value;

			while (k < KEYS && slice_cmp(key_of(m, k), shale_iter_key(it)) < 0)
				k++;
			CHECK(m, k < KEYS && slice_eq(key_of(m, k), shale_iter_key(it)),
			      "a key that was never written");
			CHECK(m, shale_iter_value(it, &value) == SHALE_OK, "value");
			/* Values are told apart by content; which it is, the candidates say. */
			s->id[f][k] = 1;
		}
		CHECK(m, rc == SHALE_END, "scan gave %s", shale_status_name(rc));
		shale_iter_free(it);
	}
}

/* Whether family f of the store holds just what s says. */
static bool matches(struct model *m, const struct state *present, const struct state *s, size_t f)
{
	for (size_t k = 0; k < KEYS; k++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		uint32_t id = live(m, s, f, k);
		shale_value v;
		bool same;

		if ((id != 0) != (present->id[f][k] != 0))
			return false;
		if (id == 0)
			continue;
		o.cf = m->cf[f];
		CHECK(m, shale_get(m->db, &o, key_of(m, k), &v) == SHALE_OK,
		      "after recovery a scan sees key %zu of family %zu, a get does not", k, f);
		same = value_is(id, slice_from(v.data, v.size));
		shale_value_release(&v);
		if (!same)
			return false;
	}
	return true;
}

/* The state after a crash: which of the allowed ones is it? */
static void adopt(struct model *m)
{
	bool ephemeral = m->options.durability == SHALE_EPHEMERAL;
	struct state present, s = m->durable, found;
	bool whole = false, each[FAMILIES] = { false };

	if (m->pending.count != 0) {
		CHECK(m, m->history_count < HISTORY, "history");
		m->history[m->history_count++] = m->pending;
		m->pending = (struct change){ 0 };
	}
	load_state(m, &present);
	for (size_t i = 0; i <= m->history_count; i++) {
		bool all = true;

		for (size_t f = 0; f < FAMILIES; f++) {
			bool same = matches(m, &present, &s, f);

			all &= same;
			if (same && ephemeral) {
				each[f] = true;
				memcpy(found.id[f], s.id[f], sizeof(s.id[f]));
				memcpy(found.expiry[f], s.expiry[f], sizeof(s.expiry[f]));
			}
		}
		if (all) {
			whole = true;
			found = s;
		}
		if (i < m->history_count)
			apply(&s, &m->history[i]);
	}
	for (size_t f = 0; f < FAMILIES && !whole && !ephemeral; f++)
		for (size_t k = 0; k < KEYS; k++)
			if ((live(m, &s, f, k) != 0) != (present.id[f][k] != 0))
				fprintf(stderr,
					"family %zu key %zu: value %u expected (last written %u, "
					"expires in %" PRId64 " ms), %s there\n",
					f, k, live(m, &s, f, k), s.id[f][k],
					s.expiry[f][k] ? (int64_t)(s.expiry[f][k] - wall_ms(m)) : 0,
					present.id[f][k] != 0 ? "one is" : "none is");
	for (size_t f = 0; f < FAMILIES; f++)
		CHECK(m, whole || (ephemeral && each[f]),
		      "after a crash the store holds no state that it may: %zu commits since the "
		      "durable one",
		      m->history_count);
	m->now = found;
	settle(m);
}

static void open_store(struct model *m)
{
	shale_options o = m->options;
	shale_status rc;

	o.env = sim_env(m->sim);
	rc = shale_open(DIR, &o, &m->db);
	CHECK(m, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
	CHECK(m, shale_cf_open(m->db, "default", &m->cf[0]) == SHALE_OK, "default family");
	rc = shale_cf_open(m->db, "second", &m->cf[1]);
	if (rc == SHALE_NOT_FOUND)
		rc = shale_cf_create(m->db, "second", &o.default_cf, &m->cf[1]);
	CHECK(m, rc == SHALE_OK, "second family: %s", shale_status_name(rc));
}

static void life(void *arg)
{
	struct model *m = arg;

	m->closed = false;
	open_store(m);
	adopt(m);
	m->crashing = true; /* from here on the hook may end it */
	for (size_t i = 0; i < LIFE_OPS; i++)
		op_any(m);
	m->crashing = false;
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		shale_snapshot_free(m->snapshots[i].snapshot);
		m->snapshots[i].snapshot = NULL;
	}
	for (size_t f = 0; f < FAMILIES; f++)
		shale_cf_release(m->cf[f]);
	CHECK(m, shale_close(m->db) == SHALE_OK, "close");
	settle(m);
	m->closed = true;
}

static void on_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct model *m = arg;

	(void)fs;
	(void)op;
	(void)name;
	if (m->crashing && --m->calls_left == 0)
		sim_stop(m->sim);
}

static void crash(struct model *m)
{
	static const enum sim_crash cuts[] = { SIM_CRASH_ORDERED, SIM_CRASH_CHAOS,
					       SIM_CRASH_NONE_UNSYNCED, SIM_CRASH_ALL,
					       SIM_CRASH_CHAOS };
	bool power = below(m, 2) != 0;

	memset(m->snapshots, 0, sizeof(m->snapshots));
	shale_batch_free(m->batch);
	m->batch = NULL;
	sim_heap_free_all(sim_get_heap(m->sim));
	sim_fs_crash(sim_get_fs(m->sim), power ? cuts[below(m, 5)] : SIM_CRASH_PROCESS,
		     below(m, UINT32_MAX));
	/* A process that dies takes nothing with it that was acknowledged. */
	if (!power && m->options.durability >= SHALE_PROCESS) {
		struct change pending = m->pending;

		m->pending = (struct change){ 0 };
		settle(m);
		m->pending = pending;
	}
}

static uint64_t run_model(const char *name, const shale_options *options, uint64_t seed,
			  size_t lives)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t ops;

	m->name = name;
	m->options = *options;
	m->seed = seed;
	rand_seed(&m->rand, seed);
	make_keys(m);
	assert_ok(sim_new(seed, &m->sim));
	sim_fs_on_call(sim_get_fs(m->sim), on_call, m);
	for (size_t i = 0; i < lives; i++) {
		enum sim_result result;
		uint64_t now;

		now = wall_ms(m);
		sim_reset(m->sim, seed + i);
		sim_set_wall_ms(m->sim, now); /* what has expired stays so */
		m->crashing = false;
		m->calls_left = 1 + below(m, 20000);
		result = sim_run(m->sim, life, m);
		if (result == SIM_STOPPED)
			crash(m);
		else
			CHECK(m, sim_heap_live(sim_get_heap(m->sim)) == 0,
			      "%" PRIu64 " allocations left after close",
			      sim_heap_live(sim_get_heap(m->sim)));
	}
	settle(m);
	change_free(&m->pending);
	ops = m->ops;
	sim_free(m->sim);
	free(m);
	return ops;
}

static void the_store_answers_as_a_sorted_array_does(void **state)
{
	static const struct {
		const char *name;
		shale_compression codec;
		uint32_t block, top, ratio, threads, filter;
		uint64_t memtable, table;
		shale_durability durability;
		shale_policy policy;
	} sets[] = {
		{ "plain", SHALE_NO_COMPRESSION, 4096, 4, 10, 2, 10, 65536, 65536, SHALE_DURABLE,
		  0 },
		{ "tiny blocks", SHALE_NO_COMPRESSION, 256, 4, 4, 2, 10, 32768, 8192, SHALE_PROCESS,
		  0 },
		{ "tiny tables", SHALE_LZ4, 512, 2, 2, 1, 4, 16384, 4096, SHALE_DURABLE, 0 },
		{ "lz4", SHALE_LZ4, 1024, 2, 4, 3, 10, 32768, 32768, SHALE_PROCESS, 0 },
		{ "zstd", SHALE_ZSTD, 4096, 3, 3, 2, 16, 65536, 16384, SHALE_INTERVAL, 0 },
		{ "snappy", SHALE_SNAPPY, 2048, 1, 8, 2, 10, 16384, 65536, SHALE_DURABLE, 0 },
		{ "no filter", SHALE_DEFAULT_COMPRESSION, 1024, 4, 4, 2, 0, 32768, 16384,
		  SHALE_PROCESS, 0 },
		{ "no log", SHALE_NO_COMPRESSION, 1024, 2, 4, 2, 10, 32768, 16384, SHALE_EPHEMERAL,
		  0 },
		{ "one thread", SHALE_NO_COMPRESSION, 512, 1, 2, 1, 10, 16384, 4096, SHALE_PROCESS,
		  0 },
		{ "leveled", SHALE_LZ4, 512, 2, 2, 3, 10, 16384, 4096, SHALE_DURABLE,
		  SHALE_LEVELED },
		{ "tiered", SHALE_NO_COMPRESSION, 512, 2, 2, 3, 10, 16384, 4096, SHALE_PROCESS,
		  SHALE_TIERED },
		{ "hybrid", SHALE_NO_COMPRESSION, 512, 2, 2, 3, 10, 16384, 4096, SHALE_DURABLE,
		  SHALE_HYBRID },
		{ "time window", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 16384, 4096, SHALE_PROCESS,
		  SHALE_TIME_WINDOW },
		{ "fifo", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 32768, 16384, SHALE_DURABLE,
		  SHALE_FIFO },
		{ "adaptive", SHALE_NO_COMPRESSION, 512, 2, 2, 2, 10, 16384, 8192, SHALE_INTERVAL,
		  SHALE_ADAPTIVE },
	};
	uint64_t seed = test_seed(), ops = 0, rounds = test_scale(2);

	(void)state;
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
			shale_options o = SHALE_OPTIONS_INIT;

			o.memory_budget = 1 << 20;
			o.memtable_bytes = sets[i].memtable;
			o.log_bytes_max = 4 * sets[i].memtable;
			o.durability = sets[i].durability;
			o.sync_interval_ms = 10;
			o.background_threads = sets[i].threads;
			o.default_cf.compression = sets[i].codec;
			o.default_cf.block_bytes = sets[i].block;
			o.default_cf.filter_bits = sets[i].filter;
			o.default_cf.no_filter = sets[i].filter == 0;
			o.default_cf.compaction.policy = sets[i].policy;
			o.default_cf.compaction.top_runs = sets[i].top;
			o.default_cf.compaction.size_ratio = sets[i].ratio;
			o.default_cf.compaction.table_bytes = sets[i].table;
			o.default_cf.compaction.base_bytes = 2 * sets[i].memtable;
			ops += run_model(sets[i].name, &o, seed + 1000 * i + round, LIVES);
		}
	printf("%" PRIu64 " operations\n", ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_store_answers_as_a_sorted_array_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
