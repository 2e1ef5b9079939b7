/*
 * Opening a table: footer, index, range tombstones, filter, properties; each is
 * read once, checked and kept.
 *
 * Nothing of the file is believed before it is checked: an extent is compared
 * with the file's size before anything is allocated for it, and at the end all
 * pieces together must tile the file exactly as the builder lays them out. So
 * no later read can ask for bytes outside the file, two pieces can never
 * overlap, and raw sizes are bounded by what the properties count.
 */
#include "table/impl.h"

#include "format/codec.h"
#include "format/heads.h"

/* No codec makes more of a byte: zstd's best are four bytes for 128 KiB. */
enum { RATIO_MAX = 32768 };

/*
 * Range tombstones are written cut at each other's ends, so that each is one piece.
 * Others are read as well, but what they are cut into may not grow with their square.
 */
enum { PIECES_EACH = 16, PIECES_SPARE = 1 << 16 };

/*
 * The prefix that their keys share is stored once, and what is kept has it in each. Where
 * ranges are cut, every end but the greatest lies between two starts and so has that prefix
 * itself, in full: starts that differ take less than the block and one key. Of others it
 * is limited as well.
 */
enum { KEY_BYTES_EACH = 16, KEY_BYTES_SPARE = 1 << 20 };

shale_status table_damaged(const struct table *t, uint64_t offset, const char *what)
{
	return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text, offset, "%s: %s",
		      what, err_last()->text);
}

static shale_status bad(const struct table *t, uint64_t offset, const char *what)
{
	return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text, offset, "%s", what);
}

shale_status table_check_stored(const struct table *t, const struct extent *e,
				const uint8_t *stored, const char *what, uint32_t *codec)
{
	uint32_t raw_size;
	shale_status rc;

	rc = trailer_decode(stored + e->size, slice_from(stored, e->size), t->number, e->offset,
			    codec, &raw_size);
	if (rc < 0)
		return rc == SHALE_CORRUPT ? table_damaged(t, e->offset, what) : rc;
	if (raw_size != e->raw_size)
		rc = err_new(SHALE_CORRUPT, "its trailer and its extent disagree");
	else if ((*codec == SHALE_NO_COMPRESSION) != (e->size == e->raw_size))
		rc = err_new(SHALE_CORRUPT, "its codec and its sizes disagree");
	return rc < 0 ? table_damaged(t, e->offset, what) : SHALE_OK;
}

shale_status table_unpack(const struct table *t, const struct extent *e, const uint8_t *stored,
			  const char *what, uint8_t *raw)
{
	uint32_t codec;
	shale_status rc = table_check_stored(t, e, stored, what, &codec);

	if (rc < 0)
		return rc;
	if (codec != SHALE_NO_COMPRESSION) {
		rc = codec_decompress(t->te.codecs, codec, slice_from(stored, e->size), raw,
				      e->raw_size);
		if (rc == SHALE_CORRUPT)
			return table_damaged(t, e->offset, what);
		return rc;
	}
	if (raw != stored)
		memcpy(raw, stored, e->size);
	return SHALE_OK;
}

/* A footer's extent, before anything is read by it. */
static shale_status check_extent(const struct table *t, const struct extent *e, uint64_t align,
				 const char *what)
{
	uint64_t limit = t->size - FOOTER_SIZE;

	if (e->offset % align != 0 || e->offset > limit || limit - e->offset < BLOCK_TRAILER ||
	    limit - e->offset - BLOCK_TRAILER < e->size)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      t->size - FOOTER_SIZE, "the footer places the %s outside of the file",
			      what);
	return SHALE_OK;
}

/*
 * Read a piece into memory of its own, line-aligned. Pieces other than data
 * blocks are never compressed.
 */
static shale_status load_piece(const struct table *t, const struct extent *e, uint64_t align,
			       const char *what, void **out)
{
	const shale_env *env = t->te.env;
	uint8_t *bytes;
	shale_status rc;

	rc = check_extent(t, e, align, what);
	if (rc < 0)
		return rc;
	if (e->size != e->raw_size)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      t->size - FOOTER_SIZE, "the footer has two sizes for the %s", what);
	bytes = mem_aligned(env, FILTER_LINE,
			    ((size_t)e->size + BLOCK_TRAILER + FILTER_LINE - 1) &
				    ~(size_t)(FILTER_LINE - 1));
	if (bytes == NULL)
		return err_memory(what);
	rc = object_read(t->object, e->offset, bytes, (size_t)e->size + BLOCK_TRAILER);
	if (rc >= 0)
		rc = table_unpack(t, e, bytes, what, bytes);
	if (rc < 0) {
		mem_free(env, bytes);
		return rc;
	}
	*out = bytes;
	return SHALE_OK;
}

