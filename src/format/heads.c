#include "format/heads.h"

size_t heads_less_portable(const uint64_t *heads, size_t n, uint64_t head)
{
	size_t less = 0;

	for (size_t i = 0; i < n; i++)
		less += heads[i] < head;
	return less;
}

#if defined(__x86_64__)

#include <immintrin.h>

static __attribute__((target("avx512f"))) size_t less_avx512(const uint64_t *heads, size_t n,
							     uint64_t head)
{
	__m512i h = _mm512_set1_epi64((long long)head);
	size_t less = 0, i = 0;

	for (; i + 8 <= n; i += 8)
		less += (size_t)__builtin_popcount(
			_mm512_cmplt_epu64_mask(_mm512_loadu_si512(heads + i), h));
	if (i < n) {
		__mmask8 some = (__mmask8)((1u << (n - i)) - 1);

		less += (size_t)__builtin_popcount(
			_mm512_mask_cmplt_epu64_mask(some,
						     _mm512_maskz_loadu_epi64(some, heads + i), h));
	}
	return less;
}

/* AVX2 compares signed integers only: with the top bits turned round, the order is the same. */
static __attribute__((target("avx2"))) size_t less_avx2(const uint64_t *heads, size_t n,
							uint64_t head)
{
	const __m256i top = _mm256_set1_epi64x((long long)(UINT64_C(1) << 63));
	__m256i h = _mm256_xor_si256(_mm256_set1_epi64x((long long)head), top);
	__m256i sum = _mm256_setzero_si256();
	uint64_t part[4];
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(heads + i));

		/* A lane that is less is all ones, which is -1. */
		sum = _mm256_sub_epi64(sum, _mm256_cmpgt_epi64(h, _mm256_xor_si256(v, top)));
	}
	_mm256_storeu_si256((__m256i *)(void *)part, sum);
	return (size_t)(part[0] + part[1] + part[2] + part[3]) +
	       heads_less_portable(heads + i, n - i, head);
}

size_t heads_less(const uint64_t *heads, size_t n, uint64_t head)
{
	if (__builtin_cpu_supports("avx512f"))
		return less_avx512(heads, n, head);
	if (__builtin_cpu_supports("avx2"))
		return less_avx2(heads, n, head);
	return heads_less_portable(heads, n, head);
}

#elif defined(__aarch64__)

#include <arm_neon.h>

size_t heads_less(const uint64_t *heads, size_t n, uint64_t head)
{
	uint64x2_t h = vdupq_n_u64(head), sum = vdupq_n_u64(0);
	size_t i = 0;

	for (; i + 2 <= n; i += 2)
		sum = vsubq_u64(sum, vcltq_u64(vld1q_u64(heads + i), h));
	return (size_t)vaddvq_u64(sum) + heads_less_portable(heads + i, n - i, head);
}

#else

size_t heads_less(const uint64_t *heads, size_t n, uint64_t head)
{
	return heads_less_portable(heads, n, head);
}

#endif

void heads_sample(const uint64_t *heads, size_t n, uint64_t *sample)
{
	for (size_t i = 0; i < heads_samples(n); i++)
		sample[i] = heads[HEADS_SAMPLE * (i + 1) - 1];
}
