#include "bytes.h"

#include "format/block.h"
#include "format/heads.h"

/* ---- a sorted set of entries, the oracle ---- */

struct entry {
	shale_slice key;
	uint64_t st;
	shale_slice value;
};

struct set {
	struct entry *entries;
	size_t n;
};

/* How keys are drawn. */
struct shape {
	size_t n;
	size_t prefix;    /* shared beginning */
	size_t tail_max;  /* random bytes behind it, at most */
	unsigned symbols; /* values of a byte; few make many equal heads */
	unsigned versions;
	unsigned seq_bits;
	size_t value_max;
};

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return entry_cmp(x->key, x->st, y->key, y->st);
}

static shale_slice set_value(struct rand *r, const struct shape *s, enum op_type type,
			     shale_slice key)
{
	size_t n = rand_below(r, s->value_max + 1);
	uint8_t *p;

	if (type == OP_DELETE)
		n = 0;
	if (type == OP_PUT_TTL)
		n += 8;
	if (type == OP_RANGE_DELETE)
		n = key.size + 1;
	p = malloc(n + 1);
	bytes_random(r, p, n);
	if (type == OP_RANGE_DELETE && key.size != 0)
		memcpy(p, key.data, key.size);
	return slice_from(p, n);
}

static struct set set_new(struct rand *r, const struct shape *s)
{
	struct set set = { calloc(s->n, sizeof(struct entry)), 0 };
	uint64_t base = bytes_number(r, 55);
	uint8_t *prefix = malloc(s->prefix + 1);

	bytes_random(r, prefix, s->prefix);
	while (set.n < s->n) {
		size_t tail = rand_below(r, s->tail_max + 1);
		unsigned versions = 1 + (unsigned)rand_below(r, s->versions);
		uint8_t *key = malloc(s->prefix + tail + 1);

		memcpy(key, prefix, s->prefix);
		for (size_t i = 0; i < tail; i++)
			key[s->prefix + i] =
				(uint8_t)(rand_below(r, s->symbols) *
					  (255 / (s->symbols > 1 ? s->symbols - 1 : 1)));
		for (unsigned v = 0; v < versions && set.n < s->n; v++) {
			struct entry *e = &set.entries[set.n++];
			enum op_type type = (enum op_type)rand_below(r, OP_RANGE_DELETE + 1);

			e->key = slice_from(bytes_copy(key, s->prefix + tail), s->prefix + tail);
			if (type == OP_RANGE_DELETE && e->key.size == SHALE_KEY_MAX)
				type = OP_PUT;
			e->st = seqtype(base + (s->seq_bits != 0
							? rand_next(r) >> (64 - s->seq_bits)
							: 0),
					type);
			e->value = set_value(r, s, type, e->key);
		}
		free(key);
	}
	free(prefix);
	qsort(set.entries, set.n, sizeof(struct entry), entry_order);
	/* One entry of each key, sequence and type. */
	for (size_t i = 1, kept = 1, n = set.n; i < n; i++) {
		if (entry_order(&set.entries[kept - 1], &set.entries[i]) == 0) {
			free((void *)set.entries[i].key.data);
			free((void *)set.entries[i].value.data);
		} else {
			set.entries[kept++] = set.entries[i];
		}
		set.n = kept;
	}
	return set;
}

static void set_free(struct set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((void *)s->entries[i].key.data);
		free((void *)s->entries[i].value.data);
	}
	free(s->entries);
}

static size_t set_bound(const struct set *s, shale_slice key, bool upper)
{
	size_t i = 0;

	while (i < s->n && slice_cmp(s->entries[i].key, key) < (upper ? 1 : 0))
		i++;
	return i;
}

/* The block of a set in a buffer that ends where it ends. */
static uint8_t *block_new(const struct set *s, size_t *size)
{
	struct block_builder b;
	struct buf out;
	uint8_t *raw;

	block_builder_init(&b, &heap_env);
	buf_init(&out, &heap_env);
	for (size_t i = 0; i < s->n; i++) {
		block_builder_add(&b, s->entries[i].key, s->entries[i].st, s->entries[i].value);
		assert_same(block_builder_last_key(&b), s->entries[i].key);
	}
	assert_ok(block_builder_finish(&b, &out));
	assert_true(out.size <= block_builder_size(&b));
	assert_true(block_builder_size(&b) <= out.size + 16 * s->n);
	*size = out.size;
	raw = bytes_copy(out.data, out.size);
	block_builder_fini(&b);
	buf_fini(&out);
	return raw;
}

