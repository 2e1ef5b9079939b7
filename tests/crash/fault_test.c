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

#include "base/rand.h"
#include "env/sim.h"

#include <errno.h>

enum { KEYS = 24, CANDIDATES = 128, SNAPSHOTS = 64, STEPS_MAX = 40000000 };

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
	bool faulty;      /* errors are to be expected, */
	int err;          /* and this errno is their cause; 0: an allocation that failed */
	bool lossy;       /* a failure may lose what was acknowledged */
	uint64_t refused; /* calls that failed so far */
	void (*work)(struct run *r);
	shale_snapshot *snapshots[SNAPSHOTS];
	size_t snapshot_count;
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

/*
 * A call failed: that must be allowed now, and explained. The error is the fault's,
 * or says that writes have stopped, and because of what.
 */
static bool failed(struct run *r, shale_status rc)
{
	const shale_error *e = shale_last_error();
	shale_status cause = r->err == 0 ? SHALE_NO_MEMORY : err_code(r->err);

	if (rc >= 0)
		return false;
	r->refused++;
	CHECK(r, r->faulty, "failed without a fault: %s", shale_status_name(rc));
	CHECK(r, e->status == rc && e->text[0] != '\0', "%s without a sentence",
	      shale_status_name(rc));
	CHECK(r, rc == cause || rc == SHALE_READ_ONLY, "%s where %s is the cause",
	      shale_status_name(rc), shale_status_name(cause));
	CHECK(r, r->err == 0 || rc == SHALE_READ_ONLY || e->sys_errno == r->err,
	      "errno %d where %d is the cause", e->sys_errno, r->err);
	return true;
}

/* Without a log a failed flush may lose what was acknowledged: all that was ever there is right. */
static void wrote(struct run *r, struct slot *s, bool ok, uint32_t id)
{
	if (ok && !r->lossy)
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
	wrote(r, &r->slot[f][k], !failed(r, rc), id);
}

static void del(struct run *r, size_t k)
{
	char key[16];

	make_key(key, k);
	wrote(r, &r->slot[0][k], !failed(r, shale_delete(r->db, NULL, shale_str(key))), 0);
}

static void del_range(struct run *r, size_t lo, size_t hi)
{
	char a[16], b[16];
	bool ok;

	make_key(a, lo);
	make_key(b, hi);
	ok = !failed(r, shale_delete_range(r->db, NULL, shale_str(a), shale_str(b)));
	for (size_t k = lo; k < hi; k++)
		wrote(r, &r->slot[0][k], ok, 0);
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
		wrote(r, &r->slot[i % 2][from + i], ok, first + (uint32_t)i);
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
				wrote(r, s, true, 0);
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

/* ---- workloads ---- */

/* A bit of everything, with a reopen in the middle. */
static void work_all(struct run *r)
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

/* So much that memtables and log segments fill, with merges in the background. */
static void work_much(struct run *r)
{
	shale_status rc;

	if (failed(r, open_store(r)))
		return;
	for (size_t round = 0; round < 30; round++) {
		for (size_t k = 0; k < KEYS; k++)
			put(r, k % 8 == 7, (k * 7 + round) % KEYS);
		if (round % 10 == 9)
			read_all(r, false);
	}
	rc = shale_wait_idle(r->db);
	(void)failed(r, rc);
	read_all(r, false);
	close_store(r);
}

static bool count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return true;
}

/* Families come, are written to, and go, one of them while it is read. */
static void work_families(struct run *r)
{
	shale_read_options ro = SHALE_READ_OPTIONS_INIT;
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	shale_stats stats = SHALE_STATS_INIT;
	shale_iter *it = NULL;
	shale_cf *cf;
	int names = 0;

	if (failed(r, open_store(r)))
		return;
	put(r, 0, 1);
	for (int round = 0; round < 2; round++) {
		shale_status rc = shale_cf_create(r->db, "passing", NULL, &cf);

		/* A drop that failed may leave it there. */
		if (rc == SHALE_EXISTS && r->refused != 0)
			continue;
		if (failed(r, rc))
			continue;
		wo.cf = ro.cf = cf;
		for (int i = 0; i < 20; i++)
			(void)failed(r, shale_put(r->db, &wo, shale_str("key"), shale_str("v")));
		(void)failed(r, shale_flush(r->db, NULL));
		if (failed(r, shale_iter_new(r->db, &ro, &it)))
			it = NULL;
		put(r, 1, 3);
		(void)failed(r, shale_cf_drop(r->db, "passing"));
		if (it != NULL)
			(void)failed(r, shale_iter_first(it));
		shale_iter_free(it);
		shale_cf_release(cf);
		put(r, 0, 4);
	}
	(void)failed(r, shale_cf_list(r->db, count_name, &names));
	(void)failed(r, shale_stats_get(r->db, &stats));
	(void)failed(r, shale_wait_durable(r->db, stats.last_seq));
	(void)failed(r, shale_check(r->db, NULL, NULL, NULL));
	read_all(r, false);
	close_store(r);
}

