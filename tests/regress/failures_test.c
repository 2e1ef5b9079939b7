/*
 * After a failure of the log, of the manifest or of memory: how writes go on, what is left behind,
 * and what is told. Of flushes and merges: background_failures_test.c.
 */
#include "regress/sim_store.h"

#include "db/db.h"

/* The next write fails, since the log does, and writes stop. */
static void stop_writes(struct sim *sim, shale_db *db)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	fault(sim, SIM_SYNC, ".log", false, false);
	need(shale_put(db, &o, shale_str("lost"), shale_str("or not")) < 0);
	sim_fs_faults_clear(sim_get_fs(sim));
}

static unsigned swap_nth;

static void resume_swap_fails(void *arg)
{
	struct sim_fault rule = { .op = SIM_SYNC_DIR, .err = EIO, .after = true };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 10; i++) {
		put(db, NULL, i, 1000);
		need_ok(shale_flush(db, NULL));
	}
	put(db, NULL, 100, 1000);
	stop_writes(sim, db);
	need_ok(shale_flush(db, NULL));
	/* The root is in place when this fails: from then on it names the new manifest. */
	rule.nth = swap_nth;
	sim_fs_fault(sim_get_fs(sim), &rule);
	(void)shale_resume(db);
	sim_fs_faults_clear(sim_get_fs(sim));
	/* What happens to the tables now must be known to whatever the root names. */
	need_ok(shale_compact(db, NULL));
	(void)shale_close(db);

	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < 10; i++)
		need_ok(has(db, NULL, i));
	need_ok(has(db, NULL, 100));
	need_ok(shale_close(db));
}

static void a_root_swap_that_failed_halfway_leaves_no_edit_behind(void **state)
{
	(void)state;
	for (swap_nth = 1; swap_nth < 5; swap_nth++)
		run_sim(1, resume_swap_fails);
}

static void resume_two_families(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_cf *cf;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &cf));
	put(db, NULL, 1, 1000);
	put(db, cf, 1, 1000);
	stop_writes(sim, db);
	need_ok(shale_resume(db));
	put(db, NULL, 2, 1000);
	put(db, cf, 2, 1000);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void writes_of_two_families_go_on_after_a_failed_sync(void **state)
{
	(void)state;
	run_sim(2, resume_two_families);
}

static void resume_after_flush_sync(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	shale_status rc;
	shale_cf *cf;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_cf_create(db, "second", NULL, &cf));
	put(db, NULL, 1, 1000);
	put(db, cf, 1, 1000);
	/* The log fails below a flush, not below a write. */
	fault(sim, SIM_SYNC, ".log", false, false);
	(void)shale_flush(db, NULL);
	sim_fs_faults_clear(sim_get_fs(sim));
	rc = shale_put(db, &wo, shale_str("more"), shale_str(""));
	need_status(rc, SHALE_READ_ONLY);
	need_ok(shale_resume(db));
	put(db, NULL, 2, 1000);
	put(db, cf, 2, 1000);
	shale_cf_release(cf);
	need_ok(shale_close(db));
}

static void resume_helps_a_log_that_failed_below_a_flush(void **state)
{
	(void)state;
	run_sim(3, resume_after_flush_sync);
}

static void resume_after_wait(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;

	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	need_ok(shale_stats_get(db, &stats));
	fault(sim, SIM_SYNC, ".log", false, false);
	need(shale_wait_durable(db, stats.last_seq) < 0);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	put(db, NULL, 2, 1000);
	need_ok(shale_close(db));
}

static void resume_helps_a_log_that_failed_below_a_wait(void **state)
{
	(void)state;
	run_sim(4, resume_after_wait);
}

/* ---- many writers while the log is replaced ---- */

struct crowd {
	struct sim *sim;
	shale_db *db;
	unsigned running;
};

static void write_until_stopped(void *arg)
{
	struct crowd *c = arg;
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	for (int i = 0; i < 20; i++)
		(void)shale_put(c->db, &o, shale_str("key"), shale_str("value"));
}

