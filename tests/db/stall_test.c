/*
 * Background work that falls far behind: writers and flushes stop before there is too
 * much of anything, go on when there is room, and learn of a failure instead of waiting
 * for what will not come.
 */
#include "regress/sim_store.h"

#include "db/db.h"

static void slow_down(struct sim *sim, enum sim_op op, uint64_t ns)
{
	struct sim_latency slow = { 0 };

	slow.of[op].least_ns = slow.of[op].most_ns = ns;
	sim_set_latency(sim, &slow);
}

/* Merges read their inputs and take for ever; flushes do not read, and run on. */
static void pile_up_runs(void *arg)
{
	enum { PUTS = 2000, MOST = 10 };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	uint64_t runs = 0;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.background_threads = 3;
	o.default_cf.compaction.policy = SHALE_LEVELED;
	o.default_cf.compaction.top_runs = 1;
	need_ok(shale_open(DIR, &o, &db));
	slow_down(sim, SIM_READ, 60000000000);
	/* Not in order, or tables would be moved instead of merged. */
	for (unsigned i = 0; i < PUTS; i++) {
		put(db, NULL, i * 7919 % PUTS, 1000);
		if (stats_of(db).level[0].runs > runs)
			runs = stats_of(db).level[0].runs;
	}
	/* What was sealed when writes stopped is flushed all the same. */
	need(runs >= MOST && runs <= MOST + 4);
	need(stats_of(db).stops != 0 && stats_of(db).longest_stop_ns != 0);
	sim_set_latency(sim, NULL);
	need_ok(shale_wait_idle(db));
	need(stats_of(db).level[0].runs <= 1);
	for (unsigned i = 0; i < PUTS; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_close(db));
}

static void writers_stop_before_the_top_level_has_too_many_runs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, pile_up_runs);
}

enum { FLUSHES = 40 }; /* more than a family has sealed memtables */

static void flush_and_flush(void *arg)
{
	shale_flush_options flush = SHALE_FLUSH_OPTIONS_INIT;
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_db *db;

	o.durability = SHALE_PROCESS;
	flush.no_wait = true;
	need_ok(shale_open(DIR, &o, &db));
	slow_down(sim, SIM_WRITE, 1000000000);
	for (unsigned i = 0; i < FLUSHES; i++) {
		put(db, NULL, i, 10);
		need_ok(shale_flush(db, &flush));
	}
	need(stats_of(db).flushes < FLUSHES && stats_of(db).stops != 0);
	sim_set_latency(sim, NULL);
	need_ok(shale_flush(db, NULL));
	need(stats_of(db).flushes == FLUSHES);
	for (unsigned i = 0; i < FLUSHES; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_close(db));
}

static void a_flush_waits_where_too_many_others_do(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, flush_and_flush);
}

static void flush_in_vain(void *arg)
{
	struct sim_fault rule = {
		.op = SIM_OPEN, .name_ends = ".sst", .nth = 1, .err = EDQUOT, .sticky = true
	};
	shale_flush_options flush = SHALE_FLUSH_OPTIONS_INIT;
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_status rc = SHALE_OK;
	shale_db *db;
	unsigned i;

	flush.no_wait = true;
	need_ok(shale_open(DIR, &o, &db));
	sim_fs_fault(sim_get_fs(sim), &rule);
	for (i = 0; rc == SHALE_OK; i++) {
		need(i < FLUSHES);
		put(db, NULL, i, 10);
		rc = shale_flush(db, &flush);
	}
	need(shale_last_error()->sys_errno == EDQUOT);
	need(strstr(shale_last_error()->object, ".sst") != NULL);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	need_ok(shale_flush(db, NULL));
	while (i > 0)
		need_ok(has(db, NULL, --i));
	need_ok(shale_close(db));
}

static void a_flush_that_would_wait_for_ever_fails_with_the_reason(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, flush_in_vain);
}

static struct {
	struct sim *sim;
	bool now;
} held;

/* Merges read their inputs, flushes nothing. */
static void hold_reads(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	(void)arg;
	(void)fs;
	while (held.now && op == SIM_READ && ends(name, ".sst"))
		env_sleep_ns(sim_env(held.sim), 1000000);
}

static void put_one(void *db)
{
	put(db, NULL, 0, 10);
}

/*
 * Merges are far behind when a large batch is written, and whoever comes next is to wait until
 * it is paid for. Before that merges catch up.
 */
