/* Object names: one text an object, and nothing else is read as one. */
#include "support/test.h"

#include "base/rand.h"
#include "env/names.h"

static void check(enum object_kind kind, uint64_t number, const char *text)
{
	struct object_name name = object_name(kind, number);
	enum object_kind k;
	uint64_t n;

	if (text != NULL)
		assert_string_equal(name.text, text);
	assert_true(object_name_parse(name.text, &k, &n));
	assert_int_equal(k, kind);
	assert_true(n == number);
}

static void names_show_epoch_counter_and_kind(void **state)
{
	(void)state;
	check(OBJECT_TABLE, object_number(1, 2), "00000001-00000002.sst");
	check(OBJECT_LOG, object_number(0xabcdef01, 0x23456789), "abcdef01-23456789.log");
	check(OBJECT_MANIFEST, 0, "00000000-00000000.man");
	check(OBJECT_TABLE, UINT64_MAX, "ffffffff-ffffffff.sst");
}

static void every_name_reads_back_as_what_it_was_made_of(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (int i = 0; i < 10000; i++)
		check((enum object_kind)(1 + rand_below(&r, 3)), rand_next(&r), NULL);
}

static void other_texts_are_no_names(void **state)
{
	static const char *const texts[] = {
		"",
		"ROOT",
		"LOCK",
		"00000001-00000002",
		"00000001-00000002.",
		"00000001-00000002.ss",
		"00000001-00000002.sst ",
		"00000001-00000002.SST",
		"00000001-00000002.tmp",
		"00000001_00000002.sst",
		"0000000A-00000002.sst", /* upper case: would be a second name of one object */
		"0000001-00000002.sst",
		"000000001-0000002.sst",
		" 0000001-00000002.sst",
		"+0000001-00000002.sst",
		"0x000001-00000002.sst",
		"0000000g-00000002.sst",
		"./000001-00000002.sst",
		"00000001-00000002.sst.sst",
	};
	enum object_kind kind;
	uint64_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(object_name_parse(texts[i], &kind, &number));
}

static void names_sort_in_the_order_of_their_numbers(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (int i = 0; i < 1000; i++) {
		uint64_t a = rand_next(&r), b = rand_below(&r, 2) ? rand_next(&r) : a + 1;
		struct object_name x = object_name(OBJECT_LOG, a), y = object_name(OBJECT_LOG, b);

		assert_int_equal(strcmp(x.text, y.text) < 0, a < b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_show_epoch_counter_and_kind),
		cmocka_unit_test(every_name_reads_back_as_what_it_was_made_of),
		cmocka_unit_test(other_texts_are_no_names),
		cmocka_unit_test(names_sort_in_the_order_of_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
