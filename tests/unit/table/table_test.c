#include "fixture.h"

#include <errno.h>

static void assert_gets(struct fixture *x, struct table *t, const struct oracle *o, shale_slice key,
			uint64_t limit, const struct table_read *r)
{
	struct table_lookup got = { 0 };
	size_t i = oracle_bound(o, key, false);
	shale_status rc = table_get(t, r, key, limit, &got);

	while (i < o->count && slice_eq(entry_key(&o->e[i]), key) &&
	       seqtype_seq(o->e[i].st) > limit)
		i++;
	if (i == o->count || !slice_eq(entry_key(&o->e[i]), key)) {
		assert_status(rc, SHALE_NOT_FOUND);
		return;
	}
	assert_ok(rc);
	assert_true(got.seqtype == o->e[i].st);
	assert_true(slice_eq(got.value, entry_stored(&o->e[i])));
	cache_release(x->te.cache, &got.pin);
	assert_true(table_filter_has(t, hash_key(key)));
}

static void assert_props(const struct oracle *o, const struct table_props *p)
{
	uint64_t tombstones = 0, expiring = 0, keys = 0, values = 0, low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < o->count; i++) {
		uint64_t seq = seqtype_seq(o->e[i].st);

		tombstones += seqtype_type(o->e[i].st) == OP_DELETE;
		expiring += seqtype_type(o->e[i].st) == OP_PUT_TTL;
		keys += o->e[i].key_size;
		values += o->e[i].value_size;
		low = seq < low ? seq : low;
		high = seq > high ? seq : high;
	}
	assert_int_equal(p->entries, o->count);
	assert_int_equal(p->tombstones, tombstones);
	assert_int_equal(p->expiring, expiring);
	assert_int_equal(p->key_bytes, keys);
	assert_int_equal(p->value_bytes, values);
	assert_int_equal(p->min_seq, low);
	assert_int_equal(p->max_seq, high);
	assert_int_equal(p->created_ms, 77);
	assert_true(slice_eq(p->smallest, entry_key(&o->e[0])));
	assert_true(slice_eq(p->largest, entry_key(&o->e[o->count - 1])));
	assert_false(p->largest_excluded);
}

/* Build, read back every way there is, check. */
static void round_trip(struct rand *r, enum key_shape shape, uint32_t codec, uint32_t block_bytes)
{
	const struct table_read reads[] = { { 0 }, { .no_fill_cache = true }, { .verify = true } };
	const uint64_t seq_max = rand_below(r, 2) != 0 ? 200 : SEQ_MAX - 1;
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	uint64_t blocks, entries;

	fixture_init(&x, rand_next(r), rand_below(r, 2) != 0 ? 1 : 1 << 20);
	oracle_fill(&o, r, 600, shape, seq_max, rand_below(r, 4) == 0 ? 20000 : 300);
	built = oracle_build(&o, &x, 9, build_options(codec, block_bytes));
	assert_props(&o, &built.props);
	assert_ok(table_open(&x.te, 9, built.size, &t));
	assert_props(&o, table_props(t));
	assert_null(table_ranges(t));

	for (size_t i = 0; i < o.count; i++) {
		uint8_t key[64];
		const struct table_read *how = &reads[i % 3];

		assert_gets(&x, t, &o, entry_key(&o.e[i]), SEQ_MAX, how);
		assert_gets(&x, t, &o, entry_key(&o.e[i]), seqtype_seq(o.e[i].st), how);
		assert_gets(&x, t, &o, entry_key(&o.e[i]), seqtype_seq(o.e[i].st) - 1, how);
		assert_gets(&x, t, &o, slice_from(key, random_key(r, shape, key)),
			    rand_below(r, seq_max), how);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct iter *it = NULL;

		assert_ok(table_iter_new(t, &reads[i % 3], i == 3, NULL, &it));
		assert_iterates(it, &o, r, shape, 300);
		iter_free(it);
	}
	assert_ok(table_check(t, &blocks, &entries));
	assert_int_equal(blocks, built.props.data_blocks);
	assert_int_equal(entries, o.count);

	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void reads_back_what_was_written(void **state)
{
	static const uint32_t sizes[] = { 256, 700, 4096, 65536 };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint32_t codec = SHALE_NO_COMPRESSION; codec <= SHALE_SNAPPY; codec++)
		for (unsigned s = 0; s < 4; s++)
			for (unsigned shape = 0; shape < KEY_SHAPES; shape++)
				round_trip(&r, (enum key_shape)shape, codec, sizes[s]);
}

