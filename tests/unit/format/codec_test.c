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
			assert_ok(codec_compress(NULL, &codec, slice_from(raw, n), &out));
			assert_memory_equal(out.data, "before", 6);
			assert_true(codec == codecs[c] || codec == SHALE_NO_COMPRESSION);
			if (n > 1000 && codecs[c] != SHALE_NO_COMPRESSION) {
				assert_int_equal(codec, codecs[c]);
				assert_true(out.size - 6 <= n - n / 8);
			}
			assert_ok(codec_decompress(NULL, codec,
						   slice_from(out.data + 6, out.size - 6), back,
						   n));
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
			assert_ok(codec_compress(NULL, &codec, slice_from(raw, n), &out));
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
		assert_ok(codec_compress(NULL, &codec, slice_from(raw, N), &out));
		assert_status(codec_decompress(NULL, codec, buf_view(&out), shorter, N - 1),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(NULL, codec, buf_view(&out), longer, N + 1),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(NULL, codec, slice_from(out.data, out.size - 1),
					       longer, N),
			      SHALE_CORRUPT);
		assert_status(codec_decompress(NULL, codec, slice_from("", 0), longer, N),
			      SHALE_CORRUPT);
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
		assert_ok(codec_compress(NULL, &codec, slice_from(raw, N), &out));
		if (rand_below(&r, 8) == 0)
			bytes_random(&r, out.data, out.size);
		else
			out.data[rand_below(&r, out.size)] ^= (uint8_t)(1u << rand_below(&r, 8));
		copy = bytes_copy(out.data, out.size);
		(void)codec_decompress(NULL, codec, slice_from(copy, out.size), back, N);
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
	assert_status(codec_decompress(NULL, 99, slice_from("abcd", 4), back, 4), SHALE_CORRUPT);
	assert_status(codec_decompress(NULL, 0, slice_from("abcd", 4), back, 4), SHALE_CORRUPT);
}

static void reports_a_heap_that_fails(void **state)
{
	uint8_t raw[1000] = { 0 };
	uint32_t codec = SHALE_LZ4;
	struct buf out;

	(void)state;
	buf_init(&out, &heap_env);
	heap_left = 0;
	assert_status(codec_compress(NULL, &codec, slice_from(raw, sizeof(raw)), &out),
		      SHALE_NO_MEMORY);
	heap_left = UINT64_MAX;
	buf_fini(&out);
}

/* Pack and unpack `raw` by way of the pool, after bytes that do not unpack. */
static void round_trip(struct codec_pool *pool, const uint8_t *raw, size_t n)
{
	uint8_t *back = malloc(n), *plain = malloc(n);
	uint32_t codec = SHALE_ZSTD;
	struct buf out, alone;

	buf_init(&out, &heap_env);
	buf_init(&alone, &heap_env);
	assert_ok(codec_compress(pool, &codec, slice_from(raw, n), &out));
	assert_ok(codec_compress(NULL, &codec, slice_from(raw, n), &alone));
	assert_int_equal(out.size, alone.size);
	assert_memory_equal(out.data, alone.data, out.size);
	out.data[out.size / 2] ^= 0x55;
	(void)codec_decompress(pool, codec, buf_view(&out), back, n);
	assert_status(codec_decompress(pool, codec, slice_from(out.data, out.size / 2), back, n),
		      SHALE_CORRUPT);
	out.data[out.size / 2] ^= 0x55;
	assert_ok(codec_decompress(pool, codec, buf_view(&out), back, n));
	assert_memory_equal(raw, back, n);
	assert_ok(codec_decompress(NULL, codec, buf_view(&out), plain, n));
	buf_fini(&out);
	buf_fini(&alone);
	free(back);
	free(plain);
}

static void contexts_are_used_again_and_change_no_result(void **state)
{
	enum { N = 4000 };
	struct codec_pool pool;
	uint64_t bytes;
	struct rand r;
	uint8_t *raw;

	(void)state;
	rand_seed(&r, test_seed());
	raw = text_new(&r, 16 * N);
	codec_pool_init(&pool);
	assert_int_equal(codec_pool_bytes(&pool), 0);
	round_trip(&pool, raw, N);
	bytes = codec_pool_bytes(&pool);
	assert_in_range(bytes, 100000, 300000);
	for (size_t i = 0; i < 50; i++)
		round_trip(&pool, raw + rand_below(&r, N), N);
	assert_int_equal(codec_pool_bytes(&pool), bytes);
	round_trip(&pool, raw, 16 * N);
	round_trip(&pool, raw, N);
	assert_in_range(codec_pool_bytes(&pool), bytes, 2000000);
	codec_pool_fini(&pool);
	assert_int_equal(codec_pool_bytes(&pool), 0);
	free(raw);
}

static void no_more_contexts_are_kept_than_there_is_room_for(void **state)
{
	void *pack[2 * CODEC_KEPT], *unpack[2 * CODEC_KEPT];
	struct codec_pool pool;
	uint64_t kept = 0;

	(void)state;
	codec_pool_init(&pool);
	for (int i = 0; i < 2 * CODEC_KEPT; i++) {
		pack[i] = codec_pool_take_pack(&pool);
		unpack[i] = codec_pool_take_unpack(&pool);
		assert_non_null(pack[i]);
		assert_non_null(unpack[i]);
		for (int k = 0; k < i; k++)
			assert_true(pack[i] != pack[k] && unpack[i] != unpack[k]);
	}
	assert_int_equal(codec_pool_bytes(&pool), 0);
	for (int i = 0; i < 2 * CODEC_KEPT; i++) {
		codec_pool_give_pack(&pool, pack[i]);
		codec_pool_give_unpack(&pool, unpack[i]);
		if (i == CODEC_KEPT - 1)
			kept = codec_pool_bytes(&pool);
	}
	assert_true(kept > 0);
	assert_int_equal(codec_pool_bytes(&pool), kept);
	for (int i = 0; i < CODEC_KEPT; i++) {
		pack[i] = codec_pool_take_pack(&pool);
		unpack[i] = codec_pool_take_unpack(&pool);
	}
	assert_int_equal(codec_pool_bytes(&pool), 0);
	for (int i = 0; i < CODEC_KEPT; i++) {
		codec_pool_give_pack(NULL, pack[i]);
		codec_pool_give_unpack(NULL, unpack[i]);
	}
	codec_pool_fini(&pool);
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
		cmocka_unit_test(contexts_are_used_again_and_change_no_result),
		cmocka_unit_test(no_more_contexts_are_kept_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
