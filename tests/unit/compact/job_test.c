/* Merges over real tables on a simulated disk. */
#include "unit/table/fixture.h"

#include "compact/job.h"

#include <errno.h>

/* ---- a job and what it is made of ---- */

struct bench {
	struct fixture x;
	uint64_t next_number;
	struct version_builder *builder; /* of the inputs */
	uint64_t next_run, expected;
	struct version *inputs;
	struct rangedel_set *ranges;
	struct run *beneath;
	struct version *older; /* NULL: nothing is older */
	struct version *empty;
	struct bottom bottom;
	struct job job;
};

static uint64_t new_number(void *arg)
{
	struct bench *b = arg;

	return b->next_number++;
}

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	fixture_init(&b->x, 1, 1 << 20);
	b->next_number = 1;
	b->next_run = 100;
	assert_ok(version_builder_new(&b->x.env, NULL, &b->builder));
	assert_ok(version_new_empty(&b->x.env, &b->empty));
	b->job = (struct job){ .te = &b->x.te,
			       .build = *build_options(SHALE_NO_COMPRESSION, 512),
			       .table_bytes = 4096,
			       .expected_entries = UINT64_MAX,
			       .new_number = new_number,
			       .arg = b,
			       .keep = { .bottom_key = bottom_key,
					 .bottom_range = bottom_range,
					 .arg = &b->bottom } };
}

/* One table as the next older run of the inputs. */
static void bench_input(struct bench *b, const struct oracle *o)
{
	struct table_built built = oracle_build(o, &b->x, b->next_number++, &b->job.build);
	struct table_meta *m = NULL;

	assert_ok(table_meta_new(&b->x.env, built.number, built.size, &built.props, &m));
	assert_ok(version_builder_add(b->builder, 0, b->next_run--, m));
	b->expected += o->count;
	table_meta_unref(m);
	buf_fini(&built.keys);
}

static void bench_ranges(struct bench *b, const struct rangedel *list, size_t n)
{
	assert_ok(rangedel_build(&b->x.env, list, n, &b->ranges));
	b->job.ranges = b->ranges;
}

/* A run without files: tables [ends[i], ends[i + 1]). */
static struct version *bench_run(struct bench *b, const char *const *ends, bool excluded)
{
	struct version_builder *builder = NULL;
	struct version *v = NULL;

	assert_ok(version_builder_new(&b->x.env, NULL, &builder));
	for (size_t i = 0; ends[i + 1] != NULL; i++) {
		struct table_props p = { .smallest = shale_str(ends[i]),
					 .largest = shale_str(ends[i + 1]),
					 .largest_excluded = excluded };
		struct table_meta *m = NULL;

		assert_ok(table_meta_new(&b->x.env, 9000 + i, 1, &p, &m));
		assert_ok(version_builder_add(builder, 6, 1, m));
		table_meta_unref(m);
	}
	assert_ok(version_builder_finish(builder, &v));
	version_builder_free(builder);
	return v;
}

/* May be called again: with the same inputs. */
static shale_status bench_try(struct bench *b)
{
	static const struct table_read read = { .no_fill_cache = true };
	const shale_slice open = { NULL, 0 };
	struct iter *child[8];
	size_t n = 0;
	shale_status rc = SHALE_OK;

	if (b->builder != NULL) {
		assert_ok(version_builder_finish(b->builder, &b->inputs));
		version_builder_free(b->builder);
		b->builder = NULL;
	}
	bottom_fini(&b->bottom, &b->x.env);
	rc = bottom_init(&b->bottom, &b->x.env, b->older != NULL ? b->older : b->empty, 0);
	for (; rc >= 0 && n < b->inputs->run_count; n += rc >= 0)
		rc = run_iter_new(b->inputs->runs[n], &b->x.te, &read, true, NULL, open, open,
				  &child[n]);
	if (rc >= 0) {
		rc = merge_iter_new(&b->x.env, child, n, 0, &b->job.source);
		n = 0;
	}
	while (n > 0)
		iter_free(child[--n]);
	if (rc < 0)
		return rc;
	b->job.entries_in = b->job.entries_out = b->job.bytes_out = 0;
	return job_run(&b->job);
}

static void bench_fini(struct bench *b)
{
	job_fini(&b->job, false);
	bottom_fini(&b->bottom, &b->x.env);
	version_builder_free(b->builder);
	rangedel_free(b->ranges);
	version_unref(b->inputs);
	version_unref(b->older);
	version_unref(b->empty);
	fixture_fini(&b->x);
}

