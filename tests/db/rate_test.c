/*
 * Limits of merges on whole stores, in virtual time: kept within 5 % over whole merges,
 * changed while a merge waits, by the hour; and never in the way of writers.
 */
#include "regress/sim_store.h"

#include "base/lock.h"

#define SECOND UINT64_C(1000000000)

enum { MB = 1 << 20, MINUTE_MS = 60000, VALUE = 4000 };

static uint64_t now_ns(struct sim *sim)
{
	return sim_get_stats(sim).now_ns;
}

static bool within(double value, double expected)
{
	bool is = value >= 0.95 * expected && value <= 1.05 * expected;

	if (!is)
		fprintf(stderr, "%g is not within 5 %% of %g\n", value, expected);
	return is;
}

static void limit(shale_db *db, uint64_t bytes_per_s, uint64_t ops_per_s)
{
	shale_rate r = SHALE_RATE_INIT;

	r.bytes_per_s = bytes_per_s;
	r.ops_per_s = ops_per_s;
	need_ok(shale_rate_set(db, &r));
}

/* What a merge did, by what the disk saw. */
struct seen {
	struct sim *sim;
	shale_db *db;
	uint64_t reads, writes; /* of tables */
	uint64_t start_ns, start_bytes;
	void (*at)(struct seen *s, const shale_compact_progress *p);
	unsigned calls;
	bool changed;
	uint64_t changed_ns, changed_bytes;
};

static void on_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct seen *s = arg;
	size_t n = strlen(name);

	(void)fs;
	if (n < 4 || strcmp(name + n - 4, ".sst") != 0)
		return;
	s->reads += op == SIM_READ;
	s->writes += op == SIM_WRITE;
}

static bool told(void *arg, const shale_compact_progress *p)
{
	struct seen *s = arg;

	s->calls++;
	if (s->at != NULL)
		s->at(s, p);
	return true;
}

/* `count` runs of `each` values, so that all keys are in all of them. Not merged yet. */
static shale_db *filled(struct sim *sim, shale_options o, unsigned count, unsigned each)
{
	shale_db *db;

	o.memory_budget = 64 << 20;
	o.memtable_bytes = 8 << 20;
	o.durability = SHALE_PROCESS;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.default_cf.compaction.table_bytes = 64 << 20;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_pause_compaction(db));
	for (unsigned r = 0; r < count; r++) {
		for (unsigned i = 0; i < each; i++)
			put(db, NULL, i * count + r, VALUE);
		need_ok(shale_flush(db, NULL));
	}
	/* Tables are open, so that what is read from now on are their blocks. */
	for (unsigned i = 0; i < count; i++)
		need_ok(has(db, NULL, i));
	(void)sim;
	return db;
}

static void compact(struct seen *s)
{
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;

	o.progress = told;
	o.arg = s;
	need_ok(shale_resume_compaction(s->db));
	sim_fs_on_call(sim_get_fs(s->sim), on_call, s);
	s->start_ns = now_ns(s->sim);
	s->start_bytes = stats_of(s->db).rate_bytes;
	need_ok(shale_compact(s->db, &o));
	sim_fs_on_call(sim_get_fs(s->sim), NULL, NULL);
}

static double seconds_since(const struct seen *s, uint64_t ns)
{
	return (double)(now_ns(s->sim) - ns) / (double)SECOND;
}

/* ---- fixed limits ---- */

static void limit_bytes(void *arg)
{
	struct sim *sim = arg;
	struct seen s = { .sim = sim };
	shale_stats stats;

	s.db = filled(sim, small_options(sim), 3, 400);
	limit(s.db, MB, 0);
	need(stats_of(s.db).rate_bytes_per_s == MB && stats_of(s.db).rate_ops_per_s == 0);
	compact(&s);
	stats = stats_of(s.db);
	need(stats.compactions == 1 && stats.compaction_read_bytes > 4 * MB);
	need(within(seconds_since(&s, s.start_ns) * MB,
		    (double)(stats.compaction_read_bytes + stats.compaction_written_bytes)));
	need(within((double)(stats.rate_bytes - s.start_bytes),
		    (double)(stats.compaction_read_bytes + stats.compaction_written_bytes)));
	need(within((double)stats.rate_wait_ns, (double)(now_ns(sim) - s.start_ns)));
	/* Its caller was told all the while. */
	need(s.calls > 20 * seconds_since(&s, s.start_ns));
	need_ok(shale_close(s.db));
}

