/*
 * Batches: operations in the form of the log, gathered without a database. TTLs
 * are kept as durations (an OP_PUT_TTL whose expiry field holds the duration, top
 * bit set) and become points in time when the batch is committed.
 */
#ifndef DB_BATCH_H
#define DB_BATCH_H

#include "db/db.h"

struct shale_batch {
	struct buf bytes;
	size_t count;
	uint64_t puts, deletes, range_deletes, user_bytes;
	bool has_ttl;
	const shale_db *db; /* of the handles it was given; NULL: none. Only to compare. */
	size_t family_count, family_capacity;
	uint32_t *families; /* distinct ids */
};

/* SHALE_INVALID unless both are keys and lo < hi. */
shale_status range_check(shale_slice *lo, shale_slice *hi);

/* Whether some put gets an expiry: its own, or its family's. */
bool batch_needs_expiry(const shale_batch *b, const struct commit *c);
/* The batch's bytes with points in time, as of now. */
shale_status batch_with_expiry(shale_db *db, const shale_batch *b, const struct commit *c,
			       struct buf *out);

#endif
