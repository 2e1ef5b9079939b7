/*
 * RocksDB by its C interface. Tuned: as its own tuning guide advises; a third of
 * the memory for write buffers and what else lies outside the block cache.
 */
#include "../engine.h"

#include <rocksdb/c.h>
#include <stdlib.h>

struct store {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_column_family_handle_t *cf;
	rocksdb_writeoptions_t *write;
	rocksdb_readoptions_t *read;
	bool tiered;
};

#define NAME "rocksdb"
#define API(name) rocksdb_##name
#include "c_interface.h"

static void version(char *out, size_t size)
{
	snprintf(out, size, "%s", ROCKSDB_VERSION); /* from its header, by the build */
}

static void tune(struct store *s, const struct engine_options *o)
{
	rocksdb_options_t *options = s->options;

	s->table = rocksdb_block_based_options_create();
	s->cache = rocksdb_cache_create_lru(o->memory_bytes * 2 / 3);
	rocksdb_block_based_options_set_block_cache(s->table, s->cache);
	rocksdb_block_based_options_set_filter_policy(s->table,
						      rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_format_version(s->table, 5);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(s->table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(s->table,
											 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(s->table, 1);
	rocksdb_options_set_block_based_table_factory(options, s->table);

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
}

static void limit_rate(struct store *s, uint64_t bytes_per_s)
{
	enum { REFILL_US = 100000, FAIRNESS = 10 }; /* as it comes */
	rocksdb_ratelimiter_t *limiter =
		rocksdb_ratelimiter_create((int64_t)bytes_per_s, REFILL_US, FAIRNESS);

	rocksdb_options_set_ratelimiter(s->options, limiter);
	rocksdb_ratelimiter_destroy(limiter); /* the options hold it */
}

static void *open_store(const struct engine_options *o)
{
	static const char *const name = "default";
	struct store *s = store_new(o);
	const int ttl_s = (int)((o->ttl_ms + 999) / 1000);
	const rocksdb_options_t *cf_options;
	char *error = NULL;

	if (o->tuned)
		tune(s, o);
	if (o->rate_bytes != 0)
		limit_rate(s, o->rate_bytes);
	rocksdb_options_set_use_direct_io_for_flush_and_compaction(s->options,
								   o->direct != DIRECT_NOTHING);
	rocksdb_options_set_use_direct_reads(s->options, o->direct == DIRECT_ALL);
	if (o->style == STYLE_TIERED)
		rocksdb_options_set_compaction_style(s->options, rocksdb_universal_compaction);
	rocksdb_writeoptions_disable_WAL(s->write, o->durability == SURVIVES_NOTHING);
	/* By families, since deleting a range wants the handle of one. */
	cf_options = s->options;
	if (o->ttl_ms != 0)
		s->db = rocksdb_open_column_families_with_ttl(s->options, o->dir, 1, &name,
							      &cf_options, &s->cf, &ttl_s, &error);
	else
		s->db = rocksdb_open_column_families(s->options, o->dir, 1, &name, &cf_options,
						     &s->cf, &error);
	s->tiered = o->style == STYLE_TIERED;
	check("open", error);
	return s;
}

static void close_store(void *db)
{
	struct store *s = db;

	rocksdb_column_family_handle_destroy(s->cf);
	store_close(s);
	if (s->table != NULL)
		rocksdb_block_based_options_destroy(s->table);
	free(s);
}

/* The time is the store's, in seconds, and what has expired goes when it is merged. */
static void put_ttl(void *db, struct bytes key, struct bytes value, uint64_t ttl_ms)
{
	(void)ttl_ms;
	put(db, key, value);
}

static void remove_range(void *db, struct bytes lo, struct bytes hi)
{
	struct store *s = db;
	char *error = NULL;

	rocksdb_delete_range_cf(s->db, s->write, s->cf, lo.data, lo.size, hi.data, hi.size, &error);
	check("delete range", error);
}

static bool hold(rocksdb_pinnableslice_t *slice, struct found *out)
{
	out->data = slice != NULL ? rocksdb_pinnableslice_value(slice, &out->size) : NULL;
	out->hold[0] = (uintptr_t)slice;
	return slice != NULL;
}

static bool get(void *db, struct bytes key, struct found *out)
{
	struct store *s = db;
	char *error = NULL;
	rocksdb_pinnableslice_t *slice =
		rocksdb_get_pinned(s->db, s->read, key.data, key.size, &error);

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
	struct store *s = db;
	const char *keys[GROUP_MOST] = { NULL };
	size_t sizes[GROUP_MOST] = { 0 };
	rocksdb_pinnableslice_t *slices[GROUP_MOST];
	char *errors[GROUP_MOST];

	for (size_t i = 0; i < n; i++) {
		keys[i] = key[i].data;
		sizes[i] = key[i].size;
	}
	rocksdb_batched_multi_get_cf(s->db, s->read, s->cf, n, keys, sizes, slices, errors, false);
	for (size_t i = 0; i < n; i++) {
		check("multi_get", errors[i]);
		hold(slices[i], &out[i]);
	}
}

/*
 * Universal compaction calls a merge pending while there are as many runs as its trigger,
 * and begins one when there are more: with exactly as many it would owe one for ever.
 */
static bool owes(struct store *s)
{
	static const char *const property[] = {
		"rocksdb.mem-table-flush-pending",
		"rocksdb.num-running-flushes",
		"rocksdb.num-running-compactions",
		"rocksdb.compaction-pending",
	};
	size_t count = sizeof(property) / sizeof(property[0]) - s->tiered;
	uint64_t value;

	for (size_t i = 0; i < count; i++)
		if (rocksdb_property_int(s->db, property[i], &value) != 0 || value != 0)
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

static void compact(void *db)
{
	enum { FORCE_OPTIMIZED = 3 }; /* the last level too, but not what this has just written */
	struct store *s = db;
	rocksdb_compactoptions_t *o = rocksdb_compactoptions_create();

	rocksdb_compactoptions_set_bottommost_level_compaction(o, FORCE_OPTIMIZED);
	rocksdb_compactoptions_set_exclusive_manual_compaction(o, 0);
	rocksdb_compact_range_opt(s->db, o, NULL, 0, NULL, 0);
	rocksdb_compactoptions_destroy(o);
}

const struct engine engine_rocksdb = {
	.name = "rocksdb",
	ENGINE_CALLS,
	.put_ttl = put_ttl,
	.multi_get = multi_get,
	.compact = compact,
};
