/* xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. Not for secrets. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

struct rand {
	uint64_t s[4];
};

static inline uint64_t rand_split(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void rand_seed(struct rand *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = rand_split(&seed);
}

static inline uint64_t rand_next(struct rand *r)
{
	uint64_t *s = r->s, out = s[1] * 5, t = s[1] << 17;

	out = ((out << 7) | (out >> 57)) * 9;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return out;
}

/* Uniform in [0, n); n > 0. */
static inline uint64_t rand_below(struct rand *r, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rand_next(r) * n) >> 64);
}

/* Uniform in [0, 1). */
static inline double rand_unit(struct rand *r)
{
	return (double)(rand_next(r) >> 11) * 0x1p-53;
}

#endif
