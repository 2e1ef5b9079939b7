/* Fragmented range tombstones, against a search through all of them. */
#include "support/test.h"

#include "base/rand.h"
#include "iter/rangedel.h"
#include "support/failing_heap.h"

static struct rangedel range(const char *lo, const char *hi, uint64_t seq)
{
	return (struct rangedel){ slice_from(lo, strlen(lo)), slice_from(hi, strlen(hi)), seq };
}

static shale_slice text(const char *s)
{
	return slice_from(s, strlen(s));
}

static struct rangedel_set *build(const struct rangedel *in, size_t n)
{
	struct rangedel_set *s = NULL;

	assert_ok(rangedel_build(shale_env_default(), in, n, &s));
	return s;
}

static void cuts_ranges_at_each_others_ends(void **state)
{
	const struct rangedel in[] = {
		range("c", "g", 5),  range("a", "e", 9),  range("m", "p", 1),
		range("d", "d", 77), range("z", "y", 78),
	};
	static const struct {
		const char *lo, *hi;
		size_t count;
		uint64_t seq[2];
	} want[] = {
		{ "a", "c", 1, { 9 } },
		{ "c", "e", 2, { 9, 5 } },
		{ "e", "g", 1, { 5 } },
		{ "m", "p", 1, { 1 } },
	};
	struct rangedel_set *s = build(in, 5);

	(void)state;
	assert_int_equal(s->count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_slice(s->fragments[i].lo, want[i].lo);
		assert_slice(s->fragments[i].hi, want[i].hi);
		assert_int_equal(s->fragments[i].seq_count, want[i].count);
		for (size_t k = 0; k < want[i].count; k++)
			assert_int_equal(s->fragments[i].seqs[k], want[i].seq[k]);
	}
	assert_int_equal(rangedel_newest(s, text("d"), 100), 9);
	assert_int_equal(rangedel_newest(s, text("d"), 8), 5);
	assert_int_equal(rangedel_newest(s, text("d"), 4), 0);
	assert_int_equal(rangedel_newest(s, text("g"), 100), 0);
	assert_true(rangedel_next_above(s, text("d"), 4) == 5);
	assert_true(rangedel_next_above(s, text("d"), 5) == 9);
	assert_true(rangedel_next_above(s, text("d"), 9) == UINT64_MAX);
	assert_true(rangedel_next_above(s, text("k"), 0) == UINT64_MAX);
	rangedel_free(s);
}

static void an_empty_set_covers_nothing(void **state)
{
	struct rangedel_set *s = build(NULL, 0);

	(void)state;
	assert_int_equal(s->count, 0);
	assert_null(rangedel_find(s, text("a")));
	assert_null(rangedel_find(NULL, text("a")));
	assert_int_equal(rangedel_newest(NULL, text("a"), 9), 0);
	assert_true(rangedel_next_above(NULL, text("a"), 0) == UINT64_MAX);
	rangedel_free(s);
	rangedel_free(NULL);
}

static void a_range_may_begin_at_the_empty_key(void **state)
{
	struct rangedel in = { slice_from(NULL, 0), slice_from("\0", 1), 3 };
	struct rangedel_set *s = build(&in, 1);

	(void)state;
	assert_int_equal(rangedel_newest(s, slice_from(NULL, 0), 3), 3);
	assert_int_equal(rangedel_newest(s, slice_from("\0", 1), 3), 0);
	rangedel_free(s);
}

static void check_set(const struct rangedel_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct rangedel_fragment *f = &s->fragments[i];

		assert_true(slice_cmp(f->lo, f->hi) < 0);
		assert_true(i == 0 || slice_cmp(f[-1].hi, f->lo) <= 0);
		assert_true(f->seq_count > 0);
		for (size_t k = 1; k < f->seq_count; k++)
			assert_true(f->seqs[k - 1] > f->seqs[k]);
	}
}

