/*
 * Latency of the simulated disk, in virtual time: the calling task sleeps, and the
 * scheduler goes on with all others. So a slow sync is a time in which much happens,
 * as it is on a real device. Durations come from the stream of costs, so that a
 * profile changes no choice of the scheduler by itself.
 */
#include "env/sim_disk.h"
#include "env/sim_exec.h"

enum { US = 1000, MS = 1000 * 1000 };

void sim_latency_sleep(void *arg, enum sim_op op)
{
	struct sim *sim = arg;
	uint64_t least = sim->latency.of[op].least_ns, most = sim->latency.of[op].most_ns, ns;

	ns = most > least ? least + rand_below(&sim->cost, most - least + 1) : least;
	if (rand_below(&sim->cost, 1000) < sim->latency.of[op].tail_permille)
		ns = sim->latency.of[op].tail_ns;
	if (ns != 0)
		sim_sleep(sim, ns);
}

void sim_set_latency(struct sim *sim, const struct sim_latency *latency)
{
	sim->slow = latency != NULL;
	sim->latency = latency != NULL ? *latency : (struct sim_latency){ 0 };
	sim->fs->latency = sim->slow ? sim_latency_sleep : NULL;
}

static void set(struct sim_latency *l, enum sim_op op, uint64_t least, uint64_t most)
{
	l->of[op].least_ns = least;
	l->of[op].most_ns = most;
}

struct sim_latency sim_latency_nvme(void)
{
	struct sim_latency l = { 0 };

	set(&l, SIM_READ, 60 * US, 100 * US);
	set(&l, SIM_WRITE, 2 * US, 20 * US);
	set(&l, SIM_SYNC, 20 * US, 1 * MS);
	set(&l, SIM_SYNC_DIR, 50 * US, 2 * MS);
	return l;
}

struct sim_latency sim_latency_disk(void)
{
	static const enum sim_op moves[] = { SIM_OPEN,   SIM_READ,   SIM_SYNC, SIM_ALLOCATE,
					     SIM_RENAME, SIM_UNLINK, SIM_LIST, SIM_SYNC_DIR };
	struct sim_latency l = { 0 };

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		set(&l, moves[i], 4 * MS, 20 * MS);
	return l;
}

struct sim_latency sim_latency_stalls(void)
{
	struct sim_latency l = { 0 };

	for (int op = SIM_OPEN; op < SIM_OPS; op++) {
		set(&l, op, 1 * US, 50 * US);
		l.of[op].tail_permille = 20;
		l.of[op].tail_ns = 500 * (uint64_t)MS;
	}
	return l;
}
