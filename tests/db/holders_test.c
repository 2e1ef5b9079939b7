/* What callers hold is listed with its owner, and a close with something open is refused. */
#include "db/fixture.h"

struct list {
	size_t n;
	shale_holder each[8];
	char owner[8][SHALE_OWNER_MAX + 1];
};

static bool note(void *arg, const shale_holder *h)
{
	struct list *l = arg;

	assert_in_range(l->n, 0, 7);
	l->each[l->n] = *h;
	strcpy(l->owner[l->n++], h->owner);
	return true;
}

static bool only_one(void *arg, const shale_holder *h)
{
	(void)h;
	++*(int *)arg;
	return false;
}

static void holders_are_listed_with_their_owners(void **state)
{
	struct fixture *f = *state;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	struct list l = { .n = 0 };
	shale_snapshot *snapshot, *nameless;
	char name[100];
	shale_iter *it;
	int told = 0;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_ok(shale_holders(f->db, note, &l));
	assert_int_equal(l.n, 0);
	put_text(f, NULL, "a", "1");
	assert_ok(shale_snapshot_new(f->db, &snapshot));
	shale_snapshot_set_owner(snapshot, "backup");
	assert_ok(shale_snapshot_new(f->db, &nameless));
	o.owner = name;
	o.snapshot = snapshot;
	assert_ok(shale_iter_new(f->db, &o, &it));
	memset(name, 'x', sizeof(name)); /* it was copied */
	assert_ok(shale_holders(f->db, note, &l));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.each[0].kind, SHALE_HOLDER_SNAPSHOT);
	assert_string_equal(l.owner[0], "backup");
	assert_int_equal(l.each[0].seq, shale_snapshot_seq(snapshot));
	assert_string_equal(l.owner[1], "");
	assert_int_equal(l.each[2].kind, SHALE_HOLDER_ITERATOR);
	assert_int_equal(strlen(l.owner[2]), SHALE_OWNER_MAX);
	assert_int_equal(l.owner[2][0], 'n');
	assert_int_equal(l.each[2].seq, shale_snapshot_seq(snapshot));
	assert_ok(shale_holders(f->db, only_one, &told));
	assert_int_equal(told, 1);

	shale_iter_free(it);
	shale_snapshot_free(snapshot);
	shale_snapshot_free(nameless);
	l.n = 0;
	assert_ok(shale_holders(f->db, note, &l));
	assert_int_equal(l.n, 0);
}

static void what_an_iterator_keeps_is_told(void **state)
{
	struct fixture *f = *state;
	shale_stats s = SHALE_STATS_INIT;
	struct list l = { .n = 0 };
	shale_iter *early, *late;

	put_text(f, NULL, "a", "1");
	assert_ok(shale_iter_new(f->db, NULL, &early));
	assert_ok(shale_holders(f->db, note, &l));
	assert_int_equal(l.each[0].memory_bytes, 0);
	assert_ok(shale_flush(f->db, NULL));
	put_text(f, NULL, "b", "1");
	assert_ok(shale_iter_new(f->db, NULL, &late));
	assert_ok(shale_compact(f->db, NULL));
	assert_ok(shale_stats_get(f->db, &s));
	assert_int_equal(s.open_iterators, 2);
	l.n = 0;
	assert_ok(shale_holders(f->db, note, &l));
	assert_int_equal(l.n, 2);
	/* The one has the first memtable, the other the second and the first table. */
	assert_true(l.each[0].memory_bytes != 0 && l.each[0].file_bytes == 0);
	assert_true(l.each[1].memory_bytes != 0 && l.each[1].file_bytes != 0);
	shale_iter_free(early);
	shale_iter_free(late);
	assert_ok(shale_stats_get(f->db, &s));
	assert_int_equal(s.open_iterators, 0);
}

static void a_close_with_something_open_is_refused_and_names_the_owner(void **state)
{
	struct fixture *f = *state;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot;
	shale_iter *it;

	put_text(f, NULL, "a", "1");
	assert_ok(shale_snapshot_new(f->db, &snapshot));
	shale_snapshot_set_owner(snapshot, "nightly backup");
	assert_status(shale_close(f->db), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "1 snapshots and 0 iterators"));
	assert_non_null(strstr(shale_last_error()->text, "a snapshot of 'nightly backup'"));
	shale_snapshot_free(snapshot);

	/* The store is as it was. */
	put_text(f, NULL, "b", "2");
	assert_ok(shale_flush(f->db, NULL));
	o.owner = "export";
	assert_ok(shale_iter_new(f->db, &o, &it));
	assert_status(shale_close(f->db), SHALE_INVALID);
	assert_non_null(strstr(shale_last_error()->text, "an iterator of 'export'"));
	assert_ok(shale_iter_first(it));
	assert_ok(shale_iter_next(it));
	assert_slice(shale_iter_key(it), "b");
	shale_iter_free(it);
	expect_text(f, NULL, "a", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(holders_are_listed_with_their_owners, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(what_an_iterator_keeps_is_told, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_close_with_something_open_is_refused_and_names_the_owner, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
