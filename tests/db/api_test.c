/* The public interface: what each verb on keys and values does. */
#include "db/fixture.h"

#include <unistd.h>

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
	/* Behind it: so what it passes is no gap that it could step over the next time. */
	put_text(f, NULL, "c", "newer");
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

/* Two runs of many small tables: every key belongs to one of them, its value to either. */
static void fill_two_runs(struct fixture *f)
{
	char key[32];

	fixture_close(f);
	f->options.default_cf.compaction.table_bytes = 4096;
	f->options.default_cf.compaction.top_runs = 8;
	fixture_open(f);
	for (unsigned run = 0; run < 2; run++) {
		for (unsigned i = run; i < 3000; i += 2) {
			sprintf(key, "%c-key%06u", 'a' + i * 7 / 3000, i);
			put_text(f, NULL, key, i % 3 != 0 ? "c-key001500" : "b-key");
		}
		assert_ok(shale_flush(f->db, NULL));
	}
}

/* Moves of two iterators that stand at the same entry, to a part of what one of them shows;
   the other is given a copy. */
static void seek_both(shale_iter *it, shale_iter *other, shale_slice part, bool back)
{
	char copy[64];
	shale_status rc, want;

	assert_true(part.size <= sizeof(copy));
	memcpy(copy, part.data, part.size);
	rc = (back ? shale_iter_seek_prev : shale_iter_seek)(it, part);
	part.data = copy;
	want = (back ? shale_iter_seek_prev : shale_iter_seek)(other, part);
	assert_status(rc, want);
	for (unsigned n = 0; n < 2 && want == SHALE_OK; n++) {
		assert_true(slice_eq(shale_iter_key(it), shale_iter_key(other)));
		want = (back ? shale_iter_prev : shale_iter_next)(other);
		assert_status((back ? shale_iter_prev : shale_iter_next)(it), want);
	}
}

static void an_iterator_seeks_to_what_it_shows_itself(void **state)
{
	struct fixture *f = *state;
	shale_iter *it, *other;
	char key[32];

	fill_two_runs(f);
	assert_ok(shale_iter_new(f->db, NULL, &it));
	assert_ok(shale_iter_new(f->db, NULL, &other));
	for (unsigned i = 0; i < 3000; i += 37)
		for (unsigned how = 0; how < 16; how++) {
			bool from_back = how & 1, back = how & 2;
			shale_slice part;

			sprintf(key, "%c-key%06u", 'a' + i * 7 / 3000, i);
			assert_ok((from_back ? shale_iter_seek_prev
					     : shale_iter_seek)(it, shale_str(key)));
			assert_ok((from_back ? shale_iter_seek_prev
					     : shale_iter_seek)(other, shale_str(key)));
			part = shale_iter_key(it);
			if (how & 4)
				assert_ok(shale_iter_value(it, &part));
			else if (how & 8)
				part.size = 1;
			seek_both(it, other, part, back);
		}
	shale_iter_free(it);
	shale_iter_free(other);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(large_values_and_batches_go_all_the_way),
		TEST(many_keys_are_read_at_once),
		TEST(a_batch_can_be_used_again),
		TEST(a_pinned_value_outlives_flush_merge_and_delete),
		TEST(iterators_keep_to_bounds_prefix_and_work_budget),
		TEST(an_iterator_seeks_to_what_it_shows_itself),
		TEST(expired_entries_are_invisible_and_go),
		TEST(a_snapshot_keeps_what_it_saw),
		TEST(durable_writes_can_be_waited_for),
		TEST(ranges_are_compacted_and_tables_told),
		TEST(figures_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
