/* The memtable by one thread, against a skip list. */
#include "support/test.h"

#include <sys/mman.h>

#include "base/hash.h"
#include "base/rand.h"
#include "memtable/impl.h"
#include "memtable/memtable.h"
#include "support/failing_heap.h"
#include "support/skiplist.h"

static struct memtable *memtable_make(void)
{
	struct memtable *m = NULL;

	assert_ok(memtable_new(shale_env_default(), &m));
	return m;
}

static shale_slice text(const char *s)
{
	return slice_from(s, strlen(s));
}

/* ---- kinds of keys ------------------------------------------------------ */

enum kind { BYTES, FEW_BYTES, DECIMAL, LONG_PREFIX, PREFIXES, NESTED, KINDS };

/* A random key of a kind; `buf` has room for 300 bytes. */
static shale_slice key_make(struct rand *r, enum kind kind, uint8_t *buf)
{
	size_t n = 0;

	switch (kind) {
	case BYTES:
		n = rand_below(r, 24);
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)rand_next(r);
		break;
	case FEW_BYTES: /* many are prefixes of each other; zeros and 0xff at the end count */
		n = rand_below(r, 12);
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t[]){ 0x00, 0x00, 0xff, 0x01 }[rand_below(r, 4)];
		break;
	case DECIMAL:
		n = (size_t)sprintf((char *)buf, "user%012u", (unsigned)rand_below(r, 6000));
		break;
	case LONG_PREFIX:
		n = 200;
		memset(buf, 'p', n);
		n += (size_t)sprintf((char *)buf + n, "%u", (unsigned)rand_below(r, 4000));
		break;
	case PREFIXES: /* each a prefix of the longer ones */
		n = rand_below(r, 300);
		memset(buf, 0, n);
		break;
	case NESTED: /* prefixes of several lengths, so that nodes change theirs */
		n = 3 * rand_below(r, 12);
		memset(buf, 'x', n);
		n += (size_t)sprintf((char *)buf + n, "%04u", (unsigned)rand_below(r, 300));
		break;
	case KINDS:
		break;
	}
	return slice_from(buf, n);
}

/* ---- comparison with the oracle ----------------------------------------- */

static void assert_same_place(const struct iter *got, const struct iter *want)
{
	assert_int_equal(got->valid, want->valid);
	assert_int_equal(got->status, SHALE_OK);
	if (!want->valid)
		return;
	assert_true(slice_eq(got->key, want->key));
	assert_true(got->seqtype == want->seqtype);
	assert_true(slice_eq(got->value, want->value));
}

static void assert_same_walks(struct memtable *m, struct skiplist *s, uint64_t limit, bool newest)
{
	struct iter *got, *want = skiplist_iter(s, limit, newest);

	assert_ok(memtable_iter_new(m, limit, newest, &got));
	iter_first(got);
	for (iter_first(want); want->valid; iter_next(want), iter_next(got))
		assert_same_place(got, want);
	assert_same_place(got, want);
	iter_last(got);
	for (iter_last(want); want->valid; iter_prev(want), iter_prev(got))
		assert_same_place(got, want);
	assert_same_place(got, want);
	iter_free(got);
	iter_free(want);
}

/* Before a seek: all steps, or none. */
static void aim_some(struct iter *it, shale_slice key, struct rand *r)
{
	if (rand_below(r, 2) == 0)
		return;
	for (unsigned step = 0; step < ITER_AIM_STEPS; step++)
		iter_aim(it, key, step);
}