static int count_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	(void)name;
	(void)size;
	*(size_t *)arg += !is_dir;
	return 0;
}

static size_t file_count(const struct bench *b)
{
	size_t n = 0;

	assert_int_equal(sim_fs_list(b->x.fs, "db", count_file, &n), 0);
	return n;
}

/* ---- outputs ---- */

/* Give all entries of all outputs to `each`, in order; ranges of outputs are checked. */
static void read_outputs(struct bench *b, struct oracle *out)
{
	for (size_t i = 0; i < b->job.output_count; i++) {
		const struct table_built *built = &b->job.outputs[i];
		const struct rangedel_set *ranges;
		struct table *t = NULL;
		struct iter *it = NULL;
		uint64_t blocks, entries;

		assert_ok(table_open(&b->x.te, built->number, built->size, &t));
		assert_ok(table_check(t, &blocks, &entries));
		assert_ok(table_iter_new(t, &(struct table_read){ 0 }, true, NULL, &it));
		for (iter_first(it); it->valid; iter_next(it)) {
			oracle_put(out, it->key, it->seqtype, it->value);
			assert_true(slice_cmp(built->props.smallest, it->key) <= 0);
			assert_true(slice_cmp(it->key, built->props.largest) <= 0);
		}
		assert_int_equal(it->status, SHALE_OK);
		iter_free(it);
		ranges = table_ranges(t);
		for (size_t f = 0; ranges != NULL && f < ranges->count; f++) {
			assert_true(slice_cmp(built->props.smallest, ranges->fragments[f].lo) <= 0);
			assert_true(slice_cmp(ranges->fragments[f].hi, built->props.largest) <= 0);
		}
		if (i > 0) {
			const struct table_props *before = &b->job.outputs[i - 1].props;
			int c = slice_cmp(before->largest, built->props.smallest);

			assert_true(c < 0 || (c == 0 && before->largest_excluded));
		}
		table_unref(t);
	}
}

/* The newest range tombstone over the key up to `limit`, in the output that may hold the key. */
static uint64_t output_range(struct bench *b, shale_slice key, uint64_t limit)
{
	for (size_t i = 0; i < b->job.output_count; i++) {
		const struct table_built *built = &b->job.outputs[i];
		int c = slice_cmp(key, built->props.largest);
		struct table *t = NULL;
		uint64_t newest;

		if (c > 0 || (c == 0 && built->props.largest_excluded))
			continue;
		if (slice_cmp(key, built->props.smallest) < 0)
			return 0;
		assert_ok(table_open(&b->x.te, built->number, built->size, &t));
		newest = rangedel_newest(table_ranges(t), key, limit);
		table_unref(t);
		return newest;
	}
	return 0;
}

static shale_slice numbered(char *out, unsigned i)
{
	return slice_from(out, (size_t)sprintf(out, "key%05u", i));
}

/* n keys `step` apart, one version each. */
static void fill(struct oracle *o, unsigned from, unsigned n, unsigned step, uint64_t seq,
		 enum op_type type)
{
	char key[32], value[100];

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < n; i++)
		oracle_put(o, numbered(key, from + i * step), seqtype(seq, type),
			   slice_from(value, type == OP_DELETE ? 0 : sizeof(value)));
}

static void input(struct bench *b, unsigned from, unsigned n, unsigned step, uint64_t seq,
		  enum op_type type)
{
	struct oracle o = { 0 };

	fill(&o, from, n, step, seq, type);
	bench_input(b, &o);
	oracle_fini(&o);
}

/* ---- tests ---- */

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

/* ---- the bottom ---- */

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

/* ---- range tombstones ---- */

static const char *const everywhere[] = { "", "z", NULL };

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

/* ---- failures ---- */

static void fill_for_failures(struct bench *b)
{
	static const struct rangedel list[] = { { { "key00050", 8 }, { "key00150", 8 }, 5 } };

	b->older = bench_run(b, everywhere, true);
	input(b, 0, 100, 2, 10, OP_PUT);
	input(b, 1, 100, 2, 3, OP_PUT);
	bench_ranges(b, list, 1);
}

