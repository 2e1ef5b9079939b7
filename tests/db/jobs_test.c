/*
 * Which background work comes when, on a simulated machine: what cannot wait is done while
 * a long merge runs, a busy family does not keep others from their turn, a deadline is met,
 * and one merge is done by several threads.
 */
#include "regress/sim_store.h"

#include "base/lock.h"

#define SECOND UINT64_C(1000000000)

enum { VALUE = 1000, KEYS = 200 };

static shale_options with_threads(struct sim *sim, uint32_t threads)
{
	shale_options o = small_options(sim);

	o.durability = SHALE_PROCESS;
	o.memory_budget = 32 << 20;
	o.memtable_bytes = 1 << 20;
	o.background_threads = threads;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	o.default_cf.compaction.top_runs = 4;
	o.default_cf.compaction.table_bytes = 64 << 10;
	return o;
}

static uint32_t threads; /* of the run that is on */

/* With each seed, and 1 to `most` threads by turns. */
static void run_with_threads(uint64_t seeds, unsigned most, void (*fn)(void *sim))
{
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		threads = 1 + (uint32_t)(seed % most);
		run_sim(seed, fn);
	}
}

/* Runs of all keys, one flush each. */
static void add_runs(shale_db *db, shale_cf *cf, unsigned runs, unsigned keys)
{
	shale_flush_options o = SHALE_FLUSH_OPTIONS_INIT;

	o.cf = cf;
	for (unsigned r = 0; r < runs; r++) {
		for (unsigned i = 0; i < keys; i++)
			put(db, cf, i, VALUE);
		need_ok(shale_flush(db, &o));
	}
}

static void limit(shale_db *db, uint64_t bytes_per_s)
{
	shale_rate r = SHALE_RATE_INIT;

	r.bytes_per_s = bytes_per_s;
	need_ok(shale_rate_set(db, &r));
}

/* ---- what was done ---- */

struct seen {
	uint32_t cf;
	shale_job_kind kind;
	shale_reason reason; /* SHALE_REASON_OTHER: any */
	uint64_t first;      /* jobs with lesser ids do not count */

	uint64_t id;     /* of the first such job that is done; 0: none */
	uint64_t before; /* bytes that others read before it, merges of other families */
	unsigned jobs;   /* of these */
	shale_job job;
};

static bool see(void *arg, const shale_job *j)
{
	struct seen *s = arg;

	if (j->state == SHALE_JOB_DONE)
		need(j->entries_in == j->entries_kept + j->dropped_shadowed +
					      j->dropped_tombstones + j->dropped_expired +
					      j->dropped_range);
	if (j->state != SHALE_JOB_DONE || j->id < s->first || s->id != 0)
		return true;
	if (j->cf_id == s->cf && j->kind == s->kind &&
	    (s->reason == SHALE_REASON_OTHER || s->reason == j->reason)) {
		s->id = j->id;
		s->job = *j;
	} else if (j->cf_id != s->cf && j->kind == SHALE_JOB_MERGE) {
		s->before += j->bytes_in;
		s->jobs++;
	}
	return true;
}

static struct seen look_for(shale_db *db, shale_cf *cf, shale_job_kind kind, shale_reason reason,
			    uint64_t first)
{
	struct seen s = {
		.cf = cf != NULL ? 1 : 0, .kind = kind, .reason = reason, .first = first
	};

	need_ok(shale_compactions(db, see, &s));
	return s;
}

static bool last_id(void *arg, const shale_job *j)
{
	uint64_t *last = arg;

	*last = j->id > *last ? j->id : *last;
	return true;
}

static uint64_t next_id(shale_db *db)
{
	uint64_t last = 0;

	need_ok(shale_compactions(db, last_id, &last));
	return last + 1;
}

/* ---- fairness ---- */

