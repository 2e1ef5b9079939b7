/*
 * Whole files: missing, empty, cut, grown, swapped, under another number, foreign, of
 * a newer format. Each is refused by name, or all that is read is right all the same.
 */
#include "corrupt/store.h"

static const struct shape small = { "small", 120, 1, SHALE_LZ4, 512, 40, false };

static void put_file(struct sim_fs *fs, const char *path, const void *data, size_t size)
{
	assert_int_equal(sim_fs_write_file(fs, path, data, size), 0);
}

static void cut_file(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	void *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, h->path, &data, &size), 0);
	put_file(fs, h->path, data, h->size);
	free(data);
}

static void grow_file(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	uint8_t *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, h->path, (void **)&data, &size), 0);
	data = realloc(data, size + h->size);
	memset(data + size, h->mask, h->size);
	put_file(fs, h->path, data, size + h->size);
	free(data);
}

static void remove_file(struct sim_fs *fs, void *arg)
{
	assert_int_equal(sim_fs_remove_file(fs, ((const struct harm *)arg)->path), 0);
}

static void copy_over(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	void *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(h->from != NULL ? h->from : fs, h->other, &data, &size),
			 0);
	put_file(fs, h->path, data, size);
	free(data);
}

static void fill_foreign(struct sim_fs *fs, void *arg)
{
	static const char text[] = "This is no file of a store, whatever its name says.\n";

	put_file(fs, ((const struct harm *)arg)->path, text, sizeof(text));
}

static void fill_zeros(struct sim_fs *fs, void *arg)
{
	const struct harm *h = arg;
	void *zeros = calloc(1, h->size);

	put_file(fs, h->path, zeros, h->size);
	free(zeros);
}

/* Try a harm of file i for writers, and for readers. */
static bool refused(struct store *s, size_t i, void (*harm)(struct sim_fs *fs, void *arg),
		    struct harm *h)
{
	bool noticed;

	snprintf(h->path, sizeof(h->path), DIR "/%s", s->file[i].name);
	s->read_only = false;
	noticed = try_one(s, s->file[i].name, harm, h);
	s->read_only = true;
	assert_int_equal(try_one(s, s->file[i].name, harm, h), noticed);
	s->read_only = false;
	return noticed;
}

static void missing_empty_zeroed_and_foreign_files_are_refused(void **state)
{
	struct store s;

	(void)state;
	make_store(&s, &small);
	for (size_t i = 0; i < s.count; i++) {
		struct harm h = { .size = 0 };

		s.error_if_missing = true;
		assert_true(refused(&s, i, remove_file, &h));
		s.error_if_missing = false;
		assert_true(refused(&s, i, remove_file, &h));
		assert_true(refused(&s, i, cut_file, &h));
		assert_true(refused(&s, i, fill_foreign, &h));
		h.size = (size_t)s.file[i].size;
		assert_true(refused(&s, i, fill_zeros, &h));
	}
	free_store(&s);
}

/* Of a log, the room behind its records is no loss. */
static uint64_t sealed_length(struct store *s, size_t i)
{
	char path[64];
	uint8_t *data;
	size_t size;

	snprintf(path, sizeof(path), DIR "/%s", s->file[i].name);
	assert_int_equal(sim_fs_read_file(sim_get_fs(s->sim), path, (void **)&data, &size), 0);
	if (strcmp(ending(path), ".log") == 0)
		while (size > 0 && data[size - 1] == 0)
			size--;
	free(data);
	return size;
}

static void files_cut_at_any_length_are_refused(void **state)
{
	uint64_t cuts = 0;
	struct store s;

	(void)state;
	make_store(&s, &small);
	for (size_t i = 0; i < s.count; i++) {
		uint64_t length = sealed_length(&s, i), step = 100 / test_scale(100) + 1;
		struct harm h = { .size = 0 };

		/* The header page of a log is one class; its bytes are flipped elsewhere. */
		for (h.size = 0; h.size < length; h.size++, cuts++) {
			if (strcmp(ending(s.file[i].name), ".log") == 0)
				h.size += h.size < 4000 ? 500 : (h.size > 4200 ? 2 * step : 0);
			if (h.size < length)
				assert_true(refused(&s, i, cut_file, &h));
		}
	}
	printf("%" PRIu64 " cuts\n", cuts);
	free_store(&s);
}

