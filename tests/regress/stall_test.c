/* Writers are held back by what flushes and merges have yet to do, and by nothing else. */
#include "regress/sim_store.h"

#include "db/db.h"

/* One memtable may have all of the memtables' share of the budget. */
static void fill_one(void *arg)
{
	shale_options o = small_options(arg);
	shale_stats s;
	shale_db *db;

	o.memory_budget = 4 << 20;
	o.memtable_bytes = 2 << 20;
	o.durability = SHALE_EPHEMERAL;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 1400; i++)
		put(db, NULL, i, 1000);
	s = stats_of(db);
	need(s.sealed_memtables == 0 && s.flushes == 0);
	need(s.delayed_writes == 0 && s.stops == 0);
	need_ok(shale_close(db));
}

static void a_large_memtable_with_nothing_to_flush_delays_nobody(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, fill_one);
}

/* ---- the log lies ahead of its writers ---- */

struct files {
	uint64_t bytes;
	unsigned logs;
};

static int add_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct files *f = arg;

	(void)is_dir;
	f->bytes += size;
	f->logs += ends(name, ".log");
	return 0;
}

static struct files files_of(struct sim *sim)
{
	struct files f = { 0 };

	need(sim_fs_list(sim_get_fs(sim), DIR, add_file, &f) == 0);
	return f;
}

static const unsigned BEFORE = 5000;

/* Segments of 128 KiB, of which a memtable takes four. */
static shale_db *busy_store(struct sim *sim)
{
	shale_options o = small_options(sim);
	shale_db *db;

	o.memtable_bytes = 512 << 10;
	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < BEFORE; i++)
		put(db, NULL, i, 1000);
	need_ok(shale_flush(db, NULL));
	env_sleep_ns(sim_env(sim), 10000000000);
	/* The one in use, two that are ready, and a memtable's worth; released ones are gone. */
	need(files_of(sim).logs == 1 + 2 + 4);
	return db;
}

static void device_stands_still(void *arg)
{
	struct sim *sim = arg;
	shale_db *db = busy_store(sim);
	const uint64_t still = 2000000000;
	struct sim_latency l = { 0 };
	uint64_t longest = 0;

	l.of[SIM_SYNC].least_ns = l.of[SIM_SYNC].most_ns = still;
	l.of[SIM_SYNC_DIR] = l.of[SIM_SYNC];
	sim_set_latency(sim, &l);
	for (unsigned i = 0; i < 450; i++) {
		uint64_t begun = env_now_ns(sim_env(sim)), took;

		put(db, NULL, BEFORE + i, 1000);
		took = env_now_ns(sim_env(sim)) - begun;
		longest = took > longest ? took : longest;
	}
	need(longest < still / 100);
	sim_set_latency(sim, NULL);
	need_ok(shale_close(db));
	need(files_of(sim).logs <= 4);
}

static void writers_do_not_notice_that_the_device_stands_still(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, device_stands_still);
}

/* Whether there was room; any other failure is none that should be. */
static bool fits(shale_status rc)
{
	need(rc == SHALE_OK || rc == SHALE_NO_SPACE);
	return rc == SHALE_OK;
}

static bool put_more(shale_db *db)
{
	static const uint8_t zeros[1000];

	return fits(shale_put(db, NULL, shale_str("more"), slice_from(zeros, sizeof(zeros))));
}

static void disk_is_full(void *arg)
{
	struct sim *sim = arg;
	struct sim_fs *fs = sim_get_fs(sim);
	shale_db *db = busy_store(sim);
	shale_options o = small_options(sim);
	struct files before = files_of(sim), now;

	sim_fs_set_capacity(fs, before.bytes + 4096);
	/* Some of these are refused: the store comes to see it. */
	for (unsigned i = 0; i < 200; i++) {
		(void)put_more(db);
		env_sleep_ns(sim_env(sim), 50000000);
	}
	now = files_of(sim);
	need(now.logs + 2 <= before.logs && now.bytes < before.bytes);

	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 1);
	sim_fs_set_capacity(fs, UINT64_MAX);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(has(db, NULL, BEFORE - 1));
	need_ok(shale_close(db));
}