static void a_failed_call_leaves_no_file(void **state)
{
	static const enum sim_op ops[] = { SIM_WRITE, SIM_OPEN, SIM_SYNC, SIM_SYNC_DIR, SIM_READ };

	(void)state;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		unsigned failed = 0;
		size_t files;
		struct bench b;

		bench_init(&b);
		fill_for_failures(&b);
		files = file_count(&b);
		for (uint64_t nth = 1;; nth++) {
			struct sim_fault fault = { .op = ops[i], .nth = nth, .err = EIO };
			shale_status rc;

			sim_fs_fault(b.x.fs, &fault);
			rc = bench_try(&b);
			if (sim_fs_fault_hits(b.x.fs) == failed) {
				sim_fs_faults_clear(b.x.fs);
				assert_ok(rc);
				break;
			}
			failed++;
			sim_fs_faults_clear(b.x.fs);
			assert_status(rc, SHALE_IO);
			assert_int_equal(file_count(&b), files);
			assert_int_equal(b.job.output_count, 0);
		}
		assert_true(failed > 1);
		bench_fini(&b);
	}
}

static void a_failure_to_clean_up_does_not_hide_the_first(void **state)
{
	struct sim_fault full = { .op = SIM_WRITE, .nth = 4, .err = ENOSPC, .sticky = true };
	struct sim_fault stuck = { .op = SIM_UNLINK, .err = EACCES, .sticky = true };
	struct bench b;

	(void)state;
	bench_init(&b);
	fill_for_failures(&b);
	sim_fs_fault(b.x.fs, &full);
	sim_fs_fault(b.x.fs, &stuck);
	assert_status(bench_try(&b), SHALE_NO_SPACE);
	assert_int_equal(err_last()->status, SHALE_NO_SPACE);
	sim_fs_faults_clear(b.x.fs);
	bench_fini(&b);
}

static void survives_every_allocation_that_fails(void **state)
{
	size_t files;
	struct bench b;
	uint64_t nth, failures;

	(void)state;
	bench_init(&b);
	fill_for_failures(&b);
	assert_ok(bench_try(&b)); /* the inputs are open from here on */
	job_fini(&b.job, true);
	files = file_count(&b);
	for (nth = 1;; nth++) {
		shale_status rc;

		failures = sim_heap_failures(b.x.heap);
		sim_heap_fail(b.x.heap, nth, false);
		rc = bench_try(&b);
		sim_heap_fail(b.x.heap, 0, false);
		if (sim_heap_failures(b.x.heap) == failures) {
			assert_ok(rc);
			break;
		}
		/* The cache does without. */
		if (rc >= 0)
			job_fini(&b.job, true);
		else
			assert_status(rc, SHALE_NO_MEMORY);
		assert_int_equal(file_count(&b), files);
	}
	assert_true(nth > 50);
	bench_fini(&b);
}

struct pauses {
	struct bench bench; /* the job's arg is this too */
	unsigned calls, end_at;
};

static shale_status count_pause(void *arg)
{
	struct pauses *p = arg;

	return ++p->calls == p->end_at ? -99 : SHALE_OK;
}

static void a_pause_can_end_the_job(void **state)
{
	struct pauses p = { .calls = 0 };
	struct bench *b = &p.bench;
	size_t files;

	(void)state;
	bench_init(b);
	b->job.pause = count_pause;
	input(b, 0, 3000, 2, 10, OP_PUT);
	input(b, 1, 3000, 2, 3, OP_PUT);
	files = file_count(b);
	assert_ok(bench_try(b));
	/* 132 bytes an entry with what is beside key and value: a pause every 64 KiB. */
	assert_in_range(p.calls, 11, 13);
	job_fini(&b->job, true);
	for (p.end_at = 1; p.end_at <= 11; p.end_at += 5) {
		p.calls = 0;
		assert_int_equal(bench_try(b), -99);
		assert_int_equal(p.calls, p.end_at);
		assert_int_equal(file_count(b), files);
	}
	bench_fini(b);
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
		cmocka_unit_test(the_bottom_agrees_with_a_walk),
		cmocka_unit_test(without_a_version_nothing_is_the_bottom),
		cmocka_unit_test(range_tombstones_are_cut_and_continued),
		cmocka_unit_test(tables_of_range_tombstones_only),
		cmocka_unit_test(many_range_tombstones_take_many_tables),
		cmocka_unit_test(nothing_left_makes_no_table),
		cmocka_unit_test(a_failed_call_leaves_no_file),
		cmocka_unit_test(a_failure_to_clean_up_does_not_hide_the_first),
		cmocka_unit_test(survives_every_allocation_that_fails),
		cmocka_unit_test(a_pause_can_end_the_job),
		cmocka_unit_test(a_source_that_lost_entries_is_found_out),
		cmocka_unit_test(a_job_whose_counts_do_not_add_up_is_a_bug),
		cmocka_unit_test(tells_how_far_it_has_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
