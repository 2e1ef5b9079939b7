/* Opening, locking, the root cell and destroying of a local store. */
#include "unit/env/shim.h"

#include "env/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir;
static struct shim shim;

static int start(void **state)
{
	(void)state;
	dir = test_dir_new();
	shim_init(&shim);
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

static void touch(const char *name)
{
	int fd = open(at(name), O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool exists(const char *name)
{
	return access(at(name), F_OK) == 0;
}

static shale_status try_open(const char *path, bool create, bool read_only, struct store **out)
{
	struct store_options o = { .create = create, .read_only = read_only };

	return store_open(&shim.env, path, &o, out);
}

static struct store *open_new(const char *name)
{
	struct store *s;

	assert_ok(try_open(at(name), true, false, &s));
	return s;
}

static void give_root(struct store *s, const char *old, const char *now)
{
	assert_ok(store_root_swap(s, shale_str(old), shale_str(now)));
}

static void a_missing_directory_is_made_only_on_demand(void **state)
{
	struct store *s;
	unsigned syncs;

	(void)state;
	assert_status(try_open(at("db"), false, false, &s), SHALE_NOT_FOUND);
	assert_false(exists("db"));
	assert_status(try_open(at("db"), true, true, &s), SHALE_NOT_FOUND); /* creates nothing */
	assert_false(exists("db"));
	syncs = shim.count[SHIM_SYNC_DIR];
	s = open_new("db");
	assert_int_equal(shim.count[SHIM_SYNC_DIR], syncs + 1); /* of the directory above */
	assert_true(exists("db/LOCK"));
	assert_string_equal(store_path(s), at("db"));
	assert_ptr_equal(store_env(s), &shim.env);
	store_close(s);
	s = open_new("db");
	store_close(s);
	assert_ok(try_open(at("db"), false, false, &s));
	store_close(s);
	assert_status(try_open(at("x/y"), true, false, &s), SHALE_IO);
	assert_non_null(strstr(shale_last_error()->text, "does not exist"));
}

static void unusable_paths_are_refused(void **state)
{
	static char path[5000];
	struct store *s;

	(void)state;
	assert_status(try_open("", true, false, &s), SHALE_INVALID);
	memset(path, 'x', sizeof(path) - 1);
	assert_status(try_open(path, true, false, &s), SHALE_INVALID);
	touch("file");
	assert_status(try_open(at("file"), true, false, &s), SHALE_NOT_A_STORE);
	assert_status(try_open(at("file/db"), true, false, &s), SHALE_IO);
	assert_status(store_destroy(&shim.env, at("file")), SHALE_NOT_A_STORE);
	assert_true(exists("file"));
}

static void relative_paths_and_trailing_slashes_work(void **state)
{
	char *before = getcwd(NULL, 0);
	struct store *s;

	(void)state;
	assert_int_equal(chdir(dir), 0);
	assert_ok(try_open("db", true, false, &s));
	give_root(s, "", "root");
	store_close(s);
	assert_ok(try_open("db//", true, false, &s));
	store_close(s);
	assert_ok(try_open("./other/", true, false, &s));
	store_close(s);
	assert_ok(store_destroy(&shim.env, "db/"));
	assert_false(exists("db"));
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void a_directory_of_others_is_left_alone(void **state)
{
	struct store *s;

	(void)state;
	assert_int_equal(mkdir(at("home"), 0700), 0);
	touch("home/thesis.txt");
	for (int create = 0; create < 2; create++)
		for (int read_only = 0; read_only < 2; read_only++) {
			assert_status(try_open(at("home"), create, read_only, &s),
				      SHALE_NOT_A_STORE);
			assert_non_null(strstr(shale_last_error()->text, "thesis.txt"));
			assert_non_null(strstr(shale_last_error()->text, at("home")));
		}
	assert_false(exists("home/LOCK"));
	assert_status(store_destroy(&shim.env, at("home")), SHALE_NOT_A_STORE);
	assert_true(exists("home/thesis.txt"));
}

static void what_a_cut_first_open_leaves_is_ours(void **state)
{
	struct store *s;

	(void)state;
	assert_int_equal(mkdir(at("db"), 0700), 0);
	touch("db/LOCK");
	touch("db/ROOT.tmp");
	touch("db/00000001-00000001.man");
	s = open_new("db");
	give_root(s, "", "root");
	store_close(s);
	touch("db/notes"); /* beside a root it does no harm */
	s = open_new("db");
	store_close(s);
}

static shale_status open_in_child(const char *path)
{
	struct store *s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		shale_status rc = try_open(path, true, false, &s);
		char want[64];

		snprintf(want, sizeof(want), "process %d", (int)getppid());
		if (rc == SHALE_BUSY && strstr(shale_last_error()->text, want) == NULL)
			_exit(100);
		_exit(rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void a_second_owner_is_told_who_has_it(void **state)
{
	struct store *s, *second;
	char want[64];

	(void)state;
	s = open_new("db");
	assert_status(try_open(at("db"), true, false, &second), SHALE_BUSY);
	snprintf(want, sizeof(want), "process %d", (int)getpid());
	assert_non_null(strstr(shale_last_error()->text, want));
	assert_int_equal(open_in_child(at("db")), SHALE_BUSY);
	assert_status(store_destroy(&shim.env, at("db")), SHALE_BUSY);
	assert_ok(try_open(at("db"), false, true, &second)); /* readers take no lock */
	store_close(second);
	assert_int_equal(open_in_child(at("db")), SHALE_BUSY);
	store_close(s);
	assert_int_equal(open_in_child(at("db")), SHALE_OK);
	assert_ok(try_open(at("db"), true, false, &s));
	store_close(s);
}

static void the_root_is_compared_and_swapped(void **state)
{
	struct store *s;
	struct buf root;

	(void)state;
	buf_init(&root, &shim.env);
	s = open_new("db");
	assert_status(store_root_read(s, &root), SHALE_NOT_FOUND);
	assert_status(store_root_swap(s, shale_str("x"), shale_str("one")), SHALE_CONFLICT);
	assert_status(store_root_swap(s, shale_str(""), shale_str("")), SHALE_INVALID);
	give_root(s, "", "one");
	assert_ok(store_root_read(s, &root));
	assert_slice(buf_view(&root), "one");
	assert_status(store_root_swap(s, shale_str(""), shale_str("two")), SHALE_CONFLICT);
	assert_status(store_root_swap(s, shale_str("on"), shale_str("two")), SHALE_CONFLICT);
	give_root(s, "one", "and two");
	store_close(s);

	assert_ok(try_open(at("db"), false, false, &s));
	assert_ok(store_root_read(s, &root)); /* replaces what is in the buffer */
	assert_slice(buf_view(&root), "and two");
	assert_false(exists("db/ROOT.tmp"));
	store_close(s);

	assert_ok(try_open(at("db"), false, true, &s));
	assert_status(store_root_swap(s, shale_str("and two"), shale_str("3")), SHALE_READ_ONLY);
	store_close(s);
	buf_fini(&root);
}

static void a_failed_swap_leaves_the_old_root(void **state)
{
	static const struct {
		enum shim_op op;
		unsigned nth;
		int errnum;
		shale_status status;
	} faults[] = {
		{ SHIM_OPEN, 2, EMFILE, SHALE_NO_FILES }, /* the first reads the old one */
		{ SHIM_PREAD, 1, EIO, SHALE_IO },
		{ SHIM_PWRITE, 1, ENOSPC, SHALE_NO_SPACE },
		{ SHIM_SYNC, 1, EIO, SHALE_IO },
		{ SHIM_RENAME, 1, EIO, SHALE_IO },
	};
	struct store *s;
	struct buf root;

	(void)state;
	buf_init(&root, &shim.env);
	s = open_new("db");
	give_root(s, "", "old");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		shim_fail(&shim, faults[i].op, faults[i].nth, faults[i].errnum);
		assert_status(store_root_swap(s, shale_str("old"), shale_str("new")),
			      faults[i].status);
		assert_memory_equal(shale_last_error()->object, "ROOT", 4);
		assert_int_equal(shale_last_error()->sys_errno, faults[i].errnum);
		shim_heal(&shim);
		assert_ok(store_root_read(s, &root));
		assert_slice(buf_view(&root), "old");
	}
	shim_fail(&shim, SHIM_SYNC_DIR, 1, EIO); /* renamed, perhaps not durable: no success */
	assert_status(store_root_swap(s, shale_str("old"), shale_str("new")), SHALE_IO);
	shim_heal(&shim);
	give_root(s, "new", "newer");
	shim.transfer_max = 2; /* short reads and writes are gone on with */
	give_root(s, "newer", "a rather longer root");
	assert_ok(store_root_read(s, &root));
	assert_slice(buf_view(&root), "a rather longer root");
	store_close(s);
	buf_fini(&root);
}

static void failures_to_open_leave_nothing_locked(void **state)
{
	static const struct {
		enum shim_op op;
		unsigned nth;
	} faults[] = { { SHIM_STAT, 1 }, { SHIM_STAT, 2 }, { SHIM_LIST, 1 }, { SHIM_SYNC_DIR, 1 } };
	struct store *s;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		shim_fail(&shim, faults[i].op, faults[i].nth, EIO);
		assert_status(try_open(at("db"), true, false, &s), SHALE_IO);
		shim_heal(&shim);
		s = open_new("db");
		store_close(s);
	}
}

static void seal_one(struct store *s, enum object_kind kind, uint64_t number)
{
	struct store_writer *w;

	assert_ok(store_create(s, kind, number, NULL, &w));
	assert_ok(store_writer_append(w, "x", 1));
	assert_ok(store_writer_seal(w));
}

static void destroy_removes_a_store_and_nothing_else(void **state)
{
	struct store *s = open_new("db");

	(void)state;
	give_root(s, "", "root");
	seal_one(s, OBJECT_TABLE, 1);
	seal_one(s, OBJECT_MANIFEST, 2);
	seal_one(s, OBJECT_LOG, 3);
	store_close(s);
	touch("db/ROOT.tmp");
	assert_ok(store_destroy(&shim.env, at("db")));
	assert_false(exists("db"));
	assert_status(store_destroy(&shim.env, at("db")), SHALE_NOT_FOUND);

	s = open_new("db");
	give_root(s, "", "root");
	seal_one(s, OBJECT_TABLE, 1);
	store_close(s);
	touch("db/notes");
	assert_ok(store_destroy(&shim.env, at("db")));
	assert_true(exists("db/notes"));
	assert_false(exists("db/ROOT"));
	assert_false(exists("db/LOCK"));
	assert_false(exists("db/00000000-00000001.sst"));
}

static void a_destroy_that_is_cut_short_can_be_done_again(void **state)
{
	struct store *s = open_new("db");

	(void)state;
	give_root(s, "", "root");
	for (uint64_t i = 0; i < 5; i++)
		seal_one(s, OBJECT_TABLE, i);
	store_close(s);
	shim_fail(&shim, SHIM_UNLINK, 3, EIO);
	assert_status(store_destroy(&shim.env, at("db")), SHALE_IO);
	shim_heal(&shim);
	assert_false(exists("db/ROOT")); /* gone first: never a store in part */
	assert_ok(store_destroy(&shim.env, at("db")));
	assert_false(exists("db"));
}

static void a_damaged_root_is_not_read_without_bound(void **state)
{
	struct store *s = open_new("db");
	struct buf root;

	(void)state;
	give_root(s, "", "root");
	assert_int_equal(truncate(at("db/ROOT"), INT64_C(1) << 40), 0);
	buf_init(&root, &shim.env);
	assert_status(store_root_read(s, &root), SHALE_CORRUPT);
	assert_string_equal(shale_last_error()->object, "ROOT");
	buf_fini(&root);
	store_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_missing_directory_is_made_only_on_demand),
		TEST(unusable_paths_are_refused),
		TEST(relative_paths_and_trailing_slashes_work),
		TEST(a_directory_of_others_is_left_alone),
		TEST(what_a_cut_first_open_leaves_is_ours),
		TEST(a_second_owner_is_told_who_has_it),
		TEST(the_root_is_compared_and_swapped),
		TEST(a_failed_swap_leaves_the_old_root),
		TEST(failures_to_open_leave_nothing_locked),
		TEST(destroy_removes_a_store_and_nothing_else),
		TEST(a_destroy_that_is_cut_short_can_be_done_again),
		TEST(a_damaged_root_is_not_read_without_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
