/* Range tombstones in a merge: cut where outputs are, and continued in the next. */
#include "unit/compact/job_bench.h"

/* Every key, there or not, is covered after the merge by what covered it before. */
static void range_tombstones_are_cut_and_continued(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 60; round++) {
		uint64_t snapshots[] = { 50, 100 };
		struct rangedel list[40];
		char keys[40][2][16];
		struct oracle got = { 0 };
		struct bench b;
		size_t n = 1 + rand_below(&r, 40);

		bench_init(&b);
		b.older = bench_run(&b, everywhere, true);
		for (unsigned i = 0; i < 2; i++)
			input(&b, (unsigned)rand_below(&r, 50), 1 + (unsigned)rand_below(&r, 100),
			      1 + (unsigned)rand_below(&r, 3), 200 + i, OP_PUT);
		for (size_t i = 0; i < n; i++) {
			unsigned lo = (unsigned)rand_below(&r, 400);
			unsigned hi = lo + 1 + (unsigned)rand_below(&r, 100);

			list[i] = (struct rangedel){ numbered(keys[i][0], lo),
						     numbered(keys[i][1], hi),
						     1 + rand_below(&r, 150) };
		}
		bench_ranges(&b, list, n);
		b.job.keep.snapshots = snapshots;
		b.job.keep.snapshot_count = 2;
		assert_ok(bench_try(&b));
		read_outputs(&b, &got);
		for (unsigned k = 0; k < 510; k++) {
			char key[16];

			for (unsigned i = 0; i < 3; i++) {
				uint64_t limit = i < 2 ? snapshots[i] : SEQ_MAX;

				assert_int_equal(output_range(&b, numbered(key, k), limit),
						 rangedel_newest(b.ranges, numbered(key, k),
								 limit));
			}
		}
		oracle_fini(&got);
		bench_fini(&b);
	}
}

static void tables_of_range_tombstones_only(void **state)
{
	struct rangedel list[] = { { shale_str("b"), shale_str("d"), 7 },
				   { shale_str("e"), shale_str("f"), 8 } };
	struct bench b;

	(void)state;
	bench_init(&b);
	b.older = bench_run(&b, everywhere, true);
	bench_ranges(&b, list, 2);
	assert_ok(bench_try(&b));
	assert_int_equal(b.job.output_count, 1);
	assert_int_equal(b.job.outputs[0].props.entries, 0);
	assert_int_equal(b.job.outputs[0].props.range_tombstones, 2);
	assert_slice(b.job.outputs[0].props.smallest, "b");
	assert_slice(b.job.outputs[0].props.largest, "f");
	assert_true(b.job.outputs[0].props.largest_excluded);
	bench_fini(&b);
}

static void many_range_tombstones_take_many_tables(void **state)
{
	enum { RANGES = 3000 };
	struct rangedel *list = calloc(RANGES, sizeof(*list));
	char(*keys)[2][16] = calloc(RANGES, sizeof(*keys));
	uint64_t ranges = 0;
	struct oracle got = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b);
	b.older = bench_run(&b, everywhere, true);
	for (unsigned i = 0; i < RANGES; i++)
		list[i] = (struct rangedel){ numbered(keys[i][0], 3 * i),
					     numbered(keys[i][1], 3 * i + 2), 7 };
	bench_ranges(&b, list, RANGES);
	/* Some keys among the first, at starts of ranges, within, and between. */
	input(&b, 0, 100, 7, 9, OP_PUT);
	assert_ok(bench_try(&b));
	assert_true(b.job.output_count > 20);
	for (size_t i = 0; i < b.job.output_count; i++) {
		assert_in_range(b.job.outputs[i].size, 1, 3 * 4096);
		ranges += b.job.outputs[i].props.range_tombstones;
	}
	/* One that has a boundary within is in two of them. */
	assert_in_range(ranges, RANGES, RANGES + b.job.output_count);
	read_outputs(&b, &got);
	assert_int_equal(got.count, 100);
	oracle_fini(&got);
	free(list);
	free(keys);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_tombstones_are_cut_and_continued),
		cmocka_unit_test(tables_of_range_tombstones_only),
		cmocka_unit_test(many_range_tombstones_take_many_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
