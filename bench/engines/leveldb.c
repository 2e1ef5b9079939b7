/*
 * LevelDB by its C interface. It has no store without a log, and deletes a range
 * key by key. Tuned: a third of the memory for its two write buffers.
 *
 * It checks the checksums of what it reads only when asked, and is not: its tables are
 * mapped, and blocks that are not compressed stay out of its cache, so that it would check
 * them at every get where the others check a block once.
 */
#include "../engine.h"

#include <leveldb/c.h>
#include <stdlib.h>
#include <string.h>

struct store {
	leveldb_t *db;
	leveldb_options_t *options;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *filter;
	leveldb_writeoptions_t *write;
	leveldb_readoptions_t *read;
};

#define NAME "leveldb"
#define API(name) leveldb_##name
#include "c_interface.h"

static void version(char *out, size_t size)
{
	snprintf(out, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void tune(struct store *s, const struct engine_options *o)
{
	s->cache = leveldb_cache_create_lru(o->memory_bytes * 2 / 3);
	s->filter = leveldb_filterpolicy_create_bloom(10);
	leveldb_options_set_write_buffer_size(s->options, o->memory_bytes / 6);
	leveldb_options_set_cache(s->options, s->cache);
	leveldb_options_set_filter_policy(s->options, s->filter);
	leveldb_options_set_max_open_files(s->options, 10000);
	leveldb_options_set_max_file_size(s->options, 64 << 20);
}

static void *open_store(const struct engine_options *o)
{
	struct store *s;
	char *error = NULL;

	if (o->durability == SURVIVES_NOTHING)
		unsupported("leveldb always writes a log");
	s = store_new(o);
	if (o->tuned)
		tune(s, o);
	s->db = leveldb_open(s->options, o->dir, &error);
	check("open", error);
	return s;
}

static void close_store(void *db)
{
	struct store *s = db;

	store_close(s);
	if (s->filter != NULL)
		leveldb_filterpolicy_destroy(s->filter);
	free(s);
}

static void remove_range(void *db, struct bytes lo, struct bytes hi)
{
	struct store *s = db;
	leveldb_writebatch_t *b = leveldb_writebatch_create();
	void *it = iter_new(db);
	char *error = NULL;

	for (bool more = iter_seek(it, lo); more; more = iter_next(it)) {
		struct bytes key = iter_key(it);
		int order = memcmp(key.data, hi.data, key.size < hi.size ? key.size : hi.size);

		if (order > 0 || (order == 0 && key.size >= hi.size))
			break;
		leveldb_writebatch_delete(b, key.data, key.size);
	}
	iter_free(it);
	leveldb_write(s->db, s->write, b, &error);
	check("delete range", error);
	leveldb_writebatch_destroy(b);
}

static bool get(void *db, struct bytes key, struct found *out)
{
	struct store *s = db;
	char *error = NULL;

	out->data = leveldb_get(s->db, s->read, key.data, key.size, &out->size, &error);
	check("get", error);
	out->hold[0] = (uintptr_t)out->data;
	return out->data != NULL;
}

static void release(void *db, struct found *f)
{
	(void)db;
	leveldb_free((void *)f->hold[0]);
}

/* It does not tell what it owes. */
static uint64_t settle(void *db, const struct engine_options *o)
{
	(void)db;
	directory_quiet(o->dir, 1000);
	return 1000000000;
}

static void compact(void *db)
{
	struct store *s = db;

	leveldb_compact_range(s->db, NULL, 0, NULL, 0);
}

const struct engine engine_leveldb = {
	.name = "leveldb",
	ENGINE_CALLS,
	.compact = compact,
};