static void assert_entries(const struct block *b, const struct set *s)
{
	static uint8_t key[SHALE_KEY_MAX];

	assert_int_equal(b->count, s->n);
	for (size_t i = 0; i < s->n; i++) {
		size_t size = block_key_size(b, i);

		assert_true(size <= sizeof(key));
		block_key_copy(b, i, key);
		assert_same(slice_from(key, size), s->entries[i].key);
		assert_true(block_key_equals(b, i, s->entries[i].key));
		assert_true(block_seqtype(b, i) == s->entries[i].st);
		assert_same(block_value(b, i), s->entries[i].value);
	}
}

/* However it is found: by way of a sample or not, at once or in two steps. */
static void assert_steps(const struct block *b, shale_slice key, size_t lower)
{
	uint64_t *sample = calloc(heads_samples(b->count) + 1, sizeof(*sample));

	heads_sample(b->heads, b->count, sample);
	assert_int_equal(block_lower_bound_sampled(b, sample, key), lower);
	assert_int_equal(block_lower_bound_from(b, block_sample_bound(b, sample, key), key), lower);
	assert_int_equal(block_lower_bound_at(b, block_head_bound(b, key), key), lower);
	free(sample);
}

static void assert_bounds(const struct block *b, const struct set *s, shale_slice key)
{
	size_t lower = block_lower_bound(b, key), upper = block_upper_bound(b, key);

	assert_int_equal(lower, set_bound(s, key, false));
	assert_steps(b, key, lower);
	assert_int_equal(upper, set_bound(s, key, true));
	for (size_t i = 0; i < s->n && i < 8; i++)
		assert_int_equal(block_key_equals(b, i, key), slice_eq(s->entries[i].key, key));
}

/* Every key of the set, and its neighbours: shorter, longer, one bit or byte off. */
static void assert_searches(struct rand *r, const struct block *b, const struct set *s)
{
	static uint8_t near[SHALE_KEY_MAX + 1];

	assert_bounds(b, s, slice_from("", 0));
	assert_bounds(b, s, slice_from("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9));
	for (size_t i = 0; i < s->n; i++) {
		shale_slice key = s->entries[i].key;

		assert_bounds(b, s, key);
		if (key.size != 0)
			memcpy(near, key.data, key.size);
		near[key.size] = 0;
		if (key.size < SHALE_KEY_MAX)
			assert_bounds(b, s, slice_from(near, key.size + 1));
		if (key.size == 0)
			continue;
		assert_bounds(b, s, slice_from(near, key.size - 1));
		assert_bounds(b, s, slice_from(near, rand_below(r, key.size)));
		near[key.size - 1]++;
		assert_bounds(b, s, slice_from(near, key.size));
		near[rand_below(r, key.size)] ^= (uint8_t)(1u << rand_below(r, 8));
		assert_bounds(b, s, slice_from(near, key.size));
	}
}

/* Shapes small and large; the first ones also serve the hostile tests. */
static const struct shape shapes[] = {
	{ 1, 0, 0, 1, 1, 0, 0 },         /* the empty key alone */
	{ 1, 70, 20, 256, 1, 8, 30 },    /* one entry: the key is the prefix */
	{ 40, 12, 10, 256, 1, 8, 60 },   /* the usual */
	{ 40, 12, 10, 3, 3, 16, 60 },    /* many equal heads, several versions */
	{ 30, 0, 20, 2, 2, 32, 10 },     /* zeros in keys: padding against data */
	{ 25, 3, 5, 2, 6, 50, 0 },       /* keys shorter than prefix + 8 */
	{ 20, 30, 0, 1, 20, 40, 9 },     /* one key, its versions */
	{ 300, 5, 30, 2, 2, 20, 10 },    /* long runs of one head */
	{ 600, 8, 8, 256, 1, 0, 300 },   /* value ends over 64 KiB */
	{ 12, 65500, 36, 256, 1, 9, 9 }, /* 64 KiB keys */
	{ 9, 0, 65536, 256, 1, 9, 9 },   /* rest ends over 64 KiB */
	{ 5, 4, 20, 256, 1, 4, 900000 }, /* big values */
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), SMALL_SHAPES = 8 };

static void reads_back_and_searches_as_a_linear_scan(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < SHAPES; i++) {
		for (uint64_t round = i < SMALL_SHAPES - 1 ? test_scale(30) : 1; round > 0;
		     round--) {
			struct set s = set_new(&r, &shapes[i]);
			struct block b;
			size_t size;
			uint8_t *raw = block_new(&s, &size);

			assert_ok(block_parse(raw, size, &b));
			assert_entries(&b, &s);
			assert_searches(&r, &b, &s);
			free(raw);
			set_free(&s);
		}
	}
}

