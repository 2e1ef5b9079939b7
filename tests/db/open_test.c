/* Stores and their owners: missing, existing, locked, read-only, destroyed. */
#include "db/fixture.h"

#include "base/crc32c.h"
#include "db/db.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void missing_and_existing_stores_are_told_apart(void **state)
{
	struct fixture *f = *state;
	shale_options o = SHALE_OPTIONS_INIT;
	char path[700];
	shale_db *db;

	snprintf(path, sizeof(path), "%s/none", f->dir);
	o.error_if_missing = true;
	assert_status(shale_open(path, &o, &db), SHALE_NOT_FOUND);
	assert_int_equal(access(path, F_OK), -1);
	fixture_close(f);
	o.error_if_missing = false;
	o.error_if_exists = true;
	assert_status(shale_open(f->path, &o, &db), SHALE_EXISTS);
	o.error_if_missing = true;
	assert_status(shale_open(f->path, &o, &db), SHALE_INVALID);
	o.error_if_missing = false;
	o.read_only = true;
	assert_status(shale_open(f->path, &o, &db), SHALE_INVALID);
	assert_status(shale_open("s3://bucket", NULL, &db), SHALE_UNSUPPORTED);
	assert_status(shale_open("", NULL, &db), SHALE_INVALID);
	snprintf(path, sizeof(path), "file:%s", f->path);
	assert_ok(shale_open(path, &f->options, &f->db));
}

/* Threads of this process that are as nice. */
static unsigned threads_as_nice(int nice)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(tasks);
	while ((e = readdir(tasks)) != NULL)
		n += e->d_name[0] != '.' &&
		     getpriority(PRIO_PROCESS, (id_t)atoi(e->d_name)) == nice;
	closedir(tasks);
	return n;
}

static void flushes_and_merges_make_way_as_far_as_asked(void **state)
{
	struct fixture *f = *state;
	int mine = getpriority(PRIO_PROCESS, 0);
	int nicer = mine + 7 < 19 ? mine + 7 : 19;

	if (mine == 19)
		skip();
	assert_int_equal(threads_as_nice(nicer), 0);
	fixture_close(f);
	f->options.background_threads = 3;
	f->options.background_nice = 7;
	fixture_open(f);
	for (int i = 0; i < 10000 && threads_as_nice(nicer) < 3; i++)
		env_sleep_ns(shale_env_default(), 1000000); /* they say so when they begin */
	assert_int_equal(threads_as_nice(nicer), 3);        /* not who makes the log ready */
	put_text(f, NULL, "a", "1");
	assert_ok(shale_flush(f->db, NULL));
	assert_int_equal(threads_as_nice(nicer), 3);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), mine);
}

static struct {
	unsigned written, written_direct, read, read_direct; /* tables opened to be */
} opened;

static int note_open(void *self, const char *path, unsigned flags, shale_file **out)
{
	bool direct = (flags & SHALE_FILE_DIRECT) != 0;

	if (strstr(path, ".sst") == NULL) {
		assert_false(direct);
	} else if (flags & SHALE_FILE_CREATE) {
		opened.written++;
		opened.written_direct += direct;
	} else if (flags & SHALE_FILE_READ) {
		opened.read++;
		opened.read_direct += direct;
	}
	return shale_env_default()->fs.ops->open(self, path, flags, out);
}

/* Each life reads what the ones before wrote. */
static void tables_go_past_the_page_cache_as_far_as_asked(void **state)
{
	struct fixture *f = *state;
	shale_fs_ops ops = *shale_env_default()->fs.ops;
	shale_env env = *shale_env_default();
	char key[2] = "a";

	ops.open = note_open;
	env.fs.ops = &ops;
	for (int life = 0; life < 6; life++) {
		shale_direct_io direct = (shale_direct_io)(life % 3);

		fixture_close(f);
		memset(&opened, 0, sizeof(opened));
		f->options.env = &env;
		f->options.direct_io = direct;
		fixture_open(f);
		key[0] = (char)('a' + life);
		put_text(f, NULL, key, key);
		assert_ok(shale_flush(f->db, NULL));
		assert_ok(shale_compact(f->db, NULL));
		for (key[0] = 'a'; key[0] <= 'a' + life; key[0]++)
			expect_text(f, NULL, key, key);
		assert_true(opened.written != 0 && opened.read != 0);
		assert_int_equal(opened.written_direct,
				 direct == SHALE_NO_DIRECT_IO ? 0 : opened.written);
		assert_int_equal(opened.read_direct, direct == SHALE_DIRECT_ALL ? opened.read : 0);
	}
	fixture_close(f);
	f->options.env = NULL; /* ours ends here */
	fixture_open(f);
}

