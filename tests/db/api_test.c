/* The public interface: what each verb does, and what it says when it cannot. */
#include "db/fixture.h"

#include "base/crc32c.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- options ---- */

static void absurd_options_are_refused_by_name(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name;
		size_t offset, size;
		uint64_t value;
		const char *range;
	} cases[] = {
#define CASE(field, value, range)                                                                  \
	{ #field, offsetof(shale_options, field), sizeof(((shale_options *)0)->field), value,      \
	  range }
		CASE(memory_budget, 1000, "1048576"),
		CASE(memory_budget, (1 << 20) - 1, "1048576"),
		CASE(memtable_bytes, 16383, "16384 to 4294967296"),
		CASE(memtable_bytes, UINT64_C(1) << 40, "16384 to 4294967296"),
		CASE(memtable_bytes, UINT64_C(400) << 20, "half of memory_budget"),
		CASE(log_bytes_max, 5, "at least memtable_bytes"),
		CASE(durability, 5, "enum shale_durability"),
		CASE(durability, UINT32_MAX, "enum shale_durability"),
		CASE(sync_interval_ms, 60001, "1 to 60000"),
		CASE(background_threads, 65, "1 to 64"),
		CASE(default_cf.compression, 5, "enum shale_compression"),
		CASE(default_cf.level_compression[7], 5, "enum shale_compression"),
		CASE(default_cf.block_bytes, 255, "256 to 1048576"),
		CASE(default_cf.block_bytes, (1u << 20) + 1, "256 to 1048576"),
		CASE(default_cf.filter_bits, 33, "1 to 32"),
		CASE(default_cf.level_filter_bits[0], 33, "0 to 32"),
		CASE(default_cf.compaction.policy, 7, "shale_policy"),
		CASE(default_cf.compaction.size_ratio, 1, "2 to 64"),
		CASE(default_cf.compaction.size_ratio, 65, "2 to 64"),
		CASE(default_cf.compaction.top_runs, 65, "1 to 64"),
		CASE(default_cf.compaction.table_bytes, 4095, "4096 to 4294967296"),
		CASE(default_cf.compaction.table_bytes, UINT64_C(1) << 33, "4096 to 4294967296"),
#undef CASE
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		shale_error error = { .status = SHALE_OK };
		shale_options o = SHALE_OPTIONS_INIT;
		const char *name = cases[i].name;
		char path[700], plain[64];
		shale_db *db;

		o.error = &error;
		memcpy((char *)&o + cases[i].offset, &cases[i].value, cases[i].size);
		snprintf(path, sizeof(path), "%s/absurd", f->dir);
		assert_status(shale_open(path, &o, &db), SHALE_INVALID);
		if (strncmp(name, "default_cf.", 11) == 0)
			name += 11;
		snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(name, "["), name);
		assert_non_null(strstr(error.text, plain));
		assert_non_null(strstr(error.text, "allowed is"));
		assert_non_null(strstr(error.text, cases[i].range));
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void a_struct_that_was_not_initialised_is_refused(void **state)
{
	struct fixture *f = *state;
	shale_write_options w;
	shale_read_options r;
	shale_flush_options fo;
	shale_compact_options co;
	shale_stats stats;
	shale_options o;
	shale_batch *b;
	shale_iter *it;
	shale_value v;
	shale_db *db;

	memset(&o, 0, sizeof(o));
	memset(&w, 0, sizeof(w));
	assert_status(shale_open("/nowhere", &o, &db), SHALE_INVALID);
	assert_status(shale_put(f->db, &w, shale_str("k"), shale_str("v")), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "_INIT"));
	assert_status(shale_delete(f->db, &w, shale_str("k")), SHALE_INVALID);
	assert_ok(shale_batch_new(&b));
	assert_status(shale_batch_put(b, &w, shale_str("k"), shale_str("v")), SHALE_INVALID);
	assert_int_equal(shale_batch_count(b), 0);
	assert_status(shale_write(f->db, &w, b), SHALE_INVALID);
	shale_batch_free(b);
	memset(&r, 0, sizeof(r));
	assert_status(shale_get(f->db, &r, shale_str("k"), &v), SHALE_INVALID);
	assert_null(v.data);
	assert_status(shale_iter_new(f->db, &r, &it), SHALE_INVALID);
	memset(&fo, 0, sizeof(fo));
	assert_status(shale_flush(f->db, &fo), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "_INIT"));
	memset(&co, 0, sizeof(co));
	assert_status(shale_compact(f->db, &co), SHALE_INVALID);
	memset(&stats, 0, sizeof(stats));
	assert_status(shale_stats_get(f->db, &stats), SHALE_INVALID);
}

