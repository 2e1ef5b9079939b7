#include "bytes.h"

#include "base/hash.h"
#include "format/filter.h"

#include <math.h>

enum { KEYS = 100000, ASKED = 200000 };

static uint64_t *hashes_new(const char *format, uint64_t n)
{
	uint64_t *out = malloc(n * sizeof(*out));

	for (uint64_t i = 0; i < n; i++) {
		char key[32];
		int size = snprintf(key, sizeof(key), format, (unsigned)i);

		out[i] = hash_key(slice_from(key, (size_t)size));
	}
	return out;
}

static bool filter_has(const struct buf *filter, uint64_t lines, uint64_t hash, unsigned probes)
{
	return filter_line_has(filter_line(filter->data, lines, hash), hash, probes);
}

/* Percent of false positives for a number of bits; all keys must be found. */
static double measure(const uint64_t *in, const uint64_t *out, unsigned bits)
{
	unsigned probes = filter_probes(bits);
	uint64_t lines = filter_lines(KEYS, bits), wrong = 0;
	struct buf filter;

	buf_init(&filter, &heap_env);
	filter_build(&filter, in, KEYS, lines, probes);
	assert_int_equal(filter.size, lines * FILTER_LINE);
	for (size_t i = 0; i < KEYS; i++)
		assert_true(filter_has(&filter, lines, in[i], probes));
	for (size_t i = 0; i < ASKED; i++)
		wrong += filter_has(&filter, lines, out[i], probes);
	buf_fini(&filter);
	return 100.0 * (double)wrong / ASKED;
}

static void finds_all_keys_and_few_others(void **state)
{
	static const struct {
		unsigned bits;
		double percent_max;
	} cases[] = { { 1, 70 },   { 4, 16 },   { 6, 7 },    { 8, 2.7 },
		      { 10, 1.5 }, { 12, 0.6 }, { 16, 0.2 }, { 32, 0.02 } };
	uint64_t *in = hashes_new("user%010u", KEYS), *out = hashes_new("none%010u", ASKED);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double percent = measure(in, out, cases[i].bits);

		printf("%2u bits a key, %2u probes: %.3f %% false positives\n", cases[i].bits,
		       filter_probes(cases[i].bits), percent);
		assert_true(percent < cases[i].percent_max);
	}
	free(in);
	free(out);
}

/*
 * What mathematics expect of a blocked filter, in per cent: the keys of a line are
 * Poisson distributed; i keys leave a bit unset with (1 - 1/512)^(i * probes), and all
 * probes of another key must find theirs set.
 */
static double theory(unsigned bits)
{
	const double mean = 512.0 / bits;
	unsigned probes = filter_probes(bits);
	double p = exp(-mean), sum = 0;

	for (unsigned i = 0; i < 1000; i++) {
		sum += p * pow(1 - pow(1 - 1.0 / 512, (double)i * probes), probes);
		p *= mean / (i + 1);
	}
	return 100 * sum;
}

static void false_positives_are_as_many_as_theory_has_them(void **state)
{
	uint64_t *in = hashes_new("user%010u", KEYS), *out = hashes_new("none%010u", ASKED);

	(void)state;
	for (unsigned bits = 8; bits <= 12; bits += 2) {
		double is = measure(in, out, bits), should = theory(bits);

		printf("%2u bits a key: %.3f %%, theory %.3f %%\n", bits, is, should);
		assert_true(is > 0.9 * should && is < 1.1 * should);
	}
	free(in);
	free(out);
}

static void the_probe_table_is_the_best_nearby(void **state)
{
	uint64_t *in = hashes_new("user%010u", KEYS), *out = hashes_new("none%010u", ASKED);

	(void)state;
	for (unsigned bits = 4; bits <= 12; bits += 2) {
		uint64_t lines = filter_lines(KEYS, bits), wrong[3] = { 0 };

		for (unsigned k = 0; k < 3; k++) {
			unsigned probes = filter_probes(bits) - 1 + k;
			struct buf filter;

			buf_init(&filter, &heap_env);
			filter_build(&filter, in, KEYS, lines, probes);
			for (size_t i = 0; i < ASKED; i++)
				wrong[k] += filter_has(&filter, lines, out[i], probes);
			buf_fini(&filter);
		}
		/* A twentieth for chance. */
		assert_true(wrong[1] <= wrong[0] + wrong[0] / 20);
		assert_true(wrong[1] <= wrong[2] + wrong[2] / 20);
	}
	free(in);
	free(out);
}

static void sizes_follow_keys_and_bits(void **state)
{
	(void)state;
	assert_int_equal(filter_lines(0, 10), 1);
	assert_int_equal(filter_lines(1, 10), 1);
	assert_int_equal(filter_lines(512, 1), 1);
	assert_int_equal(filter_lines(513, 1), 2);
	assert_int_equal(filter_lines(1000, 10), 20);
	assert_true(filter_lines(UINT64_MAX, 32) > UINT64_MAX / 1024);
	for (unsigned bits = 0; bits < 100; bits++) {
		assert_in_range(filter_probes(bits), 1, FILTER_PROBES_MAX);
		if (bits != 0)
			assert_true(filter_probes(bits) >= filter_probes(bits - 1));
	}
}

static void an_empty_filter_has_nothing(void **state)
{
	struct buf filter;

	(void)state;
	buf_init(&filter, &heap_env);
	filter_build(&filter, NULL, 0, filter_lines(0, 10), 6);
	assert_int_equal(filter.size, FILTER_LINE);
	for (uint64_t i = 0; i < 1000; i++)
		assert_false(filter_has(&filter, 1, i * UINT64_C(0x123456789abcdef), 6));
	buf_fini(&filter);
}

static void a_heap_that_fails_marks_the_buffer(void **state)
{
	uint64_t hash = 1;
	struct buf filter;

	(void)state;
	buf_init(&filter, &heap_env);
	heap_left = 0;
	filter_build(&filter, &hash, 1, 4, 6);
	heap_left = UINT64_MAX;
	assert_true(filter.failed);
	buf_fini(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_all_keys_and_few_others),
		cmocka_unit_test(false_positives_are_as_many_as_theory_has_them),
		cmocka_unit_test(the_probe_table_is_the_best_nearby),
		cmocka_unit_test(sizes_follow_keys_and_bits),
		cmocka_unit_test(an_empty_filter_has_nothing),
		cmocka_unit_test(a_heap_that_fails_marks_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
