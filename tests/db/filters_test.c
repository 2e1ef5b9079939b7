/* Filter bits can be set for each level, live, and are kept in the store. */
#include "db/fixture.h"

enum { KEYS = 5000 };

struct sum {
	uint64_t entries, filter_bytes;
};

static bool add(void *arg, const shale_table_info *t)
{
	struct sum *s = arg;

	s->entries += t->entries;
	s->filter_bytes += t->filter_bytes;
	return true;
}

/* Filter bits a key in all tables, rounded, after everything was written anew. */
static unsigned bits_now(struct fixture *f)
{
	struct sum s = { 0, 0 };
	char key[16];

	for (int i = 0; i < KEYS; i++) {
		sprintf(key, "k%08d", i);
		put_text(f, NULL, key, "x");
	}
	assert_ok(shale_compact(f->db, NULL));
	assert_ok(shale_wait_idle(f->db));
	assert_ok(shale_tables(f->db, add, &s));
	assert_int_equal(s.entries, KEYS);
	return (unsigned)((s.filter_bytes * 8 + KEYS / 2) / KEYS);
}

static void filter_bits_of_a_level_win_over_the_familys(void **state)
{
	struct fixture *f = *state;
	shale_cf_options o = SHALE_CF_OPTIONS_INIT, got = o;

	assert_in_range(bits_now(f), 10, 11);
	assert_ok(shale_cf_get_options(f->db, NULL, &o));
	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		o.level_filter_bits[i] = 5;
	assert_ok(shale_cf_set_options(f->db, NULL, &o));
	assert_in_range(bits_now(f), 5, 6);

	fixture_close(f);
	fixture_open(f);
	assert_ok(shale_cf_get_options(f->db, NULL, &got));
	assert_memory_equal(got.level_filter_bits, o.level_filter_bits,
			    sizeof(o.level_filter_bits));
	assert_in_range(bits_now(f), 5, 6);

	/* Where a level has none of its own, the family's count; no_filter wins over all. */
	memset(o.level_filter_bits, 0, sizeof(o.level_filter_bits));
	assert_ok(shale_cf_set_options(f->db, NULL, &o));
	assert_in_range(bits_now(f), 10, 11);
	o.level_filter_bits[SHALE_LEVELS_MAX - 1] = 20;
	o.no_filter = true;
	assert_ok(shale_cf_set_options(f->db, NULL, &o));
	assert_int_equal(bits_now(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(filter_bits_of_a_level_win_over_the_familys,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
