/* The bottom: is there anything older than the inputs of a merge at a key, or in a range? */
#include "unit/compact/job_bench.h"

/* Against a walk over all tables; the questions are keys in rising order with repeats. */
static void the_bottom_agrees_with_a_walk(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 2000; round++) {
		const shale_env *env = shale_env_default();
		struct version_builder *builder = NULL;
		struct version *v = NULL;
		struct bottom bottom;
		size_t first;

		assert_ok(version_builder_new(env, NULL, &builder));
		for (uint32_t level = 1; level <= 3; level++) {
			unsigned at = (unsigned)rand_below(&r, 20);

			while (at < 60 && rand_below(&r, 8) != 0) {
				bool excluded = rand_below(&r, 2) != 0;
				unsigned end = at + excluded + (unsigned)rand_below(&r, 6);
				char lo[16], hi[16];
				struct table_props p = { .smallest = numbered(lo, at),
							 .largest = numbered(hi, end),
							 .largest_excluded = excluded };
				struct table_meta *m = NULL;

				assert_ok(table_meta_new(env, 100 * level + at, 1, &p, &m));
				assert_ok(version_builder_add(builder, level, 1, m));
				table_meta_unref(m);
				at = end + !excluded + (unsigned)rand_below(&r, 6);
			}
		}
		assert_ok(version_builder_finish(builder, &v));
		version_builder_free(builder);
		first = rand_below(&r, v->run_count + 1);
		assert_ok(bottom_init(&bottom, env, v, first));
		for (unsigned k = 0; k < 70; k += (unsigned)rand_below(&r, 4)) {
			char text[16], end[16];
			shale_slice key = numbered(text, k);
			shale_slice hi = numbered(end, k + 1 + (unsigned)rand_below(&r, 10));
			bool want = true, want_range = true;

			for (size_t i = first; i < v->run_count; i++)
				for (size_t t = 0; t < v->runs[i]->count; t++) {
					const struct table_meta *m = v->runs[i]->tables[t];

					want &= !table_meta_overlaps(m, key, key, false);
					/* The end of a range is not part of it. */
					want_range &= !table_meta_overlaps(m, key, hi, true);
				}
			assert_int_equal(bottom_key(&bottom, key), want);
			assert_int_equal(bottom_range(&bottom, key, hi), want_range);
		}
		bottom_fini(&bottom, env);
		version_unref(v);
	}
}

static void without_a_version_nothing_is_the_bottom(void **state)
{
	struct bottom bottom;

	(void)state;
	assert_ok(bottom_init(&bottom, shale_env_default(), NULL, 0));
	assert_false(bottom_key(&bottom, shale_str("k")));
	assert_false(bottom_range(&bottom, shale_str("k"), shale_str("l")));
	bottom_fini(&bottom, shale_env_default());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bottom_agrees_with_a_walk),
		cmocka_unit_test(without_a_version_nothing_is_the_bottom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
