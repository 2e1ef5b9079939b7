/*
 * One neutral harness for several engines. main.c plans and prints; for every
 * engine and round it forks a child, so that memory and processor time are that
 * engine's own; run.c runs the workloads there; stream.c makes the keys, the
 * same bytes in the same order for everyone, before any clock runs.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- what an engine can do ---- */

struct engine_options {
	const char *dir; /* exists and is empty, or holds this engine's store */
	size_t cache_bytes;
	size_t memtable_bytes;
	bool durable; /* every write survives power loss; else: the death of the process */
};

/* A value that a get found; `hold` is the engine's own. */
struct found {
	const char *data;
	size_t size;
	uintptr_t hold[6];
};

/*
 * Failures end the child: an adapter prints what is wrong and calls exit(1).
 * All but open, settle and close are called from several threads at once; an
 * iterator belongs to one.
 */
struct engine {
	const char *name;
	void (*version)(char *out, size_t size);
	void *(*open)(const struct engine_options *o);
	void (*close)(void *db);
	void (*put)(void *db, const char *key, size_t key_size, const char *value,
		    size_t value_size);
	/* False: no such key. */
	bool (*get)(void *db, const char *key, size_t key_size, struct found *out);
	void (*release)(struct found *f);
	void *(*iter_new)(void *db);
	void (*iter_free)(void *it);
	/* Moves: false where there is no entry. */
	bool (*iter_first)(void *it);
	bool (*iter_seek)(void *it, const char *key, size_t key_size);
	bool (*iter_next)(void *it);
	const char *(*iter_key)(void *it, size_t *size);
	const char *(*iter_value)(void *it, size_t *size);
	/*
	 * Wait until no flush or compaction is owed; what is in the memtable may
	 * stay there. Returns the nanoseconds spent only on making sure of that.
	 */
	uint64_t (*settle)(void *db, const struct engine_options *o);
	/* The engine's own figures, for a person. */
	void (*describe)(void *db, FILE *out);
};

extern const struct engine engine_shale, engine_rocksdb, engine_leveldb;

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- keys and values ---- */

enum { KEY_SIZE = 16 };

enum key_kind {
	KEY_RANDOM,  /* 16 bytes as from a hash */
	KEY_DECIMAL, /* user000000000042: a long shared prefix, padded with zeros */
};

enum stream_kind {
	STREAM_SORTED,  /* all keys, in order */
	STREAM_ALL,     /* all keys, each once, shuffled */
	STREAM_REPEAT,  /* keys drawn with repetition */
	STREAM_MISSING, /* keys that are not there, between those that are */
};

/* `count` keys of KEY_SIZE bytes each, one after the other. */
struct stream {
	char *keys;
	uint64_t count;
};

/* Keys of a store of `num`; `seed` varies those that are drawn. */
struct stream stream_new(enum stream_kind kind, enum key_kind keys, uint64_t num, uint64_t count,
			 uint64_t seed);
void stream_free(struct stream *s);

/* The value of a key: a piece of a pool, half of it random. The same for all engines. */
void value_pool_init(size_t value_size);
const char *value_of(const char *key, size_t value_size);

/* ---- latencies ---- */

/* Counts by size: 32 steps for every doubling, so within about 3 %. */
enum { HIST_BUCKETS = 60 * 32 };

struct hist {
	uint64_t count, sum, max;
	uint64_t bucket[HIST_BUCKETS];
};

static inline unsigned hist_bucket(uint64_t v)
{
	if (v < 64)
		return (unsigned)v;

	unsigned shift = 58 - (unsigned)__builtin_clzll(v);

	return 32 * shift + (unsigned)(v >> shift);
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	h->bucket[hist_bucket(v)]++;
	h->count++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
}

void hist_merge(struct hist *into, const struct hist *from);
uint64_t hist_quantile(const struct hist *h, double q);

/* ---- workloads ---- */

enum workload {
	FILLSEQ,
	FILLRANDOM,
	SETTLE, /* after fillrandom, always */
	READRANDOM,
	READMISSING,
	SEEKRANDOM,
	SCAN,
	OVERWRITE,
	SETTLE_AGAIN, /* after overwrite, always: what it left owed belongs to its price */
	WORKLOADS,
};

extern const char *const workload_name[WORKLOADS];

struct plan {
	bool wanted[WORKLOADS];
	enum key_kind keys;
	uint64_t num, reads, seeks;
	size_t value_size;
	unsigned threads;
	bool describe;
	struct engine_options engine;
};

/* What is measured of one workload in one round. */
struct figures {
	bool ran;
	uint64_t ops;
	double seconds;
	double cpu_seconds;           /* of all threads, those in the background included */
	uint64_t written;             /* bytes sent to the device (or owed to it) */
	uint64_t peak_rss;            /* bytes above what the harness itself holds */
	uint64_t disk;                /* bytes in the store's files at the end */
	uint64_t p50, p99, p999, max; /* ns an operation; 0 where not measured */
};

/* Runs all the plan's workloads with one engine; in the child. */
void run_engine(const struct engine *e, const struct plan *p, struct figures out[WORKLOADS]);

/* Nanoseconds on the monotonic clock. */
uint64_t now_ns(void);
/* Bytes in the files of a directory and those below. */
uint64_t directory_bytes(const char *path);
void directory_remove(const char *path);

#endif
