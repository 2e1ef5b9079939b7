/*
 * Memory keeps to the budget: what the store counts, and on Linux what the process
 * grows by, while puts, deletes, gets, scans and merges go on.
 */
#include "support/test.h"

#include "base/rand.h"

#include <shale/shale.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_TOLD false /* sanitizers take memory for themselves */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESIDENT_TOLD false
#endif
#endif
#ifndef RESIDENT_TOLD
#define RESIDENT_TOLD true
#endif

enum { FAMILIES_MAX = 16, KEY = 16, OPS = 80000, LOOK_EVERY = 50, SCAN_EVERY = 4000 };

struct load {
	uint64_t budget;
	unsigned families, value;
	shale_durability durability;
	shale_compression compression;
	uint64_t ops; /* 0: OPS */
};

struct seen {
	uint64_t counted, resident; /* the most */
};

/* Bytes of the process that are in memory; 0: not known. */
static uint64_t resident(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void look(shale_db *db, struct seen *seen)
{
	shale_stats s = SHALE_STATS_INIT;
	uint64_t now = resident();

	assert_ok(shale_stats_get(db, &s));
	if (s.memory_used > seen->counted)
		seen->counted = s.memory_used;
	if (now > seen->resident)
		seen->resident = now;
}

static shale_slice key_of(struct rand *rnd, char *key)
{
	snprintf(key, KEY + 1, "%016llx", (unsigned long long)rand_below(rnd, 1 << 22));
	return shale_bytes(key, KEY);
}

static void scan(shale_db *db, shale_cf *cf, struct seen *seen)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it;
	shale_status rc;
	unsigned n = 0;

	o.cf = cf;
	assert_ok(shale_iter_new(db, &o, &it));
	for (rc = shale_iter_first(it); rc == SHALE_OK && n < 20000; rc = shale_iter_next(it))
		if (++n % 4000 == 0)
			look(db, seen);
	shale_iter_free(it);
}

static void write_and_read(shale_db *db, shale_cf **cf, const struct load *l, struct seen *seen)
{
	static char value[1 << 14];
	uint64_t ops = test_scale(l->ops != 0 ? l->ops : OPS), seed = test_seed();
	struct rand rnd;
	char key[KEY + 1];

	rand_seed(&rnd, seed);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = i % 2 != 0 ? 'v' : (char)rand_below(&rnd, 256);
	for (uint64_t i = 0; i < ops; i++) {
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
		shale_read_options r = SHALE_READ_OPTIONS_INIT;
		shale_value found;

		w.cf = r.cf = l->families != 0 ? cf[rand_below(&rnd, l->families)] : NULL;
		if (rand_below(&rnd, 20) == 0)
			assert_ok(shale_delete(db, &w, key_of(&rnd, key)));
		else
			assert_ok(shale_put(db, &w, key_of(&rnd, key),
					    shale_bytes(value + rand_below(&rnd, 1 << 13),
							l->value)));
		if (shale_get(db, &r, key_of(&rnd, key), &found) == SHALE_OK)
			shale_value_release(&found);
		if (i % LOOK_EVERY == 0)
			look(db, seen);
		if (i % SCAN_EVERY == 0)
			scan(db, w.cf, seen);
	}
}

static struct seen run(const char *path, const struct load *l)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_cf *cf[FAMILIES_MAX];
	struct seen seen = { 0 };
	shale_db *db;

	o.memory_budget = l->budget;
	o.durability = l->durability;
	o.default_cf.compression = l->compression;
	assert_ok(shale_open(path, &o, &db));
	for (unsigned i = 0; i < l->families; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		assert_ok(shale_cf_create(db, name, &o.default_cf, &cf[i]));
	}
	write_and_read(db, cf, l, &seen);
	for (unsigned i = 0; i < l->families; i++)
		shale_cf_release(cf[i]);
	assert_ok(shale_close(db));
	return seen;
}

static void keeps_to_the_budget(const struct load *l)
{
	uint64_t most = l->budget + l->budget / 20, before;
	char *dir = test_dir_new(), path[256];
	struct seen seen;

	before = resident();
	snprintf(path, sizeof(path), "%s/store", dir);
	seen = run(path, l);
	print_message("budget %llu MiB, %u families: counted %.1f MiB, resident %.1f MiB\n",
		      (unsigned long long)(l->budget >> 20), l->families,
		      (double)seen.counted / 1048576,
		      ((double)seen.resident - (double)before) / 1048576);
	assert_true(seen.counted <= most);
	assert_true(seen.counted > l->budget / 4); /* or the load is none */
	if (RESIDENT_TOLD && before != 0)
		assert_true(seen.resident <= before + most);
	test_dir_remove(dir);
}

