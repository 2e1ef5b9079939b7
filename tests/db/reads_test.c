/* Many gets at once, and a get that is explained, say what a plain get says. */
#include "fixture.h"

#include "base/rand.h"
#include "base/slice.h"

#include <inttypes.h>
#include <stdio.h>

enum { KEYS = 6000, ASKED = 200 };

static shale_slice key_of(uint64_t i, char *buf)
{
	return slice_from(buf, (size_t)sprintf(buf, "key%06" PRIu64, i));
}

/* Over several runs and both memtables: puts, overwrites, deletes, ranges, large values. */
static void fill(struct fixture *f, struct rand *r)
{
	static char value[3000];
	char a[32], b[32];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 3 * KEYS; i++) {
		shale_slice key = key_of(2 * rand_below(r, KEYS), a);

		if (rand_below(r, 10) == 0) {
			assert_ok(shale_delete(f->db, NULL, key));
		} else if (rand_below(r, 400) == 0) {
			uint64_t lo = rand_below(r, 2 * KEYS);

			assert_ok(shale_delete_range(f->db, NULL, key_of(lo, a),
						     key_of(lo + 1 + rand_below(r, 50), b)));
		} else {
			size_t n = rand_below(r, 100) == 0 ? sizeof(value) : rand_below(r, 100);

			assert_ok(shale_put(f->db, NULL, key, slice_from(value, n)));
		}
		if (i % (KEYS / 2) == 0)
			assert_ok(shale_flush(f->db, NULL));
	}
}

static void compare(struct fixture *f, const shale_read_options *o, struct rand *r, size_t n)
{
	static char text[ASKED][32];
	shale_slice keys[ASKED] = { { NULL, 0 } };
	shale_value many[ASKED], one;
	shale_status each[ASKED];

	for (size_t i = 0; i < n; i++)
		keys[i] = key_of(rand_below(r, 2 * KEYS + 20), text[i]);
	assert_ok(shale_multi_get(f->db, o, n, keys, many, each));
	for (size_t i = 0; i < n; i++) {
		shale_status rc = shale_get(f->db, o, keys[i], &one);

		assert_int_equal(each[i], rc);
		if (rc != SHALE_OK) {
			assert_null(many[i].data);
			continue;
		}
		assert_int_equal(many[i].size, one.size);
		assert_memory_equal(many[i].data, one.data, one.size);
		shale_value_release(&one);
		shale_value_release(&many[i]);
	}
}

static void many_gets_say_what_single_ones_say(void **state)
{
	struct fixture *f = *state;
	shale_read_options cold = SHALE_READ_OPTIONS_INIT, verify = SHALE_READ_OPTIONS_INIT;
	shale_read_options old = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *s = NULL;
	struct rand r;

	rand_seed(&r, test_seed());
	cold.no_fill_cache = true;
	verify.verify = true;
	fill(f, &r);
	assert_ok(shale_snapshot_new(f->db, &s));
	old.snapshot = s;
	fill(f, &r);
	for (int i = 0; i < 40; i++) {
		size_t n = 1 + rand_below(&r, ASKED);

		compare(f, NULL, &r, n);
		compare(f, &cold, &r, n);
		compare(f, &verify, &r, n);
		compare(f, &old, &r, n);
	}
	shale_snapshot_free(s);
	assert_ok(shale_compact(f->db, NULL));
	compare(f, NULL, &r, ASKED);
}

struct told {
	size_t steps, from_file, cached;
	shale_explain_step last;
};

static void tell(void *arg, const shale_explain_step *step)
{
	struct told *t = arg;

	/* Only the last one decides. */
	assert_int_equal(t->last.outcome, SHALE_KEY_NOT_HERE);
	assert_true(step->memtable || step->run != 0);
	assert_true(step->block == SHALE_BLOCK_NOT_READ || step->block_bytes != 0);
	t->steps++;
	t->from_file += step->block == SHALE_BLOCK_FROM_FILE;
	t->cached += step->block == SHALE_BLOCK_CACHED;
	t->last = *step;
}

static void an_explanation_ends_as_the_get_does(void **state)
{
	struct fixture *f = *state;
	size_t found = 0, deleted = 0, absent = 0, read = 0, cached = 0;
	size_t same = 0;
	char text[32];
	struct rand r;

	rand_seed(&r, test_seed());
	fill(f, &r);
	assert_ok(shale_wait_idle(f->db));
	for (int i = 0; i < 600; i++)
		assert_ok(shale_delete(f->db, NULL, key_of(rand_below(&r, 2 * KEYS), text)));
	for (int i = 0; i < 5000; i++) {
		shale_slice key = key_of(rand_below(&r, 2 * KEYS + 20), text);
		struct told first = { 0 }, again = { 0 };
		shale_status rc = shale_explain(f->db, NULL, key, tell, &first);
		shale_value v;

		assert_int_equal(shale_get(f->db, NULL, key, &v), rc);
		shale_value_release(&v);
		assert_true(first.steps != 0);
		assert_int_equal(first.last.outcome == SHALE_KEY_FOUND, rc == SHALE_OK);
		found += first.last.outcome == SHALE_KEY_FOUND;
		deleted += first.last.outcome == SHALE_KEY_DELETED;
		absent += first.last.outcome == SHALE_KEY_NOT_HERE;
		assert_int_equal(shale_explain(f->db, NULL, key, tell, &again), rc);
		/* Unless a merge came between the two questions. */
		if (again.steps == first.steps)
			same += again.from_file + again.cached == first.from_file + first.cached;
		read += first.from_file;
		cached += again.cached;
	}
	/* What was read from a file is in the cache then, if it has room. */
	assert_true(read > 100 && cached > read && same > 4000);
	assert_true(found > 1000 && deleted > 100 && absent > 1000);
}

