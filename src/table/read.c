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

enum {
	/* Of a block, for a get: its columns, which lie in front, and some keys. */
	PREFETCH_LINES = 12,
	/* At most, of many blocks together: what describes it, and the heads. */
	FRONT_LINES = 16,
};

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

shale_status table_parse_data(const struct table *t, const struct extent *e, const uint8_t *raw,
			      struct block *out)
{
	shale_status rc = block_parse(raw, e->raw_size, out);

	/* Among entries it would be taken for a put of the range's end. */
	if (rc >= 0 && memchr(out->types, OP_RANGE_DELETE, out->count) != NULL)
		rc = err_new(SHALE_CORRUPT, "it holds a range tombstone");
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
		rc = table_parse_data(t, e, b->raw, &b->view);
	if (rc < 0) {
		cache_discard(t->te.cache, b, table_block_bytes(e->raw_size));
		return rc;
	}
	*out = b;
	return SHALE_OK;
}

/* ---- a get in steps ---- */

/* Memory for the stored bytes: of a raw block where it will stay, since the trailer fits in the slack. */
static shale_status probe_prepare(struct table_probe *p)
{
	const struct table *t = p->table;
	struct extent e = table_extent(t, p->block);
	size_t n = (size_t)e.size + BLOCK_TRAILER;

	p->fresh = NULL;
	p->stored = NULL;
	if (e.size == e.raw_size) {
		p->fresh = cache_alloc(t->te.cache, table_block_bytes(e.raw_size));
		if (p->fresh == NULL)
			return err_memory("a block");
	} else {
		p->stored = mem_alloc(t->te.env, n);
		if (p->stored == NULL)
			return err_memory("a block");
	}
	p->read = (struct object_read){ .object = t->object,
					.offset = e.offset,
					.buf = p->fresh != NULL ? p->fresh->raw : p->stored,
					.n = n };
	stats_add(t->te.stats, STAT_BLOCK_READS, 1);
	stats_add(t->te.stats, STAT_BLOCK_READ_BYTES, n);
	return SHALE_OK;
}

/* The bytes are there: check and unpack them, pin the block. */
static shale_status probe_take(struct table_probe *p, const struct table_read *r)
{
	struct table *t = p->table;
	struct extent e = table_extent(t, p->block);
	size_t bytes = table_block_bytes(e.raw_size);
	shale_status rc = object_read_result(&p->read);

	if (rc >= 0 && p->stored != NULL) {
		rc = table_block_new(t, &e, p->stored, &p->fresh);
	} else if (rc >= 0) {
		rc = table_unpack(t, &e, p->fresh->raw, "data block", p->fresh->raw);
		if (rc >= 0)
			rc = table_parse_data(t, &e, p->fresh->raw, &p->fresh->view);
	}
	/* A verified block stays beside the cache: what is handed out is what was checked. */
	if (rc >= 0 && !cache_insert(t->te.cache, t->number, e.offset, p->fresh, bytes,
				     !r->no_fill_cache && !r->verify, &p->pin))
		rc = err_memory("a cached block");
	if (rc >= 0)
		cache_hint_learn(t->te.cache, &t->places[p->block].hint, &p->pin);
	else
		cache_discard(t->te.cache, p->fresh, bytes);
	mem_free(t->te.env, p->stored);
	p->fresh = NULL;
	p->stored = NULL;
	return rc;
}

void table_probes_read(struct table_probe **probes, size_t n, const struct table_read *r)
{
	enum { TOGETHER = 32 };
	struct object_read reads[TOGETHER];
	struct table_probe *whose[TOGETHER];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		probes[i]->status = probe_prepare(probes[i]);
		if (probes[i]->status >= 0) {
			whose[count] = probes[i];
			reads[count++] = probes[i]->read;
		}
		if (count == TOGETHER || (count != 0 && i + 1 == n)) {
			object_read_many(reads, count);
			for (size_t k = 0; k < count; k++) {
				whose[k]->read = reads[k];
				whose[k]->status = probe_take(whose[k], r);
			}
			count = 0;
		}
	}
}

