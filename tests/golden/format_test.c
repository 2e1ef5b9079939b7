/*
 * The stored formats stand still: an example of each is kept as hexadecimal text in
 * tests/golden/format/, and must come out of today's code byte for byte. Compressed
 * bytes may differ from one release of a compressor to the next; those examples are
 * only read. check.py reads all of them with the independent decoder.
 *
 * SHALE_GOLDEN_WRITE=1 writes what is missing (remove a file to make it anew).
 */
#include "support/hex.h"
#include "unit/format/bytes.h"

#include "base/crc32c.h"
#include "base/hash.h"
#include "format/batch.h"
#include "format/block.h"
#include "format/codec.h"
#include "format/edit.h"
#include "format/filter.h"
#include "format/record.h"

#include <unistd.h>

#define FOLDER "tests/golden/format/"

enum {
	STORE_ID = 0x5ba1e,
	FILTER_BITS = 10,
	CREATED_MS = 1700000000,
};
#define MANIFEST_NUMBER UINT64_C(0x100000001)
#define TABLE_NUMBER UINT64_C(0x100000002)
#define LOG_NUMBER UINT64_C(0x100000003)
#define RANGES_NUMBER UINT64_C(0x100000004)

/* ---- hexadecimal text ---- */

static void file_write(const char *path, shale_slice s)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	hex_write(f, s);
	assert_int_equal(fclose(f), 0);
}

static void file_read(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "r");
	char line[256];

	if (f == NULL)
		print_error("%s: cannot be read (run in the project's folder)\n", path);
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		hex_read_line(line, out);
	fclose(f);
}

static void golden_path(char *path, size_t n, const char *name)
{
	snprintf(path, n, FOLDER "%s.hex", name);
}

/* What is kept under a name; `made` is written there first if asked for. */
static void golden_read(const char *name, shale_slice made, struct buf *out)
{
	char path[128];

	golden_path(path, sizeof(path), name);
	if (getenv("SHALE_GOLDEN_WRITE") != NULL && access(path, F_OK) != 0)
		file_write(path, made);
	buf_init(out, &heap_env);
	file_read(path, out);
}

static void assert_golden(const char *name, shale_slice made)
{
	struct buf kept;

	golden_read(name, made, &kept);
	if (!slice_eq(made, buf_view(&kept)))
		print_error("%s: today's bytes differ from the kept ones\n", name);
	assert_same(made, buf_view(&kept));
	buf_fini(&kept);
}

/* ---- the examples ---- */

struct entry {
	const char *key;
	uint64_t seq;
	enum op_type type;
	const char *value;
};

/* Keys shorter and longer than a head, versions, all types; a cut where `cut` begins. */
static const struct entry entries[] = {
	{ "", 3, OP_PUT, "the empty key" },
	{ "key", 40, OP_DELETE, "" },
	{ "key", 39, OP_PUT, "older" },
	{ "key:0000000000000001", 10, OP_PUT, "one" },
	{ "key:0000000000000002", 11, OP_PUT_TTL, "\x80\x96\x98\0\0\0\0\0two" },
	{ "key:0000000000000003", 300, OP_PUT, "three, newest" },
	/* second block */
	{ "key:0000000000000003", 12, OP_PUT, "three, of old" },
	{ "key:0000000000000004", 13, OP_PUT, "four" },
	/* third block */
	{ "lonely", 70000, OP_PUT,
	  "a block of one entry, and a value that repeats repeats repeats "
	  "repeats repeats repeats repeats repeats repeats repeats" },
};
static const size_t cuts[] = { 0, 6, 8, 9 };
enum { BLOCKS = 3 };

static shale_slice entry_stored(const struct entry *e)
{
	return slice_from(e->value, e->type == OP_PUT_TTL ? 11 : strlen(e->value));
}

static void block_make(size_t from, size_t to, struct buf *out)
{
	struct block_builder b;

	block_builder_init(&b, &heap_env);
	for (size_t i = from; i < to; i++)
		block_builder_add(&b, bytes_str(entries[i].key),
				  seqtype(entries[i].seq, entries[i].type),
				  entry_stored(&entries[i]));
	assert_ok(block_builder_finish(&b, out));
	block_builder_fini(&b);
}

