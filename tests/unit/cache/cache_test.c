/* The block cache: what it holds, what it gives up, and that threads never see a stranger's item. */
#include "support/test.h"

#include "base/rand.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "unit/base/tasks.h"

enum { ITEM_BYTES = 4096 };

/* An item that knows whose it is. */
struct item {
	uint64_t number, offset;
	uint64_t check; /* derived from the key */
};

static uint64_t check_of(uint64_t number, uint64_t offset)
{
	return number * 0x9e3779b97f4a7c15ull ^ (offset + 0x123456789abcdefull);
}

static void *item_new(struct cache *c, uint64_t number, uint64_t offset, size_t n)
{
	struct item *i = cache_alloc(c, n);

	i->number = number;
	i->offset = offset;
	i->check = check_of(number, offset);
	return i;
}

static bool item_is(const struct cache_item *it, uint64_t number, uint64_t offset)
{
	const struct item *i = it->data;

	return i->number == number && i->offset == offset && i->check == check_of(number, offset);
}

static struct cache *open_cache(uint64_t capacity, struct budget *budget)
{
	struct cache *c = NULL;

	assert_ok(cache_new(shale_env_default(), capacity, ITEM_BYTES, budget, &c));
	return c;
}

static void close_cache(struct cache *c)
{
	cache_free(c);
}

static void insert(struct cache *c, uint64_t number, uint64_t offset, struct cache_item *out)
{
	assert_true(cache_insert(c, number, offset, item_new(c, number, offset, ITEM_BYTES),
				 ITEM_BYTES, true, out));
	assert_true(item_is(out, number, offset));
}

static void put(struct cache *c, uint64_t number, uint64_t offset)
{
	struct cache_item it;

	insert(c, number, offset, &it);
	cache_release(c, &it);
	assert_null(it.data);
}

static bool has(struct cache *c, uint64_t number, uint64_t offset)
{
	struct cache_item it;

	if (!cache_get(c, number, offset, &it))
		return false;
	assert_true(item_is(&it, number, offset));
	cache_release(c, &it);
	return true;
}

/* Items of offsets from 0, each asked for at once. */
static void put_and_use(struct cache *c, uint64_t number, uint64_t items)
{
	for (uint64_t i = 0; i < items; i++) {
		put(c, number, i);
		assert_true(has(c, number, i));
	}
}

/* How many of these items are there. */
static size_t found_of(struct cache *c, uint64_t number, uint64_t from, uint64_t items)
{
	size_t found = 0;

	for (uint64_t i = 0; i < items; i++)
		found += has(c, number, from + i);
	return found;
}

static void finds_what_was_put_in(void **state)
{
	struct cache *c = open_cache(1000 * ITEM_BYTES, NULL);

	(void)state;
	for (uint64_t i = 0; i < 500; i++)
		put(c, i % 7, i * 4096);
	for (uint64_t i = 0; i < 500; i++)
		assert_true(has(c, i % 7, i * 4096));
	assert_false(has(c, 8, 0));
	assert_false(has(c, 0, 1));
	assert_int_equal(cache_used(c), 500 * ITEM_BYTES);
	close_cache(c);
}

static void keeps_its_capacity(void **state)
{
	struct budget budget = { .total = 0 };
	struct cache *c = open_cache(100 * ITEM_BYTES, &budget);

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		put(c, 1, i);
		assert_true(cache_used(c) <= 100 * ITEM_BYTES);
		assert_int_equal(budget_used(&budget, BUDGET_CACHE), cache_used(c));
	}
	/* Full, not merely within its bounds; the hand may take two at once. */
	assert_true(found_of(c, 1, 0, 5000) >= 98);
	close_cache(c);
	assert_int_equal(budget_all(&budget), 0);
}

static void more_small_items_than_slots_evict_by_number(void **state)
{
	struct cache *c = open_cache(64 * ITEM_BYTES, NULL);
	struct cache_item it;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		assert_true(cache_insert(c, 1, i, item_new(c, 1, i, 32), 32, true, &it));
		cache_release(c, &it);
		assert_true(cache_used(c) <= 128 * 32);
	}
	assert_true(has(c, 1, 9999));
	close_cache(c);
}

static void keeps_what_is_used_and_drops_what_is_scanned(void **state)
{
	struct cache *c = open_cache(200 * ITEM_BYTES, NULL);

	(void)state;
	put_and_use(c, 1, 100);
	for (uint64_t scanned = 0; scanned < 4000; scanned++) {
		put(c, 2, scanned);
		for (uint64_t i = 0; i < 4; i++)
			has(c, 1, (scanned * 4 + i) % 100);
	}
	assert_int_equal(found_of(c, 1, 0, 100), 100);
	close_cache(c);
}

