/*
 * How a store shares out its budget: memtables keep to their part, of many families and on a slow
 * disk, the cache makes room for them and gives up first what nobody reads, and whoever must look
 * at the shares again is woken, but not without end.
 */
#include "regress/sim_store.h"

#include "db/db.h"

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

/* The active memtables of several families are memory that the cache must leave. */
static void fill_the_cache_then_families(void *arg)
{
	enum { KEYS = 30000, VALUE = 2000, OTHERS = 3 };
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_cf *cf[OTHERS];
	shale_db *db;

	o.memory_budget = 140 << 20;
	o.memtable_bytes = 16 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < KEYS; i++)
		put(db, NULL, i, VALUE);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	/* Slowly, so that the share of the memtables is taken back. */
	slow_calls(arg, SIM_READ, 1000000);
	for (unsigned i = 0; i < KEYS; i++)
		need_ok(has(db, NULL, i));
	need_ok(shale_stats_get(db, &stats));
	need(stats.memory_cache > 54 << 20); /* nor has the empty memtable its room */
	slow_calls(arg, SIM_READ, 0);
	for (unsigned i = 0; i < OTHERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		need_ok(shale_cf_create(db, name, NULL, &cf[i]));
	}
	for (unsigned i = 0; i < OTHERS * 5000; i++)
		put(db, cf[i % OTHERS], i, VALUE);
	need_ok(shale_wait_idle(db));
	need_ok(shale_stats_get(db, &stats));
	need(stats.memory_memtables > 28 << 20 && stats.memory_cache > 16 << 20);
	need(stats.memory_used <= o.memory_budget);
	for (unsigned i = 0; i < OTHERS; i++)
		shale_cf_release(cf[i]);
	need_ok(shale_close(db));
}

static void the_cache_makes_room_for_the_memtables_of_all_families(void **state)
{
	(void)state;
	run_sim(1, fill_the_cache_then_families);
}

/* A disk so slow that flushes fall behind: the writer waits, and memory stays in its bounds. */
static void write_faster_than_flushes(void *arg)
{
	struct slow_tables slow = { .sim = arg, .ns = 250000000 }; /* 1 MiB/s */
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	o.memtable_bytes = 512 << 10;
	o.durability = SHALE_EPHEMERAL;
	slow_tables(&slow);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 400; i++) {
		put(db, NULL, i, 20000);
		need_ok(shale_stats_get(db, &stats));
		need(stats.memory_memtables <= o.memory_budget / 2 + o.memtable_bytes);
	}
	need(stats.stops != 0 || stats.delayed_writes != 0);
	need_ok(shale_close(db));
}

static void a_slow_disk_keeps_to_the_budget(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		run_sim(1 + i, write_faster_than_flushes);
}

/*
 * A writer who is faster than the flushes is slowed down in time: none waits for as
 * long as a flush takes. (Once delays began only when two memtables were sealed, and
 * with few memtables in the budget the third was a stop.)
 */
static void write_as_fast_as_flushes(void *arg)
{
	struct slow_tables slow = { .sim = arg, .ns = 12500000 }; /* 20 MiB/s */
	shale_options o = small_options(arg);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	o.memory_budget = 32 << 20;
	o.memtable_bytes = 4 << 20;
	o.durability = SHALE_EPHEMERAL;
	slow_tables(&slow);
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 30000; i++)
		put(db, NULL, i, 2000);
	need_ok(shale_stats_get(db, &stats));
	need(stats.flushes > 5 && stats.delayed_writes != 0);
	need(stats.stops == 0);
	need_ok(shale_close(db));
}

static void writers_slow_down_before_they_stop(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run_sim(1 + i, write_as_fast_as_flushes);
}

static bool note_number(void *arg, const shale_table_info *info)
{
	*(uint64_t *)arg = info->number;
	return true;
}

/* Whether the first block of a table is in the cache, and readers used it. */
static bool is_used(shale_db *db, uint64_t number)
{
	struct cache_hint none = { 0 };
	struct cache_item item;
	bool used = false;

	if (cache_peek(db->cache, &none, number, 0, &item, &used))
		cache_unpeek(&item);
	return used;
}