static void random_moves(struct memtable *m, struct skiplist *s, struct rand *r, enum kind kind,
			 uint64_t limit, bool newest)
{
	struct iter *got, *want = skiplist_iter(s, limit, newest);
	uint8_t buf[300];

	assert_ok(memtable_iter_new(m, limit, newest, &got));
	for (int i = 0; i < 3000; i++) {
		shale_slice key = key_make(r, kind, buf);
		uint64_t move = rand_below(r, 40);

		if (move == 0) {
			iter_first(got);
			iter_first(want);
		} else if (move == 1) {
			iter_last(got);
			iter_last(want);
		} else if (move < 4 || !want->valid) {
			aim_some(got, key, r);
			iter_seek(got, key);
			iter_seek(want, key);
		} else if (move < 6) {
			aim_some(got, key, r);
			iter_seek_prev(got, key);
			iter_seek_prev(want, key);
		} else if (move < 23) {
			iter_next(got);
			iter_next(want);
		} else {
			iter_prev(got);
			iter_prev(want);
		}
		assert_same_place(got, want);
	}
	iter_free(got);
	iter_free(want);
}

static void agrees_with_a_skip_list_on_random_operations(void **state)
{
	uint64_t seed = test_seed(), st;
	size_t n = test_scale(3000);
	uint8_t buf[300], probe[300];
	shale_slice value;
	struct rand r;

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct memtable *m = memtable_make();
		struct skiplist *s = skiplist_new();

		rand_seed(&r, seed + (uint64_t)kind);
		for (size_t i = 0; i < n; i++) {
			shale_slice key = key_make(&r, (enum kind)kind, buf);
			/* Sequences neither rise nor are without gaps. */
			uint64_t seq = (i ^ 5) * 3 + 1;
			uint64_t limit = rand_below(&r, 3 * n);
			struct skip_node *want;

			value = slice_from(&i, 1 + i % sizeof(i));
			assert_true(skiplist_add(s, key, seqtype(seq, OP_PUT), value));
			assert_ok(memtable_add(m, seq, OP_PUT, key, value, NULL));
			if (rand_below(&r, 2) == 0)
				key = key_make(&r, (enum kind)kind, probe);
			want = skiplist_get(s, key, limit);
			assert_true(want == NULL || memtable_may_have(m, hash_key(key)));
			assert_int_equal(memtable_get(m, key, limit, &st, &value), want != NULL);
			if (want != NULL) {
				assert_true(st == want->seqtype);
				assert_true(slice_eq(value, want->value));
			}
		}
		memtree_check(&m->tree);
		assert_int_equal(memtable_count(m), n);
		for (int newest = 0; newest <= 1; newest++) {
			assert_same_walks(m, s, SEQ_MAX, newest);
			assert_same_walks(m, s, n, newest);
			assert_same_walks(m, s, 0, newest);
			random_moves(m, s, &r, (enum kind)kind, SEQ_MAX, newest);
			random_moves(m, s, &r, (enum kind)kind, n, newest);
		}
		skiplist_free(s);
		memtable_unref(m);
	}
}

static void an_aim_may_be_older_than_many_inserts(void **state)
{
	enum { AHEAD = 300 };
	static uint8_t keys[AHEAD][300];
	struct memtree_aim aims[AHEAD];
	uint64_t seed = test_seed(), seq = 0;
	struct rand r;

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct memtable *m = memtable_make();
		struct skiplist *s = skiplist_new();

		rand_seed(&r, seed + (uint64_t)kind);
		for (int round = 0; round < 20; round++) {
			size_t ahead = 1 + rand_below(&r, AHEAD);
			shale_slice key[AHEAD];

			for (size_t i = 0; i < ahead; i++) {
				key[i] = key_make(&r, (enum kind)kind, keys[i]);
				memtable_aim(m, key[i], &aims[i]);
			}
			/* The second step may be left out, or come late. */
			for (size_t i = 0; i < ahead && round % 3 == 0; i++)
				memtable_aim_closer(m, key[i], &aims[i]);
			for (size_t i = 0; i < ahead; i++) {
				shale_slice value = slice_from(&seq, sizeof(seq));

				seq++;
				if (round % 3 == 1)
					memtable_aim_closer(m, key[i], &aims[i]);
				assert_true(skiplist_add(s, key[i], seqtype(seq, OP_PUT), value));
				assert_ok(memtable_add(m, seq, OP_PUT, key[i], value, &aims[i]));
			}
			memtree_check(&m->tree);
		}
		assert_same_walks(m, s, SEQ_MAX, false);
		skiplist_free(s);
		memtable_unref(m);
	}
}

