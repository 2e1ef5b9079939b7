/* A level below the top holds one run, whatever merges run at once. */
#include "support/test.h"

#include "compact/policy.h"

static struct table_meta *table(uint64_t number, const char *lo, const char *hi, uint64_t size)
{
	struct table_props props = {
		.smallest = shale_str(lo), .largest = shale_str(hi), .entries = 100, .max_seq = 100
	};
	struct table_meta *m = NULL;

	assert_ok(table_meta_new(shale_env_default(), number, size, &props, &m));
	return m;
}

static void mark(const struct version *v, const struct pick *p)
{
	for (size_t i = 0; i < p->input_count; i++)
		for (size_t t = 0; t < p->inputs[i].count; t++)
			v->runs[p->inputs[i].run]->tables[p->inputs[i].first + t]->busy = true;
}

static void two_merges_into_an_empty_level_do_not_make_two_runs_of_it(void **state)
{
	shale_compaction c = { .policy = SHALE_LEVELED, .base_bytes = 1 << 20 };
	struct policy_now now = { .oldest_snapshot = UINT64_MAX, .next_run = 10 };
	struct policy_options o = policy_options_of(&c, 1 << 20);
	struct table_meta *a = table(1, "a", "c", 40 << 20), *b = table(2, "m", "p", 40 << 20);
	struct version_builder *builder = NULL;
	struct version *v = NULL;
	struct pick_input inputs[2][4];
	struct pick one, two;

	(void)state;
	/* All of the last level was deleted; what is in the one above goes down now. */
	assert_ok(version_builder_new(shale_env_default(), NULL, &builder));
	assert_ok(version_builder_add(builder, LEVEL_LAST - 1, 7, a));
	assert_ok(version_builder_add(builder, LEVEL_LAST - 1, 7, b));
	assert_ok(version_builder_finish(builder, &v));
	assert_true(policy_pick(&o, v, &now, inputs[0], &one));
	assert_int_equal(one.output_level, LEVEL_LAST);
	mark(v, &one);
	now.next_run = 11;
	if (policy_pick(&o, v, &now, inputs[1], &two))
		assert_true(two.output_level != one.output_level ||
			    two.output_run == one.output_run);
	version_builder_free(builder);
	version_unref(v);
	table_meta_unref(a);
	table_meta_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_merges_into_an_empty_level_do_not_make_two_runs_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
