/*
 * What the driver asks of a key-value engine, and how it has it opened. An
 * adapter in engines/ is the whole of what is particular to one.
 *
 * A failure ends the process: an adapter prints what is wrong and exits, by die().
 *
 * Threads: open, close and settle are called by one. All other calls take the
 * handle of their own thread (thread_new), for engines that keep something for
 * each thread; where thread_new is NULL the store itself is the handle.
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bytes {
	const char *data;
	size_t size;
};

/* What a write that returned survives. Figures are compared within one class only. */
enum durability {
	SURVIVES_NOTHING, /* no log */
	SURVIVES_KILL,    /* the death of the process */
	SURVIVES_POWER,   /* the loss of power */
};

/* Of engines that have a choice: how runs of entries are merged. */
enum style {
	STYLE_USUAL,
	STYLE_LEVELED,
	STYLE_TIERED, /* by similar size; RocksDB calls it universal */
};

/* What of their tables goes past the page cache. */
enum direct {
	DIRECT_NOTHING,
	DIRECT_WRITES, /* of flushes and merges */
	DIRECT_ALL,
};

struct engine_options {
	const char *dir; /* exists; holds nothing, or this engine's store */
	enum durability durability;
	enum style style;
	bool tuned;            /* else: as the engine comes, but for compression: none */
	uint64_t memory_bytes; /* of a tuned engine: memtables, caches and filters together */
	uint64_t data_bytes;   /* about what will be stored, for engines that reserve it */
	unsigned threads;      /* that will work in it, for engines with caches of each */
	uint64_t rate_bytes;   /* a second at most, of merges (Shale) or of all writes of
				  tables (RocksDB); 0: no limit. Other engines have none. */
	unsigned nice;         /* of Shale's background threads */
	enum direct direct;    /* of Shale and RocksDB */
	uint64_t ttl_ms;       /* of what is put to expire; 0: nothing will be */
};

/* A value that a get found; data is NULL where it found none. `hold` is the adapter's. */
struct found {
	const char *data;
	size_t size;
	uintptr_t hold[6];
};

enum { GROUP_MOST = 128 }; /* keys of a batch or multi_get */

struct engine {
	const char *name;
	void (*version)(char *out, size_t size);
	void *(*open)(const struct engine_options *o);
	void (*close)(void *db);
	void *(*thread_new)(void *db);
	void (*thread_free)(void *h);

	void (*put)(void *h, struct bytes key, struct bytes value);
	/* NULL where an engine has no time to live: the driver deletes what is old. It is always
	   that of the options. */
	void (*put_ttl)(void *h, struct bytes key, struct bytes value, uint64_t ttl_ms);
	void (*remove)(void *h, struct bytes key);
	void (*remove_range)(void *h, struct bytes lo, struct bytes hi); /* [lo, hi) */
	void (*batch)(void *h, size_t n, const struct bytes *key, const struct bytes *value);

	/* Each get is followed by its release, before the next call of the thread.
	   NULL where nothing can be read: such an engine is only filled. */
	bool (*get)(void *h, struct bytes key, struct found *out);
	void (*release)(void *h, struct found *f);
	/* NULL: the driver asks for one after the other. Each that was found is released. */
	void (*multi_get)(void *h, size_t n, const struct bytes *key, struct found *out);

	/* One iterator a thread at a time. Moves: false where there is no entry. */
	void *(*iter_new)(void *h);
	void (*iter_free)(void *it);
	bool (*iter_first)(void *it);
	bool (*iter_last)(void *it);
	bool (*iter_seek)(void *it, struct bytes key);
	bool (*iter_next)(void *it); /* after first or seek */
	bool (*iter_prev)(void *it); /* after last */
	struct bytes (*iter_key)(void *it);
	struct bytes (*iter_value)(void *it);

	/*
	 * Wait until no work is owed in the background, or do it. Returns the
	 * nanoseconds that were spent only on making sure of that.
	 */
	uint64_t (*settle)(void *db, const struct engine_options *o);
	/* Merge all that is stored into one; NULL where nothing is merged. */
	void (*compact)(void *h);
};

/* What every engine has, by the names that its adapter gives its functions. */
#define ENGINE_CALLS                                                                               \
	.version = version, .open = open_store, .close = close_store, .put = put,                  \
	.remove = remove_key, .remove_range = remove_range, .batch = batch, .get = get,            \
	.release = release, .iter_new = iter_new, .iter_free = iter_free,                          \
	.iter_first = iter_first, .iter_last = iter_last, .iter_seek = iter_seek,                  \
	.iter_next = iter_next, .iter_prev = iter_prev, .iter_key = iter_key,                      \
	.iter_value = iter_value, .settle = settle

extern const struct engine engine_shale, engine_rocksdb, engine_leveldb, engine_lmdb,
	engine_wiredtiger, engine_sqlite, engine_device;

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The engine cannot do what is asked: the driver exits with EXIT_UNSUPPORTED. */
enum { EXIT_UNSUPPORTED = 3 };
_Noreturn void unsupported(const char *what);
void *xcalloc(size_t count, size_t size);
void sleep_ms(unsigned ms);
/* Bytes in the files of a directory and those below. */
uint64_t directory_bytes(const char *path);
/* Wait until the files' size has not changed for `ms`; for engines that tell no more. */
void directory_quiet(const char *path, unsigned ms);

#endif
