/* Recovery of a log that fills several memtables: full ones become tables beside the reading. */
#include "regress/sim_store.h"

enum { KEYS = 600, SIZE = 1000, MEMTABLE = 64 << 10, SLOW_NS = 5000000 };

/* Who reads the log or writes a table sleeps, and that is counted. */
struct slow {
	const shale_env *env;
	uint64_t reads, writes;
};

static void slow_recovery(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct slow *s = arg;
	bool reads = op == SIM_READ && ends(name, ".log");

	(void)fs;
	if (!reads && (op != SIM_WRITE || !ends(name, ".sst")))
		return;
	*(reads ? &s->reads : &s->writes) += 1;
	env_sleep_ns(s->env, SLOW_NS);
}

/* All in the log of a process that died; *o is what it is to be opened with. */
static void leave_log(struct sim *sim, shale_options *o)
{
	shale_db *db;

	*o = small_options(sim);
	o->durability = SHALE_DURABLE;
	o->memtable_bytes = 1 << 20;
	need_ok(shale_open(DIR, o, &db));
	for (unsigned i = 0; i < KEYS; i++)
		put(db, NULL, i, SIZE);
	need(stats_of(db).flushes == 0);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);
	o->memtable_bytes = MEMTABLE;
}

static void expect_all(shale_db *db)
{
	for (unsigned i = 0; i < KEYS; i++)
		need_ok(has(db, NULL, i));
}

static void recover_slowly(void *arg)
{
	struct sim *sim = arg;
	struct slow slow = { .env = sim_env(sim) };
	shale_options o;
	uint64_t took, least;
	shale_db *db;

	leave_log(sim, &o);
	sim_fs_on_call(sim_get_fs(sim), slow_recovery, &slow);
	took = env_now_ns(o.env);
	need_ok(shale_open(DIR, &o, &db));
	took = env_now_ns(o.env) - took;
	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	need(stats_of(db).flushes > 4);
	least = slow.reads < slow.writes ? slow.reads : slow.writes;
	need(least > 4);
	/* A part of the shorter one hides behind the longer. */
	need(took < (slow.reads + slow.writes - least / 4) * SLOW_NS);
	expect_all(db);
	need_ok(shale_close(db));
}

static void tables_are_written_while_the_log_is_read(void **state)
{
	(void)state;
	run_sim(1, recover_slowly);
}

static void recover_alone(void *arg)
{
	struct sim *sim = arg;
	shale_options o;
	shale_db *db;

	leave_log(sim, &o);
	sim_fail_spawn(sim, 1);
	need_ok(shale_open(DIR, &o, &db));
	expect_all(db);
	need_ok(shale_close(db));
}

static void without_a_thread_recovery_writes_them_itself(void **state)
{
	(void)state;
	run_sim(1, recover_alone);
}

static void recover_with_failures(void *arg)
{
	struct sim *sim = arg;
	shale_options o;
	uint64_t hits;
	shale_db *db;
	unsigned failed = 0;

	leave_log(sim, &o);
	for (uint64_t nth = 1; nth < 400; nth++) {
		struct sim_fault fault = {
			.op = SIM_ANY, .name_ends = ".sst", .nth = nth, .err = EIO
		};
		shale_status rc;

		sim_fs_fault(sim_get_fs(sim), &fault);
		rc = shale_open(DIR, &o, &db);
		hits = sim_fs_fault_hits(sim_get_fs(sim));
		sim_fs_faults_clear(sim_get_fs(sim));
		if (rc == SHALE_OK) {
			need_ok(shale_close(db));
			break;
		}
		need(hits > failed);
		failed++;
		need_status(rc, SHALE_IO);
		need(strstr(shale_last_error()->object, ".sst") != NULL);
	}
	need(failed > 4);
	need_ok(shale_open(DIR, &o, &db));
	expect_all(db);
	need_ok(shale_close(db));
}

static void a_table_that_fails_fails_the_open_and_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, recover_with_failures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_written_while_the_log_is_read),
		cmocka_unit_test(without_a_thread_recovery_writes_them_itself),
		cmocka_unit_test(a_table_that_fails_fails_the_open_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
