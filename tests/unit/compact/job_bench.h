/*
 * A merge on a simulated disk: a job, the tables it reads, a run beneath it and what is
 * older, and its outputs read back. After bench_try() a job may be tried again.
 */
#ifndef TESTS_COMPACT_JOB_BENCH_H
#define TESTS_COMPACT_JOB_BENCH_H

#include "unit/table/fixture.h"

#include "compact/job.h"

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

static inline uint64_t new_number(void *arg)
{
	struct bench *b = arg;

	return b->next_number++;
}

static inline void bench_init(struct bench *b)
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
static inline void bench_input(struct bench *b, const struct oracle *o)
{
	struct table_built built = oracle_build(o, &b->x, b->next_number++, &b->job.build);
	struct table_meta *m = NULL;

	assert_ok(table_meta_new(&b->x.env, built.number, built.size, &built.props, &m));
	assert_ok(version_builder_add(b->builder, 0, b->next_run--, m));
	b->expected += o->count;
	table_meta_unref(m);
	buf_fini(&built.keys);
}

static inline void bench_ranges(struct bench *b, const struct rangedel *list, size_t n)
{
	assert_ok(rangedel_build(&b->x.env, list, n, &b->ranges));
	b->job.ranges = b->ranges;
}

/* A run without files: tables [ends[i], ends[i + 1]). */
static inline struct version *bench_run(struct bench *b, const char *const *ends, bool excluded)
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
static inline shale_status bench_try(struct bench *b)
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

static inline void bench_fini(struct bench *b)
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

static inline int count_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	(void)name;
	(void)size;
	*(size_t *)arg += !is_dir;
	return 0;
}

static inline size_t file_count(const struct bench *b)
{
	size_t n = 0;

	assert_int_equal(sim_fs_list(b->x.fs, "db", count_file, &n), 0);
	return n;
}

/* ---- inputs ---- */

static inline shale_slice numbered(char *out, unsigned i)
{
	return slice_from(out, (size_t)sprintf(out, "key%05u", i));
}

/* n keys `step` apart, one version each. */
static inline void fill(struct oracle *o, unsigned from, unsigned n, unsigned step, uint64_t seq,
			enum op_type type)
{
	char key[32], value[100];

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < n; i++)
		oracle_put(o, numbered(key, from + i * step), seqtype(seq, type),
			   slice_from(value, type == OP_DELETE ? 0 : sizeof(value)));
}

static inline void input(struct bench *b, unsigned from, unsigned n, unsigned step, uint64_t seq,
			 enum op_type type)
{
	struct oracle o = { 0 };

	fill(&o, from, n, step, seq, type);
	bench_input(b, &o);
	oracle_fini(&o);
}

/* Ends of the run of one table that lies beneath every key. */
static const char *const everywhere[] = { "", "z", NULL };

/* ---- outputs ---- */

/* Give all entries of all outputs to `each`, in order; ranges of outputs are checked. */
static inline void read_outputs(struct bench *b, struct oracle *out)
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
static inline uint64_t output_range(struct bench *b, shale_slice key, uint64_t limit)
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

#endif
