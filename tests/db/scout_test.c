/* Keys that are deleted in a row are known to be gone before anybody scans them. */
#include "fixture.h"

#include "db/db.h"

#include <stdio.h>
#include <time.h>

enum { KEYS = 40000, DEAD = 30000, LOOK = 1024, NEARLY = DEAD - 4 * LOOK };

/* All in one memtable: it is not merged away meanwhile. */
static int large_memtable(void **state)
{
	int rc = fixture_setup(state);
	struct fixture *f = *state;

	fixture_close(f);
	f->options.memory_budget = 64 << 20;
	f->options.memtable_bytes = 16 << 20;
	fixture_open(f);
	return rc;
}

static shale_slice key_of(unsigned i, char *buf)
{
	return shale_bytes(buf, (size_t)sprintf(buf, "key%06u", i));
}

static void put_all(struct fixture *f)
{
	char key[32];

	for (unsigned i = 0; i < KEYS; i++)
		assert_ok(shale_put(f->db, NULL, key_of(i, key), shale_str("value")));
}

static void delete_one(struct fixture *f, unsigned i)
{
	char key[32];

	assert_ok(shale_delete(f->db, NULL, key_of(i, key)));
}

static uint64_t scouted(struct fixture *f)
{
	shale_stats s = SHALE_STATS_INIT;

	assert_ok(shale_stats_get(f->db, &s));
	return s.gap_scouted;
}

/*
 * Until so many were passed and nobody is at it: what is passed twice counts twice. Ten
 * seconds at most.
 */
static void wait_scouted(struct fixture *f, uint64_t least)
{
	enum { REST_MS = 100 };
	const struct timespec ms = { .tv_nsec = 1000000 };
	uint64_t before = 0;
	unsigned rest = 0;

	for (int i = 0; i < 10000 && rest < REST_MS; i++) {
		uint64_t now = scouted(f);

		rest = now == before && now >= least && atomic_load(&f->db->scouts_due) == 0
			       ? rest + 1
			       : 0;
		before = now;
		nanosleep(&ms, NULL);
	}
	assert_int_equal(rest, REST_MS);
}

/* The first entry is i, and not many more than the keys of a few looks were passed on the way. */
static void assert_first(struct fixture *f, unsigned i)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it;
	shale_slice at;
	char key[32];

	o.skip_max = 2 * (DEAD - NEARLY);
	assert_ok(shale_iter_new(f->db, &o, &it));
	assert_ok(shale_iter_first(it));
	at = shale_iter_key(it);
	assert_int_equal(at.size, key_of(i, key).size);
	assert_memory_equal(at.data, key, at.size);
	shale_iter_free(it);
}

static void the_first_scan_steps_over_keys_deleted_in_a_row(void **state)
{
	struct fixture *f = *state;

	put_all(f);
	for (unsigned i = 0; i < DEAD; i++)
		delete_one(f, i);
	wait_scouted(f, NEARLY);
	assert_first(f, DEAD);
}

static void so_it_does_where_the_last_was_deleted_first(void **state)
{
	struct fixture *f = *state;

	put_all(f);
	for (unsigned i = DEAD; i-- > 0;)
		delete_one(f, i);
	wait_scouted(f, NEARLY);
	assert_first(f, DEAD);
}

static void delete_in_batches(struct fixture *f, unsigned batch)
{
	shale_batch *b;
	char key[32];

	assert_ok(shale_batch_new(&b));
	for (unsigned i = 0; i < DEAD; i++) {
		assert_ok(shale_batch_delete(b, NULL, key_of(i, key)));
		if (i % batch != batch - 1)
			continue;
		assert_ok(shale_write(f->db, NULL, b));
		shale_batch_clear(b);
	}
	shale_batch_free(b);
}

static void batches_of_deletes_are_a_row_too(void **state)
{
	enum { BATCH = 5 };
	struct fixture *f = *state;

	put_all(f);
	delete_in_batches(f, BATCH);
	/* One look in so many commits, of so many deletes each. */
	wait_scouted(f, DEAD - 3 * LOOK * BATCH);
}

static void what_is_put_there_is_seen(void **state)
{
	struct fixture *f = *state;
	char key[32];

	put_all(f);
	for (unsigned i = 0; i < DEAD; i++)
		delete_one(f, i);
	wait_scouted(f, NEARLY);
	assert_ok(shale_put(f->db, NULL, key_of(DEAD / 2, key), shale_str("again")));
	assert_first(f, DEAD / 2);
}

static void keys_deleted_here_and_there_are_left_alone(void **state)
{
	enum { PEEK = 64 };
	struct fixture *f = *state;

	put_all(f);
	for (unsigned i = 0; i < DEAD; i++)
		delete_one(f, (unsigned)(i * UINT64_C(7919) % KEYS / 2 * 2));
	assert_ok(shale_wait_idle(f->db));
	assert_true(scouted(f) <= (uint64_t)2 * PEEK * (DEAD / LOOK + 1));
}

/* Only what somebody who reads passes is flushed early, however much it is at once. */
static void the_scout_has_nothing_flushed(void **state)
{
	enum { BATCH = 12 };
	struct fixture *f = *state;
	shale_stats s = SHALE_STATS_INIT;
	uint64_t flushes;

	put_all(f);
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_stats_get(f->db, &s));
	flushes = s.flushes;
	delete_in_batches(f, BATCH);
	wait_scouted(f, PASSED_MANY + 1);
	assert_ok(shale_stats_get(f->db, &s));
	assert_int_equal(s.flushes, flushes);
	assert_int_equal(s.seeks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, large_memtable, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_scan_steps_over_keys_deleted_in_a_row),
		TEST(so_it_does_where_the_last_was_deleted_first),
		TEST(batches_of_deletes_are_a_row_too),
		TEST(what_is_put_there_is_seen),
		TEST(keys_deleted_here_and_there_are_left_alone),
		TEST(the_scout_has_nothing_flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
