/*
 * Hardware path: the crc32 instruction takes 3 cycles but starts every cycle, so
 * long inputs run as three streams whose results are joined. Joining needs "crc
 * after k zero bytes", a linear map over GF(2), tabulated for the one stream
 * length used. The tables are built on first use and published by an atomic flag.
 * Where the processor multiplies polynomials, that is faster still (crc32c_fold.c).
 */
#include "base/crc32c.h"

#include "base/crc32c_fold.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { POLY = (int)0x82f63b78, STREAM = 512 };

struct tables {
	uint32_t byte[8][256];  /* slicing by eight */
	uint32_t shift[4][256]; /* crc after STREAM zero bytes */
};

static struct tables tables;
static _Atomic int tables_state; /* 0: none, 1: being built, 2: ready */

static uint32_t zeros(const struct tables *t, uint32_t crc, size_t n)
{
	while (n--)
		crc = t->byte[0][crc & 0xff] ^ (crc >> 8);
	return crc;
}

static void tables_build(struct tables *t)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? (c >> 1) ^ (uint32_t)POLY : c >> 1;
		t->byte[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			t->byte[k][i] =
				t->byte[0][t->byte[k - 1][i] & 0xff] ^ (t->byte[k - 1][i] >> 8);
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 0; k < 4; k++)
			t->shift[k][i] = zeros(t, i << (8 * k), STREAM);
}

static const struct tables *tables_get(void)
{
	int none = 0;

	if (atomic_load_explicit(&tables_state, memory_order_acquire) == 2)
		return &tables;
	if (atomic_compare_exchange_strong(&tables_state, &none, 1)) {
		tables_build(&tables);
		atomic_store_explicit(&tables_state, 2, memory_order_release);
	}
	while (atomic_load_explicit(&tables_state, memory_order_acquire) != 2)
		;
	return &tables;
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n)
{
	const struct tables *t = tables_get();
	const uint8_t *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		v ^= crc;
		crc = t->byte[7][v & 0xff] ^ t->byte[6][v >> 8 & 0xff] ^
		      t->byte[5][v >> 16 & 0xff] ^ t->byte[4][v >> 24 & 0xff] ^
		      t->byte[3][v >> 32 & 0xff] ^ t->byte[2][v >> 40 & 0xff] ^
		      t->byte[1][v >> 48 & 0xff] ^ t->byte[0][v >> 56];
	}
	while (n--)
		crc = t->byte[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE __attribute__((target("sse4.2")))
#define STEP8(crc, v) ((uint32_t)_mm_crc32_u64(crc, v))
#define STEP1(crc, v) _mm_crc32_u8(crc, v)
static bool hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE __attribute__((target("+crc")))
#define STEP8(crc, v) __crc32cd(crc, v)
#define STEP1(crc, v) __crc32cb(crc, v)
static bool hardware(void)
{
	return getauxval(AT_HWCAP) & (1 << 7);
}
#endif

static inline uint64_t load8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static uint32_t shift_stream(const struct tables *t, uint32_t crc)
{
	return t->shift[0][crc & 0xff] ^ t->shift[1][crc >> 8 & 0xff] ^
	       t->shift[2][crc >> 16 & 0xff] ^ t->shift[3][crc >> 24];
}

HARDWARE static uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	crc = ~crc;
	if (n >= CRC32C_FOLD && crc32c_can_fold()) {
		size_t folds = n & ~(size_t)(CRC32C_FOLD - 1);
		uint64_t rest[8];

		crc32c_fold(crc, p, folds, rest);
		crc = 0;
		for (int i = 0; i < 8; i++)
			crc = STEP8(crc, rest[i]);
		n -= folds;
		p += folds;
	}
	if (n >= 3 * STREAM) {
		const struct tables *t = tables_get();

		for (; n >= 3 * STREAM; n -= 3 * STREAM, p += 3 * STREAM) {
			uint32_t a = crc, b = 0, c = 0;

			for (size_t i = 0; i < STREAM; i += 8) {
				a = STEP8(a, load8(p + i));
				b = STEP8(b, load8(p + STREAM + i));
				c = STEP8(c, load8(p + 2 * STREAM + i));
			}
			crc = shift_stream(t, shift_stream(t, a) ^ b) ^ c;
		}
	}
	for (; n >= 8; n -= 8, p += 8)
		crc = STEP8(crc, load8(p));
	while (n--)
		crc = STEP1(crc, *p++);
	return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	return hardware() ? crc32c_hardware(crc, data, n) : crc32c_portable(crc, data, n);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	return crc32c_portable(crc, data, n);
}

#endif