static void a_second_owner_is_kept_out(void **state)
{
	struct fixture *f = *state;
	shale_db *db;
	int status;
	pid_t pid;

	assert_status(shale_open(f->path, NULL, &db), SHALE_BUSY);
	assert_non_null(strstr(shale_last_error()->text, f->path));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		shale_value v;

		/* Neither its own open nor the inherited handle works in the child. */
		if (shale_open(f->path, NULL, &db) != SHALE_BUSY)
			_exit(1);
		if (shale_put(f->db, NULL, shale_str("a"), shale_str("b")) != SHALE_FORKED)
			_exit(2);
		if (shale_get(f->db, NULL, shale_str("a"), &v) != SHALE_FORKED)
			_exit(3);
		if (shale_close(f->db) != SHALE_FORKED)
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	put_text(f, NULL, "still", "works");
}

/* One that has passed so much that the next move would have it flushed, as a writer forks. */
static void an_inherited_iterator_does_not_wait_for_a_lock(void **state)
{
	enum { DEAD = 12000 };
	struct fixture *f = *state;
	shale_iter *it;
	char key[16];
	int status;
	pid_t pid;

	assert_ok(shale_pause_compaction(f->db));
	for (int i = 0; i < DEAD; i++) {
		snprintf(key, sizeof(key), "%08d", i);
		assert_ok(shale_delete(f->db, NULL, shale_str(key)));
	}
	assert_ok(shale_iter_new(f->db, NULL, &it));
	assert_status(shale_iter_first(it), SHALE_END);
	fflush(NULL);
	mutex_lock(&f->db->commit_mu);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		_exit(shale_iter_first(it) == SHALE_FORKED ? 0 : 1);
	}
	mutex_unlock(&f->db->commit_mu);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	shale_iter_free(it);
}

/* Others are giving back or listing what they hold as the process forks. */
static void what_is_inherited_is_given_back_without_a_lock(void **state)
{
	struct fixture *f = *state;
	struct holder_stripe *stripe = f->db->holders;
	shale_snapshot *s;
	shale_iter *it;
	int status;
	pid_t pid;

	put_text(f, NULL, "a", "1");
	assert_ok(shale_snapshot_new(f->db, &s));
	assert_ok(shale_iter_new(f->db, NULL, &it));
	while (stripe->count == 0)
		stripe++;
	fflush(NULL);
	mutex_lock(&stripe->mu);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		shale_iter_free(it);
		_exit(0);
	}
	mutex_unlock(&stripe->mu);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));

	mutex_lock(&f->db->snapshots_mu);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		shale_snapshot_set_owner(s, "child");
		shale_snapshot_free(s);
		_exit(0);
	}
	mutex_unlock(&f->db->snapshots_mu);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	shale_iter_free(it);
	shale_snapshot_free(s);
}