/* Leaves and inner nodes split between the steps of a seek's aim. */
static void a_seek_finds_its_place_though_nodes_split_since_it_aimed(void **state)
{
	struct memtable *m = memtable_make();
	uint64_t seq = 0;
	struct iter *it;
	struct rand r;
	char want[24], text_of[24];

	(void)state;
	rand_seed(&r, test_seed());
	for (unsigned round = 0; round < 300; round++) {
		unsigned aim = (unsigned)rand_below(&r, 100000) * 2;
		size_t n = (size_t)sprintf(want, "key%08u", aim);

		assert_ok(memtable_add(m, ++seq, OP_PUT, slice_from(want, n), text("v"), NULL));
		assert_ok(memtable_iter_new(m, SEQ_MAX, true, &it));
		for (unsigned step = 0; step < ITER_AIM_STEPS; step++) {
			iter_aim(it, slice_from(want, n), step);
			/* All around it, and never the same. */
			for (unsigned i = 0; i < 40; i++) {
				unsigned odd = 2 * (aim / 2 + (unsigned)rand_below(&r, 500)) + 1;

				sprintf(text_of, "key%08u", odd);
				assert_ok(memtable_add(m, ++seq, OP_PUT, text(text_of), text("w"),
						       NULL));
			}
		}
		if (round % 2 == 0)
			iter_seek(it, slice_from(want, n));
		else
			iter_seek_prev(it, slice_from(want, n));
		assert_true(it->valid && slice_eq(it->key, slice_from(want, n)));
		iter_free(it);
	}
	memtree_check(&m->tree);
	memtable_unref(m);
}

/* As commits do. */
static void groups_of_aims_build_a_sound_tree(void **state)
{
	enum { GROUP = 8, GROUPS = 4000 };
	struct memtable *m = memtable_make();
	uint64_t seed = test_seed(), seq = 0;
	struct rand r;

	(void)state;
	rand_seed(&r, seed);
	for (int group = 0; group < GROUPS; group++) {
		struct memtree_aim aims[GROUP];
		uint64_t keys[GROUP];

		for (int i = 0; i < GROUP; i++) {
			keys[i] = rand_next(&r);
			memtable_aim(m, slice_from(&keys[i], 8), &aims[i]);
		}
		for (int i = 0; i < GROUP; i++)
			memtable_aim_closer(m, slice_from(&keys[i], 8), &aims[i]);
		for (int i = 0; i < GROUP; i++)
			assert_ok(memtable_add(m, ++seq, OP_PUT, slice_from(&keys[i], 8),
					       slice_from(&seq, 8), &aims[i]));
		if (group % 64 == 0)
			memtree_check(&m->tree);
	}
	memtree_check(&m->tree);
	assert_int_equal(memtable_count(m), GROUP * GROUPS);
	memtable_unref(m);
}

static void finds_every_key_of_orderly_loads(void **state)
{
	enum { N = 20000 };
	char buf[32];

	(void)state;
	for (int way = 0; way < 3; way++) {
		struct memtable *m = memtable_make();
		shale_slice value, lo, hi;
		uint64_t st;

		for (unsigned i = 0; i < N; i++) {
			unsigned k = way == 0 ? i : way == 1 ? N - 1 - i : (i * 7919u) % N;

			sprintf(buf, "user%012u", k);
			assert_ok(memtable_add(m, i + 1, OP_PUT, text(buf), text(buf), NULL));
		}
		memtree_check(&m->tree);
		for (unsigned k = 0; k < N; k++) {
			sprintf(buf, "user%012u", k);
			assert_true(memtable_get(m, text(buf), SEQ_MAX, &st, &value));
			assert_slice(value, buf);
			sprintf(buf, "user%011u", k);
			assert_false(memtable_get(m, text(buf), SEQ_MAX, &st, &value));
		}
		assert_true(memtable_bounds(m, &lo, &hi));
		assert_slice(lo, "user000000000000");
		assert_slice(hi, "user000000019999");
		memtable_unref(m);
	}
}

