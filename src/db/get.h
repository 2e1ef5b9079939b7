/* The steps of a get, for one key at a time (read.c) and for many (multi_get.c). */
#ifndef DB_GET_H
#define DB_GET_H

#include "db/db.h"

enum { CANDIDATES = 64 }; /* tables looked at together */

struct get {
	shale_db *db;
	const struct view *view;
	struct table_read read;
	shale_slice key;
	uint64_t seq;    /* of the snapshot */
	uint64_t hash;   /* hash_key() of the key, once memtables are asked */
	uint64_t hidden; /* newest range tombstone over the key so far */
};

/* Each returns SHALE_OK, SHALE_NOT_FOUND, a failure, or SHALE_MORE: look further down. */
shale_status get_memtables(struct get *g, shale_value *out);
/* Whether the table may have the key; otherwise how to go on is in *rc. */
bool get_filter(struct get *g, const struct table *t, shale_status *rc);
/* What table_get() or table_probe_found() returned, as an answer. */
shale_status get_found(struct get *g, shale_status rc, struct table_lookup *found,
		       shale_value *out);
/* All of it. */
shale_status get_one(struct get *g, shale_value *out);

/*
 * The one table of each of the runs [from, from + n) that may hold the key; its filter is fetched.
 * What comes below them is returned: SHALE_MORE, or the failure to open the next one, which is
 * the answer only if none of those before it has one.
 */
shale_status get_candidates(struct get *g, size_t from, size_t n, struct table **out,
			    size_t *count);

#endif
