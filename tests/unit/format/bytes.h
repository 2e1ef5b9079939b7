/* What the tests of the format layer share: a heap that can fail, copies that end at
 * their last byte (so that a sanitizer sees a read behind it), random keys. */
#ifndef TESTS_UNIT_FORMAT_BYTES_H
#define TESTS_UNIT_FORMAT_BYTES_H

#include "support/test.h"

#include "base/buf.h"
#include "base/rand.h"

/* Allocations until the heap fails; UINT64_MAX: never. */
static uint64_t heap_left = UINT64_MAX;

static inline void *heap_alloc(void *self, size_t n)
{
	(void)self;
	if (heap_left == 0)
		return NULL;
	if (heap_left != UINT64_MAX)
		heap_left--;
	return malloc(n);
}

static inline void *heap_realloc(void *self, void *p, size_t n)
{
	(void)self;
	if (heap_left == 0)
		return NULL;
	if (heap_left != UINT64_MAX)
		heap_left--;
	return realloc(p, n);
}

static inline void heap_free(void *self, void *p)
{
	(void)self;
	free(p);
}

static inline void *heap_aligned(void *self, size_t align, size_t n)
{
	(void)self;
	return heap_left == 0 ? NULL : aligned_alloc(align, (n + align - 1) / align * align);
}

static const shale_allocator_ops heap_ops = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = heap_alloc,
	.realloc = heap_realloc,
	.free = heap_free,
	.alloc_aligned = heap_aligned,
};

static const shale_env heap_env = {
	.struct_size = sizeof(shale_env),
	.allocator = { NULL, &heap_ops },
};

/* A copy of exactly n bytes, 16-byte aligned. */
static inline uint8_t *bytes_copy(const void *data, size_t n)
{
	uint8_t *p = malloc(n != 0 ? n : 1);

	assert_non_null(p);
	if (n != 0)
		memcpy(p, data, n);
	return p;
}

static inline void bytes_random(struct rand *r, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rand_next(r);
}

/* An 8-byte number of random length, so that all varint lengths occur. */
static inline uint64_t bytes_number(struct rand *r, unsigned bits_max)
{
	unsigned bits = (unsigned)rand_below(r, bits_max + 1);

	return bits == 0 ? 0 : rand_next(r) >> (64 - bits);
}

static inline shale_slice bytes_str(const char *text)
{
	return slice_from(text, strlen(text));
}

static inline void assert_same(shale_slice a, shale_slice b)
{
	assert_int_equal(a.size, b.size);
	if (a.size != 0)
		assert_memory_equal(a.data, b.data, a.size);
}

#endif
