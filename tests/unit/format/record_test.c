#include "bytes.h"

#include "base/crc32c.h"
#include "format/record.h"

static const struct segment_header header = { 0x100000007, 0xfeedface12345678, 99 };

static void reads_back_a_segment_header(void **state)
{
	uint8_t page[LOG_PAGE];
	struct segment_header got;

	(void)state;
	segment_header_encode(&header, page);
	assert_ok(segment_header_decode(page, &got));
	assert_memory_equal(&got, &header, sizeof(got));
}

static void every_flip_in_a_segment_header_is_seen(void **state)
{
	uint8_t page[LOG_PAGE];
	struct segment_header got;

	(void)state;
	segment_header_encode(&header, page);
	for (size_t i = 0; i < LOG_PAGE; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			page[i] ^= (uint8_t)(1u << bit);
			assert_status(segment_header_decode(page, &got), SHALE_CORRUPT);
			page[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void a_newer_log_is_refused_by_name(void **state)
{
	uint8_t page[LOG_PAGE];
	struct segment_header got;

	(void)state;
	segment_header_encode(&header, page);
	put_u32le(page + 8, LOG_VERSION + 1);
	put_u32le(page + 40, crc32c(0, page, 40));
	assert_status(segment_header_decode(page, &got), SHALE_UNSUPPORTED);
}

/* A record with a random payload of n bytes, in exactly record_size(n) bytes. */
static uint8_t *record_new(struct rand *r, size_t n, uint64_t segment, struct record_header *h)
{
	uint8_t *p = calloc(1, record_size(n));

	bytes_random(r, p + RECORD_HEADER, n);
	h->length = (uint32_t)n;
	h->first_seq = bytes_number(r, 56);
	h->type = (uint8_t)(1 + rand_below(r, 4));
	h->count = (uint32_t)bytes_number(r, 32);
	h->distance = (uint32_t)bytes_number(r, 32);
	record_header_encode(p, h, crc32c(0, p + RECORD_HEADER, n), segment);
	return p;
}

static void reads_back_a_record(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t n = 0; n < 3000; n += 1 + n / 9) {
		struct record_header h, got;
		uint8_t *p = record_new(&r, n, 42, &h);
		shale_slice payload;

		assert_true(record_decode(p, record_size(n), 42, &got, &payload));
		assert_int_equal(got.length, n);
		assert_true(got.first_seq == h.first_seq && got.type == h.type &&
			    got.count == h.count && got.distance == h.distance);
		assert_same(payload, slice_from(p + RECORD_HEADER, n));
		assert_false(record_decode(p, record_size(n), 43, &got, &payload));
		for (size_t left = 0; left < record_size(n); left += 1 + record_size(n) / 40) {
			uint8_t *cut = bytes_copy(p, left);

			assert_false(record_decode(cut, left, 42, &got, &payload));
			free(cut);
		}
		free(p);
	}
}

static void every_flip_in_a_record_is_seen(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t n = 0; n < 80; n += 7) {
		struct record_header h, got;
		uint8_t *p = record_new(&r, n, 42, &h);
		shale_slice payload;

		for (size_t i = 0; i < record_size(n); i++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				p[i] ^= (uint8_t)(1u << bit);
				assert_false(record_decode(p, record_size(n), 42, &got, &payload));
				p[i] ^= (uint8_t)(1u << bit);
			}
		}
		free(p);
	}
}

static void zeros_are_no_record(void **state)
{
	uint8_t zeros[64] = { 0 };
	struct record_header got;
	shale_slice payload;

	(void)state;
	assert_false(record_decode(zeros, sizeof(zeros), 0, &got, &payload));
	assert_false(record_decode(zeros, sizeof(zeros), 1, &got, &payload));
}

static void survives_hostile_bytes(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = test_scale(20000); round > 0; round--) {
		size_t n = rand_below(&r, 100);
		uint8_t *p = malloc(n + 1);
		struct record_header got;
		shale_slice payload;

		bytes_random(&r, p, n);
		if (n > 8)
			put_u32le(p + 4, (uint32_t)bytes_number(&r, 32));
		assert_false(record_decode(p, n, 42, &got, &payload));
		free(p);
	}
}

static void reads_back_a_link(void **state)
{
	struct record_link link = { 1, 4096, 8192, 77 }, got;
	uint8_t bytes[LINK_SIZE + 1];

	(void)state;
	record_link_encode(&link, bytes);
	assert_true(record_link_decode(slice_from(bytes, LINK_SIZE), &got));
	assert_memory_equal(&link, &got, sizeof(got));
	assert_false(record_link_decode(slice_from(bytes, LINK_SIZE - 1), &got));
	assert_false(record_link_decode(slice_from(bytes, LINK_SIZE + 1), &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_a_segment_header),
		cmocka_unit_test(every_flip_in_a_segment_header_is_seen),
		cmocka_unit_test(a_newer_log_is_refused_by_name),
		cmocka_unit_test(reads_back_a_record),
		cmocka_unit_test(every_flip_in_a_record_is_seen),
		cmocka_unit_test(zeros_are_no_record),
		cmocka_unit_test(survives_hostile_bytes),
		cmocka_unit_test(reads_back_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
