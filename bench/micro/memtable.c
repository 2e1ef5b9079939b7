/*
 * The memtable and the merge alone, in nanoseconds an operation, beside the skip
 * list that the tests use as their oracle. Best of some rounds, one thread.
 *
 *   memtable [entries]
 */
#include "base/rand.h"
#include "memtable/memtable.h"
#include "support/skiplist.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEY = 16, VALUE = 100, ROUNDS = 5, SOURCES = 4 };

static size_t entries = 500000;
static char *keys;  /* of KEY bytes, in the order of insertion */
static char *asked; /* the same in another order, that of reading */
static char value[VALUE];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static shale_slice key_at(const char *from, size_t i)
{
	return slice_from(from + i * KEY, KEY);
}

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "wrong: %s\n", what);
		exit(1);
	}
}

/* Keep the best; the time since `start` for n operations. */
static void best(double *ns, uint64_t start, size_t n)
{
	double t = (double)(now_ns() - start) / (double)n;

	if (*ns == 0 || t < *ns)
		*ns = t;
}

enum kind { RANDOM, DECIMAL, DECIMAL_IN_ORDER };

/* Fisher and Yates. */
static void shuffle(char *of, struct rand *r)
{
	char swap[KEY];

	for (size_t i = entries; i > 1; i--) {
		size_t k = rand_below(r, i);

		memcpy(swap, of + (i - 1) * KEY, KEY);
		memcpy(of + (i - 1) * KEY, of + k * KEY, KEY);
		memcpy(of + k * KEY, swap, KEY);
	}
}

static void make_keys(enum kind kind)
{
	struct rand r;

	rand_seed(&r, 7);
	for (size_t i = 0; i < entries; i++) {
		uint64_t a[2] = { rand_next(&r), rand_next(&r) };
		char text[32];

		snprintf(text, sizeof(text), "user%012zu", i);
		memcpy(keys + i * KEY, kind == RANDOM ? (const char *)a : text, KEY);
	}
	if (kind != DECIMAL_IN_ORDER)
		shuffle(keys, &r);
	memcpy(asked, keys, entries * KEY);
	shuffle(asked, &r);
}

static struct iter *walk(struct iter *it, double *ns, const char *what)
{
	uint64_t start = now_ns();
	size_t n = 0;

	for (iter_first(it); it->valid; iter_next(it))
		n++;
	best(ns, start, entries);
	check(n == entries, what);
	return it;
}

struct figures {
	double put, get, next, list_put, list_get, bytes;
};

static void measure_memtable(struct figures *f)
{
	const shale_env *env = shale_env_default();
	struct memtable *m;
	struct iter *it;
	uint64_t start, st;
	shale_slice v;

	check(memtable_new(env, &m) == SHALE_OK, "new");
	start = now_ns();
	for (size_t i = 0; i < entries; i++)
		memtable_add(m, i + 1, OP_PUT, key_at(keys, i), slice_from(value, VALUE), NULL);
	best(&f->put, start, entries);
	start = now_ns();
	for (size_t i = 0; i < entries; i++)
		check(memtable_get(m, key_at(asked, i), SEQ_MAX, &st, &v), "get");
	best(&f->get, start, entries);
	check(memtable_iter_new(m, SEQ_MAX, true, &it) == SHALE_OK, "iterator");
	iter_free(walk(it, &f->next, "walk"));
	f->bytes = (double)memtable_bytes(m) / (double)entries;
	memtable_unref(m);
}

static void measure_list(struct figures *f)
{
	struct skiplist *s = skiplist_new();
	uint64_t start = now_ns();

	for (size_t i = 0; i < entries; i++)
		skiplist_add(s, key_at(keys, i), seqtype(i + 1, OP_PUT), slice_from(value, VALUE));
	best(&f->list_put, start, entries);
	start = now_ns();
	for (size_t i = 0; i < entries; i++)
		check(skiplist_get(s, key_at(asked, i), SEQ_MAX) != NULL, "list get");
	best(&f->list_get, start, entries);
	skiplist_free(s);
}

/* ---- merge -------------------------------------------------------------- */