static void resume_among_writers(void *arg)
{
	struct crowd c = { .sim = arg };
	const shale_env *env = sim_env(c.sim);
	shale_options o = small_options(c.sim);
	shale_thread *thread[6];

	need_ok(shale_open(DIR, &o, &c.db));
	put(c.db, NULL, 1, 10);
	for (int i = 0; i < 6; i++)
		need((env->executor.ops->spawn(env->executor.self, "writer", write_until_stopped,
					       &c, &thread[i])) == 0);
	for (int i = 0; i < 4; i++) {
		fault(c.sim, SIM_SYNC, ".log", false, false);
		for (int tries = 0; tries < 50 && sim_fs_fault_hits(sim_get_fs(c.sim)) == 0;
		     tries++)
			env->executor.ops->yield(env->executor.self);
		sim_fs_faults_clear(sim_get_fs(c.sim));
		(void)shale_resume(c.db);
	}
	for (int i = 0; i < 6; i++)
		env->executor.ops->join(env->executor.self, thread[i]);
	need_ok(shale_resume(c.db));
	put(c.db, NULL, 2, 10);
	need_ok(shale_close(c.db));
}

static void writers_may_still_wait_on_the_log_that_resume_replaces(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (uint64_t i = 0; i < 60; i++)
		run_sim(seed + i, resume_among_writers);
}

/* ---- a log that is replaced gives back what it held ---- */

enum { RESUMES = 20 };

struct held {
	uint64_t handles, memory;
};

static struct held held_by_logs(struct sim *sim, shale_db *db)
{
	return (struct held){ sim_fs_open_handles(sim_get_fs(sim)),
			      budget_used(&db->budget, BUDGET_LOG) };
}

static shale_durability replaced_durability;

static void resume_often(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	struct held before = { 0 }, after = { 0 };
	shale_db *db;

	o.durability = replaced_durability;
	w.durability = SHALE_DURABLE;
	need_ok(shale_open(DIR, &o, &db));
	for (unsigned i = 0; i < RESUMES + 1; i++) {
		for (unsigned k = 0; k < 100; k++)
			put(db, NULL, k, 1000);
		fault(sim, SIM_SYNC, ".log", true, false);
		need(shale_put(db, &w, shale_str("lost"), shale_str("or not")) < 0);
		sim_fs_faults_clear(sim_get_fs(sim));
		need_ok(shale_resume(db));
		need_ok(shale_compact(db, NULL)); /* few tables are open */
		after = held_by_logs(sim, db);
		if (i == 0)
			before = after;
	}
	/* A segment more or less is being made. */
	need(after.handles <= before.handles + 4);
	need(after.memory <= before.memory + 4 * memory_log_segment(db));
	need_ok(shale_close(db));
}

static void logs_that_were_replaced_hold_no_files_and_no_memory(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		replaced_durability = seed % 2 != 0 ? SHALE_PROCESS : SHALE_DURABLE;
		run_sim(seed, resume_often);
	}
}

/* ---- several resume at once, and all that was acknowledged is there after a power cut ---- */

enum { RESUMERS = 3, KEYS_EACH = 30, WRITERS = 4 };

struct race {
	struct sim *sim;
	shale_db *db;
	unsigned next;
	bool acknowledged[WRITERS * KEYS_EACH];
};

static void race_write(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < KEYS_EACH; i++) {
		shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
		unsigned key = r->next++;
		char text[24];

		snprintf(text, sizeof(text), "key%08u", key);
		r->acknowledged[key] = shale_put(r->db, &o, shale_str(text), shale_str("v")) == 0;
	}
}

static void race_resume(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < 3; i++)
		(void)shale_resume(r->db);
}

