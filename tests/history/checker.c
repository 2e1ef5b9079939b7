/* The checkers of histories, against histories written by hand. */
#include "history/history.h"
#include "support/test.h"

enum { X, Y };

#define W1(c, s, e, q, k, v)                                                                       \
	{                                                                                          \
		.kind = H_WRITE, .client = c, .start = s, .end = e, .seq = q, .size = 1,           \
		.count = 1, .part = {                                                              \
			{ k, v }                                                                   \
		}                                                                                  \
	}
#define W2(c, s, e, q, v, w)                                                                       \
	{                                                                                          \
		.kind = H_WRITE, .client = c, .start = s, .end = e, .seq = q, .size = 2,           \
		.count = 2, .part = {                                                              \
			{ X, v },                                                                  \
			{ Y, w }                                                                   \
		}                                                                                  \
	}
#define R1(c, s, e, k, v)                                                                          \
	{                                                                                          \
		.kind = H_READ, .client = c, .start = s, .end = e, .count = 1, .part = {           \
			{ k, v }                                                                   \
		}                                                                                  \
	}
#define R2(c, s, e, q, v, w)                                                                       \
	{                                                                                          \
		.kind = H_READ, .client = c, .start = s, .end = e, .seq = q, .count = 2, .part = { \
			{ X, v },                                                                  \
			{ Y, w }                                                                   \
		}                                                                                  \
	}

enum verdict { GOOD, BAD_KEYS = 1, BAD_COMMITS = 2, BAD_BOTH = 3 };

static void expect_after(const struct h_op *ops, size_t n, uint64_t lossy_from,
			 uint64_t unheard_from, int bad)
{
	struct h_op copy[8];
	struct history h = { .initial_seq = 100,
			     .lossy_from = lossy_from,
			     .unheard_from = unheard_from,
			     .op = copy,
			     .count = n };

	assert_true(n <= 8);
	memcpy(copy, ops, n * sizeof(*ops));
	/* The order in which they are noted means nothing. */
	for (size_t turn = 0; turn < n; turn++) {
		struct h_op first = copy[0];

		memmove(copy, copy + 1, (n - 1) * sizeof(*copy));
		copy[n - 1] = first;
		if (lossy_from == H_NEVER)
			assert_int_equal(history_check_keys(&h) != NULL, (bad & BAD_KEYS) != 0);
		assert_int_equal(history_check_commits(&h) != NULL, (bad & BAD_COMMITS) != 0);
	}
}

static void expect(const struct h_op *ops, size_t n, uint64_t lossy_from, int bad)
{
	expect_after(ops, n, lossy_from, H_NEVER, bad);
}

#define EXPECT(bad, ...)                                                                           \
	do {                                                                                       \
		const struct h_op ops[] = { __VA_ARGS__ };                                         \
		expect(ops, sizeof(ops) / sizeof(ops[0]), H_NEVER, bad);                           \
	} while (0)

static void good_histories_are_accepted(void **state)
{
	(void)state;
	EXPECT(GOOD, R1(0, 1, 2, X, 0), W1(0, 3, 4, 101, X, 1), R1(1, 5, 6, X, 1));
	/* While a write is under way both are right, in this order. */
	EXPECT(GOOD, W1(0, 1, 10, 101, X, 1), R1(1, 2, 3, X, 0), R1(1, 4, 5, X, 1));
	EXPECT(GOOD, W1(0, 1, 9, 102, X, 1), W1(1, 2, 8, 101, X, 2), R1(2, 10, 11, X, 1));
	EXPECT(GOOD, W2(0, 1, 2, 102, 1, 2), W1(0, 3, 4, 103, X, 3), R2(1, 1, 5, 0, 1, 2),
	       R2(1, 6, 7, 103, 3, 2));
	/* A snapshot may be older than what is written meanwhile, not than what was. */
	EXPECT(GOOD, W1(0, 1, 9, 101, X, 1), R2(1, 2, 3, 100, 0, 0));
	EXPECT(GOOD, W1(0, 1, 2, 101, X, 1), W1(0, 3, 4, 102, X, 0), R2(1, 5, 6, 102, 0, 0));
}