/* One merge is begun at a time; one family owes many, and always the most. */
static void take_turns(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 2);
	shale_cf *small;
	struct seen s;
	uint64_t first;
	shale_db *db;

	o.default_cf.compaction.policy = SHALE_LEVELED;
	o.default_cf.compaction.base_bytes = 64 << 10;
	o.default_cf.compaction.size_ratio = 4;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "small", &o.default_cf, &small));
	add_runs(db, NULL, 4, 8 * KEYS);
	need_ok(shale_wait_idle(db));
	need_ok(shale_pause_compaction(db));
	add_runs(db, NULL, 7, 8 * KEYS);
	add_runs(db, small, 4, 10);
	first = next_id(db);
	need_ok(shale_resume_compaction(db));
	need_ok(shale_wait_idle(db));
	s = look_for(db, small, SHALE_JOB_MERGE, SHALE_REASON_OTHER, first);
	need(s.id != 0);
	/* The first may have been the busy family's; and it had many more to do. */
	need(s.jobs <= 1);
	need(stats_of(db).compactions > 6);
	shale_cf_release(small);
	need_ok(shale_close(db));
}

static void a_family_that_owes_little_waits_for_one_merge_of_another(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++)
		run_sim(seed, take_turns);
}

/* A memtable of a quiet family is sealed while those of a busy one queue up. */
static void flush_in_order(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 1);
	struct slow_tables slow = { .sim = sim, .ns = SECOND };
	shale_cf *quiet;
	unsigned flushes;
	struct seen s;
	shale_db *db;

	o.memtable_bytes = 64 << 10;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "quiet", &o.default_cf, &quiet));
	need_ok(shale_pause_compaction(db));
	slow_tables(&slow);
	for (unsigned i = 0; i < 140; i++) /* two are sealed, the first is being written */
		put(db, NULL, i, VALUE);
	for (unsigned i = 0; i < 70; i++)
		put(db, quiet, i, VALUE);
	for (unsigned i = 0; i < 140; i++)
		put(db, NULL, i, VALUE);
	need_ok(shale_wait_idle(db));
	s = look_for(db, quiet, SHALE_JOB_FLUSH, SHALE_REASON_OTHER, 0);
	flushes = (unsigned)stats_of(db).flushes;
	need(s.id != 0 && flushes >= 4);
	need(s.id < flushes); /* not the last of all */
	need_ok(shale_resume_compaction(db));
	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	shale_cf_release(quiet);
	need_ok(shale_close(db));
}

static void memtables_of_all_families_are_flushed_in_the_order_they_were_sealed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_sim(seed, flush_in_order);
}

/* ---- making way ---- */

/* A merge of minutes is under way; runs of another family pile up. */
static void make_way(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, threads);
	shale_cf_options few = o.default_cf;
	uint64_t first, flushes;
	shale_cf *other;
	struct seen s;
	shale_db *db;

	few.compaction.top_runs = 2;
	o.memtable_bytes = 4 << 20;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "other", &few, &other));
	need_ok(shale_pause_compaction(db));
	add_runs(db, NULL, 4, 10 * KEYS);
	limit(db, 200 << 10); /* 8 MB in, 2 out: 50 seconds */
	first = next_id(db);
	need_ok(shale_resume_compaction(db));
	env_sleep_ns(sim_env(sim), SECOND);
	need(stats_of(db).compactions == 0);
	add_runs(db, other, 4, 4);
	/* Each of its four reads may wait for a piece of each other thread. */
	env_sleep_ns(sim_env(sim), 20 * SECOND);
	s = look_for(db, other, SHALE_JOB_MERGE, SHALE_MERGE_TOP_RUNS, first);
	need(s.id != 0 && s.jobs == 0);
	need(look_for(db, NULL, SHALE_JOB_MERGE, SHALE_REASON_OTHER, first).id == 0);
	/* And so do flushes. */
	flushes = stats_of(db).flushes;
	add_runs(db, other, 2, 4);
	need(stats_of(db).flushes == flushes + 2);
	need(look_for(db, NULL, SHALE_JOB_MERGE, SHALE_REASON_OTHER, first).id == 0);
	limit(db, 0);
	need_ok(shale_wait_idle(db));
	for (unsigned i = 0; i < 10 * KEYS; i++)
		need(has(db, NULL, i) == SHALE_OK);
	for (unsigned i = 0; i < 4; i++)
		need(has(db, other, i) == SHALE_OK);
	need_ok(shale_check(db, NULL, NULL, NULL));
	shale_cf_release(other);
	need_ok(shale_close(db));
}

