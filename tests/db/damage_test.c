/*
 * Damage: whatever happens to the files of a closed store, opening and reading it
 * gives right data or an error that names the file. Never wrong data, and never
 * silence about something that was sealed.
 */
#include "support/test.h"

#include <shale/shale.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "env/sim.h"

enum { KEYS = 120, FILES = 32 };

#define DIR "/db"

struct store {
	struct sim *sim;
	size_t count;
	struct {
		char name[40];
		uint64_t size;
	} file[FILES];
	/* The damaged one, and what came of it. */
	const char *damaged;
	bool noticed, read_only;
	shale_status status; /* the last error */
	char text[384];
};

static void make_key(char *out, int k)
{
	sprintf(out, "key%05d", k);
}

static void make_value(char *out, int k)
{
	sprintf(out, "value of %d %0*d", k, k % 60, 0);
}

static shale_status open_store(struct store *s, shale_db **db)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.env = sim_env(s->sim);
	o.memory_budget = 1 << 20;
	o.memtable_bytes = 16384;
	o.background_threads = 1;
	o.default_cf.block_bytes = 512;
	o.default_cf.compression = SHALE_LZ4;
	o.read_only = s->read_only;
	return shale_open(DIR, &o, db);
}

static void build(void *arg)
{
	struct store *s = arg;
	char key[16], value[128];
	shale_db *db;

	assert_ok(open_store(s, &db));
	for (int k = 0; k < KEYS; k++) {
		make_key(key, k);
		make_value(value, k);
		assert_ok(shale_put(db, NULL, shale_str(key), shale_str(value)));
		if (k == 40 || k == 80)
			assert_ok(shale_flush(db, NULL));
	}
	assert_ok(shale_delete_range(db, NULL, shale_str("key00010"), shale_str("key00020")));
	assert_ok(shale_close(db));
}

static int note_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct store *s = arg;

	if (is_dir || strcmp(name, "LOCK") == 0)
		return 0;
	assert_true(s->count < FILES);
	snprintf(s->file[s->count].name, sizeof(s->file[0].name), "%s", name);
	s->file[s->count++].size = size;
	return 0;
}

static void make_store(struct store *s)
{
	*s = (struct store){ .count = 0 };
	assert_ok(sim_new(test_seed(), &s->sim));
	assert_int_equal(sim_run(s->sim, build, s), SIM_DONE);
	assert_int_equal(sim_fs_list(sim_get_fs(s->sim), DIR, note_file, s), 0);
	assert_true(s->count >= 4); /* root, manifest, tables, log */
}

/* An error is right if it says which file. */
static void check_error(struct store *s, shale_status rc)
{
	const shale_error *e = shale_last_error();

	s->noticed = true;
	s->status = rc;
	snprintf(s->text, sizeof(s->text), "%s", e->text);
	if (rc >= 0 ||
	    (strstr(e->object, s->damaged) == NULL && strstr(e->text, s->damaged) == NULL)) {
		fprintf(stderr, "damage in %s is reported as %s: %s\n", s->damaged,
			shale_status_name(rc), e->text);
		abort();
	}
}

/* Everything read must be right; errors must say which file. */
static void read_all(void *arg)
{
	struct store *s = arg;
	char key[16], want[128];
	shale_db *db;
	shale_status rc = open_store(s, &db);

	if (rc != SHALE_OK) {
		check_error(s, rc);
		return;
	}
	for (int k = 0; k < KEYS; k++) {
		bool deleted = k >= 10 && k < 20;
		shale_value v;

		make_key(key, k);
		make_value(want, k);
		rc = shale_get(db, NULL, shale_str(key), &v);
		if (rc < 0) {
			check_error(s, rc);
			continue;
		}
		if (rc != (deleted ? SHALE_NOT_FOUND : SHALE_OK) ||
		    (!deleted && !slice_eq(slice_from(v.data, v.size), shale_str(want)))) {
			fprintf(stderr, "damage in %s: key %d is %s\n", s->damaged, k,
				rc == SHALE_OK ? "wrong" : "gone in silence");
			abort();
		}
		shale_value_release(&v);
	}
	rc = shale_check(db, NULL, NULL, NULL);
	if (rc < 0)
		check_error(s, rc);
	(void)shale_close(db);
}

/* A fresh copy of the store's disk for one try. */
static bool try_one(struct store *s, const char *name, void (*harm)(struct sim_fs *fs, void *arg),
		    void *arg)
{
	struct sim_fs *intact = sim_get_fs(s->sim), *copy = sim_fs_clone(intact);

	harm(copy, arg);
	s->damaged = name;
	s->noticed = false;
	sim_swap_fs(s->sim, copy);
	assert_int_equal(sim_run(s->sim, read_all, s), SIM_DONE);
	sim_swap_fs(s->sim, intact);
	sim_fs_free(copy);
	return s->noticed;
}

