/* Dropped families: what is still done with their handles, and what a drop that fails leaves. */
#include "regress/sim_store.h"

static void open_with_dropped(struct sim *sim, shale_db **db, shale_cf **cf)
{
	shale_options o = small_options(sim);

	need_ok(shale_open(DIR, &o, db));
	need_ok(shale_cf_create(*db, "gone", NULL, cf));
	put(*db, *cf, 1, 100);
	need_ok(shale_flush(*db, NULL));
	put(*db, *cf, 2, 20000);
	need_ok(shale_cf_drop(*db, "gone"));
}

static void flush_dropped(void *arg)
{
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_stats stats = SHALE_STATS_INIT;
	shale_cf *cf;
	shale_db *db;

	open_with_dropped(arg, &db, &cf);
	fo.cf = cf;
	need_status(shale_flush(db, &fo), SHALE_INVALID);
	for (int i = 0; i < 40; i++) /* no more of them than may be sealed */
		need_status(shale_flush(db, &fo), SHALE_INVALID);
	need_ok(shale_stats_get(db, &stats));
	need((stats.sealed_memtables) == 0);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void flushing_a_dropped_family_is_refused_and_holds_no_memory(void **state)
{
	(void)state;
	run_sim(1, flush_dropped);
}

static void compact_dropped(void *arg)
{
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	shale_cf *cf;
	shale_db *db;

	open_with_dropped(arg, &db, &cf);
	co.cf = cf;
	need_status(shale_compact(db, &co), SHALE_INVALID);
	put(db, NULL, 1, 100);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void compacting_a_dropped_family_is_no_failure_of_the_store(void **state)
{
	(void)state;
	run_sim(2, compact_dropped);
}

static void read_dropped(void *arg)
{
	shale_read_options ro = SHALE_READ_OPTIONS_INIT;
	shale_cf *cf;
	shale_db *db;
	shale_iter *it;

	open_with_dropped(arg, &db, &cf);
	need_status(has(db, cf, 1), SHALE_INVALID);
	ro.cf = cf;
	need_status(shale_iter_new(db, &ro, &it), SHALE_INVALID);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_dropped_family_is_gone_for_new_reads(void **state)
{
	(void)state;
	run_sim(3, read_dropped);
}

/* The process dies and all that it had is given back; nothing of the disk is lost. */
static void die(struct sim *sim)
{
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_ALL, 0);
}

static void sequences_of_dropped(void *arg)
{
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	uint64_t last;
	shale_cf *cf;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "gone", NULL, &cf));
	put(db, cf, 1, 100);
	need_ok(shale_cf_drop(db, "gone"));
	need_ok(shale_stats_get(db, &stats));
	last = stats.last_seq;
	for (int life = 0; life < 3; life++) {
		die(arg);
		need_ok(shale_open(DIR, &o, &db));
		need_ok(shale_stats_get(db, &stats));
		need(stats.last_seq >= last);
	}
	need_ok(shale_close(db));
}

static void sequences_of_a_dropped_family_are_not_used_again(void **state)
{
	(void)state;
	run_sim(4, sequences_of_dropped);
}

/* ---- a drop fails, but its bytes are on the disk ---- */

static bool long_failure; /* so that no new manifest can be written either */

static void drop_fails_behind_its_bytes(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &w.cf));
	put(db, w.cf, 1, 1000);
	fault(sim, SIM_SYNC, ".man", long_failure, true);
	need_status(shale_cf_drop(db, "second"), SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(sim));
	if (long_failure) {
		need_status(shale_put(db, &w, shale_str("a"), shale_str("b")), SHALE_READ_ONLY);
		need_ok(shale_resume(db));
	}
	put(db, w.cf, 2, 1000);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "second", &w.cf));
	need_ok(has(db, w.cf, 1));
	need_ok(has(db, w.cf, 2));
	shale_cf_release(w.cf);
	need_ok(shale_close(db));
}

static void a_family_whose_drop_failed_keeps_what_is_acknowledged(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		long_failure = seed % 2 == 0;
		run_sim(seed, drop_fails_behind_its_bytes);
	}
}

/* Closed without a resume: by then the disk is as it was. */
static shale_durability closed_durability;

static void drop_fails_before_a_close(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *cf;
	shale_db *db;

	o.durability = closed_durability;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &cf));
	put(db, cf, 1, 1000);
	put(db, NULL, 1, 1000);
	fault(sim, SIM_SYNC, ".man", true, true);
	need_status(shale_cf_drop(db, "second"), SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(sim));
	shale_cf_release(cf);
	need_ok(shale_close(db));

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "second", &cf));
	need_ok(has(db, cf, 1));
	need_ok(has(db, NULL, 1));
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_store_whose_drop_failed_is_closed_as_any_other(void **state)
{
	(void)state;
	for (closed_durability = SHALE_EPHEMERAL; closed_durability <= SHALE_DURABLE;
	     closed_durability++)
		run_sim(1, drop_fails_before_a_close);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flushing_a_dropped_family_is_refused_and_holds_no_memory),
		cmocka_unit_test(compacting_a_dropped_family_is_no_failure_of_the_store),
		cmocka_unit_test(a_dropped_family_is_gone_for_new_reads),
		cmocka_unit_test(sequences_of_a_dropped_family_are_not_used_again),
		cmocka_unit_test(a_family_whose_drop_failed_keeps_what_is_acknowledged),
		cmocka_unit_test(a_store_whose_drop_failed_is_closed_as_any_other),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
