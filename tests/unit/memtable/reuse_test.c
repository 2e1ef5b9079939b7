/* Memory of versions that nobody sees any more is used again, and nobody's who does. */
#include "support/test.h"

#include <pthread.h>

#include "base/epoch.h"
#include "base/rand.h"
#include "memtable/impl.h"
#include "memtable/memtable.h"

enum { KEYS = 300 };

static shale_slice key_of(unsigned k, char *buf)
{
	return slice_from(buf, (size_t)sprintf(buf, "key%06u", k));
}

/* Bytes that tell which version of which key they are. */
static shale_slice value_of(unsigned k, uint64_t seq, size_t size, uint8_t *buf)
{
	struct rand r;

	rand_seed(&r, k * UINT64_C(1000003) + seq);
	for (size_t i = 0; i < size; i++)
		buf[i] = (uint8_t)rand_next(&r);
	return slice_from(buf, size);
}

static struct memtable *memtable_make(void)
{
	struct memtable *m;

	assert_ok(memtable_new(shale_env_default(), &m));
	return m;
}

/* ---- how much there is -------------------------------------------------- */

static size_t bytes_of_rounds(unsigned rounds, size_t size, bool reuse)
{
	struct memtable *m = memtable_make();
	uint8_t value[20000];
	uint64_t seq = 0;
	size_t bytes;
	char key[32];

	for (unsigned i = 0; i < rounds * KEYS; i++) {
		if (reuse && i % 64 == 0 && seq > 100)
			memtable_reuse_below(m, seq - 100);
		seq++;
		assert_ok(memtable_add(m, seq, OP_PUT, key_of(i % KEYS, key),
				       value_of(i % KEYS, seq, size, value), NULL));
	}
	bytes = memtable_bytes(m);
	if (reuse && rounds > 8)
		assert_true(memtable_count(m) < rounds * KEYS / 8);
	if (!reuse)
		assert_int_equal(memtable_count(m), rounds * KEYS);
	memtable_unref(m);
	return bytes;
}

static void overwrites_of_a_few_keys_take_little(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 1000, 2100, 16000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_true(bytes_of_rounds(60, sizes[i], true) <
			    4 * bytes_of_rounds(2, sizes[i], true));
		assert_true(bytes_of_rounds(60, sizes[i], false) >
			    5 * bytes_of_rounds(60, sizes[i], true) / 2);
	}
}

/* A key of which very many versions came while nobody told how far back is looked. */
static void a_long_list_is_cut_off_in_pieces(void **state)
{
	struct memtable *m = memtable_make();
	uint8_t value[128];
	uint64_t seq = 0;

	(void)state;
	while (seq < 100000) {
		seq++;
		assert_ok(memtable_add(m, seq, OP_PUT, slice_from("k", 1),
				       value_of(0, seq, 100, value), NULL));
	}
	assert_int_equal(memtable_count(m), 100000);
	memtable_reuse_below(m, seq);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t before = memtable_count(m);

		seq++;
		assert_ok(memtable_add(m, seq, OP_PUT, slice_from("k", 1),
				       value_of(0, seq, 100, value), NULL));
		assert_true(memtable_count(m) + REUSE_STEPS >= before + 1);
	}
	/* The ring is full of the first ones, whose turn comes first. */
	assert_true(memtable_count(m) < 100000);
	memtable_unref(m);
}

/* ---- what is seen ------------------------------------------------------- */

struct model_version {
	uint64_t seq;
	size_t size;
	bool deleted;
};

struct model {
	struct memtable *m;
	struct rand r;
	uint64_t seq, below;
	struct {
		struct model_version *v;
		size_t count, capacity;
	} key[KEYS];
};

static void model_add(struct model *o)
{
	static const size_t sizes[] = { 0, 8, 100, 100, 100, 500, 2000, 2100, 2200, 17000 };
	unsigned k = (unsigned)rand_below(&o->r, rand_below(&o->r, 2) == 0 ? 5 : KEYS);
	struct model_version v = { ++o->seq,
				   sizes[rand_below(&o->r, sizeof(sizes) / sizeof(sizes[0]))],
				   rand_below(&o->r, 10) == 0 };
	uint8_t value[20000];
	char key[32];

	if (v.deleted)
		v.size = 0;
	assert_ok(memtable_add(o->m, v.seq, v.deleted ? OP_DELETE : OP_PUT, key_of(k, key),
			       value_of(k, v.seq, v.size, value), NULL));
	if (o->key[k].count == o->key[k].capacity) {
		o->key[k].capacity = 2 * o->key[k].capacity + 8;
		o->key[k].v =
			realloc(o->key[k].v, o->key[k].capacity * sizeof(struct model_version));
		assert_non_null(o->key[k].v);
	}
	o->key[k].v[o->key[k].count++] = v;
}

