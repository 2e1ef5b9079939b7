/*
 * Tables that are damaged, cut, or not the ones asked for; builders that are used
 * wrongly, run out of memory or of disk. Right data or a failure that names the
 * file and the place; never wrong data.
 */
#include "fixture.h"

#include "format/block_layout.h"

static bool names_the_place(uint64_t number)
{
	const shale_error *e = shale_last_error();

	return e->status == SHALE_CORRUPT && e->offset != UINT64_MAX &&
	       strcmp(e->object, object_name(OBJECT_TABLE, number).text) == 0;
}

/* Whether something failed; what did not must be right. */
static bool gets_fail(struct fixture *x, struct table *t, const struct oracle *o)
{
	bool failed = false;

	for (size_t i = 0; i < o->count; i++) {
		const struct entry *e = &o->e[i];
		struct table_lookup got = { 0 };
		shale_status rc = table_get(t, &(struct table_read){ 0 }, entry_key(e),
					    seqtype_seq(e->st), &got);

		if (rc == SHALE_CORRUPT) {
			assert_true(names_the_place(table_number(t)));
			failed = true;
			continue;
		}
		assert_ok(rc);
		assert_true(got.seqtype == e->st);
		assert_true(slice_eq(got.value, entry_stored(e)));
		cache_release(x->te.cache, &got.pin);
	}
	return failed;
}

static bool scan_fails(struct table *t, const struct oracle *o, bool sequential)
{
	struct iter *it = NULL;
	size_t at = 0;
	shale_status rc;

	assert_ok(table_iter_new(t, &(struct table_read){ 0 }, sequential, NULL, &it));
	for (iter_first(it); it->valid; iter_next(it))
		assert_at(it, o, at++);
	rc = it->status;
	if (rc < 0) {
		assert_status(rc, SHALE_CORRUPT);
		assert_true(names_the_place(table_number(t)));
	} else {
		assert_int_equal(at, o->count);
	}
	iter_free(it);
	return rc < 0;
}

static struct table_built build_damaged(struct fixture *x, const struct oracle *o, uint64_t number,
					uint32_t codec)
{
	struct table_builder *b = NULL;
	struct table_built built;

	assert_ok(table_builder_new(&x->te, number, build_options(codec, 400), &b));
	assert_ok(table_builder_add_range(b, shale_str("b"), shale_str("c"), 1001));
	assert_ok(table_builder_add_range(b, shale_str("d"), shale_str("e"), 7));
	assert_ok(oracle_add_to(o, b));
	assert_ok(table_builder_finish(b, &built));
	return built;
}

static void every_flipped_byte_is_found(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 60, KEYS_BINARY, 1000, 120);
	for (uint32_t codec = SHALE_NO_COMPRESSION; codec <= SHALE_LZ4; codec++) {
		struct table_built built = build_damaged(&x, &o, codec, codec);
		uint64_t opened = 0;

		assert_true(built.props.data_blocks > 4);
		for (uint64_t at = 0; at < built.size; at++) {
			uint8_t mask = (uint8_t)(1 + rand_below(&r, 255));
			uint64_t blocks, entries;
			struct table *t = NULL;
			shale_status rc;

			assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(codec), at, mask), 0);
			rc = table_open(&x.te, codec, built.size, &t);
			if (rc < 0) {
				assert_status(rc, SHALE_CORRUPT);
				assert_true(names_the_place(codec));
			} else {
				bool gets = gets_fail(&x, t, &o);

				opened++;
				assert_int_equal(gets, scan_fails(t, &o, false));
				assert_int_equal(gets, scan_fails(t, &o, true));
				assert_status(table_check(t, &blocks, &entries), SHALE_CORRUPT);
				assert_true(names_the_place(codec));
				table_unref(t);
			}
			fixture_cache(&x, 1 << 20);
			assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(codec), at, mask), 0);
		}
		assert_in_range(opened, built.props.data_bytes, built.size);
		buf_fini(&built.keys);
	}
	oracle_fini(&o);
	fixture_fini(&x);
}

