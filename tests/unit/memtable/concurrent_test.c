/* The memtable by several threads at once; of most use under ThreadSanitizer. */
#include "support/test.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/rand.h"
#include "memtable/impl.h"
#include "memtable/memtable.h"

enum { WRITERS = 3, READERS = 2, SHARED_KEYS = 40 };

struct plan {
	struct memtable *m;
	uint64_t seed;
	uint64_t each; /* keys of a writer */
	bool in_order; /* all writers at the right end of the tree */
	_Atomic uint64_t done[WRITERS];
	_Atomic int running;
};

struct worker {
	struct plan *p;
	unsigned number;
	pthread_t thread;
	/* cmocka's assertions are for the main thread: what is wrong is told later. */
	const char *wrong;
};

/* Key i of a writer: eight digits behind one of two prefixes, spread or in order. */
static shale_slice key_of(const struct plan *p, unsigned writer, uint64_t i, char *buf)
{
	uint64_t n = i * WRITERS + writer;

	if (!p->in_order)
		n = n * 7919 % (p->each * WRITERS + 7919);
	return slice_from(buf, (size_t)sprintf(buf, "%s%08u", n % 64 == 0 ? "a" : "user0000",
					       (unsigned)n));
}

/* Own keys in some order, and versions of keys that all write; sequences interleave. */
static void *write_keys(void *arg)
{
	struct worker *w = arg;
	struct plan *p = w->p;
	char buf[32];

	for (uint64_t i = 0; i < p->each; i++) {
		uint64_t seq = 1 + 2 * (i * WRITERS + w->number);
		shale_slice key = key_of(p, w->number, i, buf);
		struct memtree_aim aim;

		memtable_aim(p->m, key, &aim);
		if (i % 3 != 0)
			memtable_aim_closer(p->m, key, &aim);
		if (memtable_add(p->m, seq, OP_PUT, key, key, i % 2 ? &aim : NULL) != SHALE_OK)
			w->wrong = "add";
		key = slice_from(buf,
				 (size_t)sprintf(buf, "shared%u", (unsigned)(i % SHARED_KEYS)));
		if (memtable_add(p->m, seq + 1, OP_PUT, key, slice_from(&seq, 8), NULL) != SHALE_OK)
			w->wrong = "add to a shared key";
		if (i % 64 == 0 &&
		    memtable_add(p->m, seq, OP_RANGE_DELETE, slice_from(&w->number, 1),
				 slice_from("z", 1), NULL) != SHALE_OK)
			w->wrong = "add a range";
		atomic_store_explicit(&p->done[w->number], i + 1, memory_order_release);
	}
	atomic_fetch_sub(&p->running, 1);
	return NULL;
}

/* One that the writer has reported; of the newest, where it may just be at work, as a rule. */
static uint64_t pick_done(uint64_t done, struct rand *r)
{
	uint64_t newest = done < 16 ? done : 16;

	return rand_below(r, 8) == 0 ? rand_below(r, done) : done - 1 - rand_below(r, newest);
}

/* What a writer has reported is found by get. */
static void check_gets(struct worker *w, struct rand *r)
{
	struct plan *p = w->p;
	unsigned writer = (unsigned)rand_below(r, WRITERS);
	uint64_t done = 0, i, st;
	shale_slice key, value;
	char buf[32];

	for (int n = 0; n < 500; n++) {
		done = atomic_load_explicit(&p->done[writer], memory_order_acquire);
		if (done == 0)
			return;
		i = pick_done(done, r);
		key = key_of(p, writer, i, buf);
		if (!memtable_may_have(p->m, hash_key(key)) ||
		    !memtable_get(p->m, key, SEQ_MAX, &st, &value) || !slice_eq(key, value) ||
		    seqtype_seq(st) != 1 + 2 * (i * WRITERS + writer))
			w->wrong = "a key is not found";
	}
	if (memtable_range_newest(p->m, slice_from("x", 1), SEQ_MAX) <
	    1 + 2 * ((done - 1) / 64 * 64 * WRITERS + writer))
		w->wrong = "a range is not found";
}

/* And by seeking it, and by going from it to the writer's key before or behind. */
static void check_seeks(struct worker *w, struct rand *r)
{
	struct plan *p = w->p;
	struct iter *it;

	if (memtable_iter_new(p->m, SEQ_MAX, true, &it) != SHALE_OK) {
		w->wrong = "no iterator";
		return;
	}
	for (int n = 0; n < 200 && w->wrong == NULL; n++) {
		unsigned writer = (unsigned)rand_below(r, WRITERS);
		uint64_t done = atomic_load_explicit(&p->done[writer], memory_order_acquire), i;
		bool forward = rand_below(r, 2) == 0;
		shale_slice from, to;
		char a[32], b[32];

		if (done < 2)
			continue;
		i = pick_done(done - 1, r);
		from = key_of(p, writer, forward ? i : i + 1, a);
		to = key_of(p, writer, forward ? i + 1 : i, b);
		if (forward)
			iter_seek(it, from);
		else
			iter_seek_prev(it, from);
		if (!it->valid || !slice_eq(it->key, from))
			w->wrong = "a seek misses its key";
		/* The two are far apart unless keys come in order and with one prefix. */
		if (!p->in_order || a[0] != b[0])
			continue;
		while (it->valid &&
		       (forward ? slice_cmp(it->key, to) < 0 : slice_cmp(it->key, to) > 0)) {
			if (forward)
				iter_next(it);
			else
				iter_prev(it);
		}
		if (!it->valid || !slice_eq(it->key, to))
			w->wrong = "a step misses a key";
	}
	iter_free(it);
}

