/*
 * Many writers at once: filling in parallel, completion in order, one sync for all
 * who wait; on this machine's threads, and as tasks of the simulator, which finds
 * a wake-up that is lost.
 */
#include "unit/base/tasks.h"
#include "unit/wal/fixture.h"

/* As test_scale(), within what the fixture's manifest can hold. */
static uint64_t scaled(uint64_t n)
{
	uint64_t m = test_scale(n);

	return m < 10 * n ? m : 10 * n;
}

/* An ordered step and an ordered publication, as a database has them. */
struct front {
	struct log *l;
	const shale_env *env;
	struct mutex order;
	struct mutex publish; /* guards turn and last */
	struct cond turned;
	uint64_t ticket; /* guarded by order */
	uint64_t turn;

	uint64_t rounds;
	unsigned sync_every; /* of a writer's commits; 0: never */
	unsigned preparing;  /* tasks that make a segment ready, on the simulated machine */
	bool until_recycled; /* go on, within reason, until the janitor had its turn */
	_Atomic uint64_t commits, synced, failed, writers;
	_Atomic uint64_t durable_seq; /* the highest that a sync returned for */
};

static void front_init(struct front *f, struct log *l, const shale_env *env, uint64_t rounds,
		       unsigned sync_every)
{
	memset(f, 0, sizeof(*f));
	f->l = l;
	f->env = env;
	f->rounds = rounds;
	f->sync_every = sync_every;
	mutex_init(&f->order, env, RANK_COMMIT);
	mutex_init(&f->publish, env, RANK_COMMIT);
	cond_init(&f->turned);
}

static shale_status reserve(struct front *f, size_t n, struct wal_slot *slot)
{
	shale_status rc;

	while ((rc = wal_reserve(f->l->w, n, f->l->next_seq, slot)) == SHALE_MORE) {
		f->preparing++; /* one at a time: who reserves has the order */
		rc = log_prepare(f->l, n);
		f->preparing--;
		if (rc != SHALE_OK)
			return rc;
	}
	return rc;
}

static void complete(struct front *f, uint64_t ticket, uint64_t end, uint64_t last_seq)
{
	mutex_lock(&f->publish);
	while (f->turn != ticket)
		cond_wait(&f->turned, &f->publish);
	wal_completed(f->l->w, end, last_seq);
	f->turn++;
	mutex_unlock(&f->publish);
	cond_broadcast(&f->turned, f->env);
}

static void note_durable(struct front *f, uint64_t seq)
{
	uint64_t old = atomic_load(&f->durable_seq);

	while (old < seq && !atomic_compare_exchange_weak(&f->durable_seq, &old, seq))
		;
}

static bool commit(struct front *f, bool sync)
{
	uint8_t payload[PAYLOAD_MAX];
	struct wal_slot slot;
	uint64_t seq, ticket, last;
	size_t n;

	mutex_lock(&f->order);
	seq = f->l->next_seq;
	n = record_payload(seq, payload);
	if (reserve(f, n, &slot) != SHALE_OK) {
		mutex_unlock(&f->order);
		return false;
	}
	last = seq + record_count(seq) - 1;
	f->l->next_seq = last + 1;
	ticket = f->ticket++;
	mutex_unlock(&f->order);

	wal_fill(f->l->w, &slot, seq, record_count(seq), slice_from(payload, n),
		 crc32c(0, payload, n));
	complete(f, ticket, slot.end, last);
	atomic_fetch_add(&f->commits, 1);
	if (!sync)
		return true;
	if (wal_sync_commit(f->l->w, slot.end) != SHALE_OK)
		return false;
	atomic_fetch_add(&f->synced, 1);
	note_durable(f, last);
	/* cmocka's assertions are for the main thread. */
	return wal_durable_lsn(f->l->w) >= slot.end;
}

static bool go_on(const struct front *f, uint64_t i)
{
	if (i < f->rounds)
		return true;
	if (!f->until_recycled || i > 10 * f->rounds ||
	    stats_sum(&f->l->stats, STAT_LOG_RECYCLED) != 0)
		return false;
	env_sleep_ns(f->env, 20000);
	return true;
}

