/* Past the page cache: what goes that way, what does not, and that both give the same bytes. */
#include "unit/env/shim.h"

#include "base/rand.h"
#include "env/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 3 << 20 };

static char *dir;
static struct shim shim;
static struct store *store;
static uint8_t *pattern;

static void open_store(bool reads)
{
	struct store_options o = { .create = true, .direct_writes = true, .direct_reads = reads };

	store_close(store);
	assert_ok(store_open(&shim.env, dir, &o, &store));
}

static int start(void **state)
{
	struct rand r;

	(void)state;
	dir = test_dir_new();
	pattern = malloc(PATTERN);
	assert_non_null(pattern);
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < PATTERN; i += 8)
		put_u64le(pattern + i, rand_next(&r));
	shim_init(&shim);
	open_store(true);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	store_close(store);
	store = NULL;
	free(pattern);
	test_dir_remove(dir);
	return 0;
}

static void write_object(uint64_t number, size_t size, size_t step)
{
	struct store_writer *w;

	assert_ok(store_create(store, OBJECT_TABLE, number, NULL, &w));
	for (size_t at = 0; at < size; at += step)
		assert_ok(
			store_writer_append(w, pattern + at, size - at < step ? size - at : step));
	assert_ok(store_writer_seal(w));
}

static struct object *open_object(uint64_t number)
{
	struct object *o;

	assert_ok(store_open_object(store, OBJECT_TABLE, number, &o));
	return o;
}

/* Looking must not bring it there, as a read that does not wait does. */
static bool in_page_cache(uint64_t number, size_t at)
{
	struct object_name name = object_name(OBJECT_TABLE, number);
	unsigned char there = 0;
	char path[600];
	void *page;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name.text);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)(at & ~(size_t)4095));
	assert_true(page != MAP_FAILED);
	assert_int_equal(mincore(page, 4096, &there), 0);
	munmap(page, 4096);
	close(fd);
	return there & 1;
}

/* File systems in memory, and those that know no other way, have all of it there. */
static bool goes_past_it(void)
{
	write_object(99, 1 << 20, 1 << 20);
	return !in_page_cache(99, 0);
}

static void whole_buffers_go_past_the_page_cache(void **state)
{
	static const size_t sizes[] = {
		0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, PATTERN - 7
	};
	static const size_t steps[] = { 777, 262144, PATTERN };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			uint64_t number = 1 + i * 3 + k;
			struct object *o;
			uint8_t *got = malloc(sizes[i] + 1);

			shim.direct = shim.aligned = shim.unaligned = 0;
			write_object(number, sizes[i], steps[k]);
			assert_int_equal(shim.direct, 1);
			/* A mebibyte at a time, what is left of whole pages, and the end by itself. */
			assert_int_equal(shim.aligned, sizes[i] / 4096 * 4096 / (1 << 20) +
							       (sizes[i] % (1 << 20) >= 4096));
			assert_int_equal(shim.unaligned, sizes[i] % 4096 != 0);
			o = open_object(number);
			assert_ok(object_read(o, 0, got, sizes[i]));
			assert_memory_equal(got, pattern, sizes[i]);
			object_close(o);
			free(got);
		}
}

static void what_was_written_is_not_in_the_page_cache(void **state)
{
	char byte;
	struct object *o;

	(void)state;
	if (!goes_past_it())
		skip();
	write_object(1, PATTERN - 7, 5000);
	assert_false(in_page_cache(1, 0));
	assert_false(in_page_cache(1, 2 << 20));
	o = open_object(1);
	assert_ok(object_read(o, 12345, &byte, 1));
	assert_int_equal((uint8_t)byte, pattern[12345]);
	object_readahead(o, 0, PATTERN - 7);
	object_close(o);
	assert_false(in_page_cache(1, 12345));
	/* Writes alone: who reads goes through it. */
	open_store(false);
	write_object(2, PATTERN, 5000);
	assert_false(in_page_cache(2, 12345));
	o = open_object(2);
	assert_ok(object_read(o, 12345, &byte, 1));
	object_close(o);
	assert_true(in_page_cache(2, 12345));
}

/* Any place, any length, one or many, together or one after another, whole or in parts. */
static void reads_give_the_bytes_asked_for(void **state)
{
	enum { MANY = 70, MOST = 20000, SIZE = 500001 };
	static uint8_t got[MANY][MOST];
	struct object_read reads[MANY];
	struct rand r;
	struct object *o;

	(void)state;
	rand_seed(&r, test_seed());
	write_object(1, SIZE, SIZE);
	for (unsigned round = 0; round < 12; round++) {
		shim.ops.read_many = round % 2 ? NULL : shale_env_default()->fs.ops->read_many;
		shim.transfer_max = round % 3 == 2 ? 5000 : 0;
		o = open_object(1);
		shim.unaligned = 0;
		for (size_t i = 0; i < MANY; i++) {
			size_t n = rand_below(&r, MOST);
			uint64_t at = i == 0 ? SIZE - n : rand_below(&r, SIZE - n);

			reads[i] = (struct object_read){
				.object = o, .offset = at, .buf = got[i], .n = n
			};
		}
		reads[1].offset = SIZE - reads[1].n + 1; /* one byte too far */
		object_read_many(reads, MANY);
		for (size_t i = 0; i < MANY; i++) {
			if (i == 1) {
				assert_status(object_read_result(&reads[i]), SHALE_CORRUPT);
				continue;
			}
			assert_ok(object_read_result(&reads[i]));
			assert_memory_equal(got[i], pattern + reads[i].offset, reads[i].n);
			memset(got[i], 0, reads[i].n);
			assert_ok(object_read(o, reads[i].offset, got[i], reads[i].n));
			assert_memory_equal(got[i], pattern + reads[i].offset, reads[i].n);
		}
		if (shim.transfer_max == 0)
			assert_int_equal(shim.unaligned, 0);
		object_close(o);
	}
}

