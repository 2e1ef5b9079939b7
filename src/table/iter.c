/*
 * Iterating over a table.
 *
 * The current key is put together in a buffer of the iterator's own: the block's
 * prefix is copied once a block, the eight head bytes and the rest once an entry.
 * Both copies are of a fixed size where they can be, which may read and write up
 * to sixteen bytes too far: the key buffer has that much slack, and behind the
 * raw block are at least its trailer's sixteen bytes (or as many of a cached one).
 * The value stays where it is.
 *
 * Blocks come from three places:
 *
 *   cache   pinned; asked first, unless verified. Of sequential reads, by merges, it
 *           learns nothing: what is there is taken, and whether readers want it is told
 *   window  a piece of the file, read at once: one block at first, more when two
 *           blocks in a row (in one direction) were not in the cache, 16 KiB and
 *           then twice as much each time up to 256 KiB; at once 256 KiB when
 *           reads are sequential. These, and scans, end where blocks are cached again;
 *           a scan begins anew as large as it was. From there a block goes into the
 *           cache
 *   place   or it is used where it lies (raw ones; others are unpacked beside),
 *           when it is not to be kept: sequential, verified, no_fill_cache, or
 *           when so many blocks were passed that this is a scan: it takes from the
 *           cache what is there and leaves the cache as it is, or what it puts in
 *           would cost it what it comes to next
 */
#include "table/impl.h"

#include "format/codec.h"

enum {
	AHEAD_MIN = 16 << 10,
	AHEAD_MAX = 256 << 10,
	AHEAD_ANNOUNCED = 128 << 10, /* backwards: from here on the kernel is told */
	SCAN_BLOCKS = 64,            /* passed in a row: from here on none is kept */
	KEY_SLACK = 16,
	KEY_INLINE = 112,    /* bytes of keys that need no memory of their own */
	CACHED_ROW = 8,      /* blocks in a row that are cached end what a merge reads at once */
	PREFETCH_LINES = 14, /* of the block that will be next: its columns */
	AIMED_LINES = 16,    /* of the one that a seek will need */
};

struct table_iter {
	struct iter it;

	/* The current block and position in it; b is NULL when there is none. */
	const struct block *b;
	size_t pos;
	size_t rest_end, value_end; /* of the current entry */
	uint8_t *key;
	size_t key_capacity; /* without slack */
	size_t aimed;        /* block that the seek to come will need */
	bool is_aimed;

	struct table *t;
	struct table_read read;
	bool sequential;
	const struct rate_user *rate;
	size_t block;    /* number of the current block */
	unsigned passed; /* blocks since the last jump */

	struct cache_item pin;    /* of a cached block */
	bool peeked;              /* by cache_peek() */
	struct block placed;      /* view of one that is not cached */
	uint8_t *unpacked;        /* its bytes, where they were compressed */
	size_t unpacked_capacity; /* without slack */

	uint8_t *window; /* blocks [window_first, window_end) from window_offset */
	size_t window_capacity;
	size_t window_first, window_end;
	uint64_t window_offset;
	size_t ahead;    /* bytes to read at once; 0: one block */
	unsigned misses; /* blocks in a row that were not in the cache; of a scan, all */
	int direction;   /* of these */
	uint8_t key_inline[KEY_INLINE + KEY_SLACK];
};

/* ---- memory ---- */

/* At least n bytes, old contents lost. */
static bool grow(struct table_iter *ti, uint8_t **p, size_t *capacity, size_t n)
{
	const struct table_env *te = &ti->t->te;
	uint8_t *fresh;

	n = (n + 4095) & ~(size_t)4095;
	fresh = mem_aligned(te->env, 64, n);
	if (fresh == NULL) {
		ti->it.status = err_memory("an iterator's block");
		return false;
	}
	mem_free(te->env, *p);
	*p = fresh;
	*capacity = n;
	return true;
}

static bool grow_key(struct table_iter *ti, size_t n)
{
	size_t capacity = ti->key_capacity * 2 > n ? ti->key_capacity * 2 : n;
	uint8_t *mine = ti->key != ti->key_inline ? ti->key : NULL;
	uint8_t *key = mem_realloc(ti->t->te.env, mine, capacity + KEY_SLACK);

	if (key == NULL) {
		ti->it.status = err_memory("an iterator's key");
		return false;
	}
	if (mine == NULL)
		memcpy(key, ti->key_inline, sizeof(ti->key_inline));
	ti->key = key;
	ti->key_capacity = capacity;
	return true;
}