static void what_belongs_to_another_store_is_refused(void **state)
{
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	shale_snapshot *snapshot;
	shale_iter *it;
	shale_value v;
	shale_cf *cf;
	shale_db *other;
	char path[700];

	snprintf(path, sizeof(path), "%s/other", f->dir);
	assert_ok(shale_open(path, &f->options, &other));
	assert_ok(shale_cf_create(other, "family", NULL, &cf));
	assert_ok(shale_snapshot_new(other, &snapshot));
	w.cf = r.cf = fo.cf = co.cf = cf;
	assert_status(shale_put(f->db, &w, shale_str("k"), shale_str("v")), SHALE_INVALID);
	assert_status(shale_get(f->db, &r, shale_str("k"), &v), SHALE_INVALID);
	assert_status(shale_iter_new(f->db, &r, &it), SHALE_INVALID);
	assert_status(shale_flush(f->db, &fo), SHALE_INVALID);
	assert_status(shale_compact(f->db, &co), SHALE_INVALID);
	r.cf = NULL;
	r.snapshot = snapshot;
	assert_status(shale_get(f->db, &r, shale_str("k"), &v), SHALE_INVALID);
	shale_snapshot_free(snapshot);
	shale_cf_release(cf);
	assert_ok(shale_close(other));
}

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

/* ---- the lock ---- */

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

/* ---- limits ---- */

static void keys_and_values_have_limits_with_a_typed_error(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, SHALE_KEY_MAX + 1);
	shale_value v;

	assert_ok(shale_put(f->db, NULL, shale_bytes(big, SHALE_KEY_MAX), shale_str("v")));
	assert_ok(shale_get(f->db, NULL, shale_bytes(big, SHALE_KEY_MAX), &v));
	shale_value_release(&v);
	assert_status(shale_put(f->db, NULL, shale_bytes(big, SHALE_KEY_MAX + 1), shale_str("v")),
		      SHALE_TOO_LARGE);
	assert_status(shale_get(f->db, NULL, shale_bytes(big, SHALE_KEY_MAX + 1), &v),
		      SHALE_TOO_LARGE);
	/* The size alone decides; the bytes are not looked at. */
	assert_status(shale_put(f->db, NULL, shale_str("k"), shale_bytes(big, SHALE_VALUE_MAX + 1)),
		      SHALE_TOO_LARGE);
	assert_status(shale_put(f->db, NULL, shale_bytes(NULL, 3), shale_str("v")), SHALE_INVALID);
	assert_status(shale_delete_range(f->db, NULL, shale_str("b"), shale_str("b")),
		      SHALE_INVALID);
	/* The empty key and the empty value are ordinary. */
	assert_ok(shale_put(f->db, NULL, shale_bytes(NULL, 0), shale_bytes(NULL, 0)));
	assert_ok(shale_get(f->db, NULL, shale_str(""), &v));
	assert_int_equal(v.size, 0);
	shale_value_release(&v);
	free(big);
}

static void large_values_and_batches_go_all_the_way(void **state)
{
	struct fixture *f = *state;
	const size_t size = 10 << 20, piece = 1 << 10;
	const int pieces = (int)test_scale(25 << 10); /* 25 MiB; 100 with four times the scale */
	char *value = malloc(size), key[32];
	shale_batch *b;
	shale_value v;

	memset(value, 'L', size);
	assert_ok(shale_put(f->db, NULL, shale_str("large"), shale_bytes(value, size)));
	assert_ok(shale_batch_new(&b));
	for (int i = 0; i < pieces; i++) {
		sprintf(key, "batch%06d", i);
		assert_ok(shale_batch_put(b, NULL, shale_str(key), shale_bytes(value, piece)));
	}
	assert_int_equal(shale_batch_count(b), pieces);
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
	fixture_close(f);
	fixture_open(f);
	for (int round = 0; round < 2; round++) {
		assert_ok(shale_get(f->db, NULL, shale_str("large"), &v));
		assert_int_equal(v.size, size);
		assert_memory_equal(v.data, value, size);
		shale_value_release(&v);
		for (int i = 0; i < pieces; i += 997) {
			sprintf(key, "batch%06d", i);
			assert_ok(shale_get(f->db, NULL, shale_str(key), &v));
			assert_int_equal(v.size, piece);
			shale_value_release(&v);
		}
		if (round == 0)
			assert_ok(shale_compact(f->db, NULL));
	}
	free(value);
}

