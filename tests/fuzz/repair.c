/*
 * Putting checksums right after a mutation, so that it is seen by what comes behind
 * them. Identities (magic, version, numbers, reserved zeros) are put back as well:
 * a mutation there ends at the first look. Lengths are kept where they fit in.
 */
#include "fuzz/fuzz.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "format/edit.h"
#include "format/record.h"

void fuzz_repair_root(uint8_t *p, size_t n, uint64_t store_id, uint64_t manifest)
{
	if (n != ROOT_SIZE)
		return;
	memcpy(p, "SHALEROT", 8);
	put_u32le(p + 8, ROOT_VERSION);
	put_u64le(p + 16, manifest);
	put_u64le(p + 24, store_id);
	memset(p + 32, 0, 12);
	put_u32le(p + 44, crc32c(0, p, 44));
}

/* ---- manifest ---- */

void fuzz_repair_manifest(uint8_t *p, size_t n, uint64_t number, uint64_t store_id)
{
	size_t at = MANIFEST_HEADER;
	uint64_t edit = 0;

	if (n < MANIFEST_HEADER)
		return;
	manifest_header_encode(&(struct manifest_header){ .number = number, .store_id = store_id },
			       p);
	while (n - at >= MANIFEST_RECORD) {
		size_t length = get_u32le(p + at + 4), whole;
		uint8_t mix[8];

		if (length > n - at - MANIFEST_RECORD)
			length = (n - at - MANIFEST_RECORD) & ~(size_t)7;
		whole = (MANIFEST_RECORD + length + 7) & ~(size_t)7;
		if (whole > n - at)
			return;
		put_u32le(p + at + 4, (uint32_t)length);
		edit = edit == 0 ? get_u64le(p + at + 8) & 0xffffff : edit + 1;
		put_u64le(p + at + 8, edit);
		memset(p + at + MANIFEST_RECORD + length, 0, whole - MANIFEST_RECORD - length);
		put_u64le(mix, number);
		put_u32le(p + at, crc32c(crc32c(0, p + at + 4, MANIFEST_RECORD - 4 + length), mix,
					 sizeof(mix)));
		at += whole;
	}
}

/* ---- log ---- */

void fuzz_repair_records(uint8_t *p, size_t n, uint64_t number)
{
	size_t at = 0;

	while (n - at >= RECORD_HEADER) {
		size_t length = get_u32le(p + at + 4), whole;
		struct record_header h;

		if (length == 0 && get_u64le(p + at + 8) == 0)
			return; /* room behind the records */
		if (length > n - at - RECORD_HEADER)
			length = (n - at - RECORD_HEADER) & ~(size_t)7;
		whole = record_size(length);
		if (whole > n - at)
			return;
		h.length = (uint32_t)length;
		h.first_seq = get_u64le(p + at + 8) >> 8;
		h.type = p[at + 8];
		h.count = get_u32le(p + at + 16);
		h.distance = get_u32le(p + at + 20);
		memset(p + at + RECORD_HEADER + length, 0, whole - RECORD_HEADER - length);
		record_header_encode(p + at, &h, crc32c(0, p + at + RECORD_HEADER, length), number);
		at += whole;
	}
}

void fuzz_repair_log(uint8_t *p, size_t n, uint64_t number, uint64_t store_id)
{
	struct segment_header h = { .number = number, .store_id = store_id };

	if (n < LOG_PAGE)
		return;
	h.edit = get_u64le(p + 32);
	segment_header_encode(&h, p);
	fuzz_repair_records(p + LOG_PAGE, n - LOG_PAGE, number);
}

/* ---- table ---- */

static bool inside(const struct extent *e, size_t n)
{
	size_t room = n - FOOTER_SIZE;

	return e->offset <= room && room - e->offset >= BLOCK_TRAILER &&
	       room - e->offset - BLOCK_TRAILER >= e->size;
}

static void seal_piece(uint8_t *p, const struct extent *e, uint32_t codec, uint64_t number)
{
	uint8_t *trailer = p + e->offset + e->size;

	trailer_encode(trailer, slice_from(p + e->offset, e->size), e->raw_size, codec, number,
		       e->offset);
}

/* The extents of the data blocks are the last bytes of the index. */
static void seal_blocks(uint8_t *p, size_t n, const struct extent *index, uint64_t number)
{
	size_t count = index->size >= 16 ? get_u32le(p + index->offset) : 0;

	if (count > index->size / 16)
		count = index->size / 16;
	for (size_t i = 0; i < count; i++) {
		struct extent e;
		uint8_t codec;

		extent_decode(p + index->offset + index->size - 16 * (count - i), &e);
		if (!inside(&e, n))
			continue;
		codec = p[e.offset + e.size + 4];
		if (e.size == e.raw_size)
			codec = SHALE_NO_COMPRESSION;
		seal_piece(p, &e, codec, number);
	}
}

void fuzz_repair_table(uint8_t *p, size_t n, uint64_t number)
{
	static const size_t at[] = { 24, 40, 56, 72 }; /* index, ranges, filter, properties */
	uint8_t *footer = p + n - FOOTER_SIZE;

	if (n < FOOTER_SIZE)
		return;
	memcpy(footer, "SHALETBL", 8);
	put_u32le(footer + 8, TABLE_VERSION);
	put_u32le(footer + 12, 0);
	put_u64le(footer + 16, number);
	put_u64le(footer + 104, n);
	memset(footer + 112, 0, 12);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct extent e;

		extent_decode(footer + at[i], &e);
		if (e.size == 0 || !inside(&e, n))
			continue;
		e.raw_size = e.size;
		extent_encode(&e, footer + at[i]);
		if (i == 0)
			seal_blocks(p, n, &e, number);
		seal_piece(p, &e, SHALE_NO_COMPRESSION, number);
	}
	put_u32le(footer + 124, crc32c(0, footer, 124));
}
