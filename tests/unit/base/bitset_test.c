/* A set of numbers, against one array of flags. */
#include "support/test.h"

#include "base/bitset.h"
#include "base/rand.h"

static size_t below(const bool *has, size_t i)
{
	while (i > 0)
		if (has[--i])
			return i;
	return SIZE_MAX;
}

static void finds_the_greatest_below_in_sets_of_any_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 63, 64, 65, 4095, 4096, 4097, 70000, 300000 };
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		size_t n = sizes[k];
		uint64_t *words = calloc(bitset_words(n), sizeof(*words));
		bool *has = calloc(n, sizeof(*has));
		struct bitset s;

		bitset_init(&s, words, n);
		assert_true(bitset_below(&s, n) == SIZE_MAX);
		for (unsigned round = 0; round < 3000; round++) {
			/* Sparse, so that whole words are empty again and again. */
			size_t i = rand_below(&r, n), at = rand_below(&r, n + 1);
			size_t first = below(has, n);

			if (round % 3 == 2 && first != SIZE_MAX)
				i = first;
			if (has[i])
				bitset_remove(&s, i);
			else
				bitset_add(&s, i);
			has[i] = !has[i];
			assert_true(bitset_below(&s, at) == below(has, at));
			assert_true(bitset_below(&s, n) == below(has, n));
		}
		for (size_t i = 0; i < n; i++)
			if (has[i])
				bitset_remove(&s, i);
		assert_true(bitset_below(&s, n) == SIZE_MAX);
		for (size_t i = 0; i < bitset_words(n); i++)
			assert_true(words[i] == 0);
		free(words);
		free(has);
	}
}

static void an_empty_universe_has_no_number(void **state)
{
	uint64_t word = 0;
	struct bitset s;

	(void)state;
	assert_int_equal(bitset_words(0), 1);
	bitset_init(&s, &word, 0);
	assert_true(bitset_below(&s, 0) == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_greatest_below_in_sets_of_any_size),
		cmocka_unit_test(an_empty_universe_has_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
