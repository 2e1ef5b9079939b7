/*
 * A store on a simulated disk with all that a table needs, and an oracle: the
 * entries as a sorted array, with answers found by walking it.
 */
#ifndef TESTS_TABLE_FIXTURE_H
#define TESTS_TABLE_FIXTURE_H

#include "support/test.h"

#include "base/hash.h"
#include "base/rand.h"
#include "env/sim.h"
#include "table/table.h"

struct fixture {
	shale_env env;
	struct sim_fs *fs;
	struct sim_heap *heap;
	struct store *store;
	struct budget budget;
	struct stats stats;
	struct table_env te;
};

static inline void fixture_cache(struct fixture *x, uint64_t capacity)
{
	cache_free(x->te.cache);
	x->te.cache = NULL;
	assert_ok(cache_new(&x->env, capacity, 4096, &x->budget, &x->te.cache));
}

static inline void fixture_init(struct fixture *x, uint64_t seed, uint64_t cache_bytes)
{
	memset(x, 0, sizeof(*x));
	x->env = *shale_env_default();
	x->fs = sim_fs_new(seed);
	x->env.fs.self = x->fs;
	x->env.fs.ops = sim_fs_ops();
	x->heap = sim_heap_new();
	x->env.allocator.self = x->heap;
	x->env.allocator.ops = sim_heap_ops();
	assert_ok(store_open(&x->env, "db", &(struct store_options){ .create = true }, &x->store));
	x->te = (struct table_env){
		.env = &x->env, .store = x->store, .budget = &x->budget, .stats = &x->stats
	};
	fixture_cache(x, cache_bytes);
}

/* Nothing may be left: no memory, nothing charged to tables. */
static inline void fixture_fini(struct fixture *x)
{
	cache_free(x->te.cache);
	assert_int_equal(budget_all(&x->budget), 0);
	store_close(x->store);
	assert_int_equal(sim_heap_live(x->heap), 0);
	sim_heap_free(x->heap);
	sim_fs_free(x->fs);
}

static inline const char *fixture_path(uint64_t number)
{
	static char path[64];

	snprintf(path, sizeof(path), "db/%s", object_name(OBJECT_TABLE, number).text);
	return path;
}

struct entry {
	uint8_t *key, *value;
	size_t key_size, value_size;
	uint64_t st;
};

struct oracle {
	struct entry *e;
	size_t count, capacity;
};

static inline shale_slice entry_key(const struct entry *e)
{
	return slice_from(e->key, e->key_size);
}

static inline shale_slice entry_stored(const struct entry *e)
{
	return slice_from(e->value, e->value_size);
}

static inline void oracle_put(struct oracle *o, shale_slice key, uint64_t st, shale_slice value)
{
	struct entry *e;

	if (o->count == o->capacity) {
		o->capacity = o->capacity ? o->capacity * 2 : 64;
		o->e = realloc(o->e, o->capacity * sizeof(*o->e));
	}
	e = &o->e[o->count++];
	*e = (struct entry){ malloc(key.size + 1), malloc(value.size + 1), key.size, value.size,
			     st };
	memcpy(e->key, key.data, key.size);
	memcpy(e->value, value.data, value.size);
}

static inline int entry_order(const void *a, const void *b)
{
	const struct entry *p = a, *q = b;

	return entry_cmp(entry_key(p), p->st, entry_key(q), q->st);
}

/* Sort, and drop what occurs twice. */
static inline void oracle_sort(struct oracle *o)
{
	size_t n = 0;

	qsort(o->e, o->count, sizeof(*o->e), entry_order);
	for (size_t i = 0; i < o->count; i++) {
		if (n != 0 && entry_order(&o->e[n - 1], &o->e[i]) == 0) {
			free(o->e[i].key);
			free(o->e[i].value);
		} else {
			o->e[n++] = o->e[i];
		}
	}
	o->count = n;
}

static inline void oracle_fini(struct oracle *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->e[i].key);
		free(o->e[i].value);
	}
	free(o->e);
	*o = (struct oracle){ 0 };
}

/* First entry with a key >= key (after: > key). */
static inline size_t oracle_bound(const struct oracle *o, shale_slice key, bool after)
{
	size_t i = 0, n = o->count;

	while (i < n) {
		size_t mid = i + (n - i) / 2;
		int c = slice_cmp(entry_key(&o->e[mid]), key);

		if (c < 0 || (after && c == 0))
			i = mid + 1;
		else
			n = mid;
	}
	return i;
}

enum key_shape { KEYS_BINARY, KEYS_PADDED, KEYS_NESTED, KEY_SHAPES };

/* A key of the given shape into out[64]. */
static inline size_t random_key(struct rand *r, enum key_shape shape, uint8_t *out)
{
	size_t n;

	switch (shape) {
	case KEYS_BINARY:
		n = rand_below(r, 24);
		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)(rand_below(r, 4) == 0 ? 0xff * rand_below(r, 2)
								 : rand_next(r));
		return n;
	case KEYS_PADDED:
		return (size_t)snprintf((char *)out, 64, "user%012u",
					(unsigned)rand_below(r, 100000));
	default:
		/* Prefixes of each other, with zeros: heads that tie. */
		n = 30 + rand_below(r, 20);
		memset(out, 'p', 30);
		for (size_t i = 30; i < n; i++)
			out[i] = (uint8_t)rand_below(r, 2);
		return n;
	}
}