static void a_long_merge_makes_way_for_what_holds_writers_up(void **state)
{
	(void)state;
	run_with_threads(9, 3, make_way);
}

struct asked {
	shale_db *db;
	_Atomic bool ended;
};

static void ask(void *arg)
{
	struct asked *a = arg;

	need_ok(shale_compact(a->db, NULL));
	atomic_store(&a->ended, true);
}

/* What was asked for goes on for minutes; the threads that help make way, too. */
static void make_way_when_asked(void *arg)
{
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = with_threads(sim, threads);
	shale_cf_options few = o.default_cf;
	struct asked a = { .ended = false };
	shale_thread *t;
	shale_cf *other;
	uint64_t first;
	shale_db *db;

	few.compaction.top_runs = 2;
	o.memtable_bytes = 4 << 20;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "other", &few, &other));
	add_runs(db, NULL, 3, 10 * KEYS);
	limit(db, 100 << 10); /* 6 MB in, 2 out: 80 seconds */
	first = next_id(db);
	a.db = db;
	need(env->executor.ops->spawn(env->executor.self, "asks", ask, &a, &t) == 0);
	env_sleep_ns(env, SECOND);
	add_runs(db, other, 4, 4);
	env_sleep_ns(env, 45 * SECOND);
	need(look_for(db, other, SHALE_JOB_MERGE, SHALE_MERGE_TOP_RUNS, first).id != 0);
	need(!atomic_load(&a.ended));
	limit(db, 0);
	env->executor.ops->join(env->executor.self, t);
	need(atomic_load(&a.ended));
	need_ok(shale_wait_idle(db));
	need_ok(shale_check(db, NULL, NULL, NULL));
	shale_cf_release(other);
	need_ok(shale_close(db));
}

static void a_merge_that_was_asked_for_takes_no_thread_from_others_for_good(void **state)
{
	(void)state;
	run_with_threads(6, 3, make_way_when_asked);
}

/* ---- deadlines ---- */

enum {
	HOUR_MS = 3600000,
	SLOW = 10000, /* bytes a second: 32 MB in, 8 out; a piece is half a minute */
};

