/* Immutable objects: writing, sealing, reading, listing, and what failures leave. */
#include "unit/env/shim.h"

#include "base/rand.h"
#include "env/store.h"

#include <errno.h>
#include <unistd.h>

static char *dir;
static struct shim shim;
static struct store *store;
static uint8_t *pattern;

enum { PATTERN = 40 << 20 };

static int fill(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	pattern = malloc(PATTERN);
	assert_non_null(pattern);
	for (size_t i = 0; i < PATTERN; i += 8)
		put_u64le(pattern + i, rand_next(&r));
	return 0;
}

static int unfill(void **state)
{
	(void)state;
	free(pattern);
	return 0;
}

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

static struct store_writer *create(uint64_t number)
{
	struct store_writer *w;

	assert_ok(store_create(store, OBJECT_TABLE, number, NULL, &w));
	return w;
}

static void read_back(uint64_t number, size_t size)
{
	struct object *o;
	uint8_t *got = malloc(size + 1);

	assert_ok(store_open_object(store, OBJECT_TABLE, number, &o));
	assert_true(object_size(o) == size);
	assert_true(object_number_of(o) == number);
	object_readahead(o, 0, size);
	assert_ok(object_read(o, 0, got, size));
	assert_memory_equal(got, pattern, size);
	object_close(o);
	free(got);
}

static void what_was_appended_is_read_back(void **state)
{
	static const size_t pieces[] = { 1, 0, 4096, 100, 262144, 262143, 1, 600000, 7 };
	struct store_writer *w = create(1);
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_ok(store_writer_append(w, pattern + total, pieces[i]));
		total += pieces[i];
		assert_true(store_writer_size(w) == total);
	}
	assert_ok(store_writer_seal(w));
	read_back(1, total);

	w = create(2); /* an empty one is one, too */
	assert_ok(store_writer_seal(w));
	read_back(2, 0);
}

static void appends_are_gathered_into_large_writes(void **state)
{
	struct store_writer *w = create(1);

	(void)state;
	for (size_t at = 0; at < 1 << 20; at += 1 << 12)
		assert_ok(store_writer_append(w, pattern + at, 1 << 12));
	assert_int_equal(shim.count[SHIM_PWRITE], 4);
	assert_ok(store_writer_seal(w));
	assert_int_equal(shim.count[SHIM_PWRITE], 4);
}

static void dirty_data_is_bounded(void **state)
{
	struct store_writer *w = create(1);

	(void)state;
	assert_ok(store_writer_append(w, pattern, PATTERN));
	assert_int_equal(shim.count[SHIM_SYNC], 2);
	assert_in_range(shim.count[SHIM_WRITEBACK], 36, 40);
	assert_in_range(shim.dirty_max, 16 << 20, 17 << 20);
	/* A piece that is waited for, one that is begun, and what gathers for the next. */
	assert_in_range(shim.count[SHIM_WRITEBACK_WAIT], 33, 37);
	assert_in_range(shim.pending_max, 2 << 20, (2 << 20) + (256 << 10));
	assert_ok(store_writer_seal(w));
	assert_int_equal(shim.count[SHIM_SYNC], 3);
	read_back(1, PATTERN);
}

static uint64_t told_ns;

static uint64_t tell_ns(void *self)
{
	(void)self;
	return told_ns;
}

static void pieces_are_short_beside_commits(void **state)
{
	static shale_clock_ops told; /* outlives the store, which asks it */
	struct store_writer *w = create(1);

	(void)state;
	told = *shim.env.clock.ops;
	told.now_ns = tell_ns;
	told_ns = 1;
	shim.env.clock.ops = &told;
	for (size_t at = 0; at < 4 << 20; at += 1 << 12) {
		store_note_commit(store);
		assert_ok(store_writer_append(w, pattern + at, 1 << 12));
	}
	assert_in_range(shim.pending_max, 64 << 10, 96 << 10);
	/* And long again when there were none for a while. */
	told_ns += 150000000;
	assert_ok(store_writer_append(w, pattern + (4 << 20), 4 << 20));
	assert_in_range(shim.pending_max, 2 << 20, (2 << 20) + (256 << 10));
	assert_ok(store_writer_seal(w));
	read_back(1, 8 << 20);
}

