/* The deterministic executor, its clock, and the library's locks upon it. */
#include "base/lock.h"
#include "base/rand.h"
#include "base/task.h"
#include "env/sim.h"
#include "support/test.h"

#include <errno.h>

static uint64_t seed;

static int setup(void **state)
{
	struct sim *sim;

	if (sim_new(seed, &sim) != SHALE_OK)
		return -1;
	*state = sim;
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

static shale_thread *spawn(const shale_env *env, const char *name, void (*fn)(void *), void *arg)
{
	shale_thread *t = NULL;

	assert_int_equal(env->executor.ops->spawn(env->executor.self, name, fn, arg, &t), 0);
	return t;
}

static void join(const shale_env *env, shale_thread *t)
{
	env->executor.ops->join(env->executor.self, t);
}

/* ---- contention ---- */

enum { WORKERS = 5, ROUNDS = 200, QUEUE = 3 };

struct shop {
	struct sim *sim;
	const shale_env *env;
	struct mutex mu;
	struct cond changed;
	unsigned inside, queued, made, taken, turns;
	char order[WORKERS * ROUNDS * 2 + 1]; /* who did what, to tell schedules apart */
	unsigned order_count;
};

static void shop_init(struct shop *s, struct sim *sim)
{
	*s = (struct shop){ .sim = sim, .env = sim_env(sim) };
	mutex_init(&s->mu, s->env, RANK_LEAF);
	cond_init(&s->changed);
}

static void enter(struct shop *s)
{
	mutex_lock(&s->mu);
	assert_int_equal(s->inside++, 0);
	env_yield(s->env);
}

static void leave(struct shop *s)
{
	assert_int_equal(s->inside--, 1);
	mutex_unlock(&s->mu);
}

static void wait_change(struct shop *s)
{
	s->inside--;
	cond_wait(&s->changed, &s->mu);
	s->inside++;
}

static void produce(void *arg)
{
	struct shop *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		enter(s);
		while (s->queued == QUEUE)
			wait_change(s);
		s->queued++;
		s->made++;
		s->order[s->order_count++] = 'p';
		cond_broadcast(&s->changed, s->env);
		leave(s);
	}
}

static void consume(void *arg)
{
	struct shop *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		enter(s);
		while (s->queued == 0)
			wait_change(s);
		s->queued--;
		s->taken++;
		s->order[s->order_count++] = 'c';
		cond_broadcast(&s->changed, s->env);
		leave(s);
	}
}

static void open_shop(void *arg)
{
	struct shop *s = arg;
	shale_thread *t[2 * WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		t[i] = spawn(s->env, "producer", produce, s);
		t[WORKERS + i] = spawn(s->env, "consumer", consume, s);
	}
	for (int i = 0; i < 2 * WORKERS; i++)
		join(s->env, t[i]);
}

static void run_shop(struct shop *s, struct sim *sim)
{
	shop_init(s, sim);
	assert_int_equal(sim_run(sim, open_shop, s), SIM_DONE);
	assert_int_equal(s->made, WORKERS * ROUNDS);
	assert_int_equal(s->taken, WORKERS * ROUNDS);
	assert_int_equal(sim_get_stats(sim).unjoined, 0);
}

static void locks_and_conditions_hold_under_contention(void **state)
{
	struct sim *sim = *state;
	struct sim_schedule all[] = {
		{ .switch_permille = 0 },
		{ .switch_permille = 1000, .spurious_permille = 300 },
		{ .policy = SIM_PRIORITY, .depth = 3, .steps = 10000 },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct shop s;

		sim_set_schedule(sim, &all[i]);
		run_shop(&s, sim);
	}
}