static void never_frees_what_is_pinned(void **state)
{
	struct cache *c = open_cache(50 * ITEM_BYTES, NULL);
	struct cache_item pinned[20];

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		insert(c, 7, i, &pinned[i]);
	for (uint64_t i = 0; i < 2000; i++)
		put(c, 8, i);
	for (uint64_t i = 0; i < 20; i++) {
		struct cache_item again = cache_again(c, &pinned[i]);

		assert_true(item_is(&pinned[i], 7, i));
		cache_release(c, &pinned[i]);
		assert_true(has(c, 7, i));
		assert_true(item_is(&again, 7, i));
		cache_release(c, &again);
	}
	close_cache(c);
}

static void hands_out_standalone_items_when_all_is_pinned(void **state)
{
	struct budget budget = { .total = 0 };
	struct cache *c = open_cache(10 * ITEM_BYTES, &budget);
	struct cache_item pinned[10], extra, again;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		insert(c, 1, i, &pinned[i]);
	insert(c, 1, 10, &extra);
	assert_false(has(c, 1, 10));
	assert_int_equal(cache_used(c), 11 * ITEM_BYTES);
	again = cache_again(c, &extra);
	cache_release(c, &extra);
	assert_true(item_is(&again, 1, 10));
	cache_release(c, &again);
	assert_int_equal(cache_used(c), 10 * ITEM_BYTES);
	assert_int_equal(budget_used(&budget, BUDGET_CACHE), 10 * ITEM_BYTES);
	for (int i = 0; i < 10; i++)
		cache_release(c, &pinned[i]);
	close_cache(c);
}

static void does_not_keep_what_it_is_told_not_to(void **state)
{
	struct cache *c = open_cache(10 * ITEM_BYTES, NULL);
	struct cache_item it;

	(void)state;
	assert_true(cache_insert(c, 1, 1, item_new(c, 1, 1, ITEM_BYTES), ITEM_BYTES, false, &it));
	assert_false(has(c, 1, 1));
	cache_release(c, &it);
	assert_int_equal(cache_used(c), 0);
	/* Larger than the whole cache: the rest stays. */
	put(c, 2, 2);
	assert_true(cache_insert(c, 1, 1, item_new(c, 1, 1, 11 * ITEM_BYTES), 11 * ITEM_BYTES, true,
				 &it));
	assert_false(has(c, 1, 1));
	cache_release(c, &it);
	assert_true(has(c, 2, 2));
	close_cache(c);
}

static void the_first_of_two_with_one_key_stays(void **state)
{
	struct cache *c = open_cache(10 * ITEM_BYTES, NULL);
	struct cache_item first, second;

	(void)state;
	insert(c, 3, 4, &first);
	insert(c, 3, 4, &second);
	assert_ptr_equal(first.data, second.data);
	assert_int_equal(cache_used(c), ITEM_BYTES);
	cache_release(c, &first);
	cache_release(c, &second);
	close_cache(c);
}

static void a_smaller_capacity_evicts_and_zero_holds_nothing(void **state)
{
	struct cache *c = open_cache(100 * ITEM_BYTES, NULL);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		put(c, 1, i);
	cache_set_capacity(c, 30 * ITEM_BYTES);
	assert_true(cache_used(c) <= 30 * ITEM_BYTES && cache_used(c) > 20 * ITEM_BYTES);
	cache_set_capacity(c, 0);
	assert_int_equal(cache_used(c), 0);
	put(c, 1, 1);
	assert_false(has(c, 1, 1));
	cache_set_capacity(c, 50 * ITEM_BYTES);
	put(c, 1, 1);
	assert_true(has(c, 1, 1));
	close_cache(c);
}

/* A cache whose items lie in frames; sanitizers that watch the heap have none. */
static struct cache *open_framed(struct budget *budget)
{
	return open_cache((uint64_t)64 << 20, budget);
}

