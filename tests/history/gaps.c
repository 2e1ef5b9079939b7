/*
 * Stretches in which nothing is alive, under the simulated scheduler: some tasks put and delete
 * there, others scan. A scan at a snapshot has to show what gets at the same snapshot find,
 * whatever was remembered of the stretch before, and by whom.
 *
 * SHALE_TEST_SEED and the printed seed repeat a run.
 */
#include "support/test.h"

#include "base/rand.h"
#include "env/sim.h"

#include <inttypes.h>
#include <stdio.h>

enum { KEYS = 24, TASKS = 4, ROUNDS = 12, SEEDS = 800 };

struct run {
	struct sim *sim;
	shale_db *db;
	uint64_t seed;
	const char *wrong;
};

struct member {
	struct run *run;
	struct rand rand;
	bool writes;
};

static uint64_t skips, scouted; /* of all seeds */

static shale_slice key_of(unsigned i, char *buf)
{
	return shale_bytes(buf, (size_t)sprintf(buf, "%02u", i));
}

static bool must(struct run *r, bool ok, const char *what)
{
	if (!ok && r->wrong == NULL)
		r->wrong = what;
	return ok;
}

/* Mostly at the front, as of a queue, and mostly deletes. */
static void write_some(struct member *m)
{
	unsigned i = (unsigned)rand_below(&m->rand, KEYS);
	shale_status rc;
	char key[8];

	if (rand_below(&m->rand, 4) == 0)
		rc = shale_put(m->run->db, NULL, key_of(i, key), shale_str("v"));
	else
		rc = shale_delete(m->run->db, NULL, key_of(i, key));
	must(m->run, rc == SHALE_OK, "a write failed");
}

static uint32_t scan(struct run *r, shale_iter *it, bool back)
{
	uint32_t seen = 0;
	shale_status rc;

	for (rc = back ? shale_iter_last(it) : shale_iter_first(it); rc == SHALE_OK;
	     rc = back ? shale_iter_prev(it) : shale_iter_next(it)) {
		const char *key = shale_iter_key(it).data;

		seen |= UINT32_C(1) << ((key[0] - '0') * 10 + key[1] - '0');
	}
	must(r, rc == SHALE_END, "a scan failed");
	return seen;
}

static void read_some(struct member *m)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	struct run *r = m->run;
	shale_snapshot *snapshot;
	uint32_t found = 0;
	shale_iter *it;
	char key[8];

	if (!must(r, shale_snapshot_new(r->db, &snapshot) == SHALE_OK, "no snapshot"))
		return;
	o.snapshot = snapshot;
	for (unsigned i = 0; i < KEYS; i++) {
		shale_value value;
		shale_status rc = shale_get(r->db, &o, key_of(i, key), &value);

		must(r, rc == SHALE_OK || rc == SHALE_NOT_FOUND, "a get failed");
		if (rc != SHALE_OK)
			continue;
		found |= UINT32_C(1) << i;
		shale_value_release(&value);
	}
	for (int i = 0; i < 2; i++) { /* in both directions; the second may know of the first */
		if (!must(r, shale_iter_new(r->db, &o, &it) == SHALE_OK, "no iterator"))
			break;
		must(r, scan(r, it, rand_below(&m->rand, 2) != 0) == found,
		     "a scan does not show what gets find");
		shale_iter_free(it);
	}
	shale_snapshot_free(snapshot);
}

static void work(void *arg)
{
	struct member *m = arg;

	for (int i = 0; i < ROUNDS && m->run->wrong == NULL; i++) {
		if (m->writes)
			write_some(m);
		else
			read_some(m);
	}
}

static void play(void *arg)
{
	struct run *r = arg;
	const shale_env *env = sim_env(r->sim);
	shale_options options = SHALE_OPTIONS_INIT;
	shale_stats s = SHALE_STATS_INIT;
	struct member m[TASKS];
	shale_thread *t[TASKS];
	char key[8];

	options.env = env;
	options.durability = SHALE_PROCESS;
	if (!must(r, shale_open("/db", &options, &r->db) == SHALE_OK, "no store"))
		return;
	for (unsigned i = 0; i < KEYS; i++)
		must(r, shale_put(r->db, NULL, key_of(i, key), shale_str("v")) == SHALE_OK, "put");
	for (unsigned i = 0; i < KEYS - 1; i++)
		must(r, shale_delete(r->db, NULL, key_of(i, key)) == SHALE_OK, "delete");
	for (unsigned i = 0; i < TASKS; i++) {
		m[i] = (struct member){ .run = r, .writes = i < TASKS / 2 };
		rand_seed(&m[i].rand, r->seed * TASKS + i);
		if (env->executor.ops->spawn(env->executor.self, "t", work, &m[i], &t[i]) != 0)
			abort();
	}
	for (int i = 0; i < TASKS; i++)
		env->executor.ops->join(env->executor.self, t[i]);
	must(r, shale_stats_get(r->db, &s) == SHALE_OK, "no figures");
	skips += s.gap_skips;
	scouted += s.gap_scouted;
	must(r, shale_close(r->db) == SHALE_OK, "a close failed");
}

static void scans_show_what_gets_find(void **state)
{
	uint64_t first = test_seed(), seeds = test_scale(SEEDS);

	(void)state;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		struct sim_schedule schedule = { .steps_max = 100000000 };
		struct run r = { .seed = seed };

		schedule.policy = seed % 2 != 0 ? SIM_PRIORITY : SIM_RANDOM;
		schedule.switch_permille = 30 + (unsigned)(seed % 8) * 50;
		schedule.depth = (unsigned)(seed % 16);
		schedule.steps = 4096;
		assert_ok(sim_new(seed, &r.sim));
		sim_set_schedule(r.sim, &schedule);
		assert_int_equal(sim_run(r.sim, play, &r), SIM_DONE);
		sim_free(r.sim);
		if (r.wrong != NULL)
			fail_msg("seed %" PRIu64 ": %s", seed, r.wrong);
	}
	print_message("%" PRIu64 " stretches stepped over, %" PRIu64 " entries scouted\n", skips,
		      scouted);
	assert_true(skips != 0 && scouted != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(scans_show_what_gets_find) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