static struct extent piece_put(struct buf *file, shale_slice raw, uint32_t codec, uint64_t number)
{
	uint8_t trailer[BLOCK_TRAILER];
	struct extent e;
	struct buf stored;

	buf_init(&stored, &heap_env);
	assert_ok(codec_compress(NULL, &codec, raw, &stored));
	while (file->size % 8 != 0)
		buf_u8(file, 0);
	e = (struct extent){ file->size, (uint32_t)stored.size, (uint32_t)raw.size };
	trailer_encode(trailer, buf_view(&stored), e.raw_size, codec, number, e.offset);
	buf_append(file, stored.data, stored.size);
	buf_append(file, trailer, sizeof(trailer));
	buf_fini(&stored);
	return e;
}

static void index_put(struct block_builder *index, const char *key, uint64_t st, struct extent e)
{
	uint8_t value[16];

	extent_encode(&e, value);
	block_builder_add(index, bytes_str(key), st, slice_from(value, sizeof(value)));
}

static void filter_put(struct buf *file, struct footer *f, uint64_t number)
{
	uint64_t hashes[sizeof(entries) / sizeof(entries[0])], n = 0;
	struct buf filter;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (i == 0 || strcmp(entries[i].key, entries[i - 1].key) != 0)
			hashes[n++] = hash_key(bytes_str(entries[i].key));
	f->filter_bits = FILTER_BITS;
	f->filter_probes = filter_probes(FILTER_BITS);
	f->filter_lines = filter_lines(n, FILTER_BITS);
	buf_init(&filter, &heap_env);
	filter_build(&filter, hashes, n, f->filter_lines, f->filter_probes);
	while (file->size % FILTER_LINE != 0)
		buf_u8(file, 0);
	f->filter = piece_put(file, buf_view(&filter), SHALE_NO_COMPRESSION, number);
	buf_fini(&filter);
}

static void ranges_put(struct buf *file, struct footer *f, uint64_t number)
{
	struct block_builder ranges;
	struct buf raw;

	buf_init(&raw, &heap_env);
	block_builder_init(&ranges, &heap_env);
	block_builder_add(&ranges, bytes_str("b"), seqtype(50, OP_RANGE_DELETE), bytes_str("c"));
	block_builder_add(&ranges, bytes_str("m"), seqtype(52, OP_RANGE_DELETE), bytes_str("n"));
	block_builder_add(&ranges, bytes_str("m"), seqtype(51, OP_RANGE_DELETE), bytes_str("z"));
	assert_ok(block_builder_finish(&ranges, &raw));
	f->ranges = piece_put(file, buf_view(&raw), SHALE_NO_COMPRESSION, number);
	block_builder_fini(&ranges);
	buf_fini(&raw);
}

static void tail_put(struct buf *file, struct footer *f, const struct table_props *props)
{
	uint8_t bytes[FOOTER_SIZE];
	struct buf raw;

	buf_init(&raw, &heap_env);
	props_encode(&raw, props);
	f->props = piece_put(file, buf_view(&raw), SHALE_NO_COMPRESSION, f->number);
	while (file->size % 8 != 0)
		buf_u8(file, 0);
	f->file_size = file->size + FOOTER_SIZE;
	footer_encode(f, bytes);
	buf_append(file, bytes, sizeof(bytes));
	buf_fini(&raw);
}

/* A table of the entries, its blocks packed by the codecs given. */
static void table_make(uint64_t number, const uint32_t codecs[BLOCKS], struct buf *file,
		       struct table_props *props)
{
	struct footer f = { .number = number };
	struct block_builder index;
	struct buf raw;