static void what_lies_ahead_gives_way_on_a_full_disk(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, disk_is_full);
}

/* A resume waits for flushes, and those threads look after the room first. What they give
   back somebody else takes. */
static void resume_without_room(void *arg)
{
	struct sim *sim = arg;
	struct sim_fs *fs = sim_get_fs(sim);
	shale_db *db = busy_store(sim);

	sim_fs_set_capacity(fs, files_of(sim).bytes + 4096);
	for (unsigned i = 0; i < 400 && put_more(db); i++)
		;
	for (unsigned i = 0; i < 20; i++) {
		/* For deletes there is room before there is for puts. */
		sim_fs_set_capacity(fs, files_of(sim).bytes + i * 32768);
		(void)fits(shale_delete(db, NULL, shale_str("more")));
		(void)fits(shale_resume(db));
	}
	sim_fs_set_capacity(fs, UINT64_MAX);
	env_sleep_ns(sim_env(sim), 5000000000);
	need_ok(shale_resume(db));
	put(db, NULL, BEFORE, 1000);
	need_ok(shale_close(db));
}

static void a_resume_without_room_waits_for_nobody_who_waits_for_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run_sim(seed, resume_without_room);
}

/* A flush that takes its time, where there is little room: who waits for it looks now and then. */
static void flush_without_room(void *arg)
{
	struct sim *sim = arg;
	struct sim_fs *fs = sim_get_fs(sim);
	struct slow_tables slow = { .sim = sim, .ns = 2000000000 };
	shale_db *db = busy_store(sim);
	uint32_t tried;

	for (unsigned i = 0; i < 100; i++)
		put(db, NULL, i, 1000);
	slow_tables(&slow);
	for (unsigned i = 0; i < 100 && !stats_of(db).space_short; i++) {
		sim_fs_set_capacity(fs, files_of(sim).bytes + (64 << 10));
		(void)put_more(db);
		env_sleep_ns(sim_env(sim), 100000000);
	}
	need(stats_of(db).space_short);
	tried = db->space_tried;
	(void)fits(shale_flush(db, NULL));
	need(db->space_tried - tried < 200);
	sim_fs_on_call(fs, NULL, NULL);
	sim_fs_set_capacity(fs, UINT64_MAX);
	env_sleep_ns(sim_env(sim), 5000000000);
	need_ok(shale_close(db));
}

static void who_waits_for_a_flush_does_not_run_in_circles(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, flush_without_room);
}

static void log_is_replaced(void *arg)
{
	struct sim *sim = arg;
	struct sim_fault fault = { .op = SIM_SYNC, .name_ends = ".log", .nth = 1, .err = EIO };
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_db *db = busy_store(sim);

	put(db, NULL, BEFORE, 1000);
	sim_fs_fault(sim_get_fs(sim), &fault);
	w.durability = SHALE_DURABLE;
	need_status(shale_put(db, &w, shale_str("more"), shale_str("")), SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	/* Of the old log nothing is left. */
	need(files_of(sim).logs <= 3);
	put(db, NULL, BEFORE + 1, 1000);
	need_ok(has(db, NULL, BEFORE));
	need_ok(shale_close(db));
}

static void a_log_that_is_replaced_leaves_no_files(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, log_is_replaced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_memtable_with_nothing_to_flush_delays_nobody),
		cmocka_unit_test(writers_do_not_notice_that_the_device_stands_still),
		cmocka_unit_test(what_lies_ahead_gives_way_on_a_full_disk),
		cmocka_unit_test(a_resume_without_room_waits_for_nobody_who_waits_for_it),
		cmocka_unit_test(who_waits_for_a_flush_does_not_run_in_circles),
		cmocka_unit_test(a_log_that_is_replaced_leaves_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
