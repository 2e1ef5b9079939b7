/* Integers as bytes: little-endian in all formats; big-endian only for key heads. */
#ifndef BASE_CODING_H
#define BASE_CODING_H

#include "base/slice.h"

static inline uint16_t get_u16le(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v; /* the build refuses big-endian machines */
}
static inline uint32_t get_u32le(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}
static inline uint64_t get_u64le(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}
static inline void put_u16le(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}
static inline void put_u32le(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}
static inline void put_u64le(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are read in place");

/* LEB128, at most 10 bytes for 64 bits. */
enum { VARINT_MAX = 10 };

static inline size_t varint_size(uint64_t v)
{
	return v == 0 ? 1 : (size_t)(63 - __builtin_clzll(v)) / 7 + 1;
}

/* Writes varint_size(v) bytes; returns the position behind them. */
static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Reads from [p, end); returns the position behind, or NULL if it is cut or too long. */
static inline const uint8_t *get_varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		uint8_t b = *p++;

		if (shift == 63 && b > 1)
			return NULL;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*out = v;
			return p;
		}
	}
	return NULL;
}

/*
 * The head of a key after its first `skip` bytes: the next eight, big-endian,
 * zero-padded, so that heads compare as the keys do (equal heads decide nothing).
 */
static inline uint64_t key_head(shale_slice key, size_t skip)
{
	size_t n = key.size > skip ? key.size - skip : 0;
	const uint8_t *p = n != 0 ? (const uint8_t *)key.data + skip : NULL;
	uint64_t v = 0;

	if (n >= 8) {
		memcpy(&v, p, 8);
		return __builtin_bswap64(v);
	}
	if (n != 0 && key.size >= 8) {
		/* The last eight bytes of the key, less those that are skipped. */
		memcpy(&v, p + n - 8, 8);
		return __builtin_bswap64(v) << (64 - 8 * n);
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (56 - 8 * i);
	return v;
}

#endif
