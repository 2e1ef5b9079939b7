/*
 * Building a columnar block (layout in block.h). While entries come in, whole keys
 * and whole values are appended to two buffers and their ends to a third, which is
 * all that a merge pays for an entry. The columns are written at the end, when the
 * common prefix, the span of sequence numbers and the widths are known; each is
 * one pass over the ends.
 *
 * Keys rise, so the prefix that the first and the newest key share is what all
 * share. It only shrinks, and an add only has to look whether it still holds.
 */
#include "format/block.h"

#include "format/block_layout.h"

/* What block_builder.entries holds. Keys and values are checked to stay below 4 GiB. */
struct block_entry {
	uint32_t key_end, value_end;
	uint64_t st;
};

/* A buffer that one huge value has blown up is not kept for the blocks to come. */
enum { BLOCK_KEEP_MAX = 8 << 20 };

void block_builder_init(struct block_builder *b, const shale_env *env)
{
	memset(b, 0, sizeof(*b));
	buf_init(&b->keys, env);
	buf_init(&b->values, env);
	buf_init(&b->entries, env);
}

void block_builder_fini(struct block_builder *b)
{
	buf_fini(&b->keys);
	buf_fini(&b->values);
	buf_fini(&b->entries);
}

static void block_buf_reset(struct buf *b)
{
	const shale_env *env = b->env;

	if (b->capacity > BLOCK_KEEP_MAX) {
		buf_fini(b);
		buf_init(b, env);
	}
	buf_reset(b);
}

void block_builder_reset(struct block_builder *b)
{
	block_buf_reset(&b->keys);
	block_buf_reset(&b->values);
	block_buf_reset(&b->entries);
	b->count = 0;
	b->prefix = 0;
	b->key_min = 0;
	b->seq_min = 0;
	b->seq_max = 0;
}

static inline const struct block_entry *block_entries(const struct block_builder *b)
{
	return (const struct block_entry *)(const void *)b->entries.data;
}

/* The keys' bytes, one behind the other; where all keys are empty there are none. */
static inline const uint8_t *block_keys(const struct block_builder *b)
{
	return b->keys.data != NULL ? b->keys.data : (const uint8_t *)"";
}

static inline size_t block_key_begin(const struct block_entry *e, size_t i)
{
	return i != 0 ? e[i - 1].key_end : 0;
}

shale_slice block_builder_last_key(const struct block_builder *b)
{
	const struct block_entry *e = block_entries(b);
	size_t begin;

	if (b->count == 0)
		return slice_from("", 0);
	begin = block_key_begin(e, b->count - 1);
	return slice_from(block_keys(b) + begin, e[b->count - 1].key_end - begin);
}

/* As buf_append(), with the usual case inline. */
static inline void block_append(struct buf *b, shale_slice s)
{
	if (unlikely(b->capacity - b->size < s.size || b->failed)) {
		buf_append(b, s.data, s.size);
		return;
	}
	if (s.size != 0)
		memcpy(b->data + b->size, s.data, s.size);
	b->size += s.size;
}

#ifdef SHALE_DEBUG
/* Range tombstones may repeat a start and a sequence number; nothing else may. */
static bool block_in_order(const struct block_builder *b, shale_slice key, uint64_t st)
{
	uint64_t last = block_entries(b)[b->count - 1].st;
	int c = entry_cmp(block_builder_last_key(b), last, key, st);

	return c < 0 || (c == 0 && seqtype_type(st) == OP_RANGE_DELETE);
}
#endif

void block_builder_add(struct block_builder *b, shale_slice key, uint64_t st, shale_slice value)
{
	struct block_entry e;
	uint64_t seq = seqtype_seq(st);

	if (b->count == 0) {
		b->prefix = key.size < BLOCK_PREFIX_MAX ? key.size : BLOCK_PREFIX_MAX;
		b->key_min = key.size;
		b->seq_min = seq;
		b->seq_max = seq;
	} else {
		shale_slice shared = slice_from(b->keys.data, b->prefix);

#ifdef SHALE_DEBUG
		ASSERT(b->entries.failed || block_in_order(b, key, st));
#endif
		if (unlikely(!slice_starts(key, shared)))
			b->prefix = slice_common(key, shared);
		if (key.size < b->key_min)
			b->key_min = key.size;
		if (seq < b->seq_min)
			b->seq_min = seq;
		if (seq > b->seq_max)
			b->seq_max = seq;
	}
	block_append(&b->keys, key);
	block_append(&b->values, value);
	e.key_end = (uint32_t)b->keys.size;
	e.value_end = (uint32_t)b->values.size;
	e.st = st;
	/* A missing key or value must not be counted: entries fails with them. */
	b->entries.failed |= b->keys.failed | b->values.failed;
	block_append(&b->entries, slice_from(&e, sizeof(e)));
	b->count += !b->entries.failed;
}

size_t block_builder_size(const struct block_builder *b)
{
	size_t n = b->count, behind = b->key_min - b->prefix;
	/* What the head takes of every key; the longer keys' heads may take more. */
	size_t rests = b->keys.size - n * (b->prefix + (behind < HEAD_SIZE ? behind : HEAD_SIZE));
	unsigned flags = (rests > UINT16_MAX ? BLOCK_WIDE_RESTS : 0) |
			 (b->values.size > UINT16_MAX ? BLOCK_WIDE_VALUES : 0);
	struct block_layout at =
		block_layout(n, b->prefix, flags, block_seq_width(b->seq_max - b->seq_min));

	return at.rests + rests + b->values.size;
}

