/*
 * Reading a columnar block (layout in block.h). block_parse() holds every length,
 * end and order against the bytes once, when a block is loaded; from then on the
 * accessors index without checks.
 *
 * Searching: the prefix decides first, for the whole block. Then the eight bytes
 * behind it are one integer, and a search over the array of heads (heads.h) finds
 * the place. Only entries with an equal head are looked at further. Among those a shorter head comes first (its key ends there,
 * zero bytes only pad it), and full heads are followed by the rests in order.
 */
#include "format/block.h"

#include "format/block_layout.h"
#include "format/heads.h"

/* ---- access ---- */

static inline size_t block_end(const uint8_t *ends, bool wide, size_t i)
{
	return wide ? get_u32le(ends + 4 * i) : get_u16le(ends + 2 * i);
}

/* The i-th piece of [data, ...) by its cumulative ends. */
static inline shale_slice block_piece(const uint8_t *ends, bool wide, const uint8_t *data, size_t i)
{
	size_t begin = i != 0 ? block_end(ends, wide, i - 1) : 0;

	return slice_from(data + begin, block_end(ends, wide, i) - begin);
}

static inline shale_slice block_rest(const struct block *b, size_t i)
{
	return block_piece(b->rest_ends, (b->flags & BLOCK_WIDE_RESTS) != 0, b->rests, i);
}

shale_slice block_value(const struct block *b, size_t i)
{
	return block_piece(b->value_ends, (b->flags & BLOCK_WIDE_VALUES) != 0, b->values, i);
}

static inline uint64_t block_seq(const struct block *b, size_t i)
{
	switch (b->seq_width) {
	case 0:
		return b->seq_base;
	case 1:
		return b->seq_base + b->seqs[i];
	case 2:
		return b->seq_base + get_u16le(b->seqs + 2 * i);
	case 4:
		return b->seq_base + get_u32le(b->seqs + 4 * i);
	default:
		/* The eighth byte is there: the ends follow in the same block. */
		return b->seq_base + (get_u64le(b->seqs + 7 * i) & SEQ_MAX);
	}
}

uint64_t block_seqtype(const struct block *b, size_t i)
{
	return block_seq(b, i) << 8 | b->types[i];
}

size_t block_key_size(const struct block *b, size_t i)
{
	size_t size = (size_t)b->prefix_size + b->head_sizes[i];

	return b->head_sizes[i] == HEAD_SIZE ? size + block_rest(b, i).size : size;
}

void block_key_copy(const struct block *b, size_t i, uint8_t *p)
{
	uint64_t head = __builtin_bswap64(b->heads[i]);
	size_t in_head = b->head_sizes[i];
	shale_slice rest;

	memcpy(p, b->prefix, b->prefix_size);
	p += b->prefix_size;
	if (in_head < HEAD_SIZE) {
		memcpy(p, &head, in_head);
		return;
	}
	memcpy(p, &head, HEAD_SIZE);
	rest = block_rest(b, i);
	memcpy(p + HEAD_SIZE, rest.data, rest.size);
}

/* ---- searching ---- */

/* A key that begins with the block's prefix, taken apart as the entries are. */
struct block_target {
	uint64_t head;
	size_t in_head;
	shale_slice rest;
};

static inline struct block_target block_target(shale_slice key, size_t prefix)
{
	size_t behind = key.size - prefix;
	struct block_target t = { .head = key_head(key, prefix) };

	t.in_head = behind < HEAD_SIZE ? behind : HEAD_SIZE;
	t.rest = slice_from((const uint8_t *)key.data + prefix + t.in_head, behind - t.in_head);
	return t;
}

/* Order of entry i, whose head is the target's, and the target. */
static inline int block_tail_cmp(const struct block *b, size_t i, const struct block_target *t)
{
	if (b->head_sizes[i] != t->in_head)
		return b->head_sizes[i] < t->in_head ? -1 : 1;
	return t->in_head < HEAD_SIZE ? 0 : slice_cmp(block_rest(b, i), t->rest);
}

/*
 * First entry beyond the target: tail order >= `bound`, which is 0 for the lower
 * and 1 for the upper bound. `i` is the first entry with a head >= the target's.
 */