static void stale_reads_are_found(void **state)
{
	(void)state;
	/* Older than what was acknowledged. */
	EXPECT(BAD_BOTH, W1(0, 1, 2, 101, X, 1), R1(1, 3, 4, X, 0));
	EXPECT(BAD_BOTH, W1(0, 1, 2, 101, X, 1), W1(0, 3, 4, 102, X, 2), R1(1, 5, 6, X, 1));
	/* Older than what somebody saw. */
	EXPECT(BAD_BOTH, W1(0, 1, 20, 101, X, 1), R1(1, 2, 3, X, 1), R1(2, 4, 5, X, 0));
	/* A deleted key comes back. */
	EXPECT(BAD_BOTH, W1(0, 1, 2, 101, X, 1), W1(0, 3, 4, 102, X, 0), R1(1, 5, 6, X, 1));
	/* From the future, or from nowhere. */
	EXPECT(BAD_BOTH, R1(1, 1, 2, X, 1), W1(0, 3, 4, 101, X, 1));
	EXPECT(BAD_BOTH, W1(0, 1, 2, 101, X, 1), R1(1, 3, 4, X, 7));
}

static void torn_views_are_found_though_each_key_is_right(void **state)
{
	(void)state;
	/* Half of a batch, while it is under way. */
	EXPECT(BAD_COMMITS, W2(0, 1, 9, 102, 1, 2), R2(1, 2, 8, 0, 1, 0));
	EXPECT(BAD_COMMITS, W2(0, 1, 9, 102, 1, 2), R2(1, 2, 8, 0, 0, 2));
	/* A hole: the later of two commits without the earlier one. */
	EXPECT(BAD_COMMITS, W1(0, 1, 9, 101, X, 1), W1(1, 2, 8, 102, Y, 2), R2(2, 3, 7, 0, 0, 2));
	/* Two readers see two commits in different orders. */
	EXPECT(BAD_COMMITS, W1(0, 1, 9, 101, X, 1), W1(1, 1, 9, 102, Y, 2), R2(2, 2, 8, 0, 1, 0),
	       R2(3, 2, 8, 0, 0, 2));
	/* Keys one after the other, each from another time: a long fork. */
	EXPECT(BAD_COMMITS, W1(0, 1, 20, 101, X, 1), W1(1, 1, 20, 102, Y, 2), R1(2, 2, 3, Y, 2),
	       R1(2, 4, 5, X, 0));
}

static void snapshots_that_are_not_of_their_sequence_are_found(void **state)
{
	(void)state;
	EXPECT(BAD_COMMITS, W1(0, 1, 9, 101, X, 1), R2(1, 2, 8, 100, 1, 0));
	EXPECT(BAD_COMMITS, W1(0, 1, 9, 101, X, 1), R2(1, 2, 8, 101, 0, 0));
	EXPECT(BAD_BOTH, W1(0, 1, 2, 101, X, 1), R2(1, 3, 4, 100, 0, 0));
	/* A sequence in the middle of a batch. */
	EXPECT(BAD_COMMITS, W2(0, 1, 9, 102, 1, 2), R2(1, 2, 8, 101, 1, 0));
}

static void sequences_against_real_time_are_found(void **state)
{
	(void)state;
	EXPECT(BAD_COMMITS, W1(0, 1, 2, 102, X, 1), W1(1, 3, 4, 101, Y, 2));
	EXPECT(BAD_COMMITS, W1(0, 1, 9, 101, X, 1), W1(1, 1, 9, 101, Y, 2));
	EXPECT(BAD_COMMITS, W2(0, 1, 9, 102, 1, 2), W1(1, 1, 9, 101, Y, 3));
}