static void limit_operations(void *arg)
{
	struct sim *sim = arg;
	struct seen s = { .sim = sim };
	shale_stats stats;

	s.db = filled(sim, small_options(sim), 3, 800);
	limit(s.db, 0, 4);
	compact(&s);
	stats = stats_of(s.db);
	need(stats.compactions == 1 && s.reads + s.writes > 60);
	need(stats.rate_ops == s.reads + s.writes);
	need(within(seconds_since(&s, s.start_ns) * 4, (double)stats.rate_ops));
	need_ok(shale_close(s.db));
}

static void a_limit_of_bytes_is_kept_over_a_whole_merge(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, limit_bytes);
}

static void a_limit_of_operations_is_kept_over_a_whole_merge(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, limit_operations);
}

/* ---- changes ---- */

/* In the middle of a wait: a piece of 256 KiB takes four seconds. */
static void change_after_ten_seconds(struct seen *s, const shale_compact_progress *p)
{
	(void)p;
	if (s->changed || seconds_since(s, s->start_ns) < 10)
		return;
	s->changed = true;
	s->changed_ns = now_ns(s->sim);
	limit(s->db, MB / 2, 0);
}

static void change_while_waiting(void *arg)
{
	struct sim *sim = arg;
	struct seen s = { .sim = sim, .at = change_after_ten_seconds };
	double slow, quick;

	s.db = filled(sim, small_options(sim), 3, 200);
	limit(s.db, 64 << 10, 0);
	compact(&s);
	slow = (double)(s.changed_ns - s.start_ns) / (double)SECOND;
	quick = seconds_since(&s, s.changed_ns);
	need(s.changed && slow < 10.1);
	need(within(slow * (64 << 10) + quick * MB / 2,
		    (double)(stats_of(s.db).rate_bytes - s.start_bytes)));
	need_ok(shale_close(s.db));
}

static void a_merge_that_waits_goes_on_at_the_new_rate(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, change_while_waiting);
}

static void note_jump(struct seen *s, const shale_compact_progress *p)
{
	(void)p;
	if (s->changed || seconds_since(s, s->start_ns) < 3)
		return;
	s->changed = true;
	s->changed_ns = now_ns(s->sim);
	sim_set_wall_ms(s->sim, UINT64_C(20000) * 1440 * MINUTE_MS);
}

static void follow_the_clock(void *arg)
{
	struct sim *sim = arg;
	struct seen s = { .sim = sim }, t = { .sim = sim, .at = note_jump };
	shale_rate r = SHALE_RATE_INIT;
	double before, after;

	s.db = t.db = filled(sim, small_options(sim), 3, 400);
	r.bytes_per_s = 256 << 10;
	/* From ten at night to six. */
	r.window[0] = (shale_rate_window){ 22 * 60, 6 * 60, 2 * MB, 0 };
	need_ok(shale_rate_set(s.db, &r));
	/* Five seconds to ten. */
	sim_set_wall_ms(sim, (UINT64_C(20000) * 1440 + 22 * 60) * MINUTE_MS - 5000);
	need(stats_of(s.db).rate_bytes_per_s == 256 << 10);
	compact(&s);
	after = seconds_since(&s, s.start_ns) - 5;
	need(after > 1);
	need(within(5.0 * (256 << 10) + after * 2 * MB,
		    (double)(stats_of(s.db).rate_bytes - s.start_bytes)));
	need(stats_of(s.db).rate_bytes_per_s == 2 * MB);

	/* By day again, and then the clock is set to midnight. */
	need_ok(shale_pause_compaction(s.db));
	sim_set_wall_ms(sim, (UINT64_C(20001) * 1440 + 12 * 60) * MINUTE_MS);
	for (unsigned i = 0; i < 1200; i++)
		put(s.db, NULL, i, VALUE);
	compact(&t);
	before = (double)(t.changed_ns - t.start_ns) / (double)SECOND;
	after = seconds_since(&t, t.changed_ns);
	need(t.changed && after > 1);
	need(within(before * (256 << 10) + after * 2 * MB,
		    (double)(stats_of(s.db).rate_bytes - t.start_bytes)));
	need_ok(shale_close(s.db));
}