static void writer(void *arg)
{
	struct front *f = arg;

	atomic_fetch_add(&f->writers, 1);
	for (uint64_t i = 0; go_on(f, i); i++)
		if (!commit(f, f->sync_every != 0 && i % f->sync_every == 0)) {
			atomic_fetch_add(&f->failed, 1);
			break;
		}
	atomic_fetch_sub(&f->writers, 1);
}

/* Releases all that has ended, durable or not: also what a sync is just about. */
static void rough_janitor(void *arg)
{
	struct front *f = arg;

	do {
		wal_release(f->l->w, UINT64_MAX);
		env_sleep_ns(f->env, 20000);
	} while (atomic_load(&f->writers) != 0);
}

/* Seals and releases beside the writers; the last segments stay. */
static void janitor(void *arg)
{
	struct front *f = arg;
	struct wal_sealed s;
	shale_status rc;

	do {
		while (wal_take_sealed(f->l->w, &s, &rc))
			wal_release(f->l->w, s.number); /* what is before it */
		env_sleep_ns(f->env, 50000);
	} while (atomic_load(&f->writers) != 0);
}

static void slow_sync(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	const uint64_t *ns = arg;

	(void)fs;
	(void)name;
	if (op == SIM_SYNC)
		env_sleep_ns(shale_env_default(), *ns);
}

static void check_all_read(struct log *l)
{
	struct wal_report report;
	struct replayed r;

	assert_ok(log_replay(l, &r, &report));
	assert_int_equal(r.next, l->next_seq);
}

/* Eight writers wait for each commit; how many syncs a thousand commits took. */
static uint64_t syncs_of_writers(bool staged, uint64_t sync_ns)
{
	struct log *l = log_new(staged ? WAL_STAGED : WAL_MAPPED);
	struct tasks tasks;
	struct front f;
	uint64_t syncs;

	l->config.segment_bytes = 1 << 20;
	wal_free(l->w);
	log_start(l, 0);
	sim_fs_on_call(l->disk.fs, slow_sync, &sync_ns);
	front_init(&f, l, &l->disk.env, scaled(150), 1);
	tasks_start(&tasks, 8, writer, &f);
	tasks_join(&tasks);
	syncs = stats_sum(&l->stats, STAT_LOG_SYNCS);
	assert_int_equal(atomic_load(&f.failed), 0);
	assert_int_equal(atomic_load(&f.synced), 8 * f.rounds);
	print_message("%" PRIu64 " syncs for %" PRIu64 " commits\n", syncs,
		      atomic_load(&f.commits));
	assert_int_equal(wal_durable_lsn(l->w), wal_completed_lsn(l->w));
	assert_int_equal(wal_durable_seq(l->w), l->next_seq - 1);
	check_all_read(l);
	syncs = 1000 * syncs / atomic_load(&f.commits);
	log_free(l);
	return syncs;
}

static void one_sync_serves_all_who_wait(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		uint64_t sync_ns = 100000, syncs = 1000;

		/* Nearly all wait while one leads, if a sync takes as long as they need to come. */
		for (int i = 0; i < 3 && syncs >= 500; i++, sync_ns *= 10)
			syncs = syncs_of_writers(k != 0, sync_ns);
		assert_true(syncs < 500);
	}
}

static void writers_rotate_and_sync_without_a_hole(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(k ? WAL_STAGED : WAL_MAPPED);
		struct tasks tasks;
		struct front f;

		front_init(&f, l, &l->disk.env, scaled(600), 7);
		tasks_start(&tasks, 6, writer, &f);
		tasks_join(&tasks);
		assert_int_equal(atomic_load(&f.failed), 0);
		assert_ok(log_sync(l));
		check_all_read(l);
		log_free(l);
	}
}

static void segments_go_and_come_back_beside_the_writers(void **state)
{
	(void)state;
	for (int k = 0; k < 4; k++) {
		struct log *l = log_new(k % 2 ? WAL_STAGED : WAL_MAPPED);
		struct tasks tasks, one;
		struct front f;

		front_init(&f, l, &l->disk.env, scaled(800), 5);
		f.until_recycled = true;
		atomic_fetch_add(&f.writers, 1); /* until all have begun */
		tasks_start(&one, 1, k < 2 ? janitor : rough_janitor, &f);
		tasks_start(&tasks, 5, writer, &f);
		tasks_join(&tasks);
		atomic_fetch_sub(&f.writers, 1);
		tasks_join(&one);
		assert_int_equal(atomic_load(&f.failed), 0);
		assert_true(stats_sum(&l->stats, STAT_LOG_RECYCLED) > 0);
		log_free(l);
	}
}

