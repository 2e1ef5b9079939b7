/*
 * Histories of clients on the simulated machine: many seeds, both schedules, several
 * latencies, with the marked atomic steps as points of the scheduler. A store lives
 * some lives; a life ends in a close, in the death of the process or in a power cut at
 * a random call, and what is found afterwards belongs to the history it ends.
 *
 * SHALE_TEST_SEED and the printed seed of a store repeat its run.
 */
#include "history/client.h"
#include "support/test.h"

#include "env/sim.h"

#include <inttypes.h>

enum { CLIENTS_MAX = 5, OPS_MAX = 60, LIVES = 3, STEPS_MAX = 100000000, STORES = 4000 };

#define DIR "/db"

struct store {
	struct sim *sim;
	struct rand rand;
	shale_options options;
	struct clients clients;
	struct client client[CLIENTS_MAX];
	unsigned count;
	struct h_op op[CLIENTS_MAX * OPS_MAX + 1];
	struct history history;
	struct h_op found; /* what the latest open found */
	uint64_t calls_left;
	bool crashing;
};

static uint64_t totals[4]; /* operations, lives, crashes, switches */

static void die_here(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct store *s = arg;

	(void)fs;
	(void)op;
	(void)name;
	if (s->crashing && --s->calls_left == 0)
		sim_stop(s->sim);
}

static void open_store(struct store *s)
{
	struct clients *c = &s->clients;

	CLIENT_MUST(c, shale_open(DIR, &s->options, &c->db) == SHALE_OK);
	client_read_all(c, &s->found);
}

static void live(void *arg)
{
	struct store *s = arg;
	const shale_env *env = sim_env(s->sim);
	shale_thread *t[CLIENTS_MAX];

	open_store(s);
	s->history = (struct history){ .initial_seq = s->found.seq,
				       .lossy_from = H_NEVER,
				       .unheard_from = H_NEVER };
	for (uint32_t k = 0; k < H_KEYS; k++)
		s->history.initial[k] = s->found.part[k].id;
	s->crashing = s->calls_left != 0;
	for (unsigned i = 0; i < s->count; i++)
		CLIENT_MUST(&s->clients,
			    env->executor.ops->spawn(env->executor.self, "client", client_run,
						     &s->client[i], &t[i]) == 0);
	for (unsigned i = 0; i < s->count; i++)
		env->executor.ops->join(env->executor.self, t[i]);
	s->crashing = false;
	CLIENT_MUST(&s->clients, shale_close(s->clients.db) == SHALE_OK);
}

static void look(void *arg)
{
	struct store *s = arg;

	open_store(s);
	CLIENT_MUST(&s->clients, shale_close(s->clients.db) == SHALE_OK);
}

static void crash(struct store *s)
{
	static const enum sim_crash cuts[] = { SIM_CRASH_ORDERED, SIM_CRASH_CHAOS,
					       SIM_CRASH_NONE_UNSYNCED, SIM_CRASH_ALL };
	bool power = rand_below(&s->rand, 2) != 0;
	shale_durability kept = s->options.durability;

	s->crashing = false;
	totals[2]++;
	sim_fs_crash(sim_get_fs(s->sim), power ? cuts[rand_below(&s->rand, 4)] : SIM_CRASH_PROCESS,
		     rand_next(&s->rand));
	sim_heap_free_all(sim_get_heap(s->sim));
	if (kept == SHALE_EPHEMERAL || (power && kept != SHALE_DURABLE))
		s->history.lossy_from = atomic_load(&s->clients.clock);
	if (kept == SHALE_DURABLE)
		s->history.unheard_from = atomic_load(&s->clients.clock);
}

/* All that the clients did, and then what the next open finds. */
static void check(struct store *s)
{
	struct history *h = &s->history;
	const char *wrong;

	h->op = s->op;
	h->count = 0;
	for (unsigned i = 0; i < s->count; i++)
		for (size_t k = 0; k < s->client[i].count; k++)
			s->op[h->count++] = s->client[i].op[k];
	CLIENT_MUST(&s->clients, sim_run(s->sim, look, s) == SIM_DONE);
	/* What numbers were given to commits that nobody heard of is not told. */
	s->found.seq = 0;
	s->op[h->count++] = s->found;
	totals[0] += h->count;
	wrong = history_check_commits(h);
	if (wrong == NULL && h->lossy_from == H_NEVER)
		wrong = history_check_keys(h);
	if (wrong != NULL)
		clients_fail(&s->clients, __FILE__, __LINE__, wrong);
}

