/* Merging, against one skip list that holds what all children hold. */
#include "support/test.h"

#include "base/rand.h"
#include "iter/iter.h"
#include "support/failing_heap.h"
#include "support/skiplist.h"

enum { CHILDREN_MAX = 9 };

static shale_slice text(const char *s)
{
	return slice_from(s, strlen(s));
}

/* ---- a child that fails, and that knows whether it was freed ------------- */

struct brittle {
	struct iter it;
	struct iter *inner;
	int moves_left; /* < 0: never fails */
	int *freed;
};

static void brittle_show(struct brittle *b)
{
	b->it.status = SHALE_OK;
	b->it.valid = b->inner->valid;
	b->it.top = b->inner->top;
	if (b->moves_left < 0 || b->moves_left-- > 0)
		return;
	b->moves_left = 0;
	b->it.valid = false;
	b->it.status = SHALE_IO;
}

#define BRITTLE_MOVE(name, parameters, call)                                                       \
	static void brittle_##name parameters                                                      \
	{                                                                                          \
		struct brittle *b = (struct brittle *)it;                                          \
                                                                                                   \
		call;                                                                              \
		brittle_show(b);                                                                   \
	}
BRITTLE_MOVE(seek, (struct iter * it, shale_slice key), iter_seek(b->inner, key))
BRITTLE_MOVE(seek_prev, (struct iter * it, shale_slice key), iter_seek_prev(b->inner, key))
BRITTLE_MOVE(first, (struct iter * it), iter_first(b->inner))
BRITTLE_MOVE(last, (struct iter * it), iter_last(b->inner))
BRITTLE_MOVE(next, (struct iter * it), iter_next(b->inner))
BRITTLE_MOVE(prev, (struct iter * it), iter_prev(b->inner))

static void brittle_free(struct iter *it)
{
	struct brittle *b = (struct brittle *)it;

	iter_free(b->inner);
	++*b->freed;
	free(b);
}

static const struct iter_ops brittle_ops = {
	brittle_seek, brittle_seek_prev, brittle_first, brittle_last,
	brittle_next, brittle_prev,      brittle_free,  NULL,
};

static struct brittle *brittle_new(struct skiplist *s, int moves, int *freed)
{
	struct brittle *b = calloc(1, sizeof(*b));

	b->it.ops = &brittle_ops;
	b->inner = skiplist_iter(s, SEQ_MAX, false);
	b->moves_left = moves;
	b->freed = freed;
	return b;
}

/* ---- against the oracle ------------------------------------------------- */

static void assert_same_place(const struct iter *got, const struct iter *want)
{
	assert_int_equal(got->status, SHALE_OK);
	assert_int_equal(got->valid, want->valid);
	if (!want->valid)
		return;
	assert_true(slice_eq(iter_key(got), iter_key(want)));
	assert_true(iter_seqtype(got) == iter_seqtype(want));
	assert_true(slice_eq(iter_value(got), iter_value(want)));
}

/* Keys with `skip` bytes in common; heads are equal often. */
static shale_slice random_key(struct rand *r, size_t skip, char *buf)
{
	static const char *const stem[] = {
		"",  "aaaaaaaa",         "aaaaaaab",
		"b", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	};
	const char *s = stem[rand_below(r, 6)];
	size_t n = skip;

	memset(buf, 'p', skip);
	n += (size_t)sprintf(buf + n, "%s%u", s, (unsigned)rand_below(r, 30));
	/* A zero byte at the end makes another key with the same head. */
	if (rand_below(r, 4) == 0)
		buf[n++] = 0;
	return slice_from(buf, n);
}

static void random_walk(struct iter *got, struct iter *want, struct rand *r, size_t skip)
{
	char buf[64];

	for (int i = 0; i < 1500; i++) {
		shale_slice key = random_key(r, skip, buf);
		uint64_t move = rand_below(r, 60);
		/* Some way in one direction before it turns. */
		uint64_t run = rand_below(r, 8);
		bool forward = rand_below(r, 2) == 0;

		if (move == 0) {
			iter_first(got);
			iter_first(want);
		} else if (move == 1) {
			iter_last(got);
			iter_last(want);
		} else if (move < 4 || !want->valid) {
			iter_seek(got, key);
			iter_seek(want, key);
		} else if (move < 6) {
			iter_seek_prev(got, key);
			iter_seek_prev(want, key);
		}
		assert_same_place(got, want);
		for (; run > 0 && want->valid; run--) {
			if (forward) {
				iter_next(got);
				iter_next(want);
			} else {
				iter_prev(got);
				iter_prev(want);
			}
			assert_same_place(got, want);
		}
	}
}

static void gives_what_one_sorted_source_of_all_would(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = test_scale(40); round > 0; round--) {
		size_t n = rand_below(&r, CHILDREN_MAX + 1), skip = 5 * rand_below(&r, 3);
		size_t entries = rand_below(&r, 400);
		struct skiplist *source[CHILDREN_MAX], *all = skiplist_new();
		struct iter *child[CHILDREN_MAX], *got, *want;
		char buf[64];

		for (size_t i = 0; i < n; i++) {
			source[i] = skiplist_new();
			child[i] = skiplist_iter(source[i], SEQ_MAX, false);
		}
		for (size_t i = 0; i < entries && n > 0; i++) {
			shale_slice key = random_key(&r, skip, buf);
			uint64_t st = seqtype(1 + rand_below(&r, 50), OP_PUT);

			if (skiplist_add(all, key, st, slice_from(&i, sizeof(i))))
				skiplist_add(source[rand_below(&r, n)], key, st,
					     slice_from(&i, sizeof(i)));
		}
		want = skiplist_iter(all, SEQ_MAX, false);
		assert_ok(merge_iter_new(shale_env_default(), child, n, skip, &got));
		random_walk(got, want, &r, skip);
		iter_free(got);
		iter_free(want);
		for (size_t i = 0; i < n; i++)
			skiplist_free(source[i]);
		skiplist_free(all);
	}
}