/* Blocks whose keys are the same to the last byte: only sequences tell them apart. */
static void finds_one_key_with_versions_in_many_blocks(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	uint64_t blocks, entries, reads;
	char value[64];

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	memset(value, 'v', sizeof(value));
	oracle_put(&o, shale_str("a"), seqtype(5, OP_PUT), shale_str("x"));
	for (uint64_t seq = 1; seq <= 500; seq++)
		oracle_put(&o, shale_str("k"), seqtype(2 * seq, OP_PUT), slice_from(value, 64));
	oracle_put(&o, shale_str("l"), seqtype(7, OP_PUT), shale_str("y"));
	oracle_sort(&o);
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 512));
	assert_true(built.props.data_blocks > 50);
	assert_ok(table_open(&x.te, 1, built.size, &t));
	for (uint64_t limit = 0; limit <= 1001; limit++)
		assert_gets(&x, t, &o, shale_str("k"), limit, &(struct table_read){ 0 });
	assert_ok(table_check(t, &blocks, &entries));

	/* The block is found without reading those before it. */
	fixture_cache(&x, 1 << 20);
	table_unref(t);
	assert_ok(table_open(&x.te, 1, built.size, &t));
	reads = sim_fs_calls(x.fs, SIM_READ);
	assert_gets(&x, t, &o, shale_str("k"), 3, &(struct table_read){ 0 });
	assert_int_equal(sim_fs_calls(x.fs, SIM_READ), reads + 1);

	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void keeps_range_tombstones(void **state)
{
	struct fixture x;
	struct table_builder *b = NULL;
	struct table_built built;
	struct table *t = NULL;
	uint64_t blocks, entries;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	assert_ok(table_builder_new(&x.te, 1, build_options(SHALE_LZ4, 4096), &b));
	assert_ok(table_builder_add_range(b, shale_str("b"), shale_str("f"), 9));
	assert_ok(table_builder_add(b, shale_str("c"), hash_key(shale_str("c")), seqtype(3, OP_PUT),
				    shale_str("v")));
	assert_ok(table_builder_add_range(b, shale_str("b"), shale_str("d"), 4));
	assert_ok(table_builder_add_range(b, shale_str("e"), shale_str("z"), 20));
	assert_ok(table_builder_finish(b, &built));
	assert_slice(built.props.smallest, "b");
	assert_slice(built.props.largest, "z");
	assert_true(built.props.largest_excluded);
	assert_int_equal(built.props.range_tombstones, 3);
	assert_int_equal(built.props.entries, 1);
	assert_int_equal(built.props.min_seq, 3);
	assert_int_equal(built.props.max_seq, 20);

	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("c"), SEQ_MAX), 9);
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("c"), 8), 4);
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("e"), SEQ_MAX), 20);
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("e"), 19), 9);
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("z"), SEQ_MAX), 0);
	assert_ok(table_check(t, &blocks, &entries));
	table_unref(t);
	buf_fini(&built.keys);
	fixture_fini(&x);
}