/* ---- what fails, and what must be so then ---- */

struct plan {
	const char *what;
	int err; /* 0: an allocation */
	enum sim_op op;
	bool sticky, after, clean;
	void (*work)(struct run *r);
	shale_durability durability;
};

static void stuck(void *arg, const char *text)
{
	struct run *r = arg;

	CHECK(r, false, "hangs: %s", text);
}

static void first_life(void *arg)
{
	struct run *r = arg;

	r->work(r);
}

/* May fail, since a fault waits for it. */
static void faulty_life(void *arg)
{
	struct run *r = arg;

	if (failed(r, open_store(r)))
		return;
	read_all(r, false);
	put(r, 0, 2);
	close_store(r);
}

/* Without faults: nothing may fail, nothing may be lost. */
static void last_life(void *arg)
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

static void arm(const struct plan *p, struct run *r, uint64_t nth)
{
	struct sim_fault rule = { .op = p->op,
				  .nth = nth,
				  .err = p->err,
				  .sticky = p->sticky,
				  .after = p->after,
				  .clean = p->clean };

	if (p->err == 0)
		sim_heap_fail(sim_get_heap(r->sim), nth, p->sticky);
	else
		sim_fs_fault(sim_get_fs(r->sim), &rule);
	r->faulty = true;
	r->lossy = p->durability == SHALE_EPHEMERAL;
	r->err = p->err;
	r->nth = nth;
}

static void disarm(struct run *r)
{
	sim_fs_faults_clear(sim_get_fs(r->sim));
	sim_heap_fail(sim_get_heap(r->sim), 0, false);
	r->faulty = r->lossy = false;
}

static void live(struct run *r, void (*life)(void *arg))
{
	struct sim_heap *heap = sim_get_heap(r->sim);

	CHECK(r, sim_run(r->sim, life, r) == SIM_DONE, "did not end");
	CHECK(r, sim_heap_live(heap) == 0, "%" PRIu64 " allocations are left", sim_heap_live(heap));
	CHECK(r, sim_fs_open_handles(sim_get_fs(r->sim)) == 0, "%" PRIu64 " files are left open",
	      sim_fs_open_handles(sim_get_fs(r->sim)));
}

static struct run *run_new(const struct plan *p, uint64_t seed)
{
	const struct sim_schedule schedule = { SIM_RANDOM, 100, 5, 0, 0, STEPS_MAX };
	struct run *r = calloc(1, sizeof(*r));

	r->what = p->what;
	r->durability = p->durability;
	r->work = p->work;
	assert_ok(sim_new(seed, &r->sim));
	sim_set_schedule(r->sim, &schedule);
	sim_on_stuck(r->sim, stuck, r);
	return r;
}

static uint64_t hits(const struct plan *p, struct run *r)
{
	return p->err == 0 ? sim_heap_failures(sim_get_heap(r->sim))
			   : sim_fs_fault_hits(sim_get_fs(r->sim));
}

/* `again`: the same fails once more in the life after, there at that call. */
static bool run_plan(const struct plan *p, uint64_t seed, uint64_t nth, uint64_t again)
{
	struct run *r = run_new(p, seed);
	bool hit;

	arm(p, r, nth);
	live(r, first_life);
	hit = hits(p, r) != 0;
	disarm(r);
	if (again != 0) {
		arm(p, r, again);
		live(r, faulty_life);
		disarm(r);
	}
	live(r, last_life);
	sim_free(r->sim);
	free(r);
	return hit;
}

/* How often a run without faults comes to where the plan's could be. */
static uint64_t count_sites(const struct plan *p, uint64_t seed)
{
	struct run *r = run_new(p, seed);
	uint64_t n;

	live(r, first_life);
	n = p->err == 0 ? sim_heap_calls(sim_get_heap(r->sim))
			: sim_fs_calls(sim_get_fs(r->sim), p->op);
	sim_free(r->sim);
	free(r);
	return n;
}

