/* Large blocks: never two at one place, known by their size, and empty pieces go back. */
#include "support/test.h"

#include "base/rand.h"
#include "env/large.h"
#include "env/page_pool.h"

#include <pthread.h>

enum { BLOCKS = 60, STEPS = 20000, THREADS = 3 };

/* Bytes that the pool keeps though nobody uses them. */
static uint64_t kept(const struct page_pool *pool)
{
	return (uint64_t)pool->count * MEM_PAGES;
}

static size_t some_size(struct rand *rnd)
{
	size_t most = rand_below(rnd, 20) == 0 ? 3 * (size_t)MEM_PAGES : 20 * (size_t)LARGE_UNIT;

	return 1 + (size_t)rand_below(rnd, most);
}

/* Pieces are only addresses here. */
static void blocks_never_overlap_and_are_known_by_size(void **state)
{
	struct {
		uint8_t *p;
		size_t n;
	} block[BLOCKS] = { { NULL, 0 } };
	uint8_t *next = (uint8_t *)((uintptr_t)64 * MEM_PAGES);
	struct large l;
	struct rand rnd;

	(void)state;
	rand_seed(&rnd, test_seed());
	large_init(&l, shale_env_default());
	for (uint64_t step = 0; step < test_scale(STEPS); step++) {
		size_t i = (size_t)rand_below(&rnd, BLOCKS), bytes, n;
		void *memory;
		uint8_t *p;

		if (block[i].p != NULL) {
			n = large_size(&l, block[i].p);
			assert_true(n >= block[i].n && n < block[i].n + MEM_PAGES);
			assert_int_equal(large_size(&l, block[i].p + 1), 0);
			assert_true(large_give(&l, block[i].p, &memory, &bytes));
			assert_int_equal(bytes % MEM_PAGES, 0);
			assert_int_equal(large_size(&l, block[i].p), 0);
			block[i].p = NULL;
			continue;
		}
		n = some_size(&rnd);
		p = large_take(&l, n);
		if (p == NULL) {
			bytes = large_piece_bytes(n);
			assert_true(bytes >= n);
			assert_true(large_add(&l, next, bytes));
			p = large_take(&l, n);
			assert_ptr_equal(p, next);
			next += bytes;
		}
		for (size_t k = 0; k < BLOCKS; k++)
			assert_true(block[k].p == NULL || p + n <= block[k].p ||
				    block[k].p + block[k].n <= p);
		block[i].p = p;
		block[i].n = n;
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		size_t bytes;
		void *memory;

		if (block[i].p != NULL)
			assert_true(large_give(&l, block[i].p, &memory, &bytes));
	}
	assert_int_equal(l.count, 0);
	large_fini(&l);
}

