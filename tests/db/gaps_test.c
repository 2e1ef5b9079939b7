/* Stretches in which nothing is alive: who comes later steps over them, and sees what is put
   there, or was there. */
#include "fixture.h"

#include <stdio.h>

enum { KEYS = 1000, DEAD = 750, FEW = 100 }; /* so few deletes that no scout is sent */

static shale_slice key_of(unsigned i, char *buf)
{
	return shale_bytes(buf, (size_t)sprintf(buf, "key%06u", i));
}

static void put_one(struct fixture *f, unsigned i)
{
	char key[32];

	assert_ok(shale_put(f->db, NULL, key_of(i, key), shale_str("value")));
}

static void put_from(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		put_one(f, i);
}

static void delete_from(struct fixture *f, unsigned from, unsigned to)
{
	char key[32];

	for (unsigned i = from; i < to; i++)
		assert_ok(shale_delete(f->db, NULL, key_of(i, key)));
}

static shale_iter *iter_at(struct fixture *f, const shale_snapshot *snapshot, uint64_t skip_max)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it;

	o.snapshot = snapshot;
	o.skip_max = skip_max;
	assert_ok(shale_iter_new(f->db, &o, &it));
	return it;
}

/* How many entries a scan shows, and that they are in order. */
static unsigned scan(struct fixture *f, const shale_snapshot *snapshot, bool back)
{
	shale_iter *it = iter_at(f, snapshot, 0);
	char last[64] = "";
	unsigned n = 0;
	shale_status rc;

	for (rc = back ? shale_iter_last(it) : shale_iter_first(it); rc == SHALE_OK;
	     rc = back ? shale_iter_prev(it) : shale_iter_next(it)) {
		shale_slice key = shale_iter_key(it);
		char now[64];

		snprintf(now, sizeof(now), "%.*s", (int)key.size, (const char *)key.data);
		if (n++ != 0)
			assert_true(back ? strcmp(now, last) < 0 : strcmp(now, last) > 0);
		memcpy(last, now, sizeof(last));
	}
	assert_status(rc, SHALE_END);
	shale_iter_free(it);
	return n;
}

static void assert_key(const shale_iter *it, shale_slice key)
{
	shale_slice at = shale_iter_key(it);

	assert_int_equal(at.size, key.size);
	assert_memory_equal(at.data, key.data, key.size);
}

static void assert_first(struct fixture *f, unsigned i, uint64_t skip_max)
{
	shale_iter *it = iter_at(f, NULL, skip_max);
	char key[32];

	assert_ok(shale_iter_first(it));
	assert_key(it, key_of(i, key));
	shale_iter_free(it);
}

static void assert_last(struct fixture *f, unsigned i, uint64_t skip_max)
{
	shale_iter *it = iter_at(f, NULL, skip_max);
	char key[32];

	assert_ok(shale_iter_last(it));
	assert_key(it, key_of(i, key));
	shale_iter_free(it);
}

static uint64_t gap_skips(struct fixture *f)
{
	shale_stats s = SHALE_STATS_INIT;

	assert_ok(shale_stats_get(f->db, &s));
	return s.gap_skips;
}

/* Keys 0 to DEAD are deleted, and known to be. */
static void make_gap(struct fixture *f)
{
	put_from(f, 0, KEYS);
	delete_from(f, 0, DEAD);
	assert_first(f, DEAD, 0);
}

static void the_second_scan_steps_over_what_the_first_passed(void **state)
{
	struct fixture *f = *state;

	make_gap(f);
	assert_int_equal(gap_skips(f), 0);
	assert_first(f, DEAD, 10);
	assert_int_equal(gap_skips(f), 1);
	assert_int_equal(scan(f, NULL, false), KEYS - DEAD);
	assert_int_equal(scan(f, NULL, true), KEYS - DEAD);
}

/* However many were taken before, to take the next costs the same. */
static void who_takes_from_the_front_of_a_queue_passes_few(void **state)
{
	struct fixture *f = *state;

	put_from(f, 0, FEW);
	for (unsigned i = 0; i < KEYS; i++) {
		put_one(f, FEW + i);
		assert_first(f, i, 300);
		delete_from(f, i, i + 1);
	}
}

static void so_does_who_takes_from_the_back(void **state)
{
	struct fixture *f = *state;

	put_from(f, 0, KEYS);
	for (unsigned i = KEYS; i-- > 1;) {
		assert_last(f, i, 300);
		delete_from(f, i, i + 1);
	}
	assert_int_equal(scan(f, NULL, true), 1);
}

static void what_is_put_into_a_gap_is_seen(void **state)
{
	static const unsigned at[] = { DEAD - 1, DEAD / 2, 1, 0, DEAD / 2 + 1 };
	struct fixture *f = *state;

	make_gap(f);
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		put_one(f, at[i]);
		for (int again = 0; again < 3; again++) {
			assert_int_equal(scan(f, NULL, false), KEYS - DEAD + i + 1);
			assert_int_equal(scan(f, NULL, true), KEYS - DEAD + i + 1);
		}
	}
}

/* What lies before the key that was put is still stepped over. */
static void a_put_cuts_a_gap(void **state)
{
	struct fixture *f = *state;

	make_gap(f);
	put_one(f, DEAD - 10);
	assert_first(f, DEAD - 10, 10);
}