static void may_hold_nothing_but_range_tombstones(void **state)
{
	struct fixture x;
	struct table_builder *b = NULL;
	struct table_built built;
	struct table_lookup got;
	struct table *t = NULL;
	struct iter *it = NULL;
	uint64_t blocks, entries;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	assert_ok(table_builder_new(&x.te, 1, build_options(SHALE_ZSTD, 4096), &b));
	assert_ok(table_builder_add_range(b, shale_str("m"), shale_str("n"), 2));
	assert_ok(table_builder_finish(b, &built));
	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_int_equal(rangedel_newest(table_ranges(t), shale_str("mm"), SEQ_MAX), 2);
	assert_status(table_get(t, &(struct table_read){ 0 }, shale_str("mm"), SEQ_MAX, &got),
		      SHALE_NOT_FOUND);
	assert_ok(table_iter_new(t, &(struct table_read){ 0 }, false, NULL, &it));
	iter_first(it);
	assert_false(it->valid);
	iter_last(it);
	assert_false(it->valid);
	iter_seek(it, shale_str("a"));
	assert_false(it->valid);
	iter_seek_prev(it, shale_str("z"));
	assert_false(it->valid);
	assert_int_equal(it->status, SHALE_OK);
	iter_free(it);
	assert_ok(table_check(t, &blocks, &entries));
	assert_int_equal(blocks, 0);
	table_unref(t);
	buf_fini(&built.keys);
	fixture_fini(&x);
}

static void holds_the_largest_key_and_a_large_value(void **state)
{
	enum { BIG = 3 << 20 };
	uint8_t *key = malloc(SHALE_KEY_MAX), *value = malloc(BIG);
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct iter *it = NULL;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	memset(key, 0xff, SHALE_KEY_MAX);
	for (size_t i = 0; i < BIG; i++)
		value[i] = (uint8_t)rand_next(&r);
	fixture_init(&x, 1, 1 << 20);
	oracle_put(&o, shale_str(""), seqtype(1, OP_PUT), shale_str("empty"));
	oracle_put(&o, slice_from(key, SHALE_KEY_MAX - 1), seqtype(1, OP_PUT), shale_str("almost"));
	oracle_put(&o, slice_from(key, SHALE_KEY_MAX), seqtype(2, OP_PUT), slice_from(value, BIG));
	oracle_put(&o, slice_from(key, SHALE_KEY_MAX), seqtype(1, OP_PUT), shale_str("old"));
	oracle_sort(&o);
	for (uint32_t codec = SHALE_NO_COMPRESSION; codec <= SHALE_SNAPPY; codec++) {
		built = oracle_build(&o, &x, codec, build_options(codec, 1 << 20));
		assert_ok(table_open(&x.te, codec, built.size, &t));
		for (size_t i = 0; i < o.count; i++)
			assert_gets(&x, t, &o, entry_key(&o.e[i]), seqtype_seq(o.e[i].st),
				    &(struct table_read){ 0 });
		assert_ok(table_iter_new(t, &(struct table_read){ 0 }, true, NULL, &it));
		assert_iterates(it, &o, &r, KEYS_BINARY, 50);
		iter_free(it);
		table_unref(t);
		buf_fini(&built.keys);
	}
	oracle_fini(&o);
	free(key);
	free(value);
	fixture_fini(&x);
}

static void filter_turns_away_most_absent_keys(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	unsigned passed = 0;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 5000, KEYS_PADDED, 1000, 50);
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 4096));
	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_int_equal(table_footer(t)->filter.offset % 64, 0);
	for (unsigned i = 0; i < 10000; i++) {
		char key[32];

		snprintf(key, sizeof(key), "absent%u", i);
		table_filter_prefetch(t, hash_key(shale_str(key)));
		passed += table_filter_has(t, hash_key(shale_str(key)));
	}
	assert_in_range(passed, 1, 250);
	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static uint64_t reads_of_a_scan(struct fixture *x, struct table *t, const struct table_read *r,
				bool sequential, bool backwards)
{
	uint64_t before = sim_fs_calls(x->fs, SIM_READ);
	struct iter *it = NULL;

	assert_ok(table_iter_new(t, r, sequential, NULL, &it));
	if (backwards)
		for (iter_last(it); it->valid; iter_prev(it))
			;
	else
		for (iter_first(it); it->valid; iter_next(it))
			;
	assert_int_equal(it->status, SHALE_OK);
	iter_free(it);
	return sim_fs_calls(x->fs, SIM_READ) - before;
}

