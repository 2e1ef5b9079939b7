/*
 * Key streams. A store of `num` holds the even numbers below 2 * num, so the odd
 * ones are missing but lie between. A random key is two invertible mixes of its
 * number: different numbers give different keys.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { POOL_SIZE = 256 << 10 };

static char *pool;

static uint64_t mix(uint64_t v)
{
	v ^= v >> 30;
	v *= 0xbf58476d1ce4e5b9ull;
	v ^= v >> 27;
	v *= 0x94d049bb133111ebull;
	return v ^ v >> 31;
}

/* A stateless generator: the i-th number of the sequence `seed`. */
static uint64_t draw(uint64_t seed, uint64_t i)
{
	return mix(mix(seed + 0x9e3779b97f4a7c15ull) + i * 0x9e3779b97f4a7c15ull);
}

/* Uniform below n. */
static uint64_t below(uint64_t random, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random * n >> 64);
}

static void make_key(enum key_kind kind, uint64_t number, char *out)
{
	if (kind == KEY_DECIMAL) {
		memcpy(out, "user", 4);
		for (int i = KEY_SIZE - 1; i >= 4; i--, number /= 10)
			out[i] = (char)('0' + number % 10);
	} else {
		uint64_t a = mix(number + 0x5eed), b = mix(~number);

		memcpy(out, &a, 8);
		memcpy(out + 8, &b, 8);
	}
}

static int key_order(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SIZE);
}

struct stream stream_new(enum stream_kind kind, enum key_kind keys, uint64_t num, uint64_t count,
			 uint64_t seed)
{
	struct stream s = { NULL, count };
	uint32_t *order = NULL;

	/* Not on the heap, whose state the engine inherits. */
	s.keys = mmap(NULL, count * KEY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (s.keys == MAP_FAILED)
		die("no memory for %llu keys", (unsigned long long)count);
	if (kind == STREAM_ALL) {
		order = malloc(count * sizeof(*order));
		if (order == NULL)
			die("no memory to shuffle");
		for (uint64_t i = 0; i < count; i++) {
			uint64_t k = below(draw(seed, i), i + 1);

			order[i] = order[k];
			order[k] = (uint32_t)i;
		}
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = order != NULL           ? order[i]
				  : kind == STREAM_SORTED ? i
							  : below(draw(seed, i), num);

		make_key(keys, 2 * number + (kind == STREAM_MISSING), s.keys + i * KEY_SIZE);
	}
	free(order);
	if (kind == STREAM_SORTED)
		qsort(s.keys, count, KEY_SIZE, key_order);
	return s;
}

void stream_free(struct stream *s)
{
	if (s->keys != NULL)
		munmap(s->keys, s->count * KEY_SIZE);
	s->keys = NULL;
}

void value_pool_init(size_t value_size)
{
	size_t half = value_size / 2 + 1;

	pool = malloc(POOL_SIZE + value_size);
	if (pool == NULL)
		die("no memory for values");
	/* Stretches of half a value: one random, the next all the same byte. */
	for (size_t i = 0; i < POOL_SIZE + value_size; i++)
		pool[i] = i / half % 2 == 0 ? (char)draw(7, i) : (char)('a' + i / half % 26);
}

const char *value_of(const char *key, size_t value_size)
{
	uint64_t a, b;

	(void)value_size;
	memcpy(&a, key, 8);
	memcpy(&b, key + 8, 8);
	return pool + below((a ^ b) * 0x9e3779b97f4a7c15ull, POOL_SIZE);
}
