/* Properties of a table as bytes: layout in footer.h. */
#include "format/footer.h"

#include "format/key.h"

enum { PROPS_NUMBERS = 15, PROPS_LARGEST_EXCLUDED = 1 };

/* The numbers in their order on disk. */
#define PROPS_EACH(X)                                                                              \
	X(entries)                                                                                 \
	X(tombstones)                                                                              \
	X(range_tombstones)                                                                        \
	X(expiring)                                                                                \
	X(key_bytes)                                                                               \
	X(value_bytes)                                                                             \
	X(data_blocks)                                                                             \
	X(data_bytes)                                                                              \
	X(index_bytes)                                                                             \
	X(filter_bytes)                                                                            \
	X(min_seq)                                                                                 \
	X(max_seq)                                                                                 \
	X(created_ms)                                                                              \
	X(min_expiry_ms)                                                                           \
	X(max_expiry_ms)

void props_encode(struct buf *out, const struct table_props *p)
{
#define PUT(field) buf_varint(out, p->field);
	PROPS_EACH(PUT)
#undef PUT
	buf_u8(out, (uint8_t)p->compression);
	buf_u8(out, p->largest_excluded ? PROPS_LARGEST_EXCLUDED : 0);
	buf_slice(out, p->smallest);
	buf_slice(out, p->largest);
}

static shale_status props_bad(const char *what)
{
	return err_new(SHALE_CORRUPT, "table properties: %s", what);
}

/* A key with its length before it; returns the position behind, or NULL. */
static const uint8_t *props_key(const uint8_t *p, const uint8_t *end, shale_slice *out)
{
	uint64_t size;

	p = get_varint(p, end, &size);
	if (p == NULL || size > SHALE_KEY_MAX || size > (uint64_t)(end - p))
		return NULL;
	*out = slice_from(p, (size_t)size);
	return p + size;
}

static shale_status props_check(const struct table_props *t)
{
	int c = slice_cmp(t->smallest, t->largest);

	if (t->compression > SHALE_SNAPPY)
		return props_bad("unknown codec");
	if (c > 0 || (c == 0 && t->largest_excluded))
		return props_bad("key range is empty");
	if (t->min_seq > t->max_seq || t->max_seq > SEQ_MAX)
		return props_bad("impossible sequence numbers");
	if (t->tombstones > t->entries || t->expiring > t->entries - t->tombstones)
		return props_bad("impossible entry counts");
	if (t->min_expiry_ms > t->max_expiry_ms)
		return props_bad("impossible expiry times");
	return SHALE_OK;
}

shale_status props_decode(const uint8_t **pos, const uint8_t *end, struct table_props *out)
{
	const uint8_t *p = *pos;
	uint64_t numbers[PROPS_NUMBERS];
	struct table_props t;
	shale_status rc;
	size_t n = 0;

	for (size_t i = 0; i < PROPS_NUMBERS; i++) {
		p = get_varint(p, end, &numbers[i]);
		if (p == NULL)
			return props_bad("cut");
	}
#define TAKE(field) t.field = numbers[n++];
	PROPS_EACH(TAKE)
#undef TAKE
	if (end - p < 2)
		return props_bad("cut");
	t.compression = p[0];
	if ((p[1] & ~PROPS_LARGEST_EXCLUDED) != 0)
		return props_bad("unknown flags");
	t.largest_excluded = p[1] != 0;
	p = props_key(p + 2, end, &t.smallest);
	if (p == NULL)
		return props_bad("smallest key is cut or over its limit");
	p = props_key(p, end, &t.largest);
	if (p == NULL)
		return props_bad("largest key is cut or over its limit");
	rc = props_check(&t);
	if (rc < 0)
		return rc;
	*pos = p;
	*out = t;
	return SHALE_OK;
}
