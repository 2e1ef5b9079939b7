#include "base/lock.h"

#include "base/task.h"

#include <limits.h>

/*
 * Spins are long enough for a short holder on another core. Where there are more
 * threads than cores the holder may have been preempted: then it needs this core.
 */
enum { SPINS = 64, YIELDS = 16 };

void mutex_init(struct mutex *m, const shale_env *env, enum lock_rank rank)
{
	m->env = env;
	atomic_init(&m->state, 0);
	m->rank = (uint8_t)rank;
}

static void futex_wait(const shale_env *env, _Atomic uint32_t *word, uint32_t expected, uint64_t ns)
{
	env->executor.ops->wait(env->executor.self, (const uint32_t *)word, expected, ns);
}

static void futex_wake(const shale_env *env, const void *word, int count)
{
	env->executor.ops->wake(env->executor.self, word, count);
}

void mutex_lock_slow(struct mutex *m)
{
	for (int i = 0; i < SPINS + YIELDS; i++) {
		uint32_t free = 0;

		if (atomic_load_explicit(&m->state, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong_explicit(&m->state, &free, 1,
							    memory_order_acquire,
							    memory_order_relaxed))
			return;
		if (i < SPINS)
			cpu_relax();
		else
			env_yield(m->env);
	}
	while (atomic_exchange_explicit(&m->state, 2, memory_order_acquire) != 0)
		futex_wait(m->env, &m->state, 2, UINT64_MAX);
}

/* The word is only an address here: what lay there may be gone. */
void mutex_wake(const shale_env *env, const void *state)
{
	futex_wake(env, state, 1);
}

void mutex_rank_push(const struct mutex *m)
{
	struct task *t = task_self();

	for (uint32_t i = 0; i < t->lock_count; i++)
		ASSERT(t->lock_rank[i] < m->rank || m->rank == RANK_LEAF);
	ASSERT(t->lock_count < TASK_LOCKS_MAX);
	t->lock_rank[t->lock_count++] = m->rank;
}

void mutex_rank_pop(const struct mutex *m)
{
	struct task *t = task_self();

	for (uint32_t i = t->lock_count; i-- > 0;) {
		if (t->lock_rank[i] != m->rank)
			continue;
		for (uint32_t k = i + 1; k < t->lock_count; k++)
			t->lock_rank[k - 1] = t->lock_rank[k];
		t->lock_count--;
		return;
	}
	ASSERT(!"unlocked what this task does not hold");
}

void cond_init(struct cond *c)
{
	atomic_init(&c->seq, 0);
}

uint32_t cond_now(const struct cond *c)
{
	task_point(false);
	return atomic_load_explicit(&c->seq, memory_order_relaxed);
}

void cond_wait_ns(struct cond *c, struct mutex *m, uint64_t timeout_ns)
{
	uint32_t seen = cond_now(c);

	mutex_unlock(m);
	futex_wait(m->env, &c->seq, seen, timeout_ns);
	mutex_lock(m);
}

void cond_wait(struct cond *c, struct mutex *m)
{
	cond_wait_ns(c, m, UINT64_MAX);
}

void cond_sleep(struct cond *c, const shale_env *env, uint32_t seen)
{
	futex_wait(env, &c->seq, seen, UINT64_MAX);
}

void cond_move(struct cond *c)
{
	atomic_fetch_add_explicit(&c->seq, 1, memory_order_release);
}

void cond_wake(const struct cond *c, const shale_env *env, bool all)
{
	task_point(false);
	futex_wake(env, &c->seq, all ? INT_MAX : 1);
}

void cond_signal(struct cond *c, const shale_env *env)
{
	cond_move(c);
	cond_wake(c, env, false);
}

void cond_broadcast(struct cond *c, const shale_env *env)
{
	cond_move(c);
	cond_wake(c, env, true);
}

void env_sleep_ns(const shale_env *env, uint64_t ns)
{
	/* Nobody wakes this word; early returns are made up for. */
	_Atomic uint32_t word = 0;
	uint64_t now = env_now_ns(env), end = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;

	for (; now < end; now = env_now_ns(env))
		futex_wait(env, &word, 0, end - now);
}