static void damage_after_opening_is_found_by_a_check(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 60, KEYS_BINARY, 1000, 120);
	built = build_damaged(&x, &o, 3, SHALE_LZ4);
	assert_ok(table_open(&x.te, 3, built.size, &t));
	for (uint64_t at = 0; at < built.size; at++) {
		uint64_t blocks, entries;

		assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(3), at, 0x40), 0);
		assert_status(table_check(t, &blocks, &entries), SHALE_CORRUPT);
		assert_true(names_the_place(3));
		assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(3), at, 0x40), 0);
	}
	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void verify_reads_past_the_cache(void **state)
{
	const struct table_read plain = { 0 }, verify = { .verify = true };
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table_lookup got = { 0 };
	struct table *t = NULL;
	struct iter *it = NULL;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	oracle_put(&o, shale_str("key"), seqtype(1, OP_PUT), shale_str("value"));
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 4096));
	assert_ok(table_open(&x.te, 1, built.size, &t));
	assert_ok(table_get(t, &plain, shale_str("key"), SEQ_MAX, &got));
	cache_release(x.te.cache, &got.pin);
	assert_ok(table_get(t, &verify, shale_str("key"), SEQ_MAX, &got));
	cache_release(x.te.cache, &got.pin);
	assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(1), 20, 1), 0);
	assert_ok(table_get(t, &plain, shale_str("key"), SEQ_MAX, &got));
	cache_release(x.te.cache, &got.pin);
	assert_status(table_get(t, &verify, shale_str("key"), SEQ_MAX, &got), SHALE_CORRUPT);
	assert_true(names_the_place(1));
	assert_int_equal(shale_last_error()->offset, 0);

	assert_ok(table_iter_new(t, &verify, false, NULL, &it));
	iter_first(it);
	assert_false(it->valid);
	assert_int_equal(it->status, SHALE_CORRUPT);
	/* A later seek tries again. */
	assert_int_equal(sim_fs_corrupt(x.fs, fixture_path(1), 20, 1), 0);
	iter_seek(it, shale_str("a"));
	assert_at(it, &o, 0);
	iter_free(it);
	table_unref(t);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void cut_empty_and_foreign_files_are_refused(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct rand r;
	void *bytes = NULL;
	size_t size;
	shale_status rc;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 30, KEYS_BINARY, 1000, 100);
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 400));
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), &bytes, &size), 0);
	assert_int_equal(size, built.size);

	for (size_t n = 0; n < size; n++) {
		assert_int_equal(sim_fs_write_file(x.fs, fixture_path(2), bytes, n), 0);
		assert_status(table_open(&x.te, 2, size, &t), SHALE_CORRUPT);
		assert_true(names_the_place(2));
		assert_status(table_open(&x.te, 2, n, &t), SHALE_CORRUPT);
		assert_true(names_the_place(2));
	}
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(2), bytes, size), 0);
	assert_status(table_open(&x.te, 2, size, &t), SHALE_CORRUPT);
	assert_true(names_the_place(2));
	assert_non_null(strstr(shale_last_error()->text, "foreign"));

	rc = table_open(&x.te, 3, size, &t);
	assert_status(rc, SHALE_MISSING);
	assert_string_equal(shale_last_error()->object, object_name(OBJECT_TABLE, 3).text);
	free(bytes);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

