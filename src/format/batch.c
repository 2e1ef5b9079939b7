/*
 * Operations as bytes (layout in batch.h). Writers compute the size first and then
 * write without checks, since a commit reserves its place in the log exactly. The
 * reader trusts nothing: each length is held against what is left before use.
 */
#include "format/batch.h"

#include "base/status.h"

enum {
	TAG_TYPE = 0x0f,
	TAG_ZERO = 0x70,
	TAG_CF = 0x80,
};

static inline bool batch_has_value(enum op_type type)
{
	return type != OP_DELETE;
}

/* What stands before the key, given the length of the stored value. */
static inline size_t batch_head_size(enum op_type type, uint32_t cf, size_t key, size_t value)
{
	return 1 + (cf != 0 ? varint_size(cf) : 0) + varint_size(key) +
	       (batch_has_value(type) ? varint_size(value) : 0);
}

static inline uint8_t *batch_head_write(uint8_t *p, enum op_type type, uint32_t cf, size_t key,
					size_t value)
{
	*p++ = (uint8_t)((unsigned)type | (cf != 0 ? TAG_CF : 0));
	if (cf != 0)
		p = put_varint(p, cf);
	p = put_varint(p, key);
	if (batch_has_value(type))
		p = put_varint(p, value);
	return p;
}

static inline uint8_t *batch_put(uint8_t *p, shale_slice s)
{
	if (s.size != 0)
		memcpy(p, s.data, s.size);
	return p + s.size;
}

size_t batch_op_size(const struct batch_op *op)
{
	return batch_head_size(op->type, op->cf, op->key.size, op->value.size) + op->key.size +
	       (batch_has_value(op->type) ? op->value.size : 0);
}

uint8_t *batch_op_write(uint8_t *p, const struct batch_op *op)
{
	p = batch_head_write(p, op->type, op->cf, op->key.size, op->value.size);
	p = batch_put(p, op->key);
	if (batch_has_value(op->type))
		p = batch_put(p, op->value);
	return p;
}

size_t batch_ttl_size(uint32_t cf, shale_slice key, shale_slice value)
{
	size_t stored = value.size + EXPIRY_SIZE;

	return batch_head_size(OP_PUT_TTL, cf, key.size, stored) + key.size + stored;
}

uint8_t *batch_ttl_write(uint8_t *p, uint32_t cf, shale_slice key, uint64_t expiry_ms,
			 shale_slice value)
{
	p = batch_head_write(p, OP_PUT_TTL, cf, key.size, value.size + EXPIRY_SIZE);
	p = batch_put(p, key);
	put_u64le(p, expiry_ms);
	return batch_put(p + EXPIRY_SIZE, value);
}

static shale_status batch_bad(const char *what)
{
	return err_new(SHALE_CORRUPT, "operation: %s", what);
}

/* Limits and meaning, once the bytes are known to be there. */
static shale_status batch_op_check(const struct batch_op *op)
{
	switch (op->type) {
	case OP_DELETE:
		return SHALE_OK;
	case OP_PUT:
		if (op->value.size > SHALE_VALUE_MAX)
			return batch_bad("value over its limit");
		return SHALE_OK;
	case OP_PUT_TTL:
		if (op->value.size < EXPIRY_SIZE)
			return batch_bad("no expiry");
		if (op->value.size - EXPIRY_SIZE > SHALE_VALUE_MAX)
			return batch_bad("value over its limit");
		return SHALE_OK;
	case OP_RANGE_DELETE:
		if (op->value.size > SHALE_KEY_MAX)
			return batch_bad("end of a range over a key's limit");
		if (slice_cmp(op->key, op->value) >= 0)
			return batch_bad("empty range");
		return SHALE_OK;
	default:
		return batch_bad("unknown type");
	}
}

shale_status batch_op_read(const uint8_t **pos, const uint8_t *end, struct batch_op *out)
{
	const uint8_t *p = *pos;
	uint64_t cf = 0, key, value = 0;
	struct batch_op op;
	shale_status rc;
	uint8_t tag;

	if (p == end)
		return SHALE_END;
	tag = *p++;
	if ((tag & TAG_ZERO) != 0 || (tag & TAG_TYPE) > OP_RANGE_DELETE)
		return batch_bad("unknown type");
	op.type = (enum op_type)(tag & TAG_TYPE);
	if ((tag & TAG_CF) != 0) {
		p = get_varint(p, end, &cf);
		if (p == NULL || cf > UINT32_MAX)
			return batch_bad("bad column family id");
	}
	p = get_varint(p, end, &key);
	if (p == NULL)
		return batch_bad("cut in the key's length");
	if (key > SHALE_KEY_MAX)
		return batch_bad("key over its limit");
	if (batch_has_value(op.type)) {
		p = get_varint(p, end, &value);
		if (p == NULL)
			return batch_bad("cut in the value's length");
	}
	if ((uint64_t)(end - p) < key || (uint64_t)(end - p) - key < value)
		return batch_bad("longer than what holds it");
	op.cf = (uint32_t)cf;
	op.key = slice_from(p, (size_t)key);
	op.value = slice_from(p + key, (size_t)value);
	rc = batch_op_check(&op);
	if (rc < 0)
		return rc;
	*pos = p + key + value;
	*out = op;
	return SHALE_OK;
}
