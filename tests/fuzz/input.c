/* Inputs: random changes, and the corpus, which is kept as hexadecimal text. */
#include "fuzz/fuzz.h"

#include "base/coding.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- mutation ---- */

static uint64_t interesting(struct rand *r)
{
	static const uint64_t edges[] = { 0,          1,     7,          8,          0x7f,
					  0x80,       0xff,  0x7fff,     0xffff,     0x10000,
					  4096,       65536, 0x7fffffff, 0xffffffff, 1ull << 32,
					  1ull << 56, ~0ull };

	return edges[rand_below(r, sizeof(edges) / sizeof(edges[0]))] + rand_below(r, 3) - 1;
}

static size_t cut_or_grow(struct rand *r, uint8_t *data, size_t size, size_t max)
{
	size_t at = rand_below(r, size), n = 1 + rand_below(r, 16);

	if (rand_below(r, 2) == 0) {
		n = n < size - at ? n : size - at;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	}
	if (size + n > max)
		return size;
	memmove(data + at + n, data + at, size - at);
	for (size_t i = 0; i < n; i++)
		data[at + i] = (uint8_t)(rand_below(r, 2) ? rand_next(r) : 0);
	return size + n;
}

static void store_number(struct rand *r, uint8_t *p, size_t room)
{
	uint8_t bytes[16] = { 0 };
	size_t n = 1u << rand_below(r, 4);

	put_u64le(bytes, interesting(r));
	if (rand_below(r, 4) == 0)
		n = (size_t)(put_varint(bytes, interesting(r)) - bytes);
	memcpy(p, bytes, n < room ? n : room);
}

static void copy_within(struct rand *r, uint8_t *data, size_t size)
{
	size_t from = rand_below(r, size), to = rand_below(r, size);
	size_t room = size - (from > to ? from : to);

	memmove(data + to, data + from, 1 + rand_below(r, room < 64 ? room : 64));
}

size_t fuzz_mutate(struct rand *r, uint8_t *data, size_t size, size_t max)
{
	for (size_t k = 1 + rand_below(r, 3); k > 0; k--) {
		size_t at;

		if (size == 0)
			data[size++] = (uint8_t)rand_next(r);
		at = rand_below(r, size);
		switch (rand_below(r, 8)) {
		case 0:
			size = cut_or_grow(r, data, size, max);
			break;
		case 1:
			store_number(r, data + at, size - at);
			break;
		case 2:
			copy_within(r, data, size);
			break;
		case 3:
			data[at] = (uint8_t)rand_next(r);
			break;
		case 4:
			data[at]++;
			break;
		case 5:
			data[at]--;
			break;
		default:
			data[at] ^= (uint8_t)(1u << rand_below(r, 8));
			break;
		}
	}
	return size;
}

/* ---- corpus ---- */

static int digit(int c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

size_t fuzz_hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (const char *p = text;
	     isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]) && n < FUZZ_SIZE_MAX;
	     p += 2)
		out[n++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
	return n;
}

size_t fuzz_corpus(const char *path, void (*each)(const uint8_t *data, size_t size))
{
	static uint8_t data[FUZZ_SIZE_MAX];
	FILE *f = fopen(path, "r");
	size_t count = 0, room = 0;
	char *line = NULL;

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	while (getline(&line, &room, f) >= 0) {
		size_t size = fuzz_hex(line, data);

		if (size == 0)
			continue;
		each(data, size);
		count++;
	}
	free(line);
	fclose(f);
	return count;
}
