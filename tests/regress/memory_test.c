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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_families_with_large_values_keep_to_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
