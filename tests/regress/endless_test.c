/* Background work comes to an end: what a merge cannot drop is not picked for that again. */
#include "regress/sim_store.h"

static void delete_up_to_a_table(void *arg)
{
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_put(db, NULL, shale_str("m"), shale_str("1")));
	need_ok(shale_put(db, NULL, shale_str("p"), shale_str("2")));
	need_ok(shale_compact(db, NULL));
	/* The range ends where the only older table begins, and covers nothing of it. */
	need_ok(shale_delete_range(db, NULL, shale_str("a"), shale_str("m")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	need_ok(shale_stats_get(db, &stats));
	need(stats.compactions < 20);
	need_ok(shale_close(db));
}

static void a_range_that_ends_where_a_table_begins_is_merged_once(void **state)
{
	(void)state;
	run_sim(3, delete_up_to_a_table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_that_ends_where_a_table_begins_is_merged_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