	*props = (struct table_props){ .entries = 9,
				       .tombstones = 1,
				       .range_tombstones = 3,
				       .expiring = 1,
				       .data_blocks = BLOCKS,
				       .min_seq = 3,
				       .max_seq = 70000,
				       .created_ms = CREATED_MS,
				       .min_expiry_ms = 10000000,
				       .max_expiry_ms = 10000000,
				       .compression = codecs[0],
				       .largest_excluded = true,
				       .smallest = bytes_str(""),
				       .largest = bytes_str("z") };
	buf_init(&raw, &heap_env);
	block_builder_init(&index, &heap_env);
	for (size_t i = 0; i < BLOCKS; i++) {
		struct extent e;

		for (size_t k = cuts[i]; k < cuts[i + 1]; k++) {
			props->key_bytes += strlen(entries[k].key);
			props->value_bytes += entry_stored(&entries[k]).size;
		}
		buf_reset(&raw);
		block_make(cuts[i], cuts[i + 1], &raw);
		e = piece_put(file, buf_view(&raw), codecs[i], number);
		props->data_bytes += e.size + BLOCK_TRAILER;
		/* The versions of a key go on behind the first cut. */
		index_put(&index,
			  i == 0   ? entries[5].key
			  : i == 1 ? "l"
				   : "lonely",
			  i == 0 ? seqtype(entries[5].seq, OP_PUT) : seqtype(0, OP_PUT), e);
	}
	ranges_put(file, &f, number);
	buf_reset(&raw);
	assert_ok(block_builder_finish(&index, &raw));
	f.index = piece_put(file, buf_view(&raw), SHALE_NO_COMPRESSION, number);
	props->index_bytes = f.index.size + BLOCK_TRAILER;
	filter_put(file, &f, number);
	props->filter_bytes = f.filter.size + BLOCK_TRAILER;
	tail_put(file, &f, props);
	block_builder_fini(&index);
	buf_fini(&raw);
}

/* A table of range tombstones alone. */
static void ranges_make(struct buf *file, struct table_props *props)
{
	struct footer f = { .number = RANGES_NUMBER, .filter_bits = FILTER_BITS };

	*props = (struct table_props){ .range_tombstones = 3,
				       .min_seq = 50,
				       .max_seq = 52,
				       .created_ms = CREATED_MS,
				       .compression = SHALE_LZ4,
				       .largest_excluded = true,
				       .smallest = bytes_str("b"),
				       .largest = bytes_str("z") };
	buf_u64(file, 0);
	ranges_put(file, &f, RANGES_NUMBER);
	tail_put(file, &f, props);
}