/* Moves load blocks, under locks that others may have held as the process forked. */
static void an_inherited_iterator_refuses_to_move(void **state)
{
	struct fixture *f = *state;
	shale_iter *it;
	int status;
	pid_t pid;

	put_text(f, NULL, "a", "1");
	put_text(f, NULL, "b", "2");
	put_text(f, NULL, "c", "3");
	assert_ok(shale_iter_new(f->db, NULL, &it));
	assert_ok(shale_iter_seek(it, shale_str("b")));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (shale_iter_next(it) != SHALE_FORKED || shale_iter_next(it) != SHALE_FORKED)
			_exit(1);
		if (shale_iter_prev(it) != SHALE_FORKED)
			_exit(2);
		_exit(shale_iter_key(it).size == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_ok(shale_iter_next(it));
	shale_iter_free(it);
}

/* Names and contents of a directory's files but the lock, in no order. */
static uint32_t fingerprint(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	uint32_t sum = 0;

	while ((e = readdir(d)) != NULL) {
		char name[900], buf[4096];
		uint32_t crc;
		size_t n;
		FILE *file;

		if (e->d_name[0] == '.' || strcmp(e->d_name, "LOCK") == 0)
			continue;
		crc = crc32c(0, e->d_name, strlen(e->d_name));
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		file = fopen(name, "rb");
		assert_non_null(file);
		while ((n = fread(buf, 1, sizeof(buf), file)) != 0)
			crc = crc32c(crc, buf, n);
		fclose(file);
		sum += crc;
	}
	closedir(d);
	return sum;
}

/* A store whose process died: everything is in its log. */
static void write_and_die(const char *path, const shale_options *o)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		shale_db *db;

		if (shale_open(path, o, &db) != SHALE_OK ||
		    shale_put(db, NULL, shale_str("left"), shale_str("behind")) != SHALE_OK ||
		    shale_delete(db, NULL, shale_str("in")) != SHALE_OK)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_read_only_store_is_read_and_not_changed(void **state)
{
	struct fixture *f = *state;
	shale_options o = f->options;
	shale_batch *b;
	shale_cf *cf;
	uint32_t before;

	put_text(f, NULL, "in", "the log");
	fixture_close(f);
	o.read_only = true;
	for (int died = 0; died < 2; died++) {
		if (died)
			write_and_die(f->path, &f->options);
		before = fingerprint(f->path);
		assert_ok(shale_open(f->path, &o, &f->db));
		expect_text(f, NULL, "in", died ? NULL : "the log");
		expect_text(f, NULL, "left", died ? "behind" : NULL);
		assert_ok(shale_check(f->db, NULL, NULL, NULL));
		assert_ok(shale_wait_idle(f->db));
		assert_ok(shale_batch_new(&b));
		assert_ok(shale_batch_put(b, NULL, shale_str("a"), shale_str("b")));
		assert_status(shale_write(f->db, NULL, b), SHALE_READ_ONLY);
		shale_batch_free(b);
		assert_status(shale_put(f->db, NULL, shale_str("a"), shale_str("b")),
			      SHALE_READ_ONLY);
		assert_status(shale_delete(f->db, NULL, shale_str("in")), SHALE_READ_ONLY);
		assert_status(shale_cf_create(f->db, "x", NULL, &cf), SHALE_READ_ONLY);
		assert_status(shale_cf_drop(f->db, "x"), SHALE_READ_ONLY);
		assert_status(shale_flush(f->db, NULL), SHALE_READ_ONLY);
		assert_status(shale_compact(f->db, NULL), SHALE_READ_ONLY);
		assert_status(shale_resume(f->db), SHALE_READ_ONLY);
		fixture_close(f);
		assert_int_equal(fingerprint(f->path), before);
	}
	fixture_open(f);
	expect_text(f, NULL, "left", "behind");
}

static void a_store_can_be_destroyed(void **state)
{
	struct fixture *f = *state;

	put_text(f, NULL, "k", "v");
	assert_status(shale_destroy(f->path, NULL), SHALE_BUSY);
	fixture_close(f);
	assert_ok(shale_destroy(f->path, NULL));
	assert_int_equal(access(f->path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_and_existing_stores_are_told_apart),
		TEST(flushes_and_merges_make_way_as_far_as_asked),
		TEST(tables_go_past_the_page_cache_as_far_as_asked),
		TEST(a_second_owner_is_kept_out),
		TEST(an_inherited_iterator_does_not_wait_for_a_lock),
		TEST(what_is_inherited_is_given_back_without_a_lock),
		TEST(an_inherited_iterator_refuses_to_move),
		TEST(a_read_only_store_is_read_and_not_changed),
		TEST(a_store_can_be_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
