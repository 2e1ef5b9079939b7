/* What is deleted goes from the memtable, and from the tables beneath it: when scans pass it in
   vain, and when it is most of what lies there. */
#include "fixture.h"

#include "db/db.h"

#include <stdio.h>

enum { MANY = 12000, FEW = 4000, STRETCH = DELETED_MANY + 8000 };

static int large_memtable(void **state)
{
	int rc = fixture_setup(state);
	struct fixture *f = *state;

	fixture_close(f);
	f->options.memory_budget = 256 << 20;
	f->options.memtable_bytes = 32 << 20;
	fixture_open(f);
	return rc;
}

static shale_slice key_of(unsigned i, char *buf)
{
	return shale_bytes(buf, (size_t)sprintf(buf, "key%06u", i));
}

static void put_some(struct fixture *f, unsigned n)
{
	char key[32];

	for (unsigned i = 0; i < n; i++)
		assert_ok(shale_put(f->db, NULL, key_of(i, key), shale_str("value")));
}

/* Every so manieth key of the first ones. */
static void delete_every(struct fixture *f, unsigned n, unsigned step)
{
	char key[32];

	for (unsigned i = 0; i < n; i += step)
		assert_ok(shale_delete(f->db, NULL, key_of(i, key)));
}

static void delete_some(struct fixture *f, unsigned n)
{
	delete_every(f, n, 1);
}

/* In one commit: no scout is sent, who would have left scans nothing to pass. */
static void delete_at_once(struct fixture *f, unsigned n)
{
	shale_batch *b;
	char key[32];

	assert_ok(shale_batch_new(&b));
	for (unsigned i = 0; i < n; i++)
		assert_ok(shale_batch_delete(b, NULL, key_of(i, key)));
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
}

/* How many entries a scan shows, in pieces or not. */
static unsigned scan(struct fixture *f, const shale_snapshot *snapshot, uint64_t skip_max,
		     bool back)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	unsigned n = 0;
	shale_iter *it;
	shale_status rc;

	o.snapshot = snapshot;
	o.skip_max = skip_max;
	assert_ok(shale_iter_new(f->db, &o, &it));
	rc = back ? shale_iter_last(it) : shale_iter_first(it);
	while (rc == SHALE_OK || rc == SHALE_MORE) {
		n += rc == SHALE_OK;
		rc = back ? shale_iter_prev(it) : shale_iter_next(it);
	}
	assert_status(rc, SHALE_END);
	shale_iter_free(it);
	return n;
}

static shale_stats settled(struct fixture *f)
{
	shale_stats s = SHALE_STATS_INIT;

	assert_ok(shale_wait_idle(f->db));
	assert_ok(shale_stats_get(f->db, &s));
	return s;
}

static uint64_t in_tables(const shale_stats *s)
{
	uint64_t entries = 0;

	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++)
		entries += s->level[i].entries;
	return entries;
}

static void expect_swept(struct fixture *f, uint64_t skip_max, bool back)
{
	shale_stats s;

	put_some(f, MANY + 1);
	assert_ok(shale_flush(f->db, NULL));
	delete_at_once(f, MANY);
	s = settled(f);
	assert_true(in_tables(&s) > MANY);
	assert_int_equal(scan(f, NULL, skip_max, back), 1);
	s = settled(f);
	assert_int_equal(in_tables(&s), 1);
	assert_int_equal(scan(f, NULL, skip_max, back), 1);
}

static void one_scan_has_what_is_deleted_merged_away(void **state)
{
	expect_swept(*state, 0, false);
}

static void so_has_one_in_pieces_and_backwards(void **state)
{
	expect_swept(*state, 100, true);
}

static void a_snapshot_keeps_what_it_sees(void **state)
{
	struct fixture *f = *state;
	shale_snapshot *before;
	shale_stats s;

	put_some(f, MANY);
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_snapshot_new(f->db, &before));
	delete_at_once(f, MANY);
	assert_int_equal(scan(f, NULL, 0, false), 0);
	s = settled(f);
	assert_true(in_tables(&s) >= 2 * MANY);
	assert_int_equal(scan(f, before, 0, false), MANY);
	assert_int_equal(scan(f, NULL, 0, false), 0);
	shale_snapshot_free(before);
	s = settled(f);
	assert_int_equal(in_tables(&s), 0);
	assert_int_equal(scan(f, NULL, 0, false), 0);
}

/* Also when they are passed again and again. */
static void few_that_are_deleted_stay_in_the_memtable(void **state)
{
	struct fixture *f = *state;
	shale_iter *it;
	shale_stats s;

	put_some(f, FEW);
	assert_ok(shale_flush(f->db, NULL));
	delete_some(f, FEW);
	assert_ok(shale_iter_new(f->db, NULL, &it));
	for (int i = 0; i < 5; i++)
		assert_status(shale_iter_first(it), SHALE_END);
	shale_iter_free(it);
	s = settled(f);
	assert_int_equal(in_tables(&s), FEW);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 0);
}

static void so_do_those_among_many_that_are_not(void **state)
{
	struct fixture *f = *state;
	shale_stats s;

	put_some(f, 4 * MANY);
	delete_at_once(f, MANY);
	assert_int_equal(scan(f, NULL, 0, false), 3 * MANY);
	s = settled(f);
	assert_int_equal(in_tables(&s), 0);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 0);
}

/* The first ones do: what is deleted while they are merged waits for as many again. */
static void a_stretch_that_is_deleted_goes_without_a_scan(void **state)
{
	struct fixture *f = *state;
	shale_stats s;

	put_some(f, STRETCH);
	assert_ok(shale_flush(f->db, NULL));
	(void)settled(f);
	delete_some(f, STRETCH);
	s = settled(f);
	assert_in_range(in_tables(&s), 1, STRETCH - DELETED_MANY);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 1);
	assert_int_equal(scan(f, NULL, 0, false), 0);
}

static void not_what_a_snapshot_may_see(void **state)
{
	struct fixture *f = *state;
	shale_snapshot *before;
	shale_stats s;

	put_some(f, STRETCH);
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_snapshot_new(f->db, &before));
	delete_some(f, STRETCH);
	s = settled(f);
	assert_int_equal(in_tables(&s), STRETCH);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 0);
	shale_snapshot_free(before);
}

static void nor_a_few_among_many_others(void **state)
{
	struct fixture *f = *state;
	shale_stats s;

	put_some(f, 4 * STRETCH);
	assert_ok(shale_flush(f->db, NULL));
	delete_every(f, 4 * STRETCH, 4);
	s = settled(f);
	assert_int_equal(in_tables(&s), 4 * STRETCH);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 0);
}

/* Nor where nothing lies beneath: a flush would only make a table of them. */
static void nor_what_was_never_in_a_table(void **state)
{
	struct fixture *f = *state;
	shale_stats s;

	delete_some(f, STRETCH);
	s = settled(f);
	assert_int_equal(in_tables(&s), 0);
	assert_int_equal(s.by_reason[SHALE_FLUSH_DELETES].jobs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, large_memtable, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_scan_has_what_is_deleted_merged_away),
		TEST(so_has_one_in_pieces_and_backwards),
		TEST(a_snapshot_keeps_what_it_sees),
		TEST(few_that_are_deleted_stay_in_the_memtable),
		TEST(so_do_those_among_many_that_are_not),
		TEST(a_stretch_that_is_deleted_goes_without_a_scan),
		TEST(not_what_a_snapshot_may_see),
		TEST(nor_a_few_among_many_others),
		TEST(nor_what_was_never_in_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
