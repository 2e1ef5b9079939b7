/*
 * The simulated environment as one: disk, clock, executor and heap under one seed.
 *
 * Three streams of chance (choices, costs, random bytes) are apart, so that a
 * program which asks for one more random byte is still scheduled as before.
 */
#include "env/sim_exec.h"

#include "env/sim_disk.h"

#include <stdlib.h>

enum { POINT_CLOCK = 32, POINT_DISK = 64, CLOCK_NS = 50 };

/* An arbitrary Tuesday, so that nobody takes small times for granted. */
#define WALL_START_MS INT64_C(1700000000000)

/* ---- clock ---- */

static uint64_t clock_now_ns(void *self)
{
	struct sim *sim = self;

	sim_point(sim, POINT_CLOCK, CLOCK_NS, false);
	return sim->now_ns;
}

static uint64_t wall_ms(const struct sim *sim)
{
	return (uint64_t)(sim->wall_offset_ms + (int64_t)(sim->now_ns / 1000000));
}

static uint64_t clock_wall_ms(void *self)
{
	struct sim *sim = self;

	sim_point(sim, POINT_CLOCK, CLOCK_NS, false);
	return wall_ms(sim);
}

static void clock_random(void *self, void *buf, size_t n)
{
	struct sim *sim = self;
	uint8_t *p = buf;

	while (n-- != 0)
		*p++ = (uint8_t)rand_next(&sim->bytes);
}

static const shale_clock_ops clock_ops = {
	.struct_size = sizeof(clock_ops),
	.now_ns = clock_now_ns,
	.wall_ms = clock_wall_ms,
	.random = clock_random,
};

void sim_advance_ns(struct sim *sim, uint64_t ns)
{
	sim->now_ns += ns;
}

void sim_set_wall_ms(struct sim *sim, uint64_t ms)
{
	sim->wall_offset_ms = (int64_t)ms - (int64_t)(sim->now_ns / 1000000);
}

/* ---- disk ---- */

static void before_disk_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	/* At most so long; a sync is slow, so that others do much meanwhile. */
	uint64_t ns = op == SIM_SYNC || op == SIM_SYNC_DIR ? 200000 : 5000;

	(void)fs;
	(void)name;
	sim_point(arg, POINT_DISK + (uint32_t)op, ns, false);
}

struct sim_fs *sim_swap_fs(struct sim *sim, struct sim_fs *fs)
{
	struct sim_fs *old = sim->fs;

	if (old != NULL) {
		old->inner_hook = NULL;
		old->latency = NULL;
	}
	fs->inner_hook = before_disk_call;
	fs->inner_arg = sim;
	fs->latency = sim->slow ? sim_latency_sleep : NULL;
	sim->fs = fs;
	sim->env.fs.self = fs;
	return old;
}

/* ---- life ---- */

void sim_reset(struct sim *sim, uint64_t seed)
{
	if (sim->current != NULL)
		sim_bug("sim_reset() inside of a run", "");
	sim_kill_tasks(sim);
	rand_seed(&sim->choice, seed);
	rand_seed(&sim->cost, ~seed);
	rand_seed(&sim->bytes, seed ^ 0xb17e5ull);
	sim->now_ns = 1000000000;
	sim->wall_offset_ms = WALL_START_MS;
	sim->trace = seed;
	sim->stats = (struct sim_stats){ 0 };
	sim->next_id = 0;
	sim_schedule_init(sim);
}

shale_status sim_new(uint64_t seed, struct sim **out)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (sim == NULL)
		return SHALE_NO_MEMORY;
	sim->heap = sim_heap_new();
	sim->alive = 1;
	sim->cpus = 4;
	sim->schedule = (struct sim_schedule){ .switch_permille = 250, .spurious_permille = 10 };
	sim->env.struct_size = sizeof(sim->env);
	sim->env.fs.ops = sim_fs_ops();
	sim->env.clock.self = sim;
	sim->env.clock.ops = &clock_ops;
	sim->env.executor.self = sim;
	sim->env.executor.ops = sim_executor_ops();
	sim->env.allocator.self = sim->heap;
	sim->env.allocator.ops = sim_heap_ops();
	sim_swap_fs(sim, sim_fs_new(seed));
	sim_reset(sim, seed);
	*out = sim;
	return SHALE_OK;
}

void sim_free(struct sim *sim)
{
	if (sim == NULL)
		return;
	sim_kill_tasks(sim);
	sim_stacks_free(sim);
	sim_fs_free(sim->fs);
	sim_heap_free(sim->heap);
	free(sim);
}

const shale_env *sim_env(struct sim *sim)
{
	return &sim->env;
}

struct sim_fs *sim_get_fs(struct sim *sim)
{
	return sim->fs;
}

struct sim_heap *sim_get_heap(struct sim *sim)
{
	return sim->heap;
}

void sim_set_schedule(struct sim *sim, const struct sim_schedule *schedule)
{
	sim->schedule = *schedule;
	sim_schedule_init(sim);
}

uint64_t sim_trace_hash(const struct sim *sim)
{
	return sim->trace;
}

struct sim_stats sim_get_stats(const struct sim *sim)
{
	struct sim_stats stats = sim->stats;

	stats.now_ns = sim->now_ns;
	return stats;
}

void sim_on_stuck(struct sim *sim, void (*fn)(void *arg, const char *text), void *arg)
{
	sim->on_stuck = fn;
	sim->on_stuck_arg = arg;
}

void sim_fail_spawn(struct sim *sim, uint64_t nth)
{
	sim->fail_spawn = nth;
}

void sim_set_cpus(struct sim *sim, unsigned cpus)
{
	sim->cpus = cpus;
}

void sim_set_alive(struct sim *sim, bool alive)
{
	sim->alive = alive;
}