static void the_estimate_is_exact_for_keys_of_one_length(void **state)
{
	struct block_builder b;
	struct buf out;

	(void)state;
	block_builder_init(&b, &heap_env);
	buf_init(&out, &heap_env);
	for (unsigned i = 0; i < 100; i++) {
		char key[32];

		snprintf(key, sizeof(key), "customer/%012u", i);
		block_builder_add(&b, bytes_str(key), seqtype(1000 + i, OP_PUT),
				  bytes_str("value"));
	}
	assert_ok(block_builder_finish(&b, &out));
	assert_int_equal(block_builder_size(&b), out.size);
	block_builder_fini(&b);
	buf_fini(&out);
}

static void a_builder_starts_again_after_a_reset(void **state)
{
	struct block_builder b;
	struct buf out;
	struct block block;
	uint8_t *big = calloc(1, 20 << 20), *raw;

	(void)state;
	block_builder_init(&b, &heap_env);
	buf_init(&out, &heap_env);
	block_builder_add(&b, bytes_str("a"), seqtype(9, OP_PUT), slice_from(big, 20 << 20));
	assert_ok(block_builder_finish(&b, &out));
	block_builder_reset(&b);
	assert_int_equal(b.count, 0);
	assert_true(b.values.capacity < 9 << 20);
	buf_reset(&out);
	block_builder_add(&b, bytes_str("key"), seqtype(3, OP_PUT), bytes_str("value"));
	assert_ok(block_builder_finish(&b, &out));
	raw = bytes_copy(out.data, out.size);
	assert_ok(block_parse(raw, out.size, &block));
	assert_int_equal(block.count, 1);
	assert_slice(block_value(&block, 0), "value");
	free(raw);
	block_builder_fini(&b);
	buf_fini(&out);
	free(big);
}

static void a_heap_that_fails_shows_at_the_end(void **state)
{
	(void)state;
	for (uint64_t left = 0; left < 12; left++) {
		struct block_builder b;
		struct buf out;
		shale_status rc;

		heap_left = left;
		block_builder_init(&b, &heap_env);
		buf_init(&out, &heap_env);
		for (unsigned i = 0; i < 300; i++) {
			char key[16];

			snprintf(key, sizeof(key), "%08u", i);
			block_builder_add(&b, bytes_str(key), seqtype(i, OP_PUT), bytes_str(key));
			(void)block_builder_size(&b);
			(void)block_builder_last_key(&b);
		}
		rc = block_builder_finish(&b, &out);
		heap_left = UINT64_MAX;
		assert_status(rc, SHALE_NO_MEMORY);
		block_builder_fini(&b);
		buf_fini(&out);
	}
}

/* ---- damage ---- */