static void batch_make(struct buf *out)
{
	const struct batch_op ops[] = {
		{ OP_PUT, 0, bytes_str("key"), bytes_str("value") },
		{ OP_DELETE, 0, bytes_str("gone"), bytes_str("") },
		{ OP_PUT, 300, bytes_str(""), bytes_str("of family 300, without a key") },
		{ OP_RANGE_DELETE, 1, bytes_str("from"), bytes_str("to") },
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		batch_op_write(buf_extend(out, batch_op_size(&ops[i])), &ops[i]);
	batch_ttl_write(buf_extend(out, batch_ttl_size(0, bytes_str("brief"), bytes_str("life"))),
			0, bytes_str("brief"), CREATED_MS, bytes_str("life"));
}

static void record_put(struct buf *out, const struct record_header *head, shale_slice payload)
{
	struct record_header h = *head;
	uint8_t header[RECORD_HEADER];

	h.length = (uint32_t)payload.size;
	record_header_encode(header, &h, crc32c(0, payload.data, payload.size), LOG_NUMBER);
	buf_append(out, header, sizeof(header));
	buf_append(out, payload.data, payload.size);
	while (out->size % 8 != 0)
		buf_u8(out, 0);
}

static void log_make(struct buf *out)
{
	const struct segment_header head = { LOG_NUMBER, STORE_ID, 1 };
	const struct record_link link = { 0, 0, 1 << 20, 70001 };
	const struct batch_op large = { OP_PUT, 0, bytes_str("large"),
					bytes_str("not very large") };
	uint8_t bytes[LINK_SIZE];
	struct buf ops;

	segment_header_encode(&head, buf_extend(out, LOG_PAGE));
	record_link_encode(&link, bytes);
	record_put(out,
		   &(struct record_header){ .type = RECORD_LINK, .first_seq = 70001, .count = 1 },
		   slice_from(bytes, sizeof(bytes)));
	buf_init(&ops, &heap_env);
	batch_make(&ops);
	record_put(out,
		   &(struct record_header){ .type = RECORD_OPS,
					    .first_seq = 70001,
					    .count = 5,
					    .distance = RECORD_HEADER + LINK_SIZE },
		   buf_view(&ops));
	buf_reset(&ops);
	batch_op_write(buf_extend(&ops, batch_op_size(&large)), &large);
	record_put(out,
		   &(struct record_header){ .type = RECORD_LARGE, .first_seq = 70006, .count = 1 },
		   buf_view(&ops));
	record_put(out,
		   &(struct record_header){
			   .type = RECORD_END, .first_seq = 70007, .distance = UINT32_MAX },
		   bytes_str(""));
	buf_fini(&ops);
}

static void field_put(struct buf *payload, struct edit_field f)
{
	edit_field_encode(payload, &f);
}

static void table_field(struct buf *payload, uint32_t level, uint64_t run, uint64_t number,
			const struct buf *file, const struct table_props *props)
{
	field_put(payload, (struct edit_field){ .tag = EDIT_ADD_TABLE,
						.level = level,
						.run = run,
						.number = number,
						.size = file->size,
						.props = *props });
}

static void manifest_make(struct buf *out)
{
	const uint32_t codecs[BLOCKS] = { 1, 1, 1 };
	const struct manifest_header head = { MANIFEST_NUMBER, STORE_ID, 0, 0, 0 };
	shale_cf_options options = SHALE_CF_OPTIONS_INIT;
	struct table_props props, ranges_props;
	struct buf table, ranges, log, payload;

	buf_init(&table, &heap_env);
	buf_init(&ranges, &heap_env);
	buf_init(&log, &heap_env);
	buf_init(&payload, &heap_env);
	table_make(TABLE_NUMBER, codecs, &table, &props);
	ranges_make(&ranges, &ranges_props);
	log_make(&log);
	options.compression = SHALE_ZSTD;
	options.level_compression[7] = SHALE_LZ4;
	options.filter_bits = 300;
	options.ttl_ms = UINT64_MAX;
	options.compaction.size_ratio = 8;

	manifest_header_encode(&head, buf_extend(out, MANIFEST_HEADER));
	field_put(&payload, (struct edit_field){ .tag = EDIT_SNAPSHOT });
	field_put(&payload, (struct edit_field){ .tag = EDIT_NEXT_NUMBER, .number = 5 });
	field_put(&payload, (struct edit_field){ .tag = EDIT_NEXT_RUN, .number = 3 });
	field_put(&payload, (struct edit_field){ .tag = EDIT_NEXT_CF, .cf = 301 });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_CREATE,
						 .name = bytes_str("default"),
						 .options = SHALE_CF_OPTIONS_INIT });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_CREATE,
						 .cf = 300,
						 .name = bytes_str("second"),
						 .options = options });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_CREATE,
						 .cf = 1,
						 .name = bytes_str(""),
						 .options = options });
	field_put(&payload, (struct edit_field){ .tag = EDIT_LOG_ADD, .number = LOG_NUMBER });
	field_put(&payload, (struct edit_field){ .tag = EDIT_LOG_ADD, .number = LOG_NUMBER - 9 });
	edit_record_encode(out, MANIFEST_NUMBER, 1, buf_view(&payload));

	buf_reset(&payload);
	table_field(&payload, 0, 1, TABLE_NUMBER, &table, &props);
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_FLUSHED, .seq = 70000 });
	field_put(&payload, (struct edit_field){ .tag = EDIT_LAST_SEQ, .number = 70000 });
	edit_record_encode(out, MANIFEST_NUMBER, 2, buf_view(&payload));

	/* A move and another table, a family that goes. */
	buf_reset(&payload);
	field_put(&payload, (struct edit_field){
				    .tag = EDIT_REMOVE_TABLE, .run = 1, .number = TABLE_NUMBER });
	table_field(&payload, 1, 1, TABLE_NUMBER, &table, &props);
	table_field(&payload, 0, 2, RANGES_NUMBER, &ranges, &ranges_props);
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_DROP, .cf = 1 });
	field_put(&payload,
		  (struct edit_field){ .tag = EDIT_LOG_REMOVE, .number = LOG_NUMBER - 9 });
	edit_record_encode(out, MANIFEST_NUMBER, 3, buf_view(&payload));

	buf_reset(&payload);
	field_put(&payload, (struct edit_field){ .tag = EDIT_LOG_SEAL,
						 .number = LOG_NUMBER,
						 .length = log.size,
						 .seq = 70006 });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CLEAN_CLOSE });
	edit_record_encode(out, MANIFEST_NUMBER, 4, buf_view(&payload));
	buf_fini(&table);
	buf_fini(&ranges);
	buf_fini(&log);
	buf_fini(&payload);
}

