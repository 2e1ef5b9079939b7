/*
 * A version: the immutable stack of sorted runs of one column family, newest
 * first. A run is a list of tables with disjoint, ascending key ranges. Runs are
 * ordered by level (0 on top), within a level by run id, the greater newer. A
 * version never changes; edits make a new one that shares what is the same.
 *
 * Thread: a version may be read by any holder of a reference.
 */
#ifndef VERSION_VERSION_H
#define VERSION_VERSION_H

#include "format/edit.h"
#include "table/table.h"

struct version_set; /* see table_meta.collector */

/* One table of the store. Counted: by each run that lists it, and by jobs. */
struct table_meta {
	const shale_env *env;
	_Atomic uint32_t refs;
	uint64_t number, size;
	struct table_props props; /* keys live behind this struct */
	/* Entries that have an older version beneath, an estimate; all, while nothing is known. */
	uint64_t hides;

	/* Opened on first use by table_meta_open(); holds a reference. */
	_Atomic(struct table *) table;

	/* Set when an edit that removes it is durable: at the last unref the file can go. */
	_Atomic bool obsolete;
	/* Called at the last unref of an obsolete one, just before it is freed. */
	void (*collect)(void *collector, uint64_t number, uint64_t size);
	void *collector;

	/* Guarded by the database's lock: part of a running job. */
	bool busy;
};

shale_status table_meta_new(const shale_env *env, uint64_t number, uint64_t size,
			    const struct table_props *props, struct table_meta **out);
struct table_meta *table_meta_ref(struct table_meta *m);
void table_meta_unref(struct table_meta *m); /* NULL is allowed */

/* The open table; lasts as long as the meta. SHALE_MISSING etc. name the file. */
shale_status table_meta_open_slow(struct table_meta *m, const struct table_env *te,
				  struct table **out);
static inline shale_status table_meta_open(struct table_meta *m, const struct table_env *te,
					   struct table **out)
{
	struct table *t = atomic_load_explicit(&m->table, memory_order_acquire);

	if (likely(t != NULL)) {
		*out = t;
		return SHALE_OK;
	}
	return table_meta_open_slow(m, te, out);
}

/* table_forget_blocks(), if the table is open. */
void table_meta_forget_blocks(struct table_meta *m);

/* Of the table's bytes, those of entries that have an older version beneath. */
uint64_t table_meta_hiding(const struct table_meta *m);

/* Whether the meta's key range and [lo, hi] meet. hi_excluded: hi itself is not asked for.
   A slice with data NULL is open on that side. */
bool table_meta_overlaps(const struct table_meta *m, shale_slice lo, shale_slice hi,
			 bool hi_excluded);

struct run {
	const shale_env *env;
	_Atomic uint32_t refs;
	uint32_t level;
	uint64_t id;
	uint64_t bytes, entries;
	size_t prefix; /* all largest keys share so many bytes */
	size_t count;
	struct table_meta **tables; /* one reference each */
	uint64_t *heads;            /* of the largest keys, behind the prefix */
};

struct run *run_ref(struct run *r);
void run_unref(struct run *r); /* NULL is allowed */

/* Index of the only table that may hold key; count if there is none. */
size_t run_find(const struct run *r, shale_slice key);
/* Index of the first table whose largest key is >= key (or > where excluded); count if none. */
size_t run_lower(const struct run *r, shale_slice key);

struct version {
	const shale_env *env;
	_Atomic uint32_t refs;
	size_t run_count;
	struct run **runs;
	bool has_ranges;       /* some table has range tombstones */
	uint64_t expiring;     /* entries that have an end */
	_Atomic uint64_t live; /* 1 + version_live_bytes(), once it was asked for */
	struct {
		uint64_t runs, tables, bytes, entries, tombstones;
		uint64_t hiding; /* of the bytes, those of entries that hide older ones */
	} level[SHALE_LEVELS_MAX];
};

shale_status version_new_empty(const shale_env *env, struct version **out);
struct version *version_ref(struct version *v);
void version_unref(struct version *v); /* NULL is allowed */

/*
 * An estimate of the bytes that live data takes (live.c). Worked out once.
 */
uint64_t version_live_bytes(struct version *v);

/*
 * Keys that cut a version's bytes into about n equal parts, by what the fence indexes of
 * its tables say; each behind the one before. There may be fewer than n - 1, or none, when
 * there are few blocks; and the parts are less equal when a table cannot be opened, since
 * those behind it are not sampled. The keys are in `bytes`.
 */
struct cuts {
	size_t count;
	shale_slice *keys;
	struct buf bytes;
};
shale_status cuts_init(struct cuts *c, struct version *v, const struct table_env *te, size_t n);
void cuts_fini(struct cuts *c);

/* Collects changes to `base` (NULL: empty) and makes the next version of them. */
struct version_builder;
shale_status version_builder_new(const shale_env *env, struct version *base,
				 struct version_builder **out);
/* Takes a reference of its own. */
shale_status version_builder_add(struct version_builder *b, uint32_t level, uint64_t run,
				 struct table_meta *m);
/* SHALE_CORRUPT if it is not there. */
shale_status version_builder_remove(struct version_builder *b, uint32_t level, uint64_t run,
				    uint64_t number);
/* Checks that runs are sorted and disjoint (SHALE_CORRUPT). Frees nothing of b. */
shale_status version_builder_finish(struct version_builder *b, struct version **out);
void version_builder_free(struct version_builder *b); /* NULL is allowed */

/*
 * An iterator over one run: its tables one after another, opened as reached.
 * Holds a reference. [lo, hi): tables outside are skipped (data NULL: open). The
 * bounds must last as long as the iterator.
 */
shale_status run_iter_new(struct run *r, const struct table_env *te, const struct table_read *read,
			  bool sequential, const struct rate_user *rate, shale_slice lo,
			  shale_slice hi, struct iter **out);

#endif
