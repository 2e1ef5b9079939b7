#include "unit/table/fixture.h"

#include "version/version.h"

#include <pthread.h>

/* ---- descriptions without files ---- */

static struct table_meta *meta(const shale_env *env, uint64_t number, const char *smallest,
			       const char *largest, bool excluded)
{
	struct table_props p = { .entries = 10,
				 .tombstones = 2,
				 .largest_excluded = excluded,
				 .smallest = shale_str(smallest),
				 .largest = shale_str(largest) };
	struct table_meta *m = NULL;

	p.range_tombstones = excluded;
	assert_ok(table_meta_new(env, number, 100 * number, &p, &m));
	return m;
}

/* Add and drop the caller's reference. */
static void add(struct version_builder *b, uint32_t level, uint64_t run, struct table_meta *m)
{
	assert_ok(version_builder_add(b, level, run, m));
	table_meta_unref(m);
}

static struct version *finish(struct version_builder *b)
{
	struct version *v = NULL;

	assert_ok(version_builder_finish(b, &v));
	version_builder_free(b);
	return v;
}

static struct version_builder *builder(const shale_env *env, struct version *base)
{
	struct version_builder *b = NULL;

	assert_ok(version_builder_new(env, base, &b));
	return b;
}

/* What run_lower() promises, by looking at every table. */
static size_t lower_by_walking(const struct run *r, shale_slice key)
{
	for (size_t i = 0; i < r->count; i++) {
		int c = slice_cmp(r->tables[i]->props.largest, key);

		if (c > 0 || (c == 0 && !r->tables[i]->props.largest_excluded))
			return i;
	}
	return r->count;
}

static void search_agrees_with_a_walk(void **state)
{
	const shale_env *env = shale_env_default();
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 150; round++) {
		enum key_shape shape = (enum key_shape)(round % KEY_SHAPES);
		struct version_builder *b = builder(env, NULL);
		struct oracle o = { 0 };
		struct version *v;
		const struct run *run;
		uint8_t key[64];
		uint64_t number = 1;

		for (unsigned n = 2 + (unsigned)rand_below(&r, 120); n > 0; n--)
			oracle_put(&o, slice_from(key, random_key(&r, shape, key)), 1,
				   shale_str(""));
		oracle_sort(&o);
		/* Some tables are one key, some end where the next may begin. */
		for (size_t i = 0; i + 1 < o.count;) {
			struct table_props p = { .smallest = entry_key(&o.e[i]) };
			struct table_meta *m = NULL;

			p.largest_excluded = rand_below(&r, 3) == 0;
			i += p.largest_excluded || rand_below(&r, 2) != 0;
			p.largest = entry_key(&o.e[i]);
			assert_ok(table_meta_new(env, number++, 1, &p, &m));
			add(b, 1, 1, m);
			i += (p.largest_excluded ? 0 : 1) + rand_below(&r, 2);
		}
		v = finish(b);
		if (v->run_count == 0) { /* all keys were the same */
			version_unref(v);
			oracle_fini(&o);
			continue;
		}
		run = v->runs[0];
		for (size_t i = 0; i < 400; i++) {
			shale_slice k = slice_from(key, random_key(&r, shape, key));
			size_t want, found;

			if (rand_below(&r, 2) != 0)
				k = entry_key(&o.e[rand_below(&r, o.count)]);
			want = lower_by_walking(run, k);
			assert_int_equal(run_lower(run, k), want);
			found = run_find(run, k);
			if (want < run->count &&
			    slice_cmp(run->tables[want]->props.smallest, k) <= 0)
				assert_int_equal(found, want);
			else
				assert_int_equal(found, run->count);
		}
		version_unref(v);
		oracle_fini(&o);
	}
}