static void check_walk(struct worker *w, struct rand *r)
{
	struct plan *p = w->p;
	bool forward = rand_below(r, 2) == 0;
	uint64_t before[WRITERS], seen[WRITERS] = { 0 }, last_st = 0;
	char last[32] = "";
	size_t last_size = 0;
	struct iter *it;

	for (int i = 0; i < WRITERS; i++)
		before[i] = atomic_load_explicit(&p->done[i], memory_order_acquire);
	if (memtable_iter_new(p->m, SEQ_MAX, false, &it) != SHALE_OK) {
		w->wrong = "no iterator";
		return;
	}
	if (forward)
		iter_first(it);
	else
		iter_last(it);
	while (it->valid) {
		int c = entry_cmp(slice_from(last, last_size), last_st, it->key, it->seqtype);
		uint64_t n = (seqtype_seq(it->seqtype) - 1) / 2;

		if (last_st != 0 && (forward ? c >= 0 : c <= 0))
			w->wrong = "an iterator is out of order";
		memcpy(last, it->key.data, it->key.size);
		last_size = it->key.size;
		last_st = it->seqtype;
		/* Odd sequences are own keys; count those that were there. */
		if (seqtype_seq(it->seqtype) % 2 == 1 && n / WRITERS < before[n % WRITERS])
			seen[n % WRITERS]++;
		if (forward)
			iter_next(it);
		else
			iter_prev(it);
	}
	for (int i = 0; i < WRITERS; i++) {
		if (seen[i] != before[i])
			w->wrong = "an iterator misses a key";
	}
	iter_free(it);
}

static void *read_keys(void *arg)
{
	struct worker *w = arg;
	struct rand r;

	rand_seed(&r, w->p->seed + w->number);
	while (atomic_load(&w->p->running) > 0 && w->wrong == NULL) {
		for (int i = 0; i < 20 && atomic_load(&w->p->running) > 0; i++) {
			check_gets(w, &r);
			check_seeks(w, &r);
		}
		check_walk(w, &r);
	}
	return NULL;
}

static void run(struct plan *p)
{
	struct worker w[WRITERS + READERS] = { 0 };
	uint64_t total = 0, own = 0;
	struct iter *it;

	assert_ok(memtable_new(shale_env_default(), &p->m));
	atomic_store(&p->running, WRITERS);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		w[i].p = p;
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL,
						i < WRITERS ? write_keys : read_keys, &w[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].wrong != NULL)
			fail_msg("%s", w[i].wrong);
	}
	memtree_check(&p->m->tree);
	assert_ok(memtable_iter_new(p->m, SEQ_MAX, false, &it));
	for (iter_first(it); it->valid; iter_next(it)) {
		total++;
		own += seqtype_seq(it->seqtype) % 2;
	}
	assert_int_equal(own, WRITERS * p->each);
	assert_int_equal(total, 2 * WRITERS * p->each);
	iter_free(it);
	memtable_unref(p->m);
}

static void readers_miss_nothing_while_keys_arrive_anywhere(void **state)
{
	struct plan p = { .seed = test_seed(), .each = test_scale(5000) };

	(void)state;
	run(&p);
}

static void readers_miss_nothing_while_keys_arrive_in_order(void **state)
{
	struct plan p = { .seed = test_seed(), .each = test_scale(5000), .in_order = true };

	(void)state;
	run(&p);
}

/* ---- one key, all writers ----------------------------------------------- */

static void *write_one_key(void *arg)
{
	struct worker *w = arg;

	for (uint64_t i = 0; i < w->p->each; i++) {
		uint64_t seq = 1 + i * WRITERS + w->number;

		if (memtable_add(w->p->m, seq, OP_PUT, slice_from("k", 1), slice_from(&seq, 8),
				 NULL) != SHALE_OK)
			w->wrong = "add";
	}
	return NULL;
}

static void versions_from_many_writers_form_one_ordered_chain(void **state)
{
	struct plan p = { .each = test_scale(5000) };
	struct worker w[WRITERS] = { 0 };
	uint64_t want = WRITERS * p.each;
	struct iter *it;

	(void)state;
	assert_ok(memtable_new(shale_env_default(), &p.m));
	for (unsigned i = 0; i < WRITERS; i++) {
		w[i].p = &p;
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_one_key, &w[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_null(w[i].wrong);
	}
	assert_ok(memtable_iter_new(p.m, SEQ_MAX, false, &it));
	for (iter_first(it); it->valid; iter_next(it), want--) {
		assert_int_equal(seqtype_seq(it->seqtype), want);
		assert_int_equal(get_u64le(it->value.data), want);
	}
	assert_int_equal(want, 0);
	iter_free(it);
	memtable_unref(p.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_miss_nothing_while_keys_arrive_anywhere),
		cmocka_unit_test(readers_miss_nothing_while_keys_arrive_in_order),
		cmocka_unit_test(versions_from_many_writers_form_one_ordered_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