/* ---- single things ------------------------------------------------------ */

static void an_empty_one_has_nothing(void **state)
{
	struct memtable *m = memtable_make();
	struct rangedel *list = NULL;
	size_t count = 0, capacity = 0;
	shale_slice a, b, none = { NULL, 0 };
	struct iter *it;
	uint64_t st;

	(void)state;
	assert_false(memtable_get(m, text("a"), SEQ_MAX, &st, &a));
	assert_false(memtable_bounds(m, &a, &b));
	assert_false(memtable_has_ranges(m));
	assert_int_equal(memtable_range_newest(m, text("a"), SEQ_MAX), 0);
	assert_ok(memtable_ranges(m, SEQ_MAX, none, none, &list, &count, &capacity));
	assert_null(list);
	assert_int_equal(memtable_count(m), 0);
	assert_ok(memtable_iter_new(m, SEQ_MAX, false, &it));
	assert_false(it->valid);
	iter_first(it);
	assert_false(it->valid);
	iter_last(it);
	assert_false(it->valid);
	iter_seek(it, text("a"));
	assert_false(it->valid);
	iter_seek_prev(it, text("a"));
	assert_false(it->valid);
	iter_free(it);
	memtable_unref(m);
}

static void takes_the_empty_key_and_an_empty_value(void **state)
{
	struct memtable *m = memtable_make();
	shale_slice value;
	struct iter *it;
	uint64_t st;

	(void)state;
	assert_ok(memtable_add(m, 2, OP_PUT, text("b"), text("2"), NULL));
	assert_ok(memtable_add(m, 1, OP_PUT, slice_from(NULL, 0), slice_from(NULL, 0), NULL));
	assert_true(memtable_get(m, slice_from("", 0), SEQ_MAX, &st, &value));
	assert_int_equal(value.size, 0);
	assert_ok(memtable_iter_new(m, SEQ_MAX, false, &it));
	iter_seek(it, slice_from(NULL, 0));
	assert_true(it->valid && it->key.size == 0);
	iter_next(it);
	assert_slice(it->key, "b");
	iter_seek_prev(it, slice_from(NULL, 0));
	assert_true(it->valid && it->key.size == 0);
	iter_prev(it);
	assert_false(it->valid);
	iter_free(it);
	memtable_unref(m);
}

static void keeps_versions_in_order_however_they_come(void **state)
{
	static const uint64_t seqs[] = { 50, 10, 90, 30, 70, 20, 80, 40, 60 };
	struct memtable *m = memtable_make();
	uint64_t st, want = 90;
	shale_slice value;
	struct iter *it;

	(void)state;
	for (size_t i = 0; i < 9; i++)
		assert_ok(memtable_add(m, seqs[i], i % 2 ? OP_DELETE : OP_PUT, text("k"),
				       slice_from(NULL, 0), NULL));
	for (uint64_t limit = 0; limit < 100; limit++) {
		uint64_t seen = limit < 10 ? 0 : limit / 10 * 10;

		assert_int_equal(memtable_get(m, text("k"), limit, &st, &value), seen != 0);
		if (seen != 0)
			assert_int_equal(seqtype_seq(st), seen);
	}
	assert_ok(memtable_iter_new(m, SEQ_MAX, false, &it));
	for (iter_first(it); it->valid; iter_next(it), want -= 10)
		assert_int_equal(seqtype_seq(it->seqtype), want);
	assert_int_equal(want, 0);
	iter_free(it);
	memtable_unref(m);
}

