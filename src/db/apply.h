/* The operations of a commit go into the memtables that it was given. */
#ifndef DB_APPLY_H
#define DB_APPLY_H

#include "db/db.h"
#include "format/batch.h"

enum { APPLY_GROUP = 8 };

struct apply {
	const struct commit *commit;
	const uint8_t *next; /* the first operation that was not read */
	uint64_t seq;        /* of the group's first */
	shale_status read;   /* how reading ended: SHALE_OK if there is more */
	bool gaps;           /* puts have to look at them */
	unsigned count;
	struct {
		struct batch_op op;
		struct memtable *table;
		struct memtree_aim aim;
	} group[APPLY_GROUP];
};

/* Read the first operations and have their places brought near; `first`: their sequence. */
void apply_begin(struct apply *a, const struct commit *c, uint64_t first);

/* SHALE_NO_MEMORY: some operations are in, some are not. */
shale_status apply_all(struct apply *a);

#endif
