/* What memtables may hold together. */
#include "regress/sim_store.h"

enum { MANY = 8 };

static void write_many(void *arg)
{
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_cf *cf[MANY];
	shale_db *db;

	o.memtable_bytes = 2 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		need_ok(shale_cf_create(db, name, NULL, &cf[i]));
	}
	/* Large values: few commits, many bytes. */
	for (unsigned i = 0; i < 240; i++) {
		put(db, cf[i % MANY], i, 60000);
		need_ok(shale_stats_get(db, &stats));
		need(stats.memory_memtables <= o.memory_budget);
	}
	for (int i = 0; i < MANY; i++)
		shale_cf_release(cf[i]);
	need_ok(shale_close(db));
}

static void many_families_with_large_values_keep_to_the_budget(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		run_sim(1 + i, write_many);
}

/* A disk so slow that flushes fall behind: the writer waits, and memory stays in its bounds. */
static void write_faster_than_flushes(void *arg)
{
	struct slow_tables slow = { .sim = arg, .ns = 250000000 }; /* 1 MiB/s */
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	o.memtable_bytes = 512 << 10;
	o.durability = SHALE_EPHEMERAL;
	slow_tables(&slow);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 400; i++) {
		put(db, NULL, i, 20000);
		need_ok(shale_stats_get(db, &stats));
		need(stats.memory_memtables <= o.memory_budget / 2 + o.memtable_bytes);
	}
	need(stats.stops != 0 || stats.delayed_writes != 0);
	need_ok(shale_close(db));
}

static void a_slow_disk_keeps_to_the_budget(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		run_sim(1 + i, write_faster_than_flushes);
}

/*
 * A writer who is faster than the flushes is slowed down in time: none waits for as
 * long as a flush takes. (Once delays began only when two memtables were sealed, and
 * with few memtables in the budget the third was a stop.)
 */
static void write_as_fast_as_flushes(void *arg)
{
	struct slow_tables slow = { .sim = arg, .ns = 12500000 }; /* 20 MiB/s */
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	o.memory_budget = 32 << 20;
	o.memtable_bytes = 4 << 20;
	o.durability = SHALE_EPHEMERAL;
	slow_tables(&slow);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 30000; i++)
		put(db, NULL, i, 2000);
	need_ok(shale_stats_get(db, &stats));
	need(stats.flushes > 5 && stats.delayed_writes != 0);
	need(stats.stops == 0);
	need_ok(shale_close(db));
}

static void writers_slow_down_before_they_stop(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run_sim(1 + i, write_as_fast_as_flushes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_families_with_large_values_keep_to_the_budget),
		cmocka_unit_test(a_slow_disk_keeps_to_the_budget),
		cmocka_unit_test(writers_slow_down_before_they_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
