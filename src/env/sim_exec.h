/* The inside of struct sim, shared by sim.c and sim_exec.c. */
#ifndef ENV_SIM_EXEC_H
#define ENV_SIM_EXEC_H

#include "base/rand.h"
#include "base/task.h"
#include "env/sim.h"

#include <ucontext.h>

enum task_state { TASK_READY, TASK_WAITING, TASK_JOINING, TASK_ENDED };

enum { TASK_STACK = 256 * 1024, TASK_NAME = 24, PRIORITY_POINTS = 16 };

struct sim_task {
	struct task task; /* what base/task.h knows of it; first */
	struct sim *sim;
	struct sim_task *next; /* all tasks, in order of spawning */
	uint32_t id;
	enum task_state state;
	char name[TASK_NAME];
	void (*fn)(void *arg);
	void *arg;

	const uint32_t *word;    /* WAITING */
	uint64_t deadline;       /* WAITING; UINT64_MAX: none */
	struct sim_task *target; /* JOINING */
	uint64_t priority;       /* PRIORITY: the highest runs */

	ucontext_t context;
	uint8_t *stack;
	void *fake_stack, *fiber; /* of the sanitizers */
};

struct sim {
	shale_env env;
	struct sim_fs *fs;
	struct sim_heap *heap;
	uint32_t alive;
	unsigned cpus;

	/* Apart from each other, so that one more draw here changes nothing there. */
	struct rand choice, cost, bytes;
	uint64_t now_ns;
	int64_t wall_offset_ms; /* wall = this + now */
	uint64_t trace;

	struct sim_schedule schedule;
	struct sim_stats stats;
	uint64_t point[PRIORITY_POINTS]; /* steps at which the running task falls */
	uint64_t lowest;                 /* the priority to fall to; goes down */
	uint64_t fail_spawn;
	struct sim_latency latency;
	bool slow; /* there is a profile of latencies */

	struct sim_task *tasks, *current; /* current NULL: outside of a run */
	uint32_t next_id;
	enum sim_result result;
	bool out_of_steps;
	void (*on_stuck)(void *arg, const char *text);
	void *on_stuck_arg;

	ucontext_t host;
	void *host_fake_stack, *host_fiber;
	const void *host_stack;
	size_t host_stack_size;
	bool from_host;
	uint8_t **stacks; /* spare ones */
	size_t stack_count, stack_cap;
};

const shale_executor_ops *sim_executor_ops(void);
void sim_schedule_init(struct sim *sim);
/*
 * A call that other tasks may run before: counts a step, takes a little time, and
 * may switch. `what` goes into the trace; `force` asks for a switch (yield).
 */
void sim_point(struct sim *sim, uint32_t what, uint64_t cost_ns, bool force);
/* The running task sleeps, whatever is woken; outside of a run time just passes. */
void sim_sleep(struct sim *sim, uint64_t ns);
void sim_trace(struct sim *sim, uint64_t x);
/* Sleep as long as such a call takes (sim_latency.c). */
void sim_latency_sleep(void *arg, enum sim_op op);
void sim_stacks_free(struct sim *sim);

#endif
