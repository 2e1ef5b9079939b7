/*
 * Few keys, put again and again: they fill no memtable, are flushed when their log is long or
 * nobody writes, and whoever holds on to what was there sees it.
 */
#include "regress/sim_store.h"

enum { KEYS = 200, VALUE = 100 };

static shale_options hot_options(struct sim *sim)
{
	shale_options o = small_options(sim);

	o.memory_budget = 8 << 20;
	o.memtable_bytes = 256 << 10;
	o.durability = SHALE_PROCESS;
	return o;
}

static shale_slice key_of(unsigned k, char *buf)
{
	return shale_bytes(buf, (size_t)sprintf(buf, "key%08u", k % KEYS));
}

static shale_slice value_of(unsigned n, char *buf)
{
	memset(buf, 'v', VALUE);
	sprintf(buf, "%u", n);
	return shale_bytes(buf, VALUE);
}

/* Operation n is the put of key n % KEYS. */
static void put_hot(shale_db *db, unsigned from, unsigned to)
{
	char key[24], value[VALUE];

	for (unsigned n = from; n < to; n++)
		need_ok(shale_put(db, NULL, key_of(n, key), value_of(n, value)));
}

/* Every key has what the last operation below n put. */
static void check_hot(shale_db *db, const shale_read_options *o, unsigned n)
{
	for (unsigned i = n - KEYS; i < n; i++) {
		char key[24], want[VALUE];
		shale_value v;

		need_ok(shale_get(db, o, key_of(i, key), &v));
		value_of(i, want);
		need(v.size == VALUE && memcmp(v.data, want, VALUE) == 0);
		shale_value_release(&v);
	}
}

static uint64_t flushes_for(shale_db *db, shale_reason reason)
{
	return stats_of(db).by_reason[reason].jobs;
}

static void hot_keys(void *arg)
{
	struct sim *sim = arg;
	shale_options o = hot_options(sim);
	shale_db *db;

	/* Three megabytes of versions, in a memtable of a quarter. */
	o.log_bytes_max = 16 << 20;
	need_ok(shale_open(DIR, &o, &db));
	put_hot(db, 0, 20000);
	need(stats_of(db).flushes == 0);
	check_hot(db, NULL, 20000);
	sim_kill_tasks(sim);
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_PROCESS, 1);

	/* And as little when it is read from the log. */
	need_ok(shale_open(DIR, &o, &db));
	need(stats_of(db).flushes <= 1);
	check_hot(db, NULL, 20000);

	/* A long log is flushed while writes go on, */
	need_ok(shale_close(db));
	o.log_bytes_max = 1 << 20;
	need_ok(shale_open(DIR, &o, &db));
	put_hot(db, 0, 20000);
	need(flushes_for(db, SHALE_FLUSH_FULL) == 0);
	need(flushes_for(db, SHALE_FLUSH_LOG) >= 2 && flushes_for(db, SHALE_FLUSH_LOG) <= 3);
	check_hot(db, NULL, 20000);
	need_ok(shale_close(db));
}

static void hot_keys_fill_no_memtable(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, hot_keys);
}

static void at_rest(void *arg)
{
	struct sim *sim = arg;
	shale_options o = hot_options(sim);
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put_hot(db, 0, 8000); /* a megabyte of log */
	need(stats_of(db).flushes == 0);
	env_sleep_ns(o.env, 4000000000);
	need(flushes_for(db, SHALE_FLUSH_LOG) == 1);
	put_hot(db, 8000, 16000);
	need_ok(shale_wait_idle(db));
	need(flushes_for(db, SHALE_FLUSH_LOG) == 2);
	/* What has no long log stays where it is. */
	put_hot(db, 16000, 16200);
	env_sleep_ns(o.env, 4000000000);
	need_ok(shale_wait_idle(db));
	need(stats_of(db).flushes == 2);
	check_hot(db, NULL, 16200);
	need_ok(shale_close(db));
}

static void a_long_log_goes_into_tables_at_rest(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, at_rest);
}

/* Each holds on to its moment, alone and all together. */
static void hold(void *arg)
{
	struct sim *sim = arg;
	shale_options o = hot_options(sim);
	shale_read_options then = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *s;
	shale_value v;
	shale_iter *it;
	char key[24], want[VALUE];
	shale_slice got;
	shale_db *db;

	o.log_bytes_max = 64 << 20;
	o.memtable_bytes = 1 << 20; /* what is held has room */
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned with = 1; with < 8; with++) {
		unsigned n = with * 5000;

		put_hot(db, n - 5000, n - 3000);
		s = NULL;
		if (with & 1)
			need_ok(shale_snapshot_new(db, &s));
		it = NULL;
		if (with & 2)
			need_ok(shale_iter_new(db, NULL, &it));
		if (with & 4)
			need_ok(shale_get(db, NULL, key_of(7, key), &v));
		put_hot(db, n - 3000, n);
		then.snapshot = s;
		if (s != NULL)
			check_hot(db, &then, n - 3000);
		if (it != NULL) {
			unsigned i = n - 3000 - KEYS;

			for (shale_status rc = shale_iter_first(it); rc == SHALE_OK;
			     rc = shale_iter_next(it), i++) {
				need_ok(shale_iter_value(it, &got));
				value_of(i, want);
				need(got.size == VALUE && memcmp(got.data, want, VALUE) == 0);
			}
			need(i == n - 3000);
		}
		if (with & 4) {
			value_of(n - 3000 - KEYS + 7, want);
			need(v.size == VALUE && memcmp(v.data, want, VALUE) == 0);
			shale_value_release(&v);
		}
		shale_iter_free(it);
		shale_snapshot_free(s);
		check_hot(db, NULL, n);
	}
	need_ok(shale_close(db));
}

static void who_holds_on_to_a_moment_sees_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hot_keys_fill_no_memtable),
		cmocka_unit_test(a_long_log_goes_into_tables_at_rest),
		cmocka_unit_test(who_holds_on_to_a_moment_sees_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
