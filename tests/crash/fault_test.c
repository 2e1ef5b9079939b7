/*
 * Every system call and every allocation of a workload fails: the first, the
 * second, the third, ..., once and for good, until a run meets no failure. Each
 * time nothing may crash, hang or leak; an error must come with its sentence;
 * reads give the right answer or an error; and when the fault is gone and the
 * store is opened again, every acknowledged write is there, and one that failed
 * is there whole or not at all. (The method is SQLite's.)
 */
#include "support/test.h"

#include <shale/shale.h>

#include "env/sim.h"

#include <errno.h>

enum { KEYS = 24, CANDIDATES = 24, STEPS_MAX = 4000000 };

#define DIR "/db"

/* What a key may hold: one value where the last write succeeded, more after failures. */
struct slot {
	int count;
	uint32_t id[CANDIDATES]; /* 0: absent */
};

struct run {
	struct sim *sim;
	shale_durability durability;
	shale_db *db;
	shale_cf *second;
	struct slot slot[2][KEYS];
	uint32_t next_id;
	const char *what; /* for messages */
	uint64_t nth;
	bool faulty; /* errors are to be expected */
};

#define CHECK(r, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s, failure at %" PRIu64 ": ", __FILE__, __LINE__, \
				(r)->what, (r)->nth);                                              \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, " (last error: %s)\n", shale_last_error()->text);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void make_key(char *out, size_t k)
{
	sprintf(out, "key%04zu", k);
}

static size_t make_value(char *out, uint32_t id)
{
	return (size_t)sprintf(out, "value %u %0*d", id, (int)(id * 37 % 180), 0);
}

/* A call failed: that must be allowed now, and explained. */
static bool failed(struct run *r, shale_status rc)
{
	if (rc >= 0)
		return false;
	CHECK(r, r->faulty, "failed without a fault: %s", shale_status_name(rc));
	CHECK(r, shale_last_error()->status == rc && shale_last_error()->text[0] != '\0',
	      "%s without a sentence", shale_status_name(rc));
	return true;
}

static void wrote(struct slot *s, bool ok, uint32_t id)
{
	if (ok)
		s->count = 0;
	else if (s->count == 0)
		s->id[s->count++] = 0; /* never written so far */
	if (s->count < CANDIDATES)
		s->id[s->count++] = id;
}

static void put(struct run *r, int f, size_t k)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char key[16], value[256];
	uint32_t id = ++r->next_id;
	size_t n = make_value(value, id);
	shale_status rc;

	if (f == 1 && r->second == NULL)
		return;
	o.cf = f == 1 ? r->second : NULL;
	make_key(key, k);
	rc = shale_put(r->db, &o, shale_str(key), shale_bytes(value, n));
	wrote(&r->slot[f][k], !failed(r, rc), id);
}

static void del(struct run *r, size_t k)
{
	char key[16];

	make_key(key, k);
	wrote(&r->slot[0][k], !failed(r, shale_delete(r->db, NULL, shale_str(key))), 0);
}

static void del_range(struct run *r, size_t lo, size_t hi)
{
	char a[16], b[16];
	bool ok;

	make_key(a, lo);
	make_key(b, hi);
	ok = !failed(r, shale_delete_range(r->db, NULL, shale_str(a), shale_str(b)));
	for (size_t k = lo; k < hi; k++)
		wrote(&r->slot[0][k], ok, 0);
}

static void write_batch(struct run *r, size_t from)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint32_t first = r->next_id + 1;
	char key[16], value[256];
	shale_batch *b;
	bool ok;

	if (r->second == NULL)
		return;
	assert_ok(shale_batch_new(&b)); /* on the plain heap: does not fail here */
	for (size_t i = 0; i < 4; i++) {
		size_t n = make_value(value, ++r->next_id);

		o.cf = i % 2 != 0 ? r->second : NULL;
		make_key(key, from + i);
		assert_ok(shale_batch_put(b, &o, shale_str(key), shale_bytes(value, n)));
	}
	ok = !failed(r, shale_write(r->db, NULL, b));
	for (size_t i = 0; i < 4; i++)
		wrote(&r->slot[i % 2][from + i], ok, first + (uint32_t)i);
	shale_batch_free(b);
}

