#include "bytes.h"

#include "format/codec.h"

static const uint32_t codecs[] = { SHALE_NO_COMPRESSION, SHALE_LZ4, SHALE_ZSTD, SHALE_SNAPPY };
enum { CODECS = sizeof(codecs) / sizeof(codecs[0]) };

/* Text that compresses: words drawn from a few. */
static uint8_t *text_new(struct rand *r, size_t n)
{
	static const char words[] = "shale sand clay silt mud ";
	uint8_t *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)words[i % 5 == 0 ? rand_below(r, sizeof(words) - 1) : i % 5];
	return p;
}

static void unpacks_what_was_packed(void **state)
{
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (size_t c = 0; c < CODECS; c++) {
		for (size_t n = 1; n < 200000; n = n * 3 + 1) {
			uint8_t *raw = text_new(&r, n), *back = malloc(n);
			uint32_t codec = codecs[c];

			buf_reset(&out);
			buf_append(&out, "before", 6);
			assert_ok(codec_compress(&codec, slice_from(raw, n), &out));
			assert_memory_equal(out.data, "before", 6);
			assert_true(codec == codecs[c] || codec == SHALE_NO_COMPRESSION);
			if (n > 1000 && codecs[c] != SHALE_NO_COMPRESSION) {
				assert_int_equal(codec, codecs[c]);
				assert_true(out.size - 6 <= n - n / 8);
			}
			assert_ok(codec_decompress(codec, slice_from(out.data + 6, out.size - 6),
						   back, n));
			assert_memory_equal(raw, back, n);
			free(raw);
			free(back);
		}
	}
	buf_fini(&out);
}

static void keeps_raw_what_does_not_shrink(void **state)
{
	uint8_t raw[5000];
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	bytes_random(&r, raw, sizeof(raw));
	buf_init(&out, &heap_env);
	for (size_t c = 0; c < CODECS; c++) {
		for (size_t n = 0; n <= sizeof(raw); n += 1250) {
			uint32_t codec = codecs[c];

			buf_reset(&out);
			assert_ok(codec_compress(&codec, slice_from(raw, n), &out));
			assert_int_equal(codec, SHALE_NO_COMPRESSION);
			assert_same(buf_view(&out), slice_from(raw, n));
		}
	}
	buf_fini(&out);
}

static void unpacks_only_to_the_exact_size(void **state)
{
	enum { N = 3000 };
	uint8_t *raw, *longer = malloc(N + 100);
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	raw = text_new(&r, N);
	buf_init(&out, &heap_env);
	for (size_t c = 0; c < CODECS; c++) {
		uint32_t codec = codecs[c];
		uint8_t *shorter = malloc(N - 1);

		buf_reset(&out);
		assert_ok(codec_compress(&codec, slice_from(raw, N), &out));
		assert_status(codec_decompress(codec, buf_view(&out), shorter, N - 1),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(codec, buf_view(&out), longer, N + 1),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(codec, slice_from(out.data, out.size - 1), longer,
					       N),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(codec, slice_from("", 0), longer, N), SHALE_CORRUPT);
		free(shorter);
	}
	buf_fini(&out);
	free(raw);
	free(longer);
}

/* Damage may unpack to other bytes (the checksum is elsewhere), but never out of bounds. */
static void survives_hostile_bytes(void **state)
{
	enum { N = 700 };
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (uint64_t round = test_scale(4000); round > 0; round--) {
		uint32_t codec = codecs[1 + rand_below(&r, CODECS - 1)];
		uint8_t *raw = text_new(&r, N), *back = malloc(N), *copy;

		buf_reset(&out);
		assert_ok(codec_compress(&codec, slice_from(raw, N), &out));
		if (rand_below(&r, 8) == 0)
			bytes_random(&r, out.data, out.size);
		else
			out.data[rand_below(&r, out.size)] ^= (uint8_t)(1u << rand_below(&r, 8));
		copy = bytes_copy(out.data, out.size);
		(void)codec_decompress(codec, slice_from(copy, out.size), back, N);
		free(copy);
		free(raw);
		free(back);
	}
	buf_fini(&out);
}

static void knows_its_codecs(void **state)
{
	uint8_t back[4];

	(void)state;
	assert_false(codec_known(SHALE_DEFAULT_COMPRESSION));
	for (size_t c = 0; c < CODECS; c++)
		assert_true(codec_known(codecs[c]));
	assert_false(codec_known(SHALE_SNAPPY + 1));
	assert_string_equal(codec_name(SHALE_LZ4), "lz4");
	assert_string_equal(codec_name(99), "unknown");
	assert_status(codec_decompress(99, slice_from("abcd", 4), back, 4), SHALE_CORRUPT);
	assert_status(codec_decompress(0, slice_from("abcd", 4), back, 4), SHALE_CORRUPT);
}

static void reports_a_heap_that_fails(void **state)
{
	uint8_t raw[1000] = { 0 };
	uint32_t codec = SHALE_LZ4;
	struct buf out;

	(void)state;
	buf_init(&out, &heap_env);
	heap_left = 0;
	assert_status(codec_compress(&codec, slice_from(raw, sizeof(raw)), &out), SHALE_NO_MEMORY);
	heap_left = UINT64_MAX;
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_what_was_packed),
		cmocka_unit_test(keeps_raw_what_does_not_shrink),
		cmocka_unit_test(unpacks_only_to_the_exact_size),
		cmocka_unit_test(survives_hostile_bytes),
		cmocka_unit_test(knows_its_codecs),
		cmocka_unit_test(reports_a_heap_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
