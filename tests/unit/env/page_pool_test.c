/* The page pool gives back what it was given, up to its limit, and passes the rest through. */
#include "support/test.h"

#include "env/page_pool.h"
#include "env/sim.h"

/* Bytes that the pool keeps though nobody uses them. */
static uint64_t kept(const struct page_pool *pool)
{
	return (uint64_t)pool->count * MEM_PAGES;
}

static void gives_a_piece_again_before_it_asks_for_a_new_one(void **state)
{
	struct page_pool pool;
	const shale_env *env = &pool.env;
	void *a, *b;

	(void)state;
	page_pool_init(&pool, shale_env_default(), 2 * (uint64_t)MEM_PAGES, false);
	a = mem_pages(env, MEM_PAGES);
	assert_non_null(a);
	assert_int_equal((uintptr_t)a % MEM_PAGES, 0);
	mem_pages_free(env, a, MEM_PAGES);
	assert_int_equal(kept(&pool), MEM_PAGES);
	b = mem_pages(env, MEM_PAGES);
	assert_ptr_equal(a, b);
	assert_int_equal(kept(&pool), 0);
	mem_pages_free(env, b, MEM_PAGES);
	page_pool_fini(&pool);
}

static void keeps_no_more_than_its_limit(void **state)
{
	struct page_pool pool;
	void *piece[4];

	(void)state;
	page_pool_init(&pool, shale_env_default(), 2 * (uint64_t)MEM_PAGES, false);
	for (int i = 0; i < 4; i++)
		assert_non_null(piece[i] = mem_pages(&pool.env, MEM_PAGES));
	for (int i = 0; i < 4; i++)
		mem_pages_free(&pool.env, piece[i], MEM_PAGES);
	assert_int_equal(kept(&pool), 2 * MEM_PAGES);
	page_pool_fini(&pool);
}

static void passes_other_sizes_and_the_plain_heap_through(void **state)
{
	struct page_pool pool;
	void *p;

	(void)state;
	page_pool_init(&pool, shale_env_default(), 64 * (uint64_t)MEM_PAGES, false);
	p = mem_pages(&pool.env, 2 * (size_t)MEM_PAGES);
	assert_non_null(p);
	mem_pages_free(&pool.env, p, 2 * (size_t)MEM_PAGES);
	assert_int_equal(kept(&pool), 0);
	p = mem_alloc(&pool.env, 100);
	p = mem_realloc(&pool.env, p, 1000);
	assert_non_null(p);
	mem_free(&pool.env, p);
	page_pool_fini(&pool);
}

static void pools_nothing_where_there_are_no_large_pages(void **state)
{
	struct page_pool pool;
	struct sim *sim;
	void *p;

	(void)state;
	assert_ok(sim_new(1, &sim));
	page_pool_init(&pool, sim_env(sim), 64 * (uint64_t)MEM_PAGES, false);
	p = mem_pages(&pool.env, MEM_PAGES);
	assert_non_null(p);
	mem_pages_free(&pool.env, p, MEM_PAGES);
	assert_int_equal(kept(&pool), 0);
	assert_int_equal(sim_heap_live(sim_get_heap(sim)), 0);
	page_pool_fini(&pool);
	sim_free(sim);
}

static void count_call(void *arg)
{
	++*(unsigned *)arg;
}

static void pieces_are_made_ready_while_some_are_taken(void **state)
{
	enum { MAX = 12, FIRST = 2 };
	struct page_pool pool;
	void *piece[MAX];
	unsigned asked = 0, n = 0;
	uint64_t used;

	(void)state;
	page_pool_init(&pool, shale_env_default(), MAX * (uint64_t)MEM_PAGES, false);
	page_pool_ask(&pool, count_call, &asked);
	assert_false(page_pool_prepare(&pool)); /* nobody has taken any */
	for (unsigned i = 0; i < FIRST; i++)
		assert_non_null(piece[n++] = mem_pages(&pool.env, MEM_PAGES));
	assert_int_equal(asked, 1);
	while (page_pool_prepare(&pool))
		continue;
	assert_int_equal(kept(&pool), PAGE_POOL_READY * (uint64_t)MEM_PAGES);
	used = page_pool_used(&pool);
	/* Not beyond what whoever shares out the memory knows of; it is asked for again later. */
	page_pool_tell_at(&pool, used + MEM_PAGES - 1);
	assert_non_null(piece[n++] = mem_pages(&pool.env, MEM_PAGES));
	assert_int_equal(asked, 2);
	assert_false(page_pool_prepare(&pool));
	page_pool_tell_at(&pool, UINT64_MAX);
	assert_false(page_pool_prepare(&pool));
	mem_pages_free(&pool.env, piece[--n], MEM_PAGES);
	assert_int_equal(used, (FIRST + PAGE_POOL_READY) * (uint64_t)MEM_PAGES);

	/* Those are what is given out next; then it is asked for more, up to the limit. */
	assert_non_null(piece[n++] = mem_pages(&pool.env, MEM_PAGES));
	assert_int_equal(asked, 3);
	assert_int_equal(page_pool_used(&pool), used);
	while (n < MAX - 1)
		assert_non_null(piece[n++] = mem_pages(&pool.env, MEM_PAGES));
	while (page_pool_prepare(&pool))
		continue;
	assert_int_equal(kept(&pool), MEM_PAGES);
	assert_int_equal(page_pool_used(&pool), MAX * (uint64_t)MEM_PAGES);

	/* At rest nothing is made ready, and a lower limit takes what there is. */
	for (unsigned i = 0; i < n; i++)
		mem_pages_free(&pool.env, piece[i], MEM_PAGES);
	page_pool_set_limit(&pool, MEM_PAGES);
	page_pool_set_limit(&pool, MAX * (uint64_t)MEM_PAGES);
	assert_false(page_pool_prepare(&pool));
	assert_int_equal(kept(&pool), MEM_PAGES);
	page_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_a_piece_again_before_it_asks_for_a_new_one),
		cmocka_unit_test(keeps_no_more_than_its_limit),
		cmocka_unit_test(passes_other_sizes_and_the_plain_heap_through),
		cmocka_unit_test(pools_nothing_where_there_are_no_large_pages),
		cmocka_unit_test(pieces_are_made_ready_while_some_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
