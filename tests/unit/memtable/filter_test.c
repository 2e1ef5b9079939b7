/* The filter of a memtable: what was added is there, and little else, however many come. */
#include "support/test.h"

#include "base/hash.h"
#include "base/rand.h"
#include "memtable/filter.h"
#include "support/failing_heap.h"

#include <pthread.h>

enum { KEYS = 300000, ASKED = 20000, GROW_EVERY = 256, ADDERS = 4 };

static uint64_t hash_of(uint64_t i)
{
	return hash_key(slice_from(&i, sizeof(i)));
}

static double percent_wrong(const struct memfilter *f)
{
	unsigned wrong = 0;

	for (uint64_t i = 0; i < ASKED; i++)
		wrong += memfilter_has(f, hash_of(KEYS + i));
	return 100.0 * wrong / ASKED;
}

static void all_keys_are_there_and_few_others_at_any_size(void **state)
{
	struct arena arena;
	struct memfilter f;
	uint64_t look = 1000;

	(void)state;
	arena_init(&arena, shale_env_default());
	assert_true(memfilter_init(&f, &arena));
	assert_true(percent_wrong(&f) == 0);
	for (uint64_t i = 0; i < KEYS; i++) {
		memfilter_add(&f, hash_of(i));
		assert_false(memfilter_add(&f, hash_of(i)));
		if (i % GROW_EVERY == GROW_EVERY - 1)
			memfilter_grow(&f, i + 1);
		if (i + 1 != look)
			continue;
		look += look / 2;
		for (uint64_t k = 0; k <= i; k++)
			assert_true(memfilter_has(&f, hash_of(k)));
		/* Full parts, all but the newest, let through 2 % each. */
		assert_true(percent_wrong(&f) < 8);
	}
	assert_true(atomic_load(&f.count) == 4);
	/* Parts for a million keys, and what the arena has left for others. */
	assert_true(arena_bytes(&arena) < 3 << 20);
	/* From here on twice, and what was there still is. */
	memfilter_grow(&f, 3000000);
	assert_true(atomic_load(&f.count) == 5);
	assert_true(memfilter_words(4) == 2 * memfilter_words(3));
	assert_true(memfilter_add(&f, hash_of(KEYS)) && memfilter_has(&f, hash_of(KEYS)));
	assert_true(memfilter_has(&f, hash_of(0)));
	arena_fini(&arena);
}

static void without_memory_it_goes_on_with_what_it_has(void **state)
{
	struct failing_heap heap;
	struct arena arena;
	struct memfilter f;

	(void)state;
	failing_heap_init(&heap);
	arena_init(&arena, &heap.env);
	failing_heap_arm(&heap, 1, false);
	assert_false(memfilter_init(&f, &arena));
	assert_true(memfilter_init(&f, &arena));
	for (uint64_t i = 0; i < 10000; i++) {
		if (i == 1000)
			failing_heap_arm(&heap, 1, false);
		memfilter_add(&f, hash_of(i));
		memfilter_grow(&f, i + 1);
	}
	for (uint64_t i = 0; i < 10000; i++)
		assert_true(memfilter_has(&f, hash_of(i)));
	assert_true(atomic_load(&f.count) == 2);
	arena_fini(&arena);
	assert_int_equal(heap.alive, 0);
}

struct adder {
	struct memfilter *f;
	uint64_t first;
	_Atomic uint64_t *done;
	pthread_t thread;
};

static void *add_some(void *arg)
{
	struct adder *a = arg;

	for (uint64_t i = 0; i < KEYS / ADDERS; i++) {
		memfilter_add(a->f, hash_of(a->first + i));
		atomic_store_explicit(a->done, i + 1, memory_order_release);
		if (i % GROW_EVERY == 0)
			memfilter_grow(a->f, i * ADDERS);
	}
	return NULL;
}

static void what_others_add_is_seen_when_they_have_said_so(void **state)
{
	static _Atomic uint64_t done[ADDERS];
	struct adder adders[ADDERS];
	struct arena arena;
	struct memfilter f;
	struct rand r;

	(void)state;
	rand_seed(&r, 7);
	arena_init(&arena, shale_env_default());
	assert_true(memfilter_init(&f, &arena));
	for (unsigned i = 0; i < ADDERS; i++) {
		atomic_init(&done[i], 0);
		adders[i] =
			(struct adder){ .f = &f, .first = (uint64_t)i * KEYS, .done = &done[i] };
		assert_int_equal(pthread_create(&adders[i].thread, NULL, add_some, &adders[i]), 0);
	}
	for (uint64_t all = 0; all < KEYS / ADDERS * ADDERS;) {
		all = 0;
		for (unsigned i = 0; i < ADDERS; i++) {
			uint64_t n = atomic_load_explicit(&done[i], memory_order_acquire);

			all += n;
			for (unsigned k = 0; k < 100 && n != 0; k++)
				assert_true(memfilter_has(&f, hash_of(adders[i].first +
								      rand_below(&r, n))));
			if (n != 0)
				assert_true(memfilter_has(&f, hash_of(adders[i].first + n - 1)));
		}
	}
	for (unsigned i = 0; i < ADDERS; i++)
		pthread_join(adders[i].thread, NULL);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_are_there_and_few_others_at_any_size),
		cmocka_unit_test(without_memory_it_goes_on_with_what_it_has),
		cmocka_unit_test(what_others_add_is_seen_when_they_have_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