/* One family's merge takes more than an hour; another's deletes must be gone in one. */
static void meet_the_deadline(void *arg, bool opened_anew)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, threads);
	shale_cf_options hurry = o.default_cf;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	uint64_t first;
	shale_cf *cf;
	struct seen s;
	shale_db *db;

	hurry.compaction.delete_within_ms = HOUR_MS;
	o.memory_budget = 128 << 20;
	o.memtable_bytes = 16 << 20;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "hurry", &hurry, &cf));
	add_runs(db, cf, 1, 4);
	w.cf = cf;
	need_ok(shale_delete(db, &w, shale_str("key00000002")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_pause_compaction(db));
	for (unsigned r = 0; r < 4; r++) {
		for (unsigned i = 0; i < 500; i++)
			put(db, NULL, i, 16000);
		need_ok(shale_flush(db, NULL));
	}
	first = next_id(db);
	if (opened_anew) {
		shale_cf_release(cf);
		need_ok(shale_close(db));
		o.rate.bytes_per_s = SLOW;
		need_ok(shale_open(DIR, &o, &db));
		need_ok(shale_cf_open(db, "hurry", &cf));
	} else {
		limit(db, SLOW);
		need_ok(shale_resume_compaction(db));
	}
	for (unsigned minute = 0; minute < 60; minute++)
		env_sleep_ns(sim_env(sim), 60 * SECOND);
	s = look_for(db, cf, SHALE_JOB_MERGE, SHALE_MERGE_DEADLINE, first);
	need(s.id != 0 && s.job.dropped_tombstones == 1);
	need(look_for(db, NULL, SHALE_JOB_MERGE, SHALE_REASON_OTHER, first).id == 0);
	limit(db, 0);
	need_ok(shale_wait_idle(db));
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void with_what_is_open(void *sim)
{
	meet_the_deadline(sim, false);
}

/* Nothing is written that would have the store look for what is urgent. */
static void with_what_is_opened(void *sim)
{
	meet_the_deadline(sim, true);
}

static void a_deadline_is_met_though_all_threads_are_in_long_merges(void **state)
{
	(void)state;
	run_with_threads(4, 2, with_what_is_open);
	run_with_threads(4, 2, with_what_is_opened);
}

/*
 * A merge of level 0 of half a minute is under way, and the merge that a deadline asks for in
 * another family takes minutes: writers of the first do not wait for both.
 */
static void not_for_a_large_one(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 1);
	shale_cf_options hurry = o.default_cf;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	uint64_t first;
	shale_cf *cf;
	struct seen s;
	shale_db *db;

	hurry.compaction.policy = SHALE_LEVELED;
	hurry.compaction.delete_within_ms = HOUR_MS;
	o.memory_budget = 128 << 20;
	o.memtable_bytes = 16 << 20;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "hurry", &hurry, &cf));
	add_runs(db, cf, 1, 40 * KEYS);
	co.cf = cf;
	need_ok(shale_compact(db, &co));
	w.cf = cf;
	need_ok(shale_delete(db, &w, shale_str("key00000000")));
	need_ok(shale_delete(db, &w, shale_str("key00007999")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_pause_compaction(db));
	add_runs(db, NULL, 4, 3 * KEYS); /* 2.4 MB in, 0.6 out */
	limit(db, 100 << 10);
	first = next_id(db);
	need_ok(shale_resume_compaction(db));
	env_sleep_ns(sim_env(sim), SECOND);
	sim_set_wall_ms(sim, env_wall_ms(o.env) + HOUR_MS * UINT64_C(9) / 10);
	env_sleep_ns(sim_env(sim), 60 * SECOND);
	need(look_for(db, NULL, SHALE_JOB_MERGE, SHALE_MERGE_TOP_RUNS, first).id != 0);
	limit(db, 0);
	env_sleep_ns(sim_env(sim), 60 * SECOND);
	need_ok(shale_wait_idle(db));
	s = look_for(db, cf, SHALE_JOB_MERGE, SHALE_MERGE_DEADLINE, first);
	need(s.id != 0);
	need(look_for(db, cf, SHALE_JOB_MERGE, SHALE_MERGE_DEADLINE, s.id + 1).job.bytes_in >
	     30 * KEYS * VALUE);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void a_merge_of_level_0_stands_still_for_no_large_merge_that_is_late(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, not_for_a_large_one);
}

/* ---- several threads ---- */

enum { TASKS = 16 };

struct writers {
	struct task *task[TASKS];
	size_t count;
};

static void note_writer(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct writers *w = arg;
	size_t n = strlen(name), i = 0;

	(void)fs;
	if (op != SIM_WRITE || n < 4 || strcmp(name + n - 4, ".sst") != 0)
		return;
	while (i < w->count && w->task[i] != task_self())
		i++;
	if (i == w->count && i < TASKS)
		w->task[w->count++] = task_self();
}

