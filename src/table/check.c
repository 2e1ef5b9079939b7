/*
 * Reading a whole table and holding every statement in it against the entries:
 * order, the index's separators, the filter, the key range, the counts of the
 * properties, and that the gaps between pieces are zero. Reads past the cache.
 * What table_open() has verified (checksums of the tail, that the pieces tile the
 * file) still holds for what it keeps in memory; the pieces are read again, since
 * the file may have changed since.
 */
#include "table/impl.h"

#include "base/hash.h"

struct check {
	struct table *t;
	struct buf key, last; /* of the entry looked at and the one before */
	uint64_t last_st;
	bool any;
	struct table_props sum;
};

static shale_status damage(const struct table *t, uint64_t offset, const char *what)
{
	return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text, offset, "%s", what);
}

static void count_seq(struct table_props *p, uint64_t seq)
{
	if (seq < p->min_seq)
		p->min_seq = seq;
	if (seq > p->max_seq)
		p->max_seq = seq;
}

static void count_entry(struct table_props *p, uint64_t st, size_t key_size, shale_slice value)
{
	p->entries++;
	p->tombstones += seqtype_type(st) == OP_DELETE;
	p->key_bytes += key_size;
	p->value_bytes += value.size;
	count_seq(p, seqtype_seq(st));
	if (seqtype_type(st) == OP_PUT_TTL) {
		uint64_t expiry = value.size >= 8 ? get_u64le(value.data) : 0;

		if (p->expiring++ == 0 || expiry < p->min_expiry_ms)
			p->min_expiry_ms = expiry;
		if (expiry > p->max_expiry_ms)
			p->max_expiry_ms = expiry;
	}
}

/* Key i of a block into a buffer. */
static shale_status take_key(struct buf *out, const struct block *b, size_t i)
{
	uint8_t *p;

	buf_reset(out);
	if (!buf_reserve(out, block_key_size(b, i) + BLOCK_SLACK))
		return err_memory("checking a table");
	p = buf_extend(out, block_key_size(b, i));
	block_key_copy(b, i, p);
	return SHALE_OK;
}

/* Entry i of the block at `offset`: its order, the filter, the key range. */
static shale_status check_entry(struct check *c, const struct block *b, size_t i, uint64_t offset)
{
	const struct table_props *p = &c->t->props;
	uint64_t st = block_seqtype(b, i);
	struct buf swap;
	shale_slice key;
	int above;
	shale_status rc;

	rc = take_key(&c->key, b, i);
	if (rc < 0)
		return rc;
	key = buf_view(&c->key);
	if (c->any && entry_cmp(buf_view(&c->last), c->last_st, key, st) >= 0)
		return damage(c->t, offset, "entries are out of order");
	above = slice_cmp(key, p->largest);
	if (slice_cmp(key, p->smallest) < 0 || above > 0 || (above == 0 && p->largest_excluded))
		return damage(c->t, offset, "an entry lies outside of the table's key range");
	if (!table_filter_has(c->t, hash_key(key)))
		return damage(c->t, c->t->footer.filter.offset, "the filter lacks a key");
	count_entry(&c->sum, st, key.size, block_value(b, i));
	swap = c->last;
	c->last = c->key;
	c->key = swap;
	c->last_st = st;
	c->any = true;
	return SHALE_OK;
}

/*
 * Separator i: not below the last entry (in c), below the block that follows it
 * (NULL: none) unless the same key goes on there.
 */
static shale_status check_separator(struct check *c, size_t i, const struct block *next)
{
	const struct block *index = &c->t->index;
	uint64_t offset = c->t->footer.index.offset;
	bool goes_on = next != NULL && block_key_equals(next, 0, buf_view(&c->last));
	shale_status rc = take_key(&c->key, index, i);
	shale_slice separator;

	if (rc < 0)
		return rc;
	separator = buf_view(&c->key);
	if (slice_cmp(separator, buf_view(&c->last)) < 0 ||
	    (goes_on && !slice_eq(separator, buf_view(&c->last))) ||
	    (next != NULL && !goes_on && block_lower_bound(next, separator) != 0) ||
	    (next != NULL && !goes_on && block_key_equals(next, 0, separator)) ||
	    block_seqtype(index, i) != (goes_on ? c->last_st : seqtype(0, OP_PUT)))
		return damage(c->t, offset, "an index entry does not separate its blocks");
	return SHALE_OK;
}

/* The stored bytes of a piece, checked; the caller frees *out. */
static shale_status read_piece(struct check *c, const struct extent *e, const char *what,
			       uint8_t **out)
{
	const shale_env *env = c->t->te.env;
	size_t n = (size_t)e->size + BLOCK_TRAILER;
	uint8_t *stored = mem_alloc(env, n);
	uint32_t codec;
	shale_status rc;

	if (stored == NULL)
		return err_memory("checking a table");
	rc = object_read(c->t->object, e->offset, stored, n);
	if (rc >= 0)
		rc = table_check_stored(c->t, e, stored, what, &codec);
	if (rc < 0) {
		mem_free(env, stored);
		return rc;
	}
	*out = stored;
	return SHALE_OK;
}

