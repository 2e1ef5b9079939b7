/*
 * A compressed block says what it unpacks to, and memory is taken by that. No codec makes
 * more than 32768 bytes of one, so a table that claims more is refused when it is opened,
 * however well its checksums and properties agree.
 */
#include "unit/table/fixture.h"

enum { RATIO = 32768, ENTRIES = 4 };

/* Everything but the block itself agrees that its first block has `raw` bytes. */
static size_t forge(const struct footer *old, uint8_t *bytes, size_t blocks, uint32_t raw)
{
	uint8_t *extents = bytes + old->index.offset + old->index.size - 16 * blocks;
	const uint8_t *p = bytes + old->props.offset, *end = p + old->props.size;
	struct footer f = *old;
	struct table_props props;
	struct extent e;
	struct buf out;
	size_t size;

	extent_decode(extents, &e);
	e.raw_size = raw;
	extent_encode(&e, extents);
	trailer_encode(bytes + e.offset + e.size, slice_from(bytes + e.offset, e.size), raw,
		       SHALE_LZ4, f.number, e.offset);
	trailer_encode(bytes + f.index.offset + f.index.size,
		       slice_from(bytes + f.index.offset, f.index.size), f.index.raw_size,
		       SHALE_NO_COMPRESSION, f.number, f.index.offset);

	assert_ok(props_decode(&p, end, &props));
	props.value_bytes += raw;
	buf_init(&out, shale_env_default());
	props_encode(&out, &props);
	f.props.size = f.props.raw_size = (uint32_t)out.size;
	memcpy(bytes + f.props.offset, out.data, out.size);
	size = f.props.offset + out.size;
	trailer_encode(bytes + size, buf_view(&out), f.props.raw_size, SHALE_NO_COMPRESSION,
		       f.number, f.props.offset);
	for (size += BLOCK_TRAILER; size % 8 != 0;)
		bytes[size++] = 0;
	f.file_size = size + FOOTER_SIZE;
	footer_encode(&f, bytes + size);
	buf_fini(&out);
	return f.file_size;
}

static struct extent build(struct fixture *x, struct footer *f, uint8_t *bytes)
{
	static char value[2000];
	struct table_built built;
	struct oracle o = { 0 };
	struct table *t = NULL;
	struct extent first;
	void *file;
	size_t size;

	for (int i = 0; i < ENTRIES; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%d", i);
		oracle_put(&o, shale_str(key), seqtype(1, OP_PUT),
			   slice_from(value, sizeof(value)));
	}
	built = oracle_build(&o, x, 1, build_options(SHALE_LZ4, 400));
	oracle_fini(&o);
	assert_int_equal(built.props.data_blocks, ENTRIES);
	assert_ok(table_open(&x->te, 1, built.size, &t));
	*f = *table_footer(t);
	table_unref(t);
	assert_int_equal(sim_fs_read_file(x->fs, fixture_path(1), &file, &size), 0);
	memcpy(bytes, file, size);
	free(file);
	extent_decode(bytes + f->index.offset + f->index.size - 16 * ENTRIES, &first);
	assert_true(first.size < first.raw_size);
	buf_fini(&built.keys);
	return first;
}

static void a_block_that_claims_more_than_any_codec_makes_is_refused(void **state)
{
	static uint8_t good[16384], bytes[16384];
	struct table_lookup got = { 0 };
	struct table *t = NULL;
	struct extent first;
	struct footer f;
	struct fixture x;
	size_t size;

	(void)state;
	fixture_init(&x, 1, 1 << 20);
	first = build(&x, &f, good);
	memcpy(bytes, good, sizeof(bytes));

	/* As much as may be: the block itself knows better. */
	size = forge(&f, bytes, ENTRIES, first.size * RATIO);
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(1), bytes, size), 0);
	assert_ok(table_open(&x.te, 1, size, &t));
	assert_status(table_get(t, &(struct table_read){ 0 }, shale_str("key0"), SEQ_MAX, &got),
		      SHALE_CORRUPT);
	assert_int_equal(shale_last_error()->offset, first.offset);
	assert_ok(table_get(t, &(struct table_read){ 0 }, shale_str("key1"), SEQ_MAX, &got));
	cache_release(x.te.cache, &got.pin);
	table_unref(t);

	memcpy(bytes, good, sizeof(bytes));
	size = forge(&f, bytes, ENTRIES, (first.size + 1) * RATIO);
	assert_int_equal(sim_fs_write_file(x.fs, fixture_path(1), bytes, size), 0);
	assert_status(table_open(&x.te, 1, size, &t), SHALE_CORRUPT);
	assert_string_equal(shale_last_error()->object, object_name(OBJECT_TABLE, 1).text);
	assert_non_null(strstr(shale_last_error()->text, "misplaces a block"));
	fixture_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_that_claims_more_than_any_codec_makes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