static bool is_candidate(const struct slot *s, shale_slice got, bool absent)
{
	char want[256];

	for (int i = 0; i < s->count; i++) {
		if (s->id[i] == 0
			    ? absent
			    : !absent &&
				      slice_eq(got, slice_from(want, make_value(want, s->id[i]))))
			return true;
	}
	return s->count == 0 && absent;
}

/* Every key by get, and all by a scan. With `settle`, what is found is the truth from now on. */
static void read_all(struct run *r, bool settle)
{
	for (int f = 0; f < 2; f++) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
		shale_iter *it = NULL;
		size_t seen = 0, there = 0, unknown = 0;
		shale_status rc;

		if (f == 1 && r->second == NULL)
			continue;
		o.cf = f == 1 ? r->second : NULL;
		for (size_t k = 0; k < KEYS; k++) {
			struct slot *s = &r->slot[f][k];
			char key[16];
			shale_value v;

			make_key(key, k);
			rc = shale_get(r->db, &o, shale_str(key), &v);
			if (failed(r, rc)) {
				unknown++;
				continue;
			}
			CHECK(r, is_candidate(s, slice_from(v.data, v.size), rc == SHALE_NOT_FOUND),
			      "key %zu of family %d holds what was never there", k, f);
			there += rc == SHALE_OK;
			if (settle && rc == SHALE_NOT_FOUND)
				wrote(s, true, 0);
			for (int i = 0; settle && rc == SHALE_OK && i < s->count; i++) {
				struct slot one = { 1, { s->id[i] } };

				if (is_candidate(&one, slice_from(v.data, v.size), false)) {
					*s = one;
					break;
				}
			}
			shale_value_release(&v);
		}
		rc = shale_iter_new(r->db, &o, &it);
		if (failed(r, rc))
			continue;
		for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it))
			seen++;
		CHECK(r, failed(r, rc) || unknown != 0 || seen == there,
		      "a scan sees %zu keys, gets %zu", seen, there);
		shale_iter_free(it);
	}
}

static shale_status open_store(struct run *r)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_status rc;

	o.env = sim_env(r->sim);
	o.memory_budget = 1 << 20;
	o.memtable_bytes = 16384;
	o.durability = r->durability;
	o.background_threads = 1;
	o.default_cf.compression = SHALE_LZ4;
	o.default_cf.block_bytes = 512;
	o.default_cf.compaction.table_bytes = 4096;
	o.default_cf.compaction.top_runs = 2;
	r->second = NULL;
	rc = shale_open(DIR, &o, &r->db);
	if (rc < 0)
		return rc;
	CHECK(r, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
	rc = shale_cf_open(r->db, "second", &r->second);
	if (rc == SHALE_NOT_FOUND)
		rc = shale_cf_create(r->db, "second", &o.default_cf, &r->second);
	(void)failed(r, rc);
	return SHALE_OK;
}

static void close_store(struct run *r)
{
	shale_status rc;

	shale_cf_release(r->second);
	rc = shale_close(r->db);
	(void)failed(r, rc);
}

/* A bit of everything, with a reopen in the middle. */
static void work(struct run *r)
{
	shale_snapshot *snapshot = NULL;

	for (int part = 0; part < 2; part++) {
		if (failed(r, open_store(r)))
			return;
		for (size_t k = 0; k < KEYS; k++)
			put(r, (int)(k % 2), k);
		write_batch(r, 3);
		(void)failed(r, shale_flush(r->db, NULL));
		if (failed(r, shale_snapshot_new(r->db, &snapshot)))
			snapshot = NULL;
		del(r, 5);
		del_range(r, 8, 12);
		put(r, 0, 9);
		(void)failed(r, shale_flush(r->db, NULL));
		read_all(r, false);
		shale_snapshot_free(snapshot);
		write_batch(r, 12);
		(void)failed(r, shale_compact(r->db, NULL));
		put(r, 1, 7);
		read_all(r, false);
		close_store(r);
	}
}

static void stuck(void *arg, const char *text)
{
	struct run *r = arg;

	CHECK(r, false, "hangs: %s", text);
}

static void first_life(void *arg)
{
	work(arg);
}

static void second_life(void *arg)
{
	struct run *r = arg;
	shale_status rc = open_store(r);

	CHECK(r, rc == SHALE_OK, "does not open after the fault: %s", shale_status_name(rc));
	read_all(r, true);
	put(r, 0, 1);
	read_all(r, false);
	rc = shale_check(r->db, NULL, NULL, NULL);
	CHECK(r, rc == SHALE_OK, "check after the fault: %s", shale_status_name(rc));
	close_store(r);
}

