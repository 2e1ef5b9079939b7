/*
 * Mutexes and conditions over the executor's wait and wake (a futex), so that
 * the deterministic executor schedules them like everything else.
 *
 * A mutex has a rank; debug builds check that ranks rise as locks are taken.
 * The mutex is the three-state one of Drepper's "Futexes Are Tricky":
 * 0 free, 1 held, 2 held and somebody waits.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/mem.h"
#include "base/status.h"
#include "base/task.h"

#include <stdatomic.h>

/* The order in which locks may be taken: a holder of one takes only higher ones. */
enum lock_rank {
	RANK_LOG_PREPARE = 1, /* db: one log segment prepared or sealed at a time */
	RANK_INSTALL,         /* db: order of flush results and manifest edits */
	RANK_GAPS,            /* db: where nothing is alive */
	RANK_COMMIT,          /* db: the ordered step */
	RANK_DB,              /* db: state of families, jobs, stalls */
	RANK_SCHEDULER,
	RANK_MANIFEST,
	RANK_WAL_LOAD,
	RANK_WAL_SYNC,
	RANK_WAL,
	RANK_MEMTABLE,
	RANK_SNAPSHOTS,
	RANK_TABLE,
	RANK_CACHE,
	RANK_EPOCH,
	RANK_STORE,
	RANK_PACE, /* db: how fast merges may go */
	RANK_RATE,
	RANK_LEAF,
};

struct mutex {
	const shale_env *env;
	_Atomic uint32_t state;
	uint8_t rank;
};

struct cond {
	_Atomic uint32_t seq;
};

void mutex_init(struct mutex *m, const shale_env *env, enum lock_rank rank);
void mutex_lock_slow(struct mutex *m);
void mutex_wake(const shale_env *env, const void *state);
void mutex_rank_push(const struct mutex *m);
void mutex_rank_pop(const struct mutex *m);

static inline bool mutex_trylock(struct mutex *m)
{
	uint32_t free = 0;

	task_point(false);
	if (!atomic_compare_exchange_strong_explicit(&m->state, &free, 1, memory_order_acquire,
						     memory_order_relaxed))
		return false;
#ifdef SHALE_DEBUG
	mutex_rank_push(m);
#endif
	return true;
}

static inline void mutex_lock(struct mutex *m)
{
	uint32_t free = 0;

	task_point(false);
	if (unlikely(!atomic_compare_exchange_strong_explicit(&m->state, &free, 1,
							      memory_order_acquire,
							      memory_order_relaxed)))
		mutex_lock_slow(m);
#ifdef SHALE_DEBUG
	mutex_rank_push(m);
#endif
}

static inline void mutex_unlock(struct mutex *m)
{
	/* Once it is free the next holder may free the memory it lies in. */
	const shale_env *env = m->env;

	task_point(false);
#ifdef SHALE_DEBUG
	mutex_rank_pop(m);
#endif
	if (unlikely(atomic_exchange_explicit(&m->state, 0, memory_order_release) == 2))
		mutex_wake(env, &m->state);
}

static inline void mutex_assert_held(struct mutex *m)
{
	DEBUG_ASSERT(atomic_load_explicit(&m->state, memory_order_relaxed) != 0);
	(void)m;
}

void cond_init(struct cond *c);
/* Release m, wait for a signal (or no reason), take m again. */
void cond_wait(struct cond *c, struct mutex *m);
void cond_wait_ns(struct cond *c, struct mutex *m, uint64_t timeout_ns);
void cond_signal(struct cond *c, const shale_env *env);
void cond_broadcast(struct cond *c, const shale_env *env);

/*
 * The same in steps, so that who is woken need not wait for the mutex, nor take it. Under
 * the mutex a waiter asks where the condition is, and who wakes it moves it on; without the
 * mutex the one sleeps until it has moved (or for no reason), and the other wakes one or all
 * who sleep. For the latter the condition is an address only: what lay there may be gone.
 */
uint32_t cond_now(const struct cond *c);
void cond_sleep(struct cond *c, const shale_env *env, uint32_t seen);
void cond_move(struct cond *c);
void cond_wake(const struct cond *c, const shale_env *env, bool all);

/* Time, and a point where another task may run. */
static inline uint64_t env_now_ns(const shale_env *env)
{
	return env->clock.ops->now_ns(env->clock.self);
}

static inline uint64_t env_wall_ms(const shale_env *env)
{
	return env->clock.ops->wall_ms(env->clock.self);
}

static inline void env_yield(const shale_env *env)
{
	if (env->executor.ops->yield != NULL)
		env->executor.ops->yield(env->executor.self);
}

void env_sleep_ns(const shale_env *env, uint64_t ns);

static inline void cpu_relax(void)
{
	task_point(true);
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
