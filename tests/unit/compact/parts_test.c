/*
 * A merge cut into parts by key gives what the whole one gives, at any cuts: the same
 * entries, the same range tombstones over every key, counts that add up. And the cuts that
 * a version offers are in order, and about equal in bytes.
 */
#include "unit/table/fixture.h"

#include "compact/job.h"

enum { RUNS = 4, KEYS = 600, CUTS = 6 };

struct merged {
	struct oracle entries;
	struct table_built *tables; /* as one job would have them */
	size_t count;
	uint64_t in, out, counts[KEEP_VERDICTS], told;
};

struct bench {
	struct fixture x;
	struct rand r;
	uint64_t next_number, next_run, entries;
	struct version *inputs;
	struct rangedel_set *ranges;
	uint64_t snapshots[3];
	size_t snapshot_count;
};

static uint64_t new_number(void *arg)
{
	return ((struct bench *)arg)->next_number++;
}

static shale_slice numbered(char *out, uint64_t i)
{
	return slice_from(out, (size_t)sprintf(out, "key%05" PRIu64, i));
}

static void add_run(struct bench *b, struct version_builder *builder, const struct oracle *o)
{
	struct table_built built =
		oracle_build(o, &b->x, b->next_number++, build_options(SHALE_NO_COMPRESSION, 512));
	struct table_meta *m = NULL;

	assert_ok(table_meta_new(&b->x.env, built.number, built.size, &built.props, &m));
	assert_ok(version_builder_add(builder, 0, b->next_run--, m));
	b->entries += o->count;
	table_meta_unref(m);
	buf_fini(&built.keys);
}

/* Runs of random keys, of which later ones are older, and range tombstones of all ages. */
static void bench_init(struct bench *b, uint64_t seed)
{
	struct version_builder *builder = NULL;
	struct rangedel list[12];
	char lo[12][16], hi[12][16];
	size_t n;

	memset(b, 0, sizeof(*b));
	fixture_init(&b->x, 1, 4 << 20);
	rand_seed(&b->r, seed);
	b->next_number = 1;
	b->next_run = 100;
	assert_ok(version_builder_new(&b->x.env, NULL, &builder));
	for (uint64_t run = 0; run < RUNS; run++) {
		struct oracle o = { 0 };

		for (uint64_t k = 0; k < KEYS; k++) {
			enum op_type type = rand_below(&b->r, 6) == 0 ? OP_DELETE : OP_PUT;
			char key[16], value[64] = "v";

			if (rand_below(&b->r, 2) == 0)
				oracle_put(&o, numbered(key, k),
					   seqtype((RUNS - run) * 1000 + k, type),
					   slice_from(value, type == OP_DELETE ? 0 : 60));
		}
		oracle_sort(&o);
		add_run(b, builder, &o);
		oracle_fini(&o);
	}
	assert_ok(version_builder_finish(builder, &b->inputs));
	version_builder_free(builder);
	n = rand_below(&b->r, 12);
	for (size_t i = 0; i < n; i++) {
		uint64_t from = rand_below(&b->r, KEYS - 1);
		uint64_t to = from + 1 + rand_below(&b->r, i % 3 == 0 ? KEYS - from : 20);

		list[i] = (struct rangedel){ numbered(lo[i], from), numbered(hi[i], to),
					     1 + rand_below(&b->r, RUNS * 1000) };
	}
	assert_ok(rangedel_build(&b->x.env, list, n, &b->ranges));
	b->snapshot_count = rand_below(&b->r, 4);
	for (size_t i = 0; i < b->snapshot_count; i++)
		b->snapshots[i] = 1000 * (i + 1) + rand_below(&b->r, 1000);
}

static void bench_fini(struct bench *b)
{
	rangedel_free(b->ranges);
	version_unref(b->inputs);
	fixture_fini(&b->x);
}

static struct iter *source_of(struct bench *b, shale_slice lower, shale_slice upper)
{
	static const struct table_read read = { .no_fill_cache = true };
	struct iter *child[RUNS], *out;

	for (size_t i = 0; i < RUNS; i++)
		assert_ok(run_iter_new(b->inputs->runs[i], &b->x.te, &read, true, NULL, lower,
				       upper, &child[i]));
	assert_ok(merge_iter_new(&b->x.env, child, RUNS, 0, &out));
	return out;
}

