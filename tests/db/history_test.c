/*
 * What the store tells of its background work: each job with its reason and counts that
 * add up, kept over closing and dying, beside a store that is open; and writers that had
 * to wait, with what held them back.
 */
#include "regress/sim_store.h"

#include "db/db.h"

#include <string.h>

enum { SEEN_MAX = 512 };

struct seen {
	size_t count;
	shale_job jobs[SEEN_MAX];
	char names[SEEN_MAX][16];
	char texts[SEEN_MAX][400];
};

static struct seen seen;

static bool see(void *arg, const shale_job *j)
{
	(void)arg;
	need(seen.count < SEEN_MAX);
	snprintf(seen.names[seen.count], sizeof(seen.names[0]), "%s", j->cf);
	snprintf(seen.texts[seen.count], sizeof(seen.texts[0]), "%s", j->text);
	seen.jobs[seen.count++] = *j;
	return true;
}

static void look(shale_db *db)
{
	seen.count = 0;
	need_ok(shale_compactions(db, see, NULL));
}

static void peek(struct sim *sim)
{
	shale_options o = small_options(sim);

	seen.count = 0;
	need_ok(shale_peek(DIR, &o, NULL, see, NULL));
}

static uint64_t dropped(const shale_job *j)
{
	return j->dropped_shadowed + j->dropped_tombstones + j->dropped_expired + j->dropped_range;
}

/* How many there are of a reason; all that are done add up. */
static unsigned count_reason(shale_reason reason)
{
	unsigned n = 0;

	for (size_t i = 0; i < seen.count; i++) {
		const shale_job *j = &seen.jobs[i];

		need(i == 0 || j->id > seen.jobs[i - 1].id || j->state != SHALE_JOB_DONE ||
		     seen.jobs[i - 1].state != SHALE_JOB_DONE || j->start_ms != 0);
		if (j->state == SHALE_JOB_DONE)
			need(j->entries_in == j->entries_kept + dropped(j));
		n += j->reason == reason;
	}
	return n;
}

static const shale_job *last_of(shale_reason reason)
{
	for (size_t i = seen.count; i-- > 0;)
		if (seen.jobs[i].reason == reason)
			return &seen.jobs[i];
	need(!"a job of that reason");
	return NULL;
}

static void add(shale_work_stats *to, const shale_work_stats *w)
{
	to->jobs += w->jobs;
	to->read_bytes += w->read_bytes;
	to->written_bytes += w->written_bytes;
	to->entries_in += w->entries_in;
	to->entries_kept += w->entries_kept;
	to->dropped_shadowed += w->dropped_shadowed;
	to->dropped_tombstones += w->dropped_tombstones;
	to->dropped_expired += w->dropped_expired;
	to->dropped_range += w->dropped_range;
	to->failed += w->failed;
}

/* Both ways of dividing the work give all of it. */
static void expect_sums(const shale_stats *s)
{
	shale_work_stats reasons = { 0 }, levels = { 0 };
	shale_stall_stats causes = { 0 };

	for (size_t i = 0; i < SHALE_REASONS_MAX; i++)
		add(&reasons, &s->by_reason[i]);
	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		add(&levels, &s->by_level[i]);
	need(memcmp(&reasons, &levels, sizeof(levels)) == 0);
	need(reasons.jobs == s->flushes + s->compactions + s->trivial_moves);
	need(reasons.read_bytes == s->compaction_read_bytes);
	need(reasons.written_bytes == s->flush_bytes + s->compaction_written_bytes);
	need(reasons.entries_in == s->entries_in && reasons.entries_kept == s->entries_kept);
	need(reasons.dropped_shadowed == s->dropped_shadowed);
	need(reasons.dropped_tombstones == s->dropped_tombstones);
	need(reasons.dropped_expired == s->dropped_expired);
	need(reasons.dropped_range == s->dropped_range);
	need(s->entries_in == s->entries_kept + s->dropped_shadowed + s->dropped_tombstones +
				      s->dropped_expired + s->dropped_range);
	for (size_t i = 0; i < SHALE_STALLS_MAX; i++) {
		causes.delays += s->by_cause[i].delays;
		causes.delay_ns += s->by_cause[i].delay_ns;
		causes.stops += s->by_cause[i].stops;
		causes.stop_ns += s->by_cause[i].stop_ns;
	}
	need(causes.delays == s->delayed_writes && causes.delay_ns == s->delay_ns);
	need(causes.stops == s->stops && causes.stop_ns == s->stop_ns);
}