static void resume_race(void *arg)
{
	static struct race r;
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = small_options(sim);
	shale_thread *thread[WRITERS + RESUMERS];
	uint32_t word = 0;

	memset(&r, 0, sizeof(r));
	r.sim = sim;
	need_ok(shale_open(DIR, &o, &r.db));
	for (int i = 0; i < WRITERS; i++)
		need(env->executor.ops->spawn(env->executor.self, "writer", race_write, &r,
					      &thread[i]) == 0);
	env->executor.ops->wait(env->executor.self, &word, 0, 20000);
	fault(sim, SIM_SYNC, ".log", false, false);
	for (int i = 0; i < RESUMERS; i++)
		need(env->executor.ops->spawn(env->executor.self, "resumer", race_resume, &r,
					      &thread[WRITERS + i]) == 0);
	for (int i = 0; i < WRITERS + RESUMERS; i++)
		env->executor.ops->join(env->executor.self, thread[i]);
	sim_kill_tasks(sim);
	sim_fs_faults_clear(sim_get_fs(sim));
	sim_heap_free_all(sim_get_heap(sim));
	sim_fs_crash(sim_get_fs(sim), SIM_CRASH_NONE_UNSYNCED, 1);

	need_ok(shale_open(DIR, &o, &r.db));
	for (unsigned i = 0; i < WRITERS * KEYS_EACH; i++)
		need(!r.acknowledged[i] || has(r.db, NULL, i) == SHALE_OK);
	need_ok(shale_close(r.db));
}

static void many_may_resume_at_once(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (uint64_t i = 0; i < 150; i++)
		run_sim(seed + i, resume_race);
}

/* ---- what is left behind ---- */

static int count_logs(void *arg, const char *name, uint64_t size, bool is_dir)
{
	unsigned *n = arg;

	(void)size;
	(void)is_dir;
	*n += strstr(name, ".log") != NULL;
	return 0;
}

static void manifest_fails_for_long(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	static uint8_t value[1000];
	unsigned logs = 0;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	fault(sim, SIM_WRITE, ".man", true, false);
	for (unsigned i = 0; i < 200; i++)
		(void)shale_put(db, &wo, shale_str("key"), slice_from(value, sizeof(value)));
	need(sim_fs_list(sim_get_fs(sim), DIR, count_logs, &logs) == 0);
	need(logs < 8);
	sim_fs_faults_clear(sim_get_fs(sim));
	(void)shale_resume(db);
	put(db, NULL, 2, 1000);
	need_ok(shale_close(db));
}

static void a_manifest_that_fails_for_long_fills_no_disk_with_logs(void **state)
{
	(void)state;
	run_sim(6, manifest_fails_for_long);
}

static int count_manifests(void *arg, const char *name, uint64_t size, bool is_dir)
{
	(void)size;
	(void)is_dir;
	*(unsigned *)arg += ends(name, ".man");
	return 0;
}

/* A new manifest is written, but the root that is to name it cannot be read. */
static void root_fails_for_long(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	unsigned manifests = 0;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	fault(sim, SIM_WRITE, ".man", false, false);
	need(shale_flush(db, NULL) < 0);
	sim_fs_faults_clear(sim_get_fs(sim));
	fault(sim, SIM_READ, "ROOT", true, false);
	env_sleep_ns(o.env, UINT64_C(10000000000)); /* it is tried again and again */
	need(sim_fs_fault_hits(sim_get_fs(sim)) > 5);
	need(sim_fs_list(sim_get_fs(sim), DIR, count_manifests, &manifests) == 0);
	need(manifests <= 2);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	need_ok(shale_close(db));
}

static void a_root_that_fails_for_long_fills_no_disk_with_manifests(void **state)
{
	(void)state;
	run_sim(6, root_fails_for_long);
}

static void orphan_stays(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	need_ok(shale_close(db));
	fault(sim, SIM_UNLINK, ".log", true, false);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(has(db, NULL, 1));
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_close(db));
}

static void a_file_that_cannot_be_removed_keeps_no_store_from_opening(void **state)
{
	(void)state;
	run_sim(7, orphan_stays);
}