/* Bytes behind prefix and head, of all keys. */
static size_t block_rests_size(const struct block_builder *b)
{
	const struct block_entry *e = block_entries(b);
	size_t begin = 0, sum = 0, taken = b->prefix + HEAD_SIZE;

	for (size_t i = 0; i < b->count; i++) {
		size_t size = e[i].key_end - begin;

		sum += size > taken ? size - taken : 0;
		begin = e[i].key_end;
	}
	return sum;
}

/* Heads, head lengths, the ends of the rests and the rests themselves. */
static void block_write_keys(const struct block_builder *b, uint8_t *raw,
			     const struct block_layout *at, bool wide)
{
	const struct block_entry *e = block_entries(b);
	const uint8_t *keys = block_keys(b);
	size_t begin = 0, end = 0;
	uint8_t *rests = raw + at->rests;

	for (size_t i = 0; i < b->count; i++) {
		shale_slice key = slice_from(keys + begin, e[i].key_end - begin);
		size_t behind = key.size - b->prefix;
		size_t in_head = behind < HEAD_SIZE ? behind : HEAD_SIZE;

		put_u64le(raw + BLOCK_HEADER + i * HEAD_SIZE, key_head(key, b->prefix));
		raw[at->head_sizes + i] = (uint8_t)in_head;
		if (behind > HEAD_SIZE) {
			memcpy(rests + end, (const uint8_t *)key.data + b->prefix + HEAD_SIZE,
			       behind - HEAD_SIZE);
			end += behind - HEAD_SIZE;
		}
		if (wide)
			put_u32le(raw + at->rest_ends + 4 * i, (uint32_t)end);
		else
			put_u16le(raw + at->rest_ends + 2 * i, (uint16_t)end);
		begin = e[i].key_end;
	}
}

static void block_write_seqs(const struct block_builder *b, uint8_t *raw,
			     const struct block_layout *at, unsigned width)
{
	const struct block_entry *e = block_entries(b);
	uint8_t *types = raw + at->types, *p = raw + at->seqs;

	for (size_t i = 0; i < b->count; i++)
		types[i] = (uint8_t)seqtype_type(e[i].st);
	if (width == 0)
		return;
	for (size_t i = 0; i < b->count; i++, p += width) {
		uint64_t delta = seqtype_seq(e[i].st) - b->seq_min;

		memcpy(p, &delta, width); /* little-endian: the low bytes come first */
	}
}

static void block_write_values(const struct block_builder *b, uint8_t *raw,
			       const struct block_layout *at, size_t rests, bool wide)
{
	const struct block_entry *e = block_entries(b);

	if (wide) {
		for (size_t i = 0; i < b->count; i++)
			put_u32le(raw + at->value_ends + 4 * i, e[i].value_end);
	} else {
		for (size_t i = 0; i < b->count; i++)
			put_u16le(raw + at->value_ends + 2 * i, (uint16_t)e[i].value_end);
	}
	if (b->values.size != 0)
		memcpy(raw + at->rests + rests, b->values.data, b->values.size);
}

shale_status block_builder_finish(struct block_builder *b, struct buf *out)
{
	unsigned flags, width = block_seq_width(b->seq_max - b->seq_min);
	struct block_layout at;
	size_t rests, size;
	uint8_t *raw;

	if (b->keys.failed || b->values.failed || b->entries.failed)
		return err_memory("a block");
	ASSERT(b->count != 0);
	if (b->count > BLOCK_ENTRIES_MAX || b->keys.size > UINT32_MAX ||
	    b->values.size > UINT32_MAX)
		return err_new(SHALE_TOO_LARGE, "a block of %zu entries, %zu + %zu bytes", b->count,
			       b->keys.size, b->values.size);
	rests = block_rests_size(b);
	flags = (rests > UINT16_MAX ? BLOCK_WIDE_RESTS : 0) |
		(b->values.size > UINT16_MAX ? BLOCK_WIDE_VALUES : 0);
	at = block_layout(b->count, b->prefix, flags, width);
	size = at.rests + rests + b->values.size;
	if (size > UINT32_MAX)
		return err_new(SHALE_TOO_LARGE, "a block of %zu bytes", size);
	raw = buf_extend(out, size);
	if (raw == NULL)
		return err_memory("a block");

	put_u32le(raw, (uint32_t)b->count);
	put_u16le(raw + 4, (uint16_t)b->prefix);
	raw[6] = (uint8_t)flags;
	raw[7] = (uint8_t)width;
	put_u64le(raw + 8, b->seq_min);
	memset(raw + at.seqs_end, 0, at.rest_ends - at.seqs_end);
	memset(raw + at.rest_ends_end, 0, at.value_ends - at.rest_ends_end);
	if (b->prefix != 0)
		memcpy(raw + at.prefix, b->keys.data, b->prefix);
	block_write_keys(b, raw, &at, (flags & BLOCK_WIDE_RESTS) != 0);
	block_write_seqs(b, raw, &at, width);
	block_write_values(b, raw, &at, rests, (flags & BLOCK_WIDE_VALUES) != 0);
	return SHALE_OK;
}