static void a_large_cache_keeps_its_capacity_for_items_of_any_size(void **state)
{
	struct budget budget = { .total = 0 };
	struct cache *c = open_framed(&budget);
	struct cache_item it, pinned = { NULL, 0 };
	struct rand rnd;

	(void)state;
	rand_seed(&rnd, test_seed());
	for (uint64_t i = 0; i < 60000; i++) {
		size_t n = rand_below(&rnd, 10) != 0 ? 4000 + rand_below(&rnd, 200)
						     : 32 + rand_below(&rnd, 80000);

		assert_true(cache_insert(c, 1, i, item_new(c, 1, i, n), n, true, &it));
		assert_true(item_is(&it, 1, i));
		memset((struct item *)it.data + 1, 0x5a, n - sizeof(struct item));
		if (i % 5000 == 0) {
			cache_release(c, &pinned);
			pinned = it;
		} else {
			cache_release(c, &it);
		}
		assert_true(cache_used(c) <= (uint64_t)64 << 20);
		has(c, 1, rand_below(&rnd, i + 1));
	}
	cache_release(c, &pinned);
	/* Shrinking frees what lies together; what is left can be found. */
	cache_set_capacity(c, (uint64_t)20 << 20);
	assert_true(cache_used(c) <= (uint64_t)20 << 20 && cache_used(c) > (uint64_t)10 << 20);
	for (uint64_t i = 0; i < 60000; i++)
		has(c, 1, i);
	close_cache(c);
	assert_int_equal(budget_all(&budget), 0);
}

/* Chunks that are emptied one after another go back whole, however many that takes. */
static void a_cache_that_shrinks_by_far_gives_back_its_chunks(void **state)
{
	struct cache *c = open_framed(NULL);
	struct cache_item pinned[3];

	(void)state;
	/* Some chunks hold what cannot go. */
	for (uint64_t i = 0; i < 3; i++) {
		insert(c, 2, i, &pinned[i]);
		for (uint64_t k = 0; k < 1000; k++)
			put(c, 1, i * 1000 + k);
	}
	for (uint64_t i = 3000; i < 20000; i++)
		put(c, 1, i);
	cache_set_capacity(c, (uint64_t)8 << 20);
	assert_true(cache_used(c) <= (uint64_t)8 << 20);
	/* Not full: where what is pinned lies, and the last that was opened. */
	if (!MEM_PAGES_HIDE_ERRORS)
		assert_true(cache_slack(c) <= (uint64_t)4 * MEM_PAGES);
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(item_is(&pinned[i], 2, i));
		cache_release(c, &pinned[i]);
	}
	close_cache(c);
}

static void a_hint_finds_its_item_wherever_that_is(void **state)
{
	struct cache *c = open_cache(50 * ITEM_BYTES, NULL);
	struct cache_hint hint[200];
	struct cache_item it;

	(void)state;
	memset(hint, 0, sizeof(hint));
	for (int round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < 200; i++) {
			bool hit = cache_get_hinted(c, &hint[i], 1, i, &it);

			cache_prefetch(c, &hint[i], 4);
			if (!hit)
				insert(c, 1, i, &it);
			assert_true(item_is(&it, 1, i));
			cache_release(c, &it);
			assert_true(cache_get_hinted(c, &hint[i], 1, i, &it));
			assert_true(item_is(&it, 1, i));
			cache_release(c, &it);
		}
	}
	/* A hint that is wrong, even one that leads nowhere, costs a look and no more. */
	atomic_store(&hint[199].slot, UINT32_MAX);
	assert_true(cache_get_hinted(c, &hint[199], 1, 199, &it));
	assert_true(item_is(&it, 1, 199));
	cache_release(c, &it);
	close_cache(c);
}

static void releasing_nothing_is_allowed(void **state)
{
	struct cache *c = open_cache(ITEM_BYTES, NULL);
	struct cache_item none = { NULL, 0 };

	(void)state;
	cache_release(c, &none);
	cache_free(NULL);
	close_cache(c);
}

static void offer(struct cache *c, uint64_t number, uint64_t offset)
{
	cache_offer(c, number, offset, item_new(c, number, offset, ITEM_BYTES), ITEM_BYTES);
}

/* Pin it and let it go again; *used as cache_peek() has it. */
static bool visit(struct cache *c, uint64_t number, uint64_t offset, bool *used)
{
	struct cache_hint hint = { 0 };
	struct cache_item it;

	if (!cache_peek(c, &hint, number, offset, &it, used))
		return false;
	assert_true(item_is(&it, number, offset));
	cache_unpeek(&it);
	assert_null(it.data);
	cache_unpeek(&it);
	return true;
}

