/* What is refused: options, structs, handles, keys and values; and how that is said. */
#include "db/fixture.h"

#include <unistd.h>

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
		CASE(background_nice, 20, "0 to 19"),
		CASE(direct_io, (shale_direct_io)3, "a value of enum shale_direct_io"),
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
		CASE(space_max, 1, "4194304"),
		CASE(space_max, 4194303, "4194304"),
		CASE(space_reserve, UINT64_MAX, "1 EiB"),
		CASE(delete_bytes_per_s, 1048575, "1048576"),
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
	shale_cf_options options = SHALE_CF_OPTIONS_INIT;
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
	assert_status(shale_cf_get_options(f->db, cf, &options), SHALE_INVALID);
	assert_ok(shale_cf_get_options(other, cf, &options));
	assert_status(shale_cf_set_options(f->db, cf, &options), SHALE_INVALID);
	r.cf = NULL;
	r.snapshot = snapshot;
	assert_status(shale_get(f->db, &r, shale_str("k"), &v), SHALE_INVALID);
	shale_snapshot_free(snapshot);
	shale_cf_release(cf);
	assert_ok(shale_close(other));
}

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

/* A caller that was built with an older header has no such field there. */
static void nothing_of_the_options_is_read_beyond_the_size_they_state(void **state)
{
	struct fixture *f = *state;
	shale_options o = f->options;
	char path[700];
	shale_db *db;

	snprintf(path, sizeof(path), "%s/older", f->dir);
	o.env = (const shale_env *)(uintptr_t)64; /* to look at it is a crash */
	o.struct_size = 3;
	assert_status(shale_open(path, &o, &db), SHALE_INVALID);
	assert_status(shale_peek(path, &o, NULL, NULL, NULL), SHALE_INVALID);
	assert_status(shale_destroy(path, &o), SHALE_INVALID);
	o.struct_size = offsetof(shale_options, env);
	assert_ok(shale_open(path, &o, &db));
	assert_ok(shale_close(db));
	assert_ok(shale_peek(path, &o, NULL, NULL, NULL));
	assert_ok(shale_destroy(path, &o));
}

/* And nothing is written to it. */
static void nothing_of_a_struct_is_written_beyond_the_size_it_states(void **state)
{
	struct fixture *f = *state;
	shale_error error = { .status = SHALE_OK };
	shale_options o = f->options;
	shale_cf_options cf;
	shale_rate rate;
	shale_db *db;

	memset(&cf, 0xA5, sizeof(cf));
	cf.struct_size = offsetof(shale_cf_options, compaction);
	assert_ok(shale_cf_get_options(f->db, NULL, &cf));
	assert_int_equal(cf.struct_size, offsetof(shale_cf_options, compaction));
	assert_true(cf.block_bytes >= 256 && cf.block_bytes <= 1 << 20);
	for (size_t i = cf.struct_size; i < sizeof(cf); i++)
		assert_int_equal(((uint8_t *)&cf)[i], 0xA5);
	cf.struct_size = 3;
	assert_status(shale_cf_get_options(f->db, NULL, &cf), SHALE_INVALID);
	cf.struct_size = sizeof(cf) + 8; /* of a newer caller */
	assert_ok(shale_cf_get_options(f->db, NULL, &cf));
	assert_int_equal(cf.struct_size, sizeof(cf));

	memset(&rate, 0xA5, sizeof(rate));
	rate.struct_size = offsetof(shale_rate, window);
	assert_ok(shale_rate_get(f->db, &rate));
	for (size_t i = rate.struct_size; i < sizeof(rate); i++)
		assert_int_equal(((uint8_t *)&rate)[i], 0xA5);
	rate.struct_size = 1 << 20;
	assert_status(shale_rate_get(f->db, &rate), SHALE_INVALID);

	/* A failed open is told to whoever has a place for it. */
	o.error = &error;
	o.struct_size = offsetof(shale_options, error);
	assert_status(shale_open(f->path, &o, &db), SHALE_BUSY);
	assert_int_equal(error.status, SHALE_OK);
	o.struct_size += sizeof(o.error);
	assert_status(shale_open(f->path, &o, &db), SHALE_BUSY);
	assert_int_equal(error.status, SHALE_BUSY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(absurd_options_are_refused_by_name),
		TEST(a_struct_that_was_not_initialised_is_refused),
		TEST(nothing_of_the_options_is_read_beyond_the_size_they_state),
		TEST(nothing_of_a_struct_is_written_beyond_the_size_it_states),
		TEST(what_belongs_to_another_store_is_refused),
		TEST(keys_and_values_have_limits_with_a_typed_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