static void a_failure_reaches_every_writer(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct log *l = log_new(k ? WAL_STAGED : WAL_MAPPED);
		/* For good: the 20th may be that of a segment which is made ready. */
		struct sim_fault fault = {
			.op = SIM_SYNC, .name_ends = ".log", .nth = 20, .err = EIO, .sticky = true
		};
		uint64_t sync_ns = 100000;
		struct tasks tasks;
		struct front f;

		sim_fs_on_call(l->disk.fs, slow_sync, &sync_ns);
		sim_fs_fault(l->disk.fs, &fault);
		front_init(&f, l, &l->disk.env, 100000, 1);
		tasks_start(&tasks, 8, writer, &f);
		tasks_join(&tasks); /* none sleeps for ever */
		assert_int_equal(atomic_load(&f.failed), 8);
		log_free(l);
	}
}

/* ---- in the simulator ---- */

struct simulated {
	struct sim *sim;
	struct front front;
	struct log *l;
	enum wal_sink sink;
	uint64_t stop_after; /* calls to the disk; 0: never */
	uint64_t calls, syncs;
	enum { QUIET, CRASH, FAULT, ROUGH, SHORT } kind;
};

/* Its disk is that of the machine to come. */
static struct log *log_to_simulate(uint64_t segment_bytes)
{
	struct log *l = NULL;

	assert_int_equal(posix_memalign((void **)&l, 64, sizeof(*l)), 0);
	memset(l, 0, sizeof(*l));
	l->config.segment_bytes = segment_bytes;
	l->config.store_id = STORE_ID;
	l->next_number = object_number(1, 1);
	l->next_seq = 1;
	return l;
}

static void stop_here(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	static const struct sim_fault now = { .op = SIM_SYNC, .nth = 1, .err = EIO };
	struct simulated *s = arg;

	(void)name;
	if (++s->calls == s->stop_after)
		sim_stop(s->sim);
	/* A sync of commits, not that of a segment which is made ready. */
	if (s->kind == FAULT && op == SIM_SYNC && s->front.preparing == 0 && ++s->syncs == 12)
		sim_fs_fault(fs, &now);
}