static void bytes_that_do_not_arrive_are_told_of(void **state)
{
	/* The last two: what a device that cannot read a sector gives, or that is gone. */
	static const int each[] = { EIO, ENOSPC, EDQUOT, ENODATA, ENOLINK };
	static const int calls[] = { SHIM_WRITEBACK, SHIM_WRITEBACK_WAIT };
	const size_t n = sizeof(each) / sizeof(each[0]);
	struct store_writer *w;
	shale_status rc;

	(void)state;
	for (size_t k = 0; k < 2 * n; k++) {
		size_t i = k % n;

		w = create(1);
		/* The third piece begins behind the first append, which waits for one alone. */
		shim_fail(&shim, calls[k / n], k < n ? 3 : 2, each[i]);
		assert_ok(store_writer_append(w, pattern, 2 << 20));
		rc = store_writer_append(w, pattern, 4 << 20);
		assert_status(rc,
			      each[i] == ENOSPC || each[i] == EDQUOT ? SHALE_NO_SPACE : SHALE_IO);
		assert_string_equal(shale_last_error()->object, "00000000-00000001.sst");
		assert_int_equal(shale_last_error()->sys_errno, each[i]);
		shim_heal(&shim);
		assert_status(store_writer_append(w, "x", 1), rc);
		assert_status(store_writer_seal(w), rc);
	}
	/* A file system that can do neither, or an environment. */
	w = create(3);
	shim_fail(&shim, SHIM_WRITEBACK, 1, ENOSYS);
	assert_ok(store_writer_append(w, pattern, 4 << 20));
	assert_ok(store_writer_seal(w));
	shim_heal(&shim);
	w = create(1);
	shim_fail(&shim, SHIM_WRITEBACK_WAIT, 1, EINVAL);
	assert_ok(store_writer_append(w, pattern, 4 << 20));
	assert_ok(store_writer_seal(w));
	shim_heal(&shim);
	shim.ops.writeback_wait = NULL;
	w = create(2);
	assert_ok(store_writer_append(w, pattern, 4 << 20));
	assert_ok(store_writer_seal(w));
	read_back(2, 4 << 20);
}

static void a_seal_syncs_the_data_and_then_the_name(void **state)
{
	struct store_writer *w = create(1);
	unsigned dirs = shim.count[SHIM_SYNC_DIR];

	(void)state;
	assert_ok(store_writer_append(w, "x", 1));
	assert_ok(store_writer_seal(w));
	assert_int_equal(shim.count[SHIM_SYNC], 1);
	assert_int_equal(shim.count[SHIM_SYNC_DIR], dirs + 1);
}

static void short_transfers_are_gone_on_with(void **state)
{
	struct store_writer *w;

	(void)state;
	shim.transfer_max = 1000;
	w = create(1);
	assert_ok(store_writer_append(w, pattern, 300001));
	assert_ok(store_writer_seal(w));
	read_back(1, 300001);
}

static void a_name_is_used_once(void **state)
{
	struct store_writer *w = create(1), *second;

	(void)state;
	assert_status(store_create(store, OBJECT_TABLE, 1, NULL, &second), SHALE_EXISTS);
	assert_ok(store_create(store, OBJECT_LOG, 1, NULL, &second)); /* another kind, another */
	store_writer_abort(second);
	assert_ok(store_writer_seal(w));
	assert_status(store_create(store, OBJECT_TABLE, 1, NULL, &second), SHALE_EXISTS);
	assert_string_equal(shale_last_error()->object, "00000000-00000001.sst");
}

