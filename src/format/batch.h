/*
 * Operations as bytes: what a batch holds and what a log record carries.
 *
 *   op := tag u8 | [cf varint] | klen varint | [vlen varint] | key | [value]
 *
 *   tag bits 0-3  op_type
 *   tag bit 7     a column family id follows (absent: family 0)
 *   tag bits 4-6  zero
 *
 * vlen and value are absent for OP_DELETE. For OP_RANGE_DELETE the value is the
 * end of the range. For OP_PUT_TTL the value begins with the expiry (u64 ms).
 */
#ifndef FORMAT_BATCH_H
#define FORMAT_BATCH_H

#include "base/buf.h"
#include "format/key.h"

struct batch_op {
	enum op_type type;
	uint32_t cf;
	shale_slice key, value;
};

/* Bytes that one operation takes. */
size_t batch_op_size(const struct batch_op *op);
/* Write it at p (batch_op_size() bytes); returns the position behind. */
uint8_t *batch_op_write(uint8_t *p, const struct batch_op *op);

/* OP_PUT_TTL from an expiry and a plain value, without joining them first. */
size_t batch_ttl_size(uint32_t cf, shale_slice key, shale_slice value);
uint8_t *batch_ttl_write(uint8_t *p, uint32_t cf, shale_slice key, uint64_t expiry_ms,
			 shale_slice value);

/*
 * Read the operation at *p, advance *p. SHALE_OK, SHALE_END at `end`, or
 * SHALE_CORRUPT (text only; the caller knows the object). Slices point into the
 * input. Checks the type, that keys and values are within the limits, that a
 * TTL value has its expiry and that a range is not empty.
 */
shale_status batch_op_read(const uint8_t **p, const uint8_t *end, struct batch_op *out);

#endif
