/* Run one function on several threads of this machine's executor and wait for all. */
#ifndef UNIT_BASE_TASKS_H
#define UNIT_BASE_TASKS_H

#include "support/test.h"

#include "base/mem.h"

enum { TASKS_MAX = 16 };

struct tasks {
	shale_thread *thread[TASKS_MAX];
	int count;
};

static inline void tasks_start(struct tasks *t, int n, void (*fn)(void *arg), void *arg)
{
	const shale_env *env = shale_env_default();

	t->count = n;
	for (int i = 0; i < n; i++)
		assert_int_equal(env->executor.ops->spawn(env->executor.self, "test", fn, arg,
							  &t->thread[i]),
				 0);
}

static inline void tasks_join(struct tasks *t)
{
	const shale_env *env = shale_env_default();

	for (int i = 0; i < t->count; i++)
		env->executor.ops->join(env->executor.self, t->thread[i]);
}

#endif