/* The same bytes in the wrong place, or from another table, have a good sum of their own. */
static void a_block_in_the_wrong_place_is_found(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built one, two;
	struct table *t = NULL;
	uint8_t *a = NULL, *b = NULL;
	char value[100];
	size_t size, step = 0;
	struct table_lookup got;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	memset(value, 'v', sizeof(value));
	for (char c = 'a'; c < 'm'; c++)
		oracle_put(&o, slice_from(&c, 1), seqtype(1, OP_PUT), slice_from(value, 100));
	one = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 256));
	two = oracle_build(&o, &x, 2, build_options(SHALE_NO_COMPRESSION, 256));
	step = one.props.data_bytes / one.props.data_blocks;
	assert_true(one.props.data_blocks >= 6);
	step = (step + 7) & ~(size_t)7;
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), (void **)&a, &size), 0);
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(2), (void **)&b, &size), 0);

	memcpy(b, a, step); /* from another table */
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(2), b, size), 0);
	memcpy(a, a + step, step); /* from elsewhere in this one */
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(1), a, size), 0);
	for (uint64_t n = 1; n <= 2; n++) {
		assert_ok(table_open(&x.te, n, one.size, &t));
		assert_status(table_get(t, &(struct table_read){ 0 }, shale_str("a"), SEQ_MAX,
					&got),
			      SHALE_CORRUPT);
		assert_true(names_the_place(n));
		assert_int_equal(shale_last_error()->offset, 0);
		table_unref(t);
	}
	free(a);
	free(b);
	buf_fini(&one.keys);
	buf_fini(&two.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

/* Write the table with a change that its checksums cover, and use it. */
static shale_status use_forged(struct fixture *x, const struct oracle *o, const uint8_t *bytes,
			       size_t size)
{
	struct table_lookup got = { 0 };
	struct table *t = NULL;
	struct iter *it = NULL;
	uint64_t blocks, entries;
	shale_status rc;

	assert_int_equal(sim_fs_write_file(x->fs, fixture_path(1), bytes, size), 0);
	fixture_cache(x, 1 << 20);
	rc = table_open(&x->te, 1, size, &t);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < o->count; i++) {
		rc = table_get(t, &(struct table_read){ 0 }, entry_key(&o->e[i]), SEQ_MAX, &got);
		assert_true(rc == SHALE_OK || rc == SHALE_NOT_FOUND || rc == SHALE_CORRUPT);
		cache_release(x->te.cache, &got.pin);
	}
	assert_ok(table_iter_new(t, &(struct table_read){ 0 }, false, NULL, &it));
	for (iter_first(it); it->valid; iter_next(it))
		;
	for (iter_last(it); it->valid; iter_prev(it))
		;
	for (size_t i = 0; i < o->count; i++) {
		iter_seek(it, entry_key(&o->e[i]));
		iter_seek_prev(it, entry_key(&o->e[i]));
	}
	iter_free(it);
	rc = table_check(t, &blocks, &entries);
	table_unref(t);
	return rc;
}

/* Bytes of one piece are changed and its trailer made to fit: nothing may crash. */
static void forged_pieces_are_refused_or_harmless(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct rand r;
	unsigned refused = 0, rounds = (unsigned)test_scale(3000);

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 40, KEYS_BINARY, 1000, 120);
	for (uint32_t codec = SHALE_NO_COMPRESSION; codec <= SHALE_LZ4; codec++) {
		struct table_built built = build_damaged(&x, &o, 1, codec);
		uint8_t *bytes = NULL, *copy = malloc(built.size);
		struct table *t = NULL;
		struct footer f;
		size_t size;

		assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), (void **)&bytes, &size),
				 0);
		assert_ok(table_open(&x.te, 1, built.size, &t));
		f = *table_footer(t);
		table_unref(t);
		assert_ok(use_forged(&x, &o, bytes, size));
		for (unsigned i = 0; i < rounds; i++) {
			struct extent first = { 0, 0, 0 };
			struct extent pieces[] = { f.index, f.ranges, f.props, first };
			struct extent e = pieces[i % 4];
			uint32_t trailer_codec;

			if (i % 4 == 3) /* where the first data block ends is in the index */
				extent_decode(bytes + f.index.offset + f.index.size -
						      16 * built.props.data_blocks,
					      &e);
			memcpy(copy, bytes, size);
			for (unsigned k = 1 + (unsigned)rand_below(&r, 3); k > 0; k--)
				copy[e.offset + rand_below(&r, e.size)] ^=
					(uint8_t)(1u << rand_below(&r, 8));
			trailer_codec = bytes[e.offset + e.size + 4];
			trailer_encode(copy + e.offset + e.size,
				       slice_from(copy + e.offset, e.size), e.raw_size,
				       trailer_codec, 1, e.offset);
			refused += use_forged(&x, &o, copy, size) < 0;
		}
		buf_fini(&built.keys);
		free(copy);
		free(bytes);
		assert_ok(store_delete(x.store, OBJECT_TABLE, 1));
	}
	assert_true(refused > rounds); /* most */
	oracle_fini(&o);
	fixture_fini(&x);
}