static void the_same_seed_gives_the_same_schedule(void **state)
{
	struct sim *sim = *state;
	struct shop *s = calloc(3, sizeof(*s));
	uint64_t hash[3];

	for (int priority = 0; priority < 2; priority++) {
		if (priority) {
			struct sim_schedule p = { .policy = SIM_PRIORITY,
						  .spurious_permille = 10,
						  .depth = 3,
						  .steps = 10000 };

			sim_set_schedule(sim, &p);
		}
		for (unsigned i = 0; i < 3; i++) {
			sim_reset(sim, i == 2 ? seed + 1 : seed);
			run_shop(&s[i], sim);
			hash[i] = sim_trace_hash(sim);
		}
		assert_true(hash[0] == hash[1]);
		assert_memory_equal(s[0].order, s[1].order, sizeof(s[0].order));
		assert_true(hash[0] != hash[2]);
		assert_memory_not_equal(s[0].order, s[2].order, sizeof(s[0].order));
	}
	free(s);
}

/* ---- time ---- */

struct sleeper {
	const shale_env *env;
	uint64_t ns, slept;
};

static void sleep_fn(void *arg)
{
	struct sleeper *s = arg;
	uint64_t from = env_now_ns(s->env);

	env_sleep_ns(s->env, s->ns);
	s->slept = env_now_ns(s->env) - from;
}

static void sleepers(void *arg)
{
	struct sleeper *s = arg;
	shale_thread *t[3];

	for (int i = 0; i < 3; i++)
		t[i] = spawn(s->env, "sleeper", sleep_fn, &s[i]);
	for (int i = 0; i < 3; i++)
		join(s->env, t[i]);
}

static void time_jumps_to_the_nearest_timeout_when_all_sleep(void **state)
{
	struct sim *sim = *state;
	const shale_env *env = sim_env(sim);
	struct sleeper s[3] = { { env, 3600000000000, 0 }, { env, 1000000, 0 }, { env, 50, 0 } };
	uint64_t before = sim_get_stats(sim).now_ns, wall = env_wall_ms(env);

	assert_int_equal(sim_run(sim, sleepers, s), SIM_DONE);
	for (int i = 0; i < 3; i++)
		assert_in_range(s[i].slept, s[i].ns, s[i].ns + 100000);
	assert_in_range(sim_get_stats(sim).now_ns - before, 3600000000000, 3600001000000);
	assert_in_range(env_wall_ms(env) - wall, 3600000, 3600001);
}

static void the_wall_clock_can_be_set_and_time_pushed(void **state)
{
	struct sim *sim = *state;
	const shale_env *env = sim_env(sim);
	uint64_t now = env_now_ns(env);

	sim_set_wall_ms(sim, 5000);
	assert_in_range(env_wall_ms(env), 5000, 5001);
	sim_advance_ns(sim, 7000000000);
	assert_in_range(env_wall_ms(env), 12000, 12001);
	assert_in_range(env_now_ns(env) - now, 7000000000, 7000100000);
}

