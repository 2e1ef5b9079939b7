/* Logs of the local store. */
#include "unit/env/shim.h"

#include "env/store.h"

#include <errno.h>

static char *dir;
static struct shim shim;
static struct store *store;

static int start(void **state)
{
	struct store_options o = { .create = true };

	(void)state;
	dir = test_dir_new();
	shim_init(&shim);
	assert_ok(store_open(&shim.env, dir, &o, &store));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	store_close(store);
	test_dir_remove(dir);
	return 0;
}

static struct log_file *create(uint64_t number, uint64_t capacity)
{
	struct log_file *f;

	assert_ok(store_log_create(store, OBJECT_LOG, number, capacity, &f));
	return f;
}

static void a_log_grows_as_it_is_written(void **state)
{
	struct log_file *f = create(1, 0);
	char buf[16] = { 0 };
	uint64_t size;
	size_t got;

	(void)state;
	assert_string_equal(log_file_name(f), "00000000-00000001.log");
	assert_ok(log_file_size(f, &size));
	assert_int_equal(size, 0);
	assert_ok(log_file_write(f, 0, "hello ", 6));
	assert_ok(log_file_write(f, 6, "world", 5));
	assert_ok(log_file_sync(f));
	log_file_close(f);
	log_file_close(NULL);

	assert_ok(store_log_open(store, OBJECT_LOG, 1, false, &f));
	assert_ok(log_file_size(f, &size));
	assert_int_equal(size, 11);
	shim.transfer_max = 3; /* short reads are gone on with, up to the end */
	assert_ok(log_file_read(f, 0, buf, sizeof(buf), &got));
	assert_int_equal(got, 11);
	assert_memory_equal(buf, "hello world", 11);
	assert_ok(log_file_read(f, 11, buf, sizeof(buf), &got));
	assert_int_equal(got, 0);
	assert_status(log_file_write(f, 0, "x", 1), SHALE_IO); /* opened for reading */
	log_file_close(f);
}

static void a_new_log_has_its_space_and_a_durable_name(void **state)
{
	unsigned dirs = shim.count[SHIM_SYNC_DIR];
	struct log_file *f = create(1, 1 << 20), *second;
	uint8_t buf[512];
	uint64_t size;
	size_t got;

	(void)state;
	assert_int_equal(shim.count[SHIM_ALLOCATE], 1);
	assert_int_equal(shim.count[SHIM_SYNC], 1);
	assert_int_equal(shim.count[SHIM_SYNC_DIR], dirs + 1);
	assert_ok(log_file_size(f, &size));
	assert_int_equal(size, 1 << 20);
	assert_ok(log_file_read(f, 1 << 19, buf, sizeof(buf), &got));
	assert_int_equal(got, sizeof(buf));
	for (size_t i = 0; i < got; i++)
		assert_int_equal(buf[i], 0);
	assert_status(store_log_create(store, OBJECT_LOG, 1, 0, &second), SHALE_EXISTS);
	log_file_close(f);
}

static void a_log_that_could_not_be_made_is_not_there(void **state)
{
	static const struct {
		enum shim_op op;
		int errnum;
		shale_status status;
	} faults[] = {
		{ SHIM_OPEN, EMFILE, SHALE_NO_FILES },
		{ SHIM_ALLOCATE, ENOSPC, SHALE_NO_SPACE },
		{ SHIM_SYNC, EIO, SHALE_IO },
		{ SHIM_SYNC_DIR, EIO, SHALE_IO },
	};
	struct log_file *f;
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		shim_fail(&shim, faults[i].op, 1, faults[i].errnum);
		assert_status(store_log_create(store, OBJECT_LOG, 1, 65536, &f), faults[i].status);
		assert_int_equal(shale_last_error()->sys_errno, faults[i].errnum);
		assert_string_equal(shale_last_error()->object, "00000000-00000001.log");
		shim_heal(&shim);
		assert_status(store_stat(store, OBJECT_LOG, 1, &size), SHALE_MISSING);
	}
}