/* ---- reasons ---- */

static void reasons(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	uint64_t last;
	shale_stats s;
	shale_db *db;

	o.default_cf.compaction.top_runs = 2;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 300; i++)
		put(db, NULL, i % 100, 1000);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_wait_idle(db));
	look(db);
	need(count_reason(SHALE_FLUSH_FULL) >= 3);
	need(count_reason(SHALE_FLUSH_ASKED) == 1);
	need(count_reason(SHALE_MERGE_TOP_RUNS) >= 1);
	need(last_of(SHALE_FLUSH_FULL)->kind == SHALE_JOB_FLUSH);
	need(last_of(SHALE_MERGE_TOP_RUNS)->levels_in & 1);
	need(strcmp(seen.names[0], "default") == 0);

	need_ok(shale_delete_range(db, NULL, shale_str("key00000000"), shale_str("key00000050")));
	need_ok(shale_compact(db, NULL));
	look(db);
	need(count_reason(SHALE_MERGE_ASKED) == 1);
	need(last_of(SHALE_MERGE_ASKED)->dropped_range == 50);
	need(last_of(SHALE_MERGE_ASKED)->entries_kept == 50);
	need(last_of(SHALE_MERGE_ASKED)->bytes_done == last_of(SHALE_MERGE_ASKED)->bytes_in);
	s = stats_of(db);
	expect_sums(&s);
	need(s.by_reason[SHALE_MERGE_ASKED].jobs == 1);
	need(s.by_reason[SHALE_MERGE_ASKED].dropped_range == 50);
	need(s.by_reason[SHALE_MERGE_ASKED].written_bytes == last_of(SHALE_MERGE_ASKED)->bytes_out);
	need(s.by_level[0].jobs >= s.flushes);
	need(shale_write_amplification(&s) > 2);
	need(s.table_bytes == s.live_bytes && shale_space_amplification(&s) == 1.0);
	last = seen.jobs[seen.count - 1].id;
	need_ok(shale_close(db));

	/* It outlives the store being closed; ids go on. */
	peek(sim);
	need(seen.jobs[seen.count - 1].id == last && count_reason(SHALE_MERGE_ASKED) == 1);
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 60, 1000);
	need_ok(shale_flush(db, NULL));
	look(db);
	need(seen.jobs[seen.count - 1].id == last + 1);
	need(count_reason(SHALE_MERGE_ASKED) == 1);
	s = stats_of(db);
	need(s.by_reason[SHALE_FLUSH_ASKED].jobs == 1 && s.by_reason[SHALE_MERGE_ASKED].jobs == 0);
	expect_sums(&s);
	/* Twice the key, of which one version is beneath the other. */
	need(s.table_bytes > s.live_bytes);
	/* Beside the store that is open. */
	peek(sim);
	need(seen.jobs[seen.count - 1].id == last + 1);
	need_ok(shale_close(db));
}

static void each_job_tells_why_it_ran_and_its_counts_add_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, reasons);
}