/* What fails in this run; returns whether it came to that. */
struct plan {
	const char *what;
	int err; /* 0: an allocation */
	enum sim_op op;
	bool sticky, after, clean;
};

static bool run_plan(const struct plan *p, uint64_t nth, shale_durability durability)
{
	const struct sim_schedule schedule = { SIM_RANDOM, 100, 5, 0, 0, STEPS_MAX };
	struct run r = { .what = p->what, .nth = nth, .durability = durability, .faulty = true };
	struct sim_heap *heap;
	struct sim_fs *fs;
	uint64_t hits;

	assert_ok(sim_new(nth * 31 + (uint64_t)p->err, &r.sim));
	fs = sim_get_fs(r.sim);
	heap = sim_get_heap(r.sim);
	sim_set_schedule(r.sim, &schedule);
	sim_on_stuck(r.sim, stuck, &r);
	if (p->err == 0) {
		sim_heap_fail(heap, nth, p->sticky);
	} else {
		struct sim_fault rule = { .op = p->op,
					  .nth = nth,
					  .err = p->err,
					  .sticky = p->sticky,
					  .after = p->after,
					  .clean = p->clean };

		sim_fs_fault(fs, &rule);
	}
	CHECK(&r, sim_run(r.sim, first_life, &r) == SIM_DONE, "did not end");
	hits = p->err == 0 ? sim_heap_failures(heap) : sim_fs_fault_hits(fs);
	CHECK(&r, sim_heap_live(heap) == 0, "%" PRIu64 " allocations are left",
	      sim_heap_live(heap));
	sim_fs_faults_clear(fs);
	sim_heap_fail(heap, 0, false);
	r.faulty = false;
	CHECK(&r, sim_run(r.sim, second_life, &r) == SIM_DONE, "did not end");
	CHECK(&r, sim_heap_live(heap) == 0, "%" PRIu64 " allocations are left",
	      sim_heap_live(heap));
	sim_free(r.sim);
	return hits != 0;
}

static void run_all(const struct plan *plans, size_t n, shale_durability durability)
{
	/* At less than full scale only every so-manieth site. */
	uint64_t step = 100 / (test_scale(100) < 100 ? test_scale(100) : 100);

	for (size_t i = 0; i < n; i++) {
		uint64_t sites = 0, nth = 1;

		for (; run_plan(&plans[i], nth, durability); nth += step)
			sites++;
		printf("%-44s %5" PRIu64 " sites\n", plans[i].what, sites);
		assert_true(sites > 0);
	}
}

static void every_allocation_may_fail(void **state)
{
	static const struct plan plans[] = {
		{ "an allocation fails once", 0, SIM_ANY, false, false, false },
		{ "all allocations fail from then on", 0, SIM_ANY, true, false, false },
	};

	(void)state;
	run_all(plans, 2, SHALE_PROCESS);
	run_all(plans, 1, SHALE_DURABLE);
}

static void every_system_call_may_fail(void **state)
{
	static const struct plan plans[] = {
		{ "any call: EIO once", EIO, SIM_ANY, false, false, false },
		{ "any call: EIO for good", EIO, SIM_ANY, true, false, false },
		{ "a write: ENOSPC once", ENOSPC, SIM_WRITE, false, false, false },
		{ "all writes: ENOSPC for good", ENOSPC, SIM_WRITE, true, false, false },
		{ "a reservation: ENOSPC once", ENOSPC, SIM_ALLOCATE, false, false, false },
		{ "an open: EMFILE once", EMFILE, SIM_OPEN, false, false, false },
		{ "opens: EMFILE for good", EMFILE, SIM_OPEN, true, false, false },
		{ "a sync: EIO, and the data is gone", EIO, SIM_SYNC, false, false, true },
		{ "a sync: EIO, but the data is there", EIO, SIM_SYNC, false, true, false },
		{ "a rename: EIO, but it is done", EIO, SIM_RENAME, false, true, false },
		{ "a directory sync: EIO once", EIO, SIM_SYNC_DIR, false, false, false },
	};

	(void)state;
	run_all(plans, sizeof(plans) / sizeof(plans[0]), SHALE_DURABLE);
	run_all(plans, 2, SHALE_PROCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_system_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
