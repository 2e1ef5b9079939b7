/* RocksDB by its C interface, with settings as its own tuning guide advises. */
#include "bench.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <time.h>

struct rocks {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *write;
	rocksdb_readoptions_t *read;
};

static void check(const char *what, char *error)
{
	if (error != NULL)
		die("rocksdb: %s: %s", what, error);
}

static void rocks_version(char *out, size_t size)
{
	snprintf(out, size, "%s", ROCKSDB_VERSION); /* from its header, by the build */
}

static void *rocks_open(const struct engine_options *o)
{
	struct rocks *r = calloc(1, sizeof(*r));
	rocksdb_options_t *options = rocksdb_options_create();
	char *error = NULL;

	if (r == NULL)
		die("rocksdb: no memory");
	r->options = options;
	r->table = rocksdb_block_based_options_create();
	r->cache = rocksdb_cache_create_lru(o->cache_bytes);
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_filter_policy(r->table,
						      rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_format_version(r->table, 5);
	rocksdb_options_set_block_based_table_factory(options, r->table);

	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_options_set_write_buffer_size(options, o->memtable_bytes);
	rocksdb_options_set_max_write_buffer_number(options, 4);
	rocksdb_options_set_max_background_jobs(options, 2);
	rocksdb_options_set_level0_slowdown_writes_trigger(options, 20);
	rocksdb_options_set_level0_stop_writes_trigger(options, 36);
	rocksdb_options_set_max_bytes_for_level_base(options, 1ull << 30);
	rocksdb_options_set_target_file_size_base(options, 64 << 20);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_bytes_per_sync(options, 1 << 20);
	rocksdb_options_set_recycle_log_file_num(options, 4);

	r->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->write, o->durable);
	r->read = rocksdb_readoptions_create();
	rocksdb_readoptions_set_verify_checksums(r->read, 1);
	r->db = rocksdb_open(options, o->dir, &error);
	check("open", error);
	return r;
}

static void rocks_close(void *db)
{
	struct rocks *r = db;

	rocksdb_close(r->db);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_writeoptions_destroy(r->write);
	rocksdb_options_destroy(r->options);
	rocksdb_block_based_options_destroy(r->table);
	rocksdb_cache_destroy(r->cache);
	free(r);
}

static void rocks_put(void *db, const char *key, size_t key_size, const char *value,
		      size_t value_size)
{
	struct rocks *r = db;
	char *error = NULL;

	rocksdb_put(r->db, r->write, key, key_size, value, value_size, &error);
	check("put", error);
}

static bool rocks_get(void *db, const char *key, size_t key_size, struct found *out)
{
	struct rocks *r = db;
	char *error = NULL;
	rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(r->db, r->read, key, key_size, &error);

	check("get", error);
	if (slice == NULL)
		return false;
	out->data = rocksdb_pinnableslice_value(slice, &out->size);
	out->hold[0] = (uintptr_t)slice;
	return true;
}

static void rocks_release(struct found *f)
{
	rocksdb_pinnableslice_destroy((rocksdb_pinnableslice_t *)f->hold[0]);
}

static void *rocks_iter_new(void *db)
{
	struct rocks *r = db;

	return rocksdb_create_iterator(r->db, r->read);
}

static void rocks_iter_free(void *it)
{
	char *error = NULL;

	rocksdb_iter_get_error(it, &error);
	check("iterate", error);
	rocksdb_iter_destroy(it);
}

static bool rocks_iter_first(void *it)
{
	rocksdb_iter_seek_to_first(it);
	return rocksdb_iter_valid(it);
}

static bool rocks_iter_seek(void *it, const char *key, size_t key_size)
{
	rocksdb_iter_seek(it, key, key_size);
	return rocksdb_iter_valid(it);
}

static bool rocks_iter_next(void *it)
{
	rocksdb_iter_next(it);
	return rocksdb_iter_valid(it);
}

static const char *rocks_iter_key(void *it, size_t *size)
{
	return rocksdb_iter_key(it, size);
}

static const char *rocks_iter_value(void *it, size_t *size)
{
	return rocksdb_iter_value(it, size);
}

static bool owes(struct rocks *r)
{
	static const char *const property[] = {
		"rocksdb.mem-table-flush-pending",
		"rocksdb.num-running-flushes",
		"rocksdb.compaction-pending",
		"rocksdb.num-running-compactions",
	};
	uint64_t value;

	for (size_t i = 0; i < sizeof(property) / sizeof(property[0]); i++)
		if (rocksdb_property_int(r->db, property[i], &value) != 0 || value != 0)
			return true;
	return false;
}

/* Nothing owed for 200 ms on end: a finished flush may start a compaction. */
static uint64_t rocks_settle(void *db, const struct engine_options *o)
{
	enum { STEP_MS = 10, STEPS = 20 };
	int quiet = 0;

	(void)o;
	while (quiet < STEPS) {
		quiet = owes(db) ? 0 : quiet + 1;
		nanosleep(&(struct timespec){ 0, STEP_MS * 1000000 }, NULL);
	}
	return (uint64_t)STEP_MS * STEPS * 1000000;
}

static void rocks_describe(void *db, FILE *out)
{
	struct rocks *r = db;
	char *text = rocksdb_property_value(r->db, "rocksdb.stats");

	fprintf(out, "%s\n", text != NULL ? text : "");
	rocksdb_free(text);
}

const struct engine engine_rocksdb = {
	.name = "rocksdb",
	.version = rocks_version,
	.open = rocks_open,
	.close = rocks_close,
	.put = rocks_put,
	.get = rocks_get,
	.release = rocks_release,
	.iter_new = rocks_iter_new,
	.iter_free = rocks_iter_free,
	.iter_first = rocks_iter_first,
	.iter_seek = rocks_iter_seek,
	.iter_next = rocks_iter_next,
	.iter_key = rocks_iter_key,
	.iter_value = rocks_iter_value,
	.settle = rocks_settle,
	.describe = rocks_describe,
};
