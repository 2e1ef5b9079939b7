/* Merges: what is kept, where outputs are cut, and that the counts add up. */
#include "unit/compact/job_bench.h"

static void keeps_the_newest_and_counts_add_up(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 30; round++) {
		enum key_shape shape = (enum key_shape)(round % KEY_SHAPES);
		struct oracle all = { 0 }, want = { 0 }, got = { 0 };
		struct bench b;
		uint64_t dropped = 0;

		bench_init(&b);
		b.job.table_bytes = 2048 << rand_below(&r, 4);
		for (unsigned i = 0; i < 4; i++) {
			struct oracle o = { 0 };

			/* Sequences of one table are not those of another. */
			oracle_fill(&o, &r, 300, shape, 1 << 20, 200);
			for (size_t k = 0; k < o.count; k++) {
				o.e[k].st = seqtype(4 * seqtype_seq(o.e[k].st) + i,
						    seqtype_type(o.e[k].st));
				oracle_put(&all, entry_key(&o.e[k]), o.e[k].st,
					   entry_stored(&o.e[k]));
			}
			bench_input(&b, &o);
			oracle_fini(&o);
		}
		oracle_sort(&all);
		for (size_t i = 0; i < all.count; i++) {
			const struct entry *e = &all.e[i];

			if (i > 0 && slice_eq(entry_key(e), entry_key(e - 1)))
				continue;
			if (seqtype_type(e->st) != OP_DELETE)
				oracle_put(&want, entry_key(e), seqtype(0, seqtype_type(e->st)),
					   entry_stored(e));
		}
		b.job.expected_entries = b.expected;
		assert_ok(bench_try(&b));
		read_outputs(&b, &got);
		assert_int_equal(got.count, want.count);
		for (size_t i = 0; i < got.count; i++) {
			assert_true(slice_eq(entry_key(&got.e[i]), entry_key(&want.e[i])));
			assert_true(got.e[i].st == want.e[i].st);
			assert_true(slice_eq(entry_stored(&got.e[i]), entry_stored(&want.e[i])));
		}
		for (unsigned i = DROP_SHADOWED; i < KEEP_VERDICTS; i++)
			dropped += b.job.counts[i];
		assert_int_equal(b.job.entries_in, all.count);
		assert_int_equal(b.job.entries_out, want.count);
		assert_int_equal(dropped, all.count - want.count);
		oracle_fini(&all);
		oracle_fini(&want);
		oracle_fini(&got);
		bench_fini(&b);
	}
}

static void cuts_outputs_at_the_size_asked_for(void **state)
{
	static const uint32_t codecs[] = { SHALE_NO_COMPRESSION, SHALE_LZ4 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct bench b;
		struct oracle got = { 0 };

		bench_init(&b);
		b.job.build.compression = codecs[i];
		b.job.table_bytes = 16384;
		input(&b, 0, 5000, 1, 9, OP_PUT);
		assert_ok(bench_try(&b));
		assert_true(b.job.output_count > 3);
		for (size_t k = 0; k + 1 < b.job.output_count; k++)
			assert_in_range(b.job.outputs[k].size, 15000, 16384 + 3000);
		read_outputs(&b, &got);
		assert_int_equal(got.count, 5000);
		oracle_fini(&got);
		bench_fini(&b);
	}
}

static void never_cuts_between_versions_of_a_key(void **state)
{
	uint64_t snapshots[400];
	struct oracle o = { 0 }, got = { 0 };
	struct bench b;

	(void)state;
	for (unsigned i = 0; i < 400; i++)
		snapshots[i] = i + 1;
	bench_init(&b);
	for (uint64_t seq = 400; seq > 0; seq--)
		fill(&o, 100, 3, 1, seq, OP_PUT);
	oracle_sort(&o);
	bench_input(&b, &o);
	b.job.keep.snapshots = snapshots;
	b.job.keep.snapshot_count = 400;
	assert_ok(bench_try(&b));
	assert_int_equal(b.job.output_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(b.job.outputs[i].props.entries, 400);
	read_outputs(&b, &got); /* which checks that the outputs do not meet */
	assert_int_equal(got.count, 1200);
	oracle_fini(&o);
	oracle_fini(&got);
	bench_fini(&b);
}

/* The first version of each key is dropped, a later one stays: outputs end all the same. */
static void cuts_also_where_the_newest_versions_are_dropped(void **state)
{
	uint64_t snapshot = 5;
	struct rangedel all = { shale_str("k"), shale_str("l"), 20 };
	struct oracle got = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b);
	input(&b, 0, 500, 1, 10, OP_PUT);
	input(&b, 0, 500, 1, 3, OP_PUT);
	bench_ranges(&b, &all, 1);
	b.job.keep.snapshots = &snapshot;
	b.job.keep.snapshot_count = 1;
	assert_ok(bench_try(&b));
	assert_int_equal(b.job.counts[DROP_RANGE], 500);
	assert_true(b.job.output_count > 8);
	read_outputs(&b, &got);
	assert_int_equal(got.count, 500);
	oracle_fini(&got);
	bench_fini(&b);
}

