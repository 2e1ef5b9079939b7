/*
 * Writing a table: entries gather in a block builder; when the next one would
 * make the block too big, the block is written and the index gets an entry.
 *
 * Index keys. The separator between two blocks is the shortest key that is >=
 * the last key of the one and < the first of the other; a prefix of the other's
 * first key does, unless it would be that whole key. When one user key's
 * versions go on in the next block there is no such key: the separator is the
 * key itself, and the index entry carries the sequence of the block's last
 * entry, so that index entries rise strictly and a reader can tell from the
 * index alone which block has the version it may see.
 *
 * Filter hashes are kept in one growing array until the number of keys is known.
 *
 * A table without data blocks (range tombstones only) begins with eight zero
 * bytes, because offset 0 means "none" in the footer, and has no index.
 *
 * The first failure is kept in `rc`; everything after it does nothing.
 */
#include "table/impl.h"

#include "format/codec.h"

enum {
	/* What an entry takes in a block besides key and value, at most; and a block itself. */
	ENTRY_OVERHEAD = HEAD_SIZE + 1 + 1 + 7 + 4 + 4,
	BLOCK_OVERHEAD = BLOCK_HEADER + 3 + 3,
};

struct table_builder {
	struct table_env te;
	struct table_build_options o;
	struct store_writer *writer;
	uint64_t number;
	shale_status rc;
	uint64_t written; /* bytes given to the writer */

	struct block_builder block, index, ranges;
	struct buf raw, packed; /* scratch: a finished block, compressed */
	size_t bound;           /* the block takes no more than that */
	uint64_t last_st;       /* of the entry added last */
	size_t hot;             /* of its entries: table_builder_note_hot() */

	uint64_t *hashes; /* one a user key */
	size_t hash_count, hash_capacity;

	struct table_props props;
	struct buf smallest;     /* point keys */
	struct buf largest;      /* set at the end */
	struct buf lo, last_lo;  /* least start of a range; start of the last */
	struct buf hi;           /* greatest end of a range */
	uint64_t last_range_seq; /* of the range added last */
};

shale_status table_builder_new(const struct table_env *te, uint64_t number,
			       const struct table_build_options *o, struct table_builder **out)
{
	struct table_builder *b = mem_zalloc(te->env, sizeof(*b));
	shale_status rc;

	if (b == NULL)
		return err_memory("a table builder");
	b->te = *te;
	b->o = *o;
	b->number = number;
	block_builder_init(&b->block, te->env);
	block_builder_init(&b->index, te->env);
	block_builder_init(&b->ranges, te->env);
	buf_init(&b->raw, te->env);
	buf_init(&b->packed, te->env);
	buf_init(&b->smallest, te->env);
	buf_init(&b->largest, te->env);
	buf_init(&b->lo, te->env);
	buf_init(&b->last_lo, te->env);
	buf_init(&b->hi, te->env);
	b->props.compression = o->compression;
	b->props.created_ms = o->created_ms;
	b->props.min_seq = UINT64_MAX;
	b->bound = BLOCK_OVERHEAD;

	rc = store_create(te->store, OBJECT_TABLE, number, o->rate, &b->writer);
	if (rc < 0) {
		table_builder_abort(b);
		return rc;
	}
	*out = b;
	return SHALE_OK;
}

void table_builder_abort(struct table_builder *b)
{
	if (b == NULL)
		return;
	store_writer_abort(b->writer);
	block_builder_fini(&b->block);
	block_builder_fini(&b->index);
	block_builder_fini(&b->ranges);
	buf_fini(&b->raw);
	buf_fini(&b->packed);
	buf_fini(&b->smallest);
	buf_fini(&b->largest);
	buf_fini(&b->lo);
	buf_fini(&b->last_lo);
	buf_fini(&b->hi);
	mem_free(b->te.env, b->hashes);
	mem_free(b->te.env, b);
}

