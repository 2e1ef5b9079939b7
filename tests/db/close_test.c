/*
 * Closing: what takes long to replay goes into tables, what is little stays in the log, and
 * so does all that a table cannot be made of. Without a log nothing is left behind.
 */
#include "regress/sim_store.h"

#include "db/db.h"

#include <string.h>

enum { MUCH = 400, LITTLE = 40, VALUE = 1000 };

static shale_options large_options(struct sim *sim)
{
	shale_options o = small_options(sim);

	o.memtable_bytes = 1 << 20;
	o.memory_budget = 16 << 20;
	return o;
}

static bool count_open_flush(void *arg, const shale_job *j)
{
	unsigned *n = arg;

	*n += j->reason == SHALE_FLUSH_OPEN;
	return true;
}

/* Open again, read it all, and tell whether there was something to replay. */
static bool replayed(const shale_options *o, unsigned keys)
{
	unsigned flushes = 0;
	shale_db *db;

	need_ok(shale_open(DIR, o, &db));
	need_ok(shale_compactions(db, count_open_flush, &flushes));
	/* What is in tables is not read again from a log. */
	need((flushes != 0) == (stats_of(db).recovered_bytes != 0));
	for (unsigned i = 0; i < keys; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_close(db));
	return flushes != 0;
}

static void fill(const shale_options *o, unsigned keys, shale_db **out)
{
	need_ok(shale_open(DIR, o, out));
	for (unsigned i = 0; i < keys; i++)
		put(*out, NULL, i, VALUE);
}

static int count_log(void *arg, const char *name, uint64_t size, bool is_dir)
{
	unsigned *logs = arg;
	size_t n = strlen(name);

	(void)size;
	(void)is_dir;
	*logs += n > 4 && strcmp(name + n - 4, ".log") == 0;
	return 0;
}

static shale_durability durability;

static void much(void *arg)
{
	shale_options o = large_options(arg);
	unsigned logs = 0;
	shale_db *db;

	o.durability = durability;
	fill(&o, MUCH, &db);
	need_ok(shale_close(db));
	/* What a log had is in tables. */
	need(sim_fs_list(sim_get_fs(arg), DIR, count_log, &logs) >= 0 && logs == 0);
	need(!replayed(&o, MUCH));
}

static void what_takes_long_to_replay_goes_into_tables(void **state)
{
	(void)state;
	for (durability = SHALE_EPHEMERAL; durability <= SHALE_DURABLE; durability++)
		run_sim(1, much);
}

static void little(void *arg)
{
	shale_options o = large_options(arg);
	shale_db *db;

	o.durability = durability;
	fill(&o, LITTLE, &db);
	need_ok(shale_close(db));
	need(replayed(&o, LITTLE));
}

static void what_is_little_stays_in_the_log(void **state)
{
	(void)state;
	for (durability = SHALE_PROCESS; durability <= SHALE_DURABLE; durability++)
		run_sim(1, little);
}

/* Tables cannot be made, from the start or when one is half written. */
static void no_table(void *arg)
{
	static const struct sim_fault rules[] = {
		{ .op = SIM_OPEN, .name_ends = ".sst", .nth = 1, .err = EMFILE, .sticky = true },
		{ .op = SIM_WRITE, .name_ends = ".sst", .nth = 2, .err = ENOSPC, .sticky = true },
		{ .op = SIM_SYNC, .name_ends = ".sst", .nth = 1, .err = EIO, .sticky = true },
	};
	struct sim *sim = arg;
	shale_options o = large_options(sim);
	shale_db *db;

	o.durability = SHALE_DURABLE;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		fill(&o, MUCH, &db);
		sim_fs_fault(sim_get_fs(sim), &rules[i]);
		need_ok(shale_close(db));
		sim_fs_faults_clear(sim_get_fs(sim));
		need(replayed(&o, MUCH));
		need_ok(shale_destroy(DIR, &o));
	}
}

static void where_no_table_can_be_made_all_stays_in_the_log(void **state)
{
	(void)state;
	run_sim(1, no_table);
}

/* As many memtables wait as may, and none could be flushed so far. */
static bool once_more; /* the first flush of the close fails, too */

static void many_sealed(void *arg)
{
	struct sim *sim = arg;
	struct sim_fault rule = {
		.op = SIM_OPEN, .name_ends = ".sst", .nth = 1, .err = EIO, .sticky = true
	};
	shale_flush_options no_wait = SHALE_FLUSH_OPTIONS_INIT;
	shale_options o = small_options(sim);
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	no_wait.no_wait = true;
	need_ok(shale_open(DIR, &o, &db));
	sim_fs_fault(sim_get_fs(sim), &rule);
	for (unsigned i = 0; i < SEALED_MAX; i++) {
		put(db, NULL, i, 10);
		need_ok(shale_flush(db, &no_wait));
	}
	put(db, NULL, SEALED_MAX, 10);
	sim_fs_faults_clear(sim_get_fs(sim));
	if (!once_more) {
		need_ok(shale_close(db));
		need(!replayed(&o, SEALED_MAX + 1));
		return;
	}
	rule.sticky = false;
	sim_fs_fault(sim_get_fs(sim), &rule);
	if (shale_close(db) == SHALE_OK) /* somebody else's flush failed before */
		need(!replayed(&o, SEALED_MAX + 1));
	else
		need(shale_last_error()->status == SHALE_IO);
}

static void without_a_log_nothing_is_left_behind(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		once_more = seed % 2 == 0;
		run_sim(seed, many_sealed);
	}
}

/* And where it has to be left, the caller is told why. */
static void cannot_be_kept(void *arg)
{
	struct sim *sim = arg;
	struct sim_fault rule = {
		.op = SIM_OPEN, .name_ends = ".sst", .nth = 1, .err = EIO, .sticky = true
	};
	shale_options o = small_options(sim);
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	fill(&o, LITTLE, &db);
	sim_fs_fault(sim_get_fs(sim), &rule);
	need_status(shale_close(db), SHALE_IO);
	need(strstr(shale_last_error()->text, ".sst") != NULL);
	sim_fs_faults_clear(sim_get_fs(sim));
}

static void what_is_lost_without_a_log_is_told(void **state)
{
	(void)state;
	run_sim(1, cannot_be_kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_takes_long_to_replay_goes_into_tables),
		cmocka_unit_test(what_is_little_stays_in_the_log),
		cmocka_unit_test(where_no_table_can_be_made_all_stays_in_the_log),
		cmocka_unit_test(without_a_log_nothing_is_left_behind),
		cmocka_unit_test(what_is_lost_without_a_log_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
