/*
 * RocksDB by its C interface. Tuned: as its own tuning guide advises; a third of
 * the memory for write buffers and what else lies outside the block cache.
 */
#include "../engine.h"

#include <rocksdb/c.h>
#include <stdlib.h>

struct rocks {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_column_family_handle_t *cf;
	rocksdb_writeoptions_t *write;
	rocksdb_readoptions_t *read;
};

static void check(const char *what, char *error)
{
	if (error != NULL)
		die("rocksdb: %s: %s", what, error);
}

static void version(char *out, size_t size)
{
	snprintf(out, size, "%s", ROCKSDB_VERSION); /* from its header, by the build */
}

static void tune(struct rocks *r, const struct engine_options *o)
{
	rocksdb_options_t *options = r->options;

	r->table = rocksdb_block_based_options_create();
	r->cache = rocksdb_cache_create_lru(o->memory_bytes * 2 / 3);
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_filter_policy(r->table,
						      rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_format_version(r->table, 5);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(r->table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(r->table,
											 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(r->table, 1);
	rocksdb_options_set_block_based_table_factory(options, r->table);

	rocksdb_options_set_write_buffer_size(options, o->memory_bytes / 6);
	rocksdb_options_set_max_write_buffer_number(options, 4);
	rocksdb_options_set_db_write_buffer_size(options, o->memory_bytes / 3);
	rocksdb_options_set_max_background_jobs(options, 2);
	rocksdb_options_set_max_subcompactions(options, 2);
	rocksdb_options_set_level0_slowdown_writes_trigger(options, 20);
	rocksdb_options_set_level0_stop_writes_trigger(options, 36);
	rocksdb_options_set_max_bytes_for_level_base(options, 1ull << 30);
	rocksdb_options_set_target_file_size_base(options, 64 << 20);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_bytes_per_sync(options, 1 << 20);
	rocksdb_options_set_recycle_log_file_num(options, 4);
	rocksdb_options_compaction_readahead_size(options, 2 << 20);
	rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.02);
	rocksdb_options_set_memtable_whole_key_filtering(options, 1);
	rocksdb_options_set_memtable_huge_page_size(options, 2 << 20);
}

static void *open_store(const struct engine_options *o)
{
	static const char *const name = "default";
	struct rocks *r = xcalloc(1, sizeof(*r));
	const rocksdb_options_t *cf_options;
	char *error = NULL;

	r->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(r->options, 1);
	rocksdb_options_set_compression(r->options, rocksdb_no_compression);
	if (o->tuned)
		tune(r, o);
	r->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->write, o->durability == SURVIVES_POWER);
	rocksdb_writeoptions_disable_WAL(r->write, o->durability == SURVIVES_NOTHING);
	r->read = rocksdb_readoptions_create();
	rocksdb_readoptions_set_verify_checksums(r->read, 1);
	/* By families, since deleting a range wants the handle of one. */
	cf_options = r->options;
	r->db = rocksdb_open_column_families(r->options, o->dir, 1, &name, &cf_options, &r->cf,
					     &error);
	check("open", error);
	return r;
}

static void close_store(void *db)
{
	struct rocks *r = db;

	rocksdb_column_family_handle_destroy(r->cf);
	rocksdb_close(r->db);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_writeoptions_destroy(r->write);
	rocksdb_options_destroy(r->options);
	if (r->table != NULL)
		rocksdb_block_based_options_destroy(r->table);
	if (r->cache != NULL)
		rocksdb_cache_destroy(r->cache);
	free(r);
}

static void put(void *db, struct bytes key, struct bytes value)
{
	struct rocks *r = db;
	char *error = NULL;

	rocksdb_put(r->db, r->write, key.data, key.size, value.data, value.size, &error);
	check("put", error);
}

static void remove_key(void *db, struct bytes key)
{
	struct rocks *r = db;
	char *error = NULL;

	rocksdb_delete(r->db, r->write, key.data, key.size, &error);
	check("delete", error);
}

static void remove_range(void *db, struct bytes lo, struct bytes hi)
{
	struct rocks *r = db;
	char *error = NULL;

	rocksdb_delete_range_cf(r->db, r->write, r->cf, lo.data, lo.size, hi.data, hi.size, &error);
	check("delete range", error);
}

static void batch(void *db, size_t n, const struct bytes *key, const struct bytes *value)
{
	static __thread rocksdb_writebatch_t *b; /* one for the life of the thread */
	struct rocks *r = db;
	char *error = NULL;

	if (b == NULL)
		b = rocksdb_writebatch_create();
	rocksdb_writebatch_clear(b);
	for (size_t i = 0; i < n; i++)
		rocksdb_writebatch_put(b, key[i].data, key[i].size, value[i].data, value[i].size);
	rocksdb_write(r->db, r->write, b, &error);
	check("write", error);
}

static bool hold(rocksdb_pinnableslice_t *slice, struct found *out)
{
	out->data = slice != NULL ? rocksdb_pinnableslice_value(slice, &out->size) : NULL;
	out->hold[0] = (uintptr_t)slice;
	return slice != NULL;
}

static bool get(void *db, struct bytes key, struct found *out)
{
	struct rocks *r = db;
	char *error = NULL;
	rocksdb_pinnableslice_t *slice =
		rocksdb_get_pinned(r->db, r->read, key.data, key.size, &error);

	check("get", error);
	return hold(slice, out);
}

static void release(void *db, struct found *f)
{
	(void)db;
	rocksdb_pinnableslice_destroy((rocksdb_pinnableslice_t *)f->hold[0]);
}

static void multi_get(void *db, size_t n, const struct bytes *key, struct found *out)
{
	struct rocks *r = db;
	enum { MOST = 128 };
	const char *keys[MOST] = { NULL };
	size_t sizes[MOST] = { 0 };
	rocksdb_pinnableslice_t *slices[MOST];
	char *errors[MOST];

	if (n > MOST)
		die("rocksdb: %zu keys at once", n);
	for (size_t i = 0; i < n; i++) {
		keys[i] = key[i].data;
		sizes[i] = key[i].size;
	}
	rocksdb_batched_multi_get_cf(r->db, r->read, r->cf, n, keys, sizes, slices, errors, false);
	for (size_t i = 0; i < n; i++) {
		check("multi_get", errors[i]);
		hold(slices[i], &out[i]);
	}
}

static void *iter_new(void *db)
{
	struct rocks *r = db;

	return rocksdb_create_iterator(r->db, r->read);
}

static void iter_free(void *it)
{
	char *error = NULL;

	rocksdb_iter_get_error(it, &error);
	check("iterate", error);
	rocksdb_iter_destroy(it);
}

static bool iter_first(void *it)
{
	rocksdb_iter_seek_to_first(it);
	return rocksdb_iter_valid(it);
}

static bool iter_last(void *it)
{
	rocksdb_iter_seek_to_last(it);
	return rocksdb_iter_valid(it);
}

static bool iter_seek(void *it, struct bytes key)
{
	rocksdb_iter_seek(it, key.data, key.size);
	return rocksdb_iter_valid(it);
}

static bool iter_next(void *it)
{
	rocksdb_iter_next(it);
	return rocksdb_iter_valid(it);
}

static bool iter_prev(void *it)
{
	rocksdb_iter_prev(it);
	return rocksdb_iter_valid(it);
}

static struct bytes iter_key(void *it)
{
	struct bytes b;

	b.data = rocksdb_iter_key(it, &b.size);
	return b;
}

static struct bytes iter_value(void *it)
{
	struct bytes b;

	b.data = rocksdb_iter_value(it, &b.size);
	return b;
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
static uint64_t settle(void *db, const struct engine_options *o)
{
	enum { STEP_MS = 10, STEPS = 20 };
	int quiet = 0;

	(void)o;
	while (quiet < STEPS) {
		quiet = owes(db) ? 0 : quiet + 1;
		sleep_ms(STEP_MS);
	}
	return (uint64_t)STEP_MS * STEPS * 1000000;
}

const struct engine engine_rocksdb = {
	.name = "rocksdb",
	.version = version,
	.open = open_store,
	.close = close_store,
	.put = put,
	.remove = remove_key,
	.remove_range = remove_range,
	.batch = batch,
	.get = get,
	.release = release,
	.multi_get = multi_get,
	.iter_new = iter_new,
	.iter_free = iter_free,
	.iter_first = iter_first,
	.iter_last = iter_last,
	.iter_seek = iter_seek,
	.iter_next = iter_next,
	.iter_prev = iter_prev,
	.iter_key = iter_key,
	.iter_value = iter_value,
	.settle = settle,
};
