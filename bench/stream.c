/*
 * The streams of the steps that are one kind of operation over a drawing of keys.
 * Those that mix kinds are in mixes.c.
 */
#include "mixes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum drawing {
	SORTED,  /* all keys of the store, in order */
	ALL,     /* all, each once, shuffled */
	HALF,    /* half of them, each once, shuffled */
	FRONT,   /* the first ones, in order */
	REPEAT,  /* drawn evenly, with repetition */
	ZIPF,    /* drawn by Zipf's law: the hundredth part of the keys gets most */
	MISSING, /* not there */
	ONCE,    /* one key */
};

static const struct simple {
	const char *name;
	enum op_kind kind;
	enum drawing drawing;
	unsigned nexts;
} simple[] = {
	{ "fillseq", OP_PUT, SORTED, 0 },
	{ "fillrandom", OP_PUT, ALL, 0 },
	{ "fillbatch", OP_BATCH, ALL, 0 },
	{ "overwrite", OP_PUT, REPEAT, 0 },
	{ "overwritezipf", OP_PUT, ZIPF, 0 },
	{ "putwhilemerging", OP_PUT, REPEAT, 0 },
	{ "compact", OP_COMPACT, ONCE, 0 },
	{ "firstread", OP_GET, ONCE, 0 },
	{ "warm", OP_GET, REPEAT, 0 },
	{ "readrandom", OP_GET, REPEAT, 0 },
	{ "readmissing", OP_GET_NONE, MISSING, 0 },
	{ "readzipf", OP_GET, ZIPF, 0 },
	{ "multiget", OP_MULTI_GET, REPEAT, 0 },
	{ "seek1", OP_SEEK, REPEAT, 1 },
	{ "seek10", OP_SEEK, REPEAT, 10 },
	{ "seek50", OP_SEEK, REPEAT, 50 },
	{ "seek100", OP_SEEK, REPEAT, 100 },
	{ "readwhilewriting", OP_GET, REPEAT, 0 },
	{ "readwhilewriting10", OP_GET, REPEAT, 0 },
	{ "deletehalf", OP_REMOVE, HALF, 0 },
	{ "deletefront", OP_REMOVE, FRONT, 0 },
	{ "first", OP_FIRST, ONCE, 0 },
	{ "takefront", OP_TAKE, FRONT, 0 },
};

static void *map(uint64_t bytes)
{
	/* Not on the heap, whose state the engine inherits. */
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("no memory for %llu bytes of keys", (unsigned long long)bytes);
	return p;
}

/* What stream_reserve() holds: a stack of maps. */
static char *held;
static uint64_t held_size, held_used;

void stream_reserve(uint64_t bytes)
{
	held = map(bytes);
	memset(held, 1, bytes);
	held_size = bytes;
}

static void *take(struct stream *s, uint64_t bytes)
{
	if (held_used + bytes > held_size) {
		s->own_bytes += bytes;
		return map(bytes);
	}
	held_used += bytes;
	return held + held_used - bytes;
}

/* The last one taken is given back first. */
static void give(void *p, uint64_t bytes)
{
	if (p != NULL && held != NULL && (char *)p >= held && (char *)p < held + held_size)
		held_used -= bytes;
	else if (p != NULL)
		munmap(p, bytes);
}

void stream_alloc(struct stream *s, uint64_t count, bool kinds)
{
	s->count = count;
	s->keys = take(s, count * KEY_SIZE);
	s->kinds = kinds ? take(s, count) : NULL;
	s->group = 1;
}

void stream_free(struct stream *s)
{
	give(s->kinds, s->count);
	give(s->keys, s->count * KEY_SIZE);
	*s = (struct stream){ 0 };
}

static uint64_t custom_count(const struct simple *d, const struct sizes *z)
{
	switch (d->drawing) {
	case SORTED:
	case ALL:
		return z->num;
	case HALF:
		return z->num / 2;
	case FRONT:
		return d->kind == OP_TAKE ? z->num / TAKEN_PART : deleted_in_front(z);
	case ONCE:
		return 1;
	default:
		if (d->kind == OP_PUT)
			return z->writes;
		/* Seeks cost more than gets. */
		return d->kind == OP_SEEK ? z->reads / 5 : z->reads;
	}
}

static uint64_t number_of(const struct simple *d, const struct sizes *z, const struct zipf *zipf,
			  uint64_t random, uint64_t i)
{
	switch (d->drawing) {
	case SORTED:
		return i % z->num;
	case ALL:
	case HALF:
		return shuffled(i % z->num, z->num, 2);
	case ZIPF:
		/* The keys that are asked for most lie anywhere in the order. */
		return below(draw(11, zipf_rank(zipf, random)), z->num);
	default:
		return below(random, z->num);
	}
}

/* Which keys are the first ones is known once all are in order. */
static void fill_front(const struct sizes *z, struct stream *s)
{
	char *all = map(z->num * KEY_SIZE);

	for (uint64_t i = 0; i < z->num; i++)
		key_make(z->keys, 2 * i, all + i * KEY_SIZE);
	qsort(all, z->num, KEY_SIZE, key_order);
	memcpy(s->keys, all, s->count * KEY_SIZE);
	munmap(all, z->num * KEY_SIZE);
}

static void fill_simple(const struct simple *d, const struct sizes *z, uint64_t count,
			uint64_t turn, struct stream *out)
{
	uint64_t seed = 100 * turn + (uint64_t)(d - simple);
	struct zipf zipf = { 0 };

	if (d->drawing == FRONT) {
		fill_front(z, out);
		return;
	}
	if (d->drawing == ZIPF)
		zipf = zipf_new(z->num);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t n = number_of(d, z, &zipf, draw(seed, i), i);

		key_make(z->keys, 2 * n + (d->drawing == MISSING), out->keys + i * KEY_SIZE);
	}
	if (d->drawing == SORTED && z->keys != KEY_DECIMAL)
		qsort(out->keys, count, KEY_SIZE, key_order);
}

bool stream_new(const char *name, const struct sizes *z, uint64_t count, uint64_t turn,
		struct stream *out)
{
	*out = (struct stream){ 0 };
	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
		const struct simple *d = &simple[i];
		bool grouped = d->kind == OP_BATCH || d->kind == OP_MULTI_GET;

		if (strcmp(d->name, name) != 0)
			continue;
		if (count == 0)
			count = custom_count(d, z);
		else if (grouped)
			count *= z->group;
		stream_alloc(out, count, false);
		out->kind = d->kind;
		out->nexts = d->nexts;
		out->group = grouped ? z->group : 1;
		fill_simple(d, z, count, turn, out);
		return true;
	}
	return mix_new(name, z, count != 0 ? count : z->reads, turn, out);
}
