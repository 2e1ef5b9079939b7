/* The rate limiter, on a clock that moves only when somebody sleeps. */
#include "unit/base/tasks.h"

#include "env/rate.h"

enum { MS = 1000000 };

struct virtual_time {
	shale_env env;
	shale_clock_ops clock;
	shale_executor_ops executor;
	uint64_t now;
	uint64_t slept;
	void (*on_wait)(struct virtual_time *v); /* once, before the first sleep */
};

static uint64_t virtual_now(void *self)
{
	return ((struct virtual_time *)self)->now;
}

static void virtual_wait(void *self, const uint32_t *word, uint32_t expected, uint64_t ns)
{
	struct virtual_time *v = self;
	void (*hook)(struct virtual_time *) = v->on_wait;

	assert_true(ns != UINT64_MAX);
	if (hook != NULL) {
		v->on_wait = NULL;
		v->now += ns / 2;
		v->slept += ns / 2;
		hook(v);
		return;
	}
	if (*word == expected) {
		v->now += ns;
		v->slept += ns;
	}
}

static struct virtual_time v;
static struct rate r;
static struct rate_user user = { .rate = &r };

static int start(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	v.env = *shale_env_default();
	v.clock = *v.env.clock.ops;
	v.clock.now_ns = virtual_now;
	v.executor = *v.env.executor.ops;
	v.executor.wait = virtual_wait;
	v.env.clock.self = v.env.executor.self = &v;
	v.env.clock.ops = &v.clock;
	v.env.executor.ops = &v.executor;
	v.now = 5000ull * MS;
	return 0;
}

static void without_a_limit_nobody_waits(void **state)
{
	(void)state;
	rate_take(NULL, 1 << 30, 1);
	rate_init(&r, &v.env, 0, 0);
	for (int i = 0; i < 1000; i++)
		rate_take(&user, 1 << 30, 1000);
	assert_int_equal(v.slept, 0);
}

static void bytes_take_their_time(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1000000, 0); /* 1 MB/s */
	for (int i = 0; i < 100; i++)
		rate_take(&user, 10000, 1);
	assert_int_equal(v.slept, 1000ull * MS);
}

static void operations_take_their_time(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 0, 50);
	for (int i = 0; i < 100; i++)
		rate_take(&user, 1 << 20, 1);
	assert_int_equal(v.slept, 2000ull * MS);
}

static void of_both_limits_the_stricter_decides(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1000000, 10);
	for (int i = 0; i < 10; i++)
		rate_take(&user, 1000, 1); /* 10 ms of bytes, 1 s of operations */
	assert_int_equal(v.slept, 1000ull * MS);
	rate_take(&user, 5000000, 1); /* 5 s of bytes */
	assert_in_range(v.slept, 5900ull * MS, 6100ull * MS);
}

static void a_pause_saves_at_most_a_tenth_of_a_second(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1000000, 0);
	v.now += 60000ull * MS;
	rate_take(&user, 100000, 1); /* what 100 ms saved */
	assert_int_equal(v.slept, 0);
	rate_take(&user, 100000, 1);
	assert_int_equal(v.slept, 100ull * MS);
	v.now += 30ull * MS;
	rate_take(&user, 30000, 1); /* a short pause counts in full */
	assert_int_equal(v.slept, 100ull * MS);
	rate_take(&user, 1000, 1);
	assert_int_equal(v.slept, 101ull * MS);
}

static void a_clock_near_zero_does_no_harm(void **state)
{
	(void)state;
	v.now = 0;
	rate_init(&r, &v.env, 1000, 0);
	rate_take(&user, 10, 1);
	assert_int_equal(v.slept, 10ull * MS);
}

static void lift(struct virtual_time *t)
{
	(void)t;
	rate_set(&r, 0, 0);
}

