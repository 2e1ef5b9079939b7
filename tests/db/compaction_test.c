/*
 * What the policies promise, on whole stores: windows of time dropped unread, FIFO,
 * deletes gone within their time, policies changed on the live store.
 */
#include "regress/sim_store.h"

#include "base/lock.h"
#include "base/rand.h"

static uint64_t table_bytes(shale_db *db)
{
	shale_stats s = stats_of(db);
	uint64_t bytes = 0;

	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		bytes += s.level[l].bytes;
	return bytes;
}

static void settle(shale_db *db)
{
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
}

static shale_options options_with(struct sim *sim, shale_policy policy)
{
	shale_options o = small_options(sim);

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = policy;
	o.default_cf.compaction.top_runs = 2;
	o.default_cf.compaction.max_runs = 2;
	o.default_cf.compaction.table_bytes = 16 << 10;
	return o;
}

/* ---- time windows ---- */

enum { HOUR_MS = 3600000, DAY = 24, KEYS = 40 };

/* A value an hour for each key; each lives three hours. */
static void drop_windows(void *arg)
{
	struct sim *sim = arg;
	shale_options o = options_with(sim, SHALE_TIME_WINDOW);
	shale_stats before, after;
	shale_db *db;

	o.default_cf.compaction.window_ms = HOUR_MS;
	o.default_cf.ttl_ms = 3 * HOUR_MS;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned hour = 0; hour < DAY; hour++) {
		for (unsigned k = 0; k < KEYS; k++) {
			put(db, NULL, k * DAY + hour, 1000);
			if (k % 10 == 9)
				need_ok(shale_flush(db, NULL));
		}
		settle(db);
		sim_advance_ns(sim, UINT64_C(1000000) * HOUR_MS);
		need_ok(shale_wait_idle(db));
		/* The three hours that live, and one that is about to go. */
		need(table_bytes(db) <= 4 * KEYS * 1200);
	}
	need(has(db, NULL, DAY - 1) == SHALE_OK);
	need(has(db, NULL, DAY - 6) == SHALE_NOT_FOUND);
	/* The rest goes without a byte read. */
	before = stats_of(db);
	sim_advance_ns(sim, UINT64_C(1000000) * 5 * HOUR_MS);
	need_ok(shale_wait_idle(db));
	after = stats_of(db);
	need(table_bytes(db) == 0);
	need(after.compaction_read_bytes == before.compaction_read_bytes);
	need(after.dropped_expired > before.dropped_expired);
	need(after.entries_in == after.entries_kept + after.dropped_expired +
					 after.dropped_shadowed + after.dropped_tombstones +
					 after.dropped_range);
	need_ok(shale_close(db));
	need_ok(shale_open(DIR, &o, &db));
	need(table_bytes(db) == 0);
	need_ok(shale_close(db));
}

static void windows_that_have_expired_are_dropped_unread(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, drop_windows);
}

/* ---- FIFO ---- */

static void drop_oldest(void *arg)
{
	struct sim *sim = arg;
	shale_options o = options_with(sim, SHALE_FIFO);
	shale_db *db;

	o.default_cf.compaction.max_bytes = 100 << 10;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 400; i++) {
		put(db, NULL, i, 1000);
		if (i % 20 == 19) {
			settle(db);
			need(table_bytes(db) <= 100 << 10);
		}
	}
	need(has(db, NULL, 0) == SHALE_NOT_FOUND);
	need(has(db, NULL, 399) == SHALE_OK && has(db, NULL, 330) == SHALE_OK);
	need(stats_of(db).compaction_read_bytes == 0);
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_close(db));
}

static void fifo_keeps_to_its_size_by_dropping_the_oldest(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, drop_oldest);
}

/* ---- deletes ---- */