static void a_batch_is_seen_too(void **state)
{
	struct fixture *f = *state;
	shale_write_options expires = SHALE_WRITE_OPTIONS_INIT;
	char key[32];
	shale_batch *b;

	make_gap(f);
	expires.ttl_ms = 3600000;
	assert_ok(shale_batch_new(&b));
	assert_ok(shale_batch_delete(b, NULL, key_of(7, key)));
	for (unsigned i = 0; i < 20; i++)
		assert_ok(shale_batch_put(b, NULL, key_of(DEAD + i, key), shale_str("v")));
	assert_ok(shale_batch_put(b, NULL, key_of(DEAD / 2, key), shale_str("v")));
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
	assert_int_equal(scan(f, NULL, false), KEYS - DEAD + 1);
	assert_ok(shale_put(f->db, &expires, key_of(DEAD / 4, key), shale_str("v")));
	assert_int_equal(scan(f, NULL, false), KEYS - DEAD + 2);
}

static void older_readers_see_what_they_saw(void **state)
{
	struct fixture *f = *state;
	shale_snapshot *full, *half;

	put_from(f, 0, KEYS);
	assert_ok(shale_snapshot_new(f->db, &full));
	delete_from(f, 0, DEAD / 2);
	assert_ok(shale_snapshot_new(f->db, &half));
	delete_from(f, DEAD / 2, DEAD);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(scan(f, NULL, i == 1), KEYS - DEAD);
		assert_int_equal(scan(f, half, i == 1), KEYS - DEAD / 2);
		assert_int_equal(scan(f, full, i == 1), KEYS);
	}
	assert_true(gap_skips(f) != 0);
	shale_snapshot_free(full);
	shale_snapshot_free(half);
}

/* A reader of before a put finds nothing there; that does not hide the put from the others. */
static void an_old_reader_hides_no_put(void **state)
{
	struct fixture *f = *state;
	shale_snapshot *before;

	put_from(f, 0, KEYS);
	delete_from(f, 0, DEAD);
	assert_ok(shale_snapshot_new(f->db, &before));
	put_one(f, DEAD / 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(scan(f, before, i == 1), KEYS - DEAD);
		assert_int_equal(scan(f, NULL, i == 1), KEYS - DEAD + 1);
	}
	shale_snapshot_free(before);
}

/* Many queues side by side; of the last few is known where they begin. */
static void stretches_are_told_apart(void **state)
{
	enum { QUEUES = 20, EACH = 200 };
	struct fixture *f = *state;

	put_from(f, 0, QUEUES * EACH);
	for (unsigned q = 0; q < QUEUES; q++)
		delete_from(f, q * EACH, (q + 1) * EACH - 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(scan(f, NULL, i % 2 != 0), QUEUES);
	for (unsigned q = 0; q < QUEUES; q++) {
		put_one(f, q * EACH + 50);
		assert_int_equal(scan(f, NULL, q % 2 != 0), QUEUES + q + 1);
	}
}

static void a_range_that_is_deleted_is_a_gap(void **state)
{
	struct fixture *f = *state;
	char lo[32], hi[32];

	put_from(f, 0, KEYS);
	assert_ok(shale_delete_range(f->db, NULL, key_of(0, lo), key_of(DEAD, hi)));
	assert_first(f, DEAD, 0);
	assert_first(f, DEAD, 10);
	put_one(f, 3);
	assert_first(f, 3, 10);
}

/* Keys of which it remembers none are passed as ever. */
static void long_keys_are_passed(void **state)
{
	struct fixture *f = *state;
	char key[400];

	for (int deleted = 0; deleted < 2; deleted++) {
		for (unsigned i = 0; i < KEYS; i++) {
			shale_slice k = shale_bytes(key, (size_t)sprintf(key, "%0300u", i));

			if (deleted == 0)
				assert_ok(shale_put(f->db, NULL, k, shale_str("v")));
			else if (i != KEYS - 1)
				assert_ok(shale_delete(f->db, NULL, k));
		}
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(scan(f, NULL, i % 2 != 0), 1);
	assert_int_equal(gap_skips(f), 0);
}

/* A pause at each dead entry: a run goes on behind it, but not beyond what is alive. */
static void pauses_lose_nothing(void **state)
{
	enum { ALIVE = KEYS - DEAD - 100 };
	struct fixture *f = *state;

	put_from(f, 0, KEYS);
	delete_from(f, 0, DEAD);
	delete_from(f, DEAD + 50, DEAD + 150);
	for (int i = 0; i < 4; i++) {
		bool back = i % 2 != 0;
		shale_iter *it = iter_at(f, NULL, 1);
		unsigned n = 0;
		shale_status rc;

		for (rc = back ? shale_iter_last(it) : shale_iter_first(it); rc != SHALE_END;
		     rc = back ? shale_iter_prev(it) : shale_iter_next(it)) {
			assert_true(rc == SHALE_OK || rc == SHALE_MORE);
			n += rc == SHALE_OK;
		}
		shale_iter_free(it);
		assert_int_equal(n, ALIVE);
		assert_int_equal(scan(f, NULL, back), ALIVE);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_second_scan_steps_over_what_the_first_passed),
		TEST(who_takes_from_the_front_of_a_queue_passes_few),
		TEST(so_does_who_takes_from_the_back),
		TEST(what_is_put_into_a_gap_is_seen),
		TEST(a_put_cuts_a_gap),
		TEST(a_batch_is_seen_too),
		TEST(older_readers_see_what_they_saw),
		TEST(an_old_reader_hides_no_put),
		TEST(stretches_are_told_apart),
		TEST(a_range_that_is_deleted_is_a_gap),
		TEST(long_keys_are_passed),
		TEST(pauses_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
