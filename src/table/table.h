/*
 * A sorted table: an immutable file of entries in order (format/footer.h has the
 * layout). The builder writes one; an open table answers gets and iterators. Its
 * index and filter stay in memory while it is open, charged to BUDGET_TABLES;
 * data blocks come through the block cache.
 *
 * Thread: a builder and an iterator one at a time; an open table any.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include "base/stats.h"
#include "cache/cache.h"
#include "env/store.h"
#include "format/block.h"
#include "format/codec_pool.h"
#include "format/filter.h"
#include "format/footer.h"
#include "iter/iter.h"
#include "iter/rangedel.h"

/* What all tables of a store share. Constant while any is open. */
struct table_env {
	const shale_env *env;
	struct store *store;
	struct cache *cache;
	struct budget *budget;
	struct stats *stats;
	uint64_t store_id;         /* in every footer, so that no other store's table passes */
	struct codec_pool *codecs; /* may be NULL */
};

/* ---- building ---- */

struct table_builder;

struct table_build_options {
	uint32_t compression; /* enum shale_compression, never 0 */
	uint32_t block_bytes;
	uint32_t filter_bits; /* 0: no filter */
	uint64_t created_ms;
	const struct rate_user *rate; /* may be NULL */
};

struct table_built {
	uint64_t number, size;
	uint64_t hides;           /* see struct table_meta; the builder leaves it 0 */
	struct table_props props; /* smallest and largest are in `keys` */
	struct buf keys;          /* buf_fini() by the receiver */
};

shale_status table_builder_new(const struct table_env *te, uint64_t number,
			       const struct table_build_options *o, struct table_builder **out);
/*
 * Entries in entry order; the builder checks it (SHALE_BUG). `hash` is
 * hash_key(key). Tombstones go in like any entry; range tombstones do not.
 */
shale_status table_builder_add(struct table_builder *b, shale_slice key, uint64_t hash, uint64_t st,
			       shale_slice value);
/*
 * Readers use what was added last. A block most of whose entries they use goes into the block
 * cache as well as into the file; if that cannot be it is no failure.
 */
void table_builder_note_hot(struct table_builder *b);
/* Range tombstones by lo ascending, then seq descending, at any time. They widen the key range. */
shale_status table_builder_add_range(struct table_builder *b, shale_slice lo, shale_slice hi,
				     uint64_t seq);
/* Bytes written and buffered so far. */
uint64_t table_builder_size(const struct table_builder *b);
uint64_t table_builder_entries(const struct table_builder *b);
/* Durable on success. Frees b in any case; on failure no file stays. */
shale_status table_builder_finish(struct table_builder *b, struct table_built *out);
void table_builder_abort(struct table_builder *b); /* NULL is allowed */

/* ---- reading ---- */

struct table;

/* `size` as the manifest has it; another size is SHALE_CORRUPT. One reference. */
shale_status table_open(const struct table_env *te, uint64_t number, uint64_t size,
			struct table **out);
struct table *table_ref(struct table *t);
void table_unref(struct table *t); /* NULL is allowed */
uint64_t table_number(const struct table *t);
const struct table_props *table_props(const struct table *t);
const struct footer *table_footer(const struct table *t);

/* The table will be read no more, or hardly: its cached blocks are among the first to go. */
void table_forget_blocks(struct table *t);

/* The table's range tombstones; NULL if it has none. Lasts as long as the table. */
const struct rangedel_set *table_ranges(const struct table *t);

/*
 * By the fence index, without I/O: a key up to which about `offset` bytes of the file go, the
 * last of a block, is appended to *key. False: there are no blocks, or no memory.
 */
bool table_key_at(const struct table *t, uint64_t offset, struct buf *key);

/* Bring the filter line of a hash towards the processor; then ask it. */
void table_filter_prefetch(const struct table *t, uint64_t hash);
bool table_filter_has(const struct table *t, uint64_t hash);

struct table_lookup {
	uint64_t seqtype;
	shale_slice value;     /* as stored; lasts until the pin is released */
	struct cache_item pin; /* cache_release() */
};

struct table_read {
	bool no_fill_cache, verify;
	bool carry; /* sequential: what readers use of the cached blocks is hot (iter.h) */
};

/*
 * The newest point version of key with sequence <= limit. Does not ask the
 * filter. SHALE_OK, SHALE_NOT_FOUND, or a failure naming file and offset.
 */
shale_status table_get(struct table *t, const struct table_read *r, shale_slice key, uint64_t limit,
		       struct table_lookup *out);

/*
 * The same in steps, so that many gets can wait together: aim at the block, which
 * brings it on its way if it is cached (false: no block can have the key); pin it if
 * it is cached; else read it with others; look into it. What is pinned must be
 * looked into. Steps are for one key and limit.
 */
struct table_probe {
	struct table *table;
	size_t block;
	size_t at;           /* private; what one step leaves to the next */
	shale_status status; /* of table_probes_read() */

	/* private */
	struct cache_item pin;
	struct table_block *fresh;
	uint8_t *stored;
	struct object_read read;
};
/* Where the block it aims at is in the file. */
void table_probe_place(const struct table_probe *p, uint64_t *offset, uint32_t *bytes);
bool table_probe_aim(struct table_probe *p, struct table *t, shale_slice key, uint64_t limit);
bool table_probe_cached(struct table_probe *p, const struct table_read *r);
/* Each status tells of its own block; of those that fail it is pinned in none. */
void table_probes_read(struct table_probe **probes, size_t n, const struct table_read *r);
shale_status table_probe_find(struct table_probe *p, shale_slice key, uint64_t limit,
			      struct table_lookup *out);
/*
 * To aim and to find in smaller steps, each of which fetches what the next one reads:
 * begin, block (false: no block can have the key), fetch; search, found.
 */
void table_probe_begin(struct table_probe *p, struct table *t, shale_slice key);
bool table_probe_block(struct table_probe *p, shale_slice key, uint64_t limit);
void table_probe_fetch(const struct table_probe *p);
void table_probe_search(struct table_probe *p, shale_slice key);
shale_status table_probe_found(struct table_probe *p, shale_slice key, uint64_t limit,
			       struct table_lookup *out);

/*
 * All entries. Holds a reference. With `sequential` (merges) what is not in the
 * cache is read in large pieces past it; otherwise readahead grows while the
 * iterator moves forward from block to block.
 */
shale_status table_iter_new(struct table *t, const struct table_read *r, bool sequential,
			    const struct rate_user *rate, struct iter **out);

/* Read and check everything: checksums, order, counts against the properties, gaps zero. */
shale_status table_check(struct table *t, uint64_t *blocks, uint64_t *entries);

#endif