static void forget_in_time(void *arg)
{
	static const shale_policy each[] = { SHALE_LEVELED, SHALE_TIERED, SHALE_HYBRID };

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct sim *sim = arg;
		shale_options o = options_with(sim, each[i]);
		shale_snapshot *snapshot = NULL;
		shale_db *db;
		char text[24];

		o.default_cf.compaction.delete_within_ms = HOUR_MS;
		need_ok(shale_open(DIR, &o, &db));
		for (unsigned k = 0; k < 200; k++)
			put(db, NULL, k, 1000);
		settle(db);
		need_ok(shale_compact(db, NULL));
		for (unsigned k = 0; k < 200; k += 20) {
			snprintf(text, sizeof(text), "key%08u", k);
			need_ok(shale_delete(db, NULL, shale_str(text)));
		}
		need_ok(shale_delete_range(db, NULL, shale_str("key00000100"),
					   shale_str("key00000150")));
		settle(db);
		need(stats_of(db).level[0].tombstones != 0);
		need_ok(shale_snapshot_new(db, &snapshot));
		put(db, NULL, 300, 10);
		/* Nobody writes, nobody asks: the time comes all the same. */
		sim_advance_ns(sim, UINT64_C(1000000) * (HOUR_MS - 1));
		env_sleep_ns(o.env, UINT64_C(5000000000));
		need_ok(shale_wait_idle(db));
		for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
			need(stats_of(db).level[l].tombstones == 0);
		need(has(db, NULL, 120) == SHALE_NOT_FOUND &&
		     has(db, NULL, 160) == SHALE_NOT_FOUND);
		need(has(db, NULL, 161) == SHALE_OK);
		shale_snapshot_free(snapshot);
		need_ok(shale_close(db));
		need_ok(shale_destroy(DIR, &o));
	}
}

static void deleted_data_is_gone_within_the_time_that_was_set(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, forget_in_time);
}

/* ---- deleted, and put again ---- */

#define SECRET "what nobody may read any more"

static int look_for_secret(void *arg, const char *name, uint64_t size, bool is_dir)
{
	char path[512];
	size_t bytes;
	void *data;
	int found;

	(void)size;
	if (is_dir || !ends(name, ".sst"))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", DIR, name);
	need(sim_fs_read_file(sim_get_fs(arg), path, &data, &bytes) == 0);
	found = memmem(data, bytes, SECRET, strlen(SECRET)) != NULL;
	free(data);
	return found;
}

static bool has_secret(struct sim *sim)
{
	return sim_fs_list(sim_get_fs(sim), DIR, look_for_secret, sim) != 0;
}

static void put_secret(shale_db *db, unsigned key, const char *value)
{
	char text[24];

	snprintf(text, sizeof(text), "key%08u", key);
	need_ok(shale_put(db, NULL, shale_str(text), shale_str(value)));
}

enum { IN_ONE_MEMTABLE, IN_TWO, WITH_A_RANGE, WITH_A_SNAPSHOT, HOWS };

/* The old value lies at the bottom; then the key is deleted, and put anew. */
static void forget_what_was_put_again(struct sim *sim, shale_policy policy, unsigned how)
{
	shale_options o = options_with(sim, policy);
	shale_snapshot *snapshot = NULL;
	shale_db *db;

	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.default_cf.compaction.delete_within_ms = HOUR_MS;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned k = 0; k < 200; k++)
		put(db, NULL, k, 1000);
	put_secret(db, 100, SECRET);
	settle(db);
	need_ok(shale_compact(db, NULL));
	need(has_secret(sim));
	if (how == WITH_A_SNAPSHOT)
		need_ok(shale_snapshot_new(db, &snapshot));
	if (how == WITH_A_RANGE)
		need_ok(shale_delete_range(db, NULL, shale_str("key00000100"),
					   shale_str("key00000101")));
	else
		need_ok(shale_delete(db, NULL, shale_str("key00000100")));
	if (how != IN_ONE_MEMTABLE)
		settle(db);
	put_secret(db, 100, "new");
	settle(db);
	if (how == WITH_A_SNAPSHOT) {
		need_ok(shale_compact(db, NULL));
		shale_snapshot_free(snapshot);
	}
	sim_advance_ns(sim, UINT64_C(1000000) * (HOUR_MS - 1));
	env_sleep_ns(o.env, UINT64_C(5000000000));
	need_ok(shale_wait_idle(db));
	need(!has_secret(sim));
	need(has(db, NULL, 100) == SHALE_OK && has(db, NULL, 99) == SHALE_OK);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		need(stats_of(db).level[l].tombstones == 0);
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_close(db));
	need_ok(shale_destroy(DIR, &o));
}