static void many_keys_are_read_at_once(void **state)
{
	struct fixture *f = *state;
	static char long_key[SHALE_KEY_MAX + 1];
	shale_slice keys[4] = { shale_str("a"), shale_str("none"),
				shale_bytes(long_key, sizeof(long_key)), shale_str("b") };
	shale_value v[4];
	shale_status each[4];

	put_text(f, NULL, "a", "1");
	assert_ok(shale_flush(f->db, NULL));
	put_text(f, NULL, "b", "2");
	assert_status(shale_multi_get(f->db, NULL, 4, keys, v, each), SHALE_TOO_LARGE);
	assert_int_equal(shale_last_error()->status, SHALE_TOO_LARGE);
	assert_status(each[0], SHALE_OK);
	assert_status(each[1], SHALE_NOT_FOUND);
	assert_status(each[2], SHALE_TOO_LARGE);
	assert_status(each[3], SHALE_OK);
	assert_slice(slice_from(v[0].data, v[0].size), "1");
	assert_slice(slice_from(v[3].data, v[3].size), "2");
	assert_null(v[1].data);
	assert_null(v[2].data);
	for (int i = 0; i < 4; i++)
		shale_value_release(&v[i]);
	assert_ok(shale_multi_get(f->db, NULL, 0, NULL, NULL, NULL));
}

static void a_batch_can_be_used_again(void **state)
{
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_seq first = 0, second = 0;
	shale_batch *b;

	assert_ok(shale_batch_new(&b));
	w.seq_out = &first;
	assert_ok(shale_write(f->db, &w, b)); /* an empty one changes nothing */
	assert_ok(shale_batch_put(b, NULL, shale_str("k"), shale_str("1")));
	assert_ok(shale_batch_delete(b, NULL, shale_str("k")));
	assert_ok(shale_batch_put(b, NULL, shale_str("k"), shale_str("last")));
	assert_status(shale_batch_delete_range(b, NULL, shale_str("z"), shale_str("a")),
		      SHALE_INVALID);
	assert_int_equal(shale_batch_count(b), 3);
	w.seq_out = &second;
	assert_ok(shale_write(f->db, &w, b));
	assert_int_equal(second, first + 3);
	expect_text(f, NULL, "k", "last");
	assert_ok(shale_delete(f->db, NULL, shale_str("k")));
	assert_ok(shale_write(f->db, NULL, b));
	expect_text(f, NULL, "k", "last");
	shale_batch_clear(b);
	assert_int_equal(shale_batch_count(b), 0);
	assert_ok(shale_batch_delete_range(b, NULL, shale_str("a"), shale_str("z")));
	assert_ok(shale_batch_put(b, NULL, shale_str("m"), shale_str("behind the range")));
	assert_ok(shale_write(f->db, NULL, b));
	expect_text(f, NULL, "k", NULL);
	expect_text(f, NULL, "m", "behind the range");
	shale_batch_free(b);
	shale_batch_free(NULL);
}

/* ---- pinned values ---- */

static void a_pinned_value_outlives_flush_merge_and_delete(void **state)
{
	struct fixture *f = *state;
	shale_value memory, table;

	put_text(f, NULL, "k", "pinned");
	assert_ok(shale_get(f->db, NULL, shale_str("k"), &memory));
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_get(f->db, NULL, shale_str("k"), &table));
	assert_ok(shale_delete(f->db, NULL, shale_str("k")));
	assert_ok(shale_compact(f->db, NULL));
	expect_text(f, NULL, "k", NULL);
	assert_slice(slice_from(memory.data, memory.size), "pinned");
	assert_slice(slice_from(table.data, table.size), "pinned");
	shale_value_release(&memory);
	shale_value_release(&table);
	shale_value_release(&table); /* a released one is empty: allowed */
}

/* ---- families ---- */

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

/* ---- iterators ---- */