static void lifting_the_limit_frees_who_sleeps(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1, 0);
	v.on_wait = lift;
	rate_take(&user, 1000, 1); /* 1000 s; lifted at half of it */
	assert_int_equal(v.slept, 500000ull * MS);
	rate_take(&user, 1 << 30, 1);
	assert_int_equal(v.slept, 500000ull * MS);
}

static void make_faster(struct virtual_time *t)
{
	(void)t;
	rate_set(&r, 10, 0);
}

static void who_sleeps_goes_on_at_the_new_rate(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1, 0);
	v.on_wait = make_faster;
	rate_take(&user, 100, 1); /* 50 s at 1 B/s, then the other 50 bytes at 10 B/s */
	assert_int_equal(v.slept, 55000ull * MS);
	rate_take(&user, 10, 1); /* and no debt is left */
	assert_int_equal(v.slept, 56000ull * MS);
}

static void huge_pieces_do_not_overflow(void **state)
{
	(void)state;
	rate_init(&r, &v.env, 1, 1);
	v.on_wait = lift;
	rate_take(&user, UINT64_MAX, UINT64_MAX);
	rate_take(&user, UINT64_MAX, UINT64_MAX);
	assert_true(v.now > 5000ull * MS);
}

/* ---- one who is asked meanwhile ---- */

static unsigned polls, polls_wanted;
static uint64_t longest_gap, polled_at;

static bool count_poll(void *arg)
{
	(void)arg;
	if (polls++ != 0 && v.now - polled_at > longest_gap)
		longest_gap = v.now - polled_at;
	polled_at = v.now;
	return polls < polls_wanted;
}

static void who_waits_is_asked_and_can_give_up(void **state)
{
	(void)state;
	polls = 0;
	polls_wanted = 1000;
	longest_gap = 0;
	user.poll = count_poll;
	rate_init(&r, &v.env, 1000000, 0);
	rate_take(&user, 1000000, 1); /* a second */
	assert_int_equal(v.slept, 1000ull * MS);
	assert_in_range(polls, 50, 60);
	assert_in_range(longest_gap, 1, 20ull * MS);
	assert_int_equal(r.wait_ns, v.slept);
	assert_int_equal(r.bytes, 1000000);
	assert_int_equal(r.ops, 1);
	/* At the tenth question from here it wants no more, and the next who takes still pays. */
	polls_wanted = polls + 10;
	rate_take(&user, 5000000, 1);
	assert_in_range(v.slept, 1100ull * MS, 1200ull * MS);
	rate_take(&user, 5000000, 1);
	assert_in_range(v.slept, 1100ull * MS, 1200ull * MS);
	user.poll = NULL;
	rate_take(&user, 1000000, 1);
	assert_int_equal(v.slept, 7000ull * MS);
}

static struct rate shared;
static const struct rate_user sharer = { .rate = &shared };

static void take_much(void *arg)
{
	(void)arg;
	for (int i = 0; i < 25; i++)
		rate_take(&sharer, 1000, 1);
}

static void threads_share_the_rate(void **state)
{
	const shale_env *env = shale_env_default();
	uint64_t began;
	struct tasks t;

	(void)state;
	rate_init(&shared, env, 1000000, 0);
	began = env_now_ns(env);
	tasks_start(&t, 4, take_much, NULL); /* 100 kB: 100 ms, less what is saved at first */
	tasks_join(&t);
	assert_in_range(env_now_ns(env) - began, 90ull * MS, 2000ull * MS);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, start)
	const struct CMUnitTest tests[] = {
		TEST(without_a_limit_nobody_waits),
		TEST(bytes_take_their_time),
		TEST(operations_take_their_time),
		TEST(of_both_limits_the_stricter_decides),
		TEST(a_pause_saves_at_most_a_tenth_of_a_second),
		TEST(a_clock_near_zero_does_no_harm),
		TEST(lifting_the_limit_frees_who_sleeps),
		TEST(who_sleeps_goes_on_at_the_new_rate),
		TEST(huge_pieces_do_not_overflow),
		TEST(who_waits_is_asked_and_can_give_up),
		TEST(threads_share_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
