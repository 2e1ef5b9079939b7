/* The log of a memtable that is not flushed yet stays, however many others are. */
#include "regress/sim_store.h"

#include "base/rand.h"

static uint64_t seed_of_run;

static void fill_and_die(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct rand r;
	shale_db *db;
	unsigned n;

	rand_seed(&r, seed_of_run);
	/* Several memtables are sealed while the first of them is still written. */
	o.rate_bytes_per_s = 512 << 10;
	o.background_threads = 1;
	need_ok(shale_open(DIR, &o, &db));
	n = 200 + (unsigned)rand_below(&r, 1000);
	for (unsigned i = 0; i < n; i++)
		put(db, NULL, i, 500);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	o.rate_bytes_per_s = 0;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flush_takes_no_log_that_other_memtables_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
