/*
 * What a store must answer: the verbs over sorted arrays. Nothing here knows of
 * options, so every run of a script has to agree with it, and with all others.
 */
#ifndef METAMORPHIC_ORACLE_H
#define METAMORPHIC_ORACLE_H

#include "metamorphic/script.h"

struct cell {
	uint32_t id, size; /* of the value; id 0: none */
	uint32_t expiry;   /* the hour; 0: never */
};

struct content {
	struct cell cells[FAMILIES][KEYS_MAX];
};

struct cursor {
	bool open, placed;
	int at, lower, upper; /* indices of keys; [lower, upper) */
	uint32_t hour;
	struct cell cells[KEYS_MAX]; /* of its family, at its making */
};

/* One thing a commit does to a family. */
struct change {
	uint8_t family;
	uint16_t key, end; /* [key, end) */
	uint32_t ttl;      /* hours, in a batch; 0: none */
	struct cell cell;
};

struct changes {
	struct change *list;
	size_t count, room;
};

struct oracle {
	const struct script *script;
	struct content now;
	bool there[FAMILIES];
	uint32_t family_ttl[FAMILIES];
	uint32_t hour;
	struct content snapshots[SNAPSHOTS];
	bool snapshot_open[SNAPSHOTS];
	struct cursor cursors[ITERATORS];
	struct cell holds[HOLDS];
	struct changes batch;  /* what was put into it */
	struct changes commit; /* what the last operation wrote */
};

/* Of statuses and bytes of one operation. */
struct answer {
	int status;
	uint64_t digest;
	uint32_t steps;
};

struct oracle *oracle_new(const struct script *s);
void oracle_free(struct oracle *o);
/* The answer; false if the operation means nothing now (no such iterator) and is passed over. */
bool oracle_step(struct oracle *o, const struct op *op, struct answer *out);
/* All that a process holds is gone: at the end of one. */
void oracle_forget(struct oracle *o);

void changes_add(struct changes *c, struct change add);
void changes_fini(struct changes *c);
void content_apply(struct content *c, const struct change *change);
static inline bool cell_live(const struct cell *c, uint32_t hour)
{
	return c->id != 0 && (c->expiry == 0 || c->expiry > hour);
}

/* Into an answer: an entry seen. */
void answer_add(struct answer *a, shale_slice key, shale_slice value);

#endif
