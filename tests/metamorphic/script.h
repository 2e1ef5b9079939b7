/*
 * Scripts of operations, as text: one operation a line, a verb and its fields.
 *
 *   # a comment
 *   setting memtable=16384          what the failing run used; see settings.h
 *   seed 0x2a                       of the schedule and of what power cuts leave
 *   put f=1 key=ab value=17:40 ttl=2
 *   iter i=0 f=1 lower=a skip=3
 *   next i=0 n=20
 *
 * Every verb takes every field; those that mean nothing to it are ignored. Bytes of
 * keys that are not plain are written %XX. A value is id:size, and all values are
 * pieces of one pool (value_bytes()). Times are hours of the simulated clock.
 *
 * All keys that occur in a script, bounds and prefixes too, are in one sorted table;
 * operations name them by index. So a model of the store is an array.
 */
#ifndef METAMORPHIC_SCRIPT_H
#define METAMORPHIC_SCRIPT_H

#include "support/test.h"

enum {
	FAMILIES = 4, /* 0 is the default one */
	KEYS_MAX = 512,
	KEY_BYTES = 96,
	ITERATORS = 4,
	SNAPSHOTS = 4,
	HOLDS = 4, /* values kept pinned */
	GETS_MAX = 8,
	VALUE_MAX = 65536,
	NONE = 0xffff, /* no key */
	NO_SNAPSHOT = 0xff,
};

enum verb {
	PUT,
	DELETE,
	DELETE_RANGE,
	BATCH_PUT,
	BATCH_DELETE,
	BATCH_DELETE_RANGE,
	BATCH_CLEAR,
	WRITE,
	GET,
	MULTI_GET,
	HOLD,
	RELEASE,
	ITER,
	FIRST,
	LAST,
	SEEK,
	SEEK_PREV,
	NEXT,
	PREV,
	ITER_FREE,
	SCAN,
	SNAPSHOT,
	SNAPSHOT_FREE,
	CREATE,
	DROP,
	SET_OPTIONS,
	FAMILIES_LIST,
	FLUSH,
	COMPACT,
	WAIT_IDLE,
	WAIT_DURABLE,
	RESUME,
	CHECK_ALL,
	FIGURES,
	TABLES,
	ADVANCE,
	OPEN_AGAIN,
	REOPEN,
	READ_ONLY,
	KILL,
	POWER_CUT,
	VERBS,
};

struct op {
	uint8_t verb, family;
	uint8_t reg;      /* which iterator, snapshot or held value it makes or moves */
	uint8_t snapshot; /* read from it */
	bool durable, no_wait, no_fill, verify;
	uint32_t n; /* moves, hours, which power cut */
	uint32_t ttl, skip;
	uint32_t id, size; /* of a value */
	uint16_t lower, upper, prefix;
	uint16_t key_count, key[GETS_MAX];
};

struct key {
	uint8_t bytes[KEY_BYTES];
	size_t size;
};

struct script {
	uint64_t seed;
	char settings[512]; /* text of settings.h */
	struct op *ops;
	size_t count, room;
	struct key keys[KEYS_MAX]; /* sorted once script_sort() was called */
	size_t key_count;
};

struct script *script_new(void);
void script_free(struct script *s);
struct op *script_add(struct script *s, enum verb verb);
/* The index of a key, added if it is new; NONE when there is no room. */
uint16_t script_key(struct script *s, const void *bytes, size_t size);
/* Sort the keys, drop those that nothing names. */
void script_sort(struct script *s);
/* A copy of the operations for which keep[] is true; all if it is NULL. */
struct script *script_copy(const struct script *s, const bool *keep);

shale_slice script_slice(const struct script *s, size_t key);
/* The first key not below `bytes`. */
size_t script_find(const struct script *s, shale_slice bytes);

/* NULL, and a sentence on standard error, if the text is no script. */
struct script *script_read(const char *path);
void script_write(const struct script *s, FILE *out);
void op_write(const struct script *s, const struct op *op, FILE *out);
const char *verb_name(unsigned verb);

/* The bytes of value `id`; they differ from those of other ids in the first eight. */
shale_slice value_bytes(uint32_t id, uint32_t size);

/* generate.c: a script of about n operations from a seed. */
struct script *script_generate(uint64_t seed, size_t n);

#endif