static void next_version_shares_what_is_the_same(void **state)
{
	const shale_env *env = shale_env_default();
	struct version_builder *b = builder(env, NULL);
	struct version *one, *two, *three;

	(void)state;
	add(b, 0, 7, meta(env, 1, "a", "z", false));
	add(b, 0, 9, meta(env, 2, "b", "y", false));
	add(b, 1, 3, meta(env, 4, "m", "p", false));
	add(b, 1, 3, meta(env, 3, "a", "f", false));
	one = finish(b);
	assert_int_equal(one->run_count, 3);
	assert_int_equal(one->runs[0]->id, 9); /* newest first */
	assert_int_equal(one->runs[1]->id, 7);
	assert_int_equal(one->runs[2]->level, 1);
	assert_int_equal(one->runs[2]->tables[0]->number, 3);
	assert_int_equal(one->runs[2]->bytes, 700);
	assert_int_equal(one->level[0].runs, 2);
	assert_int_equal(one->level[0].tables, 2);
	assert_int_equal(one->level[0].bytes, 300);
	assert_int_equal(one->level[1].entries, 20);
	assert_int_equal(one->level[1].tombstones, 4);
	assert_false(one->has_ranges);

	/* The merge of run 9 into level 1; run 7 comes and goes back as it was. */
	b = builder(env, one);
	assert_ok(version_builder_remove(b, 0, 9, 2));
	assert_ok(version_builder_remove(b, 1, 3, 3));
	add(b, 1, 3, meta(env, 5, "b", "l", true));
	assert_ok(version_builder_add(b, 0, 7, one->runs[0]->tables[0]));
	assert_ok(version_builder_remove(b, 0, 7, 2));
	two = finish(b);
	assert_int_equal(two->run_count, 2);
	assert_ptr_equal(two->runs[0], one->runs[1]);
	assert_ptr_not_equal(two->runs[1], one->runs[2]);
	assert_ptr_equal(two->runs[1]->tables[1], one->runs[2]->tables[1]);
	assert_int_equal(two->runs[1]->tables[0]->number, 5);
	assert_true(two->has_ranges);
	/* The one before is as it was. */
	assert_int_equal(one->run_count, 3);
	assert_int_equal(one->runs[2]->tables[0]->number, 3);

	b = builder(env, two);
	assert_ok(version_builder_remove(b, 0, 7, 1));
	assert_ok(version_builder_remove(b, 1, 3, 4));
	assert_ok(version_builder_remove(b, 1, 3, 5));
	version_unref(one);
	version_unref(two);
	three = finish(b);
	assert_int_equal(three->run_count, 0);
	assert_false(three->has_ranges);
	version_unref(three);
}

static void overlap_and_missing_tables_are_corruption(void **state)
{
	const shale_env *env = shale_env_default();
	struct version_builder *b = builder(env, NULL);
	struct version *v = NULL;
	struct table_meta *high;

	(void)state;
	add(b, 1, 1, meta(env, 1, "a", "f", true));
	add(b, 1, 1, meta(env, 2, "f", "k", false));
	assert_ok(version_builder_finish(b, &v));
	version_unref(v);
	add(b, 1, 1, meta(env, 3, "k", "p", false));
	assert_status(version_builder_finish(b, &v), SHALE_CORRUPT);
	assert_non_null(strstr(shale_last_error()->text, object_name(OBJECT_TABLE, 2).text));
	assert_non_null(strstr(shale_last_error()->text, object_name(OBJECT_TABLE, 3).text));
	assert_ok(version_builder_remove(b, 1, 1, 3));
	assert_status(version_builder_remove(b, 1, 1, 3), SHALE_CORRUPT);
	assert_string_equal(shale_last_error()->object, object_name(OBJECT_TABLE, 3).text);
	assert_status(version_builder_remove(b, 1, 2, 1), SHALE_CORRUPT);
	high = meta(env, 9, "x", "y", false);
	assert_status(version_builder_add(b, SHALE_LEVELS_MAX, 1, high), SHALE_CORRUPT);
	table_meta_unref(high);
	version_builder_free(b);
}

struct gone {
	unsigned count;
	uint64_t number;
};

static void collect(void *collector, uint64_t number, uint64_t size)
{
	struct gone *g = collector;

	(void)size;
	g->count++;
	g->number = number;
}

static void obsolete_tables_are_collected_at_the_last_reference(void **state)
{
	const shale_env *env = shale_env_default();
	struct table_meta *kept = meta(env, 1, "a", "c", false),
			  *gone = meta(env, 2, "d", "f", false);
	struct version_builder *b = builder(env, NULL);
	struct gone g = { 0, 0 };
	struct version *one, *two;

	(void)state;
	kept->collect = gone->collect = collect;
	kept->collector = gone->collector = &g;
	add(b, 1, 1, kept);
	add(b, 1, 1, gone);
	one = finish(b);
	b = builder(env, one);
	assert_ok(version_builder_remove(b, 1, 1, 2));
	two = finish(b);
	atomic_store(&gone->obsolete, true);
	table_meta_ref(gone);
	version_unref(one);
	assert_int_equal(g.count, 0);
	table_meta_unref(gone);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.number, 2);
	version_unref(two);
	assert_int_equal(g.count, 1); /* kept was never obsolete */
}

