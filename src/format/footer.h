/*
 * A sorted table's outline:
 *
 *   data blocks | range tombstone block | index block | filter | properties | footer
 *
 * Every piece but the filter is a columnar block or a byte string followed by the
 * block trailer; the filter begins at a multiple of 64. The index holds, for each
 * data block, a key >= its last key and < the next block's first key; the entry's
 * value is the block's extent (offset u64, stored size u32 without the trailer,
 * raw size u32), its seqtype 0 with type OP_PUT. Where one user key's versions go
 * on in the next block, the index key is that key and the seqtype that of the
 * block's last entry. A table without data blocks has no index (an extent of
 * zeros) and begins with eight zero bytes, so that no piece is at offset 0.
 *
 * Block trailer, 16 bytes behind every stored piece:
 *   0  4  raw size
 *   4  1  codec (enum shale_compression; never 0)
 *   5  3  zero
 *   8  4  CRC32C over the stored bytes, then trailer bytes 0..7, then the table's
 *         number (u64) and the piece's offset (u64): a block read from the wrong
 *         place or file does not pass
 *   12 4  zero (keeps the next block 8-aligned together with padding)
 * Pieces begin at multiples of 8; the gap is zero and checked by shale_check().
 *
 * Footer, 128 bytes at the end of the file:
 *   0   8  magic "SHALETBL"
 *   8   4  format version (1)
 *   12  4  flags (0)
 *   16  8  table number
 *   24  16 index extent: offset u64, stored size u32, raw size u32
 *   40  16 range tombstone extent (offset 0: none)
 *   56  16 filter extent (offset 0: none; sizes = lines * 64)
 *   72  16 properties extent
 *   88  8  filter lines
 *   96  4  filter probes
 *   100 4  filter bits a key, as asked
 *   104 8  file size
 *   112 8  store id, 0: not told
 *   120 4  zero
 *   124 4  CRC32C of bytes 0..123
 */
#ifndef FORMAT_FOOTER_H
#define FORMAT_FOOTER_H

#include "base/buf.h"
#include "base/status.h"

enum { BLOCK_TRAILER = 16, FOOTER_SIZE = 128, TABLE_VERSION = 1 };

struct extent {
	uint64_t offset;
	uint32_t size; /* stored, without trailer */
	uint32_t raw_size;
};

struct footer {
	uint64_t number;
	struct extent index, ranges, filter, props;
	uint64_t filter_lines;
	uint32_t filter_probes, filter_bits;
	uint64_t file_size;
	uint64_t store_id;
};

void footer_encode(const struct footer *f, uint8_t out[FOOTER_SIZE]);
/* SHALE_CORRUPT, or SHALE_UNSUPPORTED for a newer version; text only. */
shale_status footer_decode(const uint8_t in[FOOTER_SIZE], struct footer *out);

/* The trailer for stored bytes at `offset` of table `number`. */
void trailer_encode(uint8_t out[BLOCK_TRAILER], shale_slice stored, uint32_t raw_size,
		    uint32_t codec, uint64_t number, uint64_t offset);
/* Check it; *codec and *raw_size on success, SHALE_CORRUPT (text only) otherwise. */
shale_status trailer_decode(const uint8_t in[BLOCK_TRAILER], shale_slice stored, uint64_t number,
			    uint64_t offset, uint32_t *codec, uint32_t *raw_size);

/* Extents in index entries. */
void extent_encode(const struct extent *e, uint8_t out[16]);
void extent_decode(const void *in, struct extent *out);

/* ---- properties ---- */

/*
 * What is known of a table without reading its entries; in the manifest too.
 * As bytes: varints in the order of the fields, then compression as u8, flags as
 * u8 (bit 0: largest_excluded), then smallest and largest with varint lengths.
 */
struct table_props {
	uint64_t entries;    /* all but range tombstones */
	uint64_t tombstones; /* OP_DELETE among them */
	uint64_t range_tombstones;
	uint64_t expiring;                /* OP_PUT_TTL among them */
	uint64_t key_bytes, value_bytes;  /* raw */
	uint64_t data_blocks, data_bytes; /* stored, trailers included */
	uint64_t index_bytes, filter_bytes;
	uint64_t min_seq, max_seq;
	uint64_t created_ms;                   /* wall clock */
	uint64_t min_expiry_ms, max_expiry_ms; /* 0 when nothing expires */
	uint32_t compression;                  /* enum shale_compression, as asked */
	bool largest_excluded;                 /* largest is the open end of a range tombstone */
	shale_slice smallest, largest;         /* user keys; borrowed */
};

void props_encode(struct buf *out, const struct table_props *p);
/* Slices point into the input. SHALE_CORRUPT, text only. Advances *p. */
shale_status props_decode(const uint8_t **p, const uint8_t *end, struct table_props *out);

#endif