static shale_status check_block(struct check *c, size_t i)
{
	struct extent e = table_extent(c->t, i);
	struct table_block *b = NULL;
	uint8_t *stored = NULL;
	shale_status rc;

	rc = read_piece(c, &e, "data block", &stored);
	if (rc < 0)
		return rc;
	rc = table_block_new(c->t, &e, stored, &b);
	if (rc < 0)
		goto out;
	if (i != 0)
		rc = check_separator(c, i - 1, &b->view);
	for (size_t k = 0; rc >= 0 && k < b->view.count; k++)
		rc = check_entry(c, &b->view, k, e.offset);
	if (rc >= 0 && i + 1 == c->t->blocks)
		rc = check_separator(c, i, NULL);
out:
	mem_free(c->t->te.env, stored);
	cache_discard(c->t->te.cache, b, table_block_bytes(e.raw_size));
	return rc;
}

/* A piece of the tail again; only its checksum. Steps over the gap before it. */
static shale_status check_piece(struct check *c, const struct extent *e, const char *what)
{
	uint8_t *stored = NULL;
	shale_status rc;

	if (e->size == 0)
		return SHALE_OK;
	rc = read_piece(c, e, what, &stored);
	mem_free(c->t->te.env, stored);
	return rc;
}

/* [*at, next) is zero; *at becomes the end of the piece at `next`. */
static shale_status check_gap(struct check *c, uint64_t *at, const struct extent *e)
{
	uint8_t gap[FILTER_LINE];
	uint64_t from = *at;
	size_t n;
	shale_status rc;

	if (e->size == 0)
		return SHALE_OK;
	n = (size_t)(e->offset - from); /* less than the greatest alignment: table_open() */
	*at = extent_end(e);
	if (n == 0)
		return SHALE_OK;
	rc = object_read(c->t->object, from, gap, n);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (gap[i] != 0)
			return damage(c->t, from + i, "the gap between two pieces is not zero");
	return SHALE_OK;
}

static shale_status check_tail(struct check *c)
{
	const struct footer *f = &c->t->footer;
	struct footer again;
	uint8_t bytes[FOOTER_SIZE];
	shale_status rc;

	rc = check_piece(c, &f->ranges, "range tombstones");
	if (rc >= 0)
		rc = check_piece(c, &f->index, "index");
	if (rc >= 0)
		rc = check_piece(c, &f->filter, "filter");
	if (rc >= 0)
		rc = check_piece(c, &f->props, "properties");
	if (rc >= 0)
		rc = object_read(c->t->object, c->t->size - FOOTER_SIZE, bytes, sizeof(bytes));
	if (rc < 0)
		return rc;
	rc = footer_decode(bytes, &again);
	return rc < 0 ? table_damaged(c->t, c->t->size - FOOTER_SIZE, "footer") : rc;
}

static shale_status check_gaps(struct check *c)
{
	const struct footer *f = &c->t->footer;
	const struct extent end = { c->t->size - FOOTER_SIZE, FOOTER_SIZE, FOOTER_SIZE };
	uint64_t at = 0;
	shale_status rc = SHALE_OK;

	for (size_t i = 0; rc >= 0 && i < c->t->blocks; i++) {
		struct extent e = table_extent(c->t, i);

		rc = check_gap(c, &at, &e);
	}
	if (rc >= 0)
		rc = check_gap(c, &at, &f->ranges);
	if (rc >= 0)
		rc = check_gap(c, &at, &f->index);
	if (rc >= 0)
		rc = check_gap(c, &at, &f->filter);
	if (rc >= 0)
		rc = check_gap(c, &at, &f->props);
	return rc >= 0 ? check_gap(c, &at, &end) : rc;
}

/* What the range tombstones add, from their fragments: sequences and key range. */
static shale_status check_ranges(struct check *c)
{
	const struct rangedel_set *set = c->t->ranges;
	const struct table_props *p = &c->t->props;

	for (size_t i = 0; set != NULL && i < set->count; i++) {
		const struct rangedel_fragment *f = &set->fragments[i];

		for (size_t k = 0; k < f->seq_count; k++)
			count_seq(&c->sum, f->seqs[k]);
		if (slice_cmp(f->lo, p->smallest) < 0 || slice_cmp(f->hi, p->largest) > 0)
			return damage(c->t, c->t->footer.ranges.offset,
				      "a range tombstone lies outside of the table's key range");
	}
	return SHALE_OK;
}

static shale_status check_props(const struct check *c)
{
	const struct table_props *p = &c->t->props, *sum = &c->sum;

	if (p->entries != sum->entries || p->tombstones != sum->tombstones ||
	    p->expiring != sum->expiring || p->key_bytes != sum->key_bytes ||
	    p->value_bytes != sum->value_bytes || p->min_seq != sum->min_seq ||
	    p->max_seq != sum->max_seq || p->min_expiry_ms != sum->min_expiry_ms ||
	    p->max_expiry_ms != sum->max_expiry_ms)
		return damage(c->t, c->t->footer.props.offset,
			      "the properties do not count what the table holds");
	return SHALE_OK;
}

shale_status table_check(struct table *t, uint64_t *blocks, uint64_t *entries)
{
	struct check c = { .t = t, .sum.min_seq = UINT64_MAX };
	shale_status rc = SHALE_OK;

	buf_init(&c.key, t->te.env);
	buf_init(&c.last, t->te.env);
	for (size_t i = 0; rc >= 0 && i < t->blocks; i++)
		rc = check_block(&c, i);
	if (rc >= 0)
		rc = check_ranges(&c);
	if (rc >= 0)
		rc = check_props(&c);
	if (rc >= 0)
		rc = check_gaps(&c);
	if (rc >= 0)
		rc = check_tail(&c);
	if (rc >= 0) {
		*blocks = t->blocks;
		*entries = c.sum.entries;
	}
	buf_fini(&c.key);
	buf_fini(&c.last);
	return rc;
}
