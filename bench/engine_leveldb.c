/* LevelDB by its C interface. */
#include "bench.h"

#include <leveldb/c.h>
#include <stdlib.h>
#include <time.h>

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

static void level_version(char *out, size_t size)
{
	snprintf(out, size, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void *level_open(const struct engine_options *o)
{
	struct level *l = calloc(1, sizeof(*l));
	char *error = NULL;

	if (l == NULL)
		die("leveldb: no memory");
	l->options = leveldb_options_create();
	l->cache = leveldb_cache_create_lru(o->cache_bytes);
	l->filter = leveldb_filterpolicy_create_bloom(10);
	leveldb_options_set_create_if_missing(l->options, 1);
	leveldb_options_set_compression(l->options, leveldb_no_compression);
	leveldb_options_set_write_buffer_size(l->options, o->memtable_bytes);
	leveldb_options_set_cache(l->options, l->cache);
	leveldb_options_set_filter_policy(l->options, l->filter);
	leveldb_options_set_max_open_files(l->options, 10000);

	l->write = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(l->write, o->durable);
	l->read = leveldb_readoptions_create();
	/* Off unless asked for; the others always check. */
	leveldb_readoptions_set_verify_checksums(l->read, 1);
	l->db = leveldb_open(l->options, o->dir, &error);
	check("open", error);
	return l;
}

static void level_close(void *db)
{
	struct level *l = db;

	leveldb_close(l->db);
	leveldb_readoptions_destroy(l->read);
	leveldb_writeoptions_destroy(l->write);
	leveldb_options_destroy(l->options);
	leveldb_filterpolicy_destroy(l->filter);
	leveldb_cache_destroy(l->cache);
	free(l);
}

static void level_put(void *db, const char *key, size_t key_size, const char *value,
		      size_t value_size)
{
	struct level *l = db;
	char *error = NULL;

	leveldb_put(l->db, l->write, key, key_size, value, value_size, &error);
	check("put", error);
}

static bool level_get(void *db, const char *key, size_t key_size, struct found *out)
{
	struct level *l = db;
	char *error = NULL;

	out->data = leveldb_get(l->db, l->read, key, key_size, &out->size, &error);
	check("get", error);
	out->hold[0] = (uintptr_t)out->data;
	return out->data != NULL;
}

static void level_release(struct found *f)
{
	leveldb_free((void *)f->hold[0]);
}

static void *level_iter_new(void *db)
{
	struct level *l = db;

	return leveldb_create_iterator(l->db, l->read);
}

static void level_iter_free(void *it)
{
	char *error = NULL;

	leveldb_iter_get_error(it, &error);
	check("iterate", error);
	leveldb_iter_destroy(it);
}

static bool level_iter_first(void *it)
{
	leveldb_iter_seek_to_first(it);
	return leveldb_iter_valid(it);
}

static bool level_iter_seek(void *it, const char *key, size_t key_size)
{
	leveldb_iter_seek(it, key, key_size);
	return leveldb_iter_valid(it);
}

static bool level_iter_next(void *it)
{
	leveldb_iter_next(it);
	return leveldb_iter_valid(it);
}

static const char *level_iter_key(void *it, size_t *size)
{
	return leveldb_iter_key(it, size);
}

static const char *level_iter_value(void *it, size_t *size)
{
	return leveldb_iter_value(it, size);
}

/* It does not tell what it owes: wait until its files have not changed for a second. */
static uint64_t level_settle(void *db, const struct engine_options *o)
{
	enum { STEP_MS = 50, STEPS = 20 };
	uint64_t last = 0;
	int quiet = 0;

	(void)db;
	while (quiet < STEPS) {
		uint64_t bytes = directory_bytes(o->dir);

		quiet = bytes == last ? quiet + 1 : 0;
		last = bytes;
		nanosleep(&(struct timespec){ 0, STEP_MS * 1000000 }, NULL);
	}
	return (uint64_t)STEP_MS * STEPS * 1000000;
}

static void level_describe(void *db, FILE *out)
{
	struct level *l = db;
	char *text = leveldb_property_value(l->db, "leveldb.stats");

	fprintf(out, "%s\n", text != NULL ? text : "");
	leveldb_free(text);
}

const struct engine engine_leveldb = {
	.name = "leveldb",
	.version = level_version,
	.open = level_open,
	.close = level_close,
	.put = level_put,
	.get = level_get,
	.release = level_release,
	.iter_new = level_iter_new,
	.iter_free = level_iter_free,
	.iter_first = level_iter_first,
	.iter_seek = level_iter_seek,
	.iter_next = level_iter_next,
	.iter_key = level_iter_key,
	.iter_value = level_iter_value,
	.settle = level_settle,
	.describe = level_describe,
};