/* ---- blocks ---- */

static void drop_block(struct table_iter *ti)
{
	ti->b = NULL;
	if (ti->peeked)
		cache_unpeek(&ti->pin);
	else
		cache_release(ti->t->te.cache, &ti->pin);
	ti->peeked = false;
}

static bool is_cached(const struct table *t, size_t i)
{
	return cache_has(t->te.cache, &t->places[i].hint, t->number, t->places[i].offset);
}

/*
 * How many of up to n blocks, from i on, a window should have: those before so many cached ones
 * in a row, or before those at its end. Fewer between others are read with them.
 */
static size_t not_cached(const struct table_iter *ti, size_t i, size_t n)
{
	size_t need = 1;

	for (size_t k = 1; k < n && k - need < CACHED_ROW; k++)
		if (!is_cached(ti->t, ti->direction > 0 ? i + k : i - k))
			need = k + 1;
	return need;
}

/* Which blocks to read together with block i: [*first, *end). */
static void choose_window(struct table_iter *ti, size_t i, size_t *first, size_t *end)
{
	const struct table *t = ti->t;
	struct extent e = table_extent(t, i);
	size_t n = 1;

	if (ti->direction > 0)
		while (i + n < t->blocks) {
			struct extent last = table_extent(t, i + n);

			if (extent_end(&last) - e.offset > ti->ahead)
				break;
			n++;
		}
	else
		while (i >= n && extent_end(&e) - table_extent(t, i - n).offset <= ti->ahead)
			n++;
	if ((ti->sequential || ti->passed >= SCAN_BLOCKS) && !ti->read.verify)
		n = not_cached(ti, i, n);
	*first = ti->direction > 0 ? i : i + 1 - n;
	*end = *first + n;
}

/*
 * Forwards the kernel sees a scan and reads ahead. Backwards it does not, so it is told
 * what will be wanted next, for the device to fetch meanwhile.
 */
static void announce_before(const struct table_iter *ti)
{
	uint64_t n = ti->window_offset < ti->ahead ? ti->window_offset : ti->ahead;

	if (n != 0)
		object_readahead(ti->t->object, ti->window_offset - n, n);
}

static bool read_window(struct table_iter *ti, size_t i)
{
	const struct table *t = ti->t;
	struct extent from, to;
	size_t first, end, n;

	choose_window(ti, i, &first, &end);
	from = table_extent(t, first);
	to = table_extent(t, end - 1);
	n = (size_t)(extent_end(&to) - from.offset);
	ti->window_end = ti->window_first = 0;
	if (n > ti->window_capacity && !grow(ti, &ti->window, &ti->window_capacity, n))
		return false;
	rate_take(ti->rate, n, 1);
	if (!ti->sequential) {
		stats_add(t->te.stats, STAT_BLOCK_READS, 1);
		stats_add(t->te.stats, STAT_BLOCK_READ_BYTES, n);
	}
	ti->it.status = object_read(t->object, from.offset, ti->window, n);
	if (ti->it.status < 0)
		return false;
	ti->window_first = first;
	ti->window_end = end;
	ti->window_offset = from.offset;
	if (ti->direction < 0 && ti->ahead >= AHEAD_ANNOUNCED)
		announce_before(ti);
	return true;
}

/* Use a block of the window where it lies, or unpacked beside it. A failure is in status. */
static void place_block(struct table_iter *ti, const struct extent *e, uint8_t *stored)
{
	uint8_t *raw = stored;
	shale_status rc;

	if (e->size != e->raw_size) {
		if ((size_t)e->raw_size + BLOCK_SLACK > ti->unpacked_capacity &&
		    !grow(ti, &ti->unpacked, &ti->unpacked_capacity,
			  (size_t)e->raw_size + BLOCK_SLACK))
			return;
		raw = ti->unpacked;
	}
	rc = table_unpack(ti->t, e, stored, "data block", raw);
	if (rc >= 0)
		rc = table_parse_data(ti->t, e, raw, &ti->placed);
	ti->it.status = rc;
	ti->b = rc < 0 ? NULL : &ti->placed;
}

