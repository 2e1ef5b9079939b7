#include "support/test.h"

#include <ftw.h>
#include <unistd.h>

uint64_t test_seed(void)
{
	const char *text = getenv("SHALE_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : TEST_SEED_DEFAULT;

	printf("seed: SHALE_TEST_SEED=0x%" PRIx64 "\n", seed);
	return seed;
}

uint64_t test_scale(uint64_t n)
{
	const char *text = getenv("SHALE_TEST_SCALE");
	uint64_t percent = text != NULL ? strtoull(text, NULL, 0) : 100;

	n = n * percent / 100;
	return n != 0 ? n : 1;
}

uint64_t test_number(shale_slice text, size_t from)
{
	const char *digits = text.data;
	uint64_t number = 0;

	for (size_t i = from; i < text.size && digits[i] >= '0' && digits[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(digits[i] - '0');
	return number;
}

char *test_dir_new(void)
{
	const char *base = getenv("TMPDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/shale-test-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(path) == NULL) {
		perror(path);
		abort();
	}
	return strdup(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void test_dir_remove(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

void test_assert_status(shale_status rc, shale_status expected, const char *what, const char *file,
			int line)
{
	if (rc == expected)
		return;
	print_error("%s: got %s, expected %s%s%s\n", what, shale_status_name(rc),
		    shale_status_name(expected), rc < 0 ? ": " : "",
		    rc < 0 ? shale_last_error()->text : "");
	_fail(file, line);
}

void test_assert_slice(shale_slice got, shale_slice want, const char *file, int line)
{
	if (slice_eq(got, want))
		return;
	print_error("got '%.*s', expected '%.*s'\n", (int)got.size, (const char *)got.data,
		    (int)want.size, (const char *)want.data);
	_fail(file, line);
}

/*
 * A store on a simulated machine dies with its memory, but for contexts of zstd, which are
 * in the C heap (format/codec_pool.h). That a store that is closed frees them is seen by
 * counting (unit/format/codec).
 */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libzstd";
}
