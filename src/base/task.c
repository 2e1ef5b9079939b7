#include "base/task.h"

#include <stdatomic.h>

static _Thread_local struct task thread_task;

/*
 * Set from the first use on. The model makes it one load even in the shared
 * library; it takes the few bytes that the loader keeps for this, which the
 * whole struct would not do.
 */
static _Thread_local struct task *current __attribute__((tls_model("initial-exec")));

struct task *task_self(void)
{
	if (__builtin_expect(current == NULL, 0))
		current = &thread_task;
	return current;
}

void task_switch(struct task *t)
{
	current = t;
}

uint32_t task_stripe(void)
{
	/* Only spreads load, so a shared counter that wraps is harmless. */
	static _Atomic uint32_t next;
	struct task *t = task_self();

	if (t->stripe == 0)
		t->stripe = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) | 0x80000000u;
	return t->stripe & 0x7fffffffu;
}