static void agrees_with_a_search_through_all_ranges(void **state)
{
	enum { MOST = 64 };
	char bytes[MOST][2][4], copied[MOST][2][4];
	struct rangedel in[MOST];
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = test_scale(600); round > 0; round--) {
		size_t n = rand_below(&r, MOST);
		struct rangedel_set *s;

		for (size_t i = 0; i < n; i++) {
			for (int end = 0; end < 2; end++)
				sprintf(bytes[i][end], "%c%c", (char)('a' + rand_below(&r, 8)),
					(char)('a' + rand_below(&r, 4)));
			/* Sequences repeat now and then. */
			in[i] = range(bytes[i][0], bytes[i][1], 1 + rand_below(&r, 100));
		}
		s = build(in, n);
		/* It must have copied the keys: those it was given change. */
		memcpy(copied, bytes, sizeof(bytes));
		memset(bytes, '!', sizeof(bytes));
		for (size_t i = 0; i < n; i++)
			in[i] = range(copied[i][0], copied[i][1], in[i].seq);
		check_set(s);
		for (int ask = 0; ask < 50; ask++) {
			char key[4] = { (char)('a' + rand_below(&r, 9)),
					(char)('a' + rand_below(&r, 5)), 0, 0 };
			uint64_t at = rand_below(&r, 102), newest = 0, above = UINT64_MAX;

			for (size_t i = 0; i < n; i++) {
				if (slice_cmp(in[i].lo, text(key)) > 0 ||
				    slice_cmp(text(key), in[i].hi) >= 0)
					continue;
				if (in[i].seq <= at && in[i].seq > newest)
					newest = in[i].seq;
				if (in[i].seq > at && in[i].seq < above)
					above = in[i].seq;
			}
			assert_true(rangedel_newest(s, text(key), at) == newest);
			assert_true(rangedel_next_above(s, text(key), at) == above);
			assert_int_equal(rangedel_find(s, text(key)) != NULL,
					 newest != 0 || above != UINT64_MAX);
		}
		rangedel_free(s);
	}
}

static void says_when_there_is_no_memory(void **state)
{
	const struct rangedel in[] = { range("a", "c", 1), range("b", "d", 2) };
	struct failing_heap heap;
	struct rangedel_set *s = NULL;
	uint64_t n = 1;

	(void)state;
	failing_heap_init(&heap);
	for (;; n++) {
		failing_heap_arm(&heap, n, false);
		if (rangedel_build(&heap.env, in, 2, &s) == SHALE_OK)
			break;
		assert_int_equal(heap.alive, 0);
		assert_null(s);
	}
	assert_true(n > 3);
	assert_int_equal(heap.alive, 1);
	rangedel_free(s);
	assert_int_equal(heap.alive, 0);
}

/* Against the whole set: the same answer as of every limit and of now, in less room. */
static void the_newest_of_each_stripe_answer_as_all_do(void **state)
{
	struct rangedel in[60];
	char text_of[60][2][8];
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 300; round++) {
		uint64_t limits[4];
		size_t count = rand_below(&r, 5), n = 1 + rand_below(&r, 60);
		struct rangedel_set *all = NULL, *newest = NULL;

		for (size_t i = 0; i < n; i++) {
			sprintf(text_of[i][0], "%02u", (unsigned)rand_below(&r, 40));
			sprintf(text_of[i][1], "%02u", (unsigned)rand_below(&r, 50));
			in[i] = range(text_of[i][0], text_of[i][1], 1 + rand_below(&r, 99));
		}
		for (size_t i = 0; i < count; i++)
			limits[i] = (i != 0 ? limits[i - 1] : 0) + rand_below(&r, 40);
		assert_ok(rangedel_build(shale_env_default(), in, n, &all));
		assert_ok(
			rangedel_build_newest(shale_env_default(), in, n, limits, count, &newest));
		assert_int_equal(all->count, newest->count);
		for (unsigned k = 0; k < 50; k++) {
			char key[8];

			sprintf(key, "%02u", k);
			assert_int_equal(rangedel_newest(all, text(key), SEQ_MAX),
					 rangedel_newest(newest, text(key), SEQ_MAX));
			for (size_t i = 0; i < count; i++)
				assert_int_equal(rangedel_newest(all, text(key), limits[i]),
						 rangedel_newest(newest, text(key), limits[i]));
		}
		for (size_t i = 0; i < newest->count; i++)
			assert_true(newest->fragments[i].seq_count <= count + 1);
		rangedel_free(all);
		rangedel_free(newest);
	}
}