static void reads_beyond_the_end_name_the_place(void **state)
{
	struct store_writer *w = create(0x100000002);
	struct object *o;
	char name[600];
	char got[64];

	(void)state;
	assert_ok(store_writer_append(w, pattern, 100));
	assert_ok(store_writer_seal(w));
	assert_ok(store_open_object(store, OBJECT_TABLE, 0x100000002, &o));
	assert_ok(object_read(o, 40, got, 60));
	assert_memory_equal(got, pattern + 40, 60);
	assert_ok(object_read(o, 100, got, 0));
	assert_status(object_read(o, 41, got, 60), SHALE_CORRUPT);
	assert_status(object_read(o, UINT64_MAX, got, 60), SHALE_CORRUPT);
	assert_status(object_read(o, 101, got, 0), SHALE_CORRUPT);
	assert_status(object_read(o, 90, got, 60), SHALE_CORRUPT);
	assert_string_equal(shale_last_error()->object, "00000001-00000002.sst");
	assert_int_equal(shale_last_error()->offset, 90);
	assert_non_null(strstr(shale_last_error()->text, "ends at byte 100"));

	/* Cut after it was opened: found by the read itself. */
	snprintf(name, sizeof(name), "%s/00000001-00000002.sst", dir);
	assert_int_equal(truncate(name, 50), 0);
	assert_status(object_read(o, 40, got, 60), SHALE_CORRUPT);
	assert_non_null(strstr(shale_last_error()->text, "ends at byte 50"));

	shim_fail(&shim, SHIM_PREAD, 1, EIO);
	assert_status(object_read(o, 10, got, 20), SHALE_IO);
	assert_int_equal(shale_last_error()->offset, 10);
	assert_int_equal(shale_last_error()->sys_errno, EIO);
	shim_heal(&shim);
	object_close(o);
	object_close(NULL);
}

static void a_failure_is_remembered_until_the_seal_and_leaves_nothing(void **state)
{
	struct store_writer *w = create(1);
	uint64_t size;

	(void)state;
	shim_fail(&shim, SHIM_PWRITE, 2, ENOSPC);
	assert_status(store_writer_append(w, pattern, 1 << 20), SHALE_NO_SPACE);
	assert_int_equal(shale_last_error()->offset, 262144);
	shim_heal(&shim);
	assert_ok(store_stat(store, OBJECT_TABLE, 1, &size));
	err_new(SHALE_INVALID, "something else");
	assert_status(store_writer_append(w, "x", 1), SHALE_NO_SPACE);
	assert_int_equal(shale_last_error()->sys_errno, ENOSPC);
	assert_status(store_writer_seal(w), SHALE_NO_SPACE);
	assert_string_equal(shale_last_error()->object, "00000000-00000001.sst");
	assert_status(store_stat(store, OBJECT_TABLE, 1, &size), SHALE_MISSING);
}

static void a_seal_that_fails_leaves_nothing(void **state)
{
	static const enum shim_op ops[] = { SHIM_PWRITE, SHIM_SYNC, SHIM_SYNC_DIR };
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct store_writer *w = create(i);

		assert_ok(store_writer_append(w, "x", 1));
		shim_fail(&shim, ops[i], 1, EIO);
		assert_status(store_writer_seal(w), SHALE_IO);
		assert_string_equal(shale_last_error()->object, object_name(OBJECT_TABLE, i).text);
		shim_heal(&shim);
		assert_status(store_stat(store, OBJECT_TABLE, i, &size), SHALE_MISSING);
	}
}

static void a_failed_sync_on_the_way_is_not_forgotten(void **state)
{
	struct store_writer *w = create(1);

	(void)state;
	shim_fail(&shim, SHIM_SYNC, 1, EIO);
	assert_status(store_writer_append(w, pattern, 17 << 20), SHALE_IO);
	shim_heal(&shim); /* a second sync of the file would succeed and lie */
	assert_status(store_writer_seal(w), SHALE_IO);
}

static void an_abort_removes_the_object(void **state)
{
	struct store_writer *w = create(1);
	uint64_t size;

	(void)state;
	assert_ok(store_writer_append(w, pattern, 1 << 20));
	store_writer_abort(w);
	store_writer_abort(NULL);
	assert_status(store_stat(store, OBJECT_TABLE, 1, &size), SHALE_MISSING);
	w = create(1);
	assert_ok(store_writer_seal(w));
}

static shale_status note(void *arg, enum object_kind kind, uint64_t number)
{
	uint64_t *seen = arg;

	seen[kind] |= UINT64_C(1) << number;
	return number == 63 ? SHALE_BUG : SHALE_OK;
}