struct harm {
	char path[64], other[64];
	uint64_t offset;
	uint8_t mask;
	size_t size;
};

static void flip(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;

	assert_int_equal(sim_fs_corrupt(fs, h->path, h->offset, h->mask), 0);
}

/*
 * Behind the last byte that matters there is the room a log reserved, or one torn
 * record; before it no flip goes unnoticed.
 */
static void flip_bytes_of(struct store *s, size_t i, struct rand *r)
{
	const char *name = s->file[i].name;
	uint64_t size = s->file[i].size, step = size / test_scale(16000) + 1;
	uint64_t flips = 0, noticed = 0, silent = 0, last = 0;
	struct harm h = { .offset = 0 };

	snprintf(h.path, sizeof(h.path), DIR "/%s", name);
	for (; h.offset < size; h.offset += 1 + (step > 1 ? rand_below(r, 2 * step - 1) : 0)) {
		h.mask = (uint8_t)(1u << rand_below(r, 8));
		s->read_only = rand_below(r, 4) == 0;
		flips++;
		if (!try_one(s, name, flip, &h)) {
			silent++;
			continue;
		}
		noticed++;
		last = h.offset;
		if (silent != 0)
			fail_msg("%" PRIu64 " flips in %s below %" PRIu64 " went unnoticed", silent,
				 name, last);
	}
	printf("%-24s %6" PRIu64 " bytes: %5" PRIu64 " flips, %5" PRIu64
	       " reported, none missed up to %" PRIu64 "\n",
	       name, size, flips, noticed, last);
	assert_true(noticed > 0);
	if (strstr(name, ".log") == NULL && strstr(name, ".man") == NULL)
		assert_int_equal(noticed, flips);
}

static void flipped_bytes_give_right_data_or_an_error_with_the_file(void **state)
{
	struct store s;
	struct rand r;

	(void)state;
	make_store(&s);
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < s.count; i++)
		flip_bytes_of(&s, i, &r);
	sim_free(s.sim);
}

static void cut_file(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	void *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, h->path, &data, &size), 0);
	assert_int_equal(sim_fs_write_file(fs, h->path, data, h->size), 0);
	free(data);
}

static void remove_file(struct sim_fs *fs, void *arg)
{
	assert_int_equal(sim_fs_remove_file(fs, ((const struct harm *)arg)->path), 0);
}

static void swap_files(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	void *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, h->other, &data, &size), 0);
	assert_int_equal(sim_fs_write_file(fs, h->path, data, size), 0);
	free(data);
}

static void fill_foreign(struct sim_fs *fs, void *arg)
{
	static const char text[] = "This is no file of a store, whatever its name says.\n";

	assert_int_equal(sim_fs_write_file(fs, ((const struct harm *)arg)->path, text,
					   sizeof(text)),
			 0);
}

static const char *ending(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL ? dot : name;
}

static void missing_empty_cut_swapped_and_foreign_files_are_refused(void **state)
{
	struct store s;

	(void)state;
	make_store(&s);
	for (size_t i = 0; i < s.count; i++) {
		const char *name = s.file[i].name;
		struct harm h = { .offset = 0 };

		snprintf(h.path, sizeof(h.path), DIR "/%s", name);
		assert_true(try_one(&s, name, remove_file, &h));
		assert_true(try_one(&s, name, cut_file, &h)); /* to nothing */
		/*
		 * A reserved log has room behind its records; cut it inside them. What a cut
		 * manifest forgets may be in the log still: then all is right, and no error.
		 */
		h.size = strstr(name, ".log") != NULL ? 4096 + 40 : (size_t)s.file[i].size / 2;
		assert_true(try_one(&s, name, cut_file, &h) || strstr(name, ".man") != NULL);
		assert_true(try_one(&s, name, fill_foreign, &h));
		for (size_t k = 0; k < s.count; k++) {
			if (k == i || strcmp(ending(s.file[k].name), ending(name)) != 0)
				continue;
			snprintf(h.other, sizeof(h.other), DIR "/%s", s.file[k].name);
			assert_true(try_one(&s, name, swap_files, &h));
		}
	}
	sim_free(s.sim);
}

/* ---- newer formats ---- */

/* Where the sound header of a file says what program it needs. */
static const struct part {
	const char *ends;
	const char *what; /* the error tells */
	bool at_end;      /* a footer of `size` bytes, else a header */
	size_t size, at, crc;
	bool only_writers; /* a reader may go on */
} parts[] = {
	{ "ROOT", "version 2", false, 48, 8, 44, false },
	{ ".man", "version 2", false, 64, 8, 56, false },
	{ ".man", "features 0x2", false, 64, 48, 56, false },
	{ ".man", "features 0x2", false, 64, 40, 56, true },
	{ ".sst", "version 2", true, 128, 8, 124, false },
	{ ".sst", "flags 0x2", true, 128, 12, 124, false },
	{ ".log", "version 2", false, 4096, 8, 40, false },
};

