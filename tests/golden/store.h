/*
 * Whole stores as they were written once, kept as text in tests/golden/stores/: a
 * comment, the digest of all that is in them, and each file in hexadecimal.
 *
 *   store_text.c   the text
 *   store_make.c   the stores and what is written to them
 *   store_test.c   they are opened by today's code
 */
#ifndef GOLDEN_STORE_H
#define GOLDEN_STORE_H

#include "support/test.h"

#include "base/buf.h"
#include "env/sim.h"

enum { STORE_FILES_MAX = 128 };

struct store_file {
	char name[64];
	struct buf bytes;
};

struct store {
	char about[256];
	uint64_t digest, entries;
	struct store_file files[STORE_FILES_MAX];
	size_t count;
};

void store_free(struct store *s);
struct buf *store_add(struct store *s, const char *name);
bool store_read(const char *path, struct store *s);
void store_write(const char *path, const struct store *s);
/* Its files into a directory that is there. */
void store_unpack(const struct store *s, const char *dir);

/* Of every family by name, every key and every value. */
uint64_t store_digest(shale_db *db, uint64_t *entries);

/* The recipes: name of each, and its making on a simulated machine. */
extern const char *const store_names[];
extern const size_t store_name_count;
void store_make(const char *name, struct store *out);

#endif