static void overlaps_respects_open_and_excluded_ends(void **state)
{
	const shale_env *env = shale_env_default();
	struct table_meta *m = meta(env, 1, "c", "f", false), *x = meta(env, 2, "c", "f", true);
	const shale_slice none = { NULL, 0 };

	(void)state;
	assert_true(table_meta_overlaps(m, none, none, false));
	assert_true(table_meta_overlaps(m, shale_str("f"), none, false));
	assert_false(table_meta_overlaps(x, shale_str("f"), none, false));
	assert_false(table_meta_overlaps(m, shale_str("g"), none, false));
	assert_true(table_meta_overlaps(m, none, shale_str("c"), false));
	assert_false(table_meta_overlaps(m, none, shale_str("c"), true));
	assert_false(table_meta_overlaps(m, none, shale_str("b"), false));
	assert_true(table_meta_overlaps(m, shale_str("a"), shale_str("d"), true));
	assert_true(table_meta_overlaps(m, shale_str("d"), shale_str("e"), true));
	table_meta_unref(m);
	table_meta_unref(x);
}

/* ---- with files ---- */

/* Cut the oracle into tables; a version of one run with all of them. */
static struct version *version_of(struct fixture *x, const struct oracle *o, struct rand *r,
				  size_t per_table)
{
	struct version_builder *b = builder(&x->env, NULL);
	uint64_t number = 1;

	for (size_t from = 0; from < o->count;) {
		size_t to = from + 1 + rand_below(r, per_table);
		struct oracle part = { o->e + from, 0, 0 };
		struct table_built built;
		struct table_meta *m = NULL;

		if (to > o->count)
			to = o->count;
		while (to < o->count && slice_eq(entry_key(&o->e[to - 1]), entry_key(&o->e[to])))
			to++;
		part.count = to - from;
		built = oracle_build(&part, x, number, build_options(SHALE_NO_COMPRESSION, 512));
		assert_ok(table_meta_new(&x->env, number, built.size, &built.props, &m));
		buf_fini(&built.keys);
		add(b, 1, 1, m);
		number++;
		from = to;
	}
	return finish(b);
}

static void iterates_over_all_tables_of_a_run(void **state)
{
	const shale_slice none = { NULL, 0 };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 9; round++) {
		enum key_shape shape = (enum key_shape)(round % KEY_SHAPES);
		struct fixture x;
		struct oracle o = { 0 };
		struct version *v;

		fixture_init(&x, round, 1 << 20);
		oracle_fill(&o, &r, 400, shape, 1000, 100);
		v = version_of(&x, &o, &r, round % 2 != 0 ? 8 : 100);
		for (int sequential = 0; sequential < 2; sequential++) {
			struct iter *it = NULL;

			assert_ok(run_iter_new(v->runs[0], &x.te, &(struct table_read){ 0 },
					       sequential != 0, NULL, none, none, &it));
			assert_iterates(it, &o, &r, shape, 400);
			iter_free(it);
		}
		version_unref(v);
		oracle_fini(&o);
		fixture_fini(&x);
	}
}

/* Everything within [lo, hi) is there; tables wholly outside are not opened. */
static void bounds_keep_tables_outside_closed(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct version *v;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 400, KEYS_BINARY, 1000, 50);
	for (unsigned round = 0; round < 60; round++) {
		uint8_t a[64], b[64];
		shale_slice lo = slice_from(a, random_key(&r, KEYS_BINARY, a));
		shale_slice hi = slice_from(b, random_key(&r, KEYS_BINARY, b));
		const struct run *run;
		struct iter *it = NULL;
		size_t at, end;

		if (slice_cmp(lo, hi) >= 0)
			continue;
		/* New metas, so that none is open yet. */
		for (uint64_t n = 1; n <= 400; n++)
			sim_fs_remove_file(x.fs, fixture_path(n));
		fixture_cache(&x, 1 << 20);
		v = version_of(&x, &o, &r, 20);
		run = v->runs[0];
		assert_ok(run_iter_new(v->runs[0], &x.te, &(struct table_read){ 0 }, false, NULL,
				       lo, hi, &it));
		at = oracle_bound(&o, lo, false);
		end = oracle_bound(&o, hi, false);
		for (iter_seek(it, lo); at < end; iter_next(it))
			assert_at(it, &o, at++);
		for (iter_seek_prev(it, hi); it->valid && slice_cmp(iter_key(it), hi) >= 0;)
			iter_prev(it);
		for (at = oracle_bound(&o, lo, false); end > at; iter_prev(it))
			assert_at(it, &o, --end);
		for (iter_first(it); it->valid; iter_next(it))
			;
		assert_int_equal(it->status, SHALE_OK);
		iter_free(it);
		for (size_t i = 0; i < run->count; i++)
			if (!table_meta_overlaps(run->tables[i], lo, hi, true))
				assert_null(atomic_load(&run->tables[i]->table));
		version_unref(v);
	}
	oracle_fini(&o);
	fixture_fini(&x);
}

