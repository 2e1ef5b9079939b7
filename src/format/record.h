/*
 * The write-ahead log as bytes. A segment is a 4096-byte header page and then
 * records, each at a multiple of 8.
 *
 * Segment header (rest of the page zero):
 *   0   8  magic "SHALELOG"
 *   8   4  format version (1)
 *   12  4  zero
 *   16  8  segment number
 *   24  8  store id
 *   32  8  number of the last manifest edit that was durable when it was made
 *   40  4  CRC32C of bytes 0..39
 *
 * Record header, 24 bytes, then the payload, then zero bytes to a multiple of 8:
 *   0   4  CRC32C: of the payload, then of bytes 4..23, then of the segment
 *          number (u64), so bytes left over in a recycled segment never pass
 *   4   4  payload length
 *   8   8  first sequence << 8 | record type
 *   16  4  operation count
 *   20  4  distance: (this record's log position - position known to be durable
 *          when it was written) / 8, saturating at 2^32-1
 *
 * Log positions (LSN) count bytes over all segments. Types:
 *   1 OPS   payload: operations (batch.h); uses `count` sequence numbers
 *   2 LINK  first record of every segment: u64 previous segment (0: none), u64
 *           its sealed length, u64 LSN of this segment's byte 0, u64 next sequence;
 *             count is 1 where the file held older bytes (recycled), else 0
 *   3 LARGE payload as OPS, in a segment made for it (nothing special to read)
 *   4 END   the log was closed cleanly here; nothing follows
 *
 * Torn or damaged: bytes that do not form a record end the log; that is damage
 * when the manifest says the segment was sealed behind them, or when a valid
 * record further on says that their position was durable.
 */
#ifndef FORMAT_RECORD_H
#define FORMAT_RECORD_H

#include "base/coding.h"
#include "base/status.h"

enum {
	LOG_PAGE = 4096,
	LOG_VERSION = 1,
	RECORD_HEADER = 24,
	RECORD_OPS = 1,
	RECORD_LINK = 2,
	RECORD_LARGE = 3,
	RECORD_END = 4,
	LINK_SIZE = 32,
};

struct segment_header {
	uint64_t number, store_id, edit;
};

struct record_header {
	uint32_t crc, length;
	uint64_t first_seq;
	uint8_t type;
	uint32_t count, distance;
};

struct record_link {
	uint64_t previous, previous_length, base_lsn, next_seq;
};

static inline size_t record_size(size_t payload)
{
	return (RECORD_HEADER + payload + 7) & ~(size_t)7;
}

void segment_header_encode(const struct segment_header *h, uint8_t out[LOG_PAGE]);
/* SHALE_CORRUPT or SHALE_UNSUPPORTED; text only. */
shale_status segment_header_decode(const uint8_t in[LOG_PAGE], struct segment_header *out);

/* Header bytes for a payload whose crc32c(0, payload) is payload_crc. */
void record_header_encode(uint8_t out[RECORD_HEADER], const struct record_header *h,
			  uint32_t payload_crc, uint64_t segment);
/*
 * Decode the record at p, `left` bytes before the end of what is there. True if
 * it is whole and its checksum holds; then *payload is its payload.
 */
bool record_decode(const uint8_t *p, size_t left, uint64_t segment, struct record_header *h,
		   shale_slice *payload);

void record_link_encode(const struct record_link *l, uint8_t out[LINK_SIZE]);
bool record_link_decode(shale_slice payload, struct record_link *out);

#endif
