/* The two paths of the checksum against each other and against known values. */
#include "support/test.h"

#include "base/crc32c.h"
#include "base/rand.h"

enum { SIZE = 5000 };

static uint8_t data[SIZE + 64];

static int fill(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand_next(&r);
	return 0;
}

/* Values from RFC 3720, B.4, and the usual check value. */
static void known_values_come_out(void **state)
{
	uint8_t b[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, NULL, 0), 0);
	memset(b, 0, sizeof(b));
	assert_int_equal(crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(0, b, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		b[i] = i;
	assert_int_equal(crc32c(0, b, 32), 0x46dd794e);
	assert_int_equal(crc32c_portable(0, b, 32), 0x46dd794e);
}

static void both_paths_agree_at_every_length_and_alignment(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 300; n++)
		for (size_t at = 0; at < 16; at++)
			assert_int_equal(crc32c(0, data + at, n), crc32c_portable(0, data + at, n));
	for (size_t n = 300; n <= SIZE; n += n % 512 > 500 || n % 512 < 12 ? 1 : 13)
		for (size_t at = 0; at < 8; at += 3)
			assert_int_equal(crc32c(7, data + at, n), crc32c_portable(7, data + at, n));
}

static void a_sum_can_be_made_in_parts(void **state)
{
	uint32_t whole = crc32c(0, data, SIZE);

	(void)state;
	for (size_t cut = 0; cut <= SIZE; cut += 37) {
		uint32_t part = crc32c(0, data, cut);

		assert_int_equal(crc32c(part, data + cut, SIZE - cut), whole);
		part = crc32c_portable(0, data, cut);
		assert_int_equal(crc32c_portable(part, data + cut, SIZE - cut), whole);
	}
}

static void every_flipped_bit_shows(void **state)
{
	uint32_t before = crc32c(0, data, 2048);

	(void)state;
	for (size_t bit = 0; bit < 2048 * 8; bit += 11) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(crc32c(0, data, 2048), before);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values_come_out),
		cmocka_unit_test(both_paths_agree_at_every_length_and_alignment),
		cmocka_unit_test(a_sum_can_be_made_in_parts),
		cmocka_unit_test(every_flipped_bit_shows),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