uint64_t table_builder_size(const struct table_builder *b)
{
	uint64_t size = b->written;

	size += b->block.count != 0 ? block_builder_size(&b->block) : 0;
	size += b->index.count != 0 ? block_builder_size(&b->index) : 0;
	size += b->ranges.count != 0 ? block_builder_size(&b->ranges) : 0;
	return size + b->hash_count * b->o.filter_bits / 8;
}

uint64_t table_builder_entries(const struct table_builder *b)
{
	return b->props.entries;
}

static shale_status put(struct table_builder *b, const void *data, size_t n)
{
	shale_status rc = store_writer_append(b->writer, data, n);

	if (rc < 0)
		return rc;
	b->written += n;
	return SHALE_OK;
}

static shale_status put_gap(struct table_builder *b, uint64_t align)
{
	static const uint8_t zeros[FILTER_LINE];
	size_t n = (size_t)(-b->written & (align - 1));

	return n != 0 ? put(b, zeros, n) : SHALE_OK;
}

/* Write one piece with its trailer at the next multiple of `align`. */
static shale_status put_piece(struct table_builder *b, shale_slice raw, uint32_t codec,
			      uint64_t align, struct extent *out)
{
	uint8_t trailer[BLOCK_TRAILER];
	shale_slice stored = raw;
	shale_status rc;

	if (raw.size > UINT32_MAX)
		return err_at(SHALE_TOO_LARGE, object_name(OBJECT_TABLE, b->number).text,
			      b->written, "a piece of %zu bytes does not fit in a table", raw.size);
	if (codec != SHALE_NO_COMPRESSION) {
		buf_reset(&b->packed);
		rc = codec_compress(b->te.codecs, &codec, raw, &b->packed);
		if (rc < 0)
			return rc;
		stored = buf_view(&b->packed);
	}
	rc = put_gap(b, align);
	if (rc < 0)
		return rc;
	*out = (struct extent){ b->written, (uint32_t)stored.size, (uint32_t)raw.size };
	trailer_encode(trailer, stored, (uint32_t)raw.size, codec, b->number, b->written);
	rc = put(b, stored.data, stored.size);
	if (rc < 0)
		return rc;
	return put(b, trailer, sizeof(trailer));
}

static shale_status put_block(struct table_builder *b, struct block_builder *block, uint32_t codec,
			      struct extent *out)
{
	shale_status rc;

	buf_reset(&b->raw);
	rc = block_builder_finish(block, &b->raw);
	if (rc < 0)
		return rc;
	return put_piece(b, buf_view(&b->raw), codec, PIECE_ALIGN, out);
}

/*
 * Put the block just written into the cache. Without memory or room for it that is not done:
 * then the first who asks for it reads the file.
 */
static shale_status offer_block(struct table_builder *b, const struct extent *e)
{
	size_t bytes = table_block_bytes(e->raw_size);
	struct table_block *copy = cache_alloc(b->te.cache, bytes);
	shale_status rc;

	if (copy == NULL)
		return SHALE_OK;
	memcpy(copy->raw, b->raw.data, e->raw_size);
	memset(copy->raw + e->raw_size, 0, BLOCK_SLACK);
	rc = block_parse(copy->raw, e->raw_size, &copy->view);
	if (rc >= 0)
		cache_offer(b->te.cache, b->number, e->offset, copy, bytes);
	else
		cache_discard(b->te.cache, copy, bytes);
	return rc;
}