static shale_status load_footer(struct table *t)
{
	uint8_t bytes[FOOTER_SIZE];
	uint64_t real = object_size(t->object);
	shale_status rc;

	if (real != t->size || real < FOOTER_SIZE)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      real < t->size ? real : t->size,
			      "the table has %" PRIu64 " bytes where %" PRIu64 " are on record",
			      real, t->size);
	rc = object_read(t->object, t->size - FOOTER_SIZE, bytes, sizeof(bytes));
	if (rc < 0)
		return rc;
	rc = footer_decode(bytes, &t->footer);
	if (rc == SHALE_UNSUPPORTED)
		return err_at(rc, object_name(OBJECT_TABLE, t->number).text, t->size - FOOTER_SIZE,
			      "%s", err_last()->text);
	if (rc < 0)
		return table_damaged(t, t->size - FOOTER_SIZE, "footer");
	if (t->footer.number != t->number)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      t->size - FOOTER_SIZE,
			      "the file is foreign: its footer is of table %s",
			      object_name(OBJECT_TABLE, t->footer.number).text);
	if (t->footer.store_id != t->te.store_id && t->footer.store_id != 0)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      t->size - FOOTER_SIZE,
			      "the file is foreign: it is of store %016" PRIx64
			      ", this is %016" PRIx64,
			      t->footer.store_id, t->te.store_id);
	if (t->footer.file_size != t->size)
		return bad(t, t->size - FOOTER_SIZE, "the footer is of a file of another size");
	return SHALE_OK;
}

static shale_status load_index(struct table *t)
{
	const struct extent *e = &t->footer.index;
	size_t samples;
	shale_status rc;

	if (e->size == 0)
		return SHALE_OK;
	rc = load_piece(t, e, PIECE_ALIGN, "index", &t->index_memory);
	if (rc < 0)
		return rc;
	rc = block_parse(t->index_memory, e->raw_size, &t->index);
	if (rc < 0)
		return rc == SHALE_CORRUPT ? table_damaged(t, e->offset, "index") : rc;
	t->blocks = t->index.count;
	samples = heads_samples(t->blocks) * sizeof(*t->sample);
	t->places = mem_aligned(t->te.env, 64, t->blocks * sizeof(*t->places));
	t->sample = mem_alloc(t->te.env, samples);
	if (t->places == NULL || t->sample == NULL)
		return err_memory("an index");
	heads_sample(t->index.heads, t->blocks, t->sample);
	memset(t->places, 0, t->blocks * sizeof(*t->places));
	for (size_t i = 0; i < t->blocks; i++) {
		shale_slice value = block_value(&t->index, i);
		struct extent block;

		if (value.size != EXTENT_SIZE)
			return bad(t, e->offset, "an index entry is no extent");
		extent_decode(value.data, &block);
		t->places[i].offset = block.offset;
		t->places[i].size = block.size;
		t->places[i].raw_size = block.raw_size;
	}
	t->charge += e->size + BLOCK_TRAILER + samples + t->blocks * sizeof(*t->places);
	return SHALE_OK;
}

/* Whether entry i of a block has a key of its own, not that of the one before. */
static bool key_differs(const struct block *b, size_t i)
{
	return i == 0 || !block_key_repeats(b, i);
}

/* Bytes of the keys that differ; no more than a sound block can have. */
static shale_status measure_starts(const struct table *t, const struct block *b, size_t *bytes)
{
	size_t n = 0, most = KEY_BYTES_EACH * b->raw_size + KEY_BYTES_SPARE;

	for (size_t i = 0; i < b->count && n <= most; i++)
		n += key_differs(b, i) ? block_key_size(b, i) : 0;
	if (n > most)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, t->number).text,
			      t->footer.ranges.offset,
			      "range tombstones in %zu bytes have more than %zu bytes of keys",
			      b->raw_size, most);
	*bytes = n;
	return SHALE_OK;
}