static void forget_under_each(void *sim)
{
	static const shale_policy each[] = { SHALE_LEVELED, SHALE_TIERED, SHALE_HYBRID };

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		for (unsigned how = 0; how < HOWS; how++)
			forget_what_was_put_again(sim, each[i], how);
}

static void deleted_data_is_gone_in_time_though_its_key_was_put_again(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, forget_under_each);
}

/* ---- the clock ---- */

/* The clock jumps ahead while all sleep: nobody wakes them, they look at it by themselves. */
static void jump_ahead(void *arg)
{
	struct sim *sim = arg;
	shale_options o = options_with(sim, SHALE_HYBRID);
	uint64_t wall_ms;
	shale_db *db;

	o.default_cf.ttl_ms = 24 * HOUR_MS;
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	settle(db);
	env_sleep_ns(o.env, UINT64_C(5000000000));
	wall_ms = env_wall_ms(o.env);
	sim_set_wall_ms(sim, wall_ms + 48 * HOUR_MS);
	env_sleep_ns(o.env, UINT64_C(300000000000));
	need(table_bytes(db) == 0);
	need_ok(shale_close(db));
}

static void a_clock_that_jumps_ahead_is_noticed_while_nothing_is_done(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, jump_ahead);
}

/* ---- options of a live store ---- */

static void change(void *arg)
{
	struct sim *sim = arg;
	shale_options o = options_with(sim, SHALE_TIERED);
	shale_cf_options cf = SHALE_CF_OPTIONS_INIT;
	shale_stats s;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 600; i++)
		put(db, NULL, i * 7919 % 600, 1000);
	settle(db);
	s = stats_of(db);
	need(s.level[1].runs + s.level[2].runs + s.level[3].runs != 0);
	need_ok(shale_cf_get_options(db, NULL, &cf));
	need(cf.compaction.policy == SHALE_TIERED && cf.struct_size == sizeof(cf));
	cf.ttl_ms = 1;
	need_status(shale_cf_set_options(db, NULL, &cf), SHALE_INVALID);
	cf.ttl_ms = 0;
	cf.compaction.max_runs = 1;
	need_status(shale_cf_set_options(db, NULL, &cf), SHALE_INVALID);
	cf.compaction.max_runs = 0;
	cf.compaction.policy = SHALE_LEVELED;
	need_ok(shale_cf_set_options(db, NULL, &cf));
	need_ok(shale_wait_idle(db));
	s = stats_of(db);
	for (size_t l = 1; l < SHALE_LEVELS_MAX; l++)
		need(s.level[l].runs <= 1);
	need_ok(shale_close(db));

	/* The store knows; what a later open says of families that are there is no matter. */
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_get_options(db, NULL, &cf));
	need(cf.compaction.policy == SHALE_LEVELED);
	for (unsigned i = 0; i < 600; i++)
		need(has(db, NULL, i) == SHALE_OK);
	need_ok(shale_close(db));
	o.read_only = true;
	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_cf_set_options(db, NULL, &cf), SHALE_READ_ONLY);
	need_ok(shale_close(db));
}

static void a_policy_set_on_a_live_store_takes_the_stack_over_and_stays(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, change);
}

/* ---- hybrid: what hides older entries is merged down, and what does not is left ---- */

enum { NEW_KEYS = 30000, STRIDE = 7919, LAST = SHALE_LEVELS_MAX - 1 };

/* All keys once, in no order. */
static void put_all(shale_db *db)
{
	for (unsigned i = 0; i < NEW_KEYS; i++)
		put(db, NULL, (unsigned)((uint64_t)i * STRIDE % NEW_KEYS), 100);
	settle(db);
}

static double share_of_last(shale_db *db)
{
	return (double)stats_of(db).level[LAST].bytes / (double)table_bytes(db);
}