static void write_while_merges_are_behind(void *arg)
{
	enum { LARGE = 100, TOP = 2, BEHIND = 9 * TOP };
	static uint8_t value[32 << 10];
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = small_options(sim);
	shale_batch *batch = NULL;
	uint64_t begun;
	shale_thread *thread;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.memory_budget = 64 << 20;
	o.memtable_bytes = 8 << 20;
	o.background_threads = 3;
	o.default_cf.compaction.policy = SHALE_LEVELED;
	o.default_cf.compaction.top_runs = TOP;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_batch_new(&batch));
	for (unsigned i = 0; i < LARGE; i++) {
		char key[24];

		snprintf(key, sizeof(key), "large%08u", i);
		need_ok(shale_batch_put(batch, NULL, shale_str(key),
					slice_from(value, sizeof(value))));
	}
	held.sim = sim;
	held.now = true;
	sim_fs_on_call(sim_get_fs(sim), hold_reads, NULL);
	for (unsigned i = 0; stats_of(db).level[0].runs < BEHIND; i++) {
		put(db, NULL, i % 7, 100);
		need_ok(shale_flush(db, NULL));
	}
	need_ok(shale_write(db, NULL, batch)); /* some 230 ms at that delay */
	need(env->executor.ops->spawn(env->executor.self, "late", put_one, db, &thread) == 0);
	env_sleep_ns(env, 1000000);
	held.now = false;
	begun = env_now_ns(env);
	need_ok(shale_wait_idle(db));
	need(stats_of(db).level[0].runs < TOP);
	begun = env_now_ns(env);
	env->executor.ops->join(env->executor.self, thread);
	need(env_now_ns(env) - begun < 20000000);
	shale_batch_free(batch);
	need_ok(shale_close(db));
}

static void a_writer_does_not_sleep_on_when_merges_have_caught_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, write_while_merges_are_behind);
}

/* ---- a compaction that was asked for ---- */

static struct {
	shale_db *db;
	unsigned puts;
} beside;

static bool put_beside(void *arg, const shale_compact_progress *p)
{
	(void)arg;
	(void)p;
	for (unsigned i = 0; i < 300 && beside.puts < 3000; i++)
		put(beside.db, NULL, beside.puts++ % 50, 1000);
	return true;
}

static void compact_and_write(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.top_runs = 1;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 200; i++)
		put(db, NULL, i, 1000);
	beside.db = db;
	beside.puts = 0;
	co.progress = put_beside;
	need_ok(shale_compact(db, &co));
	need(beside.puts > 0);
	need_ok(shale_wait_idle(db));
	need_ok(shale_close(db));
}

static void who_compacts_may_write_where_it_is_told_of_the_progress(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, compact_and_write);
}

static void compact_all(void *db)
{
	need_ok(shale_compact(db, NULL));
}

static void write_on(void *db)
{
	for (; beside.puts < 20000; beside.puts++)
		put(db, NULL, beside.puts % 50, 1000);
}

/* A compaction may take hours, and while it does no other merge makes level 0 less. */
static void write_beside_a_long_one(void *arg)
{
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = small_options(sim);
	shale_thread *compacting, *writing;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = SHALE_LEVELED; /* whose flushes read nothing */
	o.default_cf.compaction.top_runs = 1;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 200; i++)
		put(db, NULL, i, 1000);
	need_ok(shale_wait_idle(db));
	held.sim = sim;
	held.now = true;
	sim_fs_on_call(sim_get_fs(sim), hold_reads, NULL);
	need(env->executor.ops->spawn(env->executor.self, "compacts", compact_all, db,
				      &compacting) == 0);
	env_sleep_ns(env, 100000000);
	beside.puts = 0;
	need(env->executor.ops->spawn(env->executor.self, "writes", write_on, db, &writing) == 0);
	env_sleep_ns(env, UINT64_C(10000000000));
	/* It is not stopped at once, but before there are far too many runs. */
	need(stats_of(db).level[0].runs > 20 && stats_of(db).level[0].runs < 100);
	held.now = false;
	env->executor.ops->join(env->executor.self, compacting);
	env->executor.ops->join(env->executor.self, writing);
	need_ok(shale_close(db));
}

static void beside_a_compaction_level_0_has_a_bound(void **state)
{
	(void)state;
	run_sim(1, write_beside_a_long_one);
}

/* ---- who does not want to wait ---- */

static shale_status put_within(shale_db *db, size_t size, uint64_t ms)
{
	static const uint8_t value[64 << 10];
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.stall_max_ms = ms;
	return shale_put(db, &o, shale_str("impatient"), slice_from(value, size));
}

