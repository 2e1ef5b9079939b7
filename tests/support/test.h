/* What every test includes: cmocka, and short forms over it. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

/* cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/slice.h"
#include "base/status.h"

#define TEST_SEED_DEFAULT 0x5ba1e5eedull

/* SHALE_TEST_SEED from the environment, or the default; printed so that a failure repeats. */
uint64_t test_seed(void);
/* SHALE_TEST_SCALE (percent, default 100) of n, at least 1: long tests grow and shrink by it. */
uint64_t test_scale(uint64_t n);
/* A fresh directory under the system's temporary one; removed with all in it by test_dir_remove(). */
char *test_dir_new(void);
void test_dir_remove(char *dir);

/* Fails with the error's text unless rc is what was expected. */
#define assert_status(rc, expected) test_assert_status((rc), (expected), #rc, __FILE__, __LINE__)
#define assert_ok(rc) assert_status(rc, SHALE_OK)
void test_assert_status(shale_status rc, shale_status expected, const char *what, const char *file,
			int line);

/* The decimal number in text at byte `from`; a slice has no zero byte behind it for strtoul(). */
uint64_t test_number(shale_slice text, size_t from);

/* Slice equality with a readable failure. */
#define assert_slice(s, text)                                                                      \
	test_assert_slice((s), slice_from(text, strlen(text)), __FILE__, __LINE__)
void test_assert_slice(shale_slice got, shale_slice want, const char *file, int line);

#endif
