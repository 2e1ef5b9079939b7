/*
 * The deterministic executor: tasks are ucontext coroutines on one thread.
 *
 * A task gives way only at a point: a call of the executor, the clock or the disk.
 * There pick() chooses who goes on, by the seed. So whatever lies between two
 * points is atomic, and a run is its sequence of choices, whose hash is the trace.
 *
 * Nobody ready: time jumps to the nearest timeout. No timeout either: deadlock.
 *
 * Control passes from task to task directly and comes back to sim_run() ("the
 * host") only at the end: all ended, stopped, or stuck. A stack is given back to
 * the pool when another one runs: at join, at the end of a run, at a kill.
 *
 * Each switch tells AddressSanitizer and ThreadSanitizer of the new stack.
 */
#include "env/sim_exec.h"

#include "env/sim_disk.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN
#endif
#endif

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* What a point is, in the trace; calls of the disk come behind these. */
enum { POINT_SPAWN = 1, POINT_JOIN, POINT_WAIT, POINT_WAKE, POINT_YIELD, POINT_END, POINT_MARK };

enum { CALL_NS = 100, MARK_NS = 10 };

void sim_trace(struct sim *sim, uint64_t x)
{
	uint64_t state = sim->trace ^ x;

	sim->trace = rand_split(&state);
}

/* ---- stacks ---- */

