/*
 * What belongs to the running task. On real threads that is thread-local; the
 * deterministic executor runs many tasks on one thread and swaps this struct
 * with every switch, which is why all thread-local state of the library is here.
 */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include <shale/shale.h>

enum { TASK_LOCKS_MAX = 16 };

struct task {
	shale_error error;
	uint32_t stripe;     /* spreads counters and epoch slots; 0: not chosen yet */
	uint32_t calls;      /* of which some are timed (base/latency.h) */
	uint32_t lock_count; /* debug: locks held, in order of acquisition */
	uint8_t lock_rank[TASK_LOCKS_MAX];
	/* Of the deterministic executor: another task may go on here. NULL: nothing. */
	void (*point)(struct task *t, bool waits);
};

/* The running task's; never NULL. */
struct task *task_self(void);

/* Let `t` be the running task's from now on (NULL: the thread's own). */
void task_switch(struct task *t);

/*
 * A marked step: beside an atomic operation whose place among those of other tasks
 * matters. In a library built with SHALE_YIELDS (for tests; decision 11) the
 * deterministic executor may go on with another task here; otherwise it is nothing.
 * `waits`: this task spins until another has moved.
 */
static inline void task_point(bool waits)
{
#ifdef SHALE_YIELDS
	struct task *t = task_self();

	if (t->point != NULL)
		t->point(t, waits);
#else
	(void)waits;
#endif
}

/* A small number that differs between tasks where possible. */
uint32_t task_stripe(void);

#endif