/* Write the data block; `next` is the key that comes after it, NULL at the end. */
static shale_status cut(struct table_builder *b, const shale_slice *next)
{
	shale_slice last = block_builder_last_key(&b->block), separator = last;
	uint64_t st = seqtype(0, OP_PUT);
	uint8_t value[EXTENT_SIZE];
	struct extent e;
	shale_status rc;

	if (next != NULL) {
		size_t common = slice_common(last, *next);

		if (common == last.size && common == next->size)
			st = b->last_st;
		else if (common < last.size && common + 1 < next->size)
			separator = slice_from(next->data, common + 1);
	}
	if (b->block.seq_min < b->props.min_seq)
		b->props.min_seq = b->block.seq_min;
	if (b->block.seq_max > b->props.max_seq)
		b->props.max_seq = b->block.seq_max;
	if (b->index.count == BLOCK_ENTRIES_MAX)
		return err_at(SHALE_TOO_LARGE, object_name(OBJECT_TABLE, b->number).text,
			      b->written, "a table cannot have more than %d blocks",
			      BLOCK_ENTRIES_MAX);

	rc = put_block(b, &b->block, b->o.compression, &e);
	if (rc < 0)
		return rc;
	extent_encode(&e, value);
	block_builder_add(&b->index, separator, st, slice_from(value, sizeof(value)));
	if (b->index.entries.failed)
		return err_memory("the index of a table");
	b->props.data_blocks++;
	b->props.data_bytes += e.size + BLOCK_TRAILER;
	if (2 * b->hot > b->block.count) {
		rc = offer_block(b, &e);
		if (rc < 0)
			return rc;
	}
	b->hot = 0;
	block_builder_reset(&b->block);
	b->bound = BLOCK_OVERHEAD;
	return SHALE_OK;
}

static shale_status hash_grow(struct table_builder *b)
{
	size_t capacity = b->hash_capacity != 0 ? b->hash_capacity * 2 : 4096;
	uint64_t *hashes = mem_realloc(b->te.env, b->hashes, capacity * sizeof(*hashes));

	if (hashes == NULL)
		return err_memory("the hashes of a filter");
	b->hashes = hashes;
	b->hash_capacity = capacity;
	return SHALE_OK;
}

static void count_expiry(struct table_props *p, shale_slice value)
{
	uint64_t expiry = value.size >= 8 ? get_u64le(value.data) : 0;

	if (p->expiring++ == 0 || expiry < p->min_expiry_ms)
		p->min_expiry_ms = expiry;
	if (expiry > p->max_expiry_ms)
		p->max_expiry_ms = expiry;
}

/* Compare with the entry before: *fresh when the user key is another one. */
static shale_status check_order(struct table_builder *b, shale_slice key, uint64_t st, bool *fresh)
{
	shale_slice last = block_builder_last_key(&b->block);
	uint64_t before = key_head(last, 0), head = key_head(key, 0);
	int c = before < head ? -1 : 1;

	if (before == head)
		c = slice_cmp(last, key);
	*fresh = c != 0;
	if (likely(c < 0 || (c == 0 && b->last_st > st)))
		return SHALE_OK;
	return err_at(SHALE_BUG, object_name(OBJECT_TABLE, b->number).text, b->written,
		      "entry %" PRIu64 " given to a table is out of order", b->props.entries);
}

shale_status table_builder_add(struct table_builder *b, shale_slice key, uint64_t hash, uint64_t st,
			       shale_slice value)
{
	struct table_props *p = &b->props;
	size_t size = ENTRY_OVERHEAD + key.size + value.size;
	bool fresh = true;

	if (unlikely(b->rc < 0))
		return b->rc;
	if (likely(b->block.count != 0)) {
		b->rc = check_order(b, key, st, &fresh);
		if (unlikely(b->rc < 0))
			return b->rc;
		/* The exact size is asked for only when the bound does not decide. */
		if (b->bound + size > b->o.block_bytes &&
		    block_builder_size(&b->block) + size > b->o.block_bytes) {
			b->rc = cut(b, &key);
			if (unlikely(b->rc < 0))
				return b->rc;
		}
	} else {
		buf_append(&b->smallest, key.data, key.size);
	}

	if (fresh && b->o.filter_bits != 0) {
		if (unlikely(b->hash_count == b->hash_capacity)) {
			b->rc = hash_grow(b);
			if (b->rc < 0)
				return b->rc;
		}
		b->hashes[b->hash_count++] = hash;
	}
	block_builder_add(&b->block, key, st, value);
	if (unlikely(b->block.entries.failed))
		return b->rc = err_memory("a block");
	b->bound += size;
	b->last_st = st;
	p->entries++;
	p->key_bytes += key.size;
	p->value_bytes += value.size;
	p->tombstones += seqtype_type(st) == OP_DELETE;
	if (unlikely(seqtype_type(st) == OP_PUT_TTL))
		count_expiry(p, value);
	return SHALE_OK;
}