/* Where they are is in the footer, but for data blocks. */
static void a_piece_whose_two_sizes_differ_is_named(void **state)
{
	static const char *const names[] = { "range tombstones", "index", "filter", "properties" };
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct footer f;
	uint8_t *bytes = NULL, *copy;
	size_t size;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 40, KEYS_BINARY, 1000, 120);
	built = build_damaged(&x, &o, 1, SHALE_NO_COMPRESSION);
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), (void **)&bytes, &size), 0);
	assert_ok(table_open(&x.te, 1, size, &t));
	f = *table_footer(t);
	table_unref(t);
	copy = malloc(size);
	for (size_t i = 0; i < 4; i++) {
		const struct extent *e[] = { &f.ranges, &f.index, &f.filter, &f.props };
		uint8_t *piece = copy + e[i]->offset;

		memcpy(copy, bytes, size);
		trailer_encode(piece + e[i]->size, slice_from(piece, e[i]->size),
			       e[i]->raw_size + 8, SHALE_LZ4, 1, e[i]->offset);
		assert_status(use_forged(&x, &o, copy, size), SHALE_CORRUPT);
		assert_true(names_the_place(1));
		assert_int_equal(shale_last_error()->offset, e[i]->offset);
		assert_non_null(strstr(shale_last_error()->text, names[i]));
		assert_null(strstr(shale_last_error()->text, "index entry"));
	}
	free(copy);
	free(bytes);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

/* It has a place of its own; among entries it would be read as a put of the range's end. */
static void a_range_tombstone_in_a_data_block_is_refused(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table_lookup got = { 0 };
	struct table *t = NULL;
	uint8_t *bytes = NULL;
	uint64_t blocks, entries;
	struct extent e;
	size_t size;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	for (char c = 'a'; c < 'm'; c++)
		oracle_put(&o, slice_from(&c, 1), seqtype(1, OP_PUT), shale_str("x"));
	built = oracle_build(&o, &x, 1, build_options(SHALE_NO_COMPRESSION, 4096));
	assert_int_equal(built.props.data_blocks, 1);
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), (void **)&bytes, &size), 0);
	assert_ok(table_open(&x.te, 1, size, &t));
	extent_decode(bytes + table_footer(t)->index.offset + table_footer(t)->index.size - 16, &e);
	table_unref(t);
	assert_int_equal(bytes[BLOCK_HEADER + 8 * o.count + 5], OP_PUT);
	bytes[BLOCK_HEADER + 8 * o.count + 5] = OP_RANGE_DELETE;
	trailer_encode(bytes + e.size, slice_from(bytes, e.size), e.raw_size, SHALE_NO_COMPRESSION,
		       1, 0);
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(1), bytes, size), 0);

	assert_ok(table_open(&x.te, 1, size, &t));
	assert_status(table_get(t, &(struct table_read){ 0 }, shale_str("f"), SEQ_MAX, &got),
		      SHALE_CORRUPT);
	assert_true(names_the_place(1));
	assert_true(scan_fails(t, &o, false));
	assert_true(scan_fails(t, &o, true));
	assert_status(table_check(t, &blocks, &entries), SHALE_CORRUPT);
	assert_true(names_the_place(1));
	table_unref(t);
	free(bytes);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

