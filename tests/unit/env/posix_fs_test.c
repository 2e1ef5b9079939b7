/* The file system of this machine, through its table of functions. */
#include "support/test.h"

#include <shale/env.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const shale_fs_ops *fs;
static char *dir;

static int start(void **state)
{
	(void)state;
	fs = shale_env_default()->fs.ops;
	dir = test_dir_new();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_dir_remove(dir);
	return 0;
}

static const char *at(const char *name)
{
	static char path[2][600];
	static int which;
	char *p = path[which++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

enum { NEW = SHALE_FILE_WRITE | SHALE_FILE_CREATE | SHALE_FILE_EXCLUSIVE };

static shale_file *make(const char *name, const char *text)
{
	shale_file *f;

	assert_int_equal(fs->open(NULL, at(name), NEW, &f), 0);
	assert_int_equal(fs->pwrite(NULL, f, text, strlen(text), 0), strlen(text));
	return f;
}

static void what_is_written_is_read_back(void **state)
{
	char buf[16] = { 0 };
	uint64_t size;
	shale_file *f = make("a", "hello World");

	(void)state;
	assert_int_equal(fs->sync(NULL, f), 0);
	assert_int_equal(fs->pwrite_durable(NULL, f, "w", 1, 6), 1);
	assert_int_equal(fs->pread(NULL, f, buf, 5, 6), 5);
	assert_string_equal(buf, "world");
	assert_int_equal(fs->pread(NULL, f, buf, 16, 6), 5); /* short at the end */
	assert_int_equal(fs->pread(NULL, f, buf, 16, 11), 0);
	assert_int_equal(fs->size(NULL, f, &size), 0);
	assert_int_equal(size, 11);
	assert_int_equal(fs->truncate(NULL, f, 4), 0);
	assert_int_equal(fs->size(NULL, f, &size), 0);
	assert_int_equal(size, 4);
	assert_int_equal(fs->writeback(NULL, f, 0, 4), 0);
	for (int advice = SHALE_ADVISE_RANDOM; advice <= SHALE_ADVISE_DONTNEED; advice++)
		assert_int_equal(fs->advise(NULL, f, 0, 4, advice), 0);
	assert_int_equal(fs->advise(NULL, f, 0, 4, 99), -EINVAL);
	fs->close(NULL, f);
}

static void many_reads_are_as_good_as_one(void **state)
{
	enum { READS = 150 };
	static uint8_t data[40000], buf[READS][700];
	shale_read reads[READS];
	shale_file *f;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	f = make("f", "");
	assert_int_equal(fs->pwrite(NULL, f, data, sizeof(data), 0), sizeof(data));
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < READS; i++)
			reads[i] = (shale_read){
				.file = f, .buf = buf[i], .n = 1 + i * 4, .offset = i * 267
			};
		fs->read_many(NULL, reads, READS);
		for (size_t i = 0; i < READS; i++) {
			size_t left = sizeof(data) - reads[i].offset;

			/* Short at the end of the file, as pread() is. */
			assert_int_equal(reads[i].result, reads[i].n < left ? reads[i].n : left);
			assert_memory_equal(buf[i], data + reads[i].offset,
					    (size_t)reads[i].result);
		}
	}
	fs->close(NULL, f);
	/* A failure comes back with the read that has it. */
	assert_int_equal(fs->open(NULL, dir, SHALE_FILE_READ, &f), 0);
	fs->read_many(NULL, reads, 0);
	reads[0] = reads[1] = (shale_read){ .file = f, .buf = buf[0], .n = 10 };
	fs->read_many(NULL, reads, 2);
	assert_int_equal(reads[0].result, -EISDIR);
	assert_int_equal(reads[1].result, -EISDIR);
	fs->close(NULL, f);
}

static void open_flags_mean_what_they_say(void **state)
{
	uint64_t size;
	shale_file *f;

	(void)state;
	assert_int_equal(fs->open(NULL, at("a"), SHALE_FILE_READ, &f), -ENOENT);
	assert_int_equal(fs->open(NULL, at("a"), SHALE_FILE_WRITE, &f), -ENOENT);
	fs->close(NULL, make("a", "text"));
	assert_int_equal(fs->open(NULL, at("a"), NEW, &f), -EEXIST);
	assert_int_equal(fs->open(NULL, at("a"), SHALE_FILE_READ, &f), 0);
	assert_int_equal(fs->pwrite(NULL, f, "x", 1, 0), -EBADF);
	fs->close(NULL, f);
	assert_int_equal(fs->open(NULL, at("a"), SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f), 0);
	assert_int_equal(fs->size(NULL, f, &size), 0);
	assert_int_equal(size, 4);
	fs->close(NULL, f);
	assert_int_equal(fs->open(NULL, at("a"), SHALE_FILE_WRITE | SHALE_FILE_TRUNCATE, &f), 0);
	assert_int_equal(fs->size(NULL, f, &size), 0);
	assert_int_equal(size, 0);
	fs->close(NULL, f);
}