/* Whatever passes the check must be safe to read and consistent with its own order. */
static void use(const struct block *b, shale_slice probe)
{
	static uint8_t last[SHALE_KEY_MAX], key[SHALE_KEY_MAX];
	size_t last_size = 0, lower = block_lower_bound(b, probe),
	       upper = block_upper_bound(b, probe);
	uint64_t sum = 0;

	assert_true(lower <= upper && upper <= b->count);
	for (size_t i = 0; i < b->count; i++) {
		size_t size = block_key_size(b, i);
		shale_slice value = block_value(b, i);

		assert_true(size <= sizeof(key));
		block_key_copy(b, i, key);
		if (i != 0)
			assert_true(entry_cmp(slice_from(last, last_size), block_seqtype(b, i - 1),
					      slice_from(key, size), block_seqtype(b, i)) <= 0);
		assert_true(block_lower_bound(b, slice_from(key, size)) <= i);
		assert_true(block_upper_bound(b, slice_from(key, size)) > i);
		assert_true((i >= lower) == (slice_cmp(slice_from(key, size), probe) >= 0));
		assert_true(seqtype_type(block_seqtype(b, i)) <= OP_RANGE_DELETE);
		for (size_t j = 0; j < value.size; j++)
			sum += ((const uint8_t *)value.data)[j];
		memcpy(last, key, size);
		last_size = size;
	}
	assert_true(sum <= 255 * b->raw_size * b->count);
}

static void survives_flipped_bytes(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < SMALL_SHAPES - 1; i++) {
		struct set s = set_new(&r, &shapes[i]);
		struct block b;
		size_t size;
		uint8_t *raw = block_new(&s, &size);

		for (size_t at = 0; at < size; at++) {
			uint8_t was = raw[at];

			for (int k = 0; k < 3; k++) {
				raw[at] = k == 0   ? was ^ 1
					  : k == 1 ? was ^ 0x80
						   : (uint8_t)rand_next(&r);
				if (block_parse(raw, size, &b) == SHALE_OK)
					use(&b, s.entries[rand_below(&r, s.n)].key);
			}
			raw[at] = was;
		}
		assert_ok(block_parse(raw, size, &b));
		free(raw);
		set_free(&s);
	}
}

static void refuses_cut_blocks(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < SMALL_SHAPES - 1; i++) {
		struct set s = set_new(&r, &shapes[i]);
		struct block b;
		size_t size;
		uint8_t *raw = block_new(&s, &size), *longer;

		for (size_t n = 0; n < size; n++) {
			uint8_t *cut = bytes_copy(raw, n);

			assert_status(block_parse(cut, n, &b), SHALE_CORRUPT);
			free(cut);
		}
		longer = calloc(1, size + 1);
		memcpy(longer, raw, size);
		assert_status(block_parse(longer, size + 1, &b), SHALE_CORRUPT);
		free(longer);
		free(raw);
		set_free(&s);
	}
}

static void survives_random_bytes(void **state)
{
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (uint64_t round = test_scale(100000); round > 0; round--) {
		size_t n = 16 + rand_below(&r, 80);
		uint8_t bytes[96], *copy;
		struct block b;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)(rand_below(&r, 3) ? 0 : bytes_number(&r, 8));
		/* A header that is nearly believable, or nothing gets past it. */
		put_u32le(bytes, (uint32_t)rand_below(&r, 4));
		put_u16le(bytes + 4, (uint16_t)rand_below(&r, 4));
		bytes[6] = (uint8_t)rand_below(&r, 4);
		bytes[7] = (uint8_t)rand_below(&r, 4);
		copy = bytes_copy(bytes, n);
		if (block_parse(copy, n, &b) == SHALE_OK)
			use(&b, slice_from(bytes, rand_below(&r, 12)));
		free(copy);
	}
}

/* A block of two entries by hand, to be damaged with aim. */
struct pair {
	uint8_t raw[128];
	size_t size;
};

static struct pair pair_new(shale_slice a, uint64_t a_st, shale_slice b, uint64_t b_st)
{
	struct block_builder builder;
	struct pair p;
	struct buf out;

	block_builder_init(&builder, &heap_env);
	buf_init(&out, &heap_env);
	block_builder_add(&builder, a, a_st, bytes_str("12345678"));
	block_builder_add(&builder, b, b_st, bytes_str("12345678"));
	assert_ok(block_builder_finish(&builder, &out));
	assert_true(out.size <= sizeof(p.raw));
	memcpy(p.raw, out.data, out.size);
	p.size = out.size;
	block_builder_fini(&builder);
	buf_fini(&out);
	return p;
}