/* Each extent and size in the footer, moved a little, with a good checksum. */
static void forged_footers_are_refused(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct table_built built;
	struct table *t = NULL;
	struct footer f;
	uint8_t *bytes = NULL;
	size_t size;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 40, KEYS_BINARY, 1000, 120);
	built = build_damaged(&x, &o, 1, SHALE_NO_COMPRESSION);
	assert_int_equal(sim_fs_read_file(x.fs, fixture_path(1), (void **)&bytes, &size), 0);
	assert_ok(table_open(&x.te, 1, size, &t));
	f = *table_footer(t);
	table_unref(t);
	for (unsigned field = 0; field < 14; field++) {
		struct footer g = f;
		struct extent *e[] = { &g.index, &g.ranges, &g.filter, &g.props };

		if (field < 4)
			e[field]->offset += 64;
		else if (field < 8)
			e[field - 4]->size = e[field - 4]->raw_size = e[field - 4]->size - 64;
		else if (field < 12)
			*e[field - 8] = (struct extent){ 0, 0, 0 };
		else if (field == 12)
			g.filter_lines--;
		else
			g.filter_lines *= 64;
		footer_encode(&g, bytes + size - FOOTER_SIZE);
		assert_status(use_forged(&x, &o, bytes, size), SHALE_CORRUPT);
		assert_true(names_the_place(1));
	}
	/* A hole before the footer, and everything else in order. */
	bytes = realloc(bytes, size + 64);
	f.file_size = size + 64;
	memset(bytes + size - FOOTER_SIZE, 0, 64);
	footer_encode(&f, bytes + size + 64 - FOOTER_SIZE);
	assert_status(use_forged(&x, &o, bytes, size + 64), SHALE_CORRUPT);
	assert_true(names_the_place(1));
	free(bytes);
	buf_fini(&built.keys);
	oracle_fini(&o);
	fixture_fini(&x);
}

