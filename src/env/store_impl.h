/* What the files of the local store share. */
#ifndef ENV_STORE_IMPL_H
#define ENV_STORE_IMPL_H

#include "env/fs.h"
#include "env/store.h"

enum { STORE_PATH_MAX = 4096 };

struct store {
	/* Set by store_open(), then constant. */
	const shale_env *env;
	char *path;
	bool read_only, direct_writes, direct_reads;
	shale_file_lock *lock; /* NULL when read-only */

	_Atomic uint64_t used;      /* see store_used(); relaxed: a figure */
	_Atomic uint64_t commit_ns; /* of the last store_note_commit(); 0: none. Relaxed: a hint */
	uint64_t limit;             /* set before others know of the store; 0: none */

	struct mutex root_mu; /* rank STORE: one compare-and-swap of the root at a time */
};

struct store_path {
	char text[STORE_PATH_MAX];
};

/* The path of a name in the store; store_open() made sure that it fits. */
void store_path_to(const struct store *s, const char *name, struct store_path *out);

/* SHALE_READ_ONLY naming `name`, or OK. */
shale_status store_writable(const struct store *s, const char *name);

/* An object grew, or `bytes` of some are gone. */
void store_grew(struct store *s, uint64_t bytes);
void store_shrank(struct store *s, uint64_t bytes);

/* Make the creations, deletions and renames so far durable; `name` is whose it was. */
shale_status store_sync_names(const struct store *s, const char *name);

/* A failed operation at a place of the object: err_sys() and the offset. */
shale_status store_fail_at(int rc, const char *name, uint64_t offset, const char *what, size_t n);

#endif