static void assert_pair_refused(const struct pair *p)
{
	uint8_t *raw = bytes_copy(p->raw, p->size);
	struct block b;

	assert_status(block_parse(raw, p->size, &b), SHALE_CORRUPT);
	free(raw);
}

static void refuses_what_would_mislead_a_search(void **state)
{
	enum {
		HEADS = 16,
		TYPES = 32,
		HEAD_SIZES = 34,
		SEQS = 36,
		REST_ENDS = 40,
		VALUE_ENDS = 44,
	};
	struct pair p, good = pair_new(bytes_str("a"), seqtype(5, OP_PUT), bytes_str("b"),
				       seqtype(6, OP_PUT));

	(void)state;
	p = good; /* keys the wrong way round */
	memcpy(p.raw + HEADS, good.raw + HEADS + 8, 8);
	memcpy(p.raw + HEADS + 8, good.raw + HEADS, 8);
	assert_pair_refused(&p);
	p = good; /* bytes in the padding of a head */
	p.raw[HEADS] = 1;
	assert_pair_refused(&p);
	p = good; /* a head of nine bytes */
	p.raw[HEAD_SIZES] = 9;
	assert_pair_refused(&p);
	p = good; /* a short head with a rest behind it */
	put_u16le(p.raw + REST_ENDS + 2, 1);
	put_u16le(p.raw + VALUE_ENDS + 2, 15);
	assert_pair_refused(&p);
	p = good; /* an expiry of seven bytes */
	p.raw[TYPES] = OP_PUT_TTL;
	put_u16le(p.raw + VALUE_ENDS, 7);
	assert_pair_refused(&p);
	p = good; /* a type that is not written */
	p.raw[TYPES] = OP_MERGE;
	assert_pair_refused(&p);
	p = good; /* a range whose end ("12345678") lies before its start */
	p.raw[TYPES] = OP_RANGE_DELETE;
	assert_pair_refused(&p);
	p = good; /* sequence numbers beyond 56 bits */
	put_u64le(p.raw + 8, SEQ_MAX);
	assert_pair_refused(&p);
	put_u64le(p.raw + 8, UINT64_MAX);
	assert_pair_refused(&p);

	/* One key: the older version first, and the same version twice. */
	good = pair_new(bytes_str("a"), seqtype(6, OP_PUT), bytes_str("a"), seqtype(5, OP_PUT));
	p = good;
	p.raw[SEQS] = 0;
	p.raw[SEQS + 1] = 1;
	assert_pair_refused(&p);
	p = good;
	p.raw[SEQS + 1] = 1;
	assert_pair_refused(&p);
}

static void refuses_a_key_over_its_limit(void **state)
{
	char *key = calloc(1, SHALE_KEY_MAX + 1);

	(void)state;
	for (size_t size = SHALE_KEY_MAX; size <= SHALE_KEY_MAX + 1; size++) {
		struct block_builder builder;
		struct block b;
		struct buf out;

		block_builder_init(&builder, &heap_env);
		buf_init(&out, &heap_env);
		block_builder_add(&builder, slice_from(key, size), seqtype(1, OP_PUT),
				  bytes_str("v"));
		assert_ok(block_builder_finish(&builder, &out));
		assert_status(block_parse(out.data, out.size, &b),
			      size <= SHALE_KEY_MAX ? SHALE_OK : SHALE_CORRUPT);
		block_builder_fini(&builder);
		buf_fini(&out);
	}
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_and_searches_as_a_linear_scan),
		cmocka_unit_test(the_estimate_is_exact_for_keys_of_one_length),
		cmocka_unit_test(a_builder_starts_again_after_a_reset),
		cmocka_unit_test(a_heap_that_fails_shows_at_the_end),
		cmocka_unit_test(survives_flipped_bytes),
		cmocka_unit_test(refuses_cut_blocks),
		cmocka_unit_test(survives_random_bytes),
		cmocka_unit_test(refuses_what_would_mislead_a_search),
		cmocka_unit_test(refuses_a_key_over_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