static void walks_long_version_chains_both_ways(void **state)
{
	enum { N = 1000 };
	struct memtable *m = memtable_make();
	struct iter *it;
	uint64_t seq = 1;

	(void)state;
	assert_ok(memtable_add(m, N + 1, OP_PUT, text("a"), text(""), NULL));
	for (uint64_t i = 1; i <= N; i++)
		assert_ok(memtable_add(m, i, OP_PUT, text("k"), text(""), NULL));
	assert_ok(memtable_iter_new(m, N + 1, false, &it));
	for (iter_last(it); seq <= N; iter_prev(it), seq++) {
		assert_slice(it->key, "k");
		assert_int_equal(seqtype_seq(it->seqtype), seq);
		if (seq % 100 != 50 || seq == N)
			continue;
		/* Two forth and two back leave it where it was. */
		iter_next(it);
		assert_int_equal(seqtype_seq(it->seqtype), seq - 1);
		iter_next(it);
		iter_prev(it);
		iter_prev(it);
		assert_int_equal(seqtype_seq(it->seqtype), seq);
	}
	assert_slice(it->key, "a");
	iter_free(it);
	memtable_unref(m);
}

static void a_key_that_is_put_again_and_again_is_one_to_the_filter(void **state)
{
	struct memtable *m = memtable_make();

	(void)state;
	for (uint64_t seq = 1; seq <= 50000; seq++)
		assert_ok(memtable_add(m, seq, OP_PUT, text("hot"), text("v"), NULL));
	assert_int_equal(atomic_load(&m->filter.count), 1);
	assert_int_equal(memtable_count(m), 50000);
	memtable_unref(m);
}

static void takes_huge_values(void **state)
{
	size_t size = (size_t)5 << 20;
	char *big = malloc(size);
	struct memtable *m = memtable_make();
	shale_slice value;
	uint64_t st;
	char key[8];

	(void)state;
	memset(big, 'b', size);
	for (int i = 0; i < 4; i++) {
		sprintf(key, "%d", i % 3);
		big[0] = (char)('0' + i);
		assert_ok(memtable_add(m, (uint64_t)i + 1, OP_PUT, text(key), slice_from(big, size),
				       NULL));
	}
	for (int i = 0; i < 3; i++) {
		sprintf(key, "%d", i);
		assert_true(memtable_get(m, text(key), SEQ_MAX, &st, &value));
		big[0] = i == 0 ? '3' : (char)('0' + i);
		assert_true(slice_eq(value, slice_from(big, size)));
	}
	assert_true(memtable_bytes(m) > 4 * size);
	memtable_unref(m);
	free(big);
}

static void an_iterator_outlives_the_last_other_reference(void **state)
{
	struct memtable *m = memtable_make();
	struct iter *it;

	(void)state;
	assert_ok(memtable_add(m, 1, OP_PUT, text("a"), text("1"), NULL));
	assert_ok(memtable_iter_new(m, SEQ_MAX, true, &it));
	memtable_unref(m);
	iter_first(it);
	assert_slice(it->key, "a");
	assert_slice(it->value, "1");
	iter_free(it);
	memtable_unref(NULL);
}

static void going_back_finds_what_splits_have_moved(void **state)
{
	struct memtable *m = memtable_make();
	struct iter *it;
	char buf[16];
	int want = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		sprintf(buf, "%04d", 100 * i);
		assert_ok(memtable_add(m, 1, OP_PUT, text(buf), text(""), NULL));
	}
	assert_ok(memtable_iter_new(m, SEQ_MAX, true, &it));
	iter_last(it);
	/* The leaf before the copy splits several times. */
	for (int i = 0; i < 3200; i++) {
		sprintf(buf, "%04d", i);
		if (i % 100 != 0)
			assert_ok(memtable_add(m, 2, OP_PUT, text(buf), text(""), NULL));
	}
	for (; it->valid; iter_prev(it)) {
		int at;

		memcpy(buf, it->key.data, it->key.size);
		buf[it->key.size] = 0;
		at = atoi(buf);
		assert_true(want == 0 || at < want);
		if (want != 0 && want <= 3100)
			assert_int_equal(at, want - 1);
		want = at;
	}
	assert_int_equal(want, 0);
	iter_free(it);
	memtable_unref(m);
}

