#include "bytes.h"

#include "format/footer.h"

static const struct footer example = {
	.number = 0x0000000300000012,
	.index = { 4096, 300, 500 },
	.ranges = { 4000, 60, 60 },
	.filter = { 4480, 640, 640 },
	.props = { 5136, 90, 90 },
	.filter_lines = 10,
	.filter_probes = 6,
	.filter_bits = 10,
	.file_size = 5376,
};

static void reads_back_a_footer(void **state)
{
	uint8_t bytes[FOOTER_SIZE];
	struct footer got;

	(void)state;
	footer_encode(&example, bytes);
	assert_ok(footer_decode(bytes, &got));
	assert_memory_equal(&got, &example, sizeof(got));
}

static void every_flip_in_a_footer_is_seen(void **state)
{
	uint8_t bytes[FOOTER_SIZE];
	struct footer got;

	(void)state;
	footer_encode(&example, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_status(footer_decode(bytes, &got), SHALE_CORRUPT);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

/* Encoded with a sound checksum, yet impossible. */
static void assert_refused(struct footer f)
{
	uint8_t bytes[FOOTER_SIZE];
	struct footer got;

	footer_encode(&f, bytes);
	assert_status(footer_decode(bytes, &got), SHALE_CORRUPT);
}

static void refuses_pieces_outside_the_file(void **state)
{
	struct footer f;

	(void)state;
	f = example;
	f.index.offset = 4097;
	assert_refused(f);
	f = example;
	f.index.size = 1200;
	assert_refused(f);
	f = example;
	f.index.size = UINT32_MAX;
	assert_refused(f);
	f = example;
	f.ranges.offset = UINT64_MAX - 7;
	assert_refused(f);
	f = example;
	f.props.offset = f.file_size - 128;
	assert_refused(f);
	f = example;
	f.file_size = 127;
	assert_refused(f);
	f = example;
	f.filter_lines = 11;
	assert_refused(f);
	f = example;
	f.filter.offset = 4488;
	assert_refused(f);
	f = example;
	f.filter_probes = 0;
	assert_refused(f);
	f.filter_probes = 17;
	assert_refused(f);
	f = example;
	f.filter.offset = f.filter.size = f.filter.raw_size = 0;
	assert_refused(f);
}

static void accepts_a_table_without_filter_and_ranges(void **state)
{
	struct footer f = example, got;
	uint8_t bytes[FOOTER_SIZE];

	(void)state;
	memset(&f.filter, 0, sizeof(f.filter));
	memset(&f.ranges, 0, sizeof(f.ranges));
	f.filter_lines = 0;
	f.filter_probes = 0;
	footer_encode(&f, bytes);
	assert_ok(footer_decode(bytes, &got));
}

static void a_trailer_binds_bytes_to_their_place(void **state)
{
	uint8_t trailer[BLOCK_TRAILER];
	char stored[] = "stored bytes of a block";
	shale_slice s = slice_from(stored, sizeof(stored));
	uint32_t codec, raw;

	(void)state;
	trailer_encode(trailer, s, 1000, SHALE_LZ4, 77, 4096);
	assert_ok(trailer_decode(trailer, s, 77, 4096, &codec, &raw));
	assert_int_equal(codec, SHALE_LZ4);
	assert_int_equal(raw, 1000);
	assert_status(trailer_decode(trailer, s, 78, 4096, &codec, &raw), SHALE_CORRUPT);
	assert_status(trailer_decode(trailer, s, 77, 4104, &codec, &raw), SHALE_CORRUPT);
	s.size--;
	assert_status(trailer_decode(trailer, s, 77, 4096, &codec, &raw), SHALE_CORRUPT);
}

static void every_flip_in_a_block_or_trailer_is_seen(void **state)
{
	uint8_t bytes[100 + BLOCK_TRAILER];
	uint32_t codec, raw;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		bytes[i] = (uint8_t)(i * 7);
	trailer_encode(bytes + 100, slice_from(bytes, 100), 100, SHALE_NO_COMPRESSION, 5, 64);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_status(trailer_decode(bytes + 100, slice_from(bytes, 100), 5, 64,
						     &codec, &raw),
				      SHALE_CORRUPT);
			bytes[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void a_trailer_must_make_sense(void **state)
{
	uint8_t t[BLOCK_TRAILER];
	shale_slice s = slice_from("abcd", 4);
	uint32_t codec, raw;

	(void)state;
	trailer_encode(t, s, 4, SHALE_DEFAULT_COMPRESSION, 5, 64);
	assert_status(trailer_decode(t, s, 5, 64, &codec, &raw), SHALE_CORRUPT);
	trailer_encode(t, s, 4, SHALE_SNAPPY + 1, 5, 64);
	assert_status(trailer_decode(t, s, 5, 64, &codec, &raw), SHALE_CORRUPT);
	trailer_encode(t, s, 5, SHALE_NO_COMPRESSION, 5, 64);
	assert_status(trailer_decode(t, s, 5, 64, &codec, &raw), SHALE_CORRUPT);
}

static void reads_back_an_extent(void **state)
{
	struct extent e = { UINT64_C(0x123456789abcdef0), 0xfedcba98, 0x76543210 }, got;
	uint8_t bytes[16];

	(void)state;
	extent_encode(&e, bytes);
	extent_decode(bytes, &got);
	assert_memory_equal(&e, &got, sizeof(e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_a_footer),
		cmocka_unit_test(every_flip_in_a_footer_is_seen),
		cmocka_unit_test(refuses_pieces_outside_the_file),
		cmocka_unit_test(accepts_a_table_without_filter_and_ranges),
		cmocka_unit_test(a_trailer_binds_bytes_to_their_place),
		cmocka_unit_test(every_flip_in_a_block_or_trailer_is_seen),
		cmocka_unit_test(a_trailer_must_make_sense),
		cmocka_unit_test(reads_back_an_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