/* Bring blocks into the cache: `run` entries of every `step`, each version by itself. */
static void read_by_point(struct fixture *x, struct table *t, const struct oracle *o, size_t run,
			  size_t step)
{
	for (size_t i = 0; i < o->count; i++) {
		struct table_lookup found = { .pin = { NULL, 0 } };

		if (i % step >= run)
			continue;
		assert_ok(table_get(t, &(struct table_read){ 0 }, entry_key(&o->e[i]),
				    seqtype_seq(o->e[i].st), &found));
		cache_release(x->te.cache, &found.pin);
	}
}

/* A merge passes over what is cached and ends at the first block that must be read. */
static void assert_fails_to_read(struct fixture *x, struct table *t, const struct oracle *o)
{
	struct iter *it = NULL;
	size_t at = 0;

	assert_ok(table_iter_new(t, &(struct table_read){ 0 }, true, NULL, &it));
	sim_fs_fault(x->fs,
		     &(struct sim_fault){ .op = SIM_READ, .nth = 1, .err = EIO, .sticky = true });
	for (iter_first(it); it->valid; iter_next(it))
		assert_entry(it, &o->e[at++]);
	if (sim_fs_fault_hits(x->fs) != 0) {
		assert_status(it->status, SHALE_IO);
		assert_true(at < o->count);
	} else {
		assert_ok(it->status);
		assert_int_equal(at, o->count);
	}
	iter_free(it);
	sim_fs_faults_clear(x->fs);
}

/* A merge passes over tables of which some blocks are cached: rows of any length, anywhere. */
static void a_merge_reads_all_of_what_is_partly_cached(void **state)
{
	static const uint32_t codecs[] = { SHALE_NO_COMPRESSION, SHALE_LZ4 };
	const struct table_read lean = { .no_fill_cache = true };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 40; round++) {
		/* Blocks of about eight entries. */
		size_t run = rand_below(&r, 12) * 8 + 1, step = run + rand_below(&r, 200);
		bool has_room = rand_below(&r, 3) != 0;
		struct fixture x;
		struct oracle o = { 0 };
		struct table_built built;
		struct table *t = NULL;
		struct iter *it = NULL;

		fixture_init(&x, rand_next(&r), has_room ? 4 << 20 : 20000);
		oracle_fill(&o, &r, 2000, KEYS_PADDED, 1000, 200);
		built = oracle_build(&o, &x, 1, build_options(codecs[round % 2], 1024));
		assert_ok(table_open(&x.te, 1, built.size, &t));
		read_by_point(&x, t, &o, run, step);
		assert_ok(table_iter_new(t, &lean, true, NULL, &it));
		assert_iterates(it, &o, &r, KEYS_PADDED, 100);
		iter_free(it);
		/* It leaves no pin behind, nor does a failure beside a cached block: cache_free(). */
		assert_fails_to_read(&x, t, &o);
		read_by_point(&x, t, &o, 1, 1);
		if (has_room)
			assert_int_equal(reads_of_a_scan(&x, t, &lean, true, round % 4 >= 2), 0);
		table_unref(t);
		buf_fini(&built.keys);
		oracle_fini(&o);
		fixture_fini(&x);
	}
}

