/* Mutexes and conditions on real threads and in simulated orders; ranks in debug builds. */
#include "unit/base/tasks.h"

#include "base/lock.h"
#include "env/sim.h"

#include <sys/wait.h>
#include <unistd.h>

static struct mutex mu;
static struct cond changed;

static int start(void **state)
{
	(void)state;
	mutex_init(&mu, shale_env_default(), RANK_DB);
	cond_init(&changed);
	return 0;
}

static uint64_t counter; /* guarded by mu; plain, so that TSan watches it */

static void count_up(void *arg)
{
	uint64_t n = *(uint64_t *)arg;

	for (uint64_t i = 0; i < n; i++) {
		mutex_lock(&mu);
		mutex_assert_held(&mu);
		counter++;
		mutex_unlock(&mu);
	}
}

static void a_mutex_lets_in_one_at_a_time(void **state)
{
	uint64_t n = test_scale(100000);
	struct tasks t;

	(void)state;
	counter = 0;
	tasks_start(&t, 4, count_up, &n);
	tasks_join(&t);
	assert_true(counter == 4 * n);
}

static void trylock_tells_whether_it_is_held(void **state)
{
	(void)state;
	assert_true(mutex_trylock(&mu));
	assert_int_equal(atomic_load(&mu.state), 1);
	mutex_unlock(&mu);
	mutex_lock(&mu);
	assert_false(mutex_trylock(&mu));
	mutex_unlock(&mu);
	assert_true(mutex_trylock(&mu));
	mutex_unlock(&mu);
}

/* A queue of one place, handed from producers to consumers. */
enum { ITEMS = 3000 };
static int place; /* guarded by mu; 0: empty */
static uint64_t sum;
static struct cond filled, emptied;

static void produce(void *arg)
{
	const shale_env *env = shale_env_default();

	(void)arg;
	for (int i = 1; i <= ITEMS; i++) {
		mutex_lock(&mu);
		while (place != 0)
			cond_wait(&emptied, &mu);
		place = i;
		mutex_unlock(&mu);
		cond_signal(&filled, env);
	}
}

static void consume(void *arg)
{
	const shale_env *env = shale_env_default();

	(void)arg;
	for (int i = 1; i <= ITEMS; i++) {
		mutex_lock(&mu);
		while (place == 0)
			cond_wait(&filled, &mu);
		sum += (uint64_t)place;
		place = 0;
		mutex_unlock(&mu);
		cond_signal(&emptied, env);
	}
}

static void no_signal_is_lost(void **state)
{
	struct tasks producers, consumers;

	(void)state;
	place = 0;
	sum = 0;
	cond_init(&filled);
	cond_init(&emptied);
	tasks_start(&consumers, 2, consume, NULL);
	tasks_start(&producers, 2, produce, NULL);
	tasks_join(&producers);
	tasks_join(&consumers);
	assert_true(sum == (uint64_t)ITEMS * (ITEMS + 1));
}

static int arrived; /* guarded by mu */
static bool open_gate;

static void wait_at_gate(void *arg)
{
	(void)arg;
	mutex_lock(&mu);
	arrived++;
	while (!open_gate)
		cond_wait(&changed, &mu);
	mutex_unlock(&mu);
}

static void a_broadcast_wakes_all(void **state)
{
	struct tasks t;
	int n = 0;

	(void)state;
	arrived = 0;
	open_gate = false;
	tasks_start(&t, 5, wait_at_gate, NULL);
	while (n < 5) {
		mutex_lock(&mu);
		n = arrived;
		mutex_unlock(&mu);
	}
	mutex_lock(&mu);
	open_gate = true;
	mutex_unlock(&mu);
	cond_broadcast(&changed, shale_env_default());
	tasks_join(&t);
}

static void a_wait_ends_at_its_timeout(void **state)
{
	const shale_env *env = shale_env_default();
	uint64_t began = env_now_ns(env), took;

	(void)state;
	mutex_lock(&mu);
	while (env_now_ns(env) < began + 5000000)
		cond_wait_ns(&changed, &mu, 5000000);
	mutex_assert_held(&mu);
	mutex_unlock(&mu);
	took = env_now_ns(env) - began;
	assert_in_range(took, 5000000, 2000000000);

	began = env_now_ns(env);
	env_sleep_ns(env, 3000000);
	assert_in_range(env_now_ns(env) - began, 3000000, 2000000000);
	env_sleep_ns(env, 0);
}

/* ---- in every order that a seed gives ---- */

struct meeting {
	struct sim *sim;
	struct mutex mu;
	struct cond changed;
	bool there; /* guarded by mu */
};

static void come(void *arg)
{
	struct meeting *m = arg;

	mutex_lock(&m->mu);
	m->there = true;
	mutex_unlock(&m->mu);
	cond_signal(&m->changed, sim_env(m->sim));
}

static void meet(void *arg)
{
	struct meeting *m = arg;
	const shale_env *env = sim_env(m->sim);
	shale_thread *other = NULL;

	mutex_init(&m->mu, env, RANK_DB);
	cond_init(&m->changed);
	m->there = false;
	if (env->executor.ops->spawn(env->executor.self, "other", come, m, &other) != 0)
		abort();
	mutex_lock(&m->mu);
	/* The other one comes to sleep at the mutex, and is woken in the midst of the wait. */
	for (unsigned i = 0; i < 500; i++)
		env_yield(env);
	while (!m->there)
		cond_wait(&m->changed, &m->mu);
	mutex_unlock(&m->mu);
	env->executor.ops->join(env->executor.self, other);
}

static void no_order_of_tasks_loses_a_signal(void **state)
{
	struct sim_schedule schedule = { .policy = SIM_RANDOM,
					 .switch_permille = 400,
					 .steps_max = 100000 };
	struct meeting m;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		assert_ok(sim_new(seed, &m.sim));
		sim_set_schedule(m.sim, &schedule);
		assert_int_equal(sim_run(m.sim, meet, &m), SIM_DONE);
		sim_free(m.sim);
	}
}

#ifdef SHALE_DEBUG
static bool dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fclose(stderr); /* it is going to complain */
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void take(enum lock_rank first, enum lock_rank second)
{
	struct mutex a, b;

	mutex_init(&a, shale_env_default(), first);
	mutex_init(&b, shale_env_default(), second);
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&a); /* in any order */
	mutex_unlock(&b);
}

static void take_rising(void)
{
	take(RANK_DB, RANK_WAL);
	take(RANK_LEAF, RANK_LEAF);
}

static void take_falling(void)
{
	take(RANK_WAL, RANK_DB);
}

static void take_equal(void)
{
	take(RANK_DB, RANK_DB);
}

static void unlock_unheld(void)
{
	struct mutex a;

	mutex_init(&a, shale_env_default(), RANK_DB);
	mutex_unlock(&a);
}

static void locks_out_of_order_are_caught(void **state)
{
	(void)state;
	assert_false(dies(take_rising));
	assert_true(dies(take_falling));
	assert_true(dies(take_equal));
	assert_true(dies(unlock_unheld));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_mutex_lets_in_one_at_a_time, start),
		cmocka_unit_test_setup(trylock_tells_whether_it_is_held, start),
		cmocka_unit_test_setup(no_signal_is_lost, start),
		cmocka_unit_test_setup(a_broadcast_wakes_all, start),
		cmocka_unit_test_setup(a_wait_ends_at_its_timeout, start),
		cmocka_unit_test(no_order_of_tasks_loses_a_signal),
#ifdef SHALE_DEBUG
		cmocka_unit_test(locks_out_of_order_are_caught),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
