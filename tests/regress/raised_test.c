/* Writes raised above their store's durability keep what they were promised. */
#include "regress/sim_store.h"

#include "base/rand.h"

enum { RAISED = 300, FAMILIES = 3 };

static uint64_t seed_of_run;

static void mix(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	static bool written[FAMILIES][RAISED];
	static uint8_t value[2000];
	shale_cf *cf[FAMILIES] = { NULL };
	struct rand r;
	shale_db *db;

	memset(written, 0, sizeof(written));
	rand_seed(&r, seed_of_run);
	o.durability = SHALE_EPHEMERAL;
	o.memtable_bytes = 16 << 10;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "one", NULL, &cf[1]));
	need_ok(shale_cf_create(db, "two", NULL, &cf[2]));
	for (int i = 0; i < 1500; i++) {
		shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
		shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
		/* The last one seldom: what it has lies in old log. */
		size_t f = rand_below(&r, 40) == 0 ? 2 : rand_below(&r, 2);
		unsigned key = (unsigned)rand_below(&r, RAISED);
		char text[24];

		wo.cf = cf[f];
		if (rand_below(&r, 4) == 0) {
			snprintf(text, sizeof(text), "key%08u", key);
			wo.durability = SHALE_DURABLE;
			written[f][key] = true;
		} else {
			snprintf(text, sizeof(text), "not%08u", key);
		}
		need_ok(shale_put(db, &wo, shale_str(text),
				  slice_from(value, f == 2 ? 10 : rand_below(&r, sizeof(value)))));
		if (rand_below(&r, 100) == 0) {
			fo.cf = cf[rand_below(&r, 2)];
			need_ok(shale_flush(db, &fo));
		}
	}
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	need_ok(shale_open(DIR, &o, &db));
	cf[0] = NULL;
	need_ok(shale_cf_open(db, "one", &cf[1]));
	need_ok(shale_cf_open(db, "two", &cf[2]));
	for (size_t f = 0; f < FAMILIES; f++)
		for (unsigned i = 0; i < RAISED; i++)
			need(!written[f][i] || has(db, cf[f], i) == SHALE_OK);
	shale_cf_release(cf[1]);
	shale_cf_release(cf[2]);
	need_ok(shale_close(db));
}

static void durable_writes_in_a_store_without_log_survive_power_loss(void **state)
{
	(void)state;
	for (seed_of_run = 1; seed_of_run <= 10; seed_of_run++)
		run_sim(seed_of_run, mix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_writes_in_a_store_without_log_survive_power_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
