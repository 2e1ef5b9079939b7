/* Integers as bytes, key heads, and the order of slices. */
#include "support/test.h"

#include "base/coding.h"
#include "base/rand.h"

static void fixed_width_integers_are_little_endian(void **state)
{
	uint8_t b[8];

	(void)state;
	put_u16le(b, 0x0102);
	assert_memory_equal(b, "\x02\x01", 2);
	put_u32le(b, 0x01020304);
	assert_memory_equal(b, "\x04\x03\x02\x01", 4);
	put_u64le(b, 0x0102030405060708);
	assert_memory_equal(b, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	assert_true(get_u64le(b) == 0x0102030405060708);
	assert_true(get_u32le(b + 1) == 0x04050607);
	assert_true(get_u16le(b + 3) == 0x0405);
}

static void check_varint(uint64_t v)
{
	uint8_t b[VARINT_MAX + 1];
	size_t n = (size_t)(put_varint(b, v) - b);
	uint64_t got = ~v;

	assert_int_equal(n, varint_size(v));
	assert_ptr_equal(get_varint(b, b + n, &got), b + n);
	assert_true(got == v);
	for (size_t cut = 0; cut < n; cut++)
		assert_null(get_varint(b, b + cut, &got));
	b[n] = 0x7f; /* what follows does not matter */
	assert_ptr_equal(get_varint(b, b + n + 1, &got), b + n);
	assert_true(got == v);
}

static void varints_of_every_width_come_back(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	check_varint(0);
	for (int bit = 0; bit < 64; bit++) {
		uint64_t v = UINT64_C(1) << bit;

		check_varint(v - 1);
		check_varint(v);
		check_varint(v | (rand_next(&r) & (v - 1)));
	}
	check_varint(UINT64_MAX);
}

static void varints_that_are_too_long_are_refused(void **state)
{
	uint8_t b[12];
	uint64_t v;

	(void)state;
	memset(b, 0x80, sizeof(b));
	assert_null(get_varint(b, b + sizeof(b), &v));
	memset(b, 0xff, 9);
	b[9] = 1;
	assert_ptr_equal(get_varint(b, b + 10, &v), b + 10);
	assert_true(v == UINT64_MAX);
	b[9] = 2; /* the 65th bit */
	assert_null(get_varint(b, b + 10, &v));
	b[9] = 0x81;
	assert_null(get_varint(b, b + 12, &v));
}

static shale_slice random_key(struct rand *r, uint8_t *b, size_t max)
{
	size_t n = rand_below(r, max + 1);

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)rand_below(r, 3); /* few letters: long common prefixes */
	return slice_from(b, n);
}

static void heads_order_as_keys_do(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	assert_true(key_head(slice_from(NULL, 0), 0) == 0);
	assert_true(key_head(slice_from("abc", 3), 7) == 0);
	assert_true(key_head(slice_from("abc", 3), 0) == 0x6162630000000000);
	assert_true(key_head(slice_from("xxabcdefghi", 11), 2) == 0x6162636465666768);
	for (int i = 0; i < 20000; i++) {
		uint8_t x[12], y[12];
		shale_slice a = random_key(&r, x, sizeof(x)), b = random_key(&r, y, sizeof(y));
		size_t skip = slice_common(a, b);
		uint64_t p, q;

		skip = skip ? rand_below(&r, skip + 1) : 0;
		p = key_head(a, skip);
		q = key_head(b, skip);
		if (p < q)
			assert_true(slice_cmp(a, b) < 0);
		if (p > q)
			assert_true(slice_cmp(a, b) > 0);
	}
}

static size_t common_slowly(shale_slice a, shale_slice b)
{
	const uint8_t *p = a.data, *q = b.data;
	size_t i = 0;

	while (i < a.size && i < b.size && p[i] == q[i])
		i++;
	return i;
}

static void common_prefixes_have_the_right_length(void **state)
{
	struct rand r;
	uint8_t x[40], y[40];

	(void)state;
	rand_seed(&r, test_seed());
	assert_int_equal(slice_common(slice_from(NULL, 0), slice_from("a", 1)), 0);
	for (int i = 0; i < 20000; i++) {
		shale_slice a, b;

		memset(x, 7, sizeof(x));
		memset(y, 7, sizeof(y));
		a = slice_from(x, rand_below(&r, sizeof(x) + 1));
		b = slice_from(y, rand_below(&r, sizeof(y) + 1));
		x[rand_below(&r, sizeof(x))] ^= (uint8_t)rand_below(&r, 256);
		assert_int_equal(slice_common(a, b), common_slowly(a, b));
	}
}

static void a_prefix_sorts_before_what_it_begins(void **state)
{
	(void)state;
	assert_true(slice_cmp(shale_str("ab"), shale_str("abc")) < 0);
	assert_true(slice_cmp(shale_str("abc"), shale_str("ab")) > 0);
	assert_true(slice_cmp(shale_str("ab"), shale_str("ab")) == 0);
	assert_true(slice_cmp(slice_from(NULL, 0), shale_str("")) == 0);
	assert_true(slice_cmp(slice_from("\xff", 1), shale_str("a")) > 0);
	assert_true(slice_starts(shale_str("abc"), shale_str("ab")));
	assert_true(slice_starts(shale_str("abc"), slice_from(NULL, 0)));
	assert_false(slice_starts(shale_str("ab"), shale_str("abc")));
	assert_true(slice_eq(slice_from(NULL, 0), shale_str("")));
	assert_false(slice_eq(shale_str("a"), shale_str("b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_width_integers_are_little_endian),
		cmocka_unit_test(varints_of_every_width_come_back),
		cmocka_unit_test(varints_that_are_too_long_are_refused),
		cmocka_unit_test(heads_order_as_keys_do),
		cmocka_unit_test(common_prefixes_have_the_right_length),
		cmocka_unit_test(a_prefix_sorts_before_what_it_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