/* Merges are held up: writers are delayed first, and stopped in the end. */
static void write_without_patience(void *arg)
{
	enum { TOP = 2, BEHIND = 9 * TOP, STOP = 10 * TOP };
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = small_options(sim);
	unsigned stalled = 0;
	shale_stats before;
	shale_status rc;
	uint64_t begun;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.memory_budget = 64 << 20;
	o.memtable_bytes = 8 << 20;
	o.background_threads = 3;
	o.default_cf.compaction.policy = SHALE_LEVELED;
	o.default_cf.compaction.top_runs = TOP;
	need_ok(shale_open(DIR, &o, &db));
	held.sim = sim;
	held.now = true;
	sim_fs_on_call(sim_get_fs(sim), hold_reads, NULL);
	for (unsigned i = 0; stats_of(db).level[0].runs < BEHIND; i++) {
		put(db, NULL, i % 7, 100);
		need_ok(shale_flush(db, NULL));
	}
	/* Each that is written delays the next by some milliseconds; what is not, delays nobody. */
	for (unsigned i = 0; i < 20; i++) {
		before = stats_of(db);
		rc = put_within(db, 60000, 1);
		need(rc == SHALE_OK || rc == SHALE_STALLED);
		stalled += rc == SHALE_STALLED;
		need((stats_of(db).last_seq != before.last_seq) == (rc == SHALE_OK));
	}
	need(stalled >= 10 && stalled <= 17);
	need_status(put_within(db, 100, 0), SHALE_OK);
	need_ok(put_within(db, 60000, 0));
	need_status(put_within(db, 60000, 1), SHALE_STALLED);
	need(strstr(shale_last_error()->text, "default") != NULL);
	need(strstr(shale_last_error()->text, "top runs") != NULL);
	need_ok(put_within(db, 100, 50));
	for (unsigned i = 0; stats_of(db).level[0].runs < STOP; i++) {
		put(db, NULL, i % 7, 100);
		need_ok(shale_flush(db, NULL));
	}
	begun = env_now_ns(env);
	for (unsigned i = 0; put_within(db, 60000, 500) == SHALE_OK; i++)
		need(i < 1000);
	need_status(shale_last_error()->status, SHALE_STALLED);
	need(env_now_ns(env) - begun > 500000000 && env_now_ns(env) - begun < 3000000000);
	need_status(shale_get(db, NULL, shale_str("absent"), &(shale_value){ 0 }), SHALE_NOT_FOUND);
	held.now = false;
	need_ok(shale_wait_idle(db));
	need_ok(put_within(db, 1000, 500));
	need_ok(shale_close(db));
}

static void who_gives_a_limit_is_not_held_back_for_longer(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, write_without_patience);
}

/* ---- a family that holds much memory goes ---- */

static void hold_writes(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	(void)arg;
	(void)fs;
	while (held.now && op == SIM_WRITE && ends(name, ".sst"))
		env_sleep_ns(sim_env(held.sim), 1000000);
}

static void drop_a_full_one(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *full, *other;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "full", NULL, &full));
	need_ok(shale_cf_create(db, "other", NULL, &other));
	put(db, other, 0, 1000);
	held.sim = sim;
	held.now = true;
	sim_fs_on_call(sim_get_fs(sim), hold_writes, NULL);
	for (unsigned i = 0; atomic_load(&other->delay) == 0; i++) {
		put(db, full, i, 1000);
		mutex_lock(&db->mu);
		stall_flushed(db);
		mutex_unlock(&db->mu);
	}
	need_ok(shale_cf_drop(db, "full"));
	/* Its memtables are nobody's any more; no flush will end that the others might notice. */
	need(atomic_load(&other->delay) == 0);
	held.now = false;
	shale_cf_release(full);
	shale_cf_release(other);
	need_ok(shale_close(db));
}

static void nobody_is_delayed_for_a_family_that_is_dropped(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, drop_a_full_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writers_stop_before_the_top_level_has_too_many_runs),
		cmocka_unit_test(a_flush_waits_where_too_many_others_do),
		cmocka_unit_test(a_flush_that_would_wait_for_ever_fails_with_the_reason),
		cmocka_unit_test(a_writer_does_not_sleep_on_when_merges_have_caught_up),
		cmocka_unit_test(who_compacts_may_write_where_it_is_told_of_the_progress),
		cmocka_unit_test(beside_a_compaction_level_0_has_a_bound),
		cmocka_unit_test(who_gives_a_limit_is_not_held_back_for_longer),
		cmocka_unit_test(nobody_is_delayed_for_a_family_that_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