static void recovered(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_db *db;

	/* Expired tables go unread; tombstones late, dense; FIFO. */
	o.default_cf.compaction.policy = SHALE_FIFO;
	o.default_cf.compaction.max_bytes = 50 << 10;
	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 150; i++) {
		put(db, NULL, i, 1000);
		if (i % 20 == 19)
			need_ok(shale_flush(db, NULL));
	}
	need_ok(shale_wait_idle(db));
	look(db);
	need(count_reason(SHALE_MERGE_MAX_BYTES) >= 1);
	need(last_of(SHALE_MERGE_MAX_BYTES)->kind == SHALE_JOB_DROP);
	need(last_of(SHALE_MERGE_MAX_BYTES)->tables_out == 0);
	need_ok(shale_close(db));
	/* What was only in the log. */
	need_ok(shale_open(DIR, &o, &db));
	look(db);
	need(count_reason(SHALE_FLUSH_OPEN) == 1);
	need_ok(shale_close(db));
}

static void drops_and_recovery_are_told(void **state)
{
	(void)state;
	run_sim(1, recovered);
}

static void deletes(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_stats s;
	shale_db *db;

	o.default_cf.compaction.delete_within_ms = 100000;
	o.default_cf.ttl_ms = 0;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 100; i++)
		put(db, NULL, i, 100);
	need_ok(shale_compact(db, NULL));
	need_ok(shale_delete(db, NULL, shale_str("key00000007")));
	need_ok(shale_flush(db, NULL));
	sim_advance_ns(sim, UINT64_C(1000000) * 90000);
	need_ok(shale_wait_idle(db));
	look(db);
	need(count_reason(SHALE_MERGE_DEADLINE) == 2); /* out of level 0, and on to the bottom */
	need(last_of(SHALE_MERGE_DEADLINE)->dropped_tombstones == 1);
	need(last_of(SHALE_MERGE_DEADLINE)->dropped_shadowed == 1);
	s = stats_of(db);
	expect_sums(&s);
	need_ok(shale_close(db));
}

static void a_deadline_for_deletes_is_a_reason_of_its_own(void **state)
{
	(void)state;
	run_sim(1, deletes);
}

/* ---- the ring ---- */

static void many(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	uint64_t before, after;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.default_cf.compaction.policy = SHALE_FIFO; /* flushes alone */
	need_ok(shale_open(DIR, &o, &db));
	before = stats_of(db).memory_other;
	for (unsigned i = 0; i < HISTORY_JOBS + 40; i++) {
		put(db, NULL, i, 10);
		need_ok(shale_flush(db, NULL));
	}
	after = stats_of(db).memory_other;
	need(after >= before + HISTORY_JOBS * sizeof(shale_job));
	look(db);
	need(seen.count == HISTORY_JOBS);
	need(seen.jobs[0].id == 41 && seen.jobs[HISTORY_JOBS - 1].id == HISTORY_JOBS + 40);
	need_ok(shale_close(db));
	peek(sim);
	need(seen.count == HISTORY_JOBS && seen.jobs[0].id == 41);
	need_ok(shale_open(DIR, &o, &db));
	look(db);
	need(seen.count == HISTORY_JOBS && seen.jobs[0].id == 41);
	need_ok(shale_close(db));
}

static void only_the_last_jobs_are_kept(void **state)
{
	(void)state;
	run_sim(1, many);
}

/* ---- failures ---- */

static void failing(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".sst", .err = ENOSPC, .sticky = true
	};
	const shale_job *j;
	shale_stats s;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	sim_fs_fault(sim_get_fs(sim), &rule);
	need_status(shale_flush(db, NULL), SHALE_NO_SPACE);
	look(db);
	j = &seen.jobs[seen.count - 1];
	need(seen.count == 1 && j->state == SHALE_JOB_FAILED && j->status == SHALE_NO_SPACE);
	need(strstr(seen.texts[0], ".sst") != NULL);
	/* Tries that fail alike are one line. */
	env_sleep_ns(sim_env(sim), UINT64_C(3000000000));
	(void)shale_flush(db, NULL);
	look(db);
	need(seen.count <= 2);
	s = stats_of(db);
	need(s.by_reason[SHALE_FLUSH_ASKED].failed >= 1 && s.by_level[0].failed >= 1);
	sim_fs_faults_clear(sim_get_fs(sim));
	env_sleep_ns(sim_env(sim), UINT64_C(3000000000));
	need_ok(shale_wait_idle(db));
	look(db);
	need(seen.jobs[seen.count - 1].state == SHALE_JOB_DONE);
	s = stats_of(db);
	expect_sums(&s);
	need_ok(shale_close(db));
	/* What came to nothing is not kept. */
	peek(sim);
	need(seen.count == 1 && seen.jobs[0].state == SHALE_JOB_DONE);
}

