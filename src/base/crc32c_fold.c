/*
 * A checksum is the remainder of the input, read as a polynomial over GF(2), by the
 * polynomial P of CRC32C. A piece X that lies D bits before the end adds X * x^D, and
 * x^D may be reduced first: a product of 64 by 32 bits replaces the piece. So four
 * registers of 64 bytes run through the input, each multiplied by x^2048 and added to
 * what lies 256 bytes further on, and in the end three are folded onto the last. The
 * 64 bytes that remain have the remainder of the whole. (Gopal et al., "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", 2009.)
 *
 * Bits are reflected: the lowest bit of the first byte is the highest coefficient. The
 * product of two reflected halves comes out as multiplied by x once more, so the two
 * constants of a distance D, for the halves of 128 bits, are x^(D + 63) and x^(D - 1)
 * modulo P, each in the upper 32 bits of 64.
 */
#include "base/crc32c_fold.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define FOLDS __attribute__((target("avx512f,vpclmulqdq")))

bool crc32c_can_fold(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
}

/* The constants of a distance in all four lanes. */
FOLDS static inline __m512i by(uint64_t lower_half, uint64_t upper_half)
{
	return _mm512_set_epi64((long long)upper_half, (long long)lower_half, (long long)upper_half,
				(long long)lower_half, (long long)upper_half, (long long)lower_half,
				(long long)upper_half, (long long)lower_half);
}

FOLDS static inline __m512i fold(__m512i x, __m512i distance, __m512i onto)
{
	enum { XOR_OF_THREE = 0x96 };

	return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(x, distance, 0x00),
					 _mm512_clmulepi64_epi128(x, distance, 0x11), onto,
					 XOR_OF_THREE);
}

FOLDS void crc32c_fold(uint32_t state, const uint8_t *p, size_t n, uint64_t out[8])
{
	const __m512i by_2048 = by(0xe9a5d8be00000000, 0x1426a81500000000);
	const __m512i by_1536 = by(0x7ccbbbf200000000, 0x31c9460800000000);
	const __m512i by_1024 = by(0x6577b24500000000, 0x7417153f00000000);
	const __m512i by_512 = by(0x1c19243b00000000, 0x75bba45b00000000);
	__m512i a = _mm512_xor_si512(_mm512_loadu_si512(p),
				     _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
	__m512i b = _mm512_loadu_si512(p + 64);
	__m512i c = _mm512_loadu_si512(p + 128);
	__m512i d = _mm512_loadu_si512(p + 192);

	while (n -= CRC32C_FOLD, p += CRC32C_FOLD, n != 0) {
		a = fold(a, by_2048, _mm512_loadu_si512(p));
		b = fold(b, by_2048, _mm512_loadu_si512(p + 64));
		c = fold(c, by_2048, _mm512_loadu_si512(p + 128));
		d = fold(d, by_2048, _mm512_loadu_si512(p + 192));
	}
	d = fold(a, by_1536, d);
	d = fold(b, by_1024, d);
	d = fold(c, by_512, d);
	_mm512_storeu_si512(out, d);
}

#else

bool crc32c_can_fold(void)
{
	return false;
}

void crc32c_fold(uint32_t state, const uint8_t *p, size_t n, uint64_t out[8])
{
	(void)state, (void)p, (void)n, (void)out;
}

#endif