static void one_family_keeps_to_its_budget(void **state)
{
	(void)state;
	keeps_to_the_budget(&(struct load){ 64 << 20, 0, 1200, SHALE_PROCESS, SHALE_LZ4, 0 });
	keeps_to_the_budget(
		&(struct load){ 32 << 20, 0, 600, SHALE_PROCESS, SHALE_NO_COMPRESSION, 0 });
}

static void families_keep_to_one_budget(void **state)
{
	(void)state;
	keeps_to_the_budget(
		&(struct load){ 64 << 20, 4, 1200, SHALE_PROCESS, SHALE_NO_COMPRESSION, 0 });
	keeps_to_the_budget(&(struct load){ 64 << 20, 16, 1200, SHALE_PROCESS, SHALE_LZ4, 0 });
}

static void logs_and_zstd_keep_to_the_budget(void **state)
{
	(void)state;
	keeps_to_the_budget(&(struct load){ 48 << 20, 3, 1000, SHALE_INTERVAL, SHALE_ZSTD, 0 });
	/* Staged: each commit waits for the disk. */
	keeps_to_the_budget(&(struct load){ 16 << 20, 3, 8000, SHALE_DURABLE, SHALE_ZSTD, 1000 });
}

static void large_values_keep_to_the_budget(void **state)
{
	(void)state;
	keeps_to_the_budget(&(struct load){ 96 << 20, 2, 4000, SHALE_PROCESS, SHALE_LZ4, 0 });
}

static shale_slice nth_key(unsigned i, char *key)
{
	snprintf(key, KEY + 1, "%016x", i * 2654435761u);
	return shale_bytes(key, KEY);
}

/* What cache and open tables hold after every key was asked for. */
static uint64_t cache_after_reads(shale_db *db, unsigned keys)
{
	shale_stats s = SHALE_STATS_INIT;
	char key[KEY + 1];

	for (unsigned i = 0; i < keys; i++) {
		shale_value found;

		assert_ok(shale_get(db, NULL, nth_key(i, key), &found));
		shale_value_release(&found);
	}
	assert_ok(shale_stats_get(db, &s));
	return s.memory_cache + s.memory_tables;
}

/*
 * What memtables and merges leave goes to the cache, nearly as after opening anew: it grows by
 * pieces of 2 MiB, and the heap keeps some pages between what merges have opened.
 */
static void the_cache_gets_what_a_fill_leaves(void **state)
{
	enum { KEYS = 80000, TRIES = 10 };
	static char value[1000];
	char *dir = test_dir_new(), path[256], key[KEY + 1];
	shale_options o = SHALE_OPTIONS_INIT;
	uint64_t filled = 0, opened;
	shale_db *db;

	(void)state;
	snprintf(path, sizeof(path), "%s/store", dir);
	o.memory_budget = 64 << 20;
	o.durability = SHALE_PROCESS;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	assert_ok(shale_open(path, &o, &db));
	for (unsigned i = 0; i < KEYS; i++)
		assert_ok(shale_put(db, NULL, nth_key(i, key), shale_bytes(value, sizeof(value))));
	assert_ok(shale_flush(db, NULL));
	assert_ok(shale_wait_idle(db));
	assert_ok(shale_close(db));

	assert_ok(shale_open(path, &o, &db));
	opened = cache_after_reads(db, KEYS);
	for (unsigned i = 0; i < KEYS; i++)
		assert_ok(shale_put(db, NULL, nth_key(i, key), shale_bytes(value, sizeof(value))));
	assert_ok(shale_flush(db, NULL));
	assert_ok(shale_wait_idle(db));
	/* The share follows the need a second later. */
	for (int tries = 0; tries < TRIES && filled < opened / 100 * 85; tries++) {
		usleep(300 * 1000);
		filled = cache_after_reads(db, KEYS);
	}
	print_message("cache: %.1f MiB opened, %.1f MiB filled\n", (double)opened / 1048576,
		      (double)filled / 1048576);
	assert_true(filled >= opened / 100 * 85);
	assert_ok(shale_close(db));
	test_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_family_keeps_to_its_budget),
		cmocka_unit_test(families_keep_to_one_budget),
		cmocka_unit_test(logs_and_zstd_keep_to_the_budget),
		cmocka_unit_test(large_values_keep_to_the_budget),
		cmocka_unit_test(the_cache_gets_what_a_fill_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