static void a_missing_table_ends_the_iteration_with_its_name(void **state)
{
	const shale_slice none = { NULL, 0 };
	struct fixture x;
	struct oracle o = { 0 };
	struct version *v;
	struct iter *it = NULL;
	struct rand r;
	size_t at = 0;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 100, KEYS_BINARY, 1000, 50);
	v = version_of(&x, &o, &r, 10);
	sim_fs_remove_file(x.fs, fixture_path(3));
	assert_ok(run_iter_new(v->runs[0], &x.te, &(struct table_read){ 0 }, false, NULL, none,
			       none, &it));
	for (iter_first(it); it->valid; iter_next(it))
		assert_at(it, &o, at++);
	assert_int_equal(it->status, SHALE_MISSING);
	assert_string_equal(shale_last_error()->object, object_name(OBJECT_TABLE, 3).text);
	assert_int_equal(at, v->runs[0]->tables[0]->props.entries +
				     v->runs[0]->tables[1]->props.entries);
	iter_last(it);
	assert_at(it, &o, o.count - 1);
	iter_free(it);
	version_unref(v);
	oracle_fini(&o);
	fixture_fini(&x);
}

struct opener {
	struct table_meta *m;
	const struct table_env *te;
	struct table *t;
};

static void *open_it(void *arg)
{
	struct opener *o = arg;

	if (table_meta_open(o->m, o->te, &o->t) != SHALE_OK)
		o->t = NULL;
	return NULL;
}

static void racing_openers_get_one_table(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 50, KEYS_BINARY, 1000, 50);
	for (unsigned round = 0; round < 30; round++) {
		struct version *v = version_of(&x, &o, &r, 1000);
		struct opener by[4];
		pthread_t thread[4];

		for (int i = 0; i < 4; i++) {
			by[i] = (struct opener){ v->runs[0]->tables[0], &x.te, NULL };
			assert_int_equal(pthread_create(&thread[i], NULL, open_it, &by[i]), 0);
		}
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		for (int i = 0; i < 4; i++) {
			assert_non_null(by[i].t);
			assert_ptr_equal(by[i].t, by[0].t);
		}
		version_unref(v);
		for (uint64_t n = 1; n <= 50; n++)
			sim_fs_remove_file(x.fs, fixture_path(n));
	}
	oracle_fini(&o);
	fixture_fini(&x);
}

static shale_status build_some(const shale_env *env)
{
	struct version_builder *b = NULL;
	struct version *v = NULL, *w = NULL;
	shale_status rc = version_builder_new(env, NULL, &b);

	for (uint64_t n = 1; rc >= 0 && n < 12; n++) {
		char key[2] = { (char)('a' + n), 0 };
		struct table_props p = { .smallest = shale_str(key), .largest = shale_str(key) };
		struct table_meta *m = NULL;

		rc = table_meta_new(env, n, 1, &p, &m);
		if (rc >= 0)
			rc = version_builder_add(b, (uint32_t)n % 2, n % 2 + n / 8, m);
		table_meta_unref(m);
	}
	if (rc >= 0)
		rc = version_builder_finish(b, &v);
	version_builder_free(b);
	b = NULL;
	if (rc >= 0)
		rc = version_builder_new(env, v, &b);
	if (rc >= 0)
		rc = version_builder_remove(b, 1, 1, 3);
	if (rc >= 0)
		rc = version_builder_finish(b, &w);
	version_builder_free(b);
	version_unref(v);
	version_unref(w);
	return rc;
}

static void every_failed_allocation_is_reported(void **state)
{
	struct sim_heap *heap = sim_heap_new();
	shale_env env = *shale_env_default();
	uint64_t n = 1;
	shale_status rc;

	(void)state;
	env.allocator.self = heap;
	env.allocator.ops = sim_heap_ops();
	do {
		sim_heap_fail(heap, n, false);
		rc = build_some(&env);
		sim_heap_fail(heap, 0, false);
		if (rc != SHALE_OK)
			assert_status(rc, SHALE_NO_MEMORY);
		assert_int_equal(sim_heap_live(heap), 0);
		n++;
	} while (rc != SHALE_OK);
	assert_true(n > 20);
	sim_heap_free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_agrees_with_a_walk),
		cmocka_unit_test(next_version_shares_what_is_the_same),
		cmocka_unit_test(overlap_and_missing_tables_are_corruption),
		cmocka_unit_test(obsolete_tables_are_collected_at_the_last_reference),
		cmocka_unit_test(overlaps_respects_open_and_excluded_ends),
		cmocka_unit_test(iterates_over_all_tables_of_a_run),
		cmocka_unit_test(bounds_keep_tables_outside_closed),
		cmocka_unit_test(a_missing_table_ends_the_iteration_with_its_name),
		cmocka_unit_test(racing_openers_get_one_table),
		cmocka_unit_test(every_failed_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
