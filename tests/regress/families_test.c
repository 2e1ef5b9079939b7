/* A power cut leaves one moment of all families. */
#include "regress/sim_store.h"

#include "base/lock.h"

#define MS UINT64_C(1000000)

enum { PUTS = 16, FLUSHES = 2 };

struct delays {
	const shale_env *env;
	bool built, waits; /* a table is there; somebody is slow to install it */
	unsigned slow;     /* syncs of the log meanwhile */
};

/* Whoever notes the first table needs long; whoever syncs the log meanwhile, longer. */
static void delay(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct delays *d = arg;

	(void)fs;
	if (op != SIM_SYNC)
		return;
	if (ends(name, ".sst")) {
		d->built = true;
	} else if (ends(name, ".man") && d->built && d->slow == 0 && !d->waits) {
		d->waits = true;
		env_sleep_ns(d->env, 1000 * MS);
		d->waits = false;
	} else if (ends(name, ".log") && d->waits) {
		d->slow++;
		env_sleep_ns(d->env, 10000 * MS);
	}
}

/*
 * Each put into the default family, which is flushed, comes behind one into another
 * that is not. Of two threads that flush, one installs what the other has just built;
 * the log must be durable up to its end by then. (Once a memtable was said to be
 * built before its thread had synced the log.)
 */
static void cut_behind_the_second_flush(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct delays delays = { .env = sim_env(sim) };
	shale_stats stats = SHALE_STATS_INIT;
	shale_cf *quiet = NULL;
	shale_db *db;

	o.durability = SHALE_INTERVAL;
	o.sync_interval_ms = 60000;
	o.memtable_bytes = 32 << 10;
	o.background_threads = FLUSHES;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "quiet", NULL, &quiet));
	sim_fs_on_call(sim_get_fs(sim), delay, &delays);
	for (unsigned i = 0; i < PUTS; i++) {
		put(db, quiet, i, 1);
		put(db, NULL, i, 3000);
		env_sleep_ns(o.env, 20 * MS);
	}
	for (int i = 0; i < 500 && stats.flushes < FLUSHES; i++) {
		env_sleep_ns(o.env, 10 * MS);
		need_ok(shale_stats_get(db, &stats));
	}
	/* Nobody stopped meanwhile, or all might be durable by now. */
	need(delays.slow != 0 && stats.stops == 0);
	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_open(db, "quiet", &quiet));
	for (unsigned i = 0; i < PUTS; i++)
		need(has(db, NULL, i) != SHALE_OK || has(db, quiet, i) == SHALE_OK);
	shale_cf_release(quiet);
	need_ok(shale_close(db));
}

static void no_family_is_ahead_of_another_after_a_power_cut(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		run_sim(1 + i, cut_behind_the_second_flush);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_family_is_ahead_of_another_after_a_power_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