static void limits_change_at_the_edge_of_a_window_and_when_the_clock_jumps(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, follow_the_clock);
}

/* ---- writers ---- */

static uint32_t threads;

/* Not one merge ends, yet flushes do, and so does a close. */
static void flush_beside(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	uint64_t start;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.rate_bytes_per_s = 1;
	o.background_threads = threads;
	need_ok(shale_open(DIR, &o, &db));
	start = now_ns(sim);
	for (unsigned i = 0; i < 400; i++) {
		put(db, NULL, i % 100, 1000);
		if (i % 50 == 49) {
			need_ok(shale_flush(db, NULL));
			env_sleep_ns(sim_env(sim), SECOND);
		}
	}
	need(now_ns(sim) - start < 10 * SECOND);
	need(stats_of(db).flushes >= 8 && stats_of(db).compactions == 0);
	need(stats_of(db).rate_ops != 0 && stats_of(db).stops == 0);
	start = now_ns(sim);
	need_ok(shale_close(db));
	need(now_ns(sim) - start < SECOND);
}

static void flushes_and_closing_do_not_wait_for_the_limiter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		threads = 1 + seed % 2;
		run_sim(seed, flush_beside);
	}
}

/* More is written, for long, than merges may do. */
static void write_on(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_stats s;
	shale_db *db;
	bool lifted = false;

	o.durability = SHALE_PROCESS;
	o.rate_bytes_per_s = 16 << 10;
	o.rate_ops_per_s = 1;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 20000; i++) {
		put(db, NULL, i * 7919 % 5000, 1000);
		if (i % 100 != 0)
			continue;
		env_sleep_ns(sim_env(sim), SECOND / 10);
		s = stats_of(db);
		lifted |= s.rate_bytes_per_s == 0 || s.rate_bytes_per_s > 16 << 10;
		need(s.level[0].runs < 40);
	}
	need(lifted && s.stops == 0 && s.compactions != 0);
	need_ok(shale_close(db));
}

static void limits_give_way_before_writers_stop(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_sim(seed, write_on);
}

/* ---- the foreground ---- */

struct merging {
	struct sim *sim;
	shale_db *db;
	_Atomic bool stop;
};

/* Work for as long as it is wanted. */
static void merge_on(void *arg)
{
	struct merging *m = arg;

	while (!atomic_load(&m->stop)) {
		shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;

		for (unsigned i = 0; i < 300; i++)
			put(m->db, NULL, i * 3, VALUE);
		need_ok(shale_compact(m->db, &o));
	}
}

static void read_for(struct merging *m, unsigned seconds)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint64_t end = now_ns(m->sim) + seconds * SECOND;

	o.no_fill_cache = true;
	for (unsigned i = 0; now_ns(m->sim) < end; i++) {
		shale_value v;
		char text[24];

		snprintf(text, sizeof(text), "key%08u", i * 7919 % 1200);
		need(shale_get(m->db, &o, shale_str(text), &v) == SHALE_OK);
		shale_value_release(&v);
		env_sleep_ns(sim_env(m->sim), 200000);
	}
}

static void follow_the_foreground(void *arg)
{
	struct sim *sim = arg;
	const shale_executor_ops *x = sim_env(sim)->executor.ops;
	struct merging m = { .sim = sim };
	shale_rate r = SHALE_RATE_INIT;
	shale_thread *thread;
	shale_stats s;

	m.db = filled(sim, small_options(sim), 3, 400);
	need_ok(shale_resume_compaction(m.db));
	r.bytes_per_s = 8 * MB;
	r.target_p99_us = 600;
	need_ok(shale_rate_set(m.db, &r));
	need(x->spawn(sim_env(sim)->executor.self, "merges", merge_on, &m, &thread) == 0);
	slow_calls(sim, SIM_READ, 2000000);
	read_for(&m, 20);
	s = stats_of(m.db);
	need(s.foreground_p99_ns > 1900000 && s.foreground_p99_ns < 5000000);
	need(s.rate_bytes_per_s >= 1 * MB && s.rate_bytes_per_s < 3 * MB);
	sim_set_latency(sim, NULL);
	read_for(&m, 20);
	s = stats_of(m.db);
	need(s.foreground_p99_ns != 0 && s.foreground_p99_ns < 600000);
	need(s.rate_bytes_per_s == 8 * MB);
	/* Off: nothing is observed. */
	r.target_p99_us = 0;
	need_ok(shale_rate_set(m.db, &r));
	read_for(&m, 1);
	need(stats_of(m.db).foreground_p99_ns == 0);
	atomic_store(&m.stop, true);
	x->join(sim_env(sim)->executor.self, thread);
	need_ok(shale_close(m.db));
}

