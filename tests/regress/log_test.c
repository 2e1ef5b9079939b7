/* The log of a memtable that is not flushed yet stays, however many others are. */
#include "regress/sim_store.h"

#include "base/lock.h"
#include "base/rand.h"
#include "db/db.h"

static uint64_t seed_of_run;

static void fill_and_die(void *arg)
{
	struct sim *sim = arg;
	struct slow_tables slow = { .sim = sim, .ns = 125000000 };
	shale_options o = small_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n;

	rand_seed(&r, seed_of_run);
	/* Several memtables are sealed while the first of them is still written. */
	slow_tables(&slow);
	o.background_threads = 1;
	need_ok(shale_open(DIR, &o, &db));
	n = 200 + (unsigned)rand_below(&r, 1000);
	for (unsigned i = 0; i < n; i++)
		put(db, NULL, i, 500);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < n; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_close(db));
}

static void a_flush_takes_no_log_that_other_memtables_need(void **state)
{
	(void)state;
	for (seed_of_run = 1; seed_of_run <= 40; seed_of_run++)
		run_sim(seed_of_run, fill_and_die);
}

/*
 * The family in front can flush and the one behind it cannot: what the second wrote is in
 * an old segment of the log and nowhere else, though it takes no more writes.
 */
static void one_cannot_flush(void *arg)
{
	struct sim *sim = arg;
	struct sim_fs *fs = sim_get_fs(sim);
	struct sim_fault rule = {
		.op = SIM_OPEN, .name_ends = ".sst", .nth = 1, .err = EIO, .sticky = true
	};
	shale_flush_options flush = SHALE_FLUSH_OPTIONS_INIT;
	shale_options o = small_options(sim);
	shale_stats stats = SHALE_STATS_INIT;
	shale_cf *first = NULL, *second = NULL;
	shale_db *db;

	o.background_threads = 1;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "default", &first));
	need_ok(shale_cf_create(db, "second", NULL, &second));
	for (unsigned i = 0; i < 10; i++)
		put(db, second, i, 500);
	sim_fs_fault(fs, &rule);
	flush.cf = second;
	flush.no_wait = true;
	need_ok(shale_flush(db, &flush));
	/* A memtable and a segment of the log are full, and the next have begun. */
	for (unsigned i = 0; i < 160; i++)
		put(db, NULL, i, 500);
	sim_fs_faults_clear(fs);
	rule.nth = 2;
	sim_fs_fault(fs, &rule);
	/* One memtable, of the first, goes into a table; then it fails again. */
	flush.cf = first;
	need_ok(shale_flush(db, &flush));
	while (stats.flushes == 0) {
		env_sleep_ns(o.env, 10000000);
		need_ok(shale_stats_get(db, &stats));
	}
	need(stats.flushes == 1);

	sim_fs_faults_clear(fs);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 1);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "second", &second));
	for (unsigned i = 0; i < 10; i++)
		need_ok(has(db, second, i));
	shale_cf_release(second);
	need_ok(shale_close(db));
}

static void a_memtable_that_cannot_be_flushed_keeps_its_log(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++)
		run_sim(seed, one_cannot_flush);
}

/*
 * Between the withdrawal of a segment for want of room and the edit that removes it, a flush
 * has removed it; here that comes right before, as nobody else looks at the list.
 */
static void removed_by_a_flush(shale_db *db)
{
	struct edit_field remove = { .tag = EDIT_LOG_REMOVE };
	struct buf payload;

	mutex_lock(&db->install_mu);
	remove.number = db->logs[db->log_count - 1].number;
	buf_init(&payload, db->env);
	edit_field_encode(&payload, &remove);
	need_ok(install_edit(db, &payload));
	buf_fini(&payload);
	db->log_count--;
	mutex_unlock(&db->install_mu);
}

static void room_is_given_beside_a_flush(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_db *db;
	size_t before;

	o.durability = SHALE_PROCESS;
	o.memory_budget = 8 << 20; /* a memtable takes four segments, which are made ahead */
	o.memtable_bytes = 1 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 12000; i++)
		put(db, NULL, i, 500);
	need_ok(shale_flush(db, NULL));
	env_sleep_ns(o.env, 500000000);
	removed_by_a_flush(db);
	before = db->log_count;
	log_give_room(db);
	need(db->log_count < before); /* so some were withdrawn, the last one among them */
	put(db, NULL, 1, 500);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	need_ok(shale_open(DIR, &o, &db));
	need_ok(has(db, NULL, 11999));
	need_ok(shale_close(db));
}

static void a_log_is_removed_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, room_is_given_beside_a_flush);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flush_takes_no_log_that_other_memtables_need),
		cmocka_unit_test(a_memtable_that_cannot_be_flushed_keeps_its_log),
		cmocka_unit_test(a_log_is_removed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