static void an_open_commit_counts_or_not_but_whole_and_once(void **state)
{
	(void)state;
	EXPECT(GOOD, W1(0, 1, H_NEVER, 0, X, 1), R1(1, 2, 3, X, 0), R1(1, 4, 5, X, 0));
	EXPECT(GOOD, W1(0, 1, H_NEVER, 0, X, 1), R1(1, 2, 3, X, 0), R1(1, 4, 5, X, 1));
	EXPECT(BAD_BOTH, W1(0, 1, H_NEVER, 0, X, 1), R1(1, 2, 3, X, 1), R1(1, 4, 5, X, 0));
	EXPECT(BAD_BOTH, W1(0, 4, H_NEVER, 0, X, 1), R1(1, 2, 3, X, 1));
	EXPECT(BAD_COMMITS, W2(0, 1, H_NEVER, 0, 1, 2), R2(1, 5, 6, 0, 1, 0));
	/* It is in the gap that the others leave, or behind them, not elsewhere. */
	EXPECT(GOOD, W2(0, 1, H_NEVER, 0, 1, 2), W1(1, 2, 3, 103, X, 3), R2(1, 5, 6, 0, 3, 2));
	EXPECT(GOOD, W2(0, 1, H_NEVER, 0, 1, 2), W1(1, 2, 3, 101, X, 3), R2(1, 5, 6, 0, 1, 2));
	EXPECT(BAD_COMMITS, W2(0, 1, H_NEVER, 0, 1, 2), W1(1, 2, 3, 101, X, 3),
	       R2(1, 5, 6, 0, 3, 2));
	EXPECT(GOOD, W1(0, 1, H_NEVER, 0, X, 1), W1(1, 1, H_NEVER, 0, X, 2), R1(2, 5, 6, X, 1),
	       R1(2, 7, 8, X, 2));
	EXPECT(BAD_BOTH, W1(0, 1, H_NEVER, 0, X, 1), W1(1, 1, H_NEVER, 0, X, 2), R1(2, 5, 6, X, 1),
	       R1(2, 7, 8, X, 2), R1(2, 9, 10, X, 1));
}

static void a_loss_of_power_takes_from_the_end_only(void **state)
{
	const struct h_op kept[] = { W1(0, 1, 2, 101, X, 1), W1(0, 3, 4, 102, Y, 2),
				     R2(1, 9, 10, 0, 1, 0) };
	const struct h_op hole[] = { W1(0, 1, 2, 101, X, 1), W1(0, 3, 4, 102, Y, 2),
				     R2(1, 9, 10, 0, 0, 2) };

	(void)state;
	expect(kept, 3, H_NEVER, BAD_BOTH);
	expect(kept, 3, 9, GOOD);
	expect(hole, 3, 9, BAD_COMMITS);
}

static void what_was_seen_may_be_lost_and_what_was_acknowledged_may_not(void **state)
{
	const struct h_op seen[] = { W1(0, 1, H_NEVER, 0, X, 1), R1(1, 2, 3, X, 1),
				     R2(1, 9, 10, 0, 0, 0) };
	const struct h_op acknowledged[] = { W1(0, 1, 2, 101, X, 1), R1(1, 3, 4, X, 1),
					     R2(1, 9, 10, 0, 0, 0) };

	(void)state;
	expect(seen, 3, H_NEVER, BAD_BOTH);
	expect_after(seen, 3, H_NEVER, 9, GOOD);
	expect_after(acknowledged, 3, H_NEVER, 9, BAD_COMMITS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_histories_are_accepted),
		cmocka_unit_test(stale_reads_are_found),
		cmocka_unit_test(torn_views_are_found_though_each_key_is_right),
		cmocka_unit_test(snapshots_that_are_not_of_their_sequence_are_found),
		cmocka_unit_test(sequences_against_real_time_are_found),
		cmocka_unit_test(an_open_commit_counts_or_not_but_whole_and_once),
		cmocka_unit_test(a_loss_of_power_takes_from_the_end_only),
		cmocka_unit_test(what_was_seen_may_be_lost_and_what_was_acknowledged_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