/* As who deletes a queue's front again and again. */
static void ranges_that_nest_take_memory_by_their_number(void **state)
{
	enum { DEEP = 5000 };
	struct rangedel *in = calloc(DEEP, sizeof(*in));
	char(*hi)[8] = calloc(DEEP, sizeof(*hi));
	struct rangedel_set *s = NULL;

	(void)state;
	for (unsigned i = 0; i < DEEP; i++) {
		sprintf(hi[i], "k%05u", i);
		in[i] = range("a", hi[i], 1 + i);
	}
	assert_ok(rangedel_build_newest(shale_env_default(), in, DEEP, NULL, 0, &s));
	assert_int_equal(s->count, DEEP);
	assert_true(s->bytes < 128 * DEEP);
	assert_int_equal(rangedel_newest(s, text("b"), SEQ_MAX), DEEP);
	rangedel_free(s);
	free(hi);
	free(in);
}

/* What a test has as `many` tombstones: the key of number i, and whose turn it is. */
enum shape { ONE_RANGE, COMMON_START, COMMON_END, COMMON_END_NEWEST_LAST, NESTED, SHAPES };

static struct rangedel shaped(enum shape shape, char (*keys)[8], unsigned i, unsigned many)
{
	switch (shape) {
	case ONE_RANGE:
		return range("a", "b", many - i);
	case COMMON_START: /* who deletes a queue's front again and again */
		return range("a", keys[many - 1 - i], many - i);
	case COMMON_END:
		return range(keys[i], "x", many - i);
	case COMMON_END_NEWEST_LAST:
		return range(keys[i], "x", 1 + i);
	default:
		return range(keys[i], keys[2 * many - 1 - i], i % 2 != 0 ? 1 + i : many + i);
	}
}

/*
 * The sweep's work may not grow with the square of what is open at once: a sorted array
 * of it moved up to 160 GB for each shape here.
 */
static void many_ranges_that_overlap_take_work_by_their_number(void **state)
{
	enum { MANY = 200000 };
	struct rangedel *in = calloc(MANY, sizeof(*in));
	char(*keys)[8] = calloc(2 * MANY, sizeof(*keys));
	const uint64_t limits[] = { MANY / 4, MANY / 2 };

	(void)state;
	for (unsigned i = 0; i < 2 * MANY; i++)
		sprintf(keys[i], "k%06u", i);
	for (enum shape shape = 0; shape < SHAPES; shape++) {
		struct rangedel_set *s = NULL;

		for (unsigned i = 0; i < MANY; i++)
			in[i] = shaped(shape, keys, i, MANY);
		assert_ok(rangedel_build_newest(shale_env_default(), in, MANY, limits, 2, &s));
		assert_int_equal(s->count, shape == ONE_RANGE ? 1
					   : shape == NESTED  ? 2 * MANY - 1
							      : MANY);
		for (unsigned k = 0; k < MANY; k += MANY / 10) {
			shale_slice key = text(shape == ONE_RANGE ? "a" : keys[k]);
			uint64_t newest = 0, limited = 0;

			for (unsigned i = 0; i < MANY; i++) {
				if (slice_cmp(in[i].lo, key) > 0 || slice_cmp(key, in[i].hi) >= 0)
					continue;
				if (in[i].seq > newest)
					newest = in[i].seq;
				if (in[i].seq <= limits[0] && in[i].seq > limited)
					limited = in[i].seq;
			}
			assert_int_equal(rangedel_newest(s, key, SEQ_MAX), newest);
			assert_int_equal(rangedel_newest(s, key, limits[0]), limited);
		}
		rangedel_free(s);
	}
	free(keys);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_of_each_stripe_answer_as_all_do),
		cmocka_unit_test(ranges_that_nest_take_memory_by_their_number),
		cmocka_unit_test(many_ranges_that_overlap_take_work_by_their_number),
		cmocka_unit_test(cuts_ranges_at_each_others_ends),
		cmocka_unit_test(an_empty_set_covers_nothing),
		cmocka_unit_test(a_range_may_begin_at_the_empty_key),
		cmocka_unit_test(agrees_with_a_search_through_all_ranges),
		cmocka_unit_test(says_when_there_is_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