/* A few KiB of them would be cut into pieces that take memory by their square. */
static void range_tombstones_that_nest_too_deep_are_refused(void **state)
{
	enum { DEEP = 3000 };
	struct fixture x;
	struct table_builder *b = NULL;
	struct table_built built;
	struct table *t = NULL;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	assert_ok(table_builder_new(&x.te, 1, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	for (unsigned i = 0; i < DEEP; i++) {
		char lo[16], hi[16];

		sprintf(lo, "a%05u", i);
		sprintf(hi, "b%05u", DEEP - i);
		assert_ok(table_builder_add_range(b, shale_str(lo), shale_str(hi), 1 + i));
	}
	assert_ok(table_builder_finish(b, &built));
	assert_status(table_open(&x.te, 1, built.size, &t), SHALE_CORRUPT);
	assert_true(names_the_place(1));
	assert_true(sim_heap_peak(x.heap) < 1 << 20);
	buf_fini(&built.keys);
	fixture_fini(&x);
}

/* A prefix is stored once: a few KiB of tombstones may have keys of many MiB. */
static void range_tombstones_whose_keys_outgrow_the_file_are_refused(void **state)
{
	enum { MANY = 200, LONG = 60000 };
	char *lo = malloc(LONG + 8), *hi = malloc(LONG + 8);
	struct fixture x;
	struct table_built built;

	(void)state;
	memset(lo, 'a', LONG);
	memset(hi, 'a', LONG);
	fixture_init(&x, 1, 1 << 20);
	for (uint64_t number = 1; number <= 3; number++) {
		struct table_builder *b = NULL;
		struct table *t = NULL;

		assert_ok(table_builder_new(&x.te, number,
					    build_options(SHALE_NO_COMPRESSION, 4096), &b));
		for (unsigned i = 0; i < MANY; i++) {
			/* Nested; cut at each other's ends; one, as of many snapshots. */
			unsigned from = number < 3 ? 2 * i : 0;

			sprintf(lo + LONG, "%05u", from);
			sprintf(hi + LONG, "%05u", from + 1);
			assert_ok(table_builder_add_range(b, shale_str(lo),
							  shale_str(number == 2 ? hi : "b"),
							  MANY - i));
		}
		assert_ok(table_builder_finish(b, &built));
		if (number == 1) {
			assert_true(built.size < 3 * LONG);
			assert_status(table_open(&x.te, number, built.size, &t), SHALE_CORRUPT);
			assert_true(names_the_place(number));
			assert_non_null(strstr(shale_last_error()->text, "bytes of keys"));
		} else {
			assert_ok(table_open(&x.te, number, built.size, &t));
			assert_int_equal(table_ranges(t)->count, number == 2 ? MANY : 1);
			assert_int_equal(rangedel_newest(table_ranges(t), shale_str(lo), SEQ_MAX),
					 number == 2 ? 1 : MANY);
		}
		table_unref(t);
		buf_fini(&built.keys);
	}
	fixture_fini(&x);
	free(lo);
	free(hi);
}

static void the_builder_refuses_disorder_and_leaves_no_file(void **state)
{
	struct fixture x;
	struct table_builder *b = NULL;
	struct table_built built;
	uint64_t size;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	assert_ok(table_builder_new(&x.te, 1, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	assert_ok(table_builder_add(b, shale_str("b"), 0, seqtype(5, OP_PUT), shale_str("")));
	assert_status(table_builder_add(b, shale_str("b"), 0, seqtype(5, OP_PUT), shale_str("")),
		      SHALE_BUG);
	assert_status(table_builder_finish(b, &built), SHALE_BUG);
	assert_status(store_stat(x.store, OBJECT_TABLE, 1, &size), SHALE_MISSING);

	assert_ok(table_builder_new(&x.te, 2, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	assert_ok(table_builder_add(b, shale_str("b"), 0, seqtype(5, OP_PUT), shale_str("")));
	assert_ok(table_builder_add(b, shale_str("b"), 0, seqtype(4, OP_PUT), shale_str("")));
	assert_status(table_builder_add(b, shale_str("a"), 0, seqtype(3, OP_PUT), shale_str("")),
		      SHALE_BUG);
	table_builder_abort(b);
	assert_status(store_stat(x.store, OBJECT_TABLE, 2, &size), SHALE_MISSING);

	assert_ok(table_builder_new(&x.te, 3, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	assert_status(table_builder_add_range(b, shale_str("b"), shale_str("b"), 1), SHALE_BUG);
	table_builder_abort(b);
	assert_ok(table_builder_new(&x.te, 4, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	assert_ok(table_builder_add_range(b, shale_str("b"), shale_str("c"), 1));
	assert_status(table_builder_add_range(b, shale_str("b"), shale_str("d"), 2), SHALE_BUG);
	table_builder_abort(b);
	assert_ok(table_builder_new(&x.te, 5, build_options(SHALE_NO_COMPRESSION, 4096), &b));
	assert_status(table_builder_finish(b, &built), SHALE_BUG);
	fixture_fini(&x);
}

/* Build, open, read, check; stops at the first failure. Nothing may leak. */
static shale_status whole_life(struct fixture *x, const struct oracle *o, uint64_t number)
{
	struct table_built built = { 0 };
	struct table_lookup got = { 0 };
	struct table_builder *b = NULL;
	struct table *t = NULL;
	struct iter *it = NULL;
	uint64_t blocks, entries;
	shale_status rc;

	rc = table_builder_new(&x->te, number, build_options(SHALE_LZ4, 400), &b);
	if (rc < 0)
		return rc;
	rc = table_builder_add_range(b, shale_str("b"), shale_str("c"), 7);
	if (rc >= 0)
		rc = oracle_add_to(o, b);
	if (rc < 0) {
		table_builder_abort(b);
		return rc;
	}
	rc = table_builder_finish(b, &built);
	if (rc < 0)
		return rc;
	rc = table_open(&x->te, number, built.size, &t);
	if (rc < 0)
		goto out;
	rc = table_get(t, &(struct table_read){ 0 }, entry_key(&o->e[0]), SEQ_MAX, &got);
	if (rc < 0)
		goto out;
	assert_true(slice_eq(got.value, entry_stored(&o->e[0])));
	for (int sequential = 0; sequential < 2; sequential++) {
		size_t at = 0;

		rc = table_iter_new(t, &(struct table_read){ 0 }, sequential != 0, NULL, &it);
		if (rc < 0)
			goto out;
		for (iter_first(it); it->valid; iter_next(it))
			assert_at(it, o, at++);
		rc = it->status;
		iter_free(it);
		if (rc < 0)
			goto out;
		assert_int_equal(at, o->count);
	}
	rc = table_check(t, &blocks, &entries);
out:
	cache_release(x->te.cache, &got.pin);
	table_unref(t);
	buf_fini(&built.keys);
	return rc;
}

static void every_failed_allocation_is_reported(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct rand r;
	uint64_t n = 1;
	shale_status rc;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 60, KEYS_BINARY, 1000, 1200);
	for (;; n++) {
		uint64_t before;

		fixture_cache(&x, 1 << 20);
		before = sim_heap_live(x.heap);
		sim_heap_fail(x.heap, n, false);
		rc = whole_life(&x, &o, n);
		sim_heap_fail(x.heap, 0, false);
		if (rc == SHALE_OK)
			break;
		assert_status(rc, SHALE_NO_MEMORY);
		fixture_cache(&x, 1 << 20);
		assert_int_equal(sim_heap_live(x.heap), before);
		assert_int_equal(budget_used(&x.budget, BUDGET_TABLES), 0);
	}
	assert_true(n > 30);
	oracle_fini(&o);
	fixture_fini(&x);
}

static void every_failed_call_of_the_disk_is_reported(void **state)
{
	struct fixture x;
	struct oracle o = { 0 };
	struct rand r;
	uint64_t n = 1;

	(void)state;
	rand_seed(&r, test_seed());
	fixture_init(&x, 1, 1 << 20);
	oracle_fill(&o, &r, 60, KEYS_BINARY, 1000, 1200);
	for (;; n++) {
		uint64_t hits = sim_fs_fault_hits(x.fs);
		shale_status rc;

		fixture_cache(&x, 1 << 20);
		sim_fs_fault(x.fs, &(struct sim_fault){ .op = SIM_ANY, .nth = n, .err = 5 });
		rc = whole_life(&x, &o, n);
		sim_fs_faults_clear(x.fs);
		if (sim_fs_fault_hits(x.fs) == hits) {
			assert_ok(rc);
			break;
		}
		if (rc != SHALE_OK) /* a hint may fail unseen */
			assert_status(rc, SHALE_IO);
	}
	assert_true(n > 8);
	oracle_fini(&o);
	fixture_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flipped_byte_is_found),
		cmocka_unit_test(damage_after_opening_is_found_by_a_check),
		cmocka_unit_test(verify_reads_past_the_cache),
		cmocka_unit_test(cut_empty_and_foreign_files_are_refused),
		cmocka_unit_test(a_block_in_the_wrong_place_is_found),
		cmocka_unit_test(forged_pieces_are_refused_or_harmless),
		cmocka_unit_test(a_piece_whose_two_sizes_differ_is_named),
		cmocka_unit_test(a_range_tombstone_in_a_data_block_is_refused),
		cmocka_unit_test(forged_footers_are_refused),
		cmocka_unit_test(range_tombstones_that_nest_too_deep_are_refused),
		cmocka_unit_test(range_tombstones_whose_keys_outgrow_the_file_are_refused),
		cmocka_unit_test(the_builder_refuses_disorder_and_leaves_no_file),
		cmocka_unit_test(every_failed_allocation_is_reported),
		cmocka_unit_test(every_failed_call_of_the_disk_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
