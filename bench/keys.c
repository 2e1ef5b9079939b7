#include "keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_SIZE = 64 << 10 };

static char *pool;

/* Invertible: different numbers give different results. */
static uint64_t mix(uint64_t v)
{
	v ^= v >> 30;
	v *= 0xbf58476d1ce4e5b9ull;
	v ^= v >> 27;
	v *= 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

uint64_t draw(uint64_t seed, uint64_t i)
{
	return mix(mix(seed + 0x9e3779b97f4a7c15ull) + i * 0x9e3779b97f4a7c15ull);
}

uint64_t below(uint64_t random, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random * n >> 64);
}

void key_make(enum key_kind kind, uint64_t number, char out[KEY_SIZE])
{
	uint64_t a = mix(number + 0x5eed), b = mix(~number);

	switch (kind) {
	case KEY_DECIMAL:
		memcpy(out, "user", 4);
		for (int i = KEY_SIZE - 1; i >= 4; i--, number /= 10)
			out[i] = (char)('0' + number % 10);
		break;
	case KEY_TIME:
		for (int i = 0; i < 8; i++)
			out[i] = (char)(number >> (56 - 8 * i));
		memset(out + 8, 0, 8);
		break;
	default:
		memcpy(out, &a, 8);
		memcpy(out + 8, &b, 8);
		break;
	}
}

int key_order(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SIZE);
}

/* As Gray and others describe it in "Quickly generating billion-record databases". */
struct zipf zipf_new(uint64_t n)
{
	static const double theta = 0.99;
	struct zipf z = { .n = n, .alpha = 1 / (1 - theta), .half = pow(0.5, theta) };

	for (uint64_t i = 1; i <= n; i++)
		z.zeta += pow(1 / (double)i, theta);
	z.eta = (1 - pow(2 / (double)n, 1 - theta)) / (1 - (1 + z.half) / z.zeta);
	return z;
}

uint64_t zipf_rank(const struct zipf *z, uint64_t random)
{
	double u = (double)(random >> 11) * 0x1p-53;
	uint64_t rank;

	if (u * z->zeta < 1)
		return 0;
	if (u * z->zeta < 1 + z->half)
		return 1;
	rank = (uint64_t)((double)z->n * pow(z->eta * u - z->eta + 1, z->alpha));
	return rank < z->n ? rank : z->n - 1;
}

/* A Feistel network on just enough bits for count; numbers beyond it go through again. */
uint64_t shuffled(uint64_t i, uint64_t count, uint64_t seed)
{
	unsigned half = count > 2 ? (65 - (unsigned)__builtin_clzll(count - 1)) / 2 : 1;
	uint64_t mask = (1ull << half) - 1;

	do {
		uint64_t left = i >> half, right = i & mask;

		for (uint64_t round = 0; round < 4; round++) {
			uint64_t next = left ^ (draw(seed + round, right) & mask);

			left = right;
			right = next;
		}
		i = left << half | right;
	} while (i >= count);
	return i;
}

void value_pool_init(size_t value_size)
{
	size_t half = value_size / 2 + 1;

	pool = xcalloc(1, POOL_SIZE + value_size);
	/* Stretches of half a value: one random, the next all the same byte. */
	for (size_t i = 0; i < POOL_SIZE + value_size; i++)
		pool[i] = i / half % 2 == 0 ? (char)draw(7, i) : (char)('a' + i / half % 26);
}

struct bytes value_of(const char *key, size_t value_size)
{
	uint64_t a, b;

	memcpy(&a, key, 8);
	memcpy(&b, key + 8, 8);
	return (struct bytes){ pool + below((a ^ b) * 0x9e3779b97f4a7c15ull, POOL_SIZE),
			       value_size };
}
