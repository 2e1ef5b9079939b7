/*
 * The lives of a store: opening, random operations, an end; and after a crash the
 * question which of the states that durability allows the store now holds.
 */
#include "model/model.h"

enum { LIFE_OPS = 3500 };

#define DIR "/db"

/* ---- after a crash ---- */

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

/* ---- lives ---- */

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

uint64_t run_model(const char *name, const shale_options *options, uint64_t seed, size_t lives)
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
