/* The generator: its published sequence, and the ranges made of it. */
#include "support/test.h"

#include "base/rand.h"

static void splitmix_and_xoshiro_give_their_published_numbers(void **state)
{
	struct rand r = { { 1, 2, 3, 4 } };
	uint64_t x = 1234567;

	(void)state;
	assert_true(rand_split(&x) == UINT64_C(6457827717110365317));
	assert_true(rand_split(&x) == UINT64_C(3203168211198807973));
	assert_true(rand_next(&r) == UINT64_C(11520));
	assert_true(rand_next(&r) == UINT64_C(0));
	assert_true(rand_next(&r) == UINT64_C(1509978240));
	assert_true(rand_next(&r) == UINT64_C(1215971899390074240));
}

static void one_seed_gives_one_sequence(void **state)
{
	struct rand a, b, c;
	int equal = 0;

	(void)state;
	rand_seed(&a, 42);
	rand_seed(&b, 42);
	rand_seed(&c, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t v = rand_next(&a);

		assert_true(v == rand_next(&b));
		equal += v == rand_next(&c);
	}
	assert_int_equal(equal, 0);
}

static void a_range_is_covered_evenly_and_never_left(void **state)
{
	unsigned seen[10] = { 0 };
	struct rand r;
	double sum = 0;

	(void)state;
	rand_seed(&r, test_seed());
	for (int i = 0; i < 100000; i++) {
		uint64_t v = rand_below(&r, 10);
		double u = rand_unit(&r);

		assert_in_range(v, 0, 9);
		seen[v]++;
		assert_true(u >= 0 && u < 1);
		sum += u;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 9500, 10500); /* five standard deviations */
	assert_true(sum > 49000 && sum < 51000);
	assert_true(rand_below(&r, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splitmix_and_xoshiro_give_their_published_numbers),
		cmocka_unit_test(one_seed_gives_one_sequence),
		cmocka_unit_test(a_range_is_covered_evenly_and_never_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