static size_t block_tail_search(const struct block *b, size_t i, const struct block_target *t,
				int bound)
{
	size_t end = b->count;

	if (i == end || b->heads[i] != t->head)
		return i;
	/* Mostly one entry has this head. */
	if (block_tail_cmp(b, i, t) >= bound)
		return i;
	i++;
	if (i == end || b->heads[i] != t->head)
		return i;
	if (t->head != UINT64_MAX)
		end = i + heads_lower(b->heads + i, end - i, t->head + 1);
	while (i < end) {
		size_t mid = i + (end - i) / 2;

		if (block_tail_cmp(b, mid, t) >= bound)
			end = mid;
		else
			i = mid + 1;
	}
	return i;
}

/* Whether the prefix alone tells the place of the key, and which it is. */
static inline bool block_prefix_tells(const struct block *b, shale_slice key, size_t *at)
{
	size_t shared = key.size < b->prefix_size ? key.size : b->prefix_size;
	int c = shared != 0 ? memcmp(key.data, b->prefix, shared) : 0;

	*at = c <= 0 ? 0 : b->count;
	return c != 0 || key.size < b->prefix_size;
}

/* `sample` is of the heads (heads.h), or NULL. */
static inline size_t block_search(const struct block *b, const uint64_t *sample, shale_slice key,
				  int bound)
{
	struct block_target t;
	size_t i;

	if (block_prefix_tells(b, key, &i))
		return i;
	t = block_target(key, b->prefix_size);
	i = sample != NULL ? heads_lower_sampled(b->heads, b->count, sample, t.head)
			   : heads_lower(b->heads, b->count, t.head);
	return block_tail_search(b, i, &t, bound);
}

size_t block_lower_bound(const struct block *b, shale_slice key)
{
	return block_search(b, NULL, key, 0);
}

size_t block_upper_bound(const struct block *b, shale_slice key)
{
	return block_search(b, NULL, key, 1);
}

size_t block_lower_bound_sampled(const struct block *b, const uint64_t *sample, shale_slice key)
{
	return block_search(b, sample, key, 0);
}

/* ---- searching in steps ---- */

size_t block_sample_bound(const struct block *b, const uint64_t *sample, shale_slice key)
{
	size_t from;

	if (block_prefix_tells(b, key, &from))
		return 0; /* told again by the next step */
	from = heads_sample_lower(sample, b->count, key_head(key, b->prefix_size));
	__builtin_prefetch(b->heads + from);
	__builtin_prefetch(b->heads + from + HEADS_SAMPLE - 1);
	return from;
}

/* Where piece i of n, which fill [data, end), is if all are of one size. */
static inline const uint8_t *block_guess(const uint8_t *data, const uint8_t *end, size_t i,
					 size_t n)
{
	return data + (size_t)(end - data) * i / n;
}

/* What block_lower_bound_at() and whoever reads the entry will touch. */
PREFETCHER block_prefetch_entry(const struct block *b, size_t i)
{
	const uint8_t *value = block_guess(b->values, b->raw + b->raw_size, i, b->count);

	__builtin_prefetch(b->types + i);
	__builtin_prefetch(b->head_sizes + i);
	__builtin_prefetch(b->seqs + b->seq_width * i);
	__builtin_prefetch(b->rest_ends + ((b->flags & BLOCK_WIDE_RESTS) != 0 ? 4 : 2) * i);
	__builtin_prefetch(b->value_ends + ((b->flags & BLOCK_WIDE_VALUES) != 0 ? 4 : 2) * i);
	__builtin_prefetch(block_guess(b->rests, b->values, i, b->count));
	__builtin_prefetch(value);
	__builtin_prefetch(value + 64);
}

/* The prefix, which lies behind the columns, is fetched and not looked at: the next step does. */
size_t block_head_bound(const struct block *b, shale_slice key)
{
	size_t at = 0;

	__builtin_prefetch(b->prefix);
	if (likely(key.size >= b->prefix_size))
		at = heads_lower(b->heads, b->count, key_head(key, b->prefix_size));
	if (likely(at < b->count))
		block_prefetch_entry(b, at);
	return at;
}

