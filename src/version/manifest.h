/*
 * The manifest: the log of edits that says what the store consists of. Every
 * append is durable before it returns. format/edit.h has the bytes.
 *
 * A failed append poisons the manifest: whether the edit is there is unknown, so
 * nothing may be appended behind it; the owner writes a new manifest instead.
 *
 * Thread: append and create one at a time (the owner's lock).
 */
#ifndef VERSION_MANIFEST_H
#define VERSION_MANIFEST_H

#include "env/store.h"
#include "format/edit.h"

struct manifest;

/* A new manifest whose first record is `snapshot`, numbered `edit`. Durable on success. */
shale_status manifest_create(struct store *store, uint64_t number, uint64_t store_id, uint64_t edit,
			     shale_slice snapshot, struct manifest **out);
shale_status manifest_append(struct manifest *m, shale_slice payload);
void manifest_close(struct manifest *m); /* NULL is allowed */

uint64_t manifest_number(const struct manifest *m);
uint64_t manifest_edit(const struct manifest *m); /* number of the last record */
uint64_t manifest_size(const struct manifest *m);
uint64_t manifest_base_size(const struct manifest *m); /* after the snapshot */

struct manifest_report {
	uint64_t last_edit, records, bytes;
	uint64_t torn_bytes; /* dropped at the tail */
	bool clean;          /* ended with CLEAN_CLOSE */
	/* Features of a newer program that one may read past, but not write to. */
	uint64_t unknown_to_writers;
};

/*
 * Read a manifest and call `each` for every field in order. A torn tail is
 * dropped and reported; a bad record with a valid one behind it is SHALE_CORRUPT,
 * as is anything behind CLEAN_CLOSE, a first record that is no snapshot, edit
 * numbers that do not follow each other, and a missing (SHALE_MISSING) or foreign
 * file. A newer format is SHALE_UNSUPPORTED.
 */
shale_status manifest_replay(struct store *store, uint64_t number, uint64_t store_id,
			     shale_status (*each)(void *arg, const struct edit_field *f), void *arg,
			     struct manifest_report *report);

#endif
