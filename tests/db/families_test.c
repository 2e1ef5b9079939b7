/* Families: apart in content, together in batches and the log; dropped ones. */
#include "db/fixture.h"

#include <dirent.h>
#include <unistd.h>

static bool count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return true;
}

static void families_are_apart_and_share_batches(void **state)
{
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_cf *cf, *again;
	shale_batch *b;
	int names = 0;

	assert_ok(shale_cf_create(f->db, "second", NULL, &cf));
	assert_status(shale_cf_create(f->db, "second", NULL, &again), SHALE_EXISTS);
	assert_status(shale_cf_open(f->db, "third", &again), SHALE_NOT_FOUND);
	assert_status(shale_cf_create(f->db, "", NULL, &again), SHALE_INVALID);
	assert_status(shale_cf_drop(f->db, "default"), SHALE_INVALID);
	assert_ok(shale_cf_list(f->db, count_name, &names));
	assert_int_equal(names, 2);

	put_text(f, NULL, "k", "first");
	put_text(f, cf, "k", "second");
	r.cf = cf;
	expect_text(f, NULL, "k", "first");
	expect_text(f, &r, "k", "second");
	assert_ok(shale_batch_new(&b));
	w.cf = cf;
	assert_ok(shale_batch_put(b, NULL, shale_str("both"), shale_str("1")));
	assert_ok(shale_batch_put(b, &w, shale_str("both"), shale_str("2")));
	assert_ok(shale_batch_delete(b, &w, shale_str("k")));
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
	shale_cf_release(cf);

	fixture_close(f);
	fixture_open(f);
	assert_ok(shale_cf_open(f->db, "second", &cf));
	r.cf = cf;
	expect_text(f, NULL, "both", "1");
	expect_text(f, &r, "both", "2");
	expect_text(f, &r, "k", NULL);
	shale_cf_release(cf);
}

static bool count_table(void *arg, const shale_table_info *t)
{
	*(int *)arg += strcmp(t->cf, "gone") == 0;
	return true;
}

static int files_in(const char *path, const char *ending)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name), m = strlen(ending);

		n += len > m && strcmp(e->d_name + len - m, ending) == 0;
	}
	closedir(d);
	return n;
}

static void a_dropped_family_is_gone_but_for_open_iterators(void **state)
{
	struct fixture *f = *state;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_iter *it;
	shale_cf *cf;
	int tables = 0;

	assert_ok(shale_cf_create(f->db, "gone", NULL, &cf));
	put_text(f, cf, "k", "v");
	assert_ok(shale_flush(f->db, NULL));
	put_text(f, cf, "k2", "v2");
	r.cf = w.cf = cf;
	assert_ok(shale_iter_new(f->db, &r, &it));
	assert_ok(shale_cf_drop(f->db, "gone"));
	assert_status(shale_cf_drop(f->db, "gone"), SHALE_NOT_FOUND);
	assert_status(shale_put(f->db, &w, shale_str("x"), shale_str("y")), SHALE_INVALID);
	assert_ok(shale_iter_first(it));
	assert_slice(shale_iter_key(it), "k");
	assert_ok(shale_iter_next(it));
	assert_slice(shale_iter_key(it), "k2");
	/* Its files live as long as somebody may read them. */
	assert_int_equal(files_in(f->path, ".sst"), 1);
	shale_iter_free(it);
	shale_cf_release(cf);
	for (int i = 0; i < 500 && files_in(f->path, ".sst") != 0; i++)
		usleep(10000);
	assert_int_equal(files_in(f->path, ".sst"), 0);
	assert_ok(shale_tables(f->db, count_table, &tables));
	assert_int_equal(tables, 0);
	assert_ok(shale_cf_create(f->db, "gone", NULL, &cf));
	r.cf = cf;
	expect_text(f, &r, "k", NULL);
	shale_cf_release(cf);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(files_in(f->path, ".sst"), 0);
	assert_ok(shale_cf_open(f->db, "gone", &cf));
	r.cf = cf;
	expect_text(f, &r, "k2", NULL);
	shale_cf_release(cf);
}

static void a_quiet_family_does_not_pin_the_log(void **state)
{
	struct fixture *f = *state;
	shale_stats s = SHALE_STATS_INIT;
	char value[1000] = { 0 }, key[32];
	shale_cf *cf;

	fixture_close(f);
	f->options.log_bytes_max = 512 << 10;
	fixture_open(f);
	assert_ok(shale_cf_create(f->db, "quiet", NULL, &cf));
	put_text(f, cf, "once", "only");
	for (int i = 0; i < 8000; i++) {
		sprintf(key, "busy%08d", i);
		assert_ok(shale_put(f->db, NULL, shale_str(key), shale_bytes(value, 1000)));
	}
	assert_ok(shale_wait_idle(f->db));
	/* 8 MB went through a log of 128 KiB segments: spares are kept, no more. */
	assert_ok(shale_stats_get(f->db, &s));
	assert_true(s.log_bytes > 8000000);
	assert_true(files_in(f->path, ".log") < 30);
	shale_cf_release(cf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(families_are_apart_and_share_batches),
		TEST(a_dropped_family_is_gone_but_for_open_iterators),
		TEST(a_quiet_family_does_not_pin_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
