/* Damage fails what needs the damaged table, and nothing else; and it is told which one. */
#include "regress/sim_store.h"

enum { OLD_KEYS = 10, NEW_KEYS = 6, TABLES_MAX = 4 };

static shale_db *open_store(const shale_options *o)
{
	shale_db *db;

	need_ok(shale_open(DIR, o, &db));
	need_ok(shale_pause_compaction(db)); /* the tables stay as they are */
	return db;
}

/* The tables of the store, oldest first: by number, which the name is. */
struct tables {
	size_t count;
	char name[TABLES_MAX][40];
};

static int note_table(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct tables *t = arg;
	size_t at = t->count;

	(void)size;
	if (is_dir || !ends(name, ".sst"))
		return 0;
	need(t->count < TABLES_MAX);
	for (; at > 0 && strcmp(t->name[at - 1], name) > 0; at--)
		memcpy(t->name[at], t->name[at - 1], sizeof(t->name[0]));
	snprintf(t->name[at], sizeof(t->name[0]), "%s", name);
	t->count++;
	return 0;
}

static struct tables tables_of(struct sim *sim)
{
	struct tables t = { 0 };

	sim_fs_list(sim_get_fs(sim), DIR, note_table, &t);
	return t;
}

/* Its footer becomes zeros, so that it cannot be opened. */
static void damage(struct sim *sim, const char *name)
{
	enum { FOOTER = 64 };
	char path[64];
	uint8_t *data;
	size_t size;

	snprintf(path, sizeof(path), DIR "/%s", name);
	need(sim_fs_read_file(sim_get_fs(sim), path, (void **)&data, &size) == 0);
	need(size > FOOTER);
	memset(data + size - FOOTER, 0, FOOTER);
	need(sim_fs_write_file(sim_get_fs(sim), path, data, size) == 0);
	free(data);
}

static void ignore(void *arg, const shale_explain_step *step)
{
	(void)arg;
	(void)step;
}

static void expect_told(const char *name)
{
	need(strstr(shale_last_error()->object, name) != NULL);
}

/* ---- gets ---- */

static void get_above_damage(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_slice keys[OLD_KEYS];
	shale_value values[OLD_KEYS];
	shale_status each[OLD_KEYS];
	char text[OLD_KEYS][24];
	struct tables tables;
	shale_db *db;

	db = open_store(&o);
	for (unsigned i = 0; i < OLD_KEYS; i++)
		put(db, NULL, i, 10);
	need_ok(shale_flush(db, NULL));
	for (unsigned i = 0; i < NEW_KEYS; i++)
		put(db, NULL, i, 10);
	need_ok(shale_flush(db, NULL));
	need_ok(shale_close(db));
	tables = tables_of(sim);
	need(tables.count == 2);
	damage(sim, tables.name[0]);

	db = open_store(&o);
	for (unsigned i = 0; i < OLD_KEYS; i++) {
		snprintf(text[i], sizeof(text[i]), "key%08u", i);
		keys[i] = shale_str(text[i]);
	}
	for (unsigned i = 0; i < OLD_KEYS; i++) {
		shale_status expected = i < NEW_KEYS ? SHALE_OK : SHALE_CORRUPT;

		need_status(has(db, NULL, i), expected);
		need_status(shale_explain(db, NULL, keys[i], ignore, NULL), expected);
	}
	/* As a group, and when there are too few for one. */
	for (size_t n = 2; n <= OLD_KEYS; n += OLD_KEYS - 2) {
		size_t from = n < OLD_KEYS ? NEW_KEYS - 1 : 0;

		need_status(shale_multi_get(db, NULL, n, keys + from, values, each), SHALE_CORRUPT);
		expect_told(tables.name[0]);
		for (size_t i = 0; i < n; i++) {
			need_status(each[i], from + i < NEW_KEYS ? SHALE_OK : SHALE_CORRUPT);
			shale_value_release(&values[i]);
		}
	}
	need_ok(shale_close(db));
}

static void a_get_does_not_fail_for_a_table_below_the_one_that_answers(void **state)
{
	(void)state;
	run_sim(1, get_above_damage);
}

/* ---- checks ---- */

struct checked {
	shale_db *db;
	unsigned bad;
	char first[40];
};

/* With a failure of its own, which is not what the check failed for. */
static void note_checked(void *arg, const char *file, uint64_t bytes, shale_status status)
{
	struct checked *c = arg;
	shale_value v;

	(void)bytes;
	if (status < 0 && c->bad++ == 0)
		snprintf(c->first, sizeof(c->first), "%s", file);
	need_status(shale_get(c->db, NULL, slice_from(NULL, 1), &v), SHALE_INVALID);
}

static void check_two_damaged(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	struct checked c = { .bad = 0 };
	struct tables tables;

	c.db = open_store(&o);
	for (unsigned i = 0; i < 3; i++) {
		put(c.db, NULL, i, 10);
		need_ok(shale_flush(c.db, NULL));
	}
	need_ok(shale_close(c.db));
	tables = tables_of(sim);
	need(tables.count == 3);
	damage(sim, tables.name[0]);
	damage(sim, tables.name[1]);

	c.db = open_store(&o);
	need_status(shale_check(c.db, note_checked, &c, NULL), SHALE_CORRUPT);
	need(c.bad == 2);
	expect_told(c.first);
	need_status(shale_check(c.db, NULL, NULL, NULL), SHALE_CORRUPT);
	expect_told(c.first);
	need_ok(shale_close(c.db));
}

static void a_check_tells_of_the_first_damaged_table_also_when_there_are_two(void **state)
{
	(void)state;
	run_sim(1, check_two_damaged);
}

/* ---- scans ---- */

static void scan_beside_damage(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_read_options read = SHALE_READ_OPTIONS_INIT;
	struct tables tables;
	shale_iter *it;
	shale_db *db;

	db = open_store(&o);
	need_ok(shale_put(db, NULL, shale_str("b"), shale_str("1")));
	need_ok(shale_put(db, NULL, shale_str("m"), shale_str("2")));
	need_ok(shale_put(db, NULL, shale_str("y"), shale_str("3")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_delete_range(db, NULL, shale_str("a"), shale_str("c")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_delete_range(db, NULL, shale_str("x"), shale_str("z")));
	need_ok(shale_flush(db, NULL));
	need_ok(shale_close(db));
	tables = tables_of(sim);
	need(tables.count == 3);
	damage(sim, tables.name[2]);

	db = open_store(&o);
	need_status(shale_iter_new(db, NULL, &it), SHALE_CORRUPT);
	for (int by_prefix = 0; by_prefix < 2; by_prefix++) {
		read.prefix = by_prefix ? shale_str("m") : slice_from(NULL, 0);
		read.upper = by_prefix ? slice_from(NULL, 0) : shale_str("x");
		need_ok(shale_iter_new(db, &read, &it));
		need_ok(shale_iter_first(it));
		need(slice_eq(shale_iter_key(it), shale_str("m")));
		need_status(shale_iter_next(it), SHALE_END);
		need_ok(shale_iter_last(it));
		need_status(shale_iter_prev(it), SHALE_END);
		shale_iter_free(it);
	}
	need_ok(shale_close(db));
}

static void a_scan_does_not_fail_for_range_tombstones_beyond_its_bounds(void **state)
{
	(void)state;
	run_sim(1, scan_beside_damage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_does_not_fail_for_a_table_below_the_one_that_answers),
		cmocka_unit_test(a_check_tells_of_the_first_damaged_table_also_when_there_are_two),
		cmocka_unit_test(a_scan_does_not_fail_for_range_tombstones_beyond_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