static void share(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, threads);
	shale_snapshot *snapshot = NULL;
	struct writers w = { .count = 0 };
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	char from[24], to[24];
	shale_stats before, after;
	shale_value value;
	struct seen s;
	uint64_t first;
	shale_db *db;

	o.default_cf.compaction.top_runs = 64;
	need_ok(shale_open(DIR, &o, &db));
	add_runs(db, NULL, 3, 8 * KEYS);
	need_ok(shale_snapshot_new(db, &snapshot));
	snprintf(from, sizeof(from), "key%08u", KEYS);
	snprintf(to, sizeof(to), "key%08u", 6 * KEYS); /* over most cuts */
	need_ok(shale_delete_range(db, NULL, shale_str(from), shale_str(to)));
	for (unsigned i = 0; i < 8 * KEYS; i += 5)
		put(db, NULL, i, VALUE);
	need_ok(shale_flush(db, NULL));
	first = next_id(db);
	before = stats_of(db);
	sim_fs_on_call(sim_get_fs(sim), note_writer, &w);
	slow_calls(sim, SIM_WRITE, SECOND / 100);
	need_ok(shale_compact(db, NULL));
	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	after = stats_of(db);
	/* The one who asked, and all of the others but the one for flushes. */
	need(w.count == (threads > 1 ? threads : 2));
	need(after.compactions == before.compactions + 1);
	s = look_for(db, NULL, SHALE_JOB_MERGE, SHALE_MERGE_ASKED, first);
	need(s.id != 0 && s.job.entries_in == 3 * 8 * KEYS + (8 * KEYS + 4) / 5);
	need(s.job.entries_in - s.job.entries_kept ==
	     after.entries_in - before.entries_in - (after.entries_kept - before.entries_kept));
	need(s.job.dropped_shadowed + s.job.dropped_range == s.job.entries_in - s.job.entries_kept);
	r.snapshot = snapshot;
	for (unsigned i = 0; i < 8 * KEYS; i++) {
		bool gone = i >= KEYS && i < 6 * KEYS && i % 5 != 0;
		char text[24];

		need(has(db, NULL, i) == (gone ? SHALE_NOT_FOUND : SHALE_OK));
		snprintf(text, sizeof(text), "key%08u", i);
		need_ok(shale_get(db, &r, shale_str(text), &value));
		shale_value_release(&value);
	}
	shale_snapshot_free(snapshot);
	need_ok(shale_compact(db, NULL));
	need(stats_of(db).live_bytes >= 3 * KEYS * VALUE);
	for (unsigned i = 0; i < 8 * KEYS; i += 7)
		need(has(db, NULL, i) ==
		     (i >= KEYS && i < 6 * KEYS && i % 5 != 0 ? SHALE_NOT_FOUND : SHALE_OK));
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_close(db));
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_close(db));
}

static void one_merge_is_done_by_several_threads_and_comes_out_the_same(void **state)
{
	(void)state;
	run_with_threads(8, 4, share);
}

/* A part fails: so does the merge, nothing stays, and the next try succeeds. */
static unsigned fail_at;

static void fail_a_part(void *arg)
{
	struct sim *sim = arg;
	shale_options o = with_threads(sim, 4);
	struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".sst", .nth = fail_at, .err = EIO
	};
	uint64_t tables = 0;
	shale_status rc;
	shale_stats s;
	shale_db *db;

	o.default_cf.compaction.top_runs = 64;
	need_ok(shale_open(DIR, &o, &db));
	add_runs(db, NULL, 3, 8 * KEYS);
	s = stats_of(db);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		tables += s.level[l].tables;
	sim_fs_fault(sim_get_fs(sim), &rule);
	rc = shale_compact(db, NULL);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_status(rc, SHALE_IO);
	need(strstr(shale_last_error()->object, ".sst") != NULL);
	s = stats_of(db);
	for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
		tables -= s.level[l].tables;
	need(tables == 0 && s.compactions == 0);
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_compact(db, NULL));
	need(stats_of(db).compactions == 1);
	need_ok(shale_check(db, NULL, NULL, NULL));
	need_ok(shale_close(db));
}

static void when_a_part_fails_the_merge_has_not_been(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		fail_at = (unsigned)seed;
		run_sim(seed, fail_a_part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_that_owes_little_waits_for_one_merge_of_another),
		cmocka_unit_test(
			memtables_of_all_families_are_flushed_in_the_order_they_were_sealed),
		cmocka_unit_test(a_long_merge_makes_way_for_what_holds_writers_up),
		cmocka_unit_test(a_merge_that_was_asked_for_takes_no_thread_from_others_for_good),
		cmocka_unit_test(a_deadline_is_met_though_all_threads_are_in_long_merges),
		cmocka_unit_test(a_merge_of_level_0_stands_still_for_no_large_merge_that_is_late),
		cmocka_unit_test(one_merge_is_done_by_several_threads_and_comes_out_the_same),
		cmocka_unit_test(when_a_part_fails_the_merge_has_not_been),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
