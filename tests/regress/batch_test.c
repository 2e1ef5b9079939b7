/* Batches: what is gathered without a store is the store's and the clock's all the same. */
#include "db/fixture.h"

#include <unistd.h>

static void a_batch_goes_into_no_store_but_that_of_its_families(void **state)
{
	struct fixture *f = *state;
	shale_write_options here = SHALE_WRITE_OPTIONS_INIT, there = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_db *other;
	shale_batch *b;
	char path[700];

	snprintf(path, sizeof(path), "%s/other", f->dir);
	assert_ok(shale_open(path, &f->options, &other));
	/* Both have the same id. */
	assert_ok(shale_cf_create(f->db, "mine", NULL, &here.cf));
	assert_ok(shale_cf_create(other, "theirs", NULL, &there.cf));
	assert_ok(shale_batch_new(&b));
	assert_ok(shale_batch_put(b, &there, shale_str("k"), shale_str("v")));
	assert_status(shale_write(f->db, NULL, b), SHALE_INVALID);
	assert_status(shale_batch_put(b, &here, shale_str("k"), shale_str("v")), SHALE_INVALID);
	assert_int_equal(shale_batch_count(b), 1);
	assert_ok(shale_write(other, NULL, b));
	r.cf = here.cf;
	expect_text(f, &r, "k", NULL);

	/* Empty, it is anybody's; and so is one for the default family. */
	shale_batch_clear(b);
	assert_ok(shale_batch_put(b, &here, shale_str("k"), shale_str("v")));
	assert_ok(shale_write(f->db, NULL, b));
	expect_text(f, &r, "k", "v");
	shale_batch_clear(b);
	assert_ok(shale_batch_put(b, NULL, shale_str("d"), shale_str("v")));
	assert_ok(shale_write(f->db, NULL, b));
	assert_ok(shale_write(other, NULL, b));
	shale_batch_free(b);
	shale_cf_release(here.cf);
	shale_cf_release(there.cf);
	assert_ok(shale_close(other));
}

static void a_life_that_is_longer_than_all_clocks_does_not_end(void **state)
{
	static const uint64_t lives[] = { UINT64_MAX, (UINT64_C(1) << 63) + 1, UINT64_C(1) << 63,
					  (UINT64_C(1) << 63) - 1 };
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_batch *b;
	char key[24];

	assert_ok(shale_batch_new(&b));
	for (int i = 0; i < 4; i++) {
		w.ttl_ms = lives[i];
		snprintf(key, sizeof(key), "batch%d", i);
		assert_ok(shale_batch_put(b, &w, shale_str(key), shale_str("v")));
		snprintf(key, sizeof(key), "alone%d", i);
		assert_ok(shale_put(f->db, &w, shale_str(key), shale_str("v")));
	}
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
	usleep(5000);
	assert_ok(shale_compact(f->db, NULL));
	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "batch%d", i);
		expect_text(f, NULL, key, "v");
		snprintf(key, sizeof(key), "alone%d", i);
		expect_text(f, NULL, key, "v");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_goes_into_no_store_but_that_of_its_families),
		TEST(a_life_that_is_longer_than_all_clocks_does_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
