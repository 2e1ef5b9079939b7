/*
 * Merges that are told about, ended, and paused: what was asked for is told how far it
 * is and can be ended; a pause holds merges where they are, and nobody else.
 */
#include "regress/sim_store.h"

#include "base/lock.h"
#include "base/rand.h"

#define SECOND UINT64_C(1000000000)

enum { KEYS = 400, VALUE = 1000 };

static uint64_t now_ns(struct sim *sim)
{
	return sim_get_stats(sim).now_ns;
}

static shale_options with_threads(struct sim *sim, uint32_t threads)
{
	shale_options o = small_options(sim);

	o.durability = SHALE_PROCESS;
	o.background_threads = threads;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.default_cf.compaction.table_bytes = 64 << 10;
	return o;
}

static void fill(shale_db *db, shale_cf *cf, unsigned runs)
{
	shale_flush_options o = SHALE_FLUSH_OPTIONS_INIT;

	o.cf = cf;
	for (unsigned r = 0; r < runs; r++) {
		for (unsigned i = r % 3; i < KEYS; i += 3)
			put(db, cf, i, VALUE);
		need_ok(shale_flush(db, &o));
	}
}

static void check_all(shale_db *db, shale_cf *cf)
{
	for (unsigned i = 0; i < KEYS; i++)
		need(has(db, cf, i) == SHALE_OK);
	need(has(db, cf, KEYS) == SHALE_NOT_FOUND);
	need_ok(shale_check(db, NULL, NULL, NULL));
}

static int count_table(void *arg, const char *name, uint64_t size, bool is_dir)
{
	size_t n = strlen(name);

	(void)size;
	(void)is_dir;
	*(unsigned *)arg += n > 4 && strcmp(name + n - 4, ".sst") == 0;
	return 0;
}

static unsigned files(struct sim *sim)
{
	unsigned n = 0;

	sim_fs_list(sim_get_fs(sim), DIR, count_table, &n);
	return n;
}

static unsigned tables(shale_db *db)
{
	shale_stats s = stats_of(db);
	uint64_t n = 0;

	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		n += s.level[l].tables;
	return (unsigned)n;
}

/* ---- told, and ended ---- */

struct listener {
	unsigned calls, end_at; /* the call that says no more; 0: none */
	shale_compact_progress last;
	struct task *task;
};

static bool listen(void *arg, const shale_compact_progress *p)
{
	struct listener *l = arg;

	l->calls++;
	need(l->task == task_self());
	need(p->bytes_total >= l->last.bytes_total && p->bytes_done >= l->last.bytes_done);
	need(p->bytes_done <= p->bytes_total && p->jobs_done <= p->jobs_total);
	l->last = *p;
	return l->calls != l->end_at;
}

static shale_status compact(shale_db *db, shale_cf *cf, struct listener *l)
{
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;

	l->task = task_self();
	o.cf = cf;
	o.progress = listen;
	o.arg = l;
	return shale_compact(db, &o);
}

static void end_at_every_call(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 2);
	uint64_t written;
	unsigned n;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	fill(db, NULL, 6);
	need_ok(shale_wait_idle(db));
	fill(db, NULL, 1);
	need_ok(shale_wait_idle(db));
	n = tables(db);
	written = stats_of(db).compaction_written_bytes;
	for (unsigned i = 1;; i++) {
		struct listener l = { .end_at = i };
		shale_status rc = compact(db, NULL, &l);

		if (rc == SHALE_OK) {
			need(l.calls < i || l.last.jobs_done == 1);
			break;
		}
		need_status(rc, SHALE_MORE);
		need(l.calls == i);
		need(tables(db) == n && files(sim) == n);
		need(stats_of(db).compaction_written_bytes == written);
		need(i < 100);
	}
	need(stats_of(db).compaction_written_bytes > written);
	check_all(db, NULL);
	need_ok(shale_close(db));
}

static void a_compaction_can_be_ended_at_every_call_and_leaves_all_as_it_was(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, end_at_every_call);
}

/* Of less than is merged between two questions: the limiter would hold it for an hour. */
static void end_a_small_one(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 2);
	shale_rate r = SHALE_RATE_INIT;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 2; i++) {
		put(db, NULL, i, VALUE);
		need_ok(shale_flush(db, NULL));
	}
	r.bytes_per_s = 1;
	need_ok(shale_rate_set(db, &r));
	for (unsigned i = 1; i < 10; i++) {
		struct listener l = { .end_at = i };

		need_status(compact(db, NULL, &l), SHALE_MORE);
		need(tables(db) == 2 && files(sim) == 2);
	}
	need_ok(shale_close(db));
}

