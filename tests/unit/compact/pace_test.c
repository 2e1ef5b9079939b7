/* How fast merges may go, played on made-up days, calls and debts. */
#include "support/test.h"

#include "compact/pace.h"

enum { MB = 1000000, MS = 1000000, MINUTE_MS = 60000 };

static struct pace p;
static struct pace_look look;

static int start(void **state)
{
	(void)state;
	pace_init(&p);
	look = (struct pace_look){ .now_ns = 1000ull * MS, .wall_ms = 1700000000000ull };
	return 0;
}

static uint64_t bytes_at(uint64_t wall_ms)
{
	look.wall_ms = wall_ms;
	return pace_now(&p, &look).bytes_per_s;
}

/* ---- windows ---- */

static void without_a_limit_there_is_none(void **state)
{
	struct pace_limits l = pace_now(&p, &look);

	(void)state;
	assert_int_equal(l.bytes_per_s, 0);
	assert_int_equal(l.ops_per_s, 0);
}

static void a_window_counts_from_its_first_minute_to_before_its_last(void **state)
{
	const uint64_t day = 19000ull * 1440 * MINUTE_MS;
	shale_rate r = SHALE_RATE_INIT;

	(void)state;
	r.bytes_per_s = 10;
	r.ops_per_s = 3;
	r.window[0] = (shale_rate_window){ 60, 120, 20, 0 };
	pace_set(&p, &r);
	assert_int_equal(bytes_at(day), 10);
	assert_int_equal(bytes_at(day + 60 * MINUTE_MS - 1), 10);
	assert_int_equal(bytes_at(day + 60 * MINUTE_MS), 20);
	assert_int_equal(pace_now(&p, &look).ops_per_s, 0);
	assert_int_equal(bytes_at(day + 120 * MINUTE_MS - 1), 20);
	assert_int_equal(bytes_at(day + 120 * MINUTE_MS), 10);
	assert_int_equal(pace_now(&p, &look).ops_per_s, 3);
	assert_int_equal(bytes_at(day + (1440 + 61) * MINUTE_MS), 20);
	/* A jump of the clock is a look at another time. */
	assert_int_equal(bytes_at(61 * MINUTE_MS), 20);
	assert_int_equal(bytes_at(0), 10);
	assert_int_equal(bytes_at(UINT64_MAX), pace_set_now(&r, UINT64_MAX).bytes_per_s);
}

static void a_window_may_go_on_behind_midnight(void **state)
{
	shale_rate r = SHALE_RATE_INIT;

	(void)state;
	r.bytes_per_s = 10;
	r.window[1] = (shale_rate_window){ 1320, 360, 0, 0 }; /* at night, no limit */
	pace_set(&p, &r);
	assert_int_equal(bytes_at(0), 0);
	assert_int_equal(bytes_at(359 * MINUTE_MS), 0);
	assert_int_equal(bytes_at(360 * MINUTE_MS), 10);
	assert_int_equal(bytes_at(1319 * MINUTE_MS), 10);
	assert_int_equal(bytes_at(1320 * MINUTE_MS), 0);
	r.window[1] = (shale_rate_window){ 0, 1440, 7, 0 };
	pace_set(&p, &r);
	for (uint64_t m = 0; m < 1440; m += 13)
		assert_int_equal(bytes_at(m * MINUTE_MS), 7);
}

static void of_windows_that_overlap_the_first_counts(void **state)
{
	shale_rate r = SHALE_RATE_INIT;

	(void)state;
	r.window[0] = (shale_rate_window){ 10, 20, 1, 0 };
	r.window[3] = (shale_rate_window){ 0, 30, 2, 0 };
	pace_set(&p, &r);
	assert_int_equal(bytes_at(5 * MINUTE_MS), 2);
	assert_int_equal(bytes_at(15 * MINUTE_MS), 1);
	assert_int_equal(bytes_at(25 * MINUTE_MS), 2);
	assert_int_equal(bytes_at(30 * MINUTE_MS), 0);
}

/* ---- urgency ---- */