/* The tombstones of a parsed block; `keys` has room for all keys that differ. */
static shale_status collect_ranges(const struct table *t, const struct block *b,
				   struct rangedel *ranges, uint8_t *keys)
{
	shale_slice lo = { NULL, 0 };

	for (size_t i = 0; i < b->count; i++) {
		uint64_t st = block_seqtype(b, i);

		if (key_differs(b, i)) {
			lo = slice_from(keys, block_key_size(b, i));
			block_key_copy(b, i, keys);
			keys += lo.size;
		}
		ranges[i] = (struct rangedel){ lo, block_value(b, i), seqtype_seq(st) };
		if (seqtype_type(st) != OP_RANGE_DELETE ||
		    slice_cmp(ranges[i].lo, ranges[i].hi) >= 0)
			return bad(t, t->footer.ranges.offset, "a range tombstone is empty");
	}
	return SHALE_OK;
}

static shale_status load_ranges(struct table *t)
{
	const struct extent *e = &t->footer.ranges;
	const shale_env *env = t->te.env;
	struct rangedel *ranges = NULL;
	void *bytes = NULL;
	uint8_t *keys = NULL;
	size_t key_bytes = 0;
	struct block b;
	shale_status rc;

	if (e->size == 0)
		return SHALE_OK;
	rc = load_piece(t, e, PIECE_ALIGN, "range tombstones", &bytes);
	if (rc < 0)
		return rc;
	rc = block_parse(bytes, e->raw_size, &b);
	if (rc < 0) {
		if (rc == SHALE_CORRUPT)
			rc = table_damaged(t, e->offset, "range tombstones");
		goto out;
	}
	t->range_count = b.count;
	rc = measure_starts(t, &b, &key_bytes);
	if (rc < 0)
		goto out;
	ranges = mem_array(env, b.count, sizeof(*ranges));
	keys = mem_alloc(env, key_bytes + BLOCK_SLACK);
	if (ranges == NULL || keys == NULL) {
		rc = err_memory("range tombstones");
		goto out;
	}
	rc = collect_ranges(t, &b, ranges, keys);
	if (rc < 0)
		goto out;
	rc = rangedel_build_within(env, ranges, b.count, PIECES_EACH * b.count + PIECES_SPARE,
				   &t->ranges);
	if (rc == SHALE_CORRUPT)
		rc = table_damaged(t, e->offset, "range tombstones");
	if (rc < 0)
		goto out;
	t->charge += t->ranges->bytes;
out:
	mem_free(env, ranges);
	mem_free(env, keys);
	mem_free(env, bytes);
	return rc;
}

static shale_status load_filter(struct table *t)
{
	const struct footer *f = &t->footer;
	shale_status rc;

	if (f->filter.size == 0)
		return SHALE_OK;
	if (f->filter_lines == 0 || f->filter_lines > UINT32_MAX / FILTER_LINE ||
	    f->filter.size != f->filter_lines * FILTER_LINE || f->filter_probes == 0 ||
	    f->filter_probes > FILTER_PROBES_MAX)
		return bad(t, t->size - FOOTER_SIZE, "the footer describes no possible filter");
	rc = load_piece(t, &f->filter, FILTER_LINE, "filter", &t->filter_memory);
	if (rc < 0)
		return rc;
	t->filter = t->filter_memory;
	t->filter_lines = f->filter_lines;
	t->filter_probes = f->filter_probes;
	t->charge += f->filter.size + BLOCK_TRAILER;
	return SHALE_OK;
}

static shale_status load_props(struct table *t)
{
	const struct extent *e = &t->footer.props;
	const uint8_t *p, *end;
	shale_status rc;

	rc = load_piece(t, e, PIECE_ALIGN, "properties", &t->props_memory);
	if (rc < 0)
		return rc;
	p = t->props_memory;
	end = p + e->raw_size;
	rc = props_decode(&p, end, &t->props);
	if (rc < 0)
		return rc == SHALE_CORRUPT ? table_damaged(t, e->offset, "properties") : rc;
	if (p != end)
		return bad(t, e->offset, "something follows the properties");
	t->charge += e->size + BLOCK_TRAILER;
	return SHALE_OK;
}