/* ---- range tombstones --------------------------------------------------- */

static void finds_the_newest_range_among_many(void **state)
{
	enum { KEYS = 200 };
	struct memtable *m = memtable_make();
	size_t n = test_scale(3000), count = 0, capacity = 0;
	struct rangedel *all = calloc(n, sizeof(*all)), *list = NULL;
	char(*bytes)[2][8] = calloc(n, sizeof(*bytes));
	shale_slice none = { NULL, 0 };
	size_t within = 0;
	struct rand r;

	(void)state;
	rand_seed(&r, test_seed());
	for (size_t i = 0; i < n; i++) {
		unsigned lo = (unsigned)rand_below(&r, KEYS), width = (unsigned)rand_below(&r, 9);
		uint64_t seq = (i ^ 3) + 1;

		all[i].lo = slice_from(bytes[i][0], (size_t)sprintf(bytes[i][0], "%04u", lo));
		all[i].hi =
			slice_from(bytes[i][1], (size_t)sprintf(bytes[i][1], "%04u", lo + width));
		all[i].seq = seq;
		assert_ok(memtable_add(m, seq, OP_RANGE_DELETE, all[i].lo, all[i].hi, NULL));
		/* For a while nobody asks: more are added than a set takes. */
		if (i / 1200 % 2 != 0 && i + 1 != n)
			continue;
		for (int ask = 0; ask < 3; ask++) {
			uint64_t limit = rand_below(&r, n + 1), want = 0;
			char key[8];

			sprintf(key, "%04u", (unsigned)rand_below(&r, KEYS + 8));
			for (size_t k = 0; k <= i; k++) {
				if (all[k].seq <= limit && all[k].seq > want &&
				    slice_cmp(all[k].lo, text(key)) <= 0 &&
				    slice_cmp(text(key), all[k].hi) < 0)
					want = all[k].seq;
			}
			assert_int_equal(memtable_range_newest(m, text(key), limit), want);
		}
	}
	assert_true(memtable_has_ranges(m));
	assert_int_equal(memtable_count(m), n);
	assert_ok(memtable_ranges(m, n / 2, none, none, &list, &count, &capacity));
	assert_int_equal(count, n / 2);
	for (size_t i = 0; i < count; i++) {
		size_t k = (list[i].seq - 1) ^ 3;

		assert_true(list[i].seq <= n / 2);
		assert_true(slice_eq(list[i].lo, all[k].lo) && slice_eq(list[i].hi, all[k].hi));
	}
	count = 0;
	assert_ok(
		memtable_ranges(m, SEQ_MAX, text("0050"), text("0060"), &list, &count, &capacity));
	for (size_t k = 0; k < n; k++)
		within += slice_cmp(all[k].hi, text("0050")) > 0 &&
			  slice_cmp(all[k].lo, text("0060")) < 0;
	assert_int_equal(count, within);
	assert_true(within > 0 && within < n);
	mem_free(shale_env_default(), list);
	memtable_unref(m);
	free(bytes);
	free(all);
}

/* ---- no memory ---------------------------------------------------------- */

