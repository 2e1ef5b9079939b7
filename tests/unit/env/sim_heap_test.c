/* The simulated heap. */
#include "base/mem.h"
#include "env/sim.h"
#include "support/test.h"

static shale_env env;

static int setup(void **state)
{
	env.allocator.ops = sim_heap_ops();
	env.allocator.self = *state = sim_heap_new();
	return 0;
}

static int teardown(void **state)
{
	sim_heap_free(*state);
	return 0;
}

static void counts_what_lives(void **state)
{
	struct sim_heap *heap = *state;
	void *a = mem_alloc(&env, 100), *b = mem_aligned(&env, 4096, 50);

	assert_int_equal((uintptr_t)a % 16, 0);
	assert_int_equal((uintptr_t)b % 4096, 0);
	memset(a, 1, 100);
	memset(b, 2, 50);
	assert_int_equal(sim_heap_live(heap), 2);
	assert_int_equal(sim_heap_bytes(heap), 150);
	mem_free(&env, a);
	mem_free(&env, b);
	assert_int_equal(sim_heap_live(heap), 0);
	assert_int_equal(sim_heap_bytes(heap), 0);
	assert_int_equal(sim_heap_peak(heap), 150);
	assert_int_equal(sim_heap_calls(heap), 2);
}

static void realloc_moves_and_keeps_the_bytes(void **state)
{
	char *a = mem_alloc(&env, 4), *b;

	memcpy(a, "abc", 4);
	b = mem_realloc(&env, a, 2);
	assert_ptr_not_equal(a, b);
	b = mem_realloc(&env, b, 100);
	assert_memory_equal(b, "ab", 2);
	mem_free(&env, b);
	b = mem_realloc(&env, NULL, 10);
	assert_non_null(b);
	mem_free(&env, b);
	assert_int_equal(sim_heap_live(*state), 0);
}

static void the_nth_allocation_fails_once_or_for_good(void **state)
{
	struct sim_heap *heap = *state;
	void *a, *b;

	sim_heap_fail(heap, 2, false);
	a = mem_alloc(&env, 1);
	assert_non_null(a);
	assert_null(mem_realloc(&env, a, 2));
	b = mem_aligned(&env, 64, 1);
	assert_non_null(b);
	assert_int_equal(sim_heap_failures(heap), 1);
	sim_heap_fail(heap, 1, true);
	for (int i = 0; i < 3; i++)
		assert_null(mem_zalloc(&env, 1));
	assert_int_equal(sim_heap_failures(heap), 4);
	sim_heap_fail(heap, 0, false);
	mem_free(&env, a);
	a = mem_alloc(&env, 1);
	assert_non_null(a);
	assert_int_equal(sim_heap_live(heap), 2);
	sim_heap_free_all(heap);
	assert_int_equal(sim_heap_live(heap), 0);
}

static void fresh_memory_is_junk(void **state)
{
	uint8_t *a = mem_alloc(&env, 64);

	(void)state;
	for (int i = 0; i < 64; i++)
		assert_int_not_equal(a[i], 0);
	mem_free(&env, a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(counts_what_lives),
		TEST(realloc_moves_and_keeps_the_bytes),
		TEST(the_nth_allocation_fails_once_or_for_good),
		TEST(fresh_memory_is_junk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
