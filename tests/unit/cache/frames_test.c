/* Frames: pieces never overlap, sizes are honoured, and what is given back leaves. */
#include "support/test.h"

#include "base/rand.h"
#include "cache/frames.h"

enum { PIECES = 3000 };

struct piece {
	uint8_t *p;
	size_t n;
	uint8_t fill;
};

static void check_piece(const struct piece *x)
{
	for (size_t i = 0; i < x->n; i += 61)
		assert_int_equal(x->p[i], x->fill);
	assert_int_equal(x->p[x->n - 1], x->fill);
}

static size_t some_size(struct rand *rnd)
{
	switch (rand_below(rnd, 4)) {
	case 0:
		return 4000 + rand_below(rnd, 300);
	case 1:
		return 1 + rand_below(rnd, 1100);
	case 2:
		return ((size_t)1 << (10 + rand_below(rnd, 6))) + rand_below(rnd, 3) - 1;
	default:
		return 1 + rand_below(rnd, 40000);
	}
}

static void play(bool heap_only)
{
	static struct piece pieces[PIECES];
	struct frames f;
	struct rand rnd;

	rand_seed(&rnd, test_seed());
	memset(pieces, 0, sizeof(pieces));
	frames_init(&f, shale_env_default(), heap_only);
	for (size_t round = 0; round < 40000; round++) {
		struct piece *x = &pieces[rand_below(&rnd, PIECES)];

		if (x->p != NULL) {
			check_piece(x);
			frames_free(&f, x->p, x->n);
			x->p = NULL;
			continue;
		}
		x->n = some_size(&rnd);
		x->fill = (uint8_t)round;
		x->p = frames_alloc(&f, x->n);
		assert_non_null(x->p);
		assert_true(((uintptr_t)x->p & 7) == 0);
		assert_true(frames_charge(&f, x->n) >= x->n);
		assert_true(frames_charge(&f, x->n) <= x->n + x->n / 6 + 128);
		memset(x->p, x->fill, x->n);
	}
	for (size_t i = 0; i < PIECES; i++)
		if (pieces[i].p != NULL) {
			check_piece(&pieces[i]);
			frames_free(&f, pieces[i].p, pieces[i].n);
		}
	assert_int_equal(frames_held(&f), 0);
	frames_fini(&f);
}

static void pieces_of_any_size_never_overlap(void **state)
{
	(void)state;
	play(false);
}

static void all_may_lie_in_the_heap(void **state)
{
	(void)state;
	play(true);
}

static void owners_of_a_chunk_are_told_until_it_is_free(void **state)
{
	static void *p[2000];
	static struct frames_owned owned[FRAMES_CHUNK_FRAMES];
	struct frames_turns turns = { 0, 0 };
	size_t n, seen = 0;
	struct frames f;
	bool more = true;

	(void)state;
	frames_init(&f, shale_env_default(), false);
	for (uint32_t i = 0; i < 2000; i++) {
		p[i] = frames_alloc(&f, 4200);
		assert_non_null(p[i]);
		if (i % 2 == 0)
			frames_own(&f, p[i], 4200, i + 1);
	}
	for (;;) {
		n = frames_next_chunk(&f, &turns, owned, &more);
		if (!more)
			break;
		seen += n;
		for (size_t i = 0; i < n; i++)
			assert_ptr_equal(owned[i].frame, p[owned[i].owner - 1]);
	}
	assert_int_equal(seen, 1000);
	for (size_t i = 0; i < 2000; i++)
		frames_free(&f, p[i], 4200);
	turns = (struct frames_turns){ 0, 0 };
	assert_int_equal(frames_next_chunk(&f, &turns, owned, &more), 0);
	assert_false(more);
	frames_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_any_size_never_overlap),
		cmocka_unit_test(all_may_lie_in_the_heap),
		cmocka_unit_test(owners_of_a_chunk_are_told_until_it_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