static __attribute__((noinline)) shale_status probe_read(struct table_probe *p,
							 const struct table_read *r)
{
	shale_status rc = probe_prepare(p);

	if (rc < 0)
		return rc;
	object_read_many(&p->read, 1);
	return probe_take(p, r);
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

/* Block i ends at or behind the key: it, or one behind it, has what is sought. */
static inline bool probe_block(struct table_probe *p, struct table *t, size_t i, shale_slice key,
			       uint64_t limit)
{
	/* All index entries have sequence 0 unless some key's versions span blocks. */
	if (unlikely(t->index.seq_width != 0))
		while (i < t->blocks && ends_above(t, i, key, limit))
			i++;
	p->table = t;
	p->block = i;
	return i < t->blocks;
}

bool table_probe_aim(struct table_probe *p, struct table *t, shale_slice key, uint64_t limit)
{
	if (!probe_block(p, t, table_find_block(t, key), key, limit))
		return false;
	cache_prefetch(t->te.cache, &t->places[p->block].hint, PREFETCH_LINES);
	return true;
}

void table_probe_begin(struct table_probe *p, struct table *t, shale_slice key)
{
	p->table = t;
	p->at = t->blocks != 0 ? block_sample_bound(&t->index, t->sample, key) : 0;
}

bool table_probe_block(struct table_probe *p, shale_slice key, uint64_t limit)
{
	struct table *t = p->table;

	if (t->blocks == 0 ||
	    !probe_block(p, t, block_lower_bound_from(&t->index, p->at, key), key, limit))
		return false;
	__builtin_prefetch(&t->places[p->block]);
	return true;
}

void table_probe_fetch(const struct table_probe *p)
{
	struct table *t = p->table;

	cache_prefetch(t->te.cache, &t->places[p->block].hint, t->front_lines);
}

/* Entries are about as many in each block. */
size_t table_front_lines(const struct table *t)
{
	size_t entries = t->blocks != 0 ? (size_t)(t->props.entries / t->blocks) : 0;
	size_t bytes = sizeof(struct table_block) + BLOCK_HEADER + HEAD_SIZE * entries;

	/* One more, since it begins anywhere in a line. */
	return bytes / 64 + 2 < FRONT_LINES ? bytes / 64 + 2 : FRONT_LINES;
}

void table_probe_place(const struct table_probe *p, uint64_t *offset, uint32_t *bytes)
{
	struct extent e = table_extent(p->table, p->block);

	*offset = e.offset;
	*bytes = e.size + BLOCK_TRAILER;
}

bool table_probe_cached(struct table_probe *p, const struct table_read *r)
{
	struct table *t = p->table;
	struct block_place *at = &t->places[p->block];

	if (likely(!r->verify) &&
	    likely(cache_get_hinted(t->te.cache, &at->hint, t->number, at->offset, &p->pin))) {
		stats_add(t->te.stats, STAT_CACHE_HITS, 1);
		return true;
	}
	stats_add(t->te.stats, STAT_CACHE_MISSES, 1);
	return false;
}

static inline const struct block *probe_view(const struct table_probe *p)
{
	return &((const struct table_block *)p->pin.data)->view;
}

/* `at` is the lower bound of the key. */
static inline shale_status probe_look(struct table_probe *p, size_t at, shale_slice key,
				      uint64_t limit, struct table_lookup *out)
{
	const struct block *b = probe_view(p);

	if (at < b->count && block_key_equals(b, at, key)) {
		at = visible(b, at, key, limit);
		if (likely(at < b->count)) {
			out->seqtype = block_seqtype(b, at);
			out->value = block_value(b, at);
			out->pin = p->pin;
			__builtin_prefetch(out->value.data);
			return SHALE_OK;
		}
	}
	cache_release(p->table->te.cache, &p->pin);
	return SHALE_NOT_FOUND;
}

shale_status table_probe_find(struct table_probe *p, shale_slice key, uint64_t limit,
			      struct table_lookup *out)
{
	return probe_look(p, block_lower_bound(probe_view(p), key), key, limit, out);
}

void table_probe_search(struct table_probe *p, shale_slice key)
{
	p->at = block_head_bound(probe_view(p), key);
}

shale_status table_probe_found(struct table_probe *p, shale_slice key, uint64_t limit,
			       struct table_lookup *out)
{
	return probe_look(p, block_lower_bound_at(probe_view(p), p->at, key), key, limit, out);
}

shale_status table_get(struct table *t, const struct table_read *r, shale_slice key, uint64_t limit,
		       struct table_lookup *out)
{
	struct table_probe p;

	if (!table_probe_aim(&p, t, key, limit))
		return SHALE_NOT_FOUND;
	if (unlikely(!table_probe_cached(&p, r))) {
		shale_status rc = probe_read(&p, r);

		if (unlikely(rc < 0))
			return rc;
	}
	return table_probe_find(&p, key, limit, out);
}

void table_forget_blocks(struct table *t)
{
	for (size_t i = 0; i < t->blocks; i++)
		cache_forget(t->te.cache, &t->places[i].hint, t->number, t->places[i].offset);
}

/* ---- the fence index alone ---- */

bool table_key_at(const struct table *t, uint64_t offset, struct buf *key)
{
	size_t i = 0, end = t->blocks, n;
	uint8_t *p;

	if (t->blocks == 0)
		return false;
	/* Index and filter are behind the blocks; their bytes go with all of them. */
	offset = (uint64_t)((double)offset *
			    (double)(t->places[end - 1].offset + t->places[end - 1].size) /
			    (double)t->size);
	while (end - i > 1) {
		size_t mid = i + (end - i) / 2;

		if (t->places[mid].offset <= offset)
			i = mid;
		else
			end = mid;
	}
	n = block_key_size(&t->index, i);
	p = buf_extend(key, n);
	if (p != NULL)
		block_key_copy(&t->index, i, p);
	return p != NULL;
}
