/* The simulated disk as a file system, and its faults. */
#include "env/sim.h"
#include "support/test.h"

#include <errno.h>
#include <pthread.h>

static const shale_fs_ops *ops;

static int setup(void **state)
{
	ops = sim_fs_ops();
	*state = sim_fs_new(1);
	return 0;
}

static int teardown(void **state)
{
	sim_fs_free(*state);
	return 0;
}

static shale_file *open_file(struct sim_fs *fs, const char *path, unsigned flags)
{
	shale_file *f = NULL;

	assert_int_equal(ops->open(fs, path, flags, &f), 0);
	return f;
}

static shale_file *create(struct sim_fs *fs, const char *path)
{
	return open_file(fs, path, SHALE_FILE_WRITE | SHALE_FILE_CREATE);
}

static void reads_back_what_was_written(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "/a");
	char buf[16] = "";
	uint64_t size;

	assert_int_equal(ops->pwrite(fs, f, "hello", 5, 3), 5);
	assert_int_equal(ops->pread(fs, f, buf, 16, 0), 8);
	assert_memory_equal(buf, "\0\0\0hello", 8);
	assert_int_equal(ops->pread(fs, f, buf, 16, 8), 0);
	assert_int_equal(ops->size(fs, f, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(ops->truncate(fs, f, 5), 0);
	assert_int_equal(ops->truncate(fs, f, 9), 0);
	assert_int_equal(ops->pread(fs, f, buf, 16, 0), 9);
	assert_memory_equal(buf, "\0\0\0he\0\0\0\0", 9);
	assert_int_equal(ops->allocate(fs, f, 0, 100), 0);
	assert_int_equal(ops->allocate(fs, f, 0, 50), 0);
	assert_int_equal(ops->size(fs, f, &size), 0);
	assert_int_equal(size, 100);
	ops->close(fs, f);
}

static void refuses_what_a_file_system_refuses(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a"), *g;

	assert_int_equal(ops->open(fs, "b", SHALE_FILE_READ, &g), -ENOENT);
	assert_int_equal(ops->open(fs, "a/b", SHALE_FILE_READ, &g), -ENOTDIR);
	assert_int_equal(ops->open(fs, "d/b", SHALE_FILE_WRITE | SHALE_FILE_CREATE, &g), -ENOENT);
	assert_int_equal(ops->open(fs, "/", SHALE_FILE_READ, &g), -EISDIR);
	assert_int_equal(ops->open(fs, "a",
				   SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_EXCLUSIVE, &g),
			 -EEXIST);
	assert_int_equal(ops->mkdir(fs, "a"), -EEXIST);
	assert_int_equal(ops->mkdir(fs, "d"), 0);
	assert_int_equal(ops->mkdir(fs, "d/e"), 0);
	assert_int_equal(ops->rmdir(fs, "d"), -ENOTEMPTY);
	assert_int_equal(ops->rename(fs, "d", "d/e/f"), -EINVAL);
	assert_int_equal(ops->rename(fs, "a", "d"), -EISDIR);
	assert_int_equal(ops->rename(fs, "d", "a"), -ENOTDIR);
	assert_int_equal(ops->rename(fs, "x", "y"), -ENOENT);
	assert_int_equal(ops->unlink(fs, "d"), -EISDIR);
	assert_int_equal(ops->unlink(fs, "x"), -ENOENT);
	assert_int_equal(ops->sync_dir(fs, "a"), -ENOTDIR);
	g = open_file(fs, "a", SHALE_FILE_READ);
	assert_int_equal(ops->pwrite(fs, g, "x", 1, 0), -EBADF);
	ops->close(fs, g);
	ops->close(fs, f);
}

static int collect(void *arg, const char *name)
{
	strcat(strcat(arg, name), " ");
	return 0;
}

static void renames_and_lists(void **state)
{
	struct sim_fs *fs = *state;
	char names[64] = "";
	uint64_t size;
	bool is_dir;

	assert_int_equal(ops->mkdir(fs, "d"), 0);
	assert_int_equal(sim_fs_write_file(fs, "d/a", "1", 1), 0);
	assert_int_equal(sim_fs_write_file(fs, "d/b", "22", 2), 0);
	assert_int_equal(ops->rename(fs, "d/a", "d/b"), 0);
	assert_int_equal(ops->rename(fs, "d/b", "c"), 0);
	assert_int_equal(sim_fs_write_file(fs, "./d//x", "333", 3), 0);
	assert_int_equal(ops->list(fs, "d", collect, names), 0);
	assert_string_equal(names, "x ");
	assert_int_equal(ops->stat(fs, "/c", &size, &is_dir), 0);
	assert_int_equal(size, 1);
	assert_false(is_dir);
	assert_int_equal(ops->stat(fs, "/d/", &size, &is_dir), 0);
	assert_true(is_dir);
	assert_int_equal(ops->rename(fs, "d", "e"), 0);
	assert_int_equal(ops->stat(fs, "e/x", &size, &is_dir), 0);
}

static void an_unlinked_file_lives_until_its_close(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	uint64_t room, total;
	char c;

	sim_fs_set_capacity(fs, 1000);
	assert_int_equal(ops->pwrite(fs, f, "x", 1, 99), 1);
	assert_int_equal(ops->unlink(fs, "a"), 0);
	for (int i = 0; i < 200; i++) {
		/* Enough for a sweep of unused inodes. */
		ops->close(fs, create(fs, "t"));
		assert_int_equal(ops->unlink(fs, "t"), 0);
		assert_int_equal(ops->sync_dir(fs, "/"), 0);
	}
	assert_int_equal(ops->pread(fs, f, &c, 1, 99), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(ops->space(fs, "/", &room, &total), 0);
	assert_int_equal(room, 900);
	ops->close(fs, f);
	assert_int_equal(ops->space(fs, "/", &room, &total), 0);
	assert_int_equal(room, 1000);
}

static void a_full_disk_takes_what_fits(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	char buf[100] = { 1 };

	sim_fs_set_capacity(fs, 150);
	assert_int_equal(ops->pwrite(fs, f, buf, 100, 0), 100);
	assert_int_equal(ops->pwrite(fs, f, buf, 100, 100), 50);
	assert_int_equal(ops->pwrite(fs, f, buf, 100, 150), -ENOSPC);
	assert_int_equal(ops->pwrite(fs, f, buf, 100, 20), 100);
	assert_int_equal(ops->allocate(fs, f, 100, 100), -ENOSPC);
	/* Room that was taken away counts for new bytes alone. */
	sim_fs_set_capacity(fs, 10);
	assert_int_equal(ops->pwrite(fs, f, buf, 20, 20), 20);
	assert_int_equal(ops->pwrite(fs, f, buf, 20, 150), -ENOSPC);
	sim_fs_set_capacity(fs, 150);
	assert_int_equal(ops->truncate(fs, f, 0), 0);
	assert_int_equal(ops->allocate(fs, f, 0, 150), 0);
	ops->close(fs, f);
}

static void a_lock_is_exclusive_until_unlock_or_crash(void **state)
{
	struct sim_fs *fs = *state;
	shale_file_lock *a, *b;

	assert_int_equal(ops->lock(fs, "LOCK", &a), 0);
	assert_int_equal(ops->lock(fs, "LOCK", &b), -EAGAIN);
	ops->unlock(fs, a);
	assert_int_equal(ops->lock(fs, "LOCK", &a), 0);
	sim_fs_crash(fs, SIM_CRASH_PROCESS, 0);
	assert_int_equal(ops->lock(fs, "LOCK", &b), 0);
	ops->unlock(fs, a);
	assert_int_equal(ops->lock(fs, "LOCK", &a), -EAGAIN);
	ops->unlock(fs, b);
}

static void stores_through_a_mapping_are_read_and_survive_a_kill(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a"), *g;
	void *at, *again;
	char buf[4];

	assert_int_equal(ops->map(fs, f, 4096, &at), -EINVAL);
	assert_int_equal(ops->allocate(fs, f, 0, 8192), 0);
	assert_int_equal(ops->map(fs, f, 8192, &at), 0);
	assert_int_equal((uintptr_t)at % 4096, 0);
	memcpy((char *)at + 5000, "abc", 3);
	assert_int_equal(ops->pread(fs, f, buf, 4, 4999), 4);
	assert_memory_equal(buf, "\0abc", 4);
	assert_int_equal(ops->pwrite(fs, f, "XY", 2, 5001), 2);
	assert_memory_equal((char *)at + 5000, "aXY", 3);
	assert_int_equal(ops->pwrite(fs, f, "X", 1, 8192), -EFBIG);
	assert_int_equal(ops->map(fs, f, 100, &again), 0);
	assert_ptr_equal(at, again);
	ops->unmap(fs, f, again, 100);

	sim_fs_crash(fs, SIM_CRASH_PROCESS, 0);
	/* A store of the dead is nobody's. */
	memcpy((char *)at + 5000, "zzz", 3);
	assert_int_equal(ops->pread(fs, f, buf, 4, 0), -EIO);
	assert_int_equal(ops->sync(fs, f), -EIO);
	ops->unmap(fs, f, at, 8192);
	ops->close(fs, f);
	g = open_file(fs, "a", SHALE_FILE_READ);
	assert_int_equal(ops->pread(fs, g, buf, 4, 4999), 4);
	assert_memory_equal(buf, "\0aXY", 4);
	ops->close(fs, g);
}

static void a_file_no_longer_mapped_can_grow(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	void *at;

	assert_int_equal(ops->allocate(fs, f, 0, 4096), 0);
	assert_int_equal(ops->map(fs, f, 4096, &at), 0);
	assert_int_equal(ops->pwrite(fs, f, "x", 1, 4096), -EFBIG);
	ops->unmap(fs, f, at, 4096);
	assert_int_equal(ops->pwrite(fs, f, "x", 1, 4096), 1);
	ops->close(fs, f);
}

/* Every call once; how many failed. */
static int calls_that_fail(struct sim_fs *fs)
{
	shale_file *f = NULL;
	shale_file_lock *lock = NULL;
	uint64_t a, b;
	bool is_dir;
	char buf[8], names[64] = "";
	void *at = NULL;
	int bad = 0;

	bad += ops->mkdir(fs, "d") < 0;
	bad += ops->open(fs, "f", SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f) < 0;
	if (f != NULL) {
		bad += ops->pwrite(fs, f, "12345678", 8, 0) < 0;
		bad += ops->pread(fs, f, buf, 8, 0) < 0;
		bad += ops->writeback(fs, f, 0, 8) < 0;
		bad += ops->allocate(fs, f, 0, 4096) < 0;
		bad += ops->truncate(fs, f, 2048) < 0;
		bad += ops->size(fs, f, &a) < 0;
		bad += ops->advise(fs, f, 0, 8, SHALE_ADVISE_RANDOM) < 0;
		if (ops->map(fs, f, 8, &at) < 0)
			bad++;
		else
			ops->unmap(fs, f, at, 8);
		bad += ops->sync(fs, f) < 0;
		ops->close(fs, f);
	}
	bad += ops->list(fs, "/", collect, names) < 0;
	bad += ops->stat(fs, "/", &a, &is_dir) < 0;
	bad += ops->rename(fs, "f", "g") < 0;
	bad += ops->sync_dir(fs, "/") < 0;
	bad += ops->unlink(fs, "g") < 0;
	bad += ops->rmdir(fs, "d") < 0;
	bad += ops->space(fs, "/", &a, &b) < 0;
	if (ops->lock(fs, "L", &lock) < 0)
		bad++;
	else
		ops->unlock(fs, lock);
	return bad;
}

static void every_call_can_be_made_to_fail(void **state)
{
	struct sim_fs *fs;
	uint64_t n;

	(void)state;
	for (n = 1;; n++) {
		struct sim_fault rule = { .nth = n, .err = EIO };
		int bad;

		fs = sim_fs_new(n);
		sim_fs_fault(fs, &rule);
		bad = calls_that_fail(fs);
		/* What builds on the failed call may fail as well. */
		assert_true(sim_fs_fault_hits(fs) == 0 ? bad == 0 : bad >= 1);
		if (sim_fs_fault_hits(fs) == 0)
			break;
		sim_fs_free(fs);
	}
	assert_int_equal(n, SIM_OPS);
	assert_int_equal(sim_fs_calls(fs, SIM_ANY), SIM_OPS - 1);
	for (enum sim_op op = SIM_OPEN; op < SIM_OPS; op++)
		assert_int_equal(sim_fs_calls(fs, op), 1);
	sim_fs_free(fs);
}

static void a_rule_matches_by_kind_and_name_once_or_for_good(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = {
		.op = SIM_WRITE, .name_ends = ".log", .nth = 2, .err = ENOSPC, .sticky = true
	};
	shale_file *log = create(fs, "1.log"), *sst = create(fs, "1.sst");

	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->pwrite(fs, sst, "x", 1, 0), 1);
	assert_int_equal(ops->pwrite(fs, sst, "x", 1, 0), 1);
	assert_int_equal(ops->pwrite(fs, log, "x", 1, 0), 1);
	assert_int_equal(ops->pwrite(fs, log, "x", 1, 0), -ENOSPC);
	assert_int_equal(ops->pwrite(fs, log, "x", 1, 0), -ENOSPC);
	assert_int_equal(ops->sync(fs, log), 0);
	sim_fs_faults_clear(fs);
	assert_int_equal(ops->pwrite(fs, log, "x", 1, 0), 1);

	rule = (struct sim_fault){ .op = SIM_RENAME, .err = EIO, .after = true };
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->rename(fs, "1.log", "2.log"), -EIO);
	assert_int_equal(ops->rename(fs, "2.log", "3.log"), 0);
	ops->close(fs, log);
	ops->close(fs, sst);
}

