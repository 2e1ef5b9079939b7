/* The edges of the public interface: what is refused, and what comes just before that. */
#include "db/fixture.h"

#include <unistd.h>

/* ---- batches ---- */

static void a_batch_over_many_families_is_whole(void **state)
{
	enum { FAMILIES = 9 };
	struct fixture *f = *state;
	shale_cf *cf[FAMILIES];
	shale_batch *b;

	assert_ok(shale_batch_new(&b));
	for (int i = 0; i < FAMILIES; i++) {
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
		char name[24];

		snprintf(name, sizeof(name), "family%d", i);
		assert_ok(shale_cf_create(f->db, name, NULL, &cf[i]));
		w.cf = cf[i];
		assert_ok(shale_batch_put(b, &w, shale_str("k"), shale_str(name)));
	}
	assert_ok(shale_write(f->db, NULL, b));
	for (int i = 0; i < FAMILIES; i++) {
		shale_read_options r = SHALE_READ_OPTIONS_INIT;
		char name[24];

		snprintf(name, sizeof(name), "family%d", i);
		r.cf = cf[i];
		expect_text(f, &r, "k", name);
	}

	/* With one of them gone nothing of it is written. */
	assert_ok(shale_cf_drop(f->db, "family4"));
	assert_ok(shale_batch_put(b, NULL, shale_str("other"), shale_str("v")));
	assert_status(shale_write(f->db, NULL, b), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "does not have"));
	expect_text(f, NULL, "other", NULL);
	shale_batch_free(b);
	for (int i = 0; i < FAMILIES; i++)
		shale_cf_release(cf[i]);
}

static void pointers_to_nothing_are_refused(void **state)
{
	struct fixture *f = *state;
	shale_slice none = slice_from(NULL, 3), k = shale_str("k");
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_batch *b;

	assert_status(shale_put(f->db, NULL, k, none), SHALE_INVALID);
	assert_status(shale_put(f->db, NULL, none, k), SHALE_INVALID);
	assert_status(shale_delete(f->db, NULL, none), SHALE_INVALID);
	assert_status(shale_delete_range(f->db, NULL, none, k), SHALE_INVALID);
	assert_status(shale_delete_range(f->db, NULL, k, none), SHALE_INVALID);
	assert_ok(shale_batch_new(&b));
	assert_status(shale_batch_put(b, NULL, k, none), SHALE_INVALID);
	assert_status(shale_batch_put(b, NULL, none, k), SHALE_INVALID);
	assert_status(shale_batch_delete(b, NULL, none), SHALE_INVALID);
	assert_status(shale_batch_delete_range(b, NULL, none, k), SHALE_INVALID);
	assert_status(shale_batch_delete_range(b, NULL, k, k), SHALE_INVALID);
	assert_int_equal(shale_batch_count(b), 0);
	shale_batch_free(b);
	/* Nothing at all is a key and a value. */
	assert_ok(shale_put(f->db, NULL, slice_from(NULL, 0), slice_from(NULL, 0)));
	expect_text(f, NULL, "", "");

	w.durability = (shale_durability)99;
	assert_status(shale_put(f->db, &w, k, k), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "durability is 99"));
	assert_status(shale_open(NULL, &f->options, &f->db), SHALE_INVALID);
	assert_status(shale_open("", &f->options, &f->db), SHALE_INVALID);
	assert_status(shale_destroy("", NULL), SHALE_INVALID);
}

static void ignore_step(void *arg, const shale_explain_step *step)
{
	(void)arg;
	(void)step;
}

enum { ASKED = 5 };

/* Each read of `key` answers alike; OK: with "v". */
static void expect_reads(struct fixture *f, shale_slice key, shale_status expected)
{
	shale_slice keys[ASKED];
	shale_value values[ASKED];
	shale_status each[ASKED];
	shale_iter *it;
	shale_value v;

	assert_status(shale_get(f->db, NULL, key, &v), expected);
	shale_value_release(&v);
	assert_status(shale_explain(f->db, NULL, key, ignore_step, NULL), expected);
	for (size_t n = 1; n <= ASKED; n += ASKED - 1) {
		for (size_t i = 0; i < n; i++)
			keys[i] = key;
		assert_status(shale_multi_get(f->db, NULL, n, keys, values, each), expected);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(each[i], expected);
			shale_value_release(&values[i]);
		}
	}
	assert_ok(shale_iter_new(f->db, NULL, &it));
	for (int back = 0; back < 2; back++) {
		assert_status(back ? shale_iter_seek_prev(it, key) : shale_iter_seek(it, key),
			      expected);
		if (expected != SHALE_OK)
			continue;
		assert_int_equal(shale_iter_key(it).size, 0);
		assert_ok(shale_iter_next(it));
		assert_slice(shale_iter_key(it), "k");
	}
	shale_iter_free(it);
}