static void iterators_keep_to_bounds_prefix_and_work_budget(void **state)
{
	struct fixture *f = *state;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_status rc;
	shale_iter *it;
	char key[32];
	int pauses = 0;

	for (int i = 0; i < 1000; i++) {
		sprintf(key, "a%04d", i);
		put_text(f, NULL, key, "x");
	}
	put_text(f, NULL, "b", "last");
	for (int i = 0; i < 1000; i++) {
		sprintf(key, "a%04d", i);
		assert_ok(shale_delete(f->db, NULL, shale_str(key)));
	}
	o.skip_max = 100;
	assert_ok(shale_iter_new(f->db, &o, &it));
	for (rc = shale_iter_first(it); rc == SHALE_MORE; rc = shale_iter_next(it)) {
		assert_int_equal(shale_iter_key(it).size, 0);
		pauses++;
	}
	assert_status(rc, SHALE_OK);
	assert_in_range(pauses, 9, 11);
	assert_slice(shale_iter_key(it), "b");
	for (rc = shale_iter_prev(it), pauses = 0; rc == SHALE_MORE; rc = shale_iter_prev(it))
		pauses++;
	assert_status(rc, SHALE_END);
	assert_in_range(pauses, 9, 11);
	shale_iter_free(it);

	put_text(f, NULL, "p\xff\xff", "1");
	put_text(f, NULL,
		 "p\xff\xff"
		 "z",
		 "2");
	put_text(f, NULL, "q", "3");
	o.skip_max = 0;
	o.prefix = shale_str("p\xff\xff");
	assert_ok(shale_iter_new(f->db, &o, &it));
	assert_ok(shale_iter_last(it));
	assert_slice(shale_iter_key(it), "p\xff\xff"
					 "z");
	assert_ok(shale_iter_prev(it));
	assert_slice(shale_iter_key(it), "p\xff\xff");
	assert_status(shale_iter_prev(it), SHALE_END);
	assert_status(shale_iter_next(it), SHALE_END);
	shale_iter_free(it);
}

/* ---- time, snapshots, durability ---- */

static void expired_entries_are_invisible_and_go(void **state)
{
	struct fixture *f = *state;
	shale_cf_options co = SHALE_CF_OPTIONS_INIT;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_stats s = SHALE_STATS_INIT;
	shale_batch *b;
	shale_cf *cf;

	co.ttl_ms = 30;
	assert_ok(shale_cf_create(f->db, "short", &co, &cf));
	put_text(f, NULL, "k", "old");
	w.ttl_ms = 30;
	assert_ok(shale_put(f->db, &w, shale_str("k"), shale_str("new")));
	put_text(f, cf, "c", "family's");
	assert_ok(shale_batch_new(&b));
	assert_ok(shale_batch_put(b, &w, shale_str("batch"), shale_str("1")));
	assert_ok(shale_batch_put(b, NULL, shale_str("stays"), shale_str("2")));
	assert_ok(shale_write(f->db, NULL, b));
	shale_batch_free(b);
	usleep(60000);
	r.cf = cf;
	/* What lay beneath an expired entry stays hidden. */
	expect_text(f, NULL, "k", NULL);
	expect_text(f, NULL, "batch", NULL);
	expect_text(f, NULL, "stays", "2");
	expect_text(f, &r, "c", NULL);
	assert_ok(shale_compact(f->db, NULL));
	expect_text(f, NULL, "k", NULL);
	assert_ok(shale_stats_get(f->db, &s));
	assert_int_equal(s.level[SHALE_LEVELS_MAX - 1].entries, 1);
	shale_cf_release(cf);
}

static void a_snapshot_keeps_what_it_saw(void **state)
{
	struct fixture *f = *state;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *s;

	put_text(f, NULL, "a", "1");
	put_text(f, NULL, "b", "1");
	assert_ok(shale_snapshot_new(f->db, &s));
	r.snapshot = s;
	put_text(f, NULL, "a", "2");
	assert_ok(shale_delete_range(f->db, NULL, shale_str("a"), shale_str("z")));
	assert_ok(shale_compact(f->db, NULL));
	expect_text(f, &r, "a", "1");
	expect_text(f, &r, "b", "1");
	expect_text(f, NULL, "a", NULL);
	shale_snapshot_free(s);
	assert_ok(shale_compact(f->db, NULL));
	expect_text(f, NULL, "b", NULL);
}

static void durable_writes_can_be_waited_for(void **state)
{
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_stats before = SHALE_STATS_INIT, after = SHALE_STATS_INIT;
	shale_seq seq = 0;

	w.seq_out = &seq;
	assert_ok(shale_put(f->db, &w, shale_str("k"), shale_str("v")));
	assert_true(seq > 0);
	assert_ok(shale_stats_get(f->db, &before));
	assert_ok(shale_wait_durable(f->db, seq));
	assert_ok(shale_stats_get(f->db, &after));
	assert_true(after.log_syncs > before.log_syncs);
	assert_status(shale_wait_durable(f->db, seq + 100), SHALE_INVALID);
}