static void cuts_at_the_boundaries_beneath_once_half_full(void **state)
{
	/* The first boundary comes too early, the second in time. */
	static const char *const ends[] = { "key00000", "key00005", "key00025", "key00050",
					    "key00100", "key00200", NULL };
	struct oracle got = { 0 };
	struct version *v;
	struct bench b;

	(void)state;
	bench_init(&b);
	v = bench_run(&b, ends, true);
	b.job.beneath = v->runs[0];
	input(&b, 0, 60, 1, 9, OP_PUT);
	assert_ok(bench_try(&b));
	assert_int_equal(b.job.output_count, 3);
	assert_slice(b.job.outputs[1].props.smallest, "key00025");
	assert_slice(b.job.outputs[2].props.smallest, "key00050");
	read_outputs(&b, &got);
	assert_int_equal(got.count, 60);
	oracle_fini(&got);
	version_unref(v);
	bench_fini(&b);
}

static void asks_older_runs_what_the_bottom_is(void **state)
{
	static const char *const ends[] = { "key00010", "key00020", "key00030", NULL };
	struct oracle got = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b);
	b.older = bench_run(&b, ends, true);
	input(&b, 0, 40, 1, 9, OP_DELETE);
	assert_ok(bench_try(&b));
	read_outputs(&b, &got);
	/* Those in [10, 30), where something older may be. */
	assert_int_equal(got.count, 20);
	assert_true(slice_eq(entry_key(&got.e[0]), shale_str("key00010")));
	assert_true(slice_eq(entry_key(&got.e[19]), shale_str("key00029")));
	oracle_fini(&got);
	bench_fini(&b);
}

static void nothing_left_makes_no_table(void **state)
{
	struct rangedel all = { shale_str("k"), shale_str("l"), 20 };
	struct bench b;

	(void)state;
	bench_init(&b);
	input(&b, 0, 500, 1, 10, OP_DELETE);
	input(&b, 0, 500, 1, 3, OP_PUT);
	bench_ranges(&b, &all, 1);
	assert_ok(bench_try(&b));
	assert_int_equal(b.job.output_count, 0);
	assert_int_equal(b.job.entries_in, 1000);
	assert_int_equal(b.job.entries_out, 0);
	bench_fini(&b);
}

static void a_source_that_lost_entries_is_found_out(void **state)
{
	size_t files;
	struct bench b;

	(void)state;
	bench_init(&b);
	input(&b, 0, 100, 1, 10, OP_PUT);
	files = file_count(&b);
	b.job.expected_entries = 101;
	assert_status(bench_try(&b), SHALE_CORRUPT);
	assert_int_equal(file_count(&b), files);
	b.job.expected_entries = 100;
	assert_ok(bench_try(&b));
	bench_fini(&b);
}

static void expect_bug(struct job *j, uint64_t *count)
{
	++*count;
	assert_status(job_check_counts(j), SHALE_BUG);
	--*count;
	assert_ok(job_check_counts(j));
}

static void a_job_whose_counts_do_not_add_up_is_a_bug(void **state)
{
	struct bench b;
	struct job *j = &b.job;

	(void)state;
	bench_init(&b);
	input(&b, 0, 100, 1, 10, OP_PUT);
	input(&b, 0, 100, 1, 3, OP_PUT);
	assert_ok(bench_try(&b));
	assert_int_equal(j->entries_in, 200);
	assert_int_equal(j->counts[DROP_SHADOWED], 100);
	expect_bug(j, &j->entries_in);
	expect_bug(j, &j->entries_out);
	expect_bug(j, &j->outputs[0].props.entries);
	for (int i = 0; i < KEEP_VERDICTS; i++)
		expect_bug(j, &j->counts[i]);
	bench_fini(&b);
}

static void tells_how_far_it_has_come(void **state)
{
	struct job_progress p = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b);
	b.job.progress = &p;
	input(&b, 0, 3000, 2, 10, OP_PUT);
	assert_ok(bench_try(&b));
	assert_in_range(atomic_load(&p.entries_in), 2500, 3000);
	assert_in_range(atomic_load(&p.bytes_out), 1, b.job.bytes_out);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_newest_and_counts_add_up),
		cmocka_unit_test(cuts_outputs_at_the_size_asked_for),
		cmocka_unit_test(never_cuts_between_versions_of_a_key),
		cmocka_unit_test(cuts_also_where_the_newest_versions_are_dropped),
		cmocka_unit_test(cuts_at_the_boundaries_beneath_once_half_full),
		cmocka_unit_test(asks_older_runs_what_the_bottom_is),
		cmocka_unit_test(nothing_left_makes_no_table),
		cmocka_unit_test(a_source_that_lost_entries_is_found_out),
		cmocka_unit_test(a_job_whose_counts_do_not_add_up_is_a_bug),
		cmocka_unit_test(tells_how_far_it_has_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
