#include "base/epoch.h"

#include "base/task.h"

enum { FULL_NS = 20000 };

void epoch_init(struct epoch *e, const shale_env *env)
{
	e->env = env;
	for (int i = 0; i < EPOCH_SLOTS; i++)
		atomic_init(&e->slot[i].counter, 0);
	mutex_init(&e->mu, env, RANK_EPOCH);
	e->retired = NULL;
	atomic_init(&e->retired_count, 0);
}

unsigned epoch_enter(struct epoch *e)
{
	unsigned i = task_stripe() % EPOCH_SLOTS;

	for (unsigned tries = 0;; tries++) {
		uint64_t even = atomic_load_explicit(&e->slot[i].counter, memory_order_relaxed);

		if ((even & 1) == 0 &&
		    atomic_compare_exchange_strong(&e->slot[i].counter, &even, even + 1)) {
			task_point(false);
			return i;
		}
		i = (i + 1) % EPOCH_SLOTS;
		/* More readers inside than slots: some of them wait for the disk. */
		if (tries % EPOCH_SLOTS == EPOCH_SLOTS - 1)
			env_sleep_ns(e->env, FULL_NS);
	}
}

void epoch_mark(struct epoch *e, struct epoch_mark *m)
{
	m->waits_for = 0;
	task_point(false);
	for (unsigned i = 0; i < EPOCH_SLOTS; i++) {
		uint64_t c = atomic_load(&e->slot[i].counter);

		m->counter[i] = c;
		if (c & 1)
			m->waits_for |= UINT64_C(1) << i;
	}
}

bool epoch_passed(struct epoch *e, struct epoch_mark *m)
{
	for (uint64_t left = m->waits_for; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (atomic_load_explicit(&e->slot[i].counter, memory_order_acquire) ==
		    m->counter[i])
			return false;
		m->waits_for &= ~(UINT64_C(1) << i);
	}
	return true;
}

void epoch_retire(struct epoch *e, struct epoch_item *item, void (*fn)(struct epoch_item *item))
{
	item->free = fn;
	epoch_mark(e, &item->readers);
	/* Counted first, so that the count never falls below what is on the list. */
	atomic_fetch_add_explicit(&e->retired_count, 1, memory_order_relaxed);
	mutex_lock(&e->mu);
	item->next = e->retired;
	e->retired = item;
	mutex_unlock(&e->mu);
}

size_t epoch_reclaim(struct epoch *e)
{
	struct epoch_item *ready = NULL, **at;

	if (!epoch_pending(e))
		return 0;
	mutex_lock(&e->mu);
	for (at = &e->retired; *at != NULL;) {
		struct epoch_item *item = *at;

		if (!epoch_passed(e, &item->readers)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		item->next = ready;
		ready = item;
	}
	mutex_unlock(&e->mu);
	while (ready != NULL) {
		struct epoch_item *next = ready->next;

		ready->free(ready);
		/* Release: who finds none left sees what was done to free it. */
		atomic_fetch_sub_explicit(&e->retired_count, 1, memory_order_release);
		ready = next;
	}
	return atomic_load_explicit(&e->retired_count, memory_order_acquire);
}

void epoch_fini(struct epoch *e)
{
	size_t left = epoch_reclaim(e);

	ASSERT(left == 0);
}
