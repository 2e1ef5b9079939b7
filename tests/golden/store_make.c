/*
 * The stores that are kept: each is a few writes on a simulated machine, then a close or
 * the death of the process. Most values are one word and zeros, which the text leaves out.
 */
#include "golden/store.h"

#include "unit/format/bytes.h"

#define DIR "/db"

enum { VALUE_MAX = 4096 };

struct maker {
	struct sim *sim;
	shale_db *db;
	shale_cf *second;
	uint64_t words; /* a value's first: all differ */
	uint64_t digest, entries;
	const struct recipe *recipe;
};

struct recipe {
	const char *name, *about;
	shale_durability durability;
	shale_compression codec;
	uint64_t memtable, table;
	bool die; /* instead of a close */
	void (*fill)(struct maker *m);
};

static void put(struct maker *m, shale_cf *cf, const char *kind, unsigned i, size_t size)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint8_t value[VALUE_MAX] = { 0 };
	char key[64];

	o.cf = cf;
	snprintf(key, sizeof(key), "%s:%04u", kind, i);
	m->words++;
	memcpy(value, &m->words, size < 8 ? size : 8);
	assert_ok(shale_put(m->db, &o, bytes_str(key), slice_from(value, size)));
}

static void del(struct maker *m, shale_cf *cf, const char *kind, unsigned i)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char key[64];

	o.cf = cf;
	snprintf(key, sizeof(key), "%s:%04u", kind, i);
	assert_ok(shale_delete(m->db, &o, bytes_str(key)));
}

static void del_range(struct maker *m, const char *lo, const char *hi)
{
	assert_ok(shale_delete_range(m->db, NULL, bytes_str(lo), bytes_str(hi)));
}

static void second_family(struct maker *m)
{
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;

	o.compression = m->recipe->codec;
	assert_ok(shale_cf_create(m->db, "second", &o, &m->second));
}

/* ---- what is in them ---- */

static void fill_some(struct maker *m)
{
	for (unsigned i = 0; i < 60; i++)
		put(m, NULL, "key", i * 7 % 60, i % 5 * 30);
	put(m, NULL, "", 0, 3);
	assert_ok(shale_put(m->db, NULL, slice_from("", 0), bytes_str("of the empty key")));
	for (unsigned i = 0; i < 60; i += 4)
		del(m, NULL, "key", i);
}

static void fill_flushed(struct maker *m)
{
	fill_some(m);
	assert_ok(shale_flush(m->db, NULL));
	for (unsigned i = 30; i < 70; i++)
		put(m, NULL, "key", i, 50);
	assert_ok(shale_flush(m->db, NULL));
}

static void fill_log(struct maker *m)
{
	fill_flushed(m);
	for (unsigned i = 10; i < 40; i++)
		put(m, NULL, "key", i, 12);
	del(m, NULL, "key", 12);
	del_range(m, "key:0020", "key:0025");
}

/* Segments hold little more than a memtable, so each flush frees one for the next. */
static void fill_recycled(struct maker *m)
{
	shale_stats s = SHALE_STATS_INIT;

	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 30; i++)
			put(m, NULL, "key", i + round, 3000);
		assert_ok(shale_flush(m->db, NULL));
		assert_ok(shale_wait_idle(m->db));
	}
	for (unsigned i = 0; i < 5; i++)
		put(m, NULL, "last", i, 100);
	assert_ok(shale_stats_get(m->db, &s));
	assert_int_not_equal(s.log_recycled, 0);
}

static void fill_ranges(struct maker *m)
{
	fill_some(m);
	assert_ok(shale_flush(m->db, NULL));
	del_range(m, "key:0005", "key:0015");
	del_range(m, "key:0010", "key:0030");
	put(m, NULL, "key", 12, 20);
	assert_ok(shale_flush(m->db, NULL));
	del_range(m, "key:0050", "key:0055");
	put(m, NULL, "key", 52, 20);
}

static void fill_families(struct maker *m)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_batch *batch;
	shale_cf *third;

	second_family(m);
	assert_ok(shale_cf_create(m->db, "third", NULL, &third));
	fill_some(m);
	for (unsigned i = 0; i < 20; i++) {
		put(m, m->second, "other", i, 40);
		put(m, third, "gone", i, 40);
	}
	assert_ok(shale_flush(m->db, NULL));
	assert_ok(shale_cf_drop(m->db, "third"));
	shale_cf_release(third);
	assert_ok(shale_batch_new(&batch));
	o.cf = m->second;
	assert_ok(shale_batch_put(batch, NULL, bytes_str("both"), bytes_str("default")));
	assert_ok(shale_batch_put(batch, &o, bytes_str("both"), bytes_str("second")));
	assert_ok(shale_batch_delete(batch, &o, bytes_str("other:0003")));
	assert_ok(shale_write(m->db, NULL, batch));
	shale_batch_free(batch);
	o.ttl_ms = UINT64_C(1000) * 365 * 86400000; /* a thousand years */
	assert_ok(shale_put(m->db, &o, bytes_str("long"), bytes_str("lived")));
}

static void fill_levels(struct maker *m)
{
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 24; i++)
			put(m, NULL, "key", (i * 5 + round * 31) % 160, 600);
		assert_ok(shale_flush(m->db, NULL));
		assert_ok(shale_wait_idle(m->db));
	}
}