static void random_bytes_come_from_the_seed(void **state)
{
	struct sim *sim = *state;
	const shale_env *env = sim_env(sim);
	uint8_t a[32], b[32];

	env->clock.ops->random(env->clock.self, a, sizeof(a));
	sim_reset(sim, seed);
	env->clock.ops->random(env->clock.self, b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	sim_reset(sim, seed + 1);
	env->clock.ops->random(env->clock.self, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

/* ---- getting stuck ---- */

static void keep_text(void *arg, const char *text)
{
	snprintf(arg, 256, "%s", text);
}

static void wait_forever(void *arg)
{
	struct shop *s = arg;

	mutex_lock(&s->mu);
	for (;;)
		cond_wait(&s->changed, &s->mu);
}

static void join_the_waiter(void *arg)
{
	struct shop *s = arg;

	join(s->env, spawn(s->env, "flush", wait_forever, s));
}

static void a_deadlock_is_found_and_names_its_tasks(void **state)
{
	struct sim *sim = *state;
	char text[256] = "";
	struct shop s;

	shop_init(&s, sim);
	sim_on_stuck(sim, keep_text, text);
	assert_int_equal(sim_run(sim, join_the_waiter, &s), SIM_STUCK);
	assert_string_equal(text, "deadlock: main (1) joins flush (2); flush (2) waits;");
	/* And the simulator is still good. */
	run_shop(&s, sim);
}

static void spin(void *arg)
{
	for (;;)
		env_yield(arg);
}

static void too_many_steps_are_a_stuck_run(void **state)
{
	struct sim *sim = *state;
	struct sim_schedule schedule = { .switch_permille = 250, .steps_max = 1000 };
	char text[256] = "";

	sim_on_stuck(sim, keep_text, text);
	sim_set_schedule(sim, &schedule);
	assert_int_equal(sim_run(sim, spin, (void *)sim_env(sim)), SIM_STUCK);
	assert_string_equal(text, "too many steps: main (1) runs;");
}

static uint32_t flag;

static void raise_flag(void *arg)
{
	(void)arg;
	flag = 1;
}

static void spin_for_flag(void *arg)
{
	const shale_env *env = arg;
	shale_thread *t;

	flag = 0;
	t = spawn(env, "raiser", raise_flag, NULL);
	while (flag == 0)
		env_yield(env);
	join(env, t);
}

static void one_who_yields_lets_others_come_under_every_policy(void **state)
{
	struct sim *sim = *state;

	for (unsigned i = 0; i < 20; i++) {
		struct sim_schedule schedule = { .policy = i % 2 ? SIM_PRIORITY : SIM_RANDOM,
						 .steps_max = 1000 };

		sim_set_schedule(sim, &schedule);
		sim_reset(sim, seed + i);
		assert_int_equal(sim_run(sim, spin_for_flag, (void *)sim_env(sim)), SIM_DONE);
	}
}

/* ---- a bug that needs one switch at one place ---- */

struct race {
	const shale_env *env;
	unsigned counter;
};

static void count_badly(void *arg)
{
	struct race *r = arg;
	unsigned seen = r->counter;

	env_now_ns(r->env);
	r->counter = seen + 1;
}

static void race(void *arg)
{
	struct race *r = arg;
	shale_thread *a = spawn(r->env, "a", count_badly, r);
	shale_thread *b = spawn(r->env, "b", count_badly, r);

	join(r->env, a);
	join(r->env, b);
}

static void a_race_shows_under_some_seeds(void **state)
{
	struct sim *sim = *state;

	for (int policy = SIM_RANDOM; policy <= SIM_PRIORITY; policy++) {
		struct sim_schedule schedule = {
			.policy = policy, .switch_permille = 250, .depth = 2, .steps = 10
		};
		unsigned lost = 0;

		sim_set_schedule(sim, &schedule);
		for (unsigned i = 0; i < 200; i++) {
			struct race r = { .env = sim_env(sim) };

			sim_reset(sim, seed + i);
			assert_int_equal(sim_run(sim, race, &r), SIM_DONE);
			lost += r.counter == 1;
		}
		assert_in_range(lost, 5, 195);
	}
}

/* ---- death ---- */

struct death {
	struct sim *sim;
	const shale_env *env;
	unsigned alive;
	bool stop;
};

static void work_forever(void *arg)
{
	struct death *d = arg;
	shale_file *f = NULL;
	void *p = mem_alloc(d->env, 100);

	assert_non_null(p);
	d->env->fs.ops->open(d->env->fs.self, "f", SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f);
	for (;;) {
		d->alive++;
		d->env->fs.ops->pwrite(d->env->fs.self, f, p, 100, 0);
	}
}

static void kill_and_go_on(void *arg)
{
	struct death *d = arg;
	unsigned alive;

	for (int i = 0; i < 3; i++)
		spawn(d->env, "worker", work_forever, d);
	env_sleep_ns(d->env, 1000000);
	if (d->stop)
		sim_stop(d->sim);
	sim_kill_tasks(d->sim);
	alive = d->alive;
	assert_true(alive > 3);
	env_sleep_ns(d->env, 1000000);
	assert_int_equal(d->alive, alive);
	assert_int_equal(sim_heap_live(sim_get_heap(d->sim)), 3);
	sim_heap_free_all(sim_get_heap(d->sim));
	sim_fs_crash(sim_get_fs(d->sim), SIM_CRASH_PROCESS, 0);
}

static void killed_tasks_vanish_and_what_they_leave_can_be_freed(void **state)
{
	struct sim *sim = *state;
	struct death d = { sim, sim_env(sim), 0, false };

	assert_int_equal(sim_run(sim, kill_and_go_on, &d), SIM_DONE);
	assert_int_equal(sim_heap_live(sim_get_heap(sim)), 0);
	d.stop = true;
	assert_int_equal(sim_run(sim, kill_and_go_on, &d), SIM_STOPPED);
	assert_int_equal(sim_heap_live(sim_get_heap(sim)), 3);
}

static void stop_at_tenth(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct death *d = arg;

	(void)name;
	if (op == SIM_WRITE && sim_fs_calls(fs, SIM_WRITE) == 10)
		sim_stop(d->sim);
}

static void a_hook_can_stop_the_run_before_a_call(void **state)
{
	struct sim *sim = *state;
	struct death d = { sim, sim_env(sim), 0, true };

	sim_fs_on_call(sim_get_fs(sim), stop_at_tenth, &d);
	assert_int_equal(sim_run(sim, work_forever, &d), SIM_STOPPED);
	assert_int_equal(sim_fs_calls(sim_get_fs(sim), SIM_WRITE), 10);
}

/* ---- the rest ---- */

static void fail_in_task(void *arg)
{
	shale_error *e = err_last();

	(void)arg;
	assert_int_equal(e->status, SHALE_OK);
	err_new(SHALE_IO, "of this task");
}

static void each_with_own_error(void *arg)
{
	const shale_env *env = arg;

	err_new(SHALE_CORRUPT, "of main");
	join(env, spawn(env, "other", fail_in_task, NULL));
	assert_int_equal(err_last()->status, SHALE_CORRUPT);
}

static void each_task_has_its_own_state(void **state)
{
	struct sim *sim = *state;

	err_new(SHALE_BUSY, "of the host");
	assert_int_equal(sim_run(sim, each_with_own_error, (void *)sim_env(sim)), SIM_DONE);
	assert_int_equal(err_last()->status, SHALE_BUSY);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void spawn_twice(void *arg)
{
	const shale_env *env = arg;
	shale_thread *t;

	spawn(env, "unjoined", nothing, NULL);
	assert_int_equal(env->executor.ops->spawn(env->executor.self, "x", nothing, NULL, &t),
			 -EAGAIN);
}

static void a_spawn_can_fail_and_a_missing_join_is_counted(void **state)
{
	struct sim *sim = *state;
	const shale_env *env = sim_env(sim);

	sim_fail_spawn(sim, 2);
	assert_int_equal(sim_run(sim, spawn_twice, (void *)env), SIM_DONE);
	assert_int_equal(sim_get_stats(sim).unjoined, 1);
	sim_set_alive(sim, false);
	assert_int_equal(*env->executor.ops->alive(env->executor.self), 0);
	sim_set_cpus(sim, 9);
	assert_int_equal(env->executor.ops->cpus(env->executor.self), 9);
}

int main(void)
{
	seed = test_seed();
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(locks_and_conditions_hold_under_contention),
		TEST(the_same_seed_gives_the_same_schedule),
		TEST(time_jumps_to_the_nearest_timeout_when_all_sleep),
		TEST(the_wall_clock_can_be_set_and_time_pushed),
		TEST(random_bytes_come_from_the_seed),
		TEST(a_deadlock_is_found_and_names_its_tasks),
		TEST(too_many_steps_are_a_stuck_run),
		TEST(one_who_yields_lets_others_come_under_every_policy),
		TEST(a_race_shows_under_some_seeds),
		TEST(killed_tasks_vanish_and_what_they_leave_can_be_freed),
		TEST(a_hook_can_stop_the_run_before_a_call),
		TEST(each_task_has_its_own_state),
		TEST(a_spawn_can_fail_and_a_missing_join_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