static bool sum_tables(void *arg, const shale_table_info *t)
{
	uint64_t *sums = arg;

	sums[0]++;
	sums[1] += t->entries;
	sums[2] += t->bytes;
	return t->smallest.size != 0 && t->bytes > 0;
}

static void count_file(void *arg, const char *file, uint64_t bytes, shale_status status)
{
	uint64_t *sums = arg;

	assert_non_null(strstr(file, ".sst"));
	assert_int_equal(status, SHALE_OK);
	sums[0]++;
	sums[2] += bytes;
}

static void ranges_are_compacted_and_tables_told(void **state)
{
	struct fixture *f = *state;
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	uint64_t sums[3] = { 0 }, checked[3] = { 0 };
	shale_check_report report;
	char key[32], value[500] = { 0 };

	for (int i = 0; i < 2000; i++) {
		sprintf(key, "key%06d", i);
		assert_ok(shale_put(f->db, NULL, shale_str(key), shale_bytes(value, 500)));
	}
	fo.no_wait = true;
	assert_ok(shale_flush(f->db, &fo));
	o.lower = shale_str("key000500");
	o.upper = shale_str("key000500");
	assert_status(shale_compact(f->db, &o), SHALE_INVALID);
	o.upper = shale_str("key001000");
	assert_ok(shale_compact(f->db, &o));
	assert_ok(shale_wait_idle(f->db));
	assert_ok(shale_tables(f->db, sum_tables, sums));
	assert_true(sums[0] > 1);
	assert_int_equal(sums[1], 2000);
	assert_ok(shale_check(f->db, count_file, checked, &report));
	assert_int_equal(checked[0], sums[0]);
	assert_int_equal(checked[2], sums[2]);
	assert_int_equal(report.tables, sums[0]);
	assert_int_equal(report.entries, 2000);
}

/* ---- read-only, figures, destroy ---- */

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

static void figures_add_up(void **state)
{
	struct fixture *f = *state;
	shale_stats s = SHALE_STATS_INIT;
	shale_check_report report;
	char key[32], value[100] = { 0 };

	for (int i = 0; i < 5000; i++) {
		sprintf(key, "key%06d", i);
		assert_ok(shale_put(f->db, NULL, shale_str(key), shale_bytes(value, 100)));
	}
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_wait_idle(f->db));
	expect_text(f, NULL, "absent", NULL);
	assert_ok(shale_stats_get(f->db, &s));
	assert_int_equal(s.puts, 5000);
	assert_int_equal(s.user_bytes, 5000 * 109);
	assert_true(s.flushes > 0);
	assert_int_equal(s.entries_in, s.entries_kept + s.dropped_shadowed + s.dropped_tombstones +
					       s.dropped_expired + s.dropped_range);
	assert_int_equal(s.memory_used, s.memory_memtables + s.memory_cache + s.memory_tables +
						s.memory_log + s.memory_other);
	assert_true(s.memory_used <= f->options.memory_budget + f->options.memory_budget / 10);
	assert_ok(shale_check(f->db, NULL, NULL, &report));
	assert_int_equal(report.entries, 5000);
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
		TEST(absurd_options_are_refused_by_name),
		TEST(a_struct_that_was_not_initialised_is_refused),
		TEST(what_belongs_to_another_store_is_refused),
		TEST(missing_and_existing_stores_are_told_apart),
		TEST(a_second_owner_is_kept_out),
		TEST(keys_and_values_have_limits_with_a_typed_error),
		TEST(large_values_and_batches_go_all_the_way),
		TEST(many_keys_are_read_at_once),
		TEST(a_batch_can_be_used_again),
		TEST(a_pinned_value_outlives_flush_merge_and_delete),
		TEST(families_are_apart_and_share_batches),
		TEST(a_dropped_family_is_gone_but_for_open_iterators),
		TEST(a_quiet_family_does_not_pin_the_log),
		TEST(iterators_keep_to_bounds_prefix_and_work_budget),
		TEST(expired_entries_are_invisible_and_go),
		TEST(a_snapshot_keeps_what_it_saw),
		TEST(durable_writes_can_be_waited_for),
		TEST(ranges_are_compacted_and_tables_told),
		TEST(a_read_only_store_is_read_and_not_changed),
		TEST(figures_add_up),
		TEST(a_store_can_be_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
