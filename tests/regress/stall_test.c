/* Writers are held back by what flushes and merges have yet to do, and by nothing else. */
#include "regress/sim_store.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_memtable_with_nothing_to_flush_delays_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
