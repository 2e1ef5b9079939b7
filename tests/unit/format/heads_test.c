/* Searching heads: every way of doing it gives what counting one by one gives. */
#include "support/test.h"

#include "base/rand.h"
#include "format/heads.h"

#include <stdlib.h>

enum { MOST = 700 };

static uint64_t some_head(struct rand *rnd)
{
	static const uint64_t edges[] = { 0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };

	switch (rand_below(rnd, 4)) {
	case 0:
		return edges[rand_below(rnd, 5)];
	case 1:
		return rand_below(rnd, 50);
	default:
		return rand_next(rnd);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t count_less(const uint64_t *heads, size_t n, uint64_t head)
{
	size_t less = 0;

	while (less < n && heads[less] < head)
		less++;
	return less;
}

static void all_ways_of_searching_agree(void **state)
{
	static uint64_t heads[MOST], sample[MOST];
	struct rand rnd;

	(void)state;
	rand_seed(&rnd, test_seed());
	for (size_t n = 0; n <= MOST; n++) {
		for (size_t i = 0; i < n; i++)
			heads[i] = some_head(&rnd);
		qsort(heads, n, sizeof(*heads), compare);
		heads_sample(heads, n, sample);
		for (int k = 0; k < 60; k++) {
			uint64_t head = n != 0 && k % 2 != 0 ? heads[rand_below(&rnd, n)] +
								       rand_below(&rnd, 3) - 1
							     : some_head(&rnd);
			size_t less = count_less(heads, n, head);

			assert_int_equal(heads_less_portable(heads, n, head), less);
			assert_int_equal(heads_less(heads, n, head), less);
			assert_int_equal(heads_lower(heads, n, head), less);
			assert_int_equal(heads_lower_sampled(heads, n, sample, head), less);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_of_searching_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