/* Step over a piece that must begin at the next multiple of `align`. */
static bool follows(uint64_t *at, const struct extent *e, uint64_t align)
{
	if (e->size == 0)
		return e->offset == 0;
	if (e->offset != ((*at + align - 1) & ~(align - 1)))
		return false;
	*at = extent_end(e);
	return true;
}

/* The pieces tile the file, and the properties agree with them. */
static shale_status check_layout(const struct table *t)
{
	const struct table_props *p = &t->props;
	const struct footer *f = &t->footer;
	uint64_t at = 0, raw = 0, stored = 0, room;

	for (size_t i = 0; i < t->blocks; i++) {
		struct extent e = table_extent(t, i);

		if (e.size == 0 || e.raw_size < e.size || e.raw_size / RATIO_MAX > e.size ||
		    !follows(&at, &e, PIECE_ALIGN) || at > t->size)
			return bad(t, f->index.offset, "the index misplaces a block");
		raw += e.raw_size;
		stored += e.size + BLOCK_TRAILER;
	}
	if (t->blocks == 0)
		at = PIECE_ALIGN;
	if (!follows(&at, &f->ranges, PIECE_ALIGN) || !follows(&at, &f->index, PIECE_ALIGN) ||
	    !follows(&at, &f->filter, FILTER_LINE) || !follows(&at, &f->props, PIECE_ALIGN) ||
	    piece_align(at) != t->size - FOOTER_SIZE)
		return bad(t, t->size - FOOTER_SIZE, "the pieces of the table do not fit together");

	/* No block may claim more than all entries could fill, with 64 bytes for each. */
	if (__builtin_mul_overflow(p->entries, 64, &room) ||
	    __builtin_add_overflow(room, p->key_bytes, &room) ||
	    __builtin_add_overflow(room, p->value_bytes, &room))
		return bad(t, f->props.offset, "the properties count too much");
	if (p->data_blocks != t->blocks || p->data_bytes != stored || raw > room ||
	    (p->entries == 0) != (t->blocks == 0) || p->range_tombstones != t->range_count ||
	    p->entries + p->range_tombstones == 0)
		return bad(t, f->props.offset, "the properties are not those of this table");
	return SHALE_OK;
}

shale_status table_open(const struct table_env *te, uint64_t number, uint64_t size,
			struct table **out)
{
	struct table *t = mem_zalloc(te->env, sizeof(*t));
	shale_status rc;

	if (t == NULL)
		return err_memory("a table");
	t->te = *te;
	t->number = number;
	t->size = size;
	atomic_init(&t->refs, 1);

	rc = store_open_object(te->store, OBJECT_TABLE, number, &t->object);
	if (rc >= 0)
		rc = load_footer(t);
	if (rc >= 0)
		rc = load_index(t);
	if (rc >= 0)
		rc = load_ranges(t);
	if (rc >= 0)
		rc = load_filter(t);
	if (rc >= 0)
		rc = load_props(t);
	if (rc >= 0)
		rc = check_layout(t);
	t->front_lines = table_front_lines(t);
	t->charge += sizeof(*t);
	budget_add(te->budget, BUDGET_TABLES, (int64_t)t->charge);
	if (rc < 0) {
		table_unref(t);
		return rc;
	}
	*out = t;
	return SHALE_OK;
}

struct table *table_ref(struct table *t)
{
	/* Relaxed: whoever refs holds a reference already. */
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void table_unref(struct table *t)
{
	const shale_env *env;

	/* Release: our reads come before the free. Acquire: the last one sees them done. */
	if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	env = t->te.env;
	budget_add(t->te.budget, BUDGET_TABLES, -(int64_t)t->charge);
	object_close(t->object);
	rangedel_free(t->ranges);
	mem_free(env, t->index_memory);
	mem_free(env, t->places);
	mem_free(env, t->sample);
	mem_free(env, t->filter_memory);
	mem_free(env, t->props_memory);
	mem_free(env, t);
}

uint64_t table_number(const struct table *t)
{
	return t->number;
}

const struct table_props *table_props(const struct table *t)
{
	return &t->props;
}

const struct footer *table_footer(const struct table *t)
{
	return &t->footer;
}

const struct rangedel_set *table_ranges(const struct table *t)
{
	return t->ranges;
}