static inline uint64_t random_st(struct rand *r, uint64_t seq_max)
{
	static const enum op_type types[] = { OP_PUT, OP_PUT, OP_PUT, OP_PUT_TTL, OP_DELETE };

	return seqtype(1 + rand_below(r, seq_max), types[rand_below(r, 5)]);
}

/* About n entries, some keys with many versions. */
static inline void oracle_fill(struct oracle *o, struct rand *r, size_t n, enum key_shape shape,
			       uint64_t seq_max, size_t value_max)
{
	uint8_t *value = malloc(value_max + 8);
	uint8_t key[64];

	while (o->count < n) {
		size_t size = random_key(r, shape, key);
		size_t versions =
			rand_below(r, 40) == 0 ? 1 + rand_below(r, 60) : 1 + rand_below(r, 2);

		while (versions--) {
			size_t length = rand_below(r, 50) == 0 ? value_max
							       : rand_below(r, 1 + value_max / 8);
			uint64_t st = random_st(r, seq_max);
			uint8_t fill = (uint8_t)rand_next(r);

			if (seqtype_type(st) == OP_PUT_TTL && length < 8)
				length = 8;
			for (size_t i = 0; i < length; i++)
				value[i] = (uint8_t)(fill + (i & 3) * (i % 7 == 0));
			oracle_put(o, slice_from(key, size), st,
				   slice_from(value, seqtype_type(st) == OP_DELETE ? 0 : length));
		}
	}
	free(value);
	oracle_sort(o);
	/* One sequence number makes one version of a key. */
	for (size_t i = 1; i < o->count; i++)
		if (slice_eq(entry_key(&o->e[i - 1]), entry_key(&o->e[i])) &&
		    seqtype_seq(o->e[i - 1].st) == seqtype_seq(o->e[i].st)) {
			free(o->e[i].key);
			free(o->e[i].value);
			memmove(&o->e[i], &o->e[i + 1], (o->count - i - 1) * sizeof(*o->e));
			o->count--;
			i--;
		}
}

static inline const struct table_build_options *build_options(uint32_t compression,
							      uint32_t block_bytes)
{
	static struct table_build_options o;

	o = (struct table_build_options){ compression, block_bytes, 10, 77, NULL };
	return &o;
}

static inline shale_status oracle_add_to(const struct oracle *o, struct table_builder *b)
{
	shale_status rc = SHALE_OK;

	for (size_t i = 0; rc >= 0 && i < o->count; i++) {
		const struct entry *e = &o->e[i];

		rc = table_builder_add(b, entry_key(e), hash_key(entry_key(e)), e->st,
				       entry_stored(e));
	}
	return rc;
}

static inline struct table_built oracle_build(const struct oracle *o, struct fixture *x,
					      uint64_t number, const struct table_build_options *bo)
{
	struct table_builder *b = NULL;
	struct table_built built;

	assert_ok(table_builder_new(&x->te, number, bo, &b));
	assert_ok(oracle_add_to(o, b));
	assert_int_equal(table_builder_entries(b), o->count);
	assert_ok(table_builder_finish(b, &built));
	assert_int_equal(built.number, number);
	return built;
}

static inline void assert_entry(const struct iter *it, const struct entry *e)
{
	assert_int_equal(it->status, SHALE_OK);
	assert_true(it->valid);
	assert_true(slice_eq(iter_key(it), entry_key(e)));
	assert_true(iter_seqtype(it) == e->st);
	assert_true(slice_eq(iter_value(it), entry_stored(e)));
}

/* The iterator stands where the oracle says; `at` == count or SIZE_MAX: nowhere. */
static inline void assert_at(const struct iter *it, const struct oracle *o, size_t at)
{
	if (at < o->count) {
		assert_entry(it, &o->e[at]);
	} else {
		assert_int_equal(it->status, SHALE_OK);
		assert_false(it->valid);
	}
}

/* All forwards, all backwards, then a random walk. */
static inline void assert_iterates(struct iter *it, const struct oracle *o, struct rand *r,
				   enum key_shape shape, size_t steps)
{
	size_t at = 0;

	for (iter_first(it); it->valid; iter_next(it))
		assert_at(it, o, at++);
	assert_int_equal(it->status, SHALE_OK);
	assert_int_equal(at, o->count);
	for (iter_last(it); it->valid; iter_prev(it))
		assert_at(it, o, --at);
	assert_int_equal(it->status, SHALE_OK);
	assert_int_equal(at, 0);

	for (at = SIZE_MAX; steps > 0; steps--) {
		uint8_t key[64];
		size_t size = random_key(r, shape, key);
		shale_slice k = slice_from(key, size);
		unsigned what = (unsigned)rand_below(r, 10);

		if (rand_below(r, 2) != 0)
			k = entry_key(&o->e[rand_below(r, o->count)]);
		if (what < 4 && at < o->count) {
			iter_next(it);
			at++;
		} else if (what < 8 && at < o->count) {
			iter_prev(it);
			at--;
		} else if (what == 8) {
			iter_seek(it, k);
			at = oracle_bound(o, k, false);
		} else {
			iter_seek_prev(it, k);
			at = oracle_bound(o, k, true) - 1;
		}
		assert_at(it, o, at);
	}
}

#endif