void table_builder_note_hot(struct table_builder *b)
{
	b->hot++;
}

shale_status table_builder_add_range(struct table_builder *b, shale_slice lo, shale_slice hi,
				     uint64_t seq)
{
	int c;

	if (b->rc < 0)
		return b->rc;
	c = b->ranges.count != 0 ? slice_cmp(buf_view(&b->last_lo), lo) : -1;
	if (c > 0 || (c == 0 && b->last_range_seq < seq) || slice_cmp(lo, hi) >= 0)
		return b->rc = err_at(SHALE_BUG, object_name(OBJECT_TABLE, b->number).text,
				      b->written,
				      "range tombstone %zu given to a table is out of order",
				      b->ranges.count);
	if (b->ranges.count == BLOCK_ENTRIES_MAX)
		return b->rc = err_at(SHALE_TOO_LARGE, object_name(OBJECT_TABLE, b->number).text,
				      b->written,
				      "a table cannot have more than %d range tombstones",
				      BLOCK_ENTRIES_MAX);

	if (b->ranges.count == 0)
		buf_append(&b->lo, lo.data, lo.size);
	if (b->ranges.count == 0 || slice_cmp(buf_view(&b->hi), hi) < 0) {
		buf_reset(&b->hi);
		buf_append(&b->hi, hi.data, hi.size);
	}
	buf_reset(&b->last_lo);
	buf_append(&b->last_lo, lo.data, lo.size);
	block_builder_add(&b->ranges, lo, seqtype(seq, OP_RANGE_DELETE), hi);
	b->last_range_seq = seq;
	b->props.range_tombstones++;
	if (seq < b->props.min_seq)
		b->props.min_seq = seq;
	if (seq > b->props.max_seq)
		b->props.max_seq = seq;
	if (b->lo.failed || b->hi.failed || b->last_lo.failed || b->ranges.entries.failed)
		b->rc = err_memory("a range tombstone");
	return b->rc;
}

/* The key range, of entries and range tombstones; the slices point into the builder. */
static shale_status close_key_range(struct table_builder *b)
{
	struct table_props *p = &b->props;

	if (b->smallest.failed || b->largest.failed)
		return err_memory("the key range of a table");
	p->smallest = buf_view(&b->smallest);
	p->largest = buf_view(&b->largest);
	if (b->ranges.count == 0)
		return SHALE_OK;
	if (p->entries == 0 || slice_cmp(buf_view(&b->lo), p->smallest) < 0)
		p->smallest = buf_view(&b->lo);
	if (p->entries == 0 || slice_cmp(p->largest, buf_view(&b->hi)) < 0) {
		p->largest = buf_view(&b->hi);
		p->largest_excluded = true;
	}
	return SHALE_OK;
}

static shale_status put_filter(struct table_builder *b, struct footer *f)
{
	uint64_t lines;
	shale_status rc;

	f->filter_bits = b->o.filter_bits;
	if (b->hash_count == 0)
		return SHALE_OK;
	lines = filter_lines(b->hash_count, b->o.filter_bits);
	if (lines > UINT32_MAX / FILTER_LINE)
		lines = UINT32_MAX / FILTER_LINE;
	f->filter_lines = lines;
	f->filter_probes = filter_probes(b->o.filter_bits);
	buf_reset(&b->raw);
	filter_build(&b->raw, b->hashes, b->hash_count, lines, f->filter_probes);
	if (b->raw.failed)
		return err_memory("a filter");
	rc = put_piece(b, buf_view(&b->raw), SHALE_NO_COMPRESSION, FILTER_LINE, &f->filter);
	b->props.filter_bytes = extent_end(&f->filter) - f->filter.offset;
	return rc;
}

