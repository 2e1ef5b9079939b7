/*
 * A growing byte buffer that owns its memory. A failed growth is remembered in
 * `failed` and all later appends do nothing, so a builder checks once at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/coding.h"
#include "base/mem.h"

struct buf {
	const shale_env *env;
	uint8_t *data;
	size_t size, capacity;
	bool failed;
};

void buf_init(struct buf *b, const shale_env *env);
void buf_fini(struct buf *b);

/* Room for n more bytes at data + size; false when there is no memory. */
bool buf_reserve(struct buf *b, size_t n);

/* Extend by n bytes and return where they begin; NULL when there is no memory. */
uint8_t *buf_extend(struct buf *b, size_t n);

static inline void buf_reset(struct buf *b)
{
	b->size = 0;
	b->failed = false;
}

static inline void buf_append(struct buf *b, const void *data, size_t n)
{
	uint8_t *p = buf_extend(b, n);

	if (p != NULL && n != 0)
		memcpy(p, data, n);
}

static inline void buf_u8(struct buf *b, uint8_t v)
{
	buf_append(b, &v, 1);
}
static inline void buf_u16(struct buf *b, uint16_t v)
{
	buf_append(b, &v, 2);
}
static inline void buf_u32(struct buf *b, uint32_t v)
{
	buf_append(b, &v, 4);
}
static inline void buf_u64(struct buf *b, uint64_t v)
{
	buf_append(b, &v, 8);
}

static inline void buf_varint(struct buf *b, uint64_t v)
{
	uint8_t tmp[VARINT_MAX];

	buf_append(b, tmp, (size_t)(put_varint(tmp, v) - tmp));
}

/* Length as varint, then the bytes. */
static inline void buf_slice(struct buf *b, shale_slice s)
{
	buf_varint(b, s.size);
	buf_append(b, s.data, s.size);
}

static inline shale_slice buf_view(const struct buf *b)
{
	return slice_from(b->data, b->size);
}

#endif