size_t block_lower_bound_at(const struct block *b, size_t at, shale_slice key)
{
	struct block_target t;
	size_t i;

	if (block_prefix_tells(b, key, &i))
		return i;
	t = block_target(key, b->prefix_size);
	return block_tail_search(b, at, &t, 0);
}

size_t block_lower_bound_from(const struct block *b, size_t from, shale_slice key)
{
	if (likely(key.size >= b->prefix_size))
		from = heads_lower_from(b->heads, b->count, from, key_head(key, b->prefix_size));
	return block_lower_bound_at(b, from, key);
}

bool block_key_equals(const struct block *b, size_t i, shale_slice key)
{
	struct block_target t;

	if (key.size < b->prefix_size)
		return false;
	t = block_target(key, b->prefix_size);
	return t.head == b->heads[i] && block_tail_cmp(b, i, &t) == 0 &&
	       memcmp(key.data, b->prefix, b->prefix_size) == 0;
}

/* ---- checking ---- */

static shale_status block_bad(const char *what)
{
	return err_new(SHALE_CORRUPT, "block: %s", what);
}

static bool block_zero(const uint8_t *p, const uint8_t *end)
{
	uint8_t any = 0;

	while (p < end)
		any |= *p++;
	return any == 0;
}

/* Ends rise and the last is at most `left`; *total is the last. */
static bool block_ends_rise(const uint8_t *ends, bool wide, size_t n, size_t left, size_t *total)
{
	size_t last = 0, falls = 0;

	if (wide) {
		for (size_t i = 0; i < n; i++) {
			size_t end = get_u32le(ends + 4 * i);

			falls += end < last;
			last = end;
		}
	} else {
		for (size_t i = 0; i < n; i++) {
			size_t end = get_u16le(ends + 2 * i);

			falls += end < last;
			last = end;
		}
	}
	*total = last;
	return falls == 0 && last <= left;
}

/* The fixed part: header and columns are inside, ends end where the block ends. */
static shale_status block_parse_frame(const uint8_t *raw, size_t size, struct block *b)
{
	struct block_layout at;
	size_t rests, values;

	if (size < BLOCK_HEADER || size > UINT32_MAX)
		return block_bad("cut in its header");
	b->raw = raw;
	b->raw_size = size;
	b->count = get_u32le(raw);
	b->prefix_size = get_u16le(raw + 4);
	b->flags = raw[6];
	b->seq_width = raw[7];
	b->seq_base = get_u64le(raw + 8);
	if (b->count == 0 || b->count > BLOCK_ENTRIES_MAX)
		return block_bad("impossible entry count");
	if ((b->flags & ~(BLOCK_WIDE_RESTS | BLOCK_WIDE_VALUES)) != 0)
		return block_bad("unknown flags");
	if (b->seq_width > 7 ||
	    (1u << b->seq_width & (1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 7)) == 0)
		return block_bad("bad sequence width");
	at = block_layout(b->count, b->prefix_size, b->flags, b->seq_width);
	if (at.rests > size)
		return block_bad("cut in its columns");
	b->heads = (const uint64_t *)(const void *)(raw + BLOCK_HEADER);
	b->types = raw + at.types;
	b->head_sizes = raw + at.head_sizes;
	b->seqs = raw + at.seqs;
	b->rest_ends = raw + at.rest_ends;
	b->value_ends = raw + at.value_ends;
	b->prefix = raw + at.prefix;
	b->rests = raw + at.rests;
	if (!block_zero(raw + at.seqs_end, raw + at.rest_ends) ||
	    !block_zero(raw + at.rest_ends_end, raw + at.value_ends))
		return block_bad("padding is not zero");
	if (!block_ends_rise(b->rest_ends, (b->flags & BLOCK_WIDE_RESTS) != 0, b->count,
			     size - at.rests, &rests))
		return block_bad("ends of key rests are out of order");
	b->values = b->rests + rests;
	if (!block_ends_rise(b->value_ends, (b->flags & BLOCK_WIDE_VALUES) != 0, b->count,
			     size - at.rests - rests, &values))
		return block_bad("ends of values are out of order");
	if (values != size - at.rests - rests)
		return block_bad("values do not end with the block");
	return SHALE_OK;
}