/* A sorted array of keys as an iterator; forward only. */
struct array_iter {
	struct iter it;
	char *keys;
	size_t count, at;
};

static void array_show(struct array_iter *a)
{
	a->it.valid = a->at < a->count;
	if (a->it.valid)
		a->it.key = slice_from(a->keys + a->at * KEY, KEY);
}

static void array_first(struct iter *it)
{
	struct array_iter *a = (struct array_iter *)it;

	a->at = 0;
	array_show(a);
}

static void array_next(struct iter *it)
{
	struct array_iter *a = (struct array_iter *)it;

	a->at++;
	array_show(a);
}

static void array_free(struct iter *it)
{
	struct array_iter *a = (struct array_iter *)it;

	free(a->keys);
	free(a);
}

static const struct iter_ops array_ops = {
	.first = array_first,
	.next = array_next,
	.free = array_free,
};

/* Merge SOURCES arrays; a run of `run` neighbouring keys is in one array. */
static void measure_merge(const char *name, size_t run)
{
	const shale_env *env = shale_env_default();
	struct skiplist *s = skiplist_new();
	struct iter *it = skiplist_iter(s, SEQ_MAX, false), *child[SOURCES], *merge;
	struct array_iter *a[SOURCES];
	double alone = 0, merged = 0;
	struct rand r;
	size_t n = 0, to = 0;

	rand_seed(&r, 3);
	for (size_t i = 0; i < entries; i++)
		skiplist_add(s, key_at(keys, i), seqtype(1, OP_PUT), slice_from(NULL, 0));
	for (int i = 0; i < SOURCES; i++) {
		a[i] = calloc(1, sizeof(*a[i]));
		a[i]->keys = malloc(entries * KEY);
		a[i]->it.ops = &array_ops;
		a[i]->it.top = &a[i]->it;
		a[i]->it.seqtype = seqtype(1, OP_PUT);
		child[i] = &a[i]->it;
	}
	for (iter_first(it); it->valid; iter_next(it), n++) {
		if (n % run == 0)
			to = rand_below(&r, SOURCES);
		memcpy(a[to]->keys + a[to]->count++ * KEY, it->key.data, KEY);
	}
	iter_free(it);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		n = 0;
		for (int i = 0; i < SOURCES; i++) {
			for (iter_first(child[i]); child[i]->valid; iter_next(child[i]))
				n++;
		}
		best(&alone, start, entries);
		check(n == entries, "sources");
	}
	check(merge_iter_new(env, child, SOURCES, 0, &merge) == SHALE_OK, "merge");
	for (int round = 0; round < ROUNDS; round++)
		walk(merge, &merged, "merge");
	iter_free(merge);
	skiplist_free(s);
	printf("merge of %d, %-12s %6.1f ns an entry, of it %.1f the sources\n", SOURCES, name,
	       merged, alone);
}

int main(int argc, char **argv)
{
	static const char *const name[] = { "random", "user%012d", "in order" };

	if (argc > 1)
		entries = strtoull(argv[1], NULL, 10);
	check(entries > 0, "number of entries");
	keys = malloc(entries * KEY);
	asked = malloc(entries * KEY);
	check(keys != NULL && asked != NULL, "memory");
	memset(value, 'v', sizeof(value));
	printf("%zu entries, keys of %d bytes, values of %d; ns an operation\n", entries, KEY,
	       VALUE);
	printf("%-12s %8s %8s %8s %8s %14s %8s\n", "keys", "put", "get", "next", "bytes",
	       "skip list put", "get");
	for (int kind = RANDOM; kind <= DECIMAL_IN_ORDER; kind++) {
		struct figures f = { 0 };

		make_keys((enum kind)kind);
		for (int round = 0; round < ROUNDS; round++)
			measure_memtable(&f);
		measure_list(&f);
		printf("%-12s %8.0f %8.0f %8.0f %8.0f %14.0f %8.0f\n", name[kind], f.put, f.get,
		       f.next, f.bytes, f.list_put, f.list_get);
	}
	make_keys(RANDOM);
	measure_merge("interleaved", 1);
	measure_merge("runs of 8", 8);
	measure_merge("runs of 100", 100);
	free(asked);
	free(keys);
	return 0;
}
