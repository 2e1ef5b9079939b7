/*
 * Keys and values: the same bytes in the same order for every engine, made before
 * any clock runs. A store of `num` entries holds the even numbers below 2 * num,
 * each written out as a key of KEY_SIZE bytes, so the odd ones are missing but lie
 * between.
 */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "engine.h"

enum { KEY_SIZE = 16 };

enum key_kind {
	KEY_RANDOM,  /* as from a hash */
	KEY_DECIMAL, /* user000000000042: a long shared prefix, padded with zeros */
	KEY_TIME,    /* big-endian: a time, then zeros */
};

void key_make(enum key_kind kind, uint64_t number, char out[KEY_SIZE]);
int key_order(const void *a, const void *b);

/* A stateless generator: the i-th number of the sequence `seed`. */
uint64_t draw(uint64_t seed, uint64_t i);
/* `random` brought below n, evenly. */
uint64_t below(uint64_t random, uint64_t n);

/* Ranks below n, rank r as often as 1 / (r + 1)^0.99. */
struct zipf {
	uint64_t n;
	double zeta, alpha, eta, half;
};
struct zipf zipf_new(uint64_t n);
uint64_t zipf_rank(const struct zipf *z, uint64_t random);

/* The i-th of the numbers below count, in an order drawn by `seed`. */
uint64_t shuffled(uint64_t i, uint64_t count, uint64_t seed);

/* The value of a key: a piece of a pool, half of it random. */
void value_pool_init(size_t value_size);
struct bytes value_of(const char *key, size_t value_size);

#endif
