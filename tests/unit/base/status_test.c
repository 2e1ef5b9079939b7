/* How failures are recorded. */
#include "support/test.h"

#include <errno.h>

static void a_failure_keeps_what_where_and_why(void **state)
{
	const shale_error *e = shale_last_error();

	(void)state;
	assert_int_equal(err_new(SHALE_INVALID, "%d is too many", 7), SHALE_INVALID);
	assert_int_equal(e->status, SHALE_INVALID);
	assert_string_equal(e->text, "7 is too many");
	assert_string_equal(e->object, "");
	assert_true(e->offset == UINT64_MAX);

	assert_int_equal(err_at(SHALE_CORRUPT, "x.sst", 12, "bad"), SHALE_CORRUPT);
	assert_string_equal(e->object, "x.sst");
	assert_int_equal(e->offset, 12);
	assert_int_equal(e->sys_errno, 0);

	assert_int_equal(err_sys(ENOSPC, "y.log", "cannot write"), SHALE_NO_SPACE);
	assert_int_equal(e->sys_errno, ENOSPC);
	assert_string_equal(e->text, "cannot write: No space left on device");
	assert_true(e->offset == UINT64_MAX);
}

static void a_failure_may_be_told_in_terms_of_the_one_before(void **state)
{
	(void)state;
	err_at(SHALE_IO, "a.sst", 1, "inner");
	err_at(SHALE_IO, shale_last_error()->object, 2, "outer of %s", shale_last_error()->text);
	assert_string_equal(shale_last_error()->text, "outer of inner");
	assert_string_equal(shale_last_error()->object, "a.sst");
}

static void long_texts_are_cut_not_overrun(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_sys(EIO, text, "%s", text), SHALE_IO);
	assert_int_equal(strlen(shale_last_error()->text), sizeof(shale_last_error()->text) - 1);
	assert_int_equal(strlen(shale_last_error()->object),
			 sizeof(shale_last_error()->object) - 1);
	assert_int_equal(shale_last_error()->sys_errno, EIO);
}

static void every_status_has_its_name(void **state)
{
	(void)state;
	for (int s = SHALE_STALLED; s <= SHALE_MORE; s++)
		assert_memory_equal(shale_status_name(s), "SHALE_", 6);
	assert_string_equal(shale_status_name(SHALE_OK), "SHALE_OK");
	assert_string_equal(shale_status_name(SHALE_NO_FILES), "SHALE_NO_FILES");
	assert_string_equal(shale_status_name(99), "unknown status");
}

static void errnos_become_the_codes_that_callers_tell_apart(void **state)
{
	(void)state;
	assert_int_equal(err_code(EDQUOT), SHALE_NO_SPACE);
	assert_int_equal(err_code(ENOMEM), SHALE_NO_MEMORY);
	assert_int_equal(err_code(EMFILE), SHALE_NO_FILES);
	assert_int_equal(err_code(ENOENT), SHALE_MISSING);
	assert_int_equal(err_code(EEXIST), SHALE_EXISTS);
	/* No errno is an expected outcome, or a failed call would pass for a good one. */
	assert_int_equal(err_code(EAGAIN), SHALE_IO);
	assert_int_equal(err_code(EIO), SHALE_IO);
	assert_int_equal(err_memory("a test"), SHALE_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_keeps_what_where_and_why),
		cmocka_unit_test(a_failure_may_be_told_in_terms_of_the_one_before),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
		cmocka_unit_test(every_status_has_its_name),
		cmocka_unit_test(errnos_become_the_codes_that_callers_tell_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
