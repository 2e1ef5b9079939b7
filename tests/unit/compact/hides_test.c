/* How many entries of a merge's outputs are said to hide older ones. */
#include "unit/compact/job_bench.h"

#include "compact/hides.h"

enum { ENTRIES = 40000, OTHERS = 30000 };

/* What is wrong with the older table. */
enum flaw { NONE, MISSING, NO_FILTER };

/* A version of one run that has every `step`-th of the first OTHERS keys; of all, unfiltered. */
static struct version *older_run(struct bench *b, unsigned step, enum flaw flaw)
{
	struct table_build_options build = b->job.build;
	struct version_builder *builder = NULL;
	struct oracle o = { 0 };
	struct table_built built;
	struct table_meta *m = NULL;
	struct version *v = NULL;

	if (flaw == NO_FILTER)
		build.filter_bits = 0;
	fill(&o, 0, (flaw == NO_FILTER ? ENTRIES : OTHERS) / step, step, 3, OP_PUT);
	built = oracle_build(&o, &b->x, b->next_number++, &build);
	assert_ok(version_builder_new(&b->x.env, NULL, &builder));
	assert_ok(table_meta_new(&b->x.env, built.number, built.size, &built.props, &m));
	assert_ok(version_builder_add(builder, 6, 1, m));
	assert_ok(version_builder_finish(builder, &v));
	table_meta_unref(m);
	version_builder_free(builder);
	buf_fini(&built.keys);
	oracle_fini(&o);
	return v;
}

static uint64_t hides_of_all(const struct bench *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->job.output_count; i++) {
		assert_true(b->job.outputs[i].hides <= b->job.outputs[i].props.entries);
		n += b->job.outputs[i].hides;
	}
	return n;
}

/* Outputs of keys 0 to ENTRIES above a run of every step-th up to OTHERS; 0: of none. */
static uint64_t hides_above(unsigned step, size_t first, enum flaw flaw)
{
	struct bench b;
	uint64_t n;

	bench_init(&b);
	b.job.table_bytes = 1 << 20;
	b.older = step != 0 ? older_run(&b, step, flaw) : NULL;
	b.job.older = b.older;
	b.job.first_older = first;
	if (flaw == MISSING)
		assert_ok(store_delete(b.x.te.store, OBJECT_TABLE,
				       b.older->runs[0]->tables[0]->number));
	input(&b, 0, ENTRIES, 1, 9, OP_PUT);
	assert_ok(bench_try(&b));
	n = hides_of_all(&b);
	bench_fini(&b);
	return n;
}

static void estimates_how_much_lies_beneath(void **state)
{
	(void)state;
	/* A sample of 625: three standard deviations are 6 in a hundred of all. */
	assert_in_range(hides_above(1, 0, NONE), OTHERS - ENTRIES * 6 / 100,
			OTHERS + ENTRIES * 6 / 100);
	assert_in_range(hides_above(3, 0, NONE), OTHERS / 3 - ENTRIES * 6 / 100,
			OTHERS / 3 + ENTRIES * 6 / 100);
}

static void knows_that_nothing_lies_beneath(void **state)
{
	(void)state;
	assert_int_equal(hides_above(1, 1, NONE), 0);
}

static void takes_the_unknown_for_hiding_all(void **state)
{
	(void)state;
	assert_int_equal(hides_above(0, 0, NONE), ENTRIES);
	/* A table that cannot be opened may have any key; the merge goes on without it. */
	assert_in_range(hides_above(3, 0, MISSING), OTHERS - ENTRIES * 6 / 100, ENTRIES);
}

static void takes_what_no_filter_tells_for_hiding_all(void **state)
{
	(void)state;
	/* A third of them do hide something, but whoever is asked says that all do. */
	assert_int_equal(hides_above(3, 0, NO_FILTER), ENTRIES);
}

static void knows_nothing_where_half_of_the_keys_are_unknown(void **state)
{
	struct bench b;
	struct hides h;

	(void)state;
	bench_init(&b);
	b.older = older_run(&b, 1, NONE);
	h = (struct hides){
		.te = &b.x.te, .older = b.older, .asked = 100, .found = 75, .wrong = 50
	};
	assert_int_equal(hides_take(&h, 51000), 51000);
	assert_true(h.asked == 0 && h.found == 0 && h.wrong == 0);
	/* Just less than half: they count as the others do, of whom 26 of 51 are found. */
	h.asked = 100;
	h.found = 75;
	h.wrong = 49;
	assert_int_equal(hides_take(&h, 51000), 26000);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_how_much_lies_beneath),
		cmocka_unit_test(knows_that_nothing_lies_beneath),
		cmocka_unit_test(takes_the_unknown_for_hiding_all),
		cmocka_unit_test(takes_what_no_filter_tells_for_hiding_all),
		cmocka_unit_test(knows_nothing_where_half_of_the_keys_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