static void reads_ahead_in_pieces_that_grow(void **state)
{
	uint64_t hits, used, bytes;
	const struct table_read plain = { 0 }, lean = { .no_fill_cache = true };
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 4 << 20);
	oracle_fill(&o, &r, 20000, KEYS_PADDED, 1000, 400);
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 4096));
	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_in_range(built.props.data_bytes, 700 << 10, 2 << 20);

	/* Sequential: 256 KiB at once, and nothing goes to the cache. */
	assert_in_range(reads_of_a_scan(&x, t, &plain, true, false), 3, 9);
	assert_in_range(reads_of_a_scan(&x, t, &plain, true, true), 3, 9);
	assert_int_equal(cache_used(x.te.cache), 0);
	assert_int_equal(stats_sum(&x.stats, STAT_BLOCK_READS), 0);
	/* Not sequential: two blocks, then 16, 32, 64, 128, 256 KiB, ... */
	assert_in_range(reads_of_a_scan(&x, t, &lean, false, false), 8, 14);
	assert_in_range(reads_of_a_scan(&x, t, &lean, false, true), 8, 14);
	assert_int_equal(cache_used(x.te.cache), 0);
	assert_in_range(reads_of_a_scan(&x, t, &plain, false, false), 8, 14);
	/* A long scan leaves the cache to others but for its first blocks. */
	assert_in_range(cache_used(x.te.cache), 64 << 10, 300 << 10);
	/* So does one that finds every other piece there; it does not read long ones again. */
	read_by_point(&x, t, &o, 1000, 4000);
	bytes = stats_sum(&x.stats, STAT_BLOCK_READ_BYTES);
	assert_in_range(reads_of_a_scan(&x, t, &plain, false, false), 6, 16);
	assert_in_range(reads_of_a_scan(&x, t, &plain, false, true), 6, 16);
	bytes = stats_sum(&x.stats, STAT_BLOCK_READ_BYTES) - bytes;
	assert_in_range(bytes, 1, 2 * built.props.data_bytes * 6 / 10);
	/* Short ones it does, rather than to read what lies between piece by piece. */
	read_by_point(&x, t, &o, 300, 600);
	used = cache_used(x.te.cache);
	assert_in_range(used, 400 << 10, built.props.data_bytes * 19 / 20);
	assert_in_range(reads_of_a_scan(&x, t, &plain, false, false), 6, 16);
	assert_in_range(reads_of_a_scan(&x, t, &plain, false, true), 6, 16);
	assert_int_equal(cache_used(x.te.cache), used);
	read_by_point(&x, t, &o, 1, 1);
	assert_true(cache_used(x.te.cache) > built.props.data_bytes);
	hits = stats_sum(&x.stats, STAT_CACHE_HITS);
	assert_int_equal(reads_of_a_scan(&x, t, &plain, false, true), 0);
	assert_int_equal(reads_of_a_scan(&x, t, &lean, false, false), 0);
	assert_true(reads_of_a_scan(&x, t, &(struct table_read){ .verify = true }, false, false) >=
		    8);
	assert_int_equal(stats_sum(&x.stats, STAT_CACHE_HITS) - hits, 2 * built.props.data_blocks);

	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void charges_what_an_open_table_keeps(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 3000, KEYS_BINARY, 1000, 50);
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 256));
	assert_int_equal(budget_used(&x.budget, BUDGET_TABLES), 0);
	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_true(budget_used(&x.budget, BUDGET_TABLES) >=
		    built.props.index_bytes + built.props.filter_bytes);
	assert_ptr_equal(table_ref(t), t);
	table_unref(t);
	assert_int_equal(table_number(t), 1);
	table_unref(t);
	assert_int_equal(budget_used(&x.budget, BUDGET_TABLES), 0);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_what_was_written),
		cmocka_unit_test(finds_one_key_with_versions_in_many_blocks),
		cmocka_unit_test(keeps_range_tombstones),
		cmocka_unit_test(may_hold_nothing_but_range_tombstones),
		cmocka_unit_test(holds_the_largest_key_and_a_large_value),
		cmocka_unit_test(filter_turns_away_most_absent_keys),
		cmocka_unit_test(a_merge_reads_all_of_what_is_partly_cached),
		cmocka_unit_test(reads_ahead_in_pieces_that_grow),
		cmocka_unit_test(charges_what_an_open_table_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