static void model_check(struct model *o, unsigned k, uint64_t limit)
{
	const struct model_version *want = NULL;
	uint8_t value[20000];
	shale_slice got;
	char key[32];
	uint64_t st;
	bool there = memtable_get(o->m, key_of(k, key), limit, &st, &got);

	for (size_t i = o->key[k].count; i > 0 && want == NULL; i--)
		if (o->key[k].v[i - 1].seq <= limit)
			want = &o->key[k].v[i - 1];
	assert_int_equal(there, want != NULL);
	if (want == NULL)
		return;
	assert_true(st == seqtype(want->seq, want->deleted ? OP_DELETE : OP_PUT));
	assert_true(slice_eq(got, value_of(k, want->seq, want->size, value)));
}

/* What is counted is what is there: of each key the newest so old, at least, and all newer ones. */
static void model_walk(struct model *o)
{
	uint64_t all = 0, deletes = 0, needed = 0;
	struct iter *it;

	assert_ok(memtable_iter_new(o->m, SEQ_MAX, false, &it));
	for (iter_first(it); it->valid; iter_next(it)) {
		all++;
		deletes += seqtype_type(it->seqtype) == OP_DELETE;
	}
	iter_free(it);
	assert_int_equal(memtable_count(o->m), all);
	assert_int_equal(memtable_tombstones(o->m), deletes);
	for (unsigned k = 0; k < KEYS; k++) {
		size_t i = o->key[k].count;

		while (i > 0 && o->key[k].v[i - 1].seq > o->below)
			i--;
		needed += o->key[k].count - i + (i > 0);
	}
	assert_true(all >= needed);
}

static void who_looks_no_further_back_sees_all(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct model o = { .m = memtable_make() };

		rand_seed(&o.r, seed);
		for (unsigned i = 0; i < 20000; i++) {
			model_add(&o);
			if (rand_below(&o.r, 100) == 0) {
				o.below += rand_below(&o.r, o.seq - o.below + 1);
				memtable_reuse_below(o.m, o.below);
			}
			if (i % 8 == 0)
				model_check(&o, (unsigned)rand_below(&o.r, KEYS),
					    o.below + rand_below(&o.r, o.seq - o.below + 1));
			if (i % 2000 == 0)
				model_walk(&o);
		}
		for (unsigned k = 0; k < KEYS; k++)
			model_check(&o, k, o.below);
		model_walk(&o);
		memtree_check(&o.m->tree);
		memtable_unref(o.m);
		for (unsigned k = 0; k < KEYS; k++)
			free(o.key[k].v);
	}
}

static void what_is_pinned_stays(void **state)
{
	struct memtable *m = memtable_make();
	uint8_t value[128], want[128];
	uint64_t seq = 0, st;
	shale_slice held;
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 10 * KEYS; i++, seq++)
		assert_ok(memtable_add(m, seq + 1, OP_PUT, key_of(i % KEYS, key),
				       value_of(i % KEYS, seq + 1, 100, value), NULL));
	assert_true(memtable_get(m, key_of(7, key), SEQ_MAX, &st, &held));
	value_of(7, seqtype_seq(st), 100, want);
	memtable_pin(m);
	for (unsigned i = 0; i < 50 * KEYS; i++, seq++) {
		memtable_reuse_below(m, seq);
		assert_ok(memtable_add(m, seq + 1, OP_PUT, key_of(i % KEYS, key),
				       value_of(i % KEYS, seq + 1, 100, value), NULL));
	}
	assert_memory_equal(held.data, want, 100);
	assert_int_equal(memtable_count(m), 60 * KEYS);
	memtable_unpin(m);
	for (unsigned i = 0; i < 50 * KEYS; i++, seq++) {
		memtable_reuse_below(m, seq);
		assert_ok(memtable_add(m, seq + 1, OP_PUT, key_of(i % KEYS, key),
				       value_of(i % KEYS, seq + 1, 100, value), NULL));
	}
	assert_true(memtable_count(m) < 60 * KEYS);
	memtable_unref(m);
}

/* ---- several threads ---------------------------------------------------- */

enum { WRITERS = 3, READERS = 2, EACH = 30000, SHARED = 50 };

/* As the store does it (db/reuse.c): sequences in order, readers in an epoch. */
struct shared {
	struct memtable *m;
	struct epoch readers;
	_Atomic uint64_t visible;
	_Atomic int running;
	pthread_mutex_t mu; /* guards the rest */
	uint64_t next;
	uint64_t at_work[WRITERS]; /* the sequence each one is adding, or UINT64_MAX */
	uint64_t look_seq, look_next;
	struct epoch_mark mark;
};