static void a_visit_leaves_no_trace(void **state)
{
	struct cache *c = open_cache(100 * ITEM_BYTES, NULL);
	struct cache_hint hint = { 0 };
	bool used = true;

	(void)state;
	assert_false(visit(c, 1, 1, &used));
	offer(c, 1, 1);
	put(c, 1, 2);
	for (int i = 0; i < 5; i++) {
		assert_true(visit(c, 1, 1, &used));
		assert_false(used);
		assert_true(visit(c, 1, 2, &used));
		assert_true(used);
	}
	assert_true(has(c, 1, 1));
	assert_true(visit(c, 1, 1, &used));
	assert_true(used);
	assert_true(cache_has(c, &hint, 1, 1));
	assert_false(cache_has(c, &hint, 1, 3));
	close_cache(c);
}

static void what_nobody_asked_for_goes_first(void **state)
{
	struct cache *c = open_cache(100 * ITEM_BYTES, NULL);

	(void)state;
	put_and_use(c, 1, 50);
	for (uint64_t i = 0; i < 50; i++)
		offer(c, 2, i);
	for (uint64_t i = 0; i < 50; i++)
		put(c, 3, i);
	assert_int_equal(found_of(c, 1, 0, 50), 50);
	/* However much is offered, the cache keeps its capacity. */
	for (uint64_t i = 0; i < 5000; i++) {
		offer(c, 4, i);
		assert_true(cache_used(c) <= 100 * ITEM_BYTES);
	}
	close_cache(c);
}

static void what_is_forgotten_goes_first(void **state)
{
	struct cache *c = open_cache(100 * ITEM_BYTES, NULL);
	struct cache_hint hint = { 0 };
	struct cache_item it;
	bool used = true;

	(void)state;
	put_and_use(c, 1, 100);
	for (uint64_t i = 0; i < 50; i++)
		cache_forget(c, &hint, 1, i);
	cache_forget(c, &hint, 1, 1000);
	assert_int_equal(cache_used(c), 100 * ITEM_BYTES);
	assert_true(visit(c, 1, 3, &used));
	assert_false(used);
	for (uint64_t i = 0; i < 50; i++)
		put(c, 2, i);
	assert_int_equal(found_of(c, 1, 0, 50), 0);
	assert_int_equal(found_of(c, 1, 50, 50), 50);

	/* What is pinned stays as it is. */
	insert(c, 3, 1, &it);
	cache_hint_learn(c, &hint, &it);
	cache_forget(c, &hint, 3, 1);
	cache_release(c, &it);
	assert_true(visit(c, 3, 1, &used));
	assert_true(used);
	/* A hint is not learned from what lies in no slot. */
	assert_true(cache_insert(c, 1, 5, item_new(c, 1, 5, ITEM_BYTES), ITEM_BYTES, false, &it));
	hint = (struct cache_hint){ 0 };
	cache_hint_learn(c, &hint, &it);
	assert_int_equal(atomic_load(&hint.data), 0);
	cache_release(c, &it);
	close_cache(c);
}

/* Ask for a random one of these items, and put it in if it is not there; was it? */
static bool ask(struct cache *c, struct rand *rnd, uint64_t number, uint64_t items, uint64_t *which)
{
	*which = rand_below(rnd, items);
	if (has(c, number, *which))
		return true;
	put(c, number, *which);
	return false;
}

/* Were all of it replaced again and again, the page cache behind it could serve none of it. */
static void a_cache_a_little_too_small_keeps_most(void **state)
{
	enum { ITEMS = 1100, GETS = 20000 };
	struct cache *c = open_cache(1000 * ITEM_BYTES, NULL);
	bool missed[ITEMS] = { false };
	size_t misses = 0, distinct = 0;
	struct rand rnd;
	uint64_t which;

	(void)state;
	rand_seed(&rnd, test_seed());
	for (int i = 0; i < 5 * GETS; i++)
		ask(c, &rnd, 1, ITEMS, &which);
	for (int i = 0; i < GETS; i++) {
		if (!ask(c, &rnd, 1, ITEMS, &which)) {
			misses++;
			missed[which] = true;
		}
	}
	for (int i = 0; i < ITEMS; i++)
		distinct += missed[i];
	assert_true(misses < GETS / 5);
	assert_true(distinct < ITEMS / 3); /* with a clock alone it is three quarters */
	close_cache(c);
}