/* ---- what is told ---- */

static unsigned stale_nth;

static void stale(void *arg)
{
	struct sim_fault rule = { .op = SIM_OPEN, .name_ends = ".log", .err = EIO };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	static uint8_t value[1000];
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	/* Once, somebody cannot make a log segment: the log's thread, or a write. */
	rule.nth = stale_nth;
	sim_fs_fault(sim_get_fs(sim), &rule);
	for (unsigned i = 0; i < 200; i++)
		(void)shale_put(db, &wo, shale_str("key"), slice_from(value, sizeof(value)));
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_close(db));
}

static void a_flush_does_not_fail_for_the_logs_sake(void **state)
{
	(void)state;
	for (stale_nth = 1; stale_nth < 8; stale_nth++)
		for (uint64_t i = 0; i < 5; i++)
			run_sim(100 + i, stale);
}

static void starve(void *arg)
{
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	shale_options o = small_options(sim);
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_stats stats = SHALE_STATS_INIT;
	shale_db *db;
	uint64_t before;

	o.durability = SHALE_INTERVAL;
	o.sync_interval_ms = 10;
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 1000);
	fault(sim, SIM_OPEN, ".sst", true, false);
	fo.no_wait = true;
	need_ok(shale_flush(db, &fo));
	env_sleep_ns(env, 2000000000);
	/* Taken before the write: the log's thread may be there at once. */
	need_ok(shale_stats_get(db, &stats));
	before = stats.log_syncs;
	put(db, NULL, 2, 1000);
	/* Ten intervals, less than background work waits after a failure. */
	env_sleep_ns(env, 100000000);
	need_ok(shale_stats_get(db, &stats));
	need(stats.log_syncs > before);
	sim_fs_faults_clear(sim_get_fs(sim));
	need_ok(shale_resume(db));
	need_ok(shale_close(db));
}

static void the_interval_is_kept_while_flushes_fail(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		run_sim(200 + i, starve);
}

static void starved_commit(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_write_options wo = SHALE_WRITE_OPTIONS_INIT;
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	static uint8_t value[60000];
	shale_status rc = SHALE_OK;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 1, 10);
	/* Find an allocation that fails between the ordered step and the memtable. */
	for (unsigned nth = 1; nth < 200 && rc >= 0; nth++) {
		sim_heap_fail(sim_get_heap(sim), nth, false);
		rc = shale_put(db, &wo, shale_str("big"), slice_from(value, sizeof(value)));
		sim_heap_fail(sim_get_heap(sim), 0, false);
		/* A background thread may have met it instead: that is tried again. */
		if (rc < 0 && shale_put(db, &wo, shale_str("a"), shale_str("b")) != SHALE_READ_ONLY)
			rc = SHALE_OK;
	}
	need(rc < 0);
	fo.no_wait = true;
	(void)shale_flush(db, &fo);
	need(shale_flush(db, NULL) < 0);
	need(shale_wait_idle(db) < 0);
	need_ok(has(db, NULL, 1));
	need(shale_close(db) < 0);

	need_ok(shale_open(DIR, &o, &db));
	need_ok(has(db, NULL, 1));
	need_ok(shale_close(db));
}

static void nobody_waits_for_what_can_never_be_flushed(void **state)
{
	(void)state;
	run_sim(5, starved_commit);
}

/* ---- the interval ---- */

enum { INTERVAL_MS = 50, WAKES = 500 };

/* The log's thread is woken every millisecond; the log is synced once an interval all the same. */
static void wake_often(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	uint64_t syncs;
	shale_db *db;

	o.durability = SHALE_INTERVAL;
	o.sync_interval_ms = INTERVAL_MS;
	need_ok(shale_open(DIR, &o, &db));
	put(db, NULL, 0, 10);
	syncs = sim_fs_calls(sim_get_fs(sim), SIM_SYNC);
	for (unsigned i = 0; i < WAKES; i++) {
		put(db, NULL, i, 10);
		scheduler_kick(db->keeper);
		env_sleep_ns(o.env, 1000000);
	}
	syncs = sim_fs_calls(sim_get_fs(sim), SIM_SYNC) - syncs;
	/* Making segments ready takes some as well. */
	need(syncs >= WAKES / INTERVAL_MS - 1 && syncs <= 2 * WAKES / INTERVAL_MS);
	need_ok(shale_close(db));
}

