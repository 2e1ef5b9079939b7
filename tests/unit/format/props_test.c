#include "bytes.h"

#include "format/footer.h"
#include "format/key.h"

static struct table_props random_props(struct rand *r, uint8_t *lo, uint8_t *hi)
{
	struct table_props p = { 0 };

	p.entries = bytes_number(r, 60);
	p.tombstones = rand_below(r, p.entries + 1);
	p.expiring = rand_below(r, p.entries - p.tombstones + 1);
	p.range_tombstones = bytes_number(r, 40);
	p.key_bytes = bytes_number(r, 64);
	p.value_bytes = bytes_number(r, 64);
	p.data_blocks = bytes_number(r, 30);
	p.data_bytes = bytes_number(r, 50);
	p.index_bytes = bytes_number(r, 50);
	p.filter_bytes = bytes_number(r, 50);
	p.max_seq = bytes_number(r, 56);
	p.min_seq = rand_below(r, p.max_seq + 1);
	p.created_ms = bytes_number(r, 50);
	p.max_expiry_ms = bytes_number(r, 63);
	p.min_expiry_ms = rand_below(r, p.max_expiry_ms + 1);
	p.compression = (uint32_t)rand_below(r, SHALE_SNAPPY + 1);
	p.largest_excluded = rand_below(r, 2) != 0;
	bytes_random(r, lo, 200);
	lo[0] = 1;
	bytes_random(r, hi, 200);
	hi[0] = 2;
	p.smallest = slice_from(lo, rand_below(r, 200));
	p.largest = slice_from(hi, 1 + rand_below(r, 199));
	return p;
}

static void assert_props(const struct table_props *a, const struct table_props *b)
{
	struct table_props x = *a, y = *b;

	assert_same(a->smallest, b->smallest);
	assert_same(a->largest, b->largest);
	x.smallest = x.largest = y.smallest = y.largest = slice_from(NULL, 0);
	/* Compared as bytes again, so that padding does not matter. */
	{
		struct buf m, n;

		buf_init(&m, &heap_env);
		buf_init(&n, &heap_env);
		props_encode(&m, &x);
		props_encode(&n, &y);
		assert_same(buf_view(&m), buf_view(&n));
		buf_fini(&m);
		buf_fini(&n);
	}
	assert_true(a->entries == b->entries && a->max_expiry_ms == b->max_expiry_ms &&
		    a->min_seq == b->min_seq && a->largest_excluded == b->largest_excluded);
}

static void reads_back_properties(void **state)
{
	uint8_t lo[200], hi[200];
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (int round = 0; round < 500; round++) {
		struct table_props p = random_props(&r, lo, hi), got;
		const uint8_t *at;
		uint8_t *copy;

		buf_reset(&out);
		props_encode(&out, &p);
		copy = bytes_copy(out.data, out.size);
		at = copy;
		assert_ok(props_decode(&at, copy + out.size, &got));
		assert_ptr_equal(at, copy + out.size);
		assert_props(&p, &got);
		free(copy);
		for (size_t n = 0; n < out.size; n += 1 + out.size / 20) {
			copy = bytes_copy(out.data, n);
			at = copy;
			assert_status(props_decode(&at, copy + n, &got), SHALE_CORRUPT);
			assert_ptr_equal(at, copy);
			free(copy);
		}
	}
	buf_fini(&out);
}

static void assert_refused(const struct table_props *p)
{
	struct table_props got;
	const uint8_t *at;
	struct buf out;

	buf_init(&out, &heap_env);
	props_encode(&out, p);
	at = out.data;
	assert_status(props_decode(&at, out.data + out.size, &got), SHALE_CORRUPT);
	buf_fini(&out);
}

static void refuses_the_impossible(void **state)
{
	const struct table_props good = { .entries = 10,
					  .tombstones = 3,
					  .expiring = 4,
					  .min_seq = 5,
					  .max_seq = 9,
					  .compression = SHALE_LZ4,
					  .smallest = { "a", 1 },
					  .largest = { "b", 1 } };
	static char long_key[SHALE_KEY_MAX + 1] = "c";
	struct table_props p;

	(void)state;
	p = good;
	p.tombstones = 11;
	assert_refused(&p);
	p = good;
	p.expiring = 8;
	assert_refused(&p);
	p = good;
	p.min_seq = 10;
	assert_refused(&p);
	p = good;
	p.max_seq = SEQ_MAX + 1;
	assert_refused(&p);
	p = good;
	p.compression = SHALE_SNAPPY + 1;
	assert_refused(&p);
	p = good;
	p.largest = bytes_str("A");
	assert_refused(&p);
	p = good;
	p.largest = p.smallest;
	p.largest_excluded = true;
	assert_refused(&p);
	p = good;
	p.largest = slice_from(long_key, sizeof(long_key));
	assert_refused(&p);
	p = good;
	p.min_expiry_ms = 1;
	assert_refused(&p);
}

static void survives_hostile_bytes(void **state)
{
	uint8_t lo[200], hi[200];
	struct rand r;
	struct buf out;

	(void)state;
	rand_seed(&r, test_seed());
	buf_init(&out, &heap_env);
	for (uint64_t round = test_scale(20000); round > 0; round--) {
		struct table_props p = random_props(&r, lo, hi), got;
		const uint8_t *at;
		uint8_t *copy;

		buf_reset(&out);
		props_encode(&out, &p);
		copy = bytes_copy(out.data, out.size);
		for (int flips = 0; flips < 3; flips++)
			copy[rand_below(&r, out.size)] = (uint8_t)rand_next(&r);
		at = copy;
		if (props_decode(&at, copy + out.size, &got) == SHALE_OK) {
			assert_true(at <= copy + out.size);
			assert_true(slice_cmp(got.smallest, got.largest) <= 0);
		}
		free(copy);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_properties),
		cmocka_unit_test(refuses_the_impossible),
		cmocka_unit_test(survives_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