static void what_is_asked_for_on_trial_stays(void **state)
{
	struct cache *c = open_cache(1000 * ITEM_BYTES, NULL);

	(void)state;
	/* The first on trial have nobody to follow: for them the hand goes around. */
	put_and_use(c, 1, 950);
	for (uint64_t i = 0; i < 100; i++)
		put(c, 4, i);
	for (int times = 0; times < 4; times++)
		put_and_use(c, 1, 950);
	put_and_use(c, 2, 1);
	for (uint64_t i = 0; i < 200; i++)
		put(c, 3, i);
	assert_true(has(c, 2, 0));
	/* These nobody asked for. What was there before is there still. */
	assert_true(found_of(c, 3, 0, 200) < 50);
	assert_true(found_of(c, 1, 0, 950) > 900);
	close_cache(c);
}

static void what_readers_turn_to_gets_in(void **state)
{
	enum { ITEMS = 900, GETS = 20000 };
	struct cache *c = open_cache(1000 * ITEM_BYTES, NULL);
	size_t hits = 0;
	struct rand rnd;
	uint64_t which;

	(void)state;
	rand_seed(&rnd, test_seed());
	for (uint64_t number = 1; number <= 2; number++)
		for (int i = 0; i < GETS; i++)
			ask(c, &rnd, number, ITEMS, &which);
	for (int i = 0; i < GETS; i++)
		hits += ask(c, &rnd, 2, ITEMS, &which);
	assert_true(hits > GETS - GETS / 20);
	close_cache(c);
}

/* Two merges on one block, as parts of one that share it, are no readers. */
static void visitors_do_not_take_each_other_for_readers(void **state)
{
	struct cache *c = open_cache(100 * ITEM_BYTES, NULL);
	struct cache_hint hint = { 0 };
	struct cache_item first, second;
	bool used = true;

	(void)state;
	offer(c, 1, 1);
	assert_true(cache_peek(c, &hint, 1, 1, &first, &used));
	assert_false(used);
	assert_true(cache_peek(c, &hint, 1, 1, &second, &used));
	assert_false(used);
	cache_unpeek(&first);
	cache_unpeek(&second);
	close_cache(c);
}

/* Many threads: few keys, so that all of them meet; a cache smaller than the keys. */
struct stress {
	struct cache *c;
	_Atomic uint64_t seed, hits, wrong, over;
	uint64_t rounds, keys, capacity;
	bool resize;
};

/* As a merge does; false: it was somebody else's. What is offered may be there already. */
static bool visit_or_forget(struct cache *c, uint64_t key, unsigned what)
{
	struct cache_hint hint = { 0 };
	struct cache_item it;
	bool used, mine = true;

	if (what == 0) {
		cache_forget(c, &hint, key % 16, key);
	} else if (what == 1 && !cache_has(c, &hint, key % 16, key)) {
		offer(c, key % 16, key);
	} else if (cache_peek(c, &hint, key % 16, key, &it, &used)) {
		mine = item_is(&it, key % 16, key);
		cache_unpeek(&it);
	}
	return mine;
}

static void stress_task(void *arg)
{
	struct stress *s = arg;
	struct cache_item held[4] = { { NULL, 0 } };
	uint64_t held_key[4] = { 0 }, hits = 0, wrong = 0;
	struct rand rnd;

	rand_seed(&rnd, atomic_fetch_add(&s->seed, 1));
	for (uint64_t i = 0; i < s->rounds; i++) {
		uint64_t key = rand_below(&rnd, s->keys), h = rand_below(&rnd, 4);

		if (held[h].data != NULL)
			wrong += !item_is(&held[h], held_key[h] % 16, held_key[h]);
		cache_release(s->c, &held[h]);
		if (cache_get(s->c, key % 16, key, &held[h]))
			hits++;
		else if (!cache_insert(s->c, key % 16, key,
				       item_new(s->c, key % 16, key, ITEM_BYTES), ITEM_BYTES,
				       rand_below(&rnd, 20) != 0, &held[h]))
			wrong++;
		held_key[h] = key;
		wrong += !item_is(&held[h], key % 16, key);
		if (rand_below(&rnd, 8) == 0) {
			struct cache_item again = cache_again(s->c, &held[h]);

			cache_release(s->c, &held[h]);
			held[h] = again;
		}
		if (rand_below(&rnd, 4) == 0)
			wrong += !visit_or_forget(s->c, rand_below(&rnd, s->keys),
						  (unsigned)rand_below(&rnd, 4));
		if (s->resize && rand_below(&rnd, 200) == 0)
			cache_set_capacity(s->c, (rand_below(&rnd, 4) + 1) * s->capacity / 4);
	}
	for (int h = 0; h < 4; h++)
		cache_release(s->c, &held[h]);
	atomic_fetch_add(&s->hits, hits);
	atomic_fetch_add(&s->wrong, wrong);
}