static void keep_block(struct table_iter *ti, size_t i, const struct extent *e,
		       const uint8_t *stored)
{
	struct table *t = ti->t;
	struct table_block *b = NULL;

	ti->it.status = table_block_new(t, e, stored, &b);
	if (ti->it.status < 0)
		return;
	if (!cache_insert(t->te.cache, t->number, e->offset, b, table_block_bytes(e->raw_size),
			  true, &ti->pin)) {
		cache_discard(t->te.cache, b, table_block_bytes(e->raw_size));
		ti->it.status = err_memory("a cached block");
		return;
	}
	cache_hint_learn(t->te.cache, &t->places[i].hint, &ti->pin);
	ti->b = &((const struct table_block *)ti->pin.data)->view;
}

/* Learn from a block that was not in the cache how much to read at once. */
static void note_miss(struct table_iter *ti, size_t i, int direction)
{
	stats_add(ti->t->te.stats, STAT_CACHE_MISSES, 1);
	if (direction != ti->direction || ti->misses == 0) {
		ti->direction = direction;
		ti->misses = 0;
		ti->ahead = 0;
	}
	ti->misses++;
	if (ti->misses <= 2 || (i >= ti->window_first && i < ti->window_end))
		return;
	if (ti->ahead == 0)
		ti->ahead = AHEAD_MIN;
	else if (ti->ahead < AHEAD_MAX)
		ti->ahead *= 2;
}

/* A merge takes from the cache what is there, as if it had not been. */
static bool peek_block(struct table_iter *ti, size_t i)
{
	struct table *t = ti->t;
	struct block_place *at = &t->places[i];
	bool used = false;

	ti->peeked = !ti->read.verify &&
		     cache_peek(t->te.cache, &at->hint, t->number, at->offset, &ti->pin, &used);
	ti->it.hot = used && ti->read.carry;
	if (!ti->peeked)
		return false;
	ti->b = &((const struct table_block *)ti->pin.data)->view;
	return true;
}

static bool fetch_block(struct table_iter *ti, size_t i, int direction)
{
	struct table *t = ti->t;
	struct extent e = table_extent(t, i);
	uint8_t *stored;

	if (ti->sequential) {
		ti->direction = direction;
		if (peek_block(ti, i))
			return true;
	} else {
		if (!ti->read.verify && cache_get_hinted(t->te.cache, &t->places[i].hint, t->number,
							 e.offset, &ti->pin)) {
			stats_add(t->te.stats, STAT_CACHE_HITS, 1);
			if (ti->passed < SCAN_BLOCKS)
				ti->misses = 0;
			ti->b = &((const struct table_block *)ti->pin.data)->view;
			return true;
		}
		note_miss(ti, i, direction);
	}
	if ((i < ti->window_first || i >= ti->window_end) && !read_window(ti, i))
		return false;
	stored = ti->window + (e.offset - ti->window_offset);
	if (ti->sequential || ti->read.verify || ti->read.no_fill_cache ||
	    ti->passed >= SCAN_BLOCKS)
		place_block(ti, &e, stored);
	else
		keep_block(ti, i, &e, stored);
	if (ti->it.status < 0)
		ti->window_end = ti->window_first = 0; /* whoever tries again reads again */
	return ti->it.status >= 0;
}

/* By the time the current block is passed, the one behind it is near. */
static inline void prefetch_next(const struct table_iter *ti, size_t i, int direction)
{
	size_t next = i + (size_t)direction;

	if ((!ti->sequential || ti->peeked) && next < ti->t->blocks)
		cache_prefetch(ti->t->te.cache, &ti->t->places[next].hint, PREFETCH_LINES);
}

/*
 * Make block i the current one. Not valid, with the failure in status, when that
 * fails; not valid and no failure when there is no block i.
 */
static bool load_block(struct table_iter *ti, size_t i, int direction)
{
	drop_block(ti);
	ti->it.valid = false;
	if (i >= ti->t->blocks || !fetch_block(ti, i, direction))
		return false;
	ti->block = i;
	ti->passed++;
	if (ti->b->prefix_size + 8u > ti->key_capacity && !grow_key(ti, ti->b->prefix_size + 8u)) {
		drop_block(ti);
		return false;
	}
	memcpy(ti->key, ti->b->prefix, ti->b->prefix_size);
	prefetch_next(ti, i, direction);
	return true;
}

/* ---- entries ---- */