static void reads_refuse_pointers_to_nothing_and_take_nothing_at_all(void **state)
{
	struct fixture *f = *state;
	shale_slice nothing = slice_from(NULL, 0), none = slice_from(NULL, 3);

	assert_ok(shale_put(f->db, NULL, nothing, shale_str("v")));
	put_text(f, NULL, "k", "v");
	expect_reads(f, nothing, SHALE_OK);
	expect_reads(f, none, SHALE_INVALID);
	assert_ok(shale_flush(f->db, NULL));
	expect_reads(f, nothing, SHALE_OK);
	expect_reads(f, none, SHALE_INVALID);
}

/* The key behind the largest possible one, as who goes on behind a key asks for it. */
static void a_seek_may_ask_for_more_than_a_key_can_be(void **state)
{
	static char beyond[SHALE_KEY_MAX + 1];
	struct fixture *f = *state;
	shale_iter *it;

	assert_ok(shale_put(f->db, NULL, slice_from(beyond, SHALE_KEY_MAX), shale_str("v")));
	for (int flushed = 0; flushed < 2; flushed++) {
		put_text(f, NULL, "k", "v");
		assert_ok(shale_iter_new(f->db, NULL, &it));
		assert_ok(shale_iter_seek(it, slice_from(beyond, sizeof(beyond))));
		assert_slice(shale_iter_key(it), "k");
		assert_ok(shale_iter_seek_prev(it, slice_from(beyond, sizeof(beyond))));
		assert_int_equal(shale_iter_key(it).size, SHALE_KEY_MAX);
		shale_iter_free(it);
		assert_ok(shale_flush(f->db, NULL));
	}
}

/* ---- families ---- */

static void names_of_families_have_limits(void **state)
{
	struct fixture *f = *state;
	char name[SHALE_CF_NAME_MAX + 2];
	shale_cf *cf;

	memset(name, 'n', sizeof(name));
	name[SHALE_CF_NAME_MAX + 1] = '\0';
	assert_status(shale_cf_create(f->db, NULL, NULL, &cf), SHALE_INVALID);
	assert_status(shale_cf_create(f->db, "", NULL, &cf), SHALE_INVALID);
	assert_status(shale_cf_create(f->db, name, NULL, &cf), SHALE_INVALID);
	assert_status(shale_cf_open(f->db, name, &cf), SHALE_INVALID);
	assert_status(shale_cf_drop(f->db, name), SHALE_INVALID);
	name[SHALE_CF_NAME_MAX] = '\0';
	assert_status(shale_cf_open(f->db, name, &cf), SHALE_NOT_FOUND);
	assert_status(shale_cf_drop(f->db, name), SHALE_NOT_FOUND);
	assert_ok(shale_cf_create(f->db, name, NULL, &cf));
	shale_cf_release(cf);
	fixture_close(f);
	fixture_open(f);
	assert_ok(shale_cf_open(f->db, name, &cf));
	shale_cf_release(cf);
	assert_ok(shale_cf_drop(f->db, name));
}

static void a_dropped_family_takes_no_options(void **state)
{
	struct fixture *f = *state;
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	shale_cf *cf;

	assert_ok(shale_cf_create(f->db, "short-lived", NULL, &cf));
	assert_ok(shale_cf_get_options(f->db, cf, &o));
	o.compaction.policy = SHALE_TIERED;
	o.block_bytes = 1;
	assert_status(shale_cf_set_options(f->db, cf, &o), SHALE_INVALID);
	o.block_bytes = 2048;
	assert_ok(shale_cf_set_options(f->db, cf, &o));
	assert_ok(shale_cf_drop(f->db, "short-lived"));
	assert_status(shale_cf_set_options(f->db, cf, &o), SHALE_NOT_FOUND);
	shale_cf_release(cf);
}

struct calls {
	unsigned made, allowed;
};

static bool count_name(void *arg, const char *name)
{
	struct calls *c = arg;

	assert_non_null(name);
	return ++c->made < c->allowed;
}

static bool count_table(void *arg, const shale_table_info *t)
{
	struct calls *c = arg;

	assert_non_null(t);
	return ++c->made < c->allowed;
}

static void a_list_ends_when_it_is_told_to(void **state)
{
	struct fixture *f = *state;
	struct calls some = { 0, 2 }, all = { 0, 100 };
	static const char *const names[] = { "a", "b", "c" };

	for (int i = 0; i < 3; i++) {
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;

		assert_ok(shale_cf_create(f->db, names[i], NULL, &w.cf));
		assert_ok(shale_put(f->db, &w, shale_str("k"), shale_str("v")));
		shale_cf_release(w.cf);
	}
	assert_ok(shale_flush(f->db, NULL));
	assert_ok(shale_cf_list(f->db, count_name, &some));
	assert_int_equal(some.made, 2);
	assert_ok(shale_cf_list(f->db, count_name, &all));
	assert_int_equal(all.made, 4);
	some.made = all.made = 0;
	assert_ok(shale_tables(f->db, count_table, &some));
	assert_int_equal(some.made, 2);
	assert_ok(shale_tables(f->db, count_table, &all));
	assert_int_equal(all.made, 3);
}