static void a_job_that_failed_says_why(void **state)
{
	(void)state;
	run_sim(1, failing);
}

/* ---- running ---- */

struct running_look {
	shale_db *db;
	_Atomic bool end;
	unsigned seen;
};

static void look_on(void *arg)
{
	struct running_look *l = arg;
	const shale_env *env = l->db->env;

	while (!atomic_load(&l->end)) {
		look(l->db);
		for (size_t i = 0; i < seen.count; i++)
			if (seen.jobs[i].state == SHALE_JOB_RUNNING) {
				l->seen++;
				need(seen.jobs[i].bytes_done <= seen.jobs[i].bytes_in);
			}
		env_sleep_ns(env, 10000);
	}
}

static void while_running(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct running_look l = { 0 };
	struct sim_latency slow = sim_latency_nvme();
	const shale_env *env = sim_env(sim);
	shale_thread *thread;

	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &l.db));
	sim_set_latency(sim, &slow);
	need(env->executor.ops->spawn(env->executor.self, "looker", look_on, &l, &thread) == 0);
	for (unsigned i = 0; i < 1000; i++)
		put(l.db, NULL, i, 1000);
	need_ok(shale_compact(l.db, NULL));
	atomic_store(&l.end, true);
	env->executor.ops->join(env->executor.self, thread);
	need(l.seen != 0);
	need_ok(shale_close(l.db));
}

static void jobs_that_run_are_told_too(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, while_running);
}

/* ---- counts ---- */

static void miscounted(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct history_job j = { .info = { .kind = SHALE_JOB_FLUSH } };
	struct install in = { .history = &j };
	struct job none = { .counts = { 0 } };
	uint64_t edit;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	in.cf = db->default_cf;
	history_begin(&db->history, &j);
	mutex_lock(&db->install_mu);
	edit = db->last_edit;
	j.info.entries_in = 5; /* kept or dropped: neither */
	need_status(install_run(db, &in), SHALE_BUG);
	need(strstr(err_last()->text, "does not add up") != NULL);
	j.info.dropped_shadowed = 5; /* now it adds up */
	need_ok(install_run(db, &in));
	need(db->last_edit == edit + 1);
	mutex_unlock(&db->install_mu);

	/* What is said to be kept is not in the tables. */
	j.info = (shale_job){ .kind = SHALE_JOB_FLUSH };
	history_begin(&db->history, &j);
	none.entries_in = none.entries_out = 5;
	history_result(&db->history, &j, &none);
	mutex_lock(&db->install_mu);
	need_status(install_run(db, &in), SHALE_BUG);
	need(strstr(err_last()->text, "would have 0") != NULL);
	need(db->last_edit == edit + 1);
	mutex_unlock(&db->install_mu);
	history_end(&db->history, &j, SHALE_BUG, false);
	look(db);
	need(seen.jobs[seen.count - 1].status == SHALE_BUG);
	need_ok(shale_close(db));
}

static void a_job_that_does_not_add_up_is_not_installed(void **state)
{
	(void)state;
	run_sim(1, miscounted);
}

/* ---- writers that wait ---- */

struct stops {
	size_t count;
	uint64_t ns;
	shale_stall_cause cause;
};

static bool see_stop(void *arg, const shale_stall *s)
{
	struct stops *to = arg;

	need(s->id > 0 && !s->waiting);
	need(strcmp(s->cf, "default") == 0);
	to->count++;
	to->ns += s->ns;
	to->cause = s->cause;
	return true;
}