static void choose_schedule(struct store *s)
{
	static const unsigned permille[] = { 5, 30, 100, 300 };
	struct sim_schedule schedule = { .steps_max = STEPS_MAX };
	struct sim_latency latency[] = { sim_latency_nvme(), sim_latency_disk(),
					 sim_latency_stalls() };
	uint64_t which = rand_below(&s->rand, 5);

	schedule.policy = rand_below(&s->rand, 2) != 0 ? SIM_PRIORITY : SIM_RANDOM;
	schedule.switch_permille = permille[rand_below(&s->rand, 4)];
	schedule.spurious_permille = 10;
	schedule.depth = (unsigned)rand_below(&s->rand, 16);
	schedule.steps = UINT64_C(1) << (12 + rand_below(&s->rand, 6));
	sim_set_schedule(s->sim, &schedule);
	sim_set_latency(s->sim, which < 3 ? &latency[which] : NULL);
}

static void one_life(struct store *s, struct h_op *ops)
{
	bool dies = rand_below(&s->rand, 3) != 0;
	enum sim_result ended;

	totals[1]++;
	choose_schedule(s);
	s->count = 2 + (unsigned)rand_below(&s->rand, CLIENTS_MAX - 1);
	for (unsigned i = 0; i < s->count; i++) {
		struct client *c = &s->client[i];

		*c = (struct client){ .all = &s->clients, .number = i, .batch = c->batch };
		rand_seed(&c->rand, rand_next(&s->rand));
		c->op = ops + i * OPS_MAX;
		c->max = 10 + rand_below(&s->rand, OPS_MAX - 10);
	}
	s->calls_left = dies ? 1 + rand_below(&s->rand, 300) : 0;
	ended = sim_run(s->sim, live, s);
	CLIENT_MUST(&s->clients, ended == SIM_DONE || ended == SIM_STOPPED);
	totals[3] += sim_get_stats(s->sim).switches;
	if (ended == SIM_STOPPED)
		crash(s);
	check(s);
	sim_reset(s->sim, rand_next(&s->rand));
}

static void one_store(uint64_t seed)
{
	struct store *s = calloc(1, sizeof(*s));
	struct h_op *ops = calloc(CLIENTS_MAX * OPS_MAX, sizeof(*ops));

	assert_non_null(s);
	assert_non_null(ops);
	rand_seed(&s->rand, seed);
	assert_ok(sim_new(rand_next(&s->rand), &s->sim));
	s->clients = (struct clients){ .seed = seed, .what = "simulated history" };
	s->clients.next_id = 1;
	s->clients.value_max = rand_below(&s->rand, 2) != 0 ? 2048 : 64;
	s->options = (shale_options)SHALE_OPTIONS_INIT;
	s->options.env = sim_env(s->sim);
	s->options.memory_budget = 4 << 20;
	s->options.memtable_bytes = 16 << 10;
	s->options.background_threads = 1 + (uint32_t)rand_below(&s->rand, 3);
	s->options.durability = SHALE_EPHEMERAL + (shale_durability)rand_below(&s->rand, 4);
	s->options.direct_io = (shale_direct_io)rand_below(&s->rand, 3);
	/* Without a log a durable write is kept alone; no prefix explains that. */
	s->clients.syncs = s->options.durability != SHALE_EPHEMERAL;
	for (int i = 0; i < CLIENTS_MAX; i++)
		assert_ok(shale_batch_new(&s->client[i].batch));
	sim_fs_on_call(sim_get_fs(s->sim), die_here, s);
	for (int i = 0; i < LIVES; i++)
		one_life(s, ops);
	for (int i = 0; i < CLIENTS_MAX; i++)
		shale_batch_free(s->client[i].batch);
	sim_free(s->sim);
	free(ops);
	free(s);
}

static void no_schedule_shows_what_no_order_of_commits_explains(void **state)
{
	const char *only = getenv("SHALE_HISTORY_SEED");
	uint64_t seed = test_seed(), stores = test_scale(STORES);

	(void)state;
	if (only != NULL) {
		one_store(strtoull(only, NULL, 0));
		return;
	}
	for (uint64_t i = 0; i < stores; i++)
		one_store(rand_split(&seed));
	print_message("%" PRIu64 " stores, %" PRIu64 " operations, %" PRIu64 " lives, %" PRIu64
		      " crashes, %" PRIu64 " switches\n",
		      stores, totals[0], totals[1], totals[2], totals[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_schedule_shows_what_no_order_of_commits_explains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