static void files_are_private_and_no_links_are_followed(void **state)
{
	mode_t before = umask(0);
	struct stat st;
	shale_file *f;

	(void)state;
	fs->close(NULL, make("a", ""));
	assert_int_equal(fs->mkdir(NULL, at("d")), 0);
	umask(before);
	assert_int_equal(stat(at("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(at("d"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(symlink("a", at("link")), 0);
	assert_int_equal(fs->open(NULL, at("link"), SHALE_FILE_READ, &f), -ELOOP);
	assert_int_equal(fs->open(NULL, at("link"), SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f),
			 -ELOOP);
}

/* Run fn in a child; its exit status. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_without_standard_streams(void)
{
	static const int std[] = { 0, 1, 2 };
	shale_file *f;
	shale_file_lock *lock;

	close(0);
	close(1);
	close(2);
	if (fs->open(NULL, at("a"), NEW, &f) != 0 || fs->lock(NULL, at("LOCK"), &lock) != 0)
		return 1;
	for (int i = 0; i < 3; i++)
		if (fcntl(std[i], F_GETFD) != -1)
			return 2;
	for (int fd = 3; fd < 100; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags != -1 && !(flags & FD_CLOEXEC) && fd > 10)
			return 3;
	}
	fs->close(NULL, f);
	fs->unlock(NULL, lock);
	return 0;
}

static void standard_descriptors_are_never_used(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_without_standard_streams), 0);
}

static void allocated_space_reads_as_zeros(void **state)
{
	uint8_t buf[4096];
	uint64_t size;
	shale_file *f = make("a", "head");
	struct stat st;

	(void)state;
	assert_int_equal(fs->allocate(NULL, f, 0, 1 << 20), 0);
	assert_int_equal(fs->size(NULL, f, &size), 0);
	assert_int_equal(size, 1 << 20);
	assert_int_equal(fs->pread(NULL, f, buf, 4, 0), 4);
	assert_memory_equal(buf, "head", 4);
	assert_int_equal(fs->pread(NULL, f, buf, sizeof(buf), 500000), sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0);
	assert_int_equal(stat(at("a"), &st), 0);
	assert_true(st.st_blocks * 512 >= 1 << 20); /* it is really there */
	fs->close(NULL, f);
}

static void stores_into_a_mapping_are_in_the_file(void **state)
{
	char buf[8] = { 0 };
	char *p;
	shale_file *f = make("a", "0123456789");

	(void)state;
	assert_int_equal(fs->map(NULL, f, 4096, (void **)&p), -EINVAL); /* beyond the end */
	assert_int_equal(fs->map(NULL, f, 0, (void **)&p), -EINVAL);
	assert_int_equal(fs->allocate(NULL, f, 0, 65536), 0);
	assert_int_equal(fs->map(NULL, f, 65536, (void **)&p), 0);
	assert_memory_equal(p, "0123456789", 10);
	memcpy(p + 60000, "mapped", 6);
	assert_int_equal(fs->sync(NULL, f), 0);
	assert_int_equal(fs->pread(NULL, f, buf, 6, 60000), 6);
	assert_string_equal(buf, "mapped");
	assert_int_equal(fs->pwrite(NULL, f, "back", 4, 10), 4);
	assert_memory_equal(p + 10, "back", 4);
	fs->unmap(NULL, f, p, 65536);
	fs->close(NULL, f);
}

static int collect(void *arg, const char *name)
{
	strcat(arg, name);
	strcat(arg, " ");
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void directories_are_made_listed_and_removed(void **state)
{
	char names[256] = "";
	uint64_t size, total;
	bool is_dir;

	(void)state;
	assert_int_equal(fs->mkdir(NULL, at("d")), 0);
	assert_int_equal(fs->mkdir(NULL, at("d")), -EEXIST);
	assert_int_equal(fs->mkdir(NULL, at("x/y")), -ENOENT);
	assert_int_equal(fs->list(NULL, at("d"), collect, names), 0);
	assert_string_equal(names, "");
	fs->close(NULL, make("d/one", "1"));
	fs->close(NULL, make("d/two", "22"));
	assert_int_equal(fs->list(NULL, at("d"), collect, names), 0);
	assert_int_equal(strlen(names), 8);
	assert_non_null(strstr(names, "one "));
	assert_non_null(strstr(names, "two "));
	assert_int_equal(fs->stat(NULL, at("d/two"), &size, &is_dir), 0);
	assert_int_equal(size, 2);
	assert_false(is_dir);
	assert_int_equal(fs->stat(NULL, at("d"), &size, &is_dir), 0);
	assert_true(is_dir);
	assert_int_equal(fs->stat(NULL, at("d/three"), &size, &is_dir), -ENOENT);
	assert_int_equal(fs->rename(NULL, at("d/one"), at("d/stop")), 0);
	assert_int_equal(fs->unlink(NULL, at("d/one")), -ENOENT);
	assert_int_equal(fs->unlink(NULL, at("d/two")), 0);
	assert_int_equal(fs->list(NULL, at("d"), collect, names), 7);
	assert_int_equal(fs->rmdir(NULL, at("d")), -ENOTEMPTY);
	assert_int_equal(fs->unlink(NULL, at("d/stop")), 0);
	assert_int_equal(fs->sync_dir(NULL, at("d")), 0);
	assert_int_equal(fs->rmdir(NULL, at("d")), 0);
	assert_int_equal(fs->sync_dir(NULL, at("d")), -ENOENT);
	assert_int_equal(fs->list(NULL, at("d"), collect, names), -ENOENT);
	assert_int_equal(fs->space(NULL, dir, &size, &total), 0);
	assert_true(total > 0 && size <= total);
}

static int try_lock(void)
{
	shale_file_lock *lock;
	int rc = fs->lock(NULL, at("LOCK"), &lock);

	if (rc == 0)
		fs->unlock(NULL, lock);
	return -rc;
}

static void a_lock_keeps_out_this_process_and_others(void **state)
{
	shale_file_lock *lock, *second;
	char text[32] = { 0 }, own[32];
	shale_file *f;

	(void)state;
	assert_int_equal(fs->lock(NULL, at("LOCK"), &lock), 0);
	assert_int_equal(fs->lock(NULL, at("LOCK"), &second), -EAGAIN);
	assert_int_equal(in_child(try_lock), EAGAIN);

	/* Opening and closing the file does not drop it, as it would an old POSIX lock. */
	assert_int_equal(fs->open(NULL, at("LOCK"), SHALE_FILE_READ, &f), 0);
	assert_true(fs->pread(NULL, f, text, sizeof(text) - 1, 0) > 0);
	fs->close(NULL, f);
	snprintf(own, sizeof(own), "%d\n", (int)getpid());
	assert_string_equal(text, own);
	assert_int_equal(in_child(try_lock), EAGAIN);

	fs->unlock(NULL, lock);
	assert_int_equal(in_child(try_lock), 0);
	assert_int_equal(try_lock(), 0);
}

static shale_file_lock *inherited;

static int unlock_inherited(void)
{
	fs->unlock(NULL, inherited);
	return 0;
}

static void a_forked_child_neither_drops_nor_keeps_the_lock(void **state)
{
	int pipe_fd[2], status;
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(fs->lock(NULL, at("LOCK"), &inherited), 0);
	assert_int_equal(in_child(unlock_inherited), 0);
	assert_int_equal(in_child(try_lock), EAGAIN);

	/* A child that lives on with the descriptor open does not keep others out. */
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		close(pipe_fd[1]);
		_exit(read(pipe_fd[0], &c, 1) == 0 ? 0 : 1);
	}
	close(pipe_fd[0]);
	fs->unlock(NULL, inherited);
	assert_int_equal(try_lock(), 0);
	close(pipe_fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_lock_on_a_removed_file_does_not_count(void **state)
{
	shale_file_lock *lock, *second;

	(void)state;
	assert_int_equal(fs->lock(NULL, at("LOCK"), &lock), 0);
	assert_int_equal(fs->unlink(NULL, at("LOCK")), 0);
	assert_int_equal(fs->lock(NULL, at("LOCK"), &second), 0);
	assert_int_equal(try_lock(), EAGAIN);
	fs->unlock(NULL, lock);
	assert_int_equal(try_lock(), EAGAIN);
	fs->unlock(NULL, second);
	assert_int_equal(try_lock(), 0);
}

/* What can be neither synced nor grown says so. */
static void failures_of_the_system_come_back(void **state)
{
	shale_file *f;
	uint64_t size;
	void *addr;
	bool is_dir;

	(void)state;
	assert_int_equal(fs->open(NULL, "/dev/null", SHALE_FILE_WRITE, &f), 0);
	assert_int_equal(fs->sync(NULL, f), -EINVAL);
	assert_int_equal(fs->truncate(NULL, f, 1), -EINVAL);
	assert_int_equal(fs->allocate(NULL, f, 0, 4096), -ENODEV);
	assert_int_equal(fs->map(NULL, f, 4096, &addr), -EINVAL);
	fs->close(NULL, f);
	assert_int_equal(fs->open(NULL, "/dev/full", SHALE_FILE_WRITE, &f), 0);
	assert_int_equal(fs->pwrite(NULL, f, "x", 1, 0), -ENOSPC);
	fs->close(NULL, f);
	assert_int_equal(fs->open(NULL, dir, SHALE_FILE_READ, &f), 0);
	assert_int_equal(fs->pread(NULL, f, &size, sizeof(size), 0), -EISDIR);
	fs->close(NULL, f);
	assert_int_equal(fs->sync_dir(NULL, at("none")), -ENOENT);
	assert_int_equal(fs->stat(NULL, at("none"), &size, &is_dir), -ENOENT);
	assert_int_equal(fs->space(NULL, at("none"), &size, &size), -ENOENT);
}

static void clocks_run_and_random_bytes_differ(void **state)
{
	const shale_clock_ops *clock = shale_env_default()->clock.ops;
	uint64_t a, b, t = clock->now_ns(NULL);

	(void)state;
	assert_true(clock->now_ns(NULL) >= t);
	assert_true(clock->wall_ms(NULL) > UINT64_C(1700000000000)); /* 2023 */
	assert_true(clock->wall_ms(NULL) < UINT64_C(10000000000000));
	clock->random(NULL, &a, sizeof(a));
	clock->random(NULL, &b, sizeof(b));
	assert_true(a != b);
}

static void the_heap_aligns(void **state)
{
	const shale_allocator_ops *heap = shale_env_default()->allocator.ops;

	(void)state;
	for (size_t align = 1; align <= 65536; align *= 2) {
		void *p = heap->alloc_aligned(NULL, align, align + 1);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % align, 0);
		memset(p, 1, align + 1);
		heap->free(NULL, p);
	}
	for (size_t n = 1; n < 100; n++) {
		void *p = heap->alloc(NULL, n);

		assert_int_equal((uintptr_t)p % 16, 0);
		p = heap->realloc(NULL, p, n + 100);
		assert_int_equal((uintptr_t)p % 16, 0);
		heap->free(NULL, p);
	}
}

/* With the soft limit of a process as it is at first, a large store would stop. */
static void more_files_are_allowed_before_an_open_fails(void **state)
{
	enum { FEW = 40 };
	struct rlimit before, few;
	shale_file *file[FEW];
	char path[700];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW / 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < FEW; i++)
		assert_int_equal(fs->open(NULL, path, SHALE_FILE_WRITE | SHALE_FILE_CREATE,
					  &file[i]),
				 0);
	for (int i = 0; i < FEW; i++)
		fs->close(NULL, file[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(many_reads_are_as_good_as_one),
		TEST(open_flags_mean_what_they_say),
		TEST(files_are_private_and_no_links_are_followed),
		TEST(standard_descriptors_are_never_used),
		TEST(allocated_space_reads_as_zeros),
		TEST(stores_into_a_mapping_are_in_the_file),
		TEST(directories_are_made_listed_and_removed),
		TEST(a_lock_keeps_out_this_process_and_others),
		TEST(a_forked_child_neither_drops_nor_keeps_the_lock),
		TEST(a_lock_on_a_removed_file_does_not_count),
		TEST(failures_of_the_system_come_back),
		cmocka_unit_test(clocks_run_and_random_bytes_differ),
		cmocka_unit_test(the_heap_aligns),
		TEST(more_files_are_allowed_before_an_open_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