static void the_log_is_synced_once_an_interval(void **state)
{
	(void)state;
	run_sim(1, wake_often);
}

/* ---- a sync of the log, slow and in vain, while the store is closed ---- */

struct late_failure {
	struct sim *sim;
	bool begun;
};

static void slow_sync(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct late_failure *f = arg;

	(void)fs;
	if (op != SIM_SYNC || !ends(name, ".log"))
		return;
	f->begun = true;
	env_sleep_ns(sim_env(f->sim), 1000000000);
}

static void close_while_the_log_fails(void *arg)
{
	struct sim *sim = arg;
	struct late_failure late = { .sim = sim };
	shale_options o = small_options(sim);
	shale_cf *other = NULL;
	shale_db *db;

	o.durability = SHALE_INTERVAL;
	o.sync_interval_ms = 60000;
	o.memtable_bytes = 16 << 10;
	need_ok(shale_open(DIR, &o, &db));
	/* With several families a flush syncs the log. */
	need_ok(shale_cf_create(db, "other", NULL, &other));
	put(db, other, 1, 1000);
	sim_fs_on_call(sim_get_fs(sim), slow_sync, &late);
	fault(sim, SIM_SYNC, ".log", true, false);
	for (unsigned i = 0; i < 1000 && !late.begun; i++) {
		put(db, NULL, i, 1000);
		env_sleep_ns(o.env, 1000000);
	}
	need(late.begun);
	shale_cf_release(other);
	need_status(shale_close(db), SHALE_IO);
	sim_fs_faults_clear(sim_get_fs(sim));
	sim_fs_on_call(sim_get_fs(sim), NULL, NULL);
	need_ok(shale_open(DIR, &o, &db));
	need_ok(shale_close(db));
}

static void a_log_that_fails_during_a_close_wakes_no_thread_that_has_ended(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run_sim(seed, close_while_the_log_fails);
}

/* ---- a commit is late, to a family that is dropped while the log is replaced ---- */

#define LATE_NS UINT64_C(10000000000)

struct late_commit {
	struct sim *sim;
	shale_db *db;
	shale_cf *cf;
	uint64_t ticket; /* not 0: who asks for memory when a later commit is ordered is late */
};

static const shale_env *late_env(struct late_commit *l)
{
	const shale_env *env = sim_env(l->sim);

	if (l->ticket != 0 && l->db->next_ticket > l->ticket) {
		l->ticket = 0;
		env_sleep_ns(env, LATE_NS);
	}
	return env;
}

static void *late_alloc(void *self, size_t n)
{
	const shale_env *env = late_env(self);

	return env->allocator.ops->alloc(env->allocator.self, n);
}

static void *late_realloc(void *self, void *p, size_t n)
{
	const shale_env *env = sim_env(((struct late_commit *)self)->sim);

	return env->allocator.ops->realloc(env->allocator.self, p, n);
}

static void late_free(void *self, void *p)
{
	const shale_env *env = sim_env(((struct late_commit *)self)->sim);

	env->allocator.ops->free(env->allocator.self, p);
}

static void *late_aligned(void *self, size_t align, size_t n)
{
	const shale_env *env = late_env(self);

	return env->allocator.ops->alloc_aligned(env->allocator.self, align, n);
}

static const shale_allocator_ops late_ops = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = late_alloc,
	.realloc = late_realloc,
	.free = late_free,
	.alloc_aligned = late_aligned,
};

