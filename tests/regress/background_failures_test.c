/* Flushes and merges that fail in the background: what is tried again, left behind, and told. */
#include "regress/sim_store.h"

static void slow_log_sync(void *sim, struct sim_fs *fs, enum sim_op op, const char *name)
{
	(void)fs;
	if (op == SIM_SYNC && ends(name, ".log"))
		env_sleep_ns(sim_env(sim), UINT64_C(50000000));
}

/*
 * Two memtables are built and cannot be installed. When that is tried again two threads take
 * one each, and the first installs both.
 */
static void installs_fail_for_a_while(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_cf *cf;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.background_threads = 3;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &cf)); /* flushes sync the log */
	put(db, cf, 1, 1000);
	sim_fs_on_call(sim_get_fs(sim), slow_log_sync, sim);
	fault(sim, SIM_WRITE, ".man", true, false);
	fo.no_wait = true;
	for (unsigned i = 0; i < 3; i++) {
		put(db, NULL, i, 1000);
		need_ok(shale_flush(db, &fo));
	}
	env_sleep_ns(sim_env(sim), UINT64_C(2000000000));
	sim_fs_faults_clear(sim_get_fs(sim));
	/* Commits give each sync of the log something to wait for. */
	for (unsigned i = 0; i < 500; i++) {
		put(db, cf, i, 10);
		env_sleep_ns(sim_env(sim), UINT64_C(2000000));
	}
	need_ok(shale_resume(db));
	for (unsigned i = 0; i < 3; i++)
		need_ok(has(db, NULL, i));
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_memtable_that_another_thread_installs_is_left_alone(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_sim(seed, installs_fail_for_a_while);
}

static uint64_t failed_jobs(shale_db *db)
{
	shale_stats s = stats_of(db);
	uint64_t n = 0;

	for (size_t i = 0; i < SHALE_REASONS_MAX; i++)
		n += s.by_reason[i].failed;
	return n;
}

/* Merges of the first family cannot read what they merge. */
static void merges_fail_in_one_family(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_cf *cf;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = SHALE_LEVELED; /* whose flushes read nothing */
	o.default_cf.compaction.top_runs = 4;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", &o.default_cf, &cf));
	fault(sim, SIM_READ, ".sst", true, false);
	for (unsigned i = 0; i < 4; i++) {
		put(db, NULL, i % 2, 1000);
		put(db, NULL, 9, 1000);
		need_ok(shale_flush(db, NULL));
	}
	/* That is what somebody who waits for all is told. */
	need_status(shale_wait_idle(db), SHALE_IO);
	/* The others' flushes go on as if nothing had happened. */
	fo.cf = cf;
	for (unsigned i = 0; i < 3; i++) {
		put(db, cf, i, 1000);
		need_ok(shale_flush(db, &fo));
		env_sleep_ns(sim_env(sim), UINT64_C(300000000));
	}
	/* And the merge is tried again, but not for ever twice a second. */
	env_sleep_ns(sim_env(sim), UINT64_C(60000000000));
	need(failed_jobs(db) >= 5 && failed_jobs(db) <= 10);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	need_ok(shale_wait_idle(db));
	need(stats_of(db).compactions != 0);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_merge_that_fails_holds_up_no_flush_and_no_other_family(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, merges_fail_in_one_family);
}

static int count_tables(void *arg, const char *name, uint64_t size, bool is_dir)
{
	(void)size;
	(void)is_dir;
	*(unsigned *)arg += strstr(name, ".sst") != NULL;
	return 0;
}

static void install_of_a_merge_fails(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	unsigned tables = 0;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 3; i++) {
		put(db, NULL, 1, 1000);
		put(db, NULL, 2, 1000);
		need_ok(shale_flush(db, NULL));
	}
	need_ok(shale_wait_idle(db));
	fault(sim, SIM_WRITE, ".man", false, false);
	need_status(shale_compact(db, NULL), SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_compact(db, NULL));
	need_ok(shale_wait_idle(db));
	need(sim_fs_list(sim_get_fs(sim), DIR, count_tables, &tables) == 0);
	need(tables == 1);
	need_ok(has(db, NULL, 2));
	need_ok(shale_close(db));
}

static void what_a_merge_wrote_in_vain_does_not_stay(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, install_of_a_merge_fails);
}

static bool flushes_fail; /* else merges, and those alone */

static void close_unlogged(void *arg)
{
	const struct sim_fault rule = { .op = flushes_fail ? SIM_WRITE : SIM_READ,
					.name_ends = ".sst",
					.nth = 1,
					.err = EIO,
					.sticky = true };
	shale_options o = small_options(arg);
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	o.default_cf.compaction.top_runs = 2;
	need_ok(shale_open(DIR, &o, &db));
	/* Tables that overlap, so that they must be read to be merged. */
	for (unsigned i = 0; i < 2; i++) {
		put(db, NULL, 0, 100);
		put(db, NULL, 9, 100);
		(void)shale_flush(db, NULL);
		if (i == 0)
			sim_fs_fault(sim_get_fs(arg), &rule);
	}
	(void)shale_wait_idle(db);
	/* Another failure between: its sentence is not that of the close. */
	need_status(shale_delete_range(db, NULL, shale_str("b"), shale_str("a")), SHALE_INVALID);
	need_status(shale_close(db), flushes_fail ? SHALE_IO : SHALE_OK);
	need(!flushes_fail || shale_last_error()->status == SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(arg));
}

/* A merge that failed has lost nothing, a flush has. */
static void a_close_without_a_log_says_what_failed_in_the_background(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		flushes_fail = i != 0;
		run_sim(11, close_unlogged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_memtable_that_another_thread_installs_is_left_alone),
		cmocka_unit_test(a_merge_that_fails_holds_up_no_flush_and_no_other_family),
		cmocka_unit_test(what_a_merge_wrote_in_vain_does_not_stay),
		cmocka_unit_test(a_close_without_a_log_says_what_failed_in_the_background),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