/* Text that repeats: each codec has something to do. */
static void fill_text(struct maker *m)
{
	char key[32], value[256];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "page/%03u", i);
		snprintf(value, sizeof(value),
			 "page %u of a book whose pages say what pages say: this is page %u, "
			 "the page before it is page %u, the page behind it is page %u",
			 i, i, i - 1, i + 1);
		assert_ok(shale_put(m->db, NULL, bytes_str(key), bytes_str(value)));
	}
	assert_ok(shale_flush(m->db, NULL));
}

static const struct recipe recipes[] = {
	{ "clean", "closed; two tables", SHALE_DURABLE, SHALE_NO_COMPRESSION, 65536, 65536, false,
	  fill_flushed },
	{ "empty", "made and closed", SHALE_DURABLE, SHALE_NO_COMPRESSION, 65536, 65536, false,
	  NULL },
	{ "log-staged", "died with writes in the log alone, which was written by calls",
	  SHALE_DURABLE, SHALE_NO_COMPRESSION, 65536, 65536, true, fill_log },
	{ "log-mapped", "died with writes in the log alone, which was mapped", SHALE_PROCESS,
	  SHALE_NO_COMPRESSION, 65536, 65536, true, fill_log },
	{ "log-recycled", "died while it wrote a log segment the second time; old records behind",
	  SHALE_PROCESS, SHALE_NO_COMPRESSION, 65536, 65536, true, fill_recycled },
	{ "none", "blocks that are not compressed", SHALE_DURABLE, SHALE_NO_COMPRESSION, 65536,
	  65536, false, fill_text },
	{ "lz4", "blocks compressed by LZ4", SHALE_DURABLE, SHALE_LZ4, 65536, 65536, false,
	  fill_text },
	{ "zstd", "blocks compressed by zstd", SHALE_DURABLE, SHALE_ZSTD, 65536, 65536, false,
	  fill_text },
	{ "snappy", "blocks compressed by Snappy", SHALE_DURABLE, SHALE_SNAPPY, 65536, 65536, false,
	  fill_text },
	{ "ranges", "range tombstones in tables and in the log", SHALE_DURABLE,
	  SHALE_NO_COMPRESSION, 65536, 65536, true, fill_ranges },
	{ "families",
	  "two families, and one that was dropped; a batch in the log; a value that "
	  "expires in a thousand years",
	  SHALE_PROCESS, SHALE_NO_COMPRESSION, 65536, 65536, true, fill_families },
	{ "levels", "several levels of small tables", SHALE_DURABLE, SHALE_NO_COMPRESSION, 16384,
	  4096, false, fill_levels },
};
enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

const char *const store_names[] = { "clean",        "empty",  "log-staged", "log-mapped",
				    "log-recycled", "none",   "lz4",        "zstd",
				    "snappy",       "ranges", "families",   "levels" };
const size_t store_name_count = sizeof(store_names) / sizeof(store_names[0]);

/* ---- making ---- */

static void life(void *arg)
{
	const struct recipe *r = ((struct maker *)arg)->recipe;
	shale_options o = SHALE_OPTIONS_INIT;
	struct maker *m = arg;

	o.env = sim_env(m->sim);
	o.memory_budget = 1 << 20;
	o.memtable_bytes = r->memtable;
	o.durability = r->durability;
	o.background_threads = 1;
	o.default_cf.compression = r->codec;
	o.default_cf.block_bytes = 1024;
	o.default_cf.compaction.table_bytes = r->table;
	o.default_cf.compaction.base_bytes = 8192;
	o.default_cf.compaction.size_ratio = 2;
	o.default_cf.compaction.top_runs = 3;
	assert_ok(shale_open(DIR, &o, &m->db));
	if (r->fill != NULL)
		r->fill(m);
	assert_ok(shale_wait_idle(m->db));
	m->digest = store_digest(m->db, &m->entries);
	if (r->die)
		sim_stop(m->sim);
	shale_cf_release(m->second);
	assert_ok(shale_close(m->db));
}

struct dump {
	struct sim_fs *fs;
	struct store *out;
};

static int dump_file(void *arg, const char *name, uint64_t size, bool is_dir)
{
	struct dump *d = arg;
	char path[128];
	void *data;
	size_t n;

	(void)size;
	assert_false(is_dir);
	snprintf(path, sizeof(path), DIR "/%s", name);
	assert_int_equal(sim_fs_read_file(d->fs, path, &data, &n), 0);
	buf_append(store_add(d->out, name), data, n);
	free(data);
	return 0;
}

void store_make(const char *name, struct store *out)
{
	struct maker m = { .recipe = NULL };
	struct dump dump = { .out = out };

	for (size_t i = 0; i < RECIPES; i++)
		if (strcmp(recipes[i].name, name) == 0)
			m.recipe = &recipes[i];
	assert_non_null(m.recipe);
	assert_ok(sim_new(42, &m.sim));
	sim_set_wall_ms(m.sim, UINT64_C(1700000000000));
	assert_int_equal(sim_run(m.sim, life, &m), m.recipe->die ? SIM_STOPPED : SIM_DONE);
	snprintf(out->about, sizeof(out->about), "%s", m.recipe->about);
	out->digest = m.digest;
	out->entries = m.entries;
	dump.fs = sim_get_fs(m.sim);
	assert_int_equal(sim_fs_list(dump.fs, DIR, dump_file, &dump), 0);
	sim_heap_free_all(sim_get_heap(m.sim));
	sim_free(m.sim);
}