static void a_pool_knows_all_that_is_held_and_keeps_contents(void **state)
{
	uint8_t *block[BLOCKS] = { NULL };
	size_t size[BLOCKS] = { 0 };
	uint64_t before, asked = 0;
	struct page_pool pool;
	struct rand rnd;

	(void)state;
	rand_seed(&rnd, test_seed());
	page_pool_init(&pool, shale_env_default(), 2 * (uint64_t)MEM_PAGES, true);
	before = page_pool_used(&pool);
	assert_int_equal(before, 0);
	for (uint64_t step = 0; step < test_scale(3000); step++) {
		size_t i = (size_t)rand_below(&rnd, BLOCKS);
		size_t n = rand_below(&rnd, 2) == 0 ? 1 + (size_t)rand_below(&rnd, 3000)
						    : some_size(&rnd);
		uint8_t mark = (uint8_t)(i + 1);

		if (block[i] != NULL && rand_below(&rnd, 2) == 0) {
			mem_free(&pool.env, block[i]);
			asked -= size[i];
			block[i] = NULL;
			size[i] = 0;
			continue;
		}
		block[i] = mem_realloc(&pool.env, block[i], n);
		assert_non_null(block[i]);
		if (size[i] != 0) {
			assert_int_equal(block[i][0], mark);
			assert_int_equal(block[i][(size[i] < n ? size[i] : n) - 1], mark);
		}
		memset(block[i], mark, n);
		asked += n - size[i];
		size[i] = n;
		assert_true(page_pool_used(&pool) >= asked);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		mem_free(&pool.env, block[i]);
	assert_int_equal(page_pool_used(&pool), kept(&pool));
	page_pool_fini(&pool);
	assert_int_equal(page_pool_used(&pool), 0);
}

struct user {
	struct page_pool *pool;
	pthread_barrier_t *all;
	pthread_t thread;
	uint64_t left; /* rounds at whose end something was */
};

/* All at once, so that they find no room at once. */
static void *take_and_give(void *arg)
{
	struct user *u = arg;

	for (uint64_t round = 0; round < test_scale(2000); round++) {
		void *p;

		pthread_barrier_wait(u->all);
		p = mem_alloc(&u->pool->env, LARGE_UNIT);
		pthread_barrier_wait(u->all);
		mem_free(&u->pool->env, p);
		pthread_barrier_wait(u->all);
		u->left += page_pool_used(u->pool) != kept(u->pool);
	}
	return NULL;
}

/* Two that find no room make a piece each, and one may do for both. */
static void threads_leave_no_empty_piece_behind(void **state)
{
	struct user user[THREADS];
	pthread_barrier_t all;
	struct page_pool pool;

	(void)state;
	page_pool_init(&pool, shale_env_default(), 0, true);
	pthread_barrier_init(&all, NULL, THREADS);
	for (size_t i = 0; i < THREADS; i++) {
		user[i] = (struct user){ .pool = &pool, .all = &all };
		assert_int_equal(pthread_create(&user[i].thread, NULL, take_and_give, &user[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		assert_int_equal(user[i].left, 0);
	}
	pthread_barrier_destroy(&all);
	page_pool_fini(&pool);
}

/* The default heap, whose allocation number `left` fails. */
struct failing {
	const shale_allocator_ops *ops;
	void *self;
	int left;
};

static bool fails(struct failing *f)
{
	return f->left-- == 0;
}

static void *failing_alloc(void *self, size_t n)
{
	struct failing *f = self;

	return fails(f) ? NULL : f->ops->alloc(f->self, n);
}

static void *failing_aligned(void *self, size_t align, size_t n)
{
	struct failing *f = self;

	return fails(f) ? NULL : f->ops->alloc_aligned(f->self, align, n);
}

static void *failing_realloc(void *self, void *p, size_t n)
{
	struct failing *f = self;

	return fails(f) ? NULL : f->ops->realloc(f->self, p, n);
}

static void *failing_pages(void *self, size_t n)
{
	struct failing *f = self;

	return fails(f) ? NULL : f->ops->pages(f->self, n);
}

static void plain_free(void *self, void *p)
{
	struct failing *f = self;

	f->ops->free(f->self, p);
}

static void plain_pages_free(void *self, void *p, size_t n)
{
	struct failing *f = self;

	f->ops->pages_free(f->self, p, n);
}

static const shale_allocator_ops failing_ops = {
	.struct_size = sizeof(shale_allocator_ops),
	.alloc = failing_alloc,
	.realloc = failing_realloc,
	.free = plain_free,
	.alloc_aligned = failing_aligned,
	.pages = failing_pages,
	.pages_free = plain_pages_free,
};

/* A block that grows from small to large and beyond a piece; whether all could be had. */
static bool grow(const shale_env *env)
{
	static const size_t size[] = { 100, LARGE_UNIT, 5 * LARGE_UNIT, MEM_PAGES + 1 };
	uint8_t *p = mem_alloc(env, 1);

	if (p == NULL)
		return false;
	*p = 'x';
	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		uint8_t *more = mem_realloc(env, p, size[i]);

		assert_int_equal((more != NULL ? more : p)[0], 'x');
		if (more == NULL) {
			mem_free(env, p);
			return false;
		}
		p = more;
	}
	mem_free(env, p);
	return true;
}

static void a_failure_leaves_all_as_it_was(void **state)
{
	shale_env env = *shale_env_default();
	struct failing f = { .ops = env.allocator.ops, .self = env.allocator.self };
	bool all = false;

	(void)state;
	env.allocator.ops = &failing_ops;
	env.allocator.self = &f;
	for (int nth = 0; !all; nth++) {
		struct page_pool pool;

		f.left = nth;
		page_pool_init(&pool, &env, 2 * (uint64_t)MEM_PAGES, true);
		all = grow(&pool.env);
		assert_int_equal(page_pool_used(&pool), kept(&pool));
		page_pool_fini(&pool);
		assert_true(nth < 100 && (nth > 3 || !all));
	}
}

static void note(void *arg)
{
	++*(int *)arg;
}

static void a_pool_tells_when_its_limit_is_passed(void **state)
{
	struct page_pool pool;
	int told = 0;
	void *p, *q;

	(void)state;
	page_pool_init(&pool, shale_env_default(), 0, true);
	page_pool_tell(&pool, note, &told);
	page_pool_tell_at(&pool, 10000);
	p = mem_aligned(&pool.env, 64, 5000);
	assert_int_equal((uintptr_t)p % 64, 0);
	assert_int_equal(told, 0);
	q = mem_alloc(&pool.env, 6000);
	assert_int_equal(told, 1);
	mem_free(&pool.env, p);
	mem_free(&pool.env, q);
	p = mem_alloc(&pool.env, 1 << 20);
	assert_int_equal(told, 2);
	/* Also when it is set below what is held. */
	page_pool_tell_at(&pool, 5000);
	assert_int_equal(told, 3);
	mem_free(&pool.env, p);
	page_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_never_overlap_and_are_known_by_size),
		cmocka_unit_test(a_pool_knows_all_that_is_held_and_keeps_contents),
		cmocka_unit_test(threads_leave_no_empty_piece_behind),
		cmocka_unit_test(a_failure_leaves_all_as_it_was),
		cmocka_unit_test(a_pool_tells_when_its_limit_is_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