static void load_and_overwrite(void *arg)
{
	shale_options o = options_with(arg, SHALE_HYBRID);
	shale_stats s;
	uint64_t live;
	shale_db *db;

	o.memory_budget = 8 << 20;
	o.memtable_bytes = 256 << 10;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.default_cf.compaction.max_runs = 4;
	need_ok(shale_open(DIR, &o, &db));
	put_all(db);
	live = table_bytes(db);
	need(share_of_last(db) < 0.3);
	s = stats_of(db);
	need(s.live_bytes > live / 10 * 8 && s.live_bytes <= live);
	need_ok(shale_close(db));

	/* The store knows it still: nothing is merged for having been opened. */
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_wait_idle(db));
	need(share_of_last(db) < 0.3);
	for (unsigned times = 0; times < 2; times++)
		put_all(db);
	need(share_of_last(db) > 0.5);
	need(table_bytes(db) < 2 * live);
	s = stats_of(db);
	need(s.live_bytes > live / 10 * 8 && s.live_bytes < live / 10 * 12);
	for (unsigned i = 0; i < NEW_KEYS; i += 97)
		need(has(db, NULL, i) == SHALE_OK);
	need_ok(shale_close(db));
}

static void hybrid_merges_down_what_hides_older_entries(void **state)
{
	(void)state;
	run_sim(1, load_and_overwrite);
}

/* ---- a hot key ---- */

enum { OTHERS = 200, A_SECOND = 1000, SECONDS = 5, HOT_BYTES = 4096 };

/* What flushes write in some seconds: others are put once in each, the hot key again and again. */
static uint64_t flushed_with(struct sim *sim, bool hot)
{
	shale_options o = options_with(sim, SHALE_HYBRID);
	uint8_t value[HOT_BYTES];
	struct rand random;
	uint64_t bytes;
	shale_db *db;

	rand_seed(&random, 1);
	o.memory_budget = 64 << 20;
	o.memtable_bytes = 8 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned second = 0; second < SECONDS; second++) {
		for (unsigned i = 0; i < A_SECOND; i++) {
			if (i % (A_SECOND / OTHERS) == 0)
				put(db, NULL, second * OTHERS + i, 100);
			for (unsigned k = 0; k < HOT_BYTES; k++)
				value[k] = (uint8_t)rand_next(&random);
			if (hot)
				need_ok(shale_put(db, NULL, shale_str("hot"),
						  shale_bytes(value, HOT_BYTES)));
		}
		need_ok(shale_flush(db, NULL));
	}
	bytes = stats_of(db).flush_bytes;
	need_ok(shale_wait_idle(db));
	if (hot) {
		shale_value last;

		need_ok(shale_get(db, NULL, shale_str("hot"), &last));
		need(last.size == HOT_BYTES && memcmp(last.data, value, HOT_BYTES) == 0);
		shale_value_release(&last);
	}
	need_ok(shale_close(db));
	need_ok(shale_destroy(DIR, &o));
	return bytes;
}

static void update_hot_key(void *arg)
{
	uint64_t with = flushed_with(arg, true), without = flushed_with(arg, false);

	need(with > without + SECONDS * HOT_BYTES);
	need(with < without + SECONDS * HOT_BYTES * 11 / 10);
}

static void a_flush_writes_of_a_hot_key_its_last_value(void **state)
{
	(void)state;
	run_sim(1, update_hot_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_that_have_expired_are_dropped_unread),
		cmocka_unit_test(fifo_keeps_to_its_size_by_dropping_the_oldest),
		cmocka_unit_test(deleted_data_is_gone_within_the_time_that_was_set),
		cmocka_unit_test(deleted_data_is_gone_in_time_though_its_key_was_put_again),
		cmocka_unit_test(a_clock_that_jumps_ahead_is_noticed_while_nothing_is_done),
		cmocka_unit_test(a_policy_set_on_a_live_store_takes_the_stack_over_and_stays),
		cmocka_unit_test(hybrid_merges_down_what_hides_older_entries),
		cmocka_unit_test(a_flush_writes_of_a_hot_key_its_last_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
