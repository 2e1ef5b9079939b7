/*
 * Adaptive: scripts of what is asked in each second, and what is chosen then.
 */
#include "support/test.h"

#include "compact/adapt.h"

enum { MEMTABLE = 64 << 20 };

struct play {
	struct adapt a;
	struct adapt_counters asked;
	struct policy_options o;
	uint64_t ms;
	unsigned changes;
};

static struct play *begin(const shale_compaction *c)
{
	static struct play p;

	p = (struct play){ .o = policy_options_of(c, MEMTABLE), .ms = 1000 };
	adapt_begin(&p.a, &p.o);
	return &p;
}

static void seconds(struct play *p, unsigned n, uint64_t writes, uint64_t reads, uint64_t scans)
{
	for (unsigned i = 0; i < n; i++) {
		p->asked.writes += writes;
		p->asked.reads += reads;
		p->asked.scans += scans;
		p->ms += 1000;
		p->changes += adapt_look(&p->a, &p->asked, p->ms, UINT64_C(200) * MEMTABLE,
					 MEMTABLE, &p->o);
	}
}

static const shale_compaction adaptive = { .policy = SHALE_ADAPTIVE };

static void begins_as_hybrid(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	assert_int_equal(p->o.policy, SHALE_ADAPTIVE);
	assert_int_equal(p->o.acting, SHALE_HYBRID);
	seconds(p, 100, 0, 0, 0);
	assert_int_equal(p->changes, 0);
}

/* Else the model would price another setting than the one that acts, and never choose the first. */
static void begins_with_what_its_first_choice_stands_for(void **state)
{
	struct play *p = begin(&adaptive);
	struct policy_options first = p->o;

	(void)state;
	assert_int_equal(first.max_runs, 4);
	assert_int_equal(first.size_ratio, 4);
	seconds(p, 10, 100000, 0, 0);
	assert_int_equal(p->o.acting, SHALE_TIERED);
	/* What is best for this mix is the first choice: it comes back as it was. */
	for (int i = 0; i < 60; i++) {
		p->asked.merged += 10000;
		p->asked.overwritten += 2000;
		seconds(p, 1, 10000, 16000, 3000);
	}
	assert_int_equal(p->a.acting, 0);
	assert_memory_equal(&p->o, &first, sizeof(first));
}

static void what_is_not_adaptive_stays_as_it_was_set(void **state)
{
	struct play *p = begin(&(shale_compaction){ .policy = SHALE_HYBRID, .max_runs = 7 });

	(void)state;
	assert_int_equal(p->o.max_runs, 7);
	assert_int_equal(p->o.size_ratio, 6);
}

static void writes_alone_make_tiers(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	seconds(p, 10, 100000, 0, 0);
	assert_int_equal(p->o.acting, SHALE_TIERED);
	assert_int_equal(p->o.policy, SHALE_ADAPTIVE);
	assert_int_equal(p->changes, 1);
}

static void scans_make_few_runs(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	seconds(p, 10, 1000, 1000, 100000);
	assert_true(p->o.acting == SHALE_LEVELED || p->o.max_runs == 2);
	assert_int_equal(p->changes, 1);
}

static void bursts_of_a_second_do_not_make_it_waver(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	seconds(p, 30, 10000, 10000, 2000);
	p->changes = 0;
	for (int i = 0; i < 10; i++) {
		seconds(p, 1, 30000, 0, 0);
		seconds(p, 20, 10000, 10000, 2000);
	}
	assert_true(p->changes <= 1);
}

static void a_change_for_good_is_followed_within_ten_seconds(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	for (int i = 0; i < 5; i++) {
		seconds(p, 10, 100000, 0, 0);
		assert_int_equal(p->o.acting, SHALE_TIERED);
		seconds(p, 10, 1000, 1000, 100000);
		assert_int_not_equal(p->o.acting, SHALE_TIERED);
	}
	assert_true(p->changes <= 20);
}

static void a_bound_on_space_forbids_tiers(void **state)
{
	struct play *p =
		begin(&(shale_compaction){ .policy = SHALE_ADAPTIVE, .space_amp_max = 120 });

	(void)state;
	seconds(p, 20, 100000, 0, 0);
	assert_int_not_equal(p->o.acting, SHALE_TIERED);
	assert_int_equal(p->o.space_amp_max, 120);
}

static void a_clock_that_stands_or_goes_back_does_no_harm(void **state)
{
	struct play *p = begin(&adaptive);

	(void)state;
	seconds(p, 10, 100000, 0, 0);
	p->ms = 500;
	seconds(p, 10, 1000, 1000, 100000);
	assert_int_not_equal(p->o.acting, SHALE_TIERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_as_hybrid),
		cmocka_unit_test(begins_with_what_its_first_choice_stands_for),
		cmocka_unit_test(what_is_not_adaptive_stays_as_it_was_set),
		cmocka_unit_test(writes_alone_make_tiers),
		cmocka_unit_test(scans_make_few_runs),
		cmocka_unit_test(bursts_of_a_second_do_not_make_it_waver),
		cmocka_unit_test(a_change_for_good_is_followed_within_ten_seconds),
		cmocka_unit_test(a_bound_on_space_forbids_tiers),
		cmocka_unit_test(a_clock_that_stands_or_goes_back_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