static void failures_are_told_as_others_are(void **state)
{
	static uint8_t got[100];
	struct object *o;
	char path[600];

	(void)state;
	write_object(1, 100000, 100000);
	o = open_object(1);
	shim.ops.read_many = NULL;
	shim_fail(&shim, SHIM_PREAD, 1, EIO);
	assert_status(object_read(o, 5000, got, 100), SHALE_IO);
	assert_int_equal(shale_last_error()->offset, 5000);
	assert_non_null(strstr(shale_last_error()->text, "100 bytes at 5000"));
	shim_heal(&shim);
	/* The file is shorter than it was: the end is where it is. */
	snprintf(path, sizeof(path), "%s/%s", dir, object_name(OBJECT_TABLE, 1).text);
	assert_int_equal(truncate(path, 5050), 0);
	assert_status(object_read(o, 5000, got, 100), SHALE_CORRUPT);
	assert_non_null(strstr(shale_last_error()->text, "ends at byte 5050"));
	assert_status(object_read(o, 9000, got, 100), SHALE_CORRUPT);
	assert_ok(object_read(o, 4950, got, 100));
	assert_memory_equal(got, pattern + 4950, 100);
	object_close(o);
}

static void *no_memory(void *self, size_t align, size_t n)
{
	(void)self;
	(void)align;
	(void)n;
	return NULL;
}

static void no_memory_is_told_and_a_later_read_is_done(void **state)
{
	shale_allocator_ops ops = *shale_env_default()->allocator.ops;
	struct object_read reads[2];
	static uint8_t got[100];
	struct object *o;

	(void)state;
	write_object(1, 10000, 10000);
	o = open_object(1);
	ops.alloc_aligned = no_memory;
	shim.env.allocator.ops = &ops;
	assert_status(object_read(o, 5000, got, 100), SHALE_NO_MEMORY);
	reads[0] = reads[1] =
		(struct object_read){ .object = o, .offset = 5000, .buf = got, .n = 100 };
	object_read_many(reads, 2);
	assert_status(object_read_result(&reads[0]), SHALE_NO_MEMORY);
	assert_status(object_read_result(&reads[1]), SHALE_NO_MEMORY);
	shim.env.allocator.ops = shale_env_default()->allocator.ops;
	assert_ok(object_read(o, 5000, got, 100));
	assert_memory_equal(got, pattern + 5000, 100);
	object_close(o);
}

/* This machine's file system by itself. */
static void what_is_not_aligned_goes_through_the_cache(void **state)
{
	const shale_fs_ops *fs = shale_env_default()->fs.ops;
	uint8_t *page = aligned_alloc(4096, 8192), back[5000];
	shale_read both[2];
	char path[600];
	shale_file *f;

	(void)state;
	assert_non_null(page);
	memcpy(page, pattern, 8192);
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(fs->open(NULL, path,
				  SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_DIRECT, &f),
			 0);
	assert_int_equal(fs->pwrite(NULL, f, page, 8192, 0), 8192);
	assert_int_equal(fs->pread(NULL, f, back, 5000, 1000), 5000);
	assert_memory_equal(back, pattern + 1000, 5000);
	assert_int_equal(fs->pwrite(NULL, f, pattern + 8192, 10, 8192), 10);
	assert_int_equal(fs->pwrite_durable(NULL, f, pattern + 8202, 10, 8202), 10);
	fs->close(NULL, f);

	assert_int_equal(fs->open(NULL, path, SHALE_FILE_READ | SHALE_FILE_DIRECT, &f), 0);
	both[0] = (shale_read){ .file = f, .buf = page, .n = 8192, .offset = 4096 };
	both[1] = (shale_read){ .file = f, .buf = back, .n = 100, .offset = 8100 };
	fs->read_many(NULL, both, 2);
	assert_int_equal(both[0].result, 8212 - 4096);
	assert_memory_equal(page, pattern + 4096, 8212 - 4096);
	assert_int_equal(both[1].result, 100);
	assert_memory_equal(back, pattern + 8100, 100);
	fs->close(NULL, f);
	/* Where nothing can be had past a cache, it is had all the same. */
	assert_int_equal(fs->open(NULL, "/proc/self/stat", SHALE_FILE_READ | SHALE_FILE_DIRECT, &f),
			 0);
	assert_true(fs->pread(NULL, f, page, 4096, 0) > 0);
	fs->close(NULL, f);
	free(page);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(whole_buffers_go_past_the_page_cache),
		TEST(what_was_written_is_not_in_the_page_cache),
		TEST(reads_give_the_bytes_asked_for),
		TEST(failures_are_told_as_others_are),
		TEST(no_memory_is_told_and_a_later_read_is_done),
		TEST(what_is_not_aligned_goes_through_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