static void limits_give_way_while_writers_are_delayed(void **state)
{
	shale_rate r = SHALE_RATE_INIT;
	uint64_t before = 0;

	(void)state;
	r.bytes_per_s = 1000;
	r.ops_per_s = 10;
	pace_set(&p, &r);
	for (look.pressure = 0; look.pressure < 500; look.pressure += 10) {
		struct pace_limits l = pace_now(&p, &look);

		assert_true(l.bytes_per_s > before || look.pressure == 0);
		assert_true(l.ops_per_s >= 10);
		before = l.bytes_per_s;
	}
	look.pressure = 250;
	assert_int_equal(pace_now(&p, &look).bytes_per_s, 2000);
	assert_int_equal(pace_now(&p, &look).ops_per_s, 20);
	for (look.pressure = 500; look.pressure <= 1000; look.pressure += 50) {
		assert_int_equal(pace_now(&p, &look).bytes_per_s, 0);
		assert_int_equal(pace_now(&p, &look).ops_per_s, 0);
	}
	r.bytes_per_s = UINT64_MAX;
	pace_set(&p, &r);
	look.pressure = 499;
	assert_int_equal(pace_now(&p, &look).bytes_per_s, UINT64_MAX);
}

/* ---- the foreground ---- */

/*
 * A machine on which calls take 100 us, and `us_each` more for each MB/s of merges, which
 * go as fast as they may, up to `can`.
 */
struct machine {
	double us_each;
	uint64_t can, flushes;
	double owes;                   /* bytes to be merged for each that is flushed */
	double over, sum, least, most; /* of what was seen: periods over the target, rates */
	unsigned periods;
};

static void play(struct machine *m, unsigned seconds, unsigned calls)
{
	uint64_t target = (uint64_t)p.set.target_p99_us * 1000;

	double debt = (double)look.debt;

	m->over = m->sum = m->most = 0;
	m->least = 1e18;
	m->periods = 4 * seconds;
	for (unsigned i = 0; i < m->periods; i++) {
		uint64_t limit = pace_now(&p, &look).bytes_per_s;
		double rate = limit == 0 || limit > m->can ? (double)m->can : (double)limit;
		double todo = (double)m->flushes * m->owes + 8 * debt;
		uint64_t ns = (uint64_t)(1000 * (100 + m->us_each * rate / MB));

		/* There may be less to be merged. */
		if (m->owes != 0 && rate > todo)
			rate = todo;
		for (unsigned k = 0; k < calls; k++)
			latency_add(&p.latency, ns);
		m->over += ns > target;
		m->sum += rate;
		m->least = rate < m->least ? rate : m->least;
		m->most = rate > m->most ? rate : m->most;
		look.now_ns += 250ull * MS;
		look.flushed += m->flushes / 4;
		look.merged += (uint64_t)rate / 4;
		debt += ((double)m->flushes * m->owes - rate) / 2 / 4;
		debt = debt > 0 ? debt : 0;
		look.debt = (uint64_t)debt;
	}
}

static shale_rate with_target(uint64_t bytes_per_s)
{
	shale_rate r = SHALE_RATE_INIT;

	r.bytes_per_s = bytes_per_s;
	r.target_p99_us = 1000;
	return r;
}

static void merges_go_as_fast_as_the_target_allows(void **state)
{
	struct machine m = { .us_each = 20, .can = 400 * MB };
	shale_rate r = with_target(200 * MB);

	(void)state;
	pace_set(&p, &r);
	play(&m, 30, 1000);
	play(&m, 60, 1000); /* 45 MB/s would meet it */
	assert_in_range((uint64_t)(m.sum / m.periods), 33 * MB, 47 * MB);
	assert_true(m.most <= 50 * MB);
	assert_true(m.over / m.periods <= 0.25);
	assert_true(p.p99_ns > 500000 && p.p99_ns < 1300000);
	/* Quicker: up to the limit that was set, not beyond. */
	m.us_each = 1;
	play(&m, 60, 1000);
	play(&m, 2, 1000);
	assert_true(m.least == 200.0 * MB && m.most == 200.0 * MB);
	/* Other limits at another time of the day bind at once. */
	r.window[0] = (shale_rate_window){ 0, 1440, 5 * MB, 0 };
	pace_set(&p, &r);
	play(&m, 2, 1000);
	assert_true(m.least == 5.0 * MB && m.most == 5.0 * MB);
}

static void without_a_set_limit_it_is_lifted_again(void **state)
{
	struct machine m = { .us_each = 20, .can = 300 * MB };
	shale_rate r = with_target(0);

	(void)state;
	pace_set(&p, &r);
	play(&m, 30, 1000);
	play(&m, 30, 1000);
	assert_in_range((uint64_t)(m.sum / m.periods), 30 * MB, 50 * MB);
	m.us_each = 0;
	play(&m, 200, 1000);
	assert_int_equal(pace_now(&p, &look).bytes_per_s, 0);
}