/* A manifest with what a job did, and with a note that this program does not know. */
static void notes_make(struct buf *out)
{
	const struct manifest_header head = { MANIFEST_NUMBER, STORE_ID, 0, 0, 0 };
	struct buf payload;

	buf_init(&payload, &heap_env);
	manifest_header_encode(&head, buf_extend(out, MANIFEST_HEADER));
	field_put(&payload, (struct edit_field){ .tag = EDIT_SNAPSHOT });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_CREATE,
						 .name = bytes_str("default"),
						 .options = SHALE_CF_OPTIONS_INIT });
	buf_u8(&payload, 255);
	buf_slice(&payload, bytes_str("a note of a later program"));
	field_put(&payload, (struct edit_field){ .tag = EDIT_JOB,
						 .job = { .id = 300,
							  .kind = SHALE_JOB_MERGE,
							  .reason = SHALE_MERGE_LEVEL_SIZE,
							  .levels_in = 1u << 6 | 1u << 7,
							  .level_out = 7,
							  .start_ms = 1700000000000,
							  .ns = 12345678,
							  .tables_in = 3,
							  .tables_out = 2,
							  .bytes_in = 3000000,
							  .bytes_out = 2000000,
							  .entries_in = 30000,
							  .entries_kept = 20000,
							  .dropped_shadowed = 7000,
							  .dropped_tombstones = 2000,
							  .dropped_expired = 900,
							  .dropped_range = 100 } });
	edit_record_encode(out, MANIFEST_NUMBER, 1, buf_view(&payload));
	buf_fini(&payload);
}

/* A manifest with a table of which it is known what it hides. */
static void hides_make(struct buf *out)
{
	const struct manifest_header head = { MANIFEST_NUMBER, STORE_ID, 0, 0, 0 };
	const uint32_t codecs[BLOCKS] = { 1, 1, 1 };
	struct edit_field add = {
		.tag = EDIT_ADD_TABLE, .level = 1, .run = 9, .number = TABLE_NUMBER
	};
	struct buf payload, table;

	buf_init(&payload, &heap_env);
	buf_init(&table, &heap_env);
	table_make(TABLE_NUMBER, codecs, &table, &add.props);
	add.size = table.size;
	manifest_header_encode(&head, buf_extend(out, MANIFEST_HEADER));
	field_put(&payload, (struct edit_field){ .tag = EDIT_SNAPSHOT });
	field_put(&payload, (struct edit_field){ .tag = EDIT_CF_CREATE,
						 .name = bytes_str("default"),
						 .options = SHALE_CF_OPTIONS_INIT });
	field_put(&payload, add);
	field_put(&payload,
		  (struct edit_field){ .tag = EDIT_HIDES, .number = TABLE_NUMBER, .hides = 3 });
	edit_record_encode(out, MANIFEST_NUMBER, 1, buf_view(&payload));
	buf_fini(&table);
	buf_fini(&payload);
}

/* ---- tests ---- */

static void the_small_structures_stand_still(void **state)
{
	const struct root root = { 1, MANIFEST_NUMBER, STORE_ID };
	uint8_t cell[ROOT_SIZE];
	struct buf out;

	(void)state;
	root_encode(&root, cell);
	assert_golden("root", slice_from(cell, sizeof(cell)));
	buf_init(&out, &heap_env);
	batch_make(&out);
	assert_golden("batch", buf_view(&out));
	buf_reset(&out);
	block_make(0, 6, &out);
	assert_golden("block", buf_view(&out));
	buf_reset(&out);
	filter_build(&out, (const uint64_t[]){ 1, UINT64_C(1) << 63, UINT64_MAX }, 3, 2, 6);
	assert_golden("filter", buf_view(&out));
	buf_fini(&out);
}