static inline size_t rest_end_at(const struct block *b, size_t i)
{
	if (likely((b->flags & BLOCK_WIDE_RESTS) == 0))
		return get_u16le(b->rest_ends + 2 * i);
	return get_u32le(b->rest_ends + 4 * i);
}

static inline size_t value_end_at(const struct block *b, size_t i)
{
	if (likely((b->flags & BLOCK_WIDE_VALUES) == 0))
		return get_u16le(b->value_ends + 2 * i);
	return get_u32le(b->value_ends + 4 * i);
}

static inline uint64_t seqtype_at(const struct block *b, size_t i)
{
	if (likely(b->seq_width == 4))
		return (b->seq_base + get_u32le(b->seqs + 4 * i)) << 8 | b->types[i];
	if (b->seq_width == 0)
		return b->seq_base << 8 | b->types[i];
	return block_seqtype(b, i);
}

/* Show entry i of the current block, whose rest and value begin where told. */
static inline void show(struct table_iter *ti, size_t i, size_t rest_from, size_t value_from)
{
	const struct block *b = ti->b;
	size_t rest_end = rest_end_at(b, i), value_end = value_end_at(b, i);
	size_t rest = rest_end - rest_from, prefix = b->prefix_size;
	size_t size = prefix + b->head_sizes[i] + rest;
	uint64_t bytes = __builtin_bswap64(b->heads[i]);
	uint8_t *p;

	if (unlikely(size > ti->key_capacity) && !grow_key(ti, size)) {
		ti->it.valid = false;
		return;
	}
	p = ti->key + prefix;
	memcpy(p, &bytes, 8);
	if (likely(rest <= KEY_SLACK))
		memcpy(p + 8, b->rests + rest_from, KEY_SLACK);
	else
		memcpy(p + 8, b->rests + rest_from, rest);
	ti->pos = i;
	ti->rest_end = rest_end;
	ti->value_end = value_end;
	ti->it.key = slice_from(ti->key, size);
	ti->it.value = slice_from(b->values + value_from, value_end - value_from);
	ti->it.seqtype = seqtype_at(b, i);
	ti->it.valid = true;
}

/*
 * Show entry i of the current block and fetch the value of the one behind. Blocks lie
 * anywhere in the cache, so the processor does not see it coming; and the other tables of
 * a merge have their turns meanwhile. Of a large value whoever reads it fetches the rest.
 */
static inline void show_and_fetch(struct table_iter *ti, size_t i, size_t rest_from,
				  size_t value_from)
{
	const uint8_t *next;

	show(ti, i, rest_from, value_from);
	next = ti->b->values + ti->value_end;
	__builtin_prefetch(next);
	__builtin_prefetch(next + 64);
}

static void show_at(struct table_iter *ti, size_t i)
{
	const struct block *b = ti->b;

	show_and_fetch(ti, i, i != 0 ? rest_end_at(b, i - 1) : 0,
		       i != 0 ? value_end_at(b, i - 1) : 0);
}

/* Going backwards: what is fetched is the value in front of it. */
static void show_at_back(struct table_iter *ti, size_t i)
{
	const struct block *b = ti->b;
	size_t value_from = i != 0 ? value_end_at(b, i - 1) : 0;
	const uint8_t *values = b->values + value_from;

	show(ti, i, i != 0 ? rest_end_at(b, i - 1) : 0, value_from);
	__builtin_prefetch(values - 64);
	__builtin_prefetch(values - 128);
}

static void show_first(struct table_iter *ti, size_t block)
{
	if (load_block(ti, block, 1))
		show_and_fetch(ti, 0, 0, 0);
}

/* SIZE_MAX for `block` is none. */
static void show_last(struct table_iter *ti, size_t block)
{
	if (load_block(ti, block, -1))
		show_at_back(ti, ti->b->count - 1);
}

static void table_iter_next(struct iter *it)
{
	struct table_iter *ti = (struct table_iter *)it;

	if (likely(ti->pos + 1 < ti->b->count))
		show_and_fetch(ti, ti->pos + 1, ti->rest_end, ti->value_end);
	else
		show_first(ti, ti->block + 1);
}

static void table_iter_prev(struct iter *it)
{
	struct table_iter *ti = (struct table_iter *)it;

	if (likely(ti->pos > 0))
		show_at_back(ti, ti->pos - 1);
	else
		show_last(ti, ti->block - 1);
}

static void table_iter_first(struct iter *it)
{
	struct table_iter *ti = (struct table_iter *)it;

	it->status = SHALE_OK;
	ti->passed = 0;
	show_first(ti, 0);
}

