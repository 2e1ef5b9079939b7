/*
 * The model test's parts: the oracle (oracle.c), the operations on store and oracle
 * (ops.c), and the lives of a store with what a crash may leave (lives.c).
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"
#include "env/sim.h"

enum {
	KEYS = 400,
	FAMILIES = 2,
	SNAPSHOTS = 4,
	HISTORY = 4096,
	HOUR_MS = 3600 * 1000,
};

/* A family's content: for each key the id of its value, 0 for none. */
struct state {
	uint32_t id[FAMILIES][KEYS];
	uint64_t expiry[FAMILIES][KEYS]; /* 0: never */
};

/* One commit: what it wrote. */
struct change {
	size_t count;
	struct {
		uint16_t family, key;
		uint32_t id;
		uint64_t expiry;
	} * ops;
};

struct model {
	/* The option set. */
	const char *name;
	shale_options options;
	uint64_t seed;

	struct sim *sim;
	struct rand rand;
	uint8_t key[KEYS][80];
	size_t key_size[KEYS];

	shale_db *db;
	shale_cf *cf[FAMILIES];
	struct state now;

	/* Since what is known to survive a power cut. */
	struct state durable;
	struct change history[HISTORY];
	size_t history_count;
	struct change pending; /* under way; count 0: none */

	struct {
		shale_snapshot *snapshot;
		struct state state;
	} snapshots[SNAPSHOTS];

	uint32_t next_id;
	uint64_t ops, calls_left;
	bool crashing, closed;
	shale_batch *batch; /* under way; it is on this machine's heap, which no crash frees */
};

/* A failure prints what repeats it. */
#define CHECK(m, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr,                                                            \
				"%s:%d: options '%s', seed 0x%" PRIx64 ", op %" PRIu64 ": ",       \
				__FILE__, __LINE__, (m)->name, (m)->seed, (m)->ops);               \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, " (last error: %s)\n", shale_last_error()->text);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline uint64_t below(struct model *m, uint64_t n)
{
	return rand_below(&m->rand, n);
}

static inline shale_slice key_of(const struct model *m, size_t i)
{
	return slice_from(m->key[i], m->key_size[i]);
}

/* ---- oracle.c ---- */

/* Keys of several shapes: decimal with a long shared prefix, binary, prefixes of each other. */
void make_keys(struct model *m);

/* A value follows from its id. */
size_t value_size(uint32_t id);
void value_make(uint32_t id, uint8_t *out);
bool value_is(uint32_t id, shale_slice got);

uint64_t wall_ms(struct model *m);
/* The id at key k of family f, 0 if there is none or it has expired. */
uint32_t live(struct model *m, const struct state *s, size_t f, size_t k);

void change_add(struct change *c, size_t f, size_t k, uint32_t id, uint64_t expiry);
void change_free(struct change *c);
void apply(struct state *s, const struct change *c);
/* What is pending has been committed. */
void acknowledged(struct model *m, bool durable);
/* All so far survives a power cut. */
void settle(struct model *m);

/* ---- ops.c ---- */

/* One operation, on the store and on the oracle; the answers are compared. */
void op_any(struct model *m);

/* ---- lives.c ---- */

/* So many lives of a store with these options; returns the number of operations. */
uint64_t run_model(const char *name, const shale_options *options, uint64_t seed, size_t lives);

#endif