static uint8_t *stack_get(struct sim *sim)
{
	uint8_t *stack;

	if (sim->stack_count != 0)
		return sim->stacks[--sim->stack_count];
	stack = mmap(NULL, TASK_STACK + SIM_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	/* The lowest page is a guard. */
	if (stack == MAP_FAILED || mprotect(stack, SIM_PAGE, PROT_NONE) != 0)
		sim_bug("no memory for a task's stack", "");
	return stack;
}

static void stack_put(struct sim *sim, uint8_t *stack)
{
#ifdef SIM_ASAN
	/* A killed task's frames were never left. */
	__asan_unpoison_memory_region(stack + SIM_PAGE, TASK_STACK);
#endif
	if (sim->stack_count == sim->stack_cap) {
		sim->stack_cap = sim->stack_cap * 2 + 8;
		sim->stacks = sim_realloc(sim->stacks, sim->stack_cap * sizeof(*sim->stacks));
	}
	sim->stacks[sim->stack_count++] = stack;
}

void sim_stacks_free(struct sim *sim)
{
	while (sim->stack_count != 0)
		munmap(sim->stacks[--sim->stack_count], TASK_STACK + SIM_PAGE);
	free(sim->stacks);
}

/* ---- switching ---- */

/* The new stack is in use now. fake: what switch_to() saved for it. */
static void arrived(struct sim *sim, void *fake)
{
#ifdef SIM_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fake, &bottom, &size);
	if (sim->from_host) {
		sim->host_stack = bottom;
		sim->host_stack_size = size;
	}
#else
	(void)fake;
#endif
	sim->from_host = false;
}

/* Go on with `next`; NULL: with the host. Returns when this one's turn comes. */
static void switch_to(struct sim *sim, struct sim_task *next)
{
	struct sim_task *prev = sim->current;
	ucontext_t *from = prev != NULL ? &prev->context : &sim->host;
	ucontext_t *to = next != NULL ? &next->context : &sim->host;
	void **fake = prev != NULL ? &prev->fake_stack : &sim->host_fake_stack;

	if (next == prev)
		return;
	sim->stats.switches++;
	sim_trace(sim, next != NULL ? next->id : 0);
	sim->from_host = prev == NULL;
	sim->current = next;
	task_switch(next != NULL ? &next->task : NULL);
#ifdef SIM_ASAN
	/* NULL for one that has ended: its fake frames are freed. */
	__sanitizer_start_switch_fiber(prev != NULL && prev->state == TASK_ENDED ? NULL : fake,
				       next != NULL ? (const void *)(next->stack + SIM_PAGE)
						    : sim->host_stack,
				       next != NULL ? (size_t)TASK_STACK : sim->host_stack_size);
#endif
#ifdef SIM_TSAN
	__tsan_switch_to_fiber(next != NULL ? next->fiber : sim->host_fiber, 0);
#endif
	swapcontext(from, to);
	arrived(sim, *fake);
}

static _Noreturn void leave_run(struct sim *sim, enum sim_result result)
{
	sim->result = result;
	switch_to(sim, NULL);
	sim_bug("a task went on after the end of its run", "");
}

/* ---- choosing ---- */

static bool is_ready(struct sim *sim, struct sim_task *t)
{
	if ((t->state == TASK_WAITING && t->deadline <= sim->now_ns) ||
	    (t->state == TASK_JOINING && t->target->state == TASK_ENDED))
		t->state = TASK_READY;
	return t->state == TASK_READY;
}

static struct sim_task *pick_ready(struct sim *sim)
{
	struct sim_task *best = NULL;
	uint64_t ready = 0, chosen;

	for (struct sim_task *t = sim->tasks; t != NULL; t = t->next) {
		if (!is_ready(sim, t))
			continue;
		ready++;
		if (best == NULL || t->priority > best->priority)
			best = t;
	}
	if (ready < 2 || sim->schedule.policy == SIM_PRIORITY)
		return best;
	chosen = rand_below(&sim->choice, ready);
	for (struct sim_task *t = sim->tasks; t != NULL; t = t->next) {
		if (t->state == TASK_READY && chosen-- == 0)
			return t;
	}
	return best;
}

/* Who goes on; NULL: all have ended, or nobody can. */
static struct sim_task *pick(struct sim *sim)
{
	uint64_t nearest = UINT64_MAX;
	struct sim_task *t = pick_ready(sim);

	if (t != NULL)
		return t;
	for (t = sim->tasks; t != NULL; t = t->next) {
		if (t->state == TASK_WAITING && t->deadline < nearest)
			nearest = t->deadline;
	}
	if (nearest == UINT64_MAX)
		return NULL;
	sim->now_ns = nearest;
	return pick_ready(sim);
}

static bool all_ended(const struct sim *sim)
{
	for (const struct sim_task *t = sim->tasks; t != NULL; t = t->next) {
		if (t->state != TASK_ENDED)
			return false;
	}
	return true;
}

/* The current task cannot go on: let another, or end the run. */
static void give_way(struct sim *sim)
{
	struct sim_task *next = pick(sim);

	if (next == NULL)
		leave_run(sim, all_ended(sim) ? SIM_DONE : SIM_STUCK);
	switch_to(sim, next);
}

static void fall_to_lowest(struct sim *sim)
{
	sim->current->priority = --sim->lowest;
}

void sim_point(struct sim *sim, uint32_t what, uint64_t cost_ns, bool force)
{
	const struct sim_schedule *s = &sim->schedule;
	struct sim_task *next;

	sim->now_ns += 1 + rand_below(&sim->cost, cost_ns);
	if (sim->current == NULL)
		return;
	sim->stats.steps++;
	sim_trace(sim, (uint64_t)what << 32 | sim->current->id);
	if (s->steps_max != 0 && sim->stats.steps > s->steps_max) {
		sim->out_of_steps = true;
		leave_run(sim, SIM_STUCK);
	}
	if (s->policy == SIM_PRIORITY) {
		/* A task that yields waits for another: let that come, whatever its rank. */
		if (force)
			fall_to_lowest(sim);
		for (unsigned i = 0; i < s->depth && i < PRIORITY_POINTS; i++) {
			if (sim->point[i] == sim->stats.steps)
				fall_to_lowest(sim);
		}
	} else if (!force && rand_below(&sim->choice, 1000) >= s->switch_permille) {
		return;
	}
	next = pick(sim);
	if (next != NULL)
		switch_to(sim, next);
}

void sim_sleep(struct sim *sim, uint64_t ns)
{
	static const uint32_t nobody_wakes;
	struct sim_task *me = sim->current;

	if (me == NULL) {
		sim->now_ns += ns;
		return;
	}
	me->state = TASK_WAITING;
	me->word = &nobody_wakes;
	me->deadline = sim->now_ns + ns;
	give_way(sim);
}

void sim_schedule_init(struct sim *sim)
{
	const struct sim_schedule *s = &sim->schedule;

	sim->lowest = UINT64_C(1) << 32;
	for (unsigned i = 0; i < PRIORITY_POINTS; i++)
		sim->point[i] = 1 + rand_below(&sim->choice, s->steps != 0 ? s->steps : 10000);
}

/* ---- tasks ---- */

static void trampoline(unsigned high, unsigned low)
{
	struct sim_task *t = (struct sim_task *)((uintptr_t)high << 32 | low);
	struct sim *sim = t->sim;

	arrived(sim, NULL);
	t->fn(t->arg);
	sim_trace(sim, (uint64_t)POINT_END << 32 | t->id);
	t->state = TASK_ENDED;
	give_way(sim);
	sim_bug("a task went on after its end", t->name);
}

static void marked_point(struct task *task, bool waits)
{
	sim_point(((struct sim_task *)task)->sim, POINT_MARK, MARK_NS, waits);
}

static struct sim_task *task_new(struct sim *sim, const char *name, void (*fn)(void *arg),
				 void *arg)
{
	struct sim_task *t = sim_calloc(sizeof(*t)), **at = &sim->tasks;

	t->sim = sim;
	t->id = ++sim->next_id;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->fn = fn;
	t->arg = arg;
	t->task.stripe = t->id;
	t->task.point = marked_point;
	t->stack = stack_get(sim);
	t->priority = (UINT64_C(1) << 32) + rand_below(&sim->choice, 1u << 30);
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack + SIM_PAGE;
	t->context.uc_stack.ss_size = TASK_STACK;
	t->context.uc_link = NULL;
	makecontext(&t->context, (void (*)(void))trampoline, 2, (unsigned)((uintptr_t)t >> 32),
		    (unsigned)(uintptr_t)t);
#ifdef SIM_TSAN
	t->fiber = __tsan_create_fiber(0);
#endif
	while (*at != NULL)
		at = &(*at)->next;
	*at = t;
	sim->stats.spawned++;
	return t;
}

/* Not the current one. */
static void task_free(struct sim *sim, struct sim_task *t)
{
	struct sim_task **at = &sim->tasks;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
#ifdef SIM_TSAN
	__tsan_destroy_fiber(t->fiber);
#endif
	stack_put(sim, t->stack);
	free(t);
}

void sim_kill_tasks(struct sim *sim)
{
	struct sim_task *next;

	for (struct sim_task *t = sim->tasks; t != NULL; t = next) {
		next = t->next;
		if (t != sim->current)
			task_free(sim, t);
	}
}

void sim_stop(struct sim *sim)
{
	if (sim->current == NULL)
		sim_bug("sim_stop() outside of a run", "");
	leave_run(sim, SIM_STOPPED);
}

/* ---- a run ---- */

static void report_stuck(struct sim *sim)
{
	char text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "%s:", sim->out_of_steps ? "too many steps" : "deadlock");

	for (struct sim_task *t = sim->tasks; t != NULL && n < sizeof(text); t = t->next) {
		int more = 0;

		if (t->state == TASK_WAITING)
			more = snprintf(text + n, sizeof(text) - n, " %s (%u) waits;", t->name,
					t->id);
		else if (t->state == TASK_JOINING)
			more = snprintf(text + n, sizeof(text) - n, " %s (%u) joins %s (%u);",
					t->name, t->id, t->target->name, t->target->id);
		else if (t->state == TASK_READY)
			more = snprintf(text + n, sizeof(text) - n, " %s (%u) runs;", t->name,
					t->id);
		n += (size_t)more;
	}
	if (sim->on_stuck == NULL)
		sim_bug("stuck", text);
	sim->on_stuck(sim->on_stuck_arg, text);
}