/* One bad key among good ones: the others are answered, and the failure is its own. */
static void a_bad_key_among_many_fails_alone(void **state)
{
	struct fixture *f = *state;
	static char big[SHALE_KEY_MAX + 1];
	shale_slice keys[40];
	shale_value out[40];
	shale_status each[40];
	char text[40][32];

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < 40; i++) {
		keys[i] = key_of(i, text[i]);
		assert_ok(shale_put(f->db, NULL, keys[i], keys[i]));
	}
	assert_ok(shale_flush(f->db, NULL));
	keys[35] = slice_from(big, sizeof(big));
	assert_status(shale_multi_get(f->db, NULL, 40, keys, out, each), SHALE_TOO_LARGE);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(each[i], i == 35 ? SHALE_TOO_LARGE : SHALE_OK);
		shale_value_release(&out[i]);
	}
}

static bool note_newest(void *arg, const shale_table_info *t)
{
	*(uint64_t *)arg = t->number;
	return false;
}

/* Change one byte of the first block of the newest table, behind the store's back. */
static void damage_newest(struct fixture *f)
{
	uint64_t number = 0;
	char path[700];
	FILE *file;
	int c;

	assert_ok(shale_tables(f->db, note_newest, &number));
	fixture_close(f);
	snprintf(path, sizeof(path), "%s/%08x-%08x.sst", f->path, (unsigned)(number >> 32),
		 (unsigned)number);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, 20, SEEK_SET), 0);
	c = fgetc(file);
	assert_int_equal(fseek(file, 20, SEEK_SET), 0);
	assert_int_equal(fputc(c ^ 1, file), c ^ 1);
	assert_int_equal(fclose(file), 0);
	fixture_open(f);
}

/* Behind the damage lies a key under a range tombstone, which must not hide those after it. */
static void a_damaged_block_hides_no_keys_of_later_groups(void **state)
{
	enum { N = 70 };
	struct fixture *f = *state;
	shale_slice keys[N];
	shale_value out[N];
	shale_status each[N];
	char text[N][32];

	for (size_t i = 0; i < N; i++) {
		keys[i] = key_of(i, text[i]);
		assert_ok(shale_put(f->db, NULL, keys[i], keys[i]));
	}
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_delete_range(f->db, NULL, keys[0], keys[2]));
	assert_ok(shale_put(f->db, NULL, keys[0], keys[0]));
	assert_ok(shale_flush(f->db, NULL));
	damage_newest(f);
	assert_status(shale_multi_get(f->db, NULL, N, keys, out, each), SHALE_CORRUPT);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(each[i], i == 0   ? SHALE_CORRUPT
					  : i == 1 ? SHALE_NOT_FOUND
						   : SHALE_OK);
		shale_value_release(&out[i]);
	}
}

static shale_stats stats_of(struct fixture *f)
{
	shale_stats s = SHALE_STATS_INIT;

	assert_ok(shale_stats_get(f->db, &s));
	return s;
}

static void put_each(struct fixture *f, size_t keys, size_t step)
{
	static const char value[100];
	char text[32];

	for (size_t i = 0; i < keys; i += step)
		assert_ok(
			shale_put(f->db, NULL, key_of(i, text), slice_from(value, sizeof(value))));
}

static void get_all(struct fixture *f, size_t keys)
{
	char text[32];

	for (size_t i = 0; i < keys; i++) {
		shale_value v;

		assert_ok(shale_get(f->db, NULL, key_of(i, text), &v));
		shale_value_release(&v);
	}
}

/* What readers use stays in the cache when it is written anew, and nothing else goes there. */
static void a_merge_keeps_in_the_cache_what_is_used(void **state)
{
	enum { N = 4000 };
	struct fixture *f = *state;
	shale_stats before, after;

	for (int i = 0; i < 2; i++) {
		put_each(f, N, 1);
		assert_ok(shale_flush(f->db, NULL));
	}
	assert_ok(shale_compact(f->db, NULL));
	assert_int_equal(stats_of(f).memory_cache, 0);

	get_all(f, N);
	before = stats_of(f);
	assert_true(before.memory_cache > N * 100);
	put_each(f, N, 10);
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_compact(f->db, NULL));
	after = stats_of(f);
	get_all(f, N);
	assert_int_equal(stats_of(f).block_reads, after.block_reads);

	/* When nobody reads any more nothing is carried on. */
	for (int i = 0; i < 2; i++) {
		put_each(f, N, 10);
		assert_ok(shale_flush(f->db, NULL));
	}
	assert_ok(shale_compact(f->db, NULL));
	before = stats_of(f);
	get_all(f, N);
	assert_true(stats_of(f).block_reads > before.block_reads + N / 20);
}

static void a_memtable_that_is_read_much_is_flushed_into_the_cache(void **state)
{
	enum { N = 500 };
	struct fixture *f = *state;
	shale_stats before;

	put_each(f, N, 1);
	get_all(f, N);
	get_all(f, N);
	assert_ok(shale_flush(f->db, NULL));
	before = stats_of(f);
	assert_true(before.memory_cache > N * 100);
	get_all(f, N);
	assert_int_equal(stats_of(f).block_reads, before.block_reads);
	assert_true(stats_of(f).cache_hits >= before.cache_hits + N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_gets_say_what_single_ones_say, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(an_explanation_ends_as_the_get_does, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_bad_key_among_many_fails_alone, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_damaged_block_hides_no_keys_of_later_groups,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_merge_keeps_in_the_cache_what_is_used,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_memtable_that_is_read_much_is_flushed_into_the_cache, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