static void a_small_compaction_can_be_ended_too(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, end_a_small_one);
}

static void tell(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 2);
	struct listener l = { .end_at = 0 }, none = { .end_at = 0 };
	shale_db *db;

	o.default_cf.compaction.top_runs = 64; /* nothing is merged but for us */
	need_ok(shale_open(DIR, &o, &db));
	fill(db, NULL, 9);
	need_ok(compact(db, NULL, &l));
	need(l.calls > 5);
	need(l.last.bytes_total > KEYS * VALUE && l.last.bytes_done == l.last.bytes_total);
	need(l.last.jobs_done == 1 && l.last.jobs_total == 1 && !l.last.paused);
	/* Nothing to do, and that is told, too. */
	need_ok(compact(db, NULL, &none));
	need(none.calls == 1 && none.last.bytes_total == 0 && none.last.jobs_done == 1);
	need_ok(shale_close(db));
}

static void who_asked_is_told_up_to_the_end(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, tell);
}

/* ---- paused ---- */

static uint32_t threads;
static unsigned end_as;

/* More runs than writers would be stopped for, and an idle store; then all is merged. */
static void pause_all(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, threads);
	struct listener l = { .end_at = 0 };
	shale_stats s;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_resume_compaction(db), SHALE_INVALID);
	need_ok(shale_pause_compaction(db));
	need_ok(shale_pause_compaction(db));
	fill(db, NULL, 30);
	s = stats_of(db);
	need(s.compaction_pauses == 2 && s.stops == 0 && s.compactions + s.trivial_moves == 0);
	need(s.level[0].runs >= 30);
	need_ok(shale_wait_idle(db));
	need_status(compact(db, NULL, &l), SHALE_MORE);
	need(l.calls == 0);
	env_sleep_ns(sim_env(sim), 10 * SECOND);
	need_ok(shale_resume_compaction(db));
	need_ok(shale_wait_idle(db));
	need(stats_of(db).level[0].runs >= s.level[0].runs);
	need(stats_of(db).compaction_pauses == 1);
	need_ok(shale_resume_compaction(db));
	need_ok(shale_wait_idle(db));
	s = stats_of(db);
	need(s.level[0].runs <= 4 && s.compactions != 0 && s.compaction_pauses == 0);
	check_all(db, NULL);
	need_ok(shale_close(db));
	o.read_only = true;
	need_ok(shale_open(DIR, &o, &db));
	need_status(shale_pause_compaction(db), SHALE_READ_ONLY);
	need_status(shale_resume_compaction(db), SHALE_READ_ONLY);
	need_ok(shale_close(db));
}

static void while_paused_all_goes_on_but_merges(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		threads = 1 + seed % 2;
		run_sim(seed, pause_all);
	}
}

/* Until a merge in the background is in the middle of its tables. */
static void into_a_merge(struct sim *sim, shale_db *db)
{
	shale_rate r = SHALE_RATE_INIT;

	r.bytes_per_s = 300 << 10;
	need_ok(shale_rate_set(db, &r));
	need_ok(shale_pause_compaction(db));
	fill(db, NULL, 3); /* few enough that the limit holds */
	need_ok(shale_resume_compaction(db));
	for (int i = 0; stats_of(db).rate_bytes < 400 << 10; i++) {
		need(i < 1000);
		env_sleep_ns(sim_env(sim), SECOND / 100);
	}
}

/*
 * A merge under way is held; flushes and their writers are not, with one thread either.
 * Then it ends, or the store is closed or the family dropped under it.
 */
static void pause_in_the_middle(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, threads);
	uint64_t bytes, flushes, compactions, start;
	shale_db *db;
	unsigned n;

	need_ok(shale_open(DIR, &o, &db));
	into_a_merge(sim, db);
	need_ok(shale_pause_compaction(db));
	env_sleep_ns(sim_env(sim), 2 * SECOND); /* what it had begun to wait for */
	bytes = stats_of(db).rate_bytes;
	flushes = stats_of(db).flushes;
	compactions = stats_of(db).compactions;
	start = now_ns(sim);
	fill(db, NULL, 10);
	need_ok(shale_wait_idle(db));
	need(now_ns(sim) - start < 5 * SECOND);
	env_sleep_ns(sim_env(sim), 20 * SECOND);
	need(stats_of(db).rate_bytes == bytes && stats_of(db).compactions == compactions);
	need(stats_of(db).flushes >= flushes + 10 && stats_of(db).stops == 0);
	if (end_as != 0) {
		need_ok(shale_resume_compaction(db));
		need_ok(shale_wait_idle(db));
		need(stats_of(db).compactions > compactions);
		check_all(db, NULL);
	}
	start = now_ns(sim);
	need_ok(shale_close(db));
	need(now_ns(sim) - start < SECOND);
	n = files(sim);
	need_ok(shale_open(DIR, &o, &db));
	need(n == tables(db)); /* nothing was left over */
	check_all(db, NULL);
	need_ok(shale_close(db));
}

