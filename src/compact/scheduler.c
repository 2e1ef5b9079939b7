/*
 * Every worker sleeps on one word, the number of kicks. It reads the word, asks
 * for work, and only then goes to sleep, if the word still is what it read: a kick
 * between asking and sleeping ends the sleep at once, so none is lost.
 */
#include "compact/scheduler.h"

#include <stdio.h>

struct worker {
	struct scheduler *scheduler;
	shale_thread *thread;
	unsigned index;
};

struct scheduler {
	const shale_env *env;
	scheduler_step step;
	void *arg;
	_Atomic bool stopping;
	_Atomic uint32_t kicks; /* workers sleep on this word */
	unsigned count;         /* of the threads that were started */
	unsigned workers;       /* how many there are to be */
	unsigned nice;          /* of theirs */
	struct worker worker[];
};

/* The executor may have been compiled when there was no such wish. */
static void give_way(const struct scheduler *s)
{
	const shale_executor_ops *ops = s->env->executor.ops;
	size_t end = offsetof(shale_executor_ops, give_way) + sizeof(ops->give_way);

	if (s->nice != 0 && ops->struct_size >= end && ops->give_way != NULL)
		ops->give_way(s->env->executor.self, s->nice);
}

static void work(void *arg)
{
	struct worker *w = arg;
	struct scheduler *s = w->scheduler;

	give_way(s);
	while (!atomic_load(&s->stopping)) {
		/* Read before asking: a kick in between ends the sleep at once. */
		uint32_t kicks = atomic_load(&s->kicks);
		uint64_t wait_ns = UINT64_MAX;

		if (s->step(s->arg, w->index, &wait_ns) || atomic_load(&s->stopping))
			continue;
		s->env->executor.ops->wait(s->env->executor.self, (const uint32_t *)&s->kicks,
					   kicks, wait_ns);
	}
}

shale_status scheduler_start(const shale_env *env, unsigned workers, unsigned nice,
			     scheduler_step step, void *arg, struct scheduler **out)
{
	struct scheduler *s = mem_zalloc(env, sizeof(*s) + workers * sizeof(s->worker[0]));

	if (s == NULL)
		return err_memory("the background threads");
	s->env = env;
	s->step = step;
	s->arg = arg;
	s->workers = workers;
	s->nice = nice;
	/* The workers look for the scheduler where the owner will have it, and kick it. */
	*out = s;
	for (unsigned i = 0; i < workers; i++) {
		struct worker *w = &s->worker[i];
		char name[24];
		int rc;

		*w = (struct worker){ .scheduler = s, .index = i };
		snprintf(name, sizeof(name), "shale-%u", i);
		rc = env->executor.ops->spawn(env->executor.self, name, work, w, &w->thread);
		if (rc < 0) {
			scheduler_stop(s);
			scheduler_free(s);
			*out = NULL;
			return err_sys(-rc, "", "cannot start background thread %u", i);
		}
		s->count++;
	}
	return SHALE_OK;
}

void scheduler_kick(struct scheduler *s)
{
	if (s == NULL)
		return;
	atomic_fetch_add(&s->kicks, 1);
	s->env->executor.ops->wake(s->env->executor.self, (const uint32_t *)&s->kicks,
				   (int)s->workers);
}

bool scheduler_stopping(const struct scheduler *s)
{
	return s == NULL || atomic_load(&s->stopping);
}

void scheduler_stop(struct scheduler *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	scheduler_kick(s);
	for (unsigned i = 0; i < s->count; i++)
		s->env->executor.ops->join(s->env->executor.self, s->worker[i].thread);
}

void scheduler_free(struct scheduler *s)
{
	if (s != NULL)
		mem_free(s->env, s);
}