/* ---- iterators ---- */

/* No key comes behind all that begin so: there is no bound to be made of the prefix. */
static void a_prefix_of_the_largest_bytes_has_no_end(void **state)
{
	static const char *const keys[] = { "a",        "\xfe\xff",     "\xff",
					    "\xff\xff", "\xff\xff\x01", "\xff\xff\xff" };
	struct fixture *f = *state;

	for (int i = 0; i < 6; i++)
		put_text(f, NULL, keys[i], "v");
	for (size_t n = 0; n <= 3; n++) {
		static const unsigned want[] = { 6, 4, 3, 1 };
		shale_read_options r = SHALE_READ_OPTIONS_INIT;
		unsigned forth = 0, back = 0;
		shale_iter *it;
		shale_slice v;

		r.prefix = slice_from("\xff\xff\xff", n);
		assert_ok(shale_iter_new(f->db, &r, &it));
		assert_status(shale_iter_value(it, &v), SHALE_END);
		for (shale_status rc = shale_iter_first(it); rc == SHALE_OK;
		     rc = shale_iter_next(it))
			forth++;
		assert_status(shale_iter_value(it, &v), SHALE_END);
		for (shale_status rc = shale_iter_last(it); rc == SHALE_OK;
		     rc = shale_iter_prev(it))
			back++;
		assert_int_equal(forth, want[n]);
		assert_int_equal(back, want[n]);
		shale_iter_free(it);
	}
}

/* ---- explanations ---- */

static void keep_last(void *arg, const shale_explain_step *step)
{
	*(shale_explain_step *)arg = *step;
}

static void expect_outcome(struct fixture *f, const char *key, enum shale_explain_outcome outcome,
			   bool memtable)
{
	shale_explain_step last = { .outcome = SHALE_KEY_NOT_HERE };
	shale_status rc = shale_explain(f->db, NULL, shale_str(key), keep_last, &last);

	assert_status(rc, outcome == SHALE_KEY_FOUND ? SHALE_OK : SHALE_NOT_FOUND);
	assert_int_equal(last.outcome, outcome);
	if (outcome != SHALE_KEY_NOT_HERE)
		assert_int_equal(last.memtable, memtable);
}

/* In memory and then in a table. */
static void an_explanation_knows_ranges_and_time(void **state)
{
	struct fixture *f = *state;
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;

	/* Else what is dead in the table soon goes from there. */
	assert_ok(shale_pause_compaction(f->db));
	w.ttl_ms = 1;
	put_text(f, NULL, "covered", "v");
	put_text(f, NULL, "d", "v");
	assert_ok(shale_delete_range(f->db, NULL, shale_str("c"), shale_str("cz")));
	put_text(f, NULL, "cx", "above the range");
	assert_ok(shale_put(f->db, &w, shale_str("expired"), shale_str("v")));
	usleep(5000);
	for (int in_table = 0; in_table < 2; in_table++) {
		expect_outcome(f, "covered", SHALE_KEY_DELETED, in_table == 0);
		expect_outcome(f, "cold", SHALE_KEY_DELETED, in_table == 0);
		expect_outcome(f, "cx", SHALE_KEY_FOUND, in_table == 0);
		expect_outcome(f, "d", SHALE_KEY_FOUND, in_table == 0);
		/* The flush makes a tombstone of what has expired. */
		expect_outcome(f, "expired", in_table ? SHALE_KEY_DELETED : SHALE_KEY_EXPIRED,
			       in_table == 0);
		expect_outcome(f, "dd", SHALE_KEY_NOT_HERE, false);
		if (in_table == 0) {
			shale_snapshot *s;

			/* So that the flush keeps what is covered. */
			assert_ok(shale_snapshot_new(f->db, &s));
			assert_ok(shale_flush(f->db, NULL));
			shale_snapshot_free(s);
		}
	}
	assert_ok(shale_resume_compaction(f->db));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_over_many_families_is_whole),
		TEST(pointers_to_nothing_are_refused),
		TEST(reads_refuse_pointers_to_nothing_and_take_nothing_at_all),
		TEST(a_seek_may_ask_for_more_than_a_key_can_be),
		TEST(names_of_families_have_limits),
		TEST(a_dropped_family_takes_no_options),
		TEST(a_list_ends_when_it_is_told_to),
		TEST(a_prefix_of_the_largest_bytes_has_no_end),
		TEST(an_explanation_knows_ranges_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