static void table_iter_last(struct iter *it)
{
	struct table_iter *ti = (struct table_iter *)it;

	it->status = SHALE_OK;
	ti->passed = 0;
	show_last(ti, ti->t->blocks - 1);
}

/* Make block i current for a seek, which may find it so already. */
static bool seek_block(struct table_iter *ti, size_t i, int direction)
{
	ti->it.status = SHALE_OK;
	if (ti->b != NULL && ti->block == i)
		return true;
	if (!ti->sequential && ti->block + (size_t)direction != i) {
		ti->misses = 0; /* a jump: nothing in a row */
		ti->ahead = 0;
		ti->passed = 0;
	}
	return load_block(ti, i, direction);
}

static void table_iter_aim(struct iter *it, shale_slice key, unsigned step)
{
	struct table_iter *ti = (struct table_iter *)it;
	const struct table *t = ti->t;

	if (t->blocks == 0)
		return;
	if (step == 0) {
		ti->aimed = block_sample_bound(&t->index, t->sample, key);
	} else if (step == 1) {
		ti->aimed = block_lower_bound_from(&t->index, ti->aimed, key);
		ti->is_aimed = true;
		__builtin_prefetch(&t->places[ti->aimed]);
	} else if (ti->aimed < t->blocks) {
		cache_prefetch(t->te.cache, &t->places[ti->aimed].hint, AIMED_LINES);
	}
}

/* table_find_block(), known already when the iterator was aimed. */
static inline size_t find_block(struct table_iter *ti, shale_slice key)
{
	bool known = ti->is_aimed;

	ti->is_aimed = false;
	return known ? ti->aimed : table_find_block(ti->t, key);
}

static void table_iter_seek(struct iter *it, shale_slice key)
{
	struct table_iter *ti = (struct table_iter *)it;
	size_t block = find_block(ti, key), at;

	if (!seek_block(ti, block, 1))
		return;
	at = block_lower_bound(ti->b, key);
	if (at < ti->b->count)
		show_at(ti, at);
	else
		show_first(ti, block + 1);
}

static void table_iter_seek_prev(struct iter *it, shale_slice key)
{
	struct table_iter *ti = (struct table_iter *)it;
	size_t block, at;

	it->status = SHALE_OK;
	it->valid = false;
	ti->is_aimed = false; /* at the lower bound; this one goes by the upper */
	if (ti->t->blocks == 0)
		return;
	/* The first block that ends behind the key; where none does, the last. */
	block = block_upper_bound(&ti->t->index, key);
	if (block == ti->t->blocks)
		block--;
	if (!seek_block(ti, block, -1))
		return;
	at = block_upper_bound(ti->b, key);
	if (at > 0)
		show_at_back(ti, at - 1);
	else
		show_last(ti, block - 1);
}

static void table_iter_free(struct iter *it)
{
	struct table_iter *ti = (struct table_iter *)it;
	struct table_env te = ti->t->te;

	drop_block(ti);
	mem_free(te.env, ti->window);
	mem_free(te.env, ti->unpacked);
	if (ti->key != ti->key_inline)
		mem_free(te.env, ti->key);
	table_unref(ti->t);
	mem_free(te.env, ti);
}

static const struct iter_ops table_iter_ops = {
	.seek = table_iter_seek,
	.seek_prev = table_iter_seek_prev,
	.first = table_iter_first,
	.last = table_iter_last,
	.next = table_iter_next,
	.prev = table_iter_prev,
	.free = table_iter_free,
	.aim = table_iter_aim,
};

shale_status table_iter_new(struct table *t, const struct table_read *r, bool sequential,
			    const struct rate_user *rate, struct iter **out)
{
	struct table_iter *ti = mem_zalloc(t->te.env, sizeof(*ti));

	if (ti == NULL)
		return err_memory("an iterator over a table");
	ti->it.ops = &table_iter_ops;
	ti->it.top = &ti->it;
	ti->t = table_ref(t);
	ti->read = *r;
	ti->sequential = sequential;
	ti->rate = rate;
	ti->direction = 1;
	ti->ahead = sequential ? AHEAD_MAX : 0;
	ti->key = ti->key_inline;
	ti->key_capacity = KEY_INLINE;
	*out = &ti->it;
	return SHALE_OK;
}