/* Up to the fault the schedule is that of the run that was counted: all sites are met. */
static void run_all(const struct plan *plans, size_t n)
{
	uint64_t seed = test_seed(), most = test_scale(500), all = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t sites = count_sites(&plans[i], seed), done = 0;
		uint64_t step = sites / most + 1;

		assert_true(sites > 0);
		for (uint64_t nth = 1; nth <= sites; nth += step, done++)
			if (!run_plan(&plans[i], seed, nth, 0))
				fail_msg("%s: site %" PRIu64 " of %" PRIu64 " was not met",
					 plans[i].what, nth, sites);
		printf("%-44s %5" PRIu64 " of %5" PRIu64 " sites\n", plans[i].what, done, sites);
		all += done;
	}
	printf("%" PRIu64 " runs with a fault\n", all);
}

#define EVERY(what, err, op, work, durability)                                                     \
	{ what " once", err, op, false, false, false, work, durability },                          \
	{                                                                                          \
		what " for good", err, op, true, false, false, work, durability                    \
	}

static void every_allocation_may_fail(void **state)
{
	static const struct plan plans[] = {
		EVERY("all, process: an allocation", 0, SIM_ANY, work_all, SHALE_PROCESS),
		EVERY("all, durable: an allocation", 0, SIM_ANY, work_all, SHALE_DURABLE),
		EVERY("much, process: an allocation", 0, SIM_ANY, work_much, SHALE_PROCESS),
		EVERY("much, durable: an allocation", 0, SIM_ANY, work_much, SHALE_DURABLE),
		EVERY("families: an allocation", 0, SIM_ANY, work_families, SHALE_DURABLE),
		EVERY("no log: an allocation", 0, SIM_ANY, work_all, SHALE_EPHEMERAL),
	};

	(void)state;
	run_all(plans, sizeof(plans) / sizeof(plans[0]));
}

static void every_system_call_may_fail(void **state)
{
	static const struct plan plans[] = {
		EVERY("all, durable: any call EIO", EIO, SIM_ANY, work_all, SHALE_DURABLE),
		EVERY("all, process: any call EIO", EIO, SIM_ANY, work_all, SHALE_PROCESS),
		EVERY("all, interval: any call EIO", EIO, SIM_ANY, work_all, SHALE_INTERVAL),
		EVERY("all, no log: any call EIO", EIO, SIM_ANY, work_all, SHALE_EPHEMERAL),
		EVERY("much, durable: any call EIO", EIO, SIM_ANY, work_much, SHALE_DURABLE),
		EVERY("much, process: any call EIO", EIO, SIM_ANY, work_much, SHALE_PROCESS),
		EVERY("families: any call EIO", EIO, SIM_ANY, work_families, SHALE_DURABLE),
		EVERY("a write ENOSPC", ENOSPC, SIM_WRITE, work_all, SHALE_DURABLE),
		EVERY("a reservation ENOSPC", ENOSPC, SIM_ALLOCATE, work_much, SHALE_PROCESS),
		EVERY("an open EMFILE", EMFILE, SIM_OPEN, work_all, SHALE_DURABLE),
		EVERY("an open EMFILE", EMFILE, SIM_OPEN, work_much, SHALE_PROCESS),
		{ "a sync: EIO, and the data is gone", EIO, SIM_SYNC, false, false, true, work_all,
		  SHALE_DURABLE },
		{ "a sync: EIO, but the data is there", EIO, SIM_SYNC, false, true, false, work_all,
		  SHALE_DURABLE },
		{ "a rename: EIO, but it is done", EIO, SIM_RENAME, false, true, false, work_all,
		  SHALE_DURABLE },
		{ "a write: EIO, but it is done", EIO, SIM_WRITE, false, true, false, work_all,
		  SHALE_DURABLE },
		{ "any call: EIO, but it is done", EIO, SIM_ANY, false, true, false, work_families,
		  SHALE_DURABLE },
	};

	(void)state;
	run_all(plans, sizeof(plans) / sizeof(plans[0]));
}

/* A fault in the recovery from a fault. */
static void two_faults_in_a_row_lose_nothing(void **state)
{
	static const struct plan plans[] = {
		EVERY("EIO", EIO, SIM_ANY, work_all, SHALE_DURABLE),
		EVERY("EIO", EIO, SIM_ANY, work_much, SHALE_PROCESS),
		EVERY("ENOSPC", ENOSPC, SIM_WRITE, work_much, SHALE_DURABLE),
		EVERY("an allocation", 0, SIM_ANY, work_all, SHALE_DURABLE),
		EVERY("an allocation", 0, SIM_ANY, work_much, SHALE_PROCESS),
	};
	enum { PLANS = sizeof(plans) / sizeof(plans[0]) };
	uint64_t seed = test_seed(), sites[PLANS], n = test_scale(1000);
	struct rand rand;

	(void)state;
	rand_seed(&rand, seed);
	for (size_t i = 0; i < PLANS; i++)
		sites[i] = count_sites(&plans[i], seed);
	for (uint64_t i = 0; i < n; i++) {
		const struct plan *p = &plans[i % PLANS];

		run_plan(p, seed, 1 + rand_below(&rand, sites[i % PLANS]),
			 1 + rand_below(&rand, p->err == 0 ? 400 : 120));
	}
	printf("%" PRIu64 " pairs of faults\n", n);
}

