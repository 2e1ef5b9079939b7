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
	uint32_t lock_count; /* debug: locks held, in order of acquisition */
	uint8_t lock_rank[TASK_LOCKS_MAX];
};

/* The running task's; never NULL. */
struct task *task_self(void);

/* Let `t` be the running task's from now on (NULL: the thread's own). */
void task_switch(struct task *t);

/* A small number that differs between tasks where possible. */
uint32_t task_stripe(void);

#endif
