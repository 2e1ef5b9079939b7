/* Shale. One budget holds all of its memory. */
#include "../engine.h"

#include <shale/shale.h>
#include <stdlib.h>

enum { TIERED_RUNS = 24 };

static shale_status check(const char *what, shale_status rc)
{
	if (rc < 0)
		die("shale: %s: %s: %s", what, shale_status_name(rc), shale_last_error()->text);
	return rc;
}

static shale_slice slice(struct bytes b)
{
	return shale_bytes(b.data, b.size);
}

static void version(char *out, size_t size)
{
	snprintf(out, size, "%s", SHALE_VERSION);
}

static void *open_store(const struct engine_options *o)
{
	static const shale_durability durability[] = { SHALE_EPHEMERAL, SHALE_PROCESS,
						       SHALE_DURABLE };
	static const shale_direct_io direct[] = { SHALE_NO_DIRECT_IO, SHALE_DIRECT_WRITES,
						  SHALE_DIRECT_ALL };
	static const shale_policy policy[] = { SHALE_DEFAULT_POLICY, SHALE_LEVELED, SHALE_TIERED };
	shale_options options = SHALE_OPTIONS_INIT;
	shale_db *db;

	options.durability = durability[o->durability];
	options.default_cf.compression = SHALE_NO_COMPRESSION;
	options.rate.bytes_per_s = o->rate_bytes;
	options.background_nice = o->nice;
	options.direct_io = direct[o->direct];
	options.default_cf.compaction.policy = policy[o->style];
	if (o->tuned) {
		options.memory_budget = o->memory_bytes;
		options.memtable_bytes = o->memory_bytes / 6;
		options.background_threads = 2;
		if (policy[o->style] == SHALE_TIERED) /* who takes it wants the fewest bytes */
			options.default_cf.compaction.max_runs = TIERED_RUNS;
	}
	check("open", shale_open(o->dir, &options, &db));
	return db;
}

static void close_store(void *db)
{
	check("close", shale_close(db));
}

static void put(void *db, struct bytes key, struct bytes value)
{
	check("put", shale_put(db, NULL, slice(key), slice(value)));
}

static void put_ttl(void *db, struct bytes key, struct bytes value, uint64_t ttl_ms)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.ttl_ms = ttl_ms;
	check("put", shale_put(db, &o, slice(key), slice(value)));
}

static void remove_key(void *db, struct bytes key)
{
	check("delete", shale_delete(db, NULL, slice(key)));
}

static void remove_range(void *db, struct bytes lo, struct bytes hi)
{
	check("delete range", shale_delete_range(db, NULL, slice(lo), slice(hi)));
}

static void batch(void *db, size_t n, const struct bytes *key, const struct bytes *value)
{
	static __thread shale_batch *b; /* one for the life of the thread */

	if (b == NULL)
		check("batch", shale_batch_new(&b));
	shale_batch_clear(b);
	for (size_t i = 0; i < n; i++)
		check("batch", shale_batch_put(b, NULL, slice(key[i]), slice(value[i])));
	check("write", shale_write(db, NULL, b));
}

/* The value lies in `hold`, so that nothing is copied. */
_Static_assert(sizeof(shale_value) <= sizeof(((struct found *)0)->hold), "a value fits");

static bool get(void *db, struct bytes key, struct found *out)
{
	shale_value *value = (shale_value *)out->hold;

	if (check("get", shale_get(db, NULL, slice(key), value)) != SHALE_OK)
		return false;
	out->data = value->data;
	out->size = value->size;
	return true;
}

static void release(void *db, struct found *f)
{
	(void)db;
	shale_value_release((shale_value *)f->hold);
}

static void multi_get(void *db, size_t n, const struct bytes *key, struct found *out)
{
	shale_slice keys[GROUP_MOST] = { 0 };
	shale_value values[GROUP_MOST];
	shale_status each[GROUP_MOST];

	for (size_t i = 0; i < n; i++)
		keys[i] = slice(key[i]);
	check("multi_get", shale_multi_get(db, NULL, n, keys, values, each));
	for (size_t i = 0; i < n; i++) {
		*(shale_value *)out[i].hold = values[i];
		out[i].data = each[i] == SHALE_OK ? values[i].data : NULL;
		out[i].size = values[i].size;
	}
}

static void *iter_new(void *db)
{
	shale_iter *it;

	check("iterator", shale_iter_new(db, NULL, &it));
	return it;
}

static void iter_free(void *it)
{
	shale_iter_free(it);
}

static bool iter_first(void *it)
{
	return check("first", shale_iter_first(it)) == SHALE_OK;
}

static bool iter_last(void *it)
{
	return check("last", shale_iter_last(it)) == SHALE_OK;
}

static bool iter_seek(void *it, struct bytes key)
{
	return check("seek", shale_iter_seek(it, slice(key))) == SHALE_OK;
}

static bool iter_next(void *it)
{
	return check("next", shale_iter_next(it)) == SHALE_OK;
}

static bool iter_prev(void *it)
{
	return check("prev", shale_iter_prev(it)) == SHALE_OK;
}

static struct bytes iter_key(void *it)
{
	shale_slice s = shale_iter_key(it);

	return (struct bytes){ s.data, s.size };
}

static struct bytes iter_value(void *it)
{
	shale_slice s;

	check("value", shale_iter_value(it, &s));
	return (struct bytes){ s.data, s.size };
}

static uint64_t settle(void *db, const struct engine_options *o)
{
	(void)o;
	check("wait", shale_wait_idle(db));
	return 0;
}

static void compact(void *db)
{
	check("compact", shale_compact(db, NULL));
}

const struct engine engine_shale = {
	.name = "shale",
	ENGINE_CALLS,
	.put_ttl = put_ttl,
	.multi_get = multi_get,
	.compact = compact,
};
