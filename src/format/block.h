/*
 * The columnar block, used for data, for a table's fence index and for its range
 * tombstones. All entries share a prefix; the eight bytes behind it are the
 * entry's head, kept as an array of integers, so a search compares integers and
 * touches one or two cache lines before it looks at any key bytes.
 *
 *   off  size  field
 *   0    4     entry count n (1..2^24)
 *   4    2     prefix length p (0..65535)
 *   6    1     flags: bit 0: rest ends are u32 (else u16)
 *                     bit 1: value ends are u32 (else u16)
 *   7    1     sequence width w: 0, 1, 2, 4 or 7 bytes a delta
 *   8    8     sequence base (least seq); all entries have it when w is 0
 *   16   8n    heads, integers whose order is that of the keys behind the prefix
 *   ...  n     types (op_type)
 *   ...  n     head lengths: how many of the eight head bytes the key has (0..8)
 *   ...  w n   sequence - base
 *   ...        zero bytes to the next multiple of 4 (counted from byte 0)
 *   ...  2n|4n ends of the key rests (bytes behind prefix and head), cumulative
 *   ...        zero bytes to the next multiple of 4
 *   ...  2n|4n ends of the values, cumulative
 *   ...  p     the prefix
 *   ...        key rests, then values; nothing behind
 *
 * A head shorter than eight bytes has an empty rest and zero padding. Entries
 * are in entry order; one key's versions are adjacent, newest first. On disk a
 * block is compressed and gets the trailer of table.h (format/footer.h).
 */
#ifndef FORMAT_BLOCK_H
#define FORMAT_BLOCK_H

#include "base/buf.h"
#include "base/status.h"
#include "format/key.h"

/* ---- building ---- */

struct block_builder {
	struct buf keys, values; /* whole keys and values, concatenated */
	struct buf entries;      /* struct of ends, seqtype; private */
	size_t count;
	size_t prefix;  /* common so far */
	size_t key_min; /* length of the shortest key so far */
	uint64_t seq_min, seq_max;
};

void block_builder_init(struct block_builder *b, const shale_env *env);
void block_builder_fini(struct block_builder *b);
void block_builder_reset(struct block_builder *b);
/* Entries in order. A failed allocation shows in block_builder_finish(). */
void block_builder_add(struct block_builder *b, shale_slice key, uint64_t st, shale_slice value);
/* What the block would take now; an upper bound within a few bytes an entry. */
size_t block_builder_size(const struct block_builder *b);
shale_slice block_builder_last_key(const struct block_builder *b);
/* Append the raw block to *out. At least one entry. SHALE_NO_MEMORY. */
shale_status block_builder_finish(struct block_builder *b, struct buf *out);

/* ---- reading ---- */

/* A checked view into raw bytes, which must stay and be 8-byte aligned. */
struct block {
	const uint8_t *raw;
	size_t raw_size;
	uint32_t count;
	uint16_t prefix_size;
	uint8_t flags, seq_width;
	uint64_t seq_base;
	const uint64_t *heads;
	const uint8_t *types, *head_sizes, *seqs, *rest_ends, *value_ends;
	const uint8_t *prefix, *rests, *values;
};

/*
 * Check everything that reading relies on: sizes, ends that rise and end at the
 * block's end, types, head lengths, padding, order of entries. SHALE_CORRUPT
 * with a text; the caller adds object and offset.
 */
shale_status block_parse(const void *raw, size_t size, struct block *out);

/* Index of the first entry whose user key is >= key; count if there is none. */
size_t block_lower_bound(const struct block *b, shale_slice key);
/* The same by a sample of the heads (format/heads.h): faster in a large block. */
size_t block_lower_bound_sampled(const struct block *b, const uint64_t *sample, shale_slice key);
/*
 * Both in two steps, for those who look for many keys at once: the first fetches what
 * the second will read, and gives what the second is told. The key is one and the same.
 */
size_t block_sample_bound(const struct block *b, const uint64_t *sample, shale_slice key);
size_t block_lower_bound_from(const struct block *b, size_t from, shale_slice key);
/* Fetches the entry and the front of its value too, as far as their places can be guessed. */
size_t block_head_bound(const struct block *b, shale_slice key);
size_t block_lower_bound_at(const struct block *b, size_t at, shale_slice key);

/* Index of the first entry whose user key is > key; count if there is none. */
size_t block_upper_bound(const struct block *b, shale_slice key);

bool block_key_equals(const struct block *b, size_t i, shale_slice key);
/* Whether entry i has the key of the one before it; not of the first. */
bool block_key_repeats(const struct block *b, size_t i);
size_t block_key_size(const struct block *b, size_t i);
/* Write the key (block_key_size() bytes) to p. */
void block_key_copy(const struct block *b, size_t i, uint8_t *p);
uint64_t block_seqtype(const struct block *b, size_t i);
shale_slice block_value(const struct block *b, size_t i);

#endif