static void of_none_it_is_empty(void **state)
{
	struct iter *it;

	(void)state;
	assert_ok(merge_iter_new(shale_env_default(), NULL, 0, 0, &it));
	iter_first(it);
	assert_false(it->valid);
	iter_last(it);
	assert_false(it->valid);
	iter_seek(it, text("a"));
	assert_false(it->valid);
	iter_seek_prev(it, text("a"));
	assert_false(it->valid);
	assert_int_equal(it->status, SHALE_OK);
	iter_free(it);
}

static void of_one_it_is_the_child_itself(void **state)
{
	struct skiplist *s = skiplist_new();
	struct iter *child = skiplist_iter(s, SEQ_MAX, false), *it;

	(void)state;
	assert_ok(merge_iter_new(shale_env_default(), &child, 1, 0, &it));
	assert_ptr_equal(it, child);
	iter_free(it);
	skiplist_free(s);
}

static void equal_entries_come_from_the_newer_source_first(void **state)
{
	struct skiplist *s[3];
	struct iter *child[3], *it;
	static const char *const name[] = { "new", "old", "oldest" };

	(void)state;
	for (int i = 0; i < 3; i++) {
		s[i] = skiplist_new();
		skiplist_add(s[i], text("k"), seqtype(1, OP_PUT), text(name[i]));
		child[i] = skiplist_iter(s[i], SEQ_MAX, false);
	}
	assert_ok(merge_iter_new(shale_env_default(), child, 3, 0, &it));
	iter_first(it);
	for (int i = 0; i < 3; i++, iter_next(it))
		assert_slice(iter_value(it), name[i]);
	assert_false(it->valid);
	iter_last(it);
	for (int i = 3; i-- > 0; iter_prev(it))
		assert_slice(iter_value(it), name[i]);
	assert_false(it->valid);
	iter_free(it);
	for (int i = 0; i < 3; i++)
		skiplist_free(s[i]);
}

/* Two sources of 50 keys each, one of which fails at its n-th move. */
static void a_failing_child_ends_it_with_its_status(void **state)
{
	struct skiplist *s[2] = { skiplist_new(), skiplist_new() };
	char buf[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		sprintf(buf, "%03d", i);
		skiplist_add(s[i % 2], text(buf), seqtype(1, OP_PUT), text(""));
	}
	for (int moves = 0; moves < 60; moves++) {
		for (int forward = 0; forward < 2; forward++) {
			int freed = 0, seen = 0;
			struct iter *child[2] = { &brittle_new(s[0], moves, &freed)->it,
						  &brittle_new(s[1], -1, &freed)->it };
			struct iter *it;

			assert_ok(merge_iter_new(shale_env_default(), child, 2, 0, &it));
			if (forward)
				iter_first(it);
			else
				iter_last(it);
			for (; it->valid; seen++) {
				if (forward)
					iter_next(it);
				else
					iter_prev(it);
			}
			/* The first 51 moves are a place, 49 steps, and the step to the end. */
			assert_int_equal(it->status, moves < 51 ? SHALE_IO : SHALE_OK);
			assert_true(moves < 51 ? seen <= 2 * moves : seen == 100);
			/* The failure goes away where the child's does. */
			((struct brittle *)child[0])->moves_left = -1;
			iter_seek(it, text("050"));
			assert_slice(iter_key(it), "050");
			/* And comes when it turns, too. */
			((struct brittle *)child[0])->moves_left = 0;
			iter_prev(it);
			assert_false(it->valid);
			assert_int_equal(it->status, SHALE_IO);
			iter_free(it);
			assert_int_equal(freed, 2);
		}
	}
	skiplist_free(s[0]);
	skiplist_free(s[1]);
}

static void without_memory_the_children_are_freed(void **state)
{
	struct skiplist *s = skiplist_new();
	struct failing_heap heap;
	int freed = 0;
	struct iter *child[2] = { &brittle_new(s, -1, &freed)->it,
				  &brittle_new(s, -1, &freed)->it };
	struct iter *it;

	(void)state;
	failing_heap_init(&heap);
	failing_heap_arm(&heap, 1, false);
	assert_status(merge_iter_new(&heap.env, child, 2, 0, &it), SHALE_NO_MEMORY);
	assert_int_equal(freed, 2);
	skiplist_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_none_it_is_empty),
		cmocka_unit_test(of_one_it_is_the_child_itself),
		cmocka_unit_test(equal_entries_come_from_the_newer_source_first),
		cmocka_unit_test(gives_what_one_sorted_source_of_all_would),
		cmocka_unit_test(a_failing_child_ends_it_with_its_status),
		cmocka_unit_test(without_memory_the_children_are_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
