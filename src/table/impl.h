/* What the parts of a table share; nobody outside this folder includes it. */
#ifndef TABLE_IMPL_H
#define TABLE_IMPL_H

#include "format/block_layout.h"
#include "table/table.h"

enum {
	PIECE_ALIGN = 8,
	EXTENT_SIZE = 16,
	BLOCK_SLACK = BLOCK_TRAILER, /* readable bytes behind a raw block, see iter.c */
};

/* Where a block is in the file, and where it was in the cache. */
struct block_place {
	uint64_t offset;
	uint32_t size, raw_size;
	struct cache_hint hint;
};
_Static_assert(sizeof(struct block_place) == 32, "a place is described in one cache line");

struct table {
	/* Constant while it is open; first what every get touches. */
	const uint8_t *filter; /* NULL: none */
	uint64_t filter_lines;
	unsigned filter_probes;
	size_t blocks;
	size_t front_lines;         /* of a cached block: those that a search reads first */
	uint64_t *sample;           /* of the heads of the index */
	struct block index;         /* meaningless when there are no blocks */
	struct block_place *places; /* of each block */
	uint64_t number, size;
	struct object *object;
	struct table_env te;
	struct rangedel_set *ranges;
	size_t range_count; /* tombstones in the file; `ranges` has fragments */
	struct footer footer;
	struct table_props props;
	void *filter_memory, *index_memory, *props_memory;
	size_t charge;

	_Atomic uint32_t refs;
};

/* A decoded data block: what the cache holds. BLOCK_SLACK bytes follow the raw ones. */
struct table_block {
	struct block view;
	uint8_t raw[];
};
_Static_assert(sizeof(struct table_block) % 8 == 0, "raw blocks are 8-byte aligned");

static inline uint64_t piece_align(uint64_t offset)
{
	return (offset + PIECE_ALIGN - 1) & ~(uint64_t)(PIECE_ALIGN - 1);
}

/* First byte behind a stored piece and its trailer. */
static inline uint64_t extent_end(const struct extent *e)
{
	return e->offset + e->size + BLOCK_TRAILER;
}

static inline struct extent table_extent(const struct table *t, size_t i)
{
	const struct block_place *r = &t->places[i];

	return (struct extent){ r->offset, r->size, r->raw_size };
}

/* The first block that ends at or behind the key; t->blocks if there is none. */
static inline size_t table_find_block(const struct table *t, shale_slice key)
{
	return t->blocks != 0 ? block_lower_bound_sampled(&t->index, t->sample, key) : 0;
}

static inline size_t table_block_bytes(size_t raw_size)
{
	return sizeof(struct table_block) + raw_size + BLOCK_SLACK;
}

/* Damage in this table: names the file and adds the text of the failure before it. */
shale_status table_damaged(const struct table *t, uint64_t offset, const char *what);

/*
 * Check the trailer of stored bytes that begin where `e` says (`stored` has
 * e->size + BLOCK_TRAILER of them). A raw piece is one whose two sizes are equal.
 */
shale_status table_check_stored(const struct table *t, const struct extent *e,
				const uint8_t *stored, const char *what, uint32_t *codec);

/* Stored bytes, checked, as e->raw_size bytes at `raw` (which may be `stored` if raw). */
shale_status table_unpack(const struct table *t, const struct extent *e, const uint8_t *stored,
			  const char *what, uint8_t *raw);

/* A data block that is unpacked: the checked view of it. */
shale_status table_parse_data(const struct table *t, const struct extent *e, const uint8_t *raw,
			      struct block *out);

size_t table_front_lines(const struct table *t);

/* A block for the cache from its stored bytes. */
shale_status table_block_new(const struct table *t, const struct extent *e, const uint8_t *stored,
			     struct table_block **out);

#endif