static void files_that_have_grown_are_refused_or_harmless(void **state)
{
	static const size_t sizes[] = { 1, 8, 16, 128, 4096 };
	struct store s;

	(void)state;
	make_store(&s, &small);
	for (size_t i = 0; i < s.count; i++) {
		bool log = strcmp(ending(s.file[i].name), ".log") == 0;

		for (size_t k = 0; k < 2 * sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct harm h = { .size = sizes[k / 2], .mask = k % 2 != 0 ? 0xa5 : 0 };

			assert_true(refused(&s, i, grow_file, &h) || log);
		}
	}
	free_store(&s);
}

static void swapped_files_and_duplicates_are_refused_or_harmless(void **state)
{
	struct store s;

	(void)state;
	make_store(&s, &small);
	for (size_t i = 0; i < s.count; i++) {
		struct harm h = { .size = 0 };

		for (size_t k = 0; k < s.count; k++) {
			if (k == i)
				continue;
			snprintf(h.other, sizeof(h.other), DIR "/%s", s.file[k].name);
			assert_true(refused(&s, i, copy_over, &h));
		}
		/* One more, under a number that nothing names: an orphan. */
		if (strcmp(ending(s.file[i].name), "ROOT") == 0)
			continue;
		snprintf(h.other, sizeof(h.other), DIR "/%s", s.file[i].name);
		snprintf(h.path, sizeof(h.path), DIR "/00000001-000000ff%s",
			 ending(s.file[i].name));
		assert_false(try_one(&s, s.file[i].name, copy_over, &h));
	}
	free_store(&s);
}

/* Made alike, so that its files have the same names and sizes. */
static void files_of_another_store_are_refused(void **state)
{
	static const struct shape twin = { "twin", 120, 2, SHALE_LZ4, 512, 40, false };
	static const struct shape raw[] = {
		{ "raw", 120, 1, SHALE_NO_COMPRESSION, 512, 40, false },
		{ "raw twin", 120, 2, SHALE_NO_COMPRESSION, 512, 40, false },
	};
	struct store s, t;

	(void)state;
	for (int round = 0; round < 2; round++) {
		make_store(&s, round == 0 ? &small : &raw[0]);
		make_store(&t, round == 0 ? &twin : &raw[1]);
		assert_int_equal(s.count, t.count);
		for (size_t i = 0; i < s.count; i++) {
			struct harm h = { .from = sim_get_fs(t.sim) };

			assert_string_equal(s.file[i].name, t.file[i].name);
			snprintf(h.other, sizeof(h.other), DIR "/%s", s.file[i].name);
			/* All others then are those of a store that it is not. */
			if (strcmp(s.file[i].name, "ROOT") != 0)
				assert_true(refused(&s, i, copy_over, &h));
		}
		free_store(&s);
		free_store(&t);
	}
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
	make_store(&s, &small);
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
	make_store(&s, &small);
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
	struct store s = { .shape = &small };
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
		cmocka_unit_test(missing_empty_zeroed_and_foreign_files_are_refused),
		cmocka_unit_test(files_cut_at_any_length_are_refused),
		cmocka_unit_test(files_that_have_grown_are_refused_or_harmless),
		cmocka_unit_test(swapped_files_and_duplicates_are_refused_or_harmless),
		cmocka_unit_test(files_of_another_store_are_refused),
		cmocka_unit_test(newer_formats_are_refused_and_said_to_be_so),
		cmocka_unit_test(a_check_names_the_damaged_table_and_goes_on),
		cmocka_unit_test(a_directory_of_something_else_is_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
