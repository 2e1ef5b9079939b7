/*
 * A small deterministic program whose instructions callgrind counts; guard.py
 * runs it and compares with baseline.txt.
 *
 * Each case does its work within guard_measured(), the one function for which
 * callgrind collects, and then has the count dumped under the case's name and
 * number of operations. Flushes and merges are counted by their own function,
 * job_run(), whatever thread it runs on. The loops' own few instructions are
 * counted in, the same ones every time.
 *
 * The store: RUNS runs, each of PER_RUN random keys of 16 bytes with values of
 * 100, merged into one run in the middle of the program. One thread asks, one
 * works in the background, and only when told to: nothing depends on time.
 */
#include <shale/shale.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

enum {
	RUNS = 3,
	PER_RUN = 20000,
	KEYS = RUNS * PER_RUN,
	KEY = 16,
	VALUE = 100,
	BATCH = 100,
	READS = 20000,
	SEEKS = 5000
};

static shale_db *db;
static shale_batch *batch;
static shale_iter *iter;
static char key[2 * KEYS][KEY]; /* those of the store, then as many that are not in it */
static char value[VALUE];

static void check(shale_status rc, shale_status wanted)
{
	if (rc == wanted)
		return;
	fprintf(stderr, "guard: %s where %s was expected: %s\n", shale_status_name(rc),
		shale_status_name(wanted), shale_last_error()->text);
	exit(1);
}

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

static void make_keys(void)
{
	for (uint64_t i = 0; i < 2 * KEYS; i++) {
		uint64_t a = mix(2 * i + 1), b = mix(2 * i + 2);

		memcpy(key[i], &a, 8);
		memcpy(key[i] + 8, &b, 8);
	}
	memset(value, 'v', sizeof(value));
}

static shale_slice key_of(uint64_t i)
{
	return shale_bytes(key[i], KEY);
}

/* The i-th draw among `n` things: the same in every run of the program. */
static uint64_t draw(uint64_t i, uint64_t n)
{
	return mix(i + 77) % n;
}

/* ---- what is counted ---- */

static void puts_(uint64_t from, uint64_t count)
{
	for (uint64_t i = from; i < from + count; i++)
		check(shale_put(db, NULL, key_of(i), shale_bytes(value, VALUE)), SHALE_OK);
}

static void batches(uint64_t from, uint64_t count)
{
	for (uint64_t i = from; i < from + count; i++) {
		check(shale_batch_put(batch, NULL, key_of(i), shale_bytes(value, VALUE)), SHALE_OK);
		if ((i + 1) % BATCH != 0)
			continue;
		check(shale_write(db, NULL, batch), SHALE_OK);
		shale_batch_clear(batch);
	}
}

static void gets(uint64_t from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		shale_value v;

		check(shale_get(db, NULL, key_of(from + draw(i, PER_RUN)), &v), SHALE_OK);
		shale_value_release(&v);
	}
}

static void absent_gets(uint64_t from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		shale_value v;

		check(shale_get(db, NULL, key_of(from + draw(i, KEYS)), &v), SHALE_NOT_FOUND);
	}
}

static void nexts(uint64_t from, uint64_t count)
{
	(void)from;
	for (uint64_t i = 0; i < count; i++) {
		shale_slice v;

		check(shale_iter_value(iter, &v), SHALE_OK);
		check(shale_iter_next(iter), i + 1 < KEYS ? SHALE_OK : SHALE_END);
	}
}

static void seeks(uint64_t from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		check(shale_iter_seek(iter, key_of(from + draw(i, KEYS))), SHALE_OK);
}

/* ---- counting ---- */

__attribute__((noinline)) static void guard_measured(void (*work)(uint64_t, uint64_t),
						     uint64_t from, uint64_t count)
{
	work(from, count);
}

/* All that was collected since the last one, under this name. */
static void dump(const char *name, uint64_t operations)
{
	char label[64];

	snprintf(label, sizeof(label), "%s %llu", name, (unsigned long long)operations);
	CALLGRIND_DUMP_STATS_AT(label);
}

static void count(const char *name, void (*work)(uint64_t, uint64_t), uint64_t from,
		  uint64_t operations)
{
	CALLGRIND_ZERO_STATS;
	guard_measured(work, from, operations);
	dump(name, operations);
}

static void flush(void)
{
	check(shale_flush(db, NULL), SHALE_OK);
	check(shale_wait_idle(db), SHALE_OK);
}

static void open_store(const char *dir)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.memory_budget = 256 << 20;
	o.memtable_bytes = 64 << 20;
	o.durability = SHALE_PROCESS;
	o.background_threads = 1;
	o.default_cf.compression = SHALE_NO_COMPRESSION;
	check(shale_open(dir, &o, &db), SHALE_OK);
	check(shale_batch_new(&batch), SHALE_OK);
}

static void writes(void)
{
	count("put", puts_, 0, PER_RUN);
	count("get from the memtable", gets, 0, READS);
	flush();
	count("batch put", batches, PER_RUN, PER_RUN);
	flush();
	puts_(2 * PER_RUN, PER_RUN);
	CALLGRIND_ZERO_STATS;
	flush();
	dump("flush, an entry", PER_RUN);
	CALLGRIND_ZERO_STATS;
	check(shale_compact(db, NULL), SHALE_OK);
	dump("merge of 3 runs, an entry", KEYS);
}

static void reads(void)
{
	check(shale_iter_new(db, NULL, &iter), SHALE_OK);
	check(shale_iter_first(iter), SHALE_OK);
	nexts(0, KEYS);
	gets(0, READS); /* now their blocks are cached */
	count("get, cached", gets, 0, READS);
	count("get, absent", absent_gets, KEYS, READS);
	check(shale_iter_first(iter), SHALE_OK);
	count("next", nexts, 0, KEYS);
	count("seek", seeks, 0, SEEKS);
	shale_iter_free(iter);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: shale_guard DIRECTORY\n");
		return 2;
	}
	printf("compiler %s\n", __VERSION__);
	make_keys();
	open_store(argv[1]);
	writes();
	reads();
	shale_batch_free(batch);
	check(shale_close(db), SHALE_OK);
	check(shale_destroy(argv[1], NULL), SHALE_OK);
	return 0;
}
