/*
 * Large pieces of memory lie at multiples of their unit, also where the allocator has
 * no call for them: the block cache finds a frame's slab by its address.
 */
#include "support/failing_heap.h"
#include "support/test.h"

#include "base/mem.h"
#include "cache/frames.h"

static void pages_are_aligned_without_a_call_for_them(void **state)
{
	struct failing_heap heap;
	void *odd, *p;

	(void)state;
	failing_heap_init(&heap);
	assert_null(heap.env.allocator.ops->pages);
	for (int i = 0; i < 4; i++) {
		odd = mem_alloc(&heap.env, 1000);
		p = mem_pages(&heap.env, MEM_PAGES);
		assert_non_null(odd);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % MEM_PAGES, 0);
		mem_pages_free(&heap.env, p, MEM_PAGES);
		mem_free(&heap.env, odd);
	}
	assert_int_equal(heap.alive, 0);
}

static void frames_find_their_slab_in_such_pages(void **state)
{
	struct failing_heap heap;
	struct frames f;
	void *p[300];

	(void)state;
	failing_heap_init(&heap);
	frames_init(&f, &heap.env, false);
	for (uint32_t i = 0; i < 300; i++) {
		p[i] = frames_alloc(&f, 1066 + 10 * i);
		assert_non_null(p[i]);
		frames_own(&f, p[i], 1066 + 10 * i, i + 1);
	}
	for (uint32_t i = 0; i < 300; i++)
		frames_free(&f, p[i], 1066 + 10 * i);
	assert_int_equal(frames_held(&f), 0);
	frames_fini(&f);
	assert_int_equal(heap.alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_aligned_without_a_call_for_them),
		cmocka_unit_test(frames_find_their_slab_in_such_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
