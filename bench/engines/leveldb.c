/*
 * LevelDB by its C interface. It has no store without a log, and deletes a range
 * key by key. Tuned: a third of the memory for its two write buffers.
 */
#include "../engine.h"

#include <leveldb/c.h>
#include <stdlib.h>
#include <string.h>

struct level {
	leveldb_t *db;
	leveldb_options_t *options;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *filter;
	leveldb_writeoptions_t *write;
	leveldb_readoptions_t *read;
};

static void check(const char *what, char *error)
{
	if (error != NULL)
		die("leveldb: %s: %s", what, error);
}

static void version(char *out, size_t size)
{
	snprintf(out, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void tune(struct level *l, const struct engine_options *o)
{
	l->cache = leveldb_cache_create_lru(o->memory_bytes * 2 / 3);
	l->filter = leveldb_filterpolicy_create_bloom(10);
	leveldb_options_set_write_buffer_size(l->options, o->memory_bytes / 6);
	leveldb_options_set_cache(l->options, l->cache);
	leveldb_options_set_filter_policy(l->options, l->filter);
	leveldb_options_set_max_open_files(l->options, 10000);
	leveldb_options_set_max_file_size(l->options, 64 << 20);
}

static void *open_store(const struct engine_options *o)
{
	struct level *l = xcalloc(1, sizeof(*l));
	char *error = NULL;

	if (o->durability == SURVIVES_NOTHING)
		unsupported("leveldb always writes a log");
	l->options = leveldb_options_create();
	leveldb_options_set_create_if_missing(l->options, 1);
	leveldb_options_set_compression(l->options, leveldb_no_compression);
	if (o->tuned)
		tune(l, o);
	l->write = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(l->write, o->durability == SURVIVES_POWER);
	l->read = leveldb_readoptions_create();
	/* Off unless asked for; the others always check. */
	leveldb_readoptions_set_verify_checksums(l->read, 1);
	l->db = leveldb_open(l->options, o->dir, &error);
	check("open", error);
	return l;
}

static void close_store(void *db)
{
	struct level *l = db;

	leveldb_close(l->db);
	leveldb_readoptions_destroy(l->read);
	leveldb_writeoptions_destroy(l->write);
	leveldb_options_destroy(l->options);
	if (l->filter != NULL)
		leveldb_filterpolicy_destroy(l->filter);
	if (l->cache != NULL)
		leveldb_cache_destroy(l->cache);
	free(l);
}

static void put(void *db, struct bytes key, struct bytes value)
{
	struct level *l = db;
	char *error = NULL;

	leveldb_put(l->db, l->write, key.data, key.size, value.data, value.size, &error);
	check("put", error);
}

static void remove_key(void *db, struct bytes key)
{
	struct level *l = db;
	char *error = NULL;

	leveldb_delete(l->db, l->write, key.data, key.size, &error);
	check("delete", error);
}

static void remove_range(void *db, struct bytes lo, struct bytes hi)
{
	struct level *l = db;
	leveldb_iterator_t *it = leveldb_create_iterator(l->db, l->read);
	leveldb_writebatch_t *b = leveldb_writebatch_create();
	char *error = NULL;

	for (leveldb_iter_seek(it, lo.data, lo.size); leveldb_iter_valid(it);
	     leveldb_iter_next(it)) {
		size_t size;
		const char *key = leveldb_iter_key(it, &size);
		int order = memcmp(key, hi.data, size < hi.size ? size : hi.size);

		if (order > 0 || (order == 0 && size >= hi.size))
			break;
		leveldb_writebatch_delete(b, key, size);
	}
	leveldb_write(l->db, l->write, b, &error);
	check("delete range", error);
	leveldb_writebatch_destroy(b);
	leveldb_iter_destroy(it);
}

static void batch(void *db, size_t n, const struct bytes *key, const struct bytes *value)
{
	static __thread leveldb_writebatch_t *b; /* one for the life of the thread */
	struct level *l = db;
	char *error = NULL;

	if (b == NULL)
		b = leveldb_writebatch_create();
	leveldb_writebatch_clear(b);
	for (size_t i = 0; i < n; i++)
		leveldb_writebatch_put(b, key[i].data, key[i].size, value[i].data, value[i].size);
	leveldb_write(l->db, l->write, b, &error);
	check("write", error);
}

static bool get(void *db, struct bytes key, struct found *out)
{
	struct level *l = db;
	char *error = NULL;

	out->data = leveldb_get(l->db, l->read, key.data, key.size, &out->size, &error);
	check("get", error);
	out->hold[0] = (uintptr_t)out->data;
	return out->data != NULL;
}

static void release(void *db, struct found *f)
{
	(void)db;
	leveldb_free((void *)f->hold[0]);
}

static void *iter_new(void *db)
{
	struct level *l = db;

	return leveldb_create_iterator(l->db, l->read);
}

static void iter_free(void *it)
{
	char *error = NULL;

	leveldb_iter_get_error(it, &error);
	check("iterate", error);
	leveldb_iter_destroy(it);
}

static bool iter_first(void *it)
{
	leveldb_iter_seek_to_first(it);
	return leveldb_iter_valid(it);
}

static bool iter_last(void *it)
{
	leveldb_iter_seek_to_last(it);
	return leveldb_iter_valid(it);
}

static bool iter_seek(void *it, struct bytes key)
{
	leveldb_iter_seek(it, key.data, key.size);
	return leveldb_iter_valid(it);
}

static bool iter_next(void *it)
{
	leveldb_iter_next(it);
	return leveldb_iter_valid(it);
}

static bool iter_prev(void *it)
{
	leveldb_iter_prev(it);
	return leveldb_iter_valid(it);
}

static struct bytes iter_key(void *it)
{
	struct bytes b;

	b.data = leveldb_iter_key(it, &b.size);
	return b;
}

static struct bytes iter_value(void *it)
{
	struct bytes b;

	b.data = leveldb_iter_value(it, &b.size);
	return b;
}

/* It does not tell what it owes. */
static uint64_t settle(void *db, const struct engine_options *o)
{
	(void)db;
	directory_quiet(o->dir, 1000);
	return 1000000000;
}

const struct engine engine_leveldb = {
	.name = "leveldb",
	.version = version,
	.open = open_store,
	.close = close_store,
	.put = put,
	.remove = remove_key,
	.remove_range = remove_range,
	.batch = batch,
	.get = get,
	.release = release,
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
