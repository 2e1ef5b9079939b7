/*
 * Whole stores of the formats that were written so far are opened by today's code and
 * hold what they held; scripts/decode.py finds them sound; a file of another version of
 * the format is refused by its name.
 *
 * SHALE_GOLDEN_WRITE=1 writes what is missing (never make one anew because it fails:
 * it is what users have on their disks).
 */
#include "golden/store.h"

#include "unit/format/bytes.h"
#include "base/crc32c.h"

#include <unistd.h>

static struct store *kept(const char *name)
{
	struct store *s = calloc(1, sizeof(*s));
	char path[128];

	snprintf(path, sizeof(path), "tests/golden/stores/%s.txt", name);
	if (getenv("SHALE_GOLDEN_WRITE") != NULL && access(path, F_OK) != 0) {
		struct store *made = calloc(1, sizeof(*made));

		store_make(name, made);
		store_write(path, made);
		store_free(made);
	}
	if (!store_read(path, s))
		fail_msg("%s: cannot be read (run in the project's folder)", path);
	return s;
}

static shale_options options(void)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.error_if_missing = true;
	o.memory_budget = 16 << 20;
	o.memtable_bytes = 1 << 20;
	return o;
}

static void assert_content(const char *name, const struct store *s, shale_db *db)
{
	uint64_t entries, digest = store_digest(db, &entries);

	if (digest != s->digest || entries != s->entries)
		print_error("%s: %" PRIu64 " entries of digest %016" PRIx64 "; right is %" PRIu64
			    " of %016" PRIx64 "\n",
			    name, entries, digest, s->entries, s->digest);
	assert_true(digest == s->digest);
	assert_true(entries == s->entries);
}

/* Read-only, then for writing, then once more with what was added. */
static void assert_opens(const char *name, const struct store *s)
{
	char *dir = test_dir_new();
	shale_options o = options();
	uint64_t entries;
	shale_db *db;

	store_unpack(s, dir);
	o.read_only = true;
	assert_ok(shale_open(dir, &o, &db));
	assert_content(name, s, db);
	assert_ok(shale_close(db));
	o.read_only = false;
	for (int twice = 0; twice < 2; twice++) {
		assert_ok(shale_open(dir, &o, &db));
		assert_content(name, s, db);
		assert_ok(shale_check(db, NULL, NULL, NULL));
		assert_ok(shale_compact(db, NULL));
		assert_content(name, s, db);
		assert_ok(shale_close(db));
	}
	assert_ok(shale_open(dir, &o, &db));
	assert_ok(shale_put(db, NULL, bytes_str("~new"), bytes_str("value")));
	assert_true(store_digest(db, &entries) != s->digest);
	assert_true(entries == s->entries + 1);
	assert_ok(shale_delete(db, NULL, bytes_str("~new")));
	assert_content(name, s, db);
	assert_ok(shale_close(db));
	test_dir_remove(dir);
}

static void stores_of_old_hold_what_they_held(void **state)
{
	(void)state;
	for (size_t i = 0; i < store_name_count; i++) {
		struct store *s = kept(store_names[i]);

		assert_opens(store_names[i], s);
		store_free(s);
	}
	printf("%zu stores\n", store_name_count);
}

static void what_is_made_today_holds_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < store_name_count; i++) {
		struct store *s = kept(store_names[i]), *made = calloc(1, sizeof(*made));

		store_make(store_names[i], made);
		assert_true(made->digest == s->digest);
		assert_opens(store_names[i], made);
		store_free(made);
		store_free(s);
	}
}

static void the_independent_decoder_finds_them_sound(void **state)
{
	(void)state;
	if (system("python3 -c '' >/dev/null 2>&1") != 0) {
		print_message("skipped: no python3\n");
		skip();
	}
	for (size_t i = 0; i < store_name_count; i++) {
		struct store *s = kept(store_names[i]);
		char *dir = test_dir_new(), command[600];

		store_unpack(s, dir);
		snprintf(command, sizeof(command),
			 "python3 scripts/decode.py --verify %s >/dev/null", dir);
		assert_int_equal(system(command), 0);
		test_dir_remove(dir);
		store_free(s);
	}
}

/* ---- other versions ---- */

/* Where a file of this name has its header or footer, and the checksum in it. */
static bool version_place(const char *name, size_t size, size_t *begin, size_t *sum)
{
	static const struct {
		const char *ends;
		size_t from_end, sum;
	} places[] = {
		{ "ROOT", 0, 44 },
		{ ".man", 0, 56 },
		{ ".log", 0, 40 },
		{ ".sst", 128, 124 },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t n = strlen(name), k = strlen(places[i].ends);

		if (n < k || strcmp(name + n - k, places[i].ends) != 0)
			continue;
		*begin = places[i].from_end != 0 ? size - places[i].from_end : 0;
		*sum = places[i].sum;
		return true;
	}
	return false;
}

/* Whether the store is refused by the file's name once it is of another version. */
static void assert_refused(const struct store *s, size_t file, uint32_t version)
{
	const struct buf *b = &s->files[file].bytes;
	char *dir = test_dir_new(), path[512];
	shale_options o = options();
	size_t begin, sum;
	shale_status rc;
	shale_db *db;
	uint8_t *p;
	FILE *out;

	if (b->size == 0 || !version_place(s->files[file].name, b->size, &begin, &sum)) {
		test_dir_remove(dir);
		return;
	}
	store_unpack(s, dir);
	p = bytes_copy(b->data, b->size);
	put_u32le(p + begin + 8, version);
	put_u32le(p + begin + sum, crc32c(0, p + begin, sum));
	snprintf(path, sizeof(path), "%s/%s", dir, s->files[file].name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(p, b->size, 1, out), 1);
	fclose(out);
	for (int read_only = 0; read_only < 2; read_only++) {
		o.read_only = read_only;
		rc = shale_open(dir, &o, &db);
		if (rc == SHALE_OK) {
			/* A table may be opened when it is first read. */
			rc = shale_check(db, NULL, NULL, NULL);
			assert_non_null(strstr(shale_last_error()->object, s->files[file].name));
			assert_ok(shale_close(db));
		} else {
			assert_non_null(strstr(shale_last_error()->object, s->files[file].name));
		}
		assert_int_equal(rc, SHALE_UNSUPPORTED);
	}
	free(p);
	test_dir_remove(dir);
}

static void other_versions_are_refused_by_name(void **state)
{
	static const char *const names[] = { "clean", "log-staged", "log-mapped" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct store *s = kept(names[i]);

		for (size_t file = 0; file < s->count; file++) {
			assert_refused(s, file, 0);
			assert_refused(s, file, 2);
			assert_refused(s, file, 0x80000000u);
		}
		store_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_of_old_hold_what_they_held),
		cmocka_unit_test(what_is_made_today_holds_the_same),
		cmocka_unit_test(the_independent_decoder_finds_them_sound),
		cmocka_unit_test(other_versions_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
