/*
 * The background threads under every order of tasks that some seeds give. The
 * simulator reports a worker that sleeps on while there is work as a deadlock.
 */
#include "support/test.h"

#include "base/rand.h"
#include "compact/scheduler.h"
#include "env/sim.h"

enum { SEEDS = 150 };

/* A heap of work; pieces are taken by the step. */
struct place {
	const shale_env *env;
	struct sim *sim;
	struct scheduler *scheduler;
	struct mutex mu;
	struct cond changed;
	unsigned todo, running, done, most_running, steps;
	unsigned started_blind; /* steps that saw no scheduler */
	bool makes_more;        /* a piece done may make another */
	bool long_work;         /* a piece runs till it is told to stop */
	uint64_t asked_ns[2];   /* times of the first steps, when nothing is to do */
	shale_status rc;
};

static bool step(void *arg, unsigned worker, uint64_t *wait_ns)
{
	struct place *p = arg;
	bool some, more;

	assert_true(worker < 3);
	mutex_lock(&p->mu);
	p->started_blind += p->scheduler == NULL;
	if (p->steps < 2)
		p->asked_ns[p->steps] = env_now_ns(p->env);
	p->steps++;
	some = p->todo != 0;
	p->todo -= some;
	p->running += some;
	if (p->running > p->most_running)
		p->most_running = p->running;
	mutex_unlock(&p->mu);
	if (!some) {
		(void)env_now_ns(p->env); /* where a kick may come in between */
		assert_true(*wait_ns == UINT64_MAX);
		return false;
	}
	while (p->long_work && !scheduler_stopping(p->scheduler))
		env_sleep_ns(p->env, 1000);
	mutex_lock(&p->mu);
	p->running--;
	p->done++;
	more = p->makes_more && p->done % 3 == 0;
	p->todo += more;
	cond_broadcast(&p->changed, p->env);
	mutex_unlock(&p->mu);
	if (more)
		scheduler_kick(p->scheduler);
	return true;
}

static void place_init(struct place *p, struct sim *sim)
{
	*p = (struct place){ .env = sim_env(sim), .sim = sim };
	mutex_init(&p->mu, p->env, RANK_DB);
	cond_init(&p->changed);
}

static int setup(void **state)
{
	struct sim *sim = NULL;

	if (sim_new(1, &sim) != SHALE_OK)
		return -1;
	*state = sim;
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

/* Run fn on a fresh place, for many seeds under both policies. */
static void run_all(struct sim *sim, void (*fn)(void *arg), void (*prepare)(struct place *p),
		    void (*check)(const struct place *p))
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_schedule schedule = { .switch_permille = 50 + 6 * i,
						 .spurious_permille = i % 3 == 0 ? 100 : 0 };
		struct place p;

		if (i % 2 != 0)
			schedule = (struct sim_schedule){ .policy = SIM_PRIORITY,
							  .depth = 1 + i % 5,
							  .steps = 500 };
		sim_reset(sim, seed + i);
		sim_set_schedule(sim, &schedule);
		place_init(&p, sim);
		if (prepare != NULL)
			prepare(&p);
		assert_int_equal(sim_run(sim, fn, &p), SIM_DONE);
		assert_ok(p.rc);
		check(&p);
		assert_int_equal(p.started_blind, 0);
		assert_int_equal(sim_get_stats(sim).unjoined, 0);
		assert_int_equal(sim_heap_live(sim_get_heap(sim)), 0);
	}
}

/* ---- no kick is lost ---- */

static void add_work(struct place *p, unsigned n)
{
	mutex_lock(&p->mu);
	p->todo += n;
	mutex_unlock(&p->mu);
	scheduler_kick(p->scheduler);
}

static void await_done(struct place *p, unsigned n)
{
	mutex_lock(&p->mu);
	while (p->done < n)
		cond_wait(&p->changed, &p->mu);
	mutex_unlock(&p->mu);
}

static void bring_work_piece_by_piece(void *arg)
{
	struct place *p = arg;

	p->rc = scheduler_start(p->env, 3, 0, step, p, &p->scheduler);
	for (unsigned i = 1; i <= 20; i++) {
		add_work(p, 1);
		if (i % 4 == 0) /* sleeps for good if a kick was lost */
			await_done(p, i);
	}
	await_done(p, 20);
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
}

static void check_twenty(const struct place *p)
{
	assert_int_equal(p->done, 20);
	assert_int_equal(p->running, 0);
}

static void no_kick_is_lost(void **state)
{
	run_all(*state, bring_work_piece_by_piece, NULL, check_twenty);
}

static void make_more(struct place *p)
{
	p->makes_more = true;
}

static void bring_work_that_makes_more(void *arg)
{
	struct place *p = arg;

	p->todo = 10; /* there before the first worker is */
	p->rc = scheduler_start(p->env, 3, 0, step, p, &p->scheduler);
	await_done(p, 14); /* 10, then 3, then 1 */
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
}

static void check_fourteen(const struct place *p)
{
	assert_int_equal(p->done, 14);
	assert_int_equal(p->todo, 0);
}

static void workers_kick_each_other_from_the_first_moment_on(void **state)
{
	run_all(*state, bring_work_that_makes_more, make_more, check_fourteen);
}

/* ---- stopping ---- */

static void work_long(struct place *p)
{
	p->long_work = true;
}