static void put_durable(void *arg)
{
	struct late_commit *l = arg;
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.cf = l->cf;
	o.durability = SHALE_DURABLE;
	need(shale_put(l->db, &o, shale_str("lost"), shale_str("or not")) < 0);
}

static void put_late(void *arg)
{
	struct late_commit *l = arg;

	l->ticket = l->db->next_ticket;
	put(l->db, l->cf, 1, 40000);
}

static unsigned late_commits;

static void resume_before_a_late_commit(void *arg)
{
	struct late_commit l = { .sim = arg };
	struct late_failure late = { .sim = arg };
	const shale_env *env = sim_env(l.sim);
	shale_env slow = *env;
	shale_options o = small_options(l.sim);
	shale_thread *first, *second;

	slow.allocator.self = &l;
	slow.allocator.ops = &late_ops;
	o.env = &slow;
	o.durability = SHALE_PROCESS;
	need_ok(shale_open(DIR, &o, &l.db));
	need_ok(shale_cf_create(l.db, "dropped", NULL, &l.cf));
	put(l.db, l.cf, 0, 10); /* the log has a segment, so that the next sync is a commit's */
	sim_fs_on_call(sim_get_fs(l.sim), slow_sync, &late);
	fault(l.sim, SIM_SYNC, ".log", true, false);
	need(env->executor.ops->spawn(env->executor.self, "durable", put_durable, &l, &first) == 0);
	while (!late.begun)
		env_sleep_ns(env, 1000000);
	need(env->executor.ops->spawn(env->executor.self, "late", put_late, &l, &second) == 0);
	while (!atomic_load(&l.db->write_stopped))
		env_sleep_ns(env, 1000000);
	sim_fs_on_call(sim_get_fs(l.sim), NULL, NULL);
	sim_fs_faults_clear(sim_get_fs(l.sim));
	late_commits += atomic_load(&l.db->published) < l.db->next_ticket;

	need_ok(shale_cf_drop(l.db, "dropped"));
	need_ok(shale_resume(l.db));
	env->executor.ops->join(env->executor.self, first);
	env->executor.ops->join(env->executor.self, second);
	put(l.db, NULL, 2, 1000);
	need_ok(has(l.db, NULL, 2));
	shale_cf_release(l.cf);
	need_ok(shale_close(l.db));
}

static void no_commit_to_a_dropped_family_outlives_the_log_it_is_in(void **state)
{
	(void)state;
	/* Unless its memory was there already. */
	for (uint64_t seed = 1; seed <= 10; seed++)
		run_sim(seed, resume_before_a_late_commit);
	assert_true(late_commits >= 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_swap_that_failed_halfway_leaves_no_edit_behind),
		cmocka_unit_test(writes_of_two_families_go_on_after_a_failed_sync),
		cmocka_unit_test(resume_helps_a_log_that_failed_below_a_flush),
		cmocka_unit_test(resume_helps_a_log_that_failed_below_a_wait),
		cmocka_unit_test(a_flush_does_not_fail_for_the_logs_sake),
		cmocka_unit_test(the_interval_is_kept_while_flushes_fail),
		cmocka_unit_test(nobody_waits_for_what_can_never_be_flushed),
		cmocka_unit_test(many_may_resume_at_once),
		cmocka_unit_test(a_manifest_that_fails_for_long_fills_no_disk_with_logs),
		cmocka_unit_test(a_root_that_fails_for_long_fills_no_disk_with_manifests),
		cmocka_unit_test(a_file_that_cannot_be_removed_keeps_no_store_from_opening),
		cmocka_unit_test(writers_may_still_wait_on_the_log_that_resume_replaces),
		cmocka_unit_test(logs_that_were_replaced_hold_no_files_and_no_memory),
		cmocka_unit_test(the_log_is_synced_once_an_interval),
		cmocka_unit_test(a_log_that_fails_during_a_close_wakes_no_thread_that_has_ended),
		cmocka_unit_test(no_commit_to_a_dropped_family_outlives_the_log_it_is_in),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
