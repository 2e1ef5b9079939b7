/*
 * A set of numbers below n: one bit each, and above the bits summaries, in which one bit
 * tells whether a word below has any. Each call takes a word or two of each level, and
 * four levels hold sixteen million.
 */
#ifndef BASE_BITSET_H
#define BASE_BITSET_H

#include <stddef.h>
#include <stdint.h>

enum { BITSET_LEVELS = 11 };

struct bitset {
	uint64_t *level[BITSET_LEVELS]; /* [0]: the numbers; the last in use is one word */
	unsigned levels;
};

/* Words that a set of numbers below n needs; at least one. */
static inline size_t bitset_words(size_t n)
{
	size_t words = 0;

	do {
		n = n / 64 + (n % 64 != 0);
		words += n != 0 ? n : 1;
	} while (n > 1);
	return words;
}

/* Empty, in bitset_words(n) words that are zero. */
static inline void bitset_init(struct bitset *s, uint64_t *words, size_t n)
{
	s->levels = 0;
	do {
		n = n / 64 + (n % 64 != 0);
		s->level[s->levels++] = words;
		words += n;
	} while (n > 1);
}

static inline void bitset_add(struct bitset *s, size_t i)
{
	for (unsigned l = 0; l < s->levels; l++, i /= 64)
		s->level[l][i / 64] |= UINT64_C(1) << i % 64;
}

static inline void bitset_remove(struct bitset *s, size_t i)
{
	for (unsigned l = 0; l < s->levels; l++, i /= 64) {
		s->level[l][i / 64] &= ~(UINT64_C(1) << i % 64);
		if (s->level[l][i / 64] != 0)
			return;
	}
}

/* The greatest number below i, which is at most n; SIZE_MAX: there is none. */
static inline size_t bitset_below(const struct bitset *s, size_t i)
{
	for (unsigned l = 0; l < s->levels && i != 0; l++) {
		size_t word = (i - 1) / 64;
		uint64_t bits = s->level[l][word] & UINT64_MAX >> (63 - (i - 1) % 64);

		if (bits == 0) {
			i = word; /* in the summary: the words before this one */
			continue;
		}
		for (;; bits = s->level[--l][word]) {
			word = word * 64 + 63 - (size_t)__builtin_clzll(bits);
			if (l == 0)
				return word;
		}
	}
	return SIZE_MAX;
}

#endif