static void simulated_main(void *arg)
{
	struct simulated *s = arg;
	struct sim_fs *fs = sim_get_fs(s->sim);
	struct store_options o = { .create = true };
	static const uint64_t rounds[] = { 60, 60, 1000, 60, 2 };
	void (*last)(void *arg) = s->kind == ROUGH                       ? rough_janitor
				  : s->kind == FAULT || s->kind == SHORT ? writer
									 : janitor;
	shale_thread *t[5];
	const shale_env *env = sim_env(s->sim);

	s->l->disk.fs = fs;
	s->l->disk.env = *env;
	assert_ok(store_open(env, "/store", &o, &s->l->disk.store));
	s->l->config.sink = s->sink;
	log_start(s->l, 0);
	sim_fs_on_call(fs, stop_here, s);
	front_init(&s->front, s->l, env, rounds[s->kind], s->kind == SHORT ? 1 : 3);
	atomic_fetch_add(&s->front.writers, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(env->executor.ops->spawn(env->executor.self, "writer",
							  i == 4 ? last : writer, &s->front, &t[i]),
				 0);
	for (int i = 0; i < 4; i++)
		env->executor.ops->join(env->executor.self, t[i]);
	atomic_fetch_sub(&s->front.writers, 1);
	env->executor.ops->join(env->executor.self, t[4]);
	sim_fs_on_call(fs, NULL, NULL);
	wal_free(s->l->w);
	s->l->w = NULL;
	store_close(s->l->disk.store);
}

static void simulate(enum wal_sink sink, uint64_t seed, int kind)
{
	struct simulated s = { .sink = sink, .kind = kind };
	struct sim_schedule schedule = { .policy = seed % 2 ? SIM_RANDOM : SIM_PRIORITY,
					 .switch_permille = 250,
					 .spurious_permille = 10,
					 .depth = 4,
					 .steps = 2000,
					 .steps_max = 2000000 };
	struct wal_report report;
	struct replayed r = { .first = 1 };
	struct log *after;
	struct rand rnd;
	enum sim_result result;

	rand_seed(&rnd, seed);
	assert_ok(sim_new(seed, &s.sim));
	sim_set_schedule(s.sim, &schedule);
	s.l = log_to_simulate(2 * 8192);
	s.l->config.recycle_max = 2;
	s.stop_after = kind == CRASH ? 1 + rand_below(&rnd, 400) : 0;
	result = sim_run(s.sim, simulated_main, &s);
	assert_true(result == SIM_DONE || (result == SIM_STOPPED && kind == CRASH));
	if (kind == FAULT)
		assert_int_equal(atomic_load(&s.front.failed), 5);

	/* Whatever of it is left, with the manifest of that moment. */
	after = log_new_on(sim_fs_image(sim_get_fs(s.sim),
					rand_below(&rnd, 2) ? SIM_CRASH_CHAOS : SIM_CRASH_ORDERED,
					seed),
			   sink);
	memcpy(after->live, s.l->live, sizeof(s.l->live));
	after->live_count = s.l->live_count;
	if (kind != ROUGH && stats_sum(&s.l->stats, STAT_LOG_RECYCLED) == 0 &&
	    s.l->live_count < 3) {
		/* No janitor has taken anything away. */
		assert_ok(log_replay_on(after->disk.store, after, &r, &report));
		assert_true(r.next > atomic_load(&s.front.durable_seq));
	}
	log_free(after);
	sim_free(s.sim);
	free(s.l);
}

static void no_order_of_tasks_loses_a_wake_up_or_a_record(void **state)
{
	uint64_t seed = test_seed(), n = test_scale(150);
	struct rand rnd;

	(void)state;
	rand_seed(&rnd, seed);
	for (uint64_t i = 0; i < n; i++) {
		for (int kind = QUIET; kind <= SHORT; kind++)
			simulate(rand_below(&rnd, 2) ? WAL_STAGED : WAL_MAPPED, seed + i, kind);
		for (int k = 0; k < 5; k++)
			simulate(WAL_STAGED, rand_next(&rnd), SHORT);
	}
}

enum { BACK_WRITERS = 6, BACK_ROUNDS = 50 };

static void coming_back(void *arg)
{
	struct sim *sim = arg;
	const shale_env *env = sim_env(sim);
	struct store_options o = { .create = true };
	struct sim_latency slow = { 0 };
	shale_thread *t[BACK_WRITERS];
	struct log *l;
	struct front f;

	slow.of[SIM_SYNC].least_ns = slow.of[SIM_SYNC].most_ns = 100000;
	l = log_to_simulate(1 << 20);
	l->config.sink = WAL_STAGED;
	l->disk.fs = sim_get_fs(sim);
	l->disk.env = *env;
	assert_ok(store_open(env, "/store", &o, &l->disk.store));
	log_start(l, 0);
	sim_set_latency(sim, &slow);
	front_init(&f, l, env, BACK_ROUNDS, 1);
	for (unsigned i = 0; i < BACK_WRITERS; i++)
		assert_int_equal(env->executor.ops->spawn(env->executor.self, "writer", writer, &f,
							  &t[i]),
				 0);
	for (unsigned i = 0; i < BACK_WRITERS; i++)
		env->executor.ops->join(env->executor.self, t[i]);
	assert_int_equal(atomic_load(&f.failed), 0);
	/* Each sync has nearly all of them; two groups that take turns need twice as many. */
	assert_in_range(stats_sum(&l->stats, STAT_LOG_SYNCS), BACK_ROUNDS,
			BACK_ROUNDS + BACK_ROUNDS / 4);
	wal_free(l->w);
	store_close(l->disk.store);
	free(l);
}

static void who_was_served_is_waited_for(void **state)
{
	struct sim *sim = NULL;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		assert_ok(sim_new(seed, &sim));
		assert_int_equal(sim_run(sim, coming_back, sim), SIM_DONE);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, since who loses a wake-up hangs in the others. */
		cmocka_unit_test(no_order_of_tasks_loses_a_wake_up_or_a_record),
		cmocka_unit_test(one_sync_serves_all_who_wait),
		cmocka_unit_test(writers_rotate_and_sync_without_a_hole),
		cmocka_unit_test(segments_go_and_come_back_beside_the_writers),
		cmocka_unit_test(a_failure_reaches_every_writer),
		cmocka_unit_test(who_was_served_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