static shale_status put_props(struct table_builder *b, struct footer *f)
{
	buf_reset(&b->raw);
	props_encode(&b->raw, &b->props);
	if (b->raw.failed)
		return err_memory("the properties of a table");
	return put_piece(b, buf_view(&b->raw), SHALE_NO_COMPRESSION, PIECE_ALIGN, &f->props);
}

/* Everything behind the data blocks. */
static shale_status put_tail(struct table_builder *b)
{
	struct footer f = { .number = b->number, .store_id = b->te.store_id };
	uint8_t bytes[FOOTER_SIZE];
	shale_status rc;

	if (b->written == 0) {
		static const uint8_t zeros[PIECE_ALIGN];

		rc = put(b, zeros, sizeof(zeros));
		if (rc < 0)
			return rc;
	}
	if (b->ranges.count != 0) {
		rc = put_block(b, &b->ranges, SHALE_NO_COMPRESSION, &f.ranges);
		if (rc < 0)
			return rc;
	}
	if (b->index.count != 0) {
		rc = put_block(b, &b->index, SHALE_NO_COMPRESSION, &f.index);
		if (rc < 0)
			return rc;
		b->props.index_bytes = extent_end(&f.index) - f.index.offset;
	}
	rc = put_filter(b, &f);
	if (rc < 0)
		return rc;
	rc = put_props(b, &f);
	if (rc < 0)
		return rc;
	rc = put_gap(b, PIECE_ALIGN);
	if (rc < 0)
		return rc;
	f.file_size = b->written + FOOTER_SIZE;
	footer_encode(&f, bytes);
	return put(b, bytes, sizeof(bytes));
}

/* The result, with keys of its own. */
static shale_status fill_built(const struct table_builder *b, struct table_built *out)
{
	size_t smallest = b->props.smallest.size;

	*out = (struct table_built){ .number = b->number, .size = b->written, .props = b->props };
	buf_init(&out->keys, b->te.env);
	buf_append(&out->keys, b->props.smallest.data, smallest);
	buf_append(&out->keys, b->props.largest.data, b->props.largest.size);
	if (out->keys.failed) {
		buf_fini(&out->keys);
		return err_memory("the key range of a table");
	}
	out->props.smallest = slice_from(out->keys.data, smallest);
	out->props.largest = slice_from(out->keys.data + smallest, b->props.largest.size);
	return SHALE_OK;
}

shale_status table_builder_finish(struct table_builder *b, struct table_built *out)
{
	struct table_built built = { 0 };
	shale_status rc = b->rc;

	if (rc < 0)
		goto out;
	if (b->block.count == 0 && b->ranges.count == 0) {
		rc = err_at(SHALE_BUG, object_name(OBJECT_TABLE, b->number).text, 0,
			    "a table was built of nothing");
		goto out;
	}
	if (b->block.count != 0) {
		shale_slice last = block_builder_last_key(&b->block);

		buf_append(&b->largest, last.data, last.size);
		rc = cut(b, NULL);
		if (rc < 0)
			goto out;
	}
	rc = close_key_range(b);
	if (rc < 0)
		goto out;
	rc = put_tail(b);
	if (rc < 0)
		goto out;
	rc = fill_built(b, &built);
	if (rc < 0)
		goto out;

	rc = store_writer_seal(b->writer);
	b->writer = NULL; /* gone, whatever came of it */
	if (rc < 0) {
		buf_fini(&built.keys);
		goto out;
	}
	*out = built;
out:
	table_builder_abort(b);
	return rc;
}