/* A load with the n-th allocation failing; false once none failed. */
static bool load_with_failure(uint64_t n, bool for_good)
{
	enum { N = 2500 };
	struct failing_heap heap;
	struct memtable *m = NULL;
	bool added[N], failed;
	char buf[400], got[32];
	shale_slice value;
	struct iter *it;
	uint64_t st, count = 0;

	failing_heap_init(&heap);
	failing_heap_arm(&heap, n, for_good);
	if (memtable_new(&heap.env, &m) < 0) {
		assert_null(m);
		assert_int_equal(heap.alive, 0);
		return true;
	}
	memset(buf, 'v', sizeof(buf));
	for (unsigned i = 0; i < N; i++) {
		unsigned k = (i * 733u) % (N / 2); /* so that each key has two versions */
		enum op_type type = i % 50 == 7 ? OP_RANGE_DELETE : OP_PUT;
		shale_status rc;

		sprintf(got, "%08u", k);
		rc = memtable_add(m, i + 1, type, text(got), slice_from(buf, sizeof(buf)), NULL);
		assert_true(rc == SHALE_OK || rc == SHALE_NO_MEMORY);
		added[i] = rc == SHALE_OK;
		count += added[i];
		memtable_range_newest(m, text(got), SEQ_MAX);
	}
	failed = heap.calls >= n;
	failing_heap_arm(&heap, 0, false);
	memtree_check(&m->tree);
	assert_int_equal(memtable_count(m), count);
	for (unsigned i = 0; i < N; i++) {
		sprintf(got, "%08u", (i * 733u) % (N / 2));
		if (i % 50 == 7) {
			bool there = memtable_range_newest(m, text(got), i + 1) == i + 1;

			assert_int_equal(there, added[i]);
			continue;
		}
		assert_int_equal(memtable_get(m, text(got), i + 1, &st, &value) &&
					 seqtype_seq(st) == i + 1,
				 added[i]);
	}
	failing_heap_arm(&heap, 1, false);
	assert_status(memtable_iter_new(m, SEQ_MAX, false, &it), SHALE_NO_MEMORY);
	memtable_unref(m);
	assert_int_equal(heap.alive, 0);
	return failed;
}

static void without_memory_nothing_is_added_and_nothing_lost(void **state)
{
	(void)state;
	for (uint64_t n = 1; load_with_failure(n, false); n++)
		load_with_failure(n, true);
}

#if defined(__SANITIZE_THREAD__)
enum { SLOW_BUILD = true };
#else
enum { SLOW_BUILD = false };
#endif

/* An expiry comes on top of what a value may have. */
static void the_largest_value_may_expire(void **state)
{
	size_t size = SHALE_VALUE_MAX + EXPIRY_SIZE;
	struct memtable *m;
	void *zeros;
	shale_slice value;
	uint64_t st;

	(void)state;
	if (SLOW_BUILD)
		skip(); /* a gibibyte is copied */
	zeros = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(zeros != MAP_FAILED);
	m = memtable_make();
	assert_ok(memtable_add(m, 1, OP_PUT_TTL, text("k"), slice_from(zeros, size), NULL));
	assert_true(memtable_get(m, text("k"), SEQ_MAX, &st, &value));
	assert_int_equal(value.size, size);
	memtable_unref(m);
	munmap(zeros, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(takes_the_empty_key_and_an_empty_value),
		cmocka_unit_test(keeps_versions_in_order_however_they_come),
		cmocka_unit_test(walks_long_version_chains_both_ways),
		cmocka_unit_test(a_key_that_is_put_again_and_again_is_one_to_the_filter),
		cmocka_unit_test(takes_huge_values),
		cmocka_unit_test(an_iterator_outlives_the_last_other_reference),
		cmocka_unit_test(going_back_finds_what_splits_have_moved),
		cmocka_unit_test(finds_every_key_of_orderly_loads),
		cmocka_unit_test(an_aim_may_be_older_than_many_inserts),
		cmocka_unit_test(a_seek_finds_its_place_though_nodes_split_since_it_aimed),
		cmocka_unit_test(groups_of_aims_build_a_sound_tree),
		cmocka_unit_test(agrees_with_a_skip_list_on_random_operations),
		cmocka_unit_test(finds_the_newest_range_among_many),
		cmocka_unit_test(without_memory_nothing_is_added_and_nothing_lost),
		cmocka_unit_test(the_largest_value_may_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