static shale_status delete_each(void *arg, enum object_kind kind, uint64_t number)
{
	(void)arg;
	return store_delete(store, kind, number);
}

static void objects_are_listed_and_deleted(void **state)
{
	uint64_t seen[4] = { 0 }, size, total;
	char name[600];
	FILE *f;

	(void)state;
	assert_ok(store_list(store, note, seen));
	assert_int_equal(seen[OBJECT_TABLE] | seen[OBJECT_LOG], 0);
	for (uint64_t i = 1; i < 6; i++) {
		struct store_writer *w;

		assert_ok(store_create(store, i & 1 ? OBJECT_TABLE : OBJECT_MANIFEST, i, NULL, &w));
		assert_ok(store_writer_append(w, pattern, i));
		assert_ok(store_writer_seal(w));
	}
	snprintf(name, sizeof(name), "%s/not-an-object.sst", dir);
	f = fopen(name, "w");
	assert_non_null(f);
	fclose(f);
	assert_ok(store_list(store, note, seen));
	assert_int_equal(seen[OBJECT_TABLE], 1 << 1 | 1 << 3 | 1 << 5);
	assert_int_equal(seen[OBJECT_MANIFEST], 1 << 2 | 1 << 4);
	assert_int_equal(seen[OBJECT_LOG], 0);
	assert_ok(store_stat(store, OBJECT_MANIFEST, 4, &size));
	assert_int_equal(size, 4);

	assert_status(store_delete(store, OBJECT_MANIFEST, 5), SHALE_MISSING);
	assert_string_equal(shale_last_error()->object, "00000000-00000005.man");
	assert_ok(store_list(store, delete_each, NULL)); /* while it lists */
	memset(seen, 0, sizeof(seen));
	assert_ok(store_list(store, note, seen));
	assert_int_equal(seen[OBJECT_TABLE] | seen[OBJECT_MANIFEST], 0);

	assert_ok(store_writer_seal(create(63)));
	assert_status(store_list(store, note, seen), SHALE_BUG);
	shim_fail(&shim, SHIM_LIST, 1, EIO);
	assert_status(store_list(store, note, seen), SHALE_IO);
	shim_heal(&shim);
	shim_fail(&shim, SHIM_UNLINK, 1, EIO);
	assert_status(store_delete(store, OBJECT_TABLE, 63), SHALE_IO);
	assert_non_null(strstr(shale_last_error()->text, "0000003f.sst"));
	shim_heal(&shim);
	assert_ok(store_space(store, &size, &total));
	assert_true(total >= size && total != 0);
}

static void a_missing_object_is_told_by_name(void **state)
{
	struct object *o;

	(void)state;
	assert_status(store_open_object(store, OBJECT_TABLE, 7, &o), SHALE_MISSING);
	assert_string_equal(shale_last_error()->object, "00000000-00000007.sst");
}

static void a_read_only_store_changes_nothing(void **state)
{
	struct store_options o = { .read_only = true };
	struct store_writer *w;
	struct log_file *log;
	struct store *s;

	(void)state;
	assert_ok(store_writer_seal(create(1)));
	assert_ok(store_open(&shim.env, dir, &o, &s));
	assert_status(store_create(s, OBJECT_TABLE, 2, NULL, &w), SHALE_READ_ONLY);
	assert_status(store_delete(s, OBJECT_TABLE, 1), SHALE_READ_ONLY);
	assert_status(store_log_create(s, OBJECT_LOG, 2, 0, &log), SHALE_READ_ONLY);
	assert_status(store_log_open(s, OBJECT_LOG, 2, true, &log), SHALE_READ_ONLY);
	assert_status(store_log_recycle(s, OBJECT_LOG, 2, 3, &log), SHALE_READ_ONLY);
	store_close(s);
}

static void the_rate_limiter_sees_every_byte(void **state)
{
	struct store_writer *w;
	struct rate rate;
	struct rate_user user = { .rate = &rate };
	uint64_t began = env_now_ns(&shim.env);

	(void)state;
	rate_init(&rate, &shim.env, 10 << 20, 0);
	assert_ok(store_create(store, OBJECT_TABLE, 1, &user, &w));
	assert_ok(store_writer_append(w, pattern, 1 << 20));
	assert_ok(store_writer_seal(w));
	assert_true(env_now_ns(&shim.env) - began >= 90000000); /* 100 ms at 10 MiB/s */
}