static void what_flushes_need_is_the_floor(void **state)
{
	struct machine m = { .us_each = 1e6, .can = 400 * MB, .flushes = 5 * MB, .owes = 12 };
	shale_rate r = with_target(200 * MB);

	(void)state;
	pace_set(&p, &r);
	/* It is hopeless, but they keep up, and what they owe has a bound. */
	for (int i = 0; i < 20; i++) {
		play(&m, 60, 1000);
		assert_true(look.debt <= 1500ull * MB);
	}
	assert_true(m.least >= 55.0 * MB);
	assert_true(m.most <= 80.0 * MB);
	/* More to do is done. */
	m.owes = 20;
	for (int i = 0; i < 20; i++)
		play(&m, 60, 1000);
	assert_true(m.least >= 95.0 * MB);
	/* But it is no more than what was set. */
	m.owes = 60;
	for (int i = 0; i < 10; i++)
		play(&m, 60, 1000);
	assert_true(m.most == 200.0 * MB);
}

static void where_writers_wait_for_merges_fewer_of_them_do_not_help(void **state)
{
	struct machine m = { .us_each = 1e6, .can = 400 * MB };
	shale_rate r = with_target(200 * MB);

	(void)state;
	pace_set(&p, &r);
	look.pressure = 10;
	play(&m, 30, 1000);
	assert_true(m.least >= 200.0 * MB);
	look.pressure = 0;
	play(&m, 30, 1000);
	assert_true(m.least <= 2.0 * MB);
}

static void where_nobody_calls_nobody_is_in_the_way(void **state)
{
	struct machine m = { .us_each = 1e6, .can = 400 * MB };
	shale_rate r = with_target(200 * MB);

	(void)state;
	pace_set(&p, &r);
	play(&m, 30, 1000);
	assert_true(m.least <= 2.0 * MB);
	play(&m, 400, 1); /* 16 in a long period are too few to go by */
	play(&m, 4, 1);
	assert_true(m.least == 200.0 * MB);
	/* Few calls make a longer period. */
	play(&m, 60, 8);
	assert_true(m.least <= 20.0 * MB);
}

static void calls_are_counted_by_how_long_they_take(void **state)
{
	struct latency *l = &p.latency;

	(void)state;
	for (uint64_t ns = 1; ns < UINT64_C(1) << 40; ns += 1 + ns / 5) {
		unsigned b = latency_bucket(ns);

		assert_true(b < LATENCY_BUCKETS);
		if (b == LATENCY_BUCKETS - 1)
			break;
		assert_true(ns < latency_end(b));
		assert_true(ns < 256 || latency_end(b) <= ns + ns / 8 + 1);
		assert_true(b == 0 || ns >= latency_end(b - 1));
	}
	assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
	assert_int_equal(latency_take_p99(l), 0);
	for (int i = 0; i < 990; i++)
		latency_add(l, 1000);
	for (int i = 0; i < 10; i++)
		latency_add(l, 1000000);
	assert_int_equal(latency_count(l), 1000);
	assert_in_range(latency_take_p99(l), 1000, 1125);
	assert_int_equal(latency_count(l), 0);
	for (int i = 0; i < 989; i++)
		latency_add(l, 1000);
	for (int i = 0; i < 11; i++)
		latency_add(l, 1000000);
	assert_in_range(latency_take_p99(l), 1000000, 1125000);
	/* What is off is not timed. */
	atomic_store(&l->on, false);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(latency_begin(l, shale_env_default()), 0);
	atomic_store(&l->on, true);
	for (int i = 0; i < 100 * LATENCY_EVERY; i++)
		latency_note(l, shale_env_default(), latency_begin(l, shale_env_default()));
	assert_int_equal(latency_count(l), 100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, start)
	const struct CMUnitTest tests[] = {
		TEST(without_a_limit_there_is_none),
		TEST(a_window_counts_from_its_first_minute_to_before_its_last),
		TEST(a_window_may_go_on_behind_midnight),
		TEST(of_windows_that_overlap_the_first_counts),
		TEST(limits_give_way_while_writers_are_delayed),
		TEST(merges_go_as_fast_as_the_target_allows),
		TEST(without_a_set_limit_it_is_lifted_again),
		TEST(what_flushes_need_is_the_floor),
		TEST(where_writers_wait_for_merges_fewer_of_them_do_not_help),
		TEST(where_nobody_calls_nobody_is_in_the_way),
		TEST(calls_are_counted_by_how_long_they_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
