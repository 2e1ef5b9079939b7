/*
 * The points of the scheduler themselves: a step that is marked with task_point() can
 * be followed by a step of another task, the seed says by whose, and nothing else does.
 */
#include "support/test.h"

#include "base/lock.h"
#include "base/task.h"
#include "env/sim.h"

enum { TASKS = 2, ROUNDS = 3, SEEDS = 200 };

struct shared {
	struct sim *sim;
	_Atomic uint64_t count;
	_Atomic bool ready;
	void (*add)(struct shared *s);
	char order[TASKS * ROUNDS * 2 + 1]; /* who stepped */
	unsigned steps;
};

struct member {
	struct shared *s;
	char name;
};

/* Two atomic steps where one was needed. */
static void add_in_two(struct shared *s)
{
	uint64_t count = atomic_load(&s->count);

	task_point(false);
	atomic_store(&s->count, count + 1);
	task_point(false);
}

/* The same without marks: for the scheduler it is one step. */
static void add_unmarked(struct shared *s)
{
	uint64_t count = atomic_load(&s->count);

	atomic_store(&s->count, count + 1);
	task_point(false);
}

static void add_and_check(struct shared *s)
{
	uint64_t count = atomic_load(&s->count);

	do
		task_point(false);
	while (!atomic_compare_exchange_strong(&s->count, &count, count + 1));
	task_point(false);
}

static void work(void *arg)
{
	struct member *m = arg;

	for (int i = 0; i < ROUNDS; i++) {
		m->s->order[m->s->steps++] = m->name;
		m->s->add(m->s);
		m->s->order[m->s->steps++] = m->name;
	}
}

static void spawn_all(struct shared *s, void (*fn)(void *), struct member *m)
{
	const shale_env *env = sim_env(s->sim);
	shale_thread *t[TASKS];

	for (int i = 0; i < TASKS; i++) {
		m[i] = (struct member){ s, (char)('a' + i) };
		if (env->executor.ops->spawn(env->executor.self, "t", fn, &m[i], &t[i]) != 0)
			abort();
	}
	for (int i = 0; i < TASKS; i++)
		env->executor.ops->join(env->executor.self, t[i]);
}

static void work_all(void *arg)
{
	struct member m[TASKS];

	spawn_all(arg, work, m);
}

/* What one seed does, and its trace. */
static uint64_t play(uint64_t seed, void (*add)(struct shared *s), struct shared *s)
{
	uint64_t trace;

	*s = (struct shared){ .add = add };
	assert_ok(sim_new(seed, &s->sim));
	assert_int_equal(sim_run(s->sim, work_all, s), SIM_DONE);
	trace = sim_trace_hash(s->sim);
	sim_free(s->sim);
	return trace;
}

static unsigned seeds_that_lose(void (*add)(struct shared *s))
{
	unsigned lost = 0;
	struct shared s;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		(void)play(seed, add, &s);
		lost += s.count != TASKS * ROUNDS;
	}
	return lost;
}

static void a_lost_update_between_two_marked_steps_is_found(void **state)
{
	unsigned lost = seeds_that_lose(add_in_two);

	(void)state;
	print_message("%u of %u seeds lose an update\n", lost, (unsigned)SEEDS);
	assert_in_range(lost, 1, SEEDS - 1);
}

static void what_loses_nothing_loses_nothing_under_any_seed(void **state)
{
	(void)state;
	assert_int_equal(seeds_that_lose(add_and_check), 0);
	assert_int_equal(seeds_that_lose(add_unmarked), 0);
}

static void one_seed_gives_one_order_and_one_trace(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct shared a, b;

		assert_true(play(seed, add_in_two, &a) == play(seed, add_in_two, &b));
		assert_string_equal(a.order, b.order);
		assert_true(a.count == b.count);
	}
}

static void two_seeds_give_two_traces_and_orders(void **state)
{
	struct shared first, other;
	uint64_t trace = play(1, add_in_two, &first);
	unsigned orders = 0;

	(void)state;
	for (uint64_t seed = 2; seed <= SEEDS; seed++) {
		assert_true(play(seed, add_in_two, &other) != trace);
		orders += strcmp(first.order, other.order) != 0;
	}
	assert_true(orders > SEEDS / 4);
}

/* ---- spins ---- */

static void wait_or_tell(void *arg)
{
	struct member *m = arg;

	if (m->name == 'a')
		while (!atomic_load(&m->s->ready))
			cpu_relax();
	else
		atomic_store(&m->s->ready, true);
}

static void spin(void *arg)
{
	struct member m[TASKS];

	spawn_all(arg, wait_or_tell, m);
}

/* Also where the one that spins goes before all others. */
static void a_spin_gives_way_to_the_one_it_waits_for(void **state)
{
	static const struct sim_schedule each[] = {
		{ .policy = SIM_RANDOM, .switch_permille = 50, .steps_max = 100000 },
		{ .policy = SIM_PRIORITY, .steps_max = 100000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct shared s = { .steps = 0 };

			assert_ok(sim_new(seed, &s.sim));
			sim_set_schedule(s.sim, &each[i]);
			assert_int_equal(sim_run(s.sim, spin, &s), SIM_DONE);
			sim_free(s.sim);
		}
}

static void outside_of_the_executor_a_mark_is_nothing(void **state)
{
	struct shared s = { .steps = 0 };

	(void)state;
	add_in_two(&s);
	task_point(true);
	assert_int_equal(s.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_update_between_two_marked_steps_is_found),
		cmocka_unit_test(what_loses_nothing_loses_nothing_under_any_seed),
		cmocka_unit_test(one_seed_gives_one_order_and_one_trace),
		cmocka_unit_test(two_seeds_give_two_traces_and_orders),
		cmocka_unit_test(a_spin_gives_way_to_the_one_it_waits_for),
		cmocka_unit_test(outside_of_the_executor_a_mark_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