static void the_files_stand_still(void **state)
{
	const uint32_t codecs[BLOCKS] = { 1, 1, 1 };
	struct table_props props;
	struct buf out;

	(void)state;
	buf_init(&out, &heap_env);
	table_make(TABLE_NUMBER, codecs, &out, &props);
	assert_golden("table", buf_view(&out));
	buf_reset(&out);
	ranges_make(&out, &props);
	assert_golden("ranges", buf_view(&out));
	buf_reset(&out);
	log_make(&out);
	assert_golden("log", buf_view(&out));
	buf_reset(&out);
	manifest_make(&out);
	assert_golden("manifest", buf_view(&out));
	buf_reset(&out);
	notes_make(&out);
	assert_golden("notes", buf_view(&out));
	buf_reset(&out);
	hides_make(&out);
	assert_golden("hides", buf_view(&out));
	buf_fini(&out);
}

/* Block i of a kept table holds the entries, whatever it is packed by. */
static void assert_block_kept(const struct buf *file, const struct footer *f,
			      const struct block *index, size_t i, uint32_t expected)
{
	shale_slice value = block_value(index, i);
	uint32_t codec, raw_size;
	struct block block;
	struct extent e;
	uint8_t *raw;

	extent_decode(value.data, &e);
	assert_ok(trailer_decode(file->data + e.offset + e.size,
				 slice_from(file->data + e.offset, e.size), f->number, e.offset,
				 &codec, &raw_size));
	assert_int_equal(codec, expected);
	assert_int_equal(raw_size, e.raw_size);
	raw = malloc(raw_size);
	assert_ok(codec_decompress(NULL, codec, slice_from(file->data + e.offset, e.size), raw,
				   raw_size));
	assert_ok(block_parse(raw, raw_size, &block));
	assert_int_equal(block.count, cuts[i + 1] - cuts[i]);
	for (size_t k = cuts[i]; k < cuts[i + 1]; k++) {
		assert_true(block_key_equals(&block, k - cuts[i], bytes_str(entries[k].key)));
		assert_true(block_seqtype(&block, k - cuts[i]) ==
			    seqtype(entries[k].seq, entries[k].type));
		assert_same(block_value(&block, k - cuts[i]), entry_stored(&entries[k]));
	}
	free(raw);
}

static void assert_table_kept(const char *name, const uint32_t codecs[BLOCKS])
{
	struct table_props props;
	struct block index;
	struct buf made, file;
	struct footer f;
	uint8_t *raw;

	buf_init(&made, &heap_env);
	table_make(TABLE_NUMBER + 100, codecs, &made, &props);
	golden_read(name, buf_view(&made), &file);
	assert_true(file.size > FOOTER_SIZE);
	assert_ok(footer_decode(file.data + file.size - FOOTER_SIZE, &f));
	raw = bytes_copy(file.data + f.index.offset, f.index.size);
	assert_ok(block_parse(raw, f.index.size, &index));
	assert_int_equal(index.count, BLOCKS);
	for (size_t i = 0; i < BLOCKS; i++)
		assert_block_kept(&file, &f, &index, i, codecs[i]);
	free(raw);
	buf_fini(&made);
	buf_fini(&file);
}

static void packed_blocks_of_old_are_read(void **state)
{
	(void)state;
	assert_table_kept("packed",
			  (const uint32_t[]){ SHALE_LZ4, SHALE_NO_COMPRESSION, SHALE_SNAPPY });
	assert_table_kept("zstd",
			  (const uint32_t[]){ SHALE_ZSTD, SHALE_NO_COMPRESSION, SHALE_ZSTD });
}

static void the_independent_decoder_agrees(void **state)
{
	(void)state;
	if (system("python3 -c '' >/dev/null 2>&1") != 0) {
		print_message("skipped: no python3\n");
		skip();
	}
	assert_int_equal(system("python3 tests/golden/check.py"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_small_structures_stand_still),
		cmocka_unit_test(the_files_stand_still),
		cmocka_unit_test(packed_blocks_of_old_are_read),
		cmocka_unit_test(the_independent_decoder_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
