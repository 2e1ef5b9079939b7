/*
 * Shale. It has one budget for all memory; 256 MiB over the others' block cache
 * are less than they may use besides (up to four memtables, or two).
 */
#include "bench.h"

#include <shale/shale.h>
#include <stdlib.h>

enum { BESIDES_CACHE = 256 << 20 };

static shale_status check(const char *what, shale_status rc)
{
	if (rc < 0)
		die("shale: %s: %s: %s", what, shale_status_name(rc), shale_last_error()->text);
	return rc;
}

static void engine_shale_version(char *out, size_t size)
{
	snprintf(out, size, "%s", SHALE_VERSION);
}

static void *engine_shale_open(const struct engine_options *o)
{
	shale_options options = SHALE_OPTIONS_INIT;
	shale_db *db;

	options.memory_budget = o->cache_bytes + BESIDES_CACHE;
	options.memtable_bytes = o->memtable_bytes;
	options.durability = o->durable ? SHALE_DURABLE : SHALE_PROCESS;
	options.background_threads = 2;
	options.default_cf.compression = SHALE_NO_COMPRESSION;
	check("open", shale_open(o->dir, &options, &db));
	return db;
}

static void engine_shale_close(void *db)
{
	check("close", shale_close(db));
}

static void engine_shale_put(void *db, const char *key, size_t key_size, const char *value,
			     size_t value_size)
{
	check("put",
	      shale_put(db, NULL, shale_bytes(key, key_size), shale_bytes(value, value_size)));
}

/* The value lies in `hold`, so that nothing is copied. */
_Static_assert(sizeof(shale_value) <= sizeof(((struct found *)0)->hold), "a value fits");

static bool engine_shale_get(void *db, const char *key, size_t key_size, struct found *out)
{
	shale_value *value = (shale_value *)out->hold;

	if (check("get", shale_get(db, NULL, shale_bytes(key, key_size), value)) != SHALE_OK)
		return false;
	out->data = value->data;
	out->size = value->size;
	return true;
}

static void engine_shale_release(struct found *f)
{
	shale_value_release((shale_value *)f->hold);
}

static void *engine_shale_iter_new(void *db)
{
	shale_iter *it;

	check("iterator", shale_iter_new(db, NULL, &it));
	return it;
}

static void engine_shale_iter_free(void *it)
{
	shale_iter_free(it);
}

static bool engine_shale_iter_first(void *it)
{
	return check("first", shale_iter_first(it)) == SHALE_OK;
}

static bool engine_shale_iter_seek(void *it, const char *key, size_t key_size)
{
	return check("seek", shale_iter_seek(it, shale_bytes(key, key_size))) == SHALE_OK;
}

static bool engine_shale_iter_next(void *it)
{
	return check("next", shale_iter_next(it)) == SHALE_OK;
}

static const char *engine_shale_iter_key(void *it, size_t *size)
{
	shale_slice s = shale_iter_key(it);

	*size = s.size;
	return s.data;
}

static const char *engine_shale_iter_value(void *it, size_t *size)
{
	shale_slice s;

	check("value", shale_iter_value(it, &s));
	*size = s.size;
	return s.data;
}

static uint64_t engine_shale_settle(void *db, const struct engine_options *o)
{
	(void)o;
	check("wait", shale_wait_idle(db));
	return 0;
}

static void engine_shale_describe(void *db, FILE *out)
{
	shale_stats s = SHALE_STATS_INIT;

	check("stats", shale_stats_get(db, &s));
	fprintf(out, "level  runs tables       MiB    entries  read MiB  written MiB\n");
	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++) {
		const shale_level_stats *l = &s.level[i];

		if (l->tables != 0 || l->written_bytes != 0)
			fprintf(out, "%5u %5llu %6llu %9llu %10llu %9llu %12llu\n", i,
				(unsigned long long)l->runs, (unsigned long long)l->tables,
				(unsigned long long)l->bytes >> 20, (unsigned long long)l->entries,
				(unsigned long long)l->read_bytes >> 20,
				(unsigned long long)l->written_bytes >> 20);
	}
	fprintf(out,
		"flushes %llu (%llu MiB), compactions %llu, moves %llu\n"
		"delayed writes %llu (%llu ms), stops %llu (%llu ms, longest %llu ms)\n"
		"cache hits %llu, misses %llu; filter probes %llu, false positives %llu\n"
		"memory %llu MiB: memtables %llu, cache %llu, tables %llu, log %llu, other %llu\n",
		(unsigned long long)s.flushes, (unsigned long long)s.flush_bytes >> 20,
		(unsigned long long)s.compactions, (unsigned long long)s.trivial_moves,
		(unsigned long long)s.delayed_writes, (unsigned long long)s.delay_ns / 1000000,
		(unsigned long long)s.stops, (unsigned long long)s.stop_ns / 1000000,
		(unsigned long long)s.longest_stop_ns / 1000000, (unsigned long long)s.cache_hits,
		(unsigned long long)s.cache_misses, (unsigned long long)s.filter_probes,
		(unsigned long long)s.filter_false_positives,
		(unsigned long long)s.memory_used >> 20,
		(unsigned long long)s.memory_memtables >> 20,
		(unsigned long long)s.memory_cache >> 20, (unsigned long long)s.memory_tables >> 20,
		(unsigned long long)s.memory_log >> 20, (unsigned long long)s.memory_other >> 20);
}

const struct engine engine_shale = {
	.name = "shale",
	.version = engine_shale_version,
	.open = engine_shale_open,
	.close = engine_shale_close,
	.put = engine_shale_put,
	.get = engine_shale_get,
	.release = engine_shale_release,
	.iter_new = engine_shale_iter_new,
	.iter_free = engine_shale_iter_free,
	.iter_first = engine_shale_iter_first,
	.iter_seek = engine_shale_iter_seek,
	.iter_next = engine_shale_iter_next,
	.iter_key = engine_shale_iter_key,
	.iter_value = engine_shale_iter_value,
	.settle = engine_shale_settle,
	.describe = engine_shale_describe,
};
