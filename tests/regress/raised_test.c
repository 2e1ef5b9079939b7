/* Writes raised above their store's durability keep what they were promised. */
#include "regress/sim_store.h"

#include "base/rand.h"
#include "db/db.h"

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

/* The log of such a write fails for want of room; when there is some, writes go on by themselves. */
static void room_comes_back(void *arg)
{
	struct sim *sim = arg;
	struct sim_fault rule = {
		.op = SIM_SYNC, .name_ends = ".log", .nth = 1, .err = ENOSPC, .sticky = true
	};
	shale_options o = small_options(sim);
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	o.background_threads = 1 + (uint32_t)seed_of_run % 2;
	w.durability = SHALE_DURABLE;
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 100);
	need_ok(shale_put(db, &w, shale_str("key"), shale_str("value"))); /* has a segment made */
	sim_fs_fault(sim_get_fs(sim), &rule);
	need_status(shale_put(db, &w, shale_str("lost"), shale_str("or not")), SHALE_NO_SPACE);
	need(atomic_load(&db->write_stopped));
	sim_fs_faults_clear(sim_get_fs(sim));
	env_sleep_ns(o.env, UINT64_C(5000000000));
	put(db, NULL, 2, 100);
	need_ok(shale_put(db, &w, shale_str("key"), shale_str("value")));
	need_ok(shale_close(db));
}

static void a_store_without_log_goes_on_when_there_is_room(void **state)
{
	(void)state;
	for (seed_of_run = 1; seed_of_run <= 10; seed_of_run++)
		run_sim(seed_of_run, room_comes_back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_writes_in_a_store_without_log_survive_power_loss),
		cmocka_unit_test(a_store_without_log_goes_on_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