static void merges_slow_down_where_reads_do(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++)
		run_sim(seed, follow_the_foreground);
}

/* ---- the calls ---- */

static void refuse(struct sim *sim, const shale_rate *bad)
{
	shale_options o = small_options(sim);
	shale_rate good = SHALE_RATE_INIT, now = SHALE_RATE_INIT;
	shale_db *db;

	o.rate = *bad;
	need_status(shale_open(DIR, &o, &db), SHALE_INVALID);
	need(strstr(shale_last_error()->text, "rate") != NULL);
	good.bytes_per_s = 12345;
	o.rate = good;
	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_rate_set(db, bad), SHALE_INVALID);
	need_ok(shale_rate_get(db, &now));
	need(now.bytes_per_s == 12345 && now.target_p99_us == 0 && now.window[3].to_min == 0);
	need_ok(shale_close(db));
}

static void check_options(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_rate r = SHALE_RATE_INIT, now = SHALE_RATE_INIT;
	shale_db *db;

	r.window[3] = (shale_rate_window){ 1440, 3, 0, 0 };
	refuse(sim, &r);
	r.window[3] = (shale_rate_window){ 3, 1441, 0, 0 };
	refuse(sim, &r);
	r.window[3] = (shale_rate_window){ 0, 0, 5, 0 };
	refuse(sim, &r);
	r.window[3] = (shale_rate_window){ 7, 7, 0, 5 };
	refuse(sim, &r);
	r = (shale_rate)SHALE_RATE_INIT;
	r.target_p99_us = 60000001;
	refuse(sim, &r);
	r = (shale_rate)SHALE_RATE_INIT;
	r.struct_size = 3;
	refuse(sim, &r);

	/* The two plain fields are what the struct does not say. */
	o.rate_bytes_per_s = 7;
	o.rate_ops_per_s = 8;
	o.rate.ops_per_s = 9;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_rate_get(db, &now));
	need(now.bytes_per_s == 7 && now.ops_per_s == 9 && now.struct_size == sizeof(now));
	r = (shale_rate){ 0 };
	need_status(shale_rate_set(db, &r), SHALE_INVALID);
	need_ok(shale_close(db));
	/* Zeroes mean none, as elsewhere, and a caller may be older than the struct. */
	o = small_options(sim);
	o.rate = (shale_rate){ 0 };
	need_ok(shale_open(DIR, &o, &db));
	r = (shale_rate)SHALE_RATE_INIT;
	r.struct_size = offsetof(shale_rate, ops_per_s);
	r.bytes_per_s = 4;
	r.ops_per_s = 5;
	need_ok(shale_rate_set(db, &r));
	need_ok(shale_rate_get(db, &now));
	need(now.bytes_per_s == 4 && now.ops_per_s == 0);
	need_ok(shale_close(db));
	o.read_only = true;
	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_rate_set(db, &r), SHALE_READ_ONLY);
	need_ok(shale_close(db));
}

static void limits_out_of_range_are_refused(void **state)
{
	(void)state;
	run_sim(1, check_options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_of_bytes_is_kept_over_a_whole_merge),
		cmocka_unit_test(a_limit_of_operations_is_kept_over_a_whole_merge),
		cmocka_unit_test(a_merge_that_waits_goes_on_at_the_new_rate),
		cmocka_unit_test(limits_change_at_the_edge_of_a_window_and_when_the_clock_jumps),
		cmocka_unit_test(flushes_and_closing_do_not_wait_for_the_limiter),
		cmocka_unit_test(limits_give_way_before_writers_stop),
		cmocka_unit_test(merges_slow_down_where_reads_do),
		cmocka_unit_test(limits_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