/* Every allocation fails once; nothing leaks (ASan) and the store goes on. */
static unsigned allocations, fail_allocation;

static void *failing_alloc(void *self, size_t n)
{
	return ++allocations == fail_allocation
		       ? NULL
		       : shale_env_default()->allocator.ops->alloc(self, n);
}

static void *failing_aligned(void *self, size_t align, size_t n)
{
	return ++allocations == fail_allocation
		       ? NULL
		       : shale_env_default()->allocator.ops->alloc_aligned(self, align, n);
}

static void *failing_realloc(void *self, void *p, size_t n)
{
	return ++allocations == fail_allocation
		       ? NULL
		       : shale_env_default()->allocator.ops->realloc(self, p, n);
}

static shale_status all_that_allocates(const char *path)
{
	struct store_options o = { .create = true };
	struct store *s = NULL;
	struct store_writer *w;
	struct object *object;
	struct log_file *log;
	uint64_t seen[4];
	shale_status rc = store_open(&shim.env, path, &o, &s);

	if (rc == SHALE_OK)
		rc = store_root_swap(s, shale_str(""), shale_str("root"));
	if (rc == SHALE_OK)
		rc = store_create(s, OBJECT_TABLE, 1, NULL, &w);
	if (rc == SHALE_OK)
		rc = store_writer_seal(w);
	if (rc == SHALE_OK)
		rc = store_open_object(s, OBJECT_TABLE, 1, &object);
	if (rc == SHALE_OK)
		object_close(object);
	if (rc == SHALE_OK)
		rc = store_list(s, note, seen);
	if (rc == SHALE_OK)
		rc = store_log_create(s, OBJECT_LOG, 1, 0, &log);
	if (rc == SHALE_OK)
		log_file_close(log);
	store_close(s);
	return rc;
}

static void no_memory_is_a_failure_like_others(void **state)
{
	shale_allocator_ops ops = *shim.env.allocator.ops;
	char path[600];
	shale_status rc;

	(void)state;
	snprintf(path, sizeof(path), "%s/inner", dir);
	ops.alloc = failing_alloc;
	ops.alloc_aligned = failing_aligned;
	ops.realloc = failing_realloc;
	for (fail_allocation = 1;; fail_allocation++) {
		shim.env.allocator.ops = &ops;
		allocations = 0;
		rc = all_that_allocates(path);
		shim.env.allocator.ops = shale_env_default()->allocator.ops;
		if (rc == SHALE_OK)
			break;
		assert_status(rc, SHALE_NO_MEMORY);
		rc = store_destroy(&shim.env, path);
		assert_true(rc == SHALE_OK || rc == SHALE_NOT_FOUND);
		assert_true(fail_allocation < 100);
	}
	assert_true(fail_allocation > 6);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(what_was_appended_is_read_back),
		TEST(appends_are_gathered_into_large_writes),
		TEST(dirty_data_is_bounded),
		TEST(pieces_are_short_beside_commits),
		TEST(bytes_that_do_not_arrive_are_told_of),
		TEST(a_seal_syncs_the_data_and_then_the_name),
		TEST(short_transfers_are_gone_on_with),
		TEST(a_name_is_used_once),
		TEST(reads_beyond_the_end_name_the_place),
		TEST(a_failure_is_remembered_until_the_seal_and_leaves_nothing),
		TEST(a_seal_that_fails_leaves_nothing),
		TEST(a_failed_sync_on_the_way_is_not_forgotten),
		TEST(an_abort_removes_the_object),
		TEST(objects_are_listed_and_deleted),
		TEST(a_missing_object_is_told_by_name),
		TEST(a_read_only_store_changes_nothing),
		TEST(the_rate_limiter_sees_every_byte),
		TEST(no_memory_is_a_failure_like_others),
	};

	return cmocka_run_group_tests(tests, fill, unfill);
}
