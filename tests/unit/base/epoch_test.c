/* Epochs: nothing is freed that a reader can still see, everything is freed later. */
#include "unit/base/tasks.h"

#include "base/epoch.h"

enum { ALIVE = 0x5ea1ed, DEAD = 0xdead };

struct thing {
	struct epoch_item item;
	_Atomic uint32_t mark;
	_Atomic uint64_t *freed;
};

static struct thing *thing_new(_Atomic uint64_t *freed)
{
	struct thing *t = calloc(1, sizeof(*t));

	ASSERT(t != NULL);
	atomic_init(&t->mark, ALIVE);
	t->freed = freed;
	return t;
}

static void thing_free(struct epoch_item *item)
{
	struct thing *t = (struct thing *)item;

	atomic_store_explicit(&t->mark, DEAD, memory_order_relaxed);
	atomic_fetch_add(t->freed, 1);
	free(t);
}

static struct epoch e;
static _Atomic uint64_t freed;

static int start(void **state)
{
	(void)state;
	epoch_init(&e, shale_env_default());
	atomic_store(&freed, 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	epoch_fini(&e);
	return 0;
}

static void retire(void)
{
	epoch_retire(&e, &thing_new(&freed)->item, thing_free);
}

static void without_readers_all_is_freed_at_the_next_reclaim(void **state)
{
	(void)state;
	assert_false(epoch_pending(&e));
	assert_int_equal(epoch_reclaim(&e), 0);
	retire();
	retire();
	assert_true(epoch_pending(&e));
	assert_int_equal(atomic_load(&freed), 0); /* never at once */
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_int_equal(atomic_load(&freed), 2);
	assert_false(epoch_pending(&e));
}

static void a_reader_delays_what_was_retired_while_it_was_inside(void **state)
{
	unsigned slot, later;

	(void)state;
	slot = epoch_enter(&e);
	retire();
	assert_int_equal(epoch_reclaim(&e), 1);
	assert_int_equal(atomic_load(&freed), 0);
	later = epoch_enter(&e); /* came after: cannot see it, does not hold it */
	epoch_exit(&e, slot);
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_int_equal(atomic_load(&freed), 1);
	retire(); /* waits for `later` only */
	slot = epoch_enter(&e);
	assert_int_equal(epoch_reclaim(&e), 1);
	epoch_exit(&e, later);
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_int_equal(atomic_load(&freed), 2);
	epoch_exit(&e, slot);
}

static void a_slot_taken_again_does_not_hold_back_what_its_former_reader_held(void **state)
{
	unsigned slot, again;

	(void)state;
	slot = epoch_enter(&e);
	retire();
	epoch_exit(&e, slot);
	again = epoch_enter(&e);
	assert_int_equal(again, slot); /* a task prefers its own */
	assert_int_equal(epoch_reclaim(&e), 0);
	epoch_exit(&e, again);
}

static void all_slots_can_be_taken_at_once(void **state)
{
	unsigned slot[EPOCH_SLOTS];
	uint64_t seen = 0;

	(void)state;
	for (int i = 0; i < EPOCH_SLOTS; i++) {
		slot[i] = epoch_enter(&e);
		seen |= UINT64_C(1) << slot[i];
	}
	assert_true(seen == UINT64_MAX);
	retire();
	for (int i = 0; i < EPOCH_SLOTS; i++) {
		assert_int_equal(epoch_reclaim(&e), 1);
		epoch_exit(&e, slot[i]);
	}
	assert_int_equal(epoch_reclaim(&e), 0);
}

/* Readers follow a shared pointer that a writer keeps replacing. */
static _Atomic(struct thing *) shared;
static _Atomic bool done;
static _Atomic uint64_t reads;
static _Atomic uint32_t readers_running;

static void read_on(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	for (; !atomic_load_explicit(&done, memory_order_relaxed); n++) {
		unsigned slot = epoch_enter(&e);
		struct thing *t = atomic_load(&shared);

		for (int i = 0; i < 4; i++)
			ASSERT(atomic_load_explicit(&t->mark, memory_order_relaxed) == ALIVE);
		epoch_exit(&e, slot);
		if (n == 0)
			atomic_fetch_add(&readers_running, 1);
	}
	atomic_fetch_add(&reads, n);
}

static void readers_never_see_what_was_freed(void **state)
{
	const uint64_t rounds = test_scale(20000);
	struct tasks t;

	(void)state;
	atomic_store(&shared, thing_new(&freed));
	atomic_store(&done, false);
	atomic_store(&readers_running, 0);
	tasks_start(&t, 4, read_on, NULL);
	while (atomic_load(&readers_running) < 4)
		env_sleep_ns(shale_env_default(), 100000);
	for (uint64_t i = 0; i < rounds; i++) {
		struct thing *old = atomic_exchange(&shared, thing_new(&freed));

		epoch_retire(&e, &old->item, thing_free);
		/* Readers that sleep inside hold things back; let them not pile up. */
		while (epoch_reclaim(&e) > 100)
			env_sleep_ns(shale_env_default(), 100000);
	}
	atomic_store(&done, true);
	tasks_join(&t);
	assert_true(atomic_load(&reads) > 0);
	thing_free(&atomic_load(&shared)->item);
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_true(atomic_load(&freed) == rounds + 1);
}

static void retire_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		unsigned slot = epoch_enter(&e);

		retire();
		epoch_exit(&e, slot);
		ASSERT(epoch_reclaim(&e) <= 4 * 2000); /* the count never wraps */
	}
}

static void several_may_retire_and_reclaim_at_once(void **state)
{
	struct tasks t;

	(void)state;
	tasks_start(&t, 4, retire_some, NULL);
	tasks_join(&t);
	assert_int_equal(epoch_reclaim(&e), 0);
	assert_int_equal(atomic_load(&freed), 4 * 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_readers_all_is_freed_at_the_next_reclaim,
						start, stop),
		cmocka_unit_test_setup_teardown(
			a_reader_delays_what_was_retired_while_it_was_inside, start, stop),
		cmocka_unit_test_setup_teardown(
			a_slot_taken_again_does_not_hold_back_what_its_former_reader_held, start,
			stop),
		cmocka_unit_test_setup_teardown(all_slots_can_be_taken_at_once, start, stop),
		cmocka_unit_test_setup_teardown(readers_never_see_what_was_freed, start, stop),
		cmocka_unit_test_setup_teardown(several_may_retire_and_reclaim_at_once, start,
						stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
