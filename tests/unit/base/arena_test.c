/* The arena: pieces never overlap, whoever takes them. */
#include "unit/base/tasks.h"

#include "base/arena.h"
#include "base/rand.h"

static void pieces_are_aligned_and_apart(void **state)
{
	struct arena a;
	uint8_t *before = NULL;

	(void)state;
	arena_init(&a, shale_env_default());
	assert_int_equal(arena_bytes(&a), 0);
	for (size_t n = 0; n < 300; n++) {
		uint8_t *p = arena_alloc(&a, n), *line = arena_alloc_line(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 8, 0);
		assert_int_equal((uintptr_t)line % 64, 0);
		memset(p, 1, n);
		memset(line, 2, n);
		if (n != 0) {
			assert_int_equal(p[n - 1], 1);
			assert_ptr_not_equal(p, before);
		}
		before = p;
	}
	assert_true(arena_bytes(&a) >= 300 * 299);
	arena_fini(&a);
}

static void large_pieces_get_chunks_of_their_own(void **state)
{
	struct arena a;
	uint8_t *p;
	size_t bytes;

	(void)state;
	arena_init(&a, shale_env_default());
	assert_non_null(arena_alloc(&a, 8));
	bytes = arena_bytes(&a);
	assert_true(bytes < 8192); /* a tiny arena stays tiny */
	p = arena_alloc(&a, 3 << 20);
	assert_non_null(p);
	memset(p, 0xaa, 3 << 20);
	assert_in_range(arena_bytes(&a) - bytes, 3 << 20, (3 << 20) + 4096);
	bytes = arena_bytes(&a);
	assert_non_null(arena_alloc(&a, 8)); /* goes on in the small chunk */
	assert_int_equal(arena_bytes(&a), bytes);
	arena_fini(&a);
}

static void impossible_sizes_are_refused(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, shale_env_default());
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 7));
	assert_null(arena_alloc_line(&a, SIZE_MAX));
	assert_int_equal(arena_bytes(&a), 0);
	arena_fini(&a);
}

static void *no_memory(void *self, size_t align, size_t n)
{
	(void)self;
	(void)align;
	(void)n;
	return NULL;
}

static void without_memory_it_says_so_and_goes_on_later(void **state)
{
	shale_env env = *shale_env_default();
	shale_allocator_ops ops = *env.allocator.ops;
	struct arena a;

	(void)state;
	env.allocator.ops = &ops;
	ops.alloc_aligned = no_memory;
	arena_init(&a, &env);
	assert_null(arena_alloc(&a, 8));
	assert_null(arena_alloc(&a, 1 << 20));
	ops.alloc_aligned = shale_env_default()->allocator.ops->alloc_aligned;
	assert_non_null(arena_alloc(&a, 8));
	arena_fini(&a);
}

/* Every task fills its pieces with its own mark and looks at them again at the end. */
enum { PIECES = 4000, WORKERS = 6 };

struct shared {
	struct arena arena;
	_Atomic uint32_t next;
};

static void take_pieces(void *arg)
{
	struct shared *s = arg;
	uint32_t me = atomic_fetch_add(&s->next, 1) + 1;
	uint64_t **piece = calloc(PIECES, sizeof(*piece));
	size_t *size = calloc(PIECES, sizeof(*size));
	struct rand r;

	rand_seed(&r, me);
	for (int i = 0; i < PIECES; i++) {
		size[i] = 1 + rand_below(&r, rand_below(&r, 100) == 0 ? 2000 : 16);
		piece[i] = arena_alloc(&s->arena, size[i] * 8);
		ASSERT(piece[i] != NULL);
		for (size_t k = 0; k < size[i]; k++)
			piece[i][k] = (uint64_t)me << 32 | (uint32_t)i;
	}
	for (int i = 0; i < PIECES; i++)
		for (size_t k = 0; k < size[i]; k++)
			ASSERT(piece[i][k] == ((uint64_t)me << 32 | (uint32_t)i));
	free(piece);
	free(size);
}

static void tasks_that_allocate_at_once_never_share_a_piece(void **state)
{
	static struct shared s;
	struct tasks t;

	(void)state;
	arena_init(&s.arena, shale_env_default());
	tasks_start(&t, WORKERS, take_pieces, &s);
	tasks_join(&t);
	arena_fini(&s.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(large_pieces_get_chunks_of_their_own),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(without_memory_it_says_so_and_goes_on_later),
		cmocka_unit_test(tasks_that_allocate_at_once_never_share_a_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