static void make_newer(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	const struct part *p = &parts[h->offset];
	uint8_t *data, *head;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, h->path, (void **)&data, &size), 0);
	head = p->at_end ? data + size - p->size : data;
	head[p->at] = 2;
	put_u32le(head + p->crc, crc32c(0, head, p->crc));
	assert_int_equal(sim_fs_write_file(fs, h->path, data, size), 0);
	free(data);
}

static void newer_formats_are_refused_and_said_to_be_so(void **state)
{
	struct store s;

	(void)state;
	make_store(&s);
	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
		struct harm h = { .offset = p };
		bool met = false;

		for (size_t i = 0; i < s.count; i++) {
			const char *name = s.file[i].name;

			if (strcmp(ending(name), parts[p].ends) != 0)
				continue;
			met = true;
			snprintf(h.path, sizeof(h.path), DIR "/%s", name);
			s.read_only = false;
			assert_true(try_one(&s, name, make_newer, &h));
			assert_int_equal(s.status, SHALE_UNSUPPORTED);
			assert_non_null(strstr(s.text, parts[p].what));
			s.read_only = true;
			assert_int_equal(try_one(&s, name, make_newer, &h), !parts[p].only_writers);
		}
		assert_true(met);
	}
	sim_free(s.sim);
}

/* ---- the check ---- */

struct verdicts {
	struct store *s;
	int good, bad;
};

static void note_verdict(void *arg, const char *file, uint64_t bytes, shale_status status)
{
	struct verdicts *v = arg;

	if (status == SHALE_OK) {
		v->good++;
		return;
	}
	v->bad++;
	if (status != SHALE_CORRUPT || strcmp(file, v->s->damaged) != 0 || bytes == 0)
		abort();
}

static void check_around_damage(void *arg)
{
	struct verdicts *v = arg;
	shale_db *db;

	v->s->read_only = true;
	assert_ok(open_store(v->s, &db));
	assert_status(shale_check(db, note_verdict, v, NULL), SHALE_CORRUPT);
	assert_string_equal(shale_last_error()->object, v->s->damaged);
	assert_ok(shale_close(db));
}

static void a_check_names_the_damaged_table_and_goes_on(void **state)
{
	struct store s;
	size_t tables = 0;

	(void)state;
	make_store(&s);
	for (size_t i = 0; i < s.count; i++)
		tables += strcmp(ending(s.file[i].name), ".sst") == 0;
	assert_true(tables > 1);
	for (size_t i = 0; i < s.count; i++) {
		struct sim_fs *intact = sim_get_fs(s.sim), *copy = sim_fs_clone(intact);
		struct verdicts v = { .s = &s };
		char path[64];

		s.damaged = s.file[i].name;
		if (strcmp(ending(s.damaged), ".sst") == 0) {
			snprintf(path, sizeof(path), DIR "/%s", s.damaged);
			assert_int_equal(sim_fs_corrupt(copy, path, 20, 1), 0);
			sim_swap_fs(s.sim, copy);
			assert_int_equal(sim_run(s.sim, check_around_damage, &v), SIM_DONE);
			sim_swap_fs(s.sim, intact);
			assert_int_equal(v.bad, 1);
			assert_int_equal(v.good, tables - 1);
		}
		sim_fs_free(copy);
	}
	sim_free(s.sim);
}

static void open_foreign(void *arg)
{
	struct store *s = arg;
	shale_db *db;

	assert_status(open_store(s, &db), SHALE_NOT_A_STORE);
	assert_non_null(strstr(shale_last_error()->text, DIR));
}

static void a_directory_of_something_else_is_no_store(void **state)
{
	struct store s = { .count = 0 };
	const shale_env *env;

	(void)state;
	assert_ok(sim_new(1, &s.sim));
	env = sim_env(s.sim);
	assert_int_equal(env->fs.ops->mkdir(env->fs.self, DIR), 0);
	assert_int_equal(sim_fs_write_file(sim_get_fs(s.sim), DIR "/letter.txt", "Dear", 4), 0);
	assert_int_equal(sim_run(s.sim, open_foreign, &s), SIM_DONE);
	sim_free(s.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flipped_bytes_give_right_data_or_an_error_with_the_file),
		cmocka_unit_test(missing_empty_cut_swapped_and_foreign_files_are_refused),
		cmocka_unit_test(newer_formats_are_refused_and_said_to_be_so),
		cmocka_unit_test(a_check_names_the_damaged_table_and_goes_on),
		cmocka_unit_test(a_directory_of_something_else_is_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