/* Blocks of tables that are no more do not take the room of those that are read. */
static void read_then_merge(void *arg)
{
	shale_options o = small_options(arg);
	uint64_t before = 0, after = 0;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 100; i++)
		put(db, NULL, i, 100);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_tables(db, note_number, &before));
	for (unsigned i = 0; i < 100; i++)
		need_ok(has(db, NULL, i));
	need(is_used(db, before));
	put(db, NULL, 50, 100);
	need_ok(shale_compact(db, NULL));
	need_ok(shale_tables(db, note_number, &after));
	need(after != before);
	need(!is_used(db, before));
	need(!is_used(db, after));
	need_ok(has(db, NULL, 1));
	need(is_used(db, after));
	need_ok(shale_close(db));
}

static void inputs_of_a_merge_are_the_first_to_go(void **state)
{
	(void)state;
	run_sim(1, read_then_merge);
}

/*
 * Somebody shares memory out and is not let run. Background threads that take a little more than
 * he saw, and give it back, again and again, must not wake each other for that without end.
 */
static void look_while_another_shares_out(void *arg)
{
	shale_options o = small_options(arg);
	uint64_t steps;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 100);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	env_sleep_ns(o.env, 2000000000);
	need(!atomic_exchange(&db->memory_busy, true));
	page_pool_tell_at(&db->pages, page_pool_used(&db->pages));
	scheduler_kick(db->scheduler);
	steps = sim_get_stats(arg).steps;
	env_sleep_ns(o.env, 1000000000);
	need(sim_get_stats(arg).steps - steps < 1000);
	need(atomic_load(&db->memory_beyond));
	atomic_store(&db->memory_busy, false);
	/* Who is next to end such a look sees to it. */
	memory_fit(db);
	env_sleep_ns(o.env, 1000000000);
	need(!atomic_load(&db->memory_beyond));
	need_ok(shale_close(db));
}

static void threads_do_not_wake_each_other_without_end(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run_sim(1 + i, look_while_another_shares_out);
}

static struct {
	shale_allocator_ops ops;
	const shale_env *env;
	_Atomic(shale_db *) db; /* NULL: as any heap */
} freeing;

/* Once, while a look frees blocks, another one is wanted, and the background looks in vain. */
static void free_while_others_look(void *self, void *p)
{
	shale_db *db = atomic_load(&freeing.db);

	if (db != NULL && atomic_load(&db->memory_busy)) {
		atomic_store(&freeing.db, NULL);
		need(!atomic_load(&db->memory_beyond));
		memory_fit(db);
		env_sleep_ns(freeing.env, 1000000);
		need(atomic_load(&db->memory_beyond));
	}
	freeing.env->allocator.ops->free(self, p);
}

static void tell_who_looks_already(void *arg)
{
	shale_options o = small_options(arg);
	shale_env env = *o.env;
	shale_db *db;

	freeing.env = o.env;
	freeing.ops = *o.env->allocator.ops;
	freeing.ops.free = free_while_others_look;
	env.allocator.ops = &freeing.ops;
	o.env = &env;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 1000; i++)
		put(db, NULL, i, 1000);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	for (unsigned i = 0; i < 1000; i++)
		need_ok(has(db, NULL, i));
	env_sleep_ns(&env, 2000000000);
	memory_fit(db); /* from now on blocks are freed by the cache alone */
	budget_add(&db->budget, BUDGET_OTHER, (int64_t)o.memory_budget);
	atomic_store(&freeing.db, db);
	memory_fit(db);
	need(atomic_load(&freeing.db) == NULL);
	env_sleep_ns(&env, 1000000);
	need(!atomic_load(&db->memory_beyond));
	budget_add(&db->budget, BUDGET_OTHER, -(int64_t)o.memory_budget);
	need_ok(shale_close(db));
}

static void what_is_told_during_a_look_is_looked_at_after_it(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run_sim(1 + i, tell_who_looks_already);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_families_with_large_values_keep_to_the_budget),
		cmocka_unit_test(the_cache_makes_room_for_the_memtables_of_all_families),
		cmocka_unit_test(a_slow_disk_keeps_to_the_budget),
		cmocka_unit_test(writers_slow_down_before_they_stop),
		cmocka_unit_test(inputs_of_a_merge_are_the_first_to_go),
		cmocka_unit_test(threads_do_not_wake_each_other_without_end),
		cmocka_unit_test(what_is_told_during_a_look_is_looked_at_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