/* Of the keys [lower, upper): appended to what was merged before. */
static void merge_part(struct bench *b, shale_slice lower, shale_slice upper, struct merged *m)
{
	struct job_progress progress = { 0 };
	struct version *older = NULL;
	struct bottom bottom;
	struct job j = { .te = &b->x.te,
			 .build = *build_options(SHALE_NO_COMPRESSION, 512),
			 .table_bytes = 4096,
			 .source = source_of(b, lower, upper),
			 .lower = lower,
			 .upper = upper,
			 .expected_entries = UINT64_MAX,
			 .ranges = b->ranges,
			 .new_number = new_number,
			 .arg = b,
			 .progress = &progress,
			 .keep = { .snapshots = b->snapshots,
				   .snapshot_count = b->snapshot_count,
				   .bottom_key = bottom_key,
				   .bottom_range = bottom_range,
				   .arg = &bottom } };

	assert_ok(version_new_empty(&b->x.env, &older));
	assert_ok(bottom_init(&bottom, &b->x.env, older, 0));
	assert_ok(job_run(&j));
	m->tables = realloc(m->tables, (m->count + j.output_count + 1) * sizeof(*m->tables));
	for (size_t i = 0; i < j.output_count; i++) {
		const struct table_props *p = &j.outputs[i].props;

		/* Nothing of others, and no table without anything. */
		assert_true(p->entries + p->range_tombstones != 0);
		assert_true(lower.data == NULL || slice_cmp(lower, p->smallest) <= 0);
		assert_true(upper.data == NULL || slice_cmp(p->largest, upper) < 0 ||
			    (slice_eq(p->largest, upper) && p->largest_excluded));
		m->tables[m->count++] = j.outputs[i];
	}
	j.output_count = 0;
	job_fini(&j, false);
	m->in += j.entries_in;
	m->out += j.entries_out;
	m->told += atomic_load(&progress.entries_in);
	for (size_t i = 0; i < KEEP_VERDICTS; i++)
		m->counts[i] += j.counts[i];
	bottom_fini(&bottom, &b->x.env);
	version_unref(older);
}

static void read_all(struct bench *b, struct merged *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct table *t = NULL;
		struct iter *it = NULL;
		uint64_t blocks, entries;

		assert_ok(table_open(&b->x.te, m->tables[i].number, m->tables[i].size, &t));
		assert_ok(table_check(t, &blocks, &entries));
		assert_ok(table_iter_new(t, &(struct table_read){ 0 }, true, NULL, &it));
		for (iter_first(it); it->valid; iter_next(it))
			oracle_put(&m->entries, it->key, it->seqtype, it->value);
		assert_int_equal(it->status, SHALE_OK);
		iter_free(it);
		table_unref(t);
		if (i > 0) {
			const struct table_props *before = &m->tables[i - 1].props;
			int c = slice_cmp(before->largest, m->tables[i].props.smallest);

			assert_true(c < 0 || (c == 0 && before->largest_excluded));
		}
	}
}

/* The newest range tombstone over a key that who reads as of `limit` sees. */
static uint64_t range_over(struct bench *b, const struct merged *m, shale_slice key, uint64_t limit)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct table_props *p = &m->tables[i].props;
		int c = slice_cmp(key, p->largest);
		struct table *t = NULL;
		uint64_t newest;

		if (c > 0 || (c == 0 && p->largest_excluded) || slice_cmp(key, p->smallest) < 0)
			continue;
		assert_ok(table_open(&b->x.te, m->tables[i].number, m->tables[i].size, &t));
		newest = rangedel_newest(table_ranges(t), key, limit);
		table_unref(t);
		return newest;
	}
	return 0;
}

static void merged_fini(struct merged *m)
{
	for (size_t i = 0; i < m->count; i++)
		buf_fini(&m->tables[i].keys);
	free(m->tables);
	oracle_fini(&m->entries);
}

static void check_same(struct bench *b, const struct merged *whole, const struct merged *parts)
{
	assert_int_equal(parts->in, b->entries);
	assert_int_equal(parts->in, whole->in);
	assert_int_equal(parts->out, whole->out);
	assert_memory_equal(parts->counts, whole->counts, sizeof(whole->counts));
	assert_int_equal(parts->entries.count, whole->entries.count);
	for (size_t i = 0; i < whole->entries.count; i++) {
		const struct entry *a = &whole->entries.e[i], *c = &parts->entries.e[i];

		assert_true(slice_eq(entry_key(a), entry_key(c)) && a->st == c->st);
		assert_true(slice_eq(entry_stored(a), entry_stored(c)));
	}
	for (uint64_t k = 0; k < KEYS; k += 3)
		for (size_t s = 0; s <= b->snapshot_count; s++) {
			uint64_t limit = s < b->snapshot_count ? b->snapshots[s] : SEQ_MAX;
			char key[16];

			numbered(key, k);
			assert_int_equal(range_over(b, whole, shale_str(key), limit),
					 range_over(b, parts, shale_str(key), limit));
		}
}