enum sim_result sim_run(struct sim *sim, void (*fn)(void *arg), void *arg)
{
	uint32_t first;

	if (sim->current != NULL)
		sim_bug("sim_run() inside of a run", "");
	first = task_new(sim, "main", fn, arg)->id;
#ifdef SIM_TSAN
	sim->host_fiber = __tsan_get_current_fiber();
#endif
	sim->out_of_steps = false;
	sim->stats.unjoined = 0;
	/* Somebody is ready: main. */
	switch_to(sim, pick(sim));
	if (sim->result == SIM_STUCK)
		report_stuck(sim);
	for (struct sim_task *t = sim->tasks; t != NULL; t = t->next)
		sim->stats.unjoined += t->state == TASK_ENDED && t->id != first;
	sim_kill_tasks(sim);
	return sim->result;
}

/* ---- executor operations ---- */

static int exec_spawn(void *self, const char *name, void (*fn)(void *arg), void *arg,
		      shale_thread **out)
{
	struct sim *sim = self;

	if (sim->fail_spawn != 0 && --sim->fail_spawn == 0)
		return -EAGAIN;
	*out = (shale_thread *)task_new(sim, name, fn, arg);
	sim_point(sim, POINT_SPAWN, CALL_NS, false);
	return 0;
}

static void exec_join(void *self, shale_thread *thread)
{
	struct sim *sim = self;
	struct sim_task *t = (struct sim_task *)thread, *me = sim->current;

	if (me == NULL)
		sim_bug("join outside of a run", t->name);
	sim_point(sim, POINT_JOIN, CALL_NS, false);
	if (t->state != TASK_ENDED) {
		me->state = TASK_JOINING;
		me->target = t;
		give_way(sim);
	}
	task_free(sim, t);
}