static void pressed(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct stops stops = { 0 };
	shale_stats s;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	o.memtable_bytes = 512 << 10;
	o.durability = SHALE_EPHEMERAL;
	o.rate_bytes_per_s = 1 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 400; i++)
		put(db, NULL, i, 20000);
	s = stats_of(db);
	expect_sums(&s);
	need(s.delayed_writes != 0);
	need(s.by_cause[SHALE_STALL_MEMTABLES].delays != 0);
	need(s.by_cause[SHALE_STALL_MEMTABLES].longest_delay_ns != 0);
	need(s.by_cause[SHALE_STALL_FAMILIES].delays == 0);
	need_ok(shale_stalls(db, see_stop, &stops));
	need(stops.count == (s.stops < HISTORY_STOPS ? s.stops : HISTORY_STOPS));
	need(s.stops > HISTORY_STOPS || stops.ns == s.stop_ns);
	need_ok(shale_close(db));
}

static void writers_that_wait_are_told_with_the_cause(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, pressed);
}

/* Merges are kept away, so runs pile up in level 0. */
static void piled_up(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_stats s;
	shale_db *db;

	o.durability = SHALE_EPHEMERAL;
	o.default_cf.compaction.top_runs = 2;
	need_ok(shale_open(DIR, &o, &db));
	mutex_lock(&db->mu);
	db->default_cf->exclusive = true;
	mutex_unlock(&db->mu);
	for (unsigned i = 0; i < 18 * 5; i++) {
		put(db, NULL, i, 5000);
		if (i % 5 == 4)
			need_ok(shale_flush(db, NULL));
	}
	mutex_lock(&db->mu);
	db->default_cf->exclusive = false;
	mutex_unlock(&db->mu);
	s = stats_of(db);
	expect_sums(&s);
	need(s.by_cause[SHALE_STALL_TOP_RUNS].delays != 0);
	need(s.by_cause[SHALE_STALL_TOP_RUNS].delays == s.delayed_writes);
	need_ok(shale_close(db));
}

/* Many families share what one may not have alone. */
static void crowded(void *arg)
{
	enum { FAMILIES = 6 };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *cf[FAMILIES];
	shale_stats s;
	shale_db *db;

	o.memtable_bytes = 512 << 10;
	o.durability = SHALE_EPHEMERAL;
	o.rate_bytes_per_s = 1 << 20;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < FAMILIES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "f%u", i);
		need_ok(shale_cf_create(db, name, NULL, &cf[i]));
	}
	for (unsigned i = 0; i < 400; i++)
		put(db, cf[i % FAMILIES], i, 20000);
	s = stats_of(db);
	expect_sums(&s);
	need(s.by_cause[SHALE_STALL_FAMILIES].delays + s.by_cause[SHALE_STALL_FAMILIES].stops != 0);
	look(db);
	need(count_reason(SHALE_FLUSH_MEMORY) != 0);
	for (unsigned i = 0; i < FAMILIES; i++)
		shale_cf_release(cf[i]);
	need_ok(shale_close(db));
}

static void each_cause_is_told_from_the_others(void **state)
{
	(void)state;
	run_sim(1, piled_up);
	run_sim(1, crowded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_job_tells_why_it_ran_and_its_counts_add_up),
		cmocka_unit_test(drops_and_recovery_are_told),
		cmocka_unit_test(a_deadline_for_deletes_is_a_reason_of_its_own),
		cmocka_unit_test(only_the_last_jobs_are_kept),
		cmocka_unit_test(a_job_that_failed_says_why),
		cmocka_unit_test(jobs_that_run_are_told_too),
		cmocka_unit_test(a_job_that_does_not_add_up_is_not_installed),
		cmocka_unit_test(writers_that_wait_are_told_with_the_cause),
		cmocka_unit_test(each_cause_is_told_from_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