static void short_reads_and_writes_make_progress(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	uint8_t out[1000], in[1000];
	size_t done, calls = 0;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	sim_fs_short_io(fs, 700, 700);
	for (done = 0; done < sizeof(out); calls++)
		done += (size_t)ops->pwrite(fs, f, out + done, sizeof(out) - done, done);
	for (done = 0; done < sizeof(in); calls++)
		done += (size_t)ops->pread(fs, f, in + done, sizeof(in) - done, done);
	assert_true(calls > 2);
	assert_memory_equal(in, out, sizeof(in));
	ops->close(fs, f);
}

static void a_flipped_bit_is_seen_by_reads_only(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f;
	void *data;
	size_t size;
	char buf[3];

	assert_int_equal(sim_fs_write_file(fs, "a", "abc", 3), 0);
	assert_int_equal(sim_fs_flip(fs, "b", 1, 0), -ENOENT);
	assert_int_equal(sim_fs_flip(fs, "a", 1, 0), 0);
	f = open_file(fs, "a", SHALE_FILE_READ);
	assert_int_equal(ops->pread(fs, f, buf, 3, 0), 3);
	assert_memory_equal(buf, "acc", 3);
	ops->close(fs, f);
	/* The medium is what rots: a crash does not heal it. */
	sim_fs_crash(fs, SIM_CRASH_CHAOS, 0);
	f = open_file(fs, "a", SHALE_FILE_READ);
	assert_int_equal(ops->pread(fs, f, buf, 3, 0), 3);
	assert_memory_equal(buf, "acc", 3);
	sim_fs_flips_clear(fs);
	assert_int_equal(ops->pread(fs, f, buf, 3, 0), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(sim_fs_corrupt(fs, "a", 2, 4), 0);
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 0);
	assert_int_equal(sim_fs_read_file(fs, "a", &data, &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(data, "abg", 3);
	free(data);
	ops->close(fs, f);
}

static void equal_disks_have_equal_hashes(void **state)
{
	struct sim_fs *fs = *state, *other = sim_fs_new(7);
	shale_file *f;

	sim_fs_write_file(fs, "a", "1", 1);
	sim_fs_write_file(fs, "b", "2", 1);
	sim_fs_write_file(other, "b", "2", 1);
	assert_true(sim_fs_hash(fs) != sim_fs_hash(other));
	f = create(other, "a");
	ops->allocate(other, f, 0, 1);
	assert_true(sim_fs_hash(fs) != sim_fs_hash(other));
	ops->pwrite(other, f, "1", 1, 0);
	assert_true(sim_fs_hash(fs) == sim_fs_hash(other));
	ops->pwrite(other, f, "\0", 1, 1);
	assert_true(sim_fs_hash(fs) != sim_fs_hash(other));
	ops->close(other, f);
	sim_fs_free(other);
}

struct race {
	struct sim_fs *fs;
	char *at;
	shale_file *f;
	unsigned me;
};

static void *store_and_sync(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 0; i < 300; i++) {
		memset(r->at + r->me * 64, (int)i, 64);
		assert_int_equal(ops->sync(r->fs, r->f), 0);
	}
	return NULL;
}

static void works_under_real_threads_with_stores_during_a_sync(void **state)
{
	struct sim_fs *fs = *state;
	struct race race[4];
	pthread_t thread[4];
	shale_file *f = create(fs, "a");
	void *at, *data;
	size_t size;

	assert_int_equal(ops->allocate(fs, f, 0, 4096), 0);
	assert_int_equal(ops->map(fs, f, 4096, &at), 0);
	for (unsigned i = 0; i < 4; i++) {
		race[i] = (struct race){ fs, at, f, i };
		pthread_create(&thread[i], NULL, store_and_sync, &race[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 0);
	assert_int_equal(sim_fs_read_file(fs, "a", &data, &size), 0);
	assert_int_equal(size, 4096);
	assert_memory_equal(data, at, 4096);
	assert_int_equal(((uint8_t *)data)[0], 299 & 255);
	free(data);
	ops->unmap(fs, f, at, 4096);
	ops->close(fs, f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads_back_what_was_written),
		TEST(refuses_what_a_file_system_refuses),
		TEST(renames_and_lists),
		TEST(an_unlinked_file_lives_until_its_close),
		TEST(a_full_disk_takes_what_fits),
		TEST(a_lock_is_exclusive_until_unlock_or_crash),
		TEST(stores_through_a_mapping_are_read_and_survive_a_kill),
		TEST(a_file_no_longer_mapped_can_grow),
		TEST(every_call_can_be_made_to_fail),
		TEST(a_rule_matches_by_kind_and_name_once_or_for_good),
		TEST(short_reads_and_writes_make_progress),
		TEST(a_flipped_bit_is_seen_by_reads_only),
		TEST(equal_disks_have_equal_hashes),
		TEST(works_under_real_threads_with_stores_during_a_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
