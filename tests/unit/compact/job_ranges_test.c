/* Range tombstones in a merge: cut where outputs are, and continued in the next. */
#include "unit/compact/job_bench.h"

/* A run whose tables begin every `step` keys, at which a table is to be cut. */
static struct version *run_of_step(struct bench *b, unsigned step)
{
	const char *ends[64];
	char keys[63][16];
	size_t n = 0;

	for (unsigned i = 0; n < 63 && i < 520; i += step, n++)
		ends[n] = (const char *)numbered(keys[n], i).data;
	ends[n] = NULL;
	return bench_run(b, ends, true);
}

static void assert_cut_at(const struct bench *b, const struct run *guards)
{
	for (size_t i = 0; i < b->job.output_count; i++) {
		const struct table_props *p = &b->job.outputs[i].props;

		assert_true(slice_cmp(p->smallest, p->largest) < (p->largest_excluded ? 0 : 1));
		for (size_t g = 1; g < guards->count; g++) {
			shale_slice at = guards->tables[g]->props.smallest;
			int c = slice_cmp(at, p->largest);

			assert_false(slice_cmp(p->smallest, at) < 0 &&
				     (c < 0 || (c == 0 && !p->largest_excluded)));
		}
	}
}

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
		struct version *cut = NULL;

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
		if (round % 2 != 0) {
			cut = run_of_step(&b, 10 + (unsigned)rand_below(&r, 100));
			b.job.guards = cut->runs[0];
			b.job.every_guard = true;
		}
		assert_ok(bench_try(&b));
		if (cut != NULL)
			assert_cut_at(&b, cut->runs[0]);
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
		version_unref(cut);
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