static void stop_while_work_runs(void *arg)
{
	struct place *p = arg;

	p->rc = scheduler_start(p->env, 2, 0, step, p, &p->scheduler);
	assert_false(scheduler_stopping(p->scheduler));
	add_work(p, 5);
	mutex_lock(&p->mu);
	while (p->running < 2) {
		mutex_unlock(&p->mu);
		env_sleep_ns(p->env, 1000);
		mutex_lock(&p->mu);
	}
	mutex_unlock(&p->mu);
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
}

static void check_two(const struct place *p)
{
	/* Those under way came to their end, no other was begun. */
	assert_int_equal(p->done, 2);
	assert_int_equal(p->running, 0);
	assert_int_equal(p->todo, 3);
	assert_int_equal(p->most_running, 2);
}

static void stopping_lets_what_is_under_way_end(void **state)
{
	run_all(*state, stop_while_work_runs, work_long, check_two);
}

static void start_and_stop(void *arg)
{
	struct place *p = arg;

	p->rc = scheduler_start(p->env, 3, 0, step, p, &p->scheduler);
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
}

static void check_nothing(const struct place *p)
{
	assert_int_equal(p->done, 0);
}

static void stops_at_once_when_idle_or_not_even_begun(void **state)
{
	run_all(*state, start_and_stop, NULL, check_nothing);
}

/* ---- waiting ---- */

static bool step_with_timeout(void *arg, unsigned worker, uint64_t *wait_ns)
{
	bool some = step(arg, worker, wait_ns);

	*wait_ns = 5000000;
	return some;
}

static void wait_for_a_timeout(void *arg)
{
	struct place *p = arg;

	p->rc = scheduler_start(p->env, 1, 0, step_with_timeout, p, &p->scheduler);
	env_sleep_ns(p->env, 12000000);
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
}

static void check_waited(const struct place *p)
{
	assert_true(p->steps >= 2);
}

static void asks_again_after_the_time_the_step_gave(void **state)
{
	struct sim *sim = *state;
	struct sim_schedule calm = { .switch_permille = 100 };
	struct place p;

	run_all(sim, wait_for_a_timeout, NULL, check_waited);
	sim_reset(sim, 1);
	sim_set_schedule(sim, &calm);
	place_init(&p, sim);
	assert_int_equal(sim_run(sim, wait_for_a_timeout, &p), SIM_DONE);
	assert_in_range(p.asked_ns[1] - p.asked_ns[0], 5000000, 5100000);
}

/* ---- making way ---- */

static unsigned ways_given, nice_given;

static void count_way(void *self, unsigned nice)
{
	(void)self;
	ways_given++;
	nice_given = nice;
}

/* How many of three workers make way, under an executor with such a table. */
static unsigned make_way(struct place *p, unsigned nice, size_t table_bytes,
			 void (*give_way)(void *self, unsigned nice))
{
	shale_env env = *p->env;
	shale_executor_ops ops = *env.executor.ops;

	ops.struct_size = table_bytes;
	ops.give_way = give_way;
	env.executor.ops = &ops;
	ways_given = 0;
	assert_ok(scheduler_start(&env, 3, nice, step, p, &p->scheduler));
	scheduler_stop(p->scheduler);
	scheduler_free(p->scheduler);
	p->scheduler = NULL;
	return ways_given;
}

static void make_way_in_each_way(void *arg)
{
	struct place *p = arg;
	size_t all = sizeof(shale_executor_ops), before = offsetof(shale_executor_ops, give_way);

	assert_int_equal(make_way(p, 7, all, count_way), 3);
	assert_int_equal(nice_given, 7);
	assert_int_equal(make_way(p, 0, all, count_way), 0);
	assert_int_equal(make_way(p, 7, before, count_way), 0);
	assert_int_equal(make_way(p, 7, all, NULL), 0);
}

static void workers_make_way_as_asked_where_the_executor_can(void **state)
{
	run_all(*state, make_way_in_each_way, NULL, check_nothing);
}

/* ---- failures ---- */

static void fail_to_start(void *arg)
{
	struct place *p = arg;

	for (uint64_t nth = 1; nth <= 3; nth++) {
		sim_fail_spawn(p->sim, nth);
		assert_int_not_equal(scheduler_start(p->env, 3, 0, step, p, &p->scheduler),
				     SHALE_OK);
		assert_null(p->scheduler);
	}
	sim_fail_spawn(p->sim, 0);
	sim_heap_fail(sim_get_heap(p->sim), 1, false);
	assert_int_equal(scheduler_start(p->env, 3, 0, step, p, &p->scheduler), SHALE_NO_MEMORY);
	assert_null(p->scheduler);
	/* Nobody there: no one to kick, nothing to stop. */
	scheduler_kick(NULL);
	scheduler_stop(NULL);
	assert_true(scheduler_stopping(NULL));
}

static void a_failed_start_leaves_nothing_running(void **state)
{
	run_all(*state, fail_to_start, NULL, check_nothing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_kick_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_kick_each_other_from_the_first_moment_on,
						setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_lets_what_is_under_way_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stops_at_once_when_idle_or_not_even_begun, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asks_again_after_the_time_the_step_gave, setup,
						teardown),
		cmocka_unit_test_setup_teardown(workers_make_way_as_asked_where_the_executor_can,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_start_leaves_nothing_running, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