static void stress(uint64_t items, uint64_t keys, uint64_t rounds, bool resize)
{
	struct stress s = { .rounds = test_scale(rounds), .keys = keys, .resize = resize };
	struct budget budget = { .total = 0 };
	struct tasks tasks;

	s.capacity = items * ITEM_BYTES;
	s.c = open_cache(s.capacity, &budget);
	atomic_init(&s.seed, test_seed());
	tasks_start(&tasks, 6, stress_task, &s);
	tasks_join(&tasks);
	assert_int_equal(atomic_load(&s.wrong), 0);
	assert_true(atomic_load(&s.hits) > 0);
	assert_true(cache_used(s.c) <= s.capacity);
	assert_int_equal(budget_used(&budget, BUDGET_CACHE), cache_used(s.c));
	close_cache(s.c);
}

static void threads_see_only_the_items_they_asked_for(void **state)
{
	(void)state;
	stress(64, 100, 60000, false);
}

static void threads_that_fight_for_a_few_slots_lose_nothing(void **state)
{
	(void)state;
	stress(8, 400, 40000, false);
}

static void threads_survive_a_large_cache_that_changes(void **state)
{
	(void)state;
	stress((64u << 20) / ITEM_BYTES, 30000, 60000, true);
}

static void threads_survive_a_capacity_that_changes(void **state)
{
	(void)state;
	stress(200, 400, 40000, true);
}

/* Counters are 31 bits: a key that is read for ever must not overflow them. */
static void counters_survive_more_uses_than_they_can_count(void **state)
{
	struct cache *c = open_cache(10 * ITEM_BYTES, NULL);
	struct cache_item it, other;
	_Atomic uint64_t *word;

	(void)state;
	insert(c, 1, 1, &it);
	/* As if it had been used so often that the next release passes the half. */
	word = (_Atomic uint64_t *)it.token;
	atomic_fetch_add(word, ((1ull << 30) - 1) + (((1ull << 30) - 1) << 31));
	for (int i = 0; i < 10; i++) {
		assert_true(cache_get(c, 1, 1, &other));
		assert_true(item_is(&other, 1, 1));
		cache_release(c, &other);
	}
	/* One pin is left, and both counts are small again. */
	assert_true((atomic_load(word) & ((1ull << 31) - 1)) < 100);
	cache_set_capacity(c, 0);
	assert_true(item_is(&it, 1, 1));
	cache_release(c, &it);
	cache_set_capacity(c, 0);
	assert_int_equal(cache_used(c), 0);
	close_cache(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put_in),
		cmocka_unit_test(keeps_its_capacity),
		cmocka_unit_test(more_small_items_than_slots_evict_by_number),
		cmocka_unit_test(keeps_what_is_used_and_drops_what_is_scanned),
		cmocka_unit_test(never_frees_what_is_pinned),
		cmocka_unit_test(hands_out_standalone_items_when_all_is_pinned),
		cmocka_unit_test(does_not_keep_what_it_is_told_not_to),
		cmocka_unit_test(the_first_of_two_with_one_key_stays),
		cmocka_unit_test(a_smaller_capacity_evicts_and_zero_holds_nothing),
		cmocka_unit_test(a_large_cache_keeps_its_capacity_for_items_of_any_size),
		cmocka_unit_test(a_cache_that_shrinks_by_far_gives_back_its_chunks),
		cmocka_unit_test(a_hint_finds_its_item_wherever_that_is),
		cmocka_unit_test(releasing_nothing_is_allowed),
		cmocka_unit_test(a_visit_leaves_no_trace),
		cmocka_unit_test(what_nobody_asked_for_goes_first),
		cmocka_unit_test(what_is_forgotten_goes_first),
		cmocka_unit_test(a_cache_a_little_too_small_keeps_most),
		cmocka_unit_test(what_is_asked_for_on_trial_stays),
		cmocka_unit_test(what_readers_turn_to_gets_in),
		cmocka_unit_test(visitors_do_not_take_each_other_for_readers),
		cmocka_unit_test(threads_see_only_the_items_they_asked_for),
		cmocka_unit_test(threads_that_fight_for_a_few_slots_lose_nothing),
		cmocka_unit_test(threads_survive_a_capacity_that_changes),
		cmocka_unit_test(threads_survive_a_large_cache_that_changes),
		cmocka_unit_test(counters_survive_more_uses_than_they_can_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