static void exec_wait(void *self, const uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	struct sim *sim = self;
	struct sim_task *me = sim->current;

	if (me == NULL)
		sim_bug("wait outside of a run", "");
	/* Not to wait at all is to yield. */
	sim_point(sim, POINT_WAIT, CALL_NS, timeout_ns == 0);
	/* From here to the next point nothing else runs, so no wake can be missed. */
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected || timeout_ns == 0 ||
	    rand_below(&sim->choice, 1000) < sim->schedule.spurious_permille)
		return;
	me->state = TASK_WAITING;
	me->word = word;
	me->deadline =
		timeout_ns < UINT64_MAX - sim->now_ns ? sim->now_ns + timeout_ns : UINT64_MAX;
	give_way(sim);
}

static void exec_wake(void *self, const uint32_t *word, int count)
{
	struct sim *sim = self;
	uint64_t waiting = 0;

	for (struct sim_task *t = sim->tasks; t != NULL; t = t->next)
		waiting += t->state == TASK_WAITING && t->word == word;
	for (struct sim_task *t = sim->tasks; t != NULL && count > 0; t = t->next) {
		if (t->state != TASK_WAITING || t->word != word)
			continue;
		/* `count` of `waiting`, each choice as likely. */
		if (waiting > (uint64_t)count &&
		    rand_below(&sim->choice, waiting) >= (uint64_t)count) {
			waiting--;
			continue;
		}
		waiting--;
		count--;
		t->state = TASK_READY;
	}
	sim_point(sim, POINT_WAKE, CALL_NS, false);
}

static void exec_yield(void *self)
{
	sim_point(self, POINT_YIELD, CALL_NS, true);
}

static unsigned exec_cpus(void *self)
{
	return ((struct sim *)self)->cpus;
}

static const uint32_t *exec_alive(void *self)
{
	return &((struct sim *)self)->alive;
}

const shale_executor_ops *sim_executor_ops(void)
{
	static const shale_executor_ops ops = {
		.struct_size = sizeof(ops),
		.spawn = exec_spawn,
		.join = exec_join,
		.wait = exec_wait,
		.wake = exec_wake,
		.yield = exec_yield,
		.cpus = exec_cpus,
		.alive = exec_alive,
	};

	return &ops;
}