static void a_pause_holds_a_merge_where_it_is(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		threads = 1 + seed % 3;
		end_as = seed / 3 % 2;
		run_sim(seed, pause_in_the_middle);
	}
}

/* ---- by several tasks ---- */

struct asked {
	struct sim *sim;
	shale_db *db;
	shale_cf *cf;
	shale_status rc;
	_Atomic unsigned calls, paused_calls;
	_Atomic bool no_more, ended;
};

static bool hear(void *arg, const shale_compact_progress *p)
{
	struct asked *a = arg;

	atomic_fetch_add(&a->calls, 1);
	atomic_fetch_add(&a->paused_calls, p->paused);
	return !atomic_load(&a->no_more);
}

static void ask(void *arg)
{
	struct asked *a = arg;
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;

	o.cf = a->cf;
	o.progress = hear;
	o.arg = a;
	a->rc = shale_compact(a->db, &o);
	if (a->rc < 0)
		need(strstr(shale_last_error()->text, "dropped") != NULL);
	atomic_store(&a->ended, true);
}

static shale_thread *start(struct asked *a)
{
	const shale_env *env = sim_env(a->sim);
	shale_thread *t;

	need(env->executor.ops->spawn(env->executor.self, "asks", ask, a, &t) == 0);
	return t;
}

static void join(struct asked *a, shale_thread *t)
{
	const shale_env *env = sim_env(a->sim);

	env->executor.ops->join(env->executor.self, t);
}

/* It waits with the others, is told so, and another waits for it; both can be ended. */
static void pause_what_was_asked_for(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 2);
	struct asked a = { .sim = sim }, b = { .sim = sim };
	shale_thread *ta, *tb;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "other", NULL, &a.cf));
	a.db = b.db = db;
	need_ok(shale_pause_compaction(db));
	fill(db, a.cf, 3);
	fill(db, NULL, 3);
	need_ok(shale_resume_compaction(db));
	o.rate.bytes_per_s = 50 << 10;
	need_ok(shale_rate_set(db, &o.rate));
	ta = start(&a);
	while (atomic_load(&a.calls) < 3)
		env_sleep_ns(sim_env(sim), 1000000);
	need_ok(shale_pause_compaction(db));
	tb = start(&b);
	env_sleep_ns(sim_env(sim), 10 * SECOND);
	need(!atomic_load(&a.ended) && atomic_load(&a.paused_calls) > 100);
	need(atomic_load(&b.ended) && b.rc == SHALE_MORE); /* it was paused before */
	join(&b, tb);
	switch (end_as) {
	case 0:
		atomic_store(&a.no_more, true);
		join(&a, ta);
		need(a.rc == SHALE_MORE);
		break;
	case 1:
		need_ok(shale_cf_drop(db, "other"));
		join(&a, ta);
		need(a.rc == SHALE_INVALID);
		break;
	default:
		o.rate.bytes_per_s = 0;
		need_ok(shale_rate_set(db, &o.rate));
		need_ok(shale_resume_compaction(db));
		need_ok(shale_compact(db, NULL)); /* after it */
		need(atomic_load(&a.ended));
		join(&a, ta);
		need(a.rc == SHALE_OK);
		check_all(db, a.cf);
	}
	check_all(db, NULL);
	shale_cf_release(a.cf);
	need_ok(shale_close(db));
}

static void a_compaction_that_was_asked_for_is_paused_too_and_can_be_ended(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 9; seed++) {
		end_as = seed % 3;
		run_sim(seed, pause_what_was_asked_for);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compaction_can_be_ended_at_every_call_and_leaves_all_as_it_was),
		cmocka_unit_test(a_small_compaction_can_be_ended_too),
		cmocka_unit_test(who_asked_is_told_up_to_the_end),
		cmocka_unit_test(while_paused_all_goes_on_but_merges),
		cmocka_unit_test(a_pause_holds_a_merge_where_it_is),
		cmocka_unit_test(a_compaction_that_was_asked_for_is_paused_too_and_can_be_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