/* No fault, but reads and writes that do part of what they were asked. */
static void short_reads_and_writes_are_gone_on_with(void **state)
{
	static const struct plan all = { "short I/O", 0,     SIM_ANY,  false,
					 false,       false, work_all, SHALE_DURABLE };
	static const struct plan much = { "short I/O", 0,     SIM_ANY,   false,
					  false,       false, work_much, SHALE_PROCESS };

	(void)state;
	for (uint64_t i = 0, seed = test_seed(); i < test_scale(20); i++) {
		struct run *r = run_new(i % 2 ? &all : &much, seed + i);

		sim_fs_short_io(sim_get_fs(r->sim), 300, 300);
		live(r, first_life);
		live(r, last_life);
		sim_free(r->sim);
		free(r);
	}
}

/* ---- a full disk ---- */

enum { DISK = 256 << 10 };

static void free_snapshots(struct run *r)
{
	while (r->snapshot_count != 0)
		shale_snapshot_free(r->snapshots[--r->snapshot_count]);
}

/* Write until the disk is full; reads go on; with room again, so do writes. */
static void fill_disk(void *arg)
{
	struct run *r = arg;
	struct sim_fs *fs = sim_get_fs(r->sim);
	size_t k = 0;
	shale_status rc;

	CHECK(r, open_store(r) == SHALE_OK, "open");
	put(r, 0, 1);
	for (int round = 0; round < 3; round++) {
		/* Or nothing more would be kept than the round before did. */
		free_snapshots(r);
		sim_fs_set_capacity(fs, DISK);
		r->faulty = true;
		r->err = ENOSPC;
		r->refused = 0;
		for (k = 0; k < 200000 && r->refused < 5; k++) {
			/* What takes room stays, in versions that a snapshot sees. */
			put(r, k % 3 == 0, k % KEYS);
			if (r->snapshot_count < SNAPSHOTS && k % 64 == 0)
				CHECK(r,
				      shale_snapshot_new(r->db,
							 &r->snapshots[r->snapshot_count++]) ==
					      SHALE_OK,
				      "snapshot");
		}
		CHECK(r, r->refused == 5, "the disk is never full");
		read_all(r, false);
		CHECK(r, r->refused == 5, "reads fail on a full disk");
		r->nth++;
		sim_fs_set_capacity(fs, UINT64_MAX);
		/* By themselves after a while, or when told to. */
		if (round != 1)
			rc = shale_resume(r->db);
		else
			for (int i = 0; i < 100 && (rc = shale_resume(r->db)) < 0; i++)
				sim_advance_ns(r->sim, 1000000000);
		r->faulty = false;
		CHECK(r, rc == SHALE_OK, "resume gave %s", shale_status_name(rc));
		put(r, 0, 1);
		put(r, 1, 2);
		read_all(r, false);
	}
	free_snapshots(r);
	CHECK(r, shale_compact(r->db, NULL) == SHALE_OK, "compact");
	CHECK(r, shale_check(r->db, NULL, NULL, NULL) == SHALE_OK, "check");
	close_store(r);
}

static void a_full_disk_stops_writes_until_there_is_room(void **state)
{
	static const shale_durability each[] = { SHALE_DURABLE, SHALE_INTERVAL, SHALE_PROCESS,
						 SHALE_EPHEMERAL };

	(void)state;
	for (uint64_t i = 0, seed = test_seed(); i < test_scale(20); i++) {
		const struct plan p = { "a full disk", ENOSPC, SIM_ANY,  false,
					false,         false,  work_all, each[i % 4] };
		struct run *r = run_new(&p, seed + i);

		live(r, fill_disk);
		live(r, last_life);
		sim_free(r->sim);
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_system_call_may_fail),
		cmocka_unit_test(two_faults_in_a_row_lose_nothing),
		cmocka_unit_test(short_reads_and_writes_are_gone_on_with),
		cmocka_unit_test(a_full_disk_stops_writes_until_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