/* Keys against their heads and lengths: what makes the search and the copy right. */
static shale_status block_check_heads(const struct block *b)
{
	for (size_t i = 0; i < b->count; i++) {
		unsigned in_head = b->head_sizes[i];
		size_t rest = block_rest(b, i).size;

		if (in_head > HEAD_SIZE)
			return block_bad("impossible head length");
		if (in_head < HEAD_SIZE && (rest != 0 || b->heads[i] << (8 * in_head) != 0))
			return block_bad("a short head is not padded");
		if (b->prefix_size + in_head + rest > SHALE_KEY_MAX)
			return block_bad("key over its limit");
	}
	return SHALE_OK;
}

static int block_key_cmp(const struct block *b, size_t i, shale_slice key)
{
	size_t shared = key.size < b->prefix_size ? key.size : b->prefix_size;
	int c = shared != 0 ? memcmp(b->prefix, key.data, shared) : 0;
	struct block_target t;

	if (c != 0)
		return c;
	if (key.size < b->prefix_size)
		return 1;
	t = block_target(key, b->prefix_size);
	if (b->heads[i] != t.head)
		return b->heads[i] < t.head ? -1 : 1;
	return block_tail_cmp(b, i, &t);
}

/* Types, the values that some of them call for, and sequence numbers. */
static shale_status block_check_types(const struct block *b)
{
	/* The largest delta of a width; below the limit no entry needs a look. */
	uint64_t delta_max = b->seq_width == 0 ? 0 : UINT64_MAX >> (64 - 8 * b->seq_width);
	bool seqs = b->seq_base > SEQ_MAX - delta_max;

	if (b->seq_base > SEQ_MAX)
		return block_bad("sequence number over its limit");
	for (size_t i = 0; i < b->count; i++) {
		switch (b->types[i]) {
		case OP_DELETE:
		case OP_PUT:
			break;
		case OP_PUT_TTL:
			if (block_value(b, i).size < 8)
				return block_bad("a value lacks its expiry");
			break;
		case OP_RANGE_DELETE:
			if (block_value(b, i).size > SHALE_KEY_MAX ||
			    block_key_cmp(b, i, block_value(b, i)) >= 0)
				return block_bad("an empty or endless range");
			break;
		default:
			return block_bad("unknown type");
		}
		if (seqs && block_seq(b, i) > SEQ_MAX)
			return block_bad("sequence number over its limit");
	}
	return SHALE_OK;
}

/* Order of entries i - 1 and i, which have one head. */
static int block_pair_cmp(const struct block *b, size_t i)
{
	struct block_target t = { .head = b->heads[i],
				  .in_head = b->head_sizes[i],
				  .rest = block_rest(b, i) };

	return block_tail_cmp(b, i - 1, &t);
}

bool block_key_repeats(const struct block *b, size_t i)
{
	return b->heads[i - 1] == b->heads[i] && block_pair_cmp(b, i) == 0;
}

static bool block_pair_in_order(const struct block *b, size_t i)
{
	uint64_t before, st;
	int c = block_pair_cmp(b, i);

	if (c != 0)
		return c < 0;
	before = block_seqtype(b, i - 1);
	st = block_seqtype(b, i);
	return before > st || (before == st && b->types[i] == OP_RANGE_DELETE);
}

static shale_status block_check_order(const struct block *b)
{
	for (size_t i = 1; i < b->count; i++) {
		if (likely(b->heads[i - 1] < b->heads[i]))
			continue;
		if (b->heads[i - 1] > b->heads[i] || !block_pair_in_order(b, i))
			return block_bad("entries are out of order");
	}
	return SHALE_OK;
}

shale_status block_parse(const void *raw, size_t size, struct block *out)
{
	struct block b;
	shale_status rc;

	DEBUG_ASSERT(((uintptr_t)raw & 7) == 0);
	rc = block_parse_frame(raw, size, &b);
	if (rc < 0)
		return rc;
	rc = block_check_heads(&b);
	if (rc < 0)
		return rc;
	rc = block_check_types(&b);
	if (rc < 0)
		return rc;
	rc = block_check_order(&b);
	if (rc < 0)
		return rc;
	*out = b;
	return SHALE_OK;
}