static void parts_together_are_the_whole(void **state)
{
	const shale_slice open = { NULL, 0 };

	(void)state;
	for (uint64_t seed = 0; seed < test_scale(40); seed++) {
		struct merged whole = { 0 }, parts = { 0 };
		struct bench b;
		char cut[CUTS][16];
		uint64_t at = 0;
		size_t n = 0;
		shale_slice lower = open;

		bench_init(&b, test_seed() + seed);
		/* Cuts at keys that are there and that are not, before all and behind all. */
		while (n < CUTS && (at += 1 + rand_below(&b.r, KEYS / 3)) <= KEYS + 5)
			numbered(cut[n++], at - 1);
		merge_part(&b, open, open, &whole);
		for (size_t i = 0; i < n; i++) {
			merge_part(&b, lower, shale_str(cut[i]), &parts);
			lower = shale_str(cut[i]);
		}
		merge_part(&b, lower, open, &parts);
		read_all(&b, &whole);
		read_all(&b, &parts);
		check_same(&b, &whole, &parts);
		merged_fini(&whole);
		merged_fini(&parts);
		bench_fini(&b);
	}
}

/* ---- cuts ---- */

static void cuts_are_in_order_and_parts_of_equal_bytes(void **state)
{
	const shale_slice open = { NULL, 0 };

	(void)state;
	for (uint64_t seed = 0; seed < test_scale(10); seed++) {
		for (size_t n = 1; n <= 8; n++) {
			struct bench b;
			struct cuts c;

			bench_init(&b, test_seed() + seed);
			assert_ok(cuts_init(&c, b.inputs, &b.x.te, n));
			assert_int_equal(c.count, n - 1);
			for (size_t i = 0; i <= c.count; i++) {
				shale_slice lower = i > 0 ? c.keys[i - 1] : open;
				shale_slice upper = i < c.count ? c.keys[i] : open;
				struct merged m = { 0 };

				assert_true(i == 0 || i == c.count || slice_cmp(lower, upper) < 0);
				merge_part(&b, lower, upper, &m);
				assert_in_range(m.in, b.entries / n / 3, b.entries / n * 5 / 3);
				merged_fini(&m);
			}
			cuts_fini(&c);
			bench_fini(&b);
		}
	}
}

/* A run of many tables and one of few; some too small to be looked at. */
static void cuts_find_equal_parts_of_uneven_runs(void **state)
{
	struct version_builder *builder = NULL;
	struct bench b;
	struct cuts c;

	(void)state;
	bench_init(&b, test_seed());
	version_unref(b.inputs);
	b.entries = 0;
	assert_ok(version_builder_new(&b.x.env, NULL, &builder));
	for (uint64_t i = 0; i < 200; i++) {
		struct oracle o = { 0 };
		char key[16];

		/* The last tables are ten times as large. */
		for (uint64_t k = 0; k < (i < 150 ? 4 : 40); k++)
			oracle_put(&o, numbered(key, i * 100 + k), seqtype(1, OP_PUT),
				   shale_str("0123456789012345678901234567890123456789"));
		b.next_run = 100;
		add_run(&b, builder, &o);
		oracle_fini(&o);
	}
	assert_ok(version_builder_finish(builder, &b.inputs));
	version_builder_free(builder);
	assert_ok(cuts_init(&c, b.inputs, &b.x.te, 2));
	assert_int_equal(c.count, 1);
	/* 600 entries, then 2000: half of them are behind table 167 or so (files have ends). */
	assert_in_range(test_number(c.keys[0], 3), 13000, 18500);
	cuts_fini(&c);
	/* No more cuts than there are blocks to tell of. */
	assert_ok(cuts_init(&c, b.inputs, &b.x.te, 1));
	assert_int_equal(c.count, 0);
	cuts_fini(&c);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_together_are_the_whole),
		cmocka_unit_test(cuts_are_in_order_and_parts_of_equal_bytes),
		cmocka_unit_test(cuts_find_equal_parts_of_uneven_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