static void a_recycled_log_keeps_its_bytes_under_a_new_name(void **state)
{
	struct log_file *f = create(1, 4096);
	char buf[8];
	uint64_t size;
	unsigned dirs;
	size_t got;

	(void)state;
	assert_ok(log_file_write(f, 0, "before", 6));
	log_file_close(f);
	dirs = shim.count[SHIM_SYNC_DIR];
	assert_ok(store_log_recycle(store, OBJECT_LOG, 1, 2, &f));
	assert_int_equal(shim.count[SHIM_SYNC_DIR], dirs + 1);
	assert_string_equal(log_file_name(f), "00000000-00000002.log");
	assert_status(store_stat(store, OBJECT_LOG, 1, &size), SHALE_MISSING);
	assert_ok(store_stat(store, OBJECT_LOG, 2, &size));
	assert_int_equal(size, 4096);
	assert_ok(log_file_read(f, 0, buf, 6, &got));
	assert_memory_equal(buf, "before", 6);
	assert_ok(log_file_write(f, 0, "after", 5));
	log_file_close(f);
}

static void recycling_takes_no_name_that_is_in_use(void **state)
{
	struct log_file *f;
	uint64_t size;

	(void)state;
	log_file_close(create(1, 0));
	log_file_close(create(2, 0));
	assert_status(store_log_recycle(store, OBJECT_LOG, 1, 2, &f), SHALE_EXISTS);
	assert_ok(store_stat(store, OBJECT_LOG, 1, &size));
	assert_status(store_log_recycle(store, OBJECT_LOG, 9, 10, &f), SHALE_MISSING);
	shim_fail(&shim, SHIM_RENAME, 1, EIO);
	assert_status(store_log_recycle(store, OBJECT_LOG, 1, 3, &f), SHALE_IO);
	shim_heal(&shim);
	assert_ok(store_stat(store, OBJECT_LOG, 1, &size));
	shim_fail(&shim, SHIM_SYNC_DIR, 1, EIO);
	assert_status(store_log_recycle(store, OBJECT_LOG, 1, 3, &f), SHALE_IO);
	shim_heal(&shim);
	assert_status(store_stat(store, OBJECT_LOG, 3, &size), SHALE_MISSING);
}

static void stores_into_a_mapped_log_are_read_back(void **state)
{
	struct log_file *f = create(1, 65536);
	char buf[8];
	size_t got;
	char *p;

	(void)state;
	assert_ok(log_file_map(f, 65536, (void **)&p));
	memcpy(p + 50000, "mapped", 6);
	assert_ok(log_file_sync(f));
	log_file_close(f); /* unmaps */
	assert_ok(store_log_open(store, OBJECT_LOG, 1, true, &f));
	assert_ok(log_file_read(f, 50000, buf, 6, &got));
	assert_memory_equal(buf, "mapped", 6);
	assert_ok(log_file_write(f, 0, "x", 1));

	shim_fail(&shim, SHIM_MAP, 1, ENODEV);
	assert_status(log_file_map(f, 65536, (void **)&p), SHALE_UNSUPPORTED);
	shim_heal(&shim);
	shim_fail(&shim, SHIM_MAP, 1, ENOMEM);
	assert_status(log_file_map(f, 65536, (void **)&p), SHALE_NO_MEMORY);
	shim_heal(&shim);
	assert_ok(log_file_map(f, 65536, (void **)&p));
	log_file_close(f);
}

static void failures_name_the_log_and_the_place(void **state)
{
	struct log_file *f = create(0x500000006, 0);
	char buf[8];
	size_t got;

	(void)state;
	shim_fail(&shim, SHIM_PWRITE, 1, ENOSPC);
	shim_fail(&shim, SHIM_PREAD, 1, EIO);
	shim_fail(&shim, SHIM_SYNC, 1, EIO);
	assert_status(log_file_write(f, 4096, "x", 1), SHALE_NO_SPACE);
	assert_int_equal(shale_last_error()->offset, 4096);
	assert_status(log_file_read(f, 77, buf, 8, &got), SHALE_IO);
	assert_int_equal(shale_last_error()->offset, 77);
	assert_status(log_file_sync(f), SHALE_IO);
	assert_string_equal(shale_last_error()->object, "00000005-00000006.log");
	shim_heal(&shim);
	log_file_close(f);
	assert_status(store_log_open(store, OBJECT_LOG, 8, true, &f), SHALE_MISSING);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_log_grows_as_it_is_written),
		TEST(a_new_log_has_its_space_and_a_durable_name),
		TEST(a_log_that_could_not_be_made_is_not_there),
		TEST(a_recycled_log_keeps_its_bytes_under_a_new_name),
		TEST(recycling_takes_no_name_that_is_in_use),
		TEST(stores_into_a_mapped_log_are_read_back),
		TEST(failures_name_the_log_and_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
