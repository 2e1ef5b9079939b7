/*
 * What one step asks of a store: a stream of operations, each with its key, drawn
 * before the clock runs and cut into one contiguous part for each thread.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "keys.h"

enum { TTL_MS = 1000 }; /* of what is put to expire */

enum op_kind {
	OP_PUT,
	OP_GET,       /* a key that is there */
	OP_GET_NONE,  /* a key that is not */
	OP_GET_MAYBE, /* a key that may be there */
	OP_SEEK,      /* a new iterator, a seek, `nexts` entries read */
	OP_MODIFY,    /* a get, then a put of the same key */
	OP_REMOVE,
	OP_FIRST,     /* a new iterator, its first entry */
	OP_TAKE,      /* a new iterator, its first entry, which is deleted; one thread */
	OP_BATCH,     /* the next `group` keys in one batch */
	OP_MULTI_GET, /* the next `group` keys at once */
	OP_PUT_TTL,   /* a put that lives as long as the next `window` of its kind take */
	OP_RETAIN,    /* delete what is more than `window` keys older */
	OP_COMPACT,   /* merge all that is stored into one */
};

struct stream {
	uint64_t count; /* keys */
	char *keys;
	uint8_t *kinds; /* an op_kind for each key, or NULL: all are of `kind` */
	enum op_kind kind;
	unsigned group; /* keys for each operation */
	unsigned nexts;
	uint64_t window;
	uint64_t inserts;   /* keys that are new to the store */
	uint64_t own_bytes; /* of memory that was not held before */
};

/* What the streams of a plan depend on. */
struct sizes {
	enum key_kind keys;
	uint64_t num;    /* entries of the store */
	uint64_t reads;  /* operations of a step that only reads, or mixes */
	uint64_t writes; /* of a step that puts what is there already, or deletes it */
	unsigned group;  /* keys of a batch or multi_get */
	unsigned threads;
};

enum { TAKEN_PART = 50 }; /* of the entries, by `takefront` */

/* What `deletefront` deletes: one entry stays at least. */
static inline uint64_t deleted_in_front(const struct sizes *z)
{
	return z->writes < z->num ? z->writes : z->num - 1;
}

/*
 * The stream of the step `name`, of `count` operations or (0) of as many as is its
 * custom. False: no such step. `turn` varies what is drawn from one use to the next.
 */
bool stream_new(const char *name, const struct sizes *z, uint64_t count, uint64_t turn,
		struct stream *out);
void stream_free(struct stream *s);
/*
 * Hold this much memory for streams from now on. Where memory is limited, the limit
 * is to be that much higher, and what is left for the engine is always the same.
 */
void stream_reserve(uint64_t bytes);

static inline const char *stream_key(const struct stream *s, uint64_t i)
{
	return s->keys + i * KEY_SIZE;
}

#endif