struct worker {
	struct shared *s;
	unsigned number;
	pthread_t thread;
	const char *wrong;
};

/* The lock is held. */
static uint64_t published(struct shared *s)
{
	uint64_t least = s->next;

	for (int i = 0; i < WRITERS; i++)
		if (s->at_work[i] < least)
			least = s->at_work[i];
	return least - 1;
}

static void look(struct shared *s)
{
	if (published(s) + 1 < s->look_next || !epoch_passed(&s->readers, &s->mark))
		return;
	memtable_reuse_below(s->m, s->look_seq);
	s->look_seq = atomic_load(&s->visible);
	s->look_next = s->next;
	epoch_mark(&s->readers, &s->mark);
}

static void *write_shared(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	struct rand r;

	rand_seed(&r, w->number);
	for (unsigned i = 0; i < EACH; i++) {
		unsigned k = (unsigned)rand_below(&r, SHARED);
		uint8_t value[128];
		uint64_t seq;
		char key[32];

		pthread_mutex_lock(&s->mu);
		seq = s->at_work[w->number] = s->next++;
		if (seq % 32 == 0)
			look(s);
		pthread_mutex_unlock(&s->mu);
		memset(value, (int)(seq % 251), sizeof(value));
		memcpy(value, &seq, sizeof(seq));
		if (memtable_add(s->m, seq, OP_PUT, key_of(k, key),
				 slice_from(value, 8 + seq % 3 * 40), NULL) != SHALE_OK)
			w->wrong = "add";
		pthread_mutex_lock(&s->mu);
		s->at_work[w->number] = UINT64_MAX;
		atomic_store(&s->visible, published(s));
		pthread_mutex_unlock(&s->mu);
	}
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static bool is_whole(shale_slice value, uint64_t seq)
{
	const uint8_t *p = value.data;

	if (value.size != 8 + seq % 3 * 40 || memcmp(p, &seq, sizeof(seq)) != 0)
		return false;
	for (size_t i = 8; i < value.size; i++)
		if (p[i] != seq % 251)
			return false;
	return true;
}

/* Gets within the epoch, now and then with a pin that outlives it. */
static void *read_shared(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	uint64_t newest[SHARED] = { 0 };
	struct rand r;

	rand_seed(&r, 100 + w->number);
	while (atomic_load(&s->running) > 0 && w->wrong == NULL) {
		unsigned k = (unsigned)rand_below(&r, SHARED), slot = epoch_enter(&s->readers);
		uint64_t limit = atomic_load(&s->visible), st = 0;
		bool pinned = rand_below(&r, 8) == 0, there;
		shale_slice value;
		char key[32];

		there = memtable_get(s->m, key_of(k, key), limit, &st, &value);
		if (pinned)
			memtable_pin(s->m);
		else if (there && !is_whole(value, seqtype_seq(st)))
			w->wrong = "a value is not what was put";
		epoch_exit(&s->readers, slot);
		if (pinned && there && !is_whole(value, seqtype_seq(st)))
			w->wrong = "a value that was pinned is not what was put";
		if (pinned)
			memtable_unpin(s->m);
		if (there ? seqtype_seq(st) > limit || seqtype_seq(st) < newest[k] : newest[k] != 0)
			w->wrong = "a get sees what is older than before, or nothing";
		if (there)
			newest[k] = seqtype_seq(st);
	}
	return NULL;
}

static void writers_and_readers_at_once(void **state)
{
	struct shared s = { .m = memtable_make(), .next = 1, .running = WRITERS };
	struct worker w[WRITERS + READERS];

	(void)state;
	epoch_init(&s.readers, shale_env_default());
	pthread_mutex_init(&s.mu, NULL);
	for (int i = 0; i < WRITERS; i++)
		s.at_work[i] = UINT64_MAX;
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		w[i] = (struct worker){ .s = &s, .number = i };
		assert_int_equal(pthread_create(&w[i].thread, NULL,
						i < WRITERS ? write_shared : read_shared, &w[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		pthread_join(w[i].thread, NULL);
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		if (w[i].wrong != NULL)
			fail_msg("%s", w[i].wrong);
	assert_true(memreuse_cut(&s.m->reuse) != 0); /* how much depends on the machine */
	memtree_check(&s.m->tree);
	memtable_unref(s.m);
	epoch_fini(&s.readers);
	pthread_mutex_destroy(&s.mu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overwrites_of_a_few_keys_take_little),
		cmocka_unit_test(a_long_list_is_cut_off_in_pieces),
		cmocka_unit_test(who_looks_no_further_back_sees_all),
		cmocka_unit_test(what_is_pinned_stays),
		cmocka_unit_test(writers_and_readers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
