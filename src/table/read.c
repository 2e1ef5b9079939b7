/*
 * Point reads: filter, index, one block.
 *
 * The index entry that is the first with a key >= the one sought leads to the
 * only block that can hold its newest version. Versions may go on in the blocks
 * behind; index entries whose key is the sought one carry the sequence their
 * block ends with (see build.c), so blocks that have only versions newer than
 * the limit are skipped without being read.
 */
#include "table/impl.h"

/* Of a block, for a get: its columns, which lie in front, and some of its keys. */
enum { PREFETCH_LINES = 12 };

void table_filter_prefetch(const struct table *t, uint64_t hash)
{
	if (t->filter != NULL)
		__builtin_prefetch(filter_line(t->filter, t->filter_lines, hash));
}

bool table_filter_has(const struct table *t, uint64_t hash)
{
	if (t->filter == NULL)
		return true;
	return filter_line_has(filter_line(t->filter, t->filter_lines, hash), hash,
			       t->filter_probes);
}

static shale_status parse(const struct table *t, const struct extent *e, struct table_block *b)
{
	shale_status rc = block_parse(b->raw, e->raw_size, &b->view);

	return rc == SHALE_CORRUPT ? table_damaged(t, e->offset, "data block") : rc;
}

shale_status table_block_new(const struct table *t, const struct extent *e, const uint8_t *stored,
			     struct table_block **out)
{
	struct table_block *b = cache_alloc(t->te.cache, table_block_bytes(e->raw_size));
	shale_status rc;

	if (b == NULL)
		return err_memory("a block");
	rc = table_unpack(t, e, stored, "data block", b->raw);
	if (rc >= 0)
		rc = parse(t, e, b);
	if (rc < 0) {
		cache_discard(t->te.cache, b, table_block_bytes(e->raw_size));
		return rc;
	}
	*out = b;
	return SHALE_OK;
}

/* A raw block comes from the file straight to its place: the trailer fits in the slack. */
static shale_status read_raw(const struct table *t, const struct extent *e,
			     struct table_block **out)
{
	struct table_block *b = cache_alloc(t->te.cache, table_block_bytes(e->raw_size));
	shale_status rc;

	if (b == NULL)
		return err_memory("a block");
	rc = object_read(t->object, e->offset, b->raw, (size_t)e->size + BLOCK_TRAILER);
	if (rc >= 0)
		rc = table_unpack(t, e, b->raw, "data block", b->raw);
	if (rc >= 0)
		rc = parse(t, e, b);
	if (rc < 0) {
		cache_discard(t->te.cache, b, table_block_bytes(e->raw_size));
		return rc;
	}
	*out = b;
	return SHALE_OK;
}

static shale_status read_packed(const struct table *t, const struct extent *e,
				struct table_block **out)
{
	size_t n = (size_t)e->size + BLOCK_TRAILER;
	uint8_t *stored = mem_alloc(t->te.env, n);
	shale_status rc;

	if (stored == NULL)
		return err_memory("a block");
	rc = object_read(t->object, e->offset, stored, n);
	if (rc >= 0)
		rc = table_block_new(t, e, stored, out);
	mem_free(t->te.env, stored);
	return rc;
}

/* Pin a block that is not in the cache, or that must come from the file. */
static __attribute__((noinline)) shale_status pin_slow(const struct table *t,
						       const struct table_read *r,
						       const struct extent *e,
						       struct cache_item *out)
{
	struct table_block *b = NULL;
	shale_status rc;

	stats_add(t->te.stats, STAT_CACHE_MISSES, 1);
	stats_add(t->te.stats, STAT_BLOCK_READS, 1);
	stats_add(t->te.stats, STAT_BLOCK_READ_BYTES, e->size + BLOCK_TRAILER);
	rc = e->size == e->raw_size ? read_raw(t, e, &b) : read_packed(t, e, &b);
	if (rc < 0)
		return rc;
	/* A verified block stays beside the cache: what is handed out is what was checked. */
	if (!cache_insert(t->te.cache, t->number, e->offset, b, table_block_bytes(e->raw_size),
			  !r->no_fill_cache && !r->verify, out)) {
		cache_discard(t->te.cache, b, table_block_bytes(e->raw_size));
		return err_memory("a cached block");
	}
	return SHALE_OK;
}

/* Whether block i has only versions of `key` that are newer than the limit. */
static bool ends_above(const struct table *t, size_t i, shale_slice key, uint64_t limit)
{
	return seqtype_seq(block_seqtype(&t->index, i)) > limit &&
	       block_key_equals(&t->index, i, key);
}

/* The first version of the key at `at` with sequence <= limit; count if there is none. */
static size_t visible(const struct block *b, size_t at, shale_slice key, uint64_t limit)
{
	size_t end, high;

	if (likely(seqtype_seq(block_seqtype(b, at)) <= limit))
		return at;
	end = high = block_upper_bound(b, key);
	while (++at < high) {
		size_t mid = at + (high - at) / 2;

		if (seqtype_seq(block_seqtype(b, mid)) > limit) {
			at = mid;
		} else {
			high = mid;
			at--;
		}
	}
	return high < end ? high : b->count;
}

shale_status table_get(struct table *t, const struct table_read *r, shale_slice key, uint64_t limit,
		       struct table_lookup *out)
{
	size_t i = table_find_block(t, key), at;
	struct cache_item pin = { 0 };
	const struct block *b;
	struct extent e;
	shale_status rc;

	/* All index entries have sequence 0 unless some key's versions span blocks. */
	if (t->index.seq_width != 0)
		while (i < t->blocks && ends_above(t, i, key, limit))
			i++;
	if (i >= t->blocks)
		return SHALE_NOT_FOUND;
	cache_prefetch(t->te.cache, &t->places[i].hint, PREFETCH_LINES);
	if (likely(!r->verify) && likely(cache_get_hinted(t->te.cache, &t->places[i].hint,
							  t->number, t->places[i].offset, &pin))) {
		stats_add(t->te.stats, STAT_CACHE_HITS, 1);
	} else {
		e = table_extent(t, i);
		rc = pin_slow(t, r, &e, &pin);
		if (unlikely(rc < 0))
			return rc;
	}

	b = &((const struct table_block *)pin.data)->view;
	at = block_lower_bound(b, key);
	if (at < b->count && block_key_equals(b, at, key)) {
		at = visible(b, at, key, limit);
		if (likely(at < b->count)) {
			out->seqtype = block_seqtype(b, at);
			out->value = block_value(b, at);
			out->pin = pin;
			return SHALE_OK;
		}
	}
	cache_release(t->te.cache, &pin);
	return SHALE_NOT_FOUND;
}
