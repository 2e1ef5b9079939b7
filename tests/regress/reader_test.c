/* A reader beside a live writer: no lock keeps them apart, and no damage is found that is none. */
#include "regress/sim_store.h"

struct writer {
	struct sim *sim;
	shale_db *db;
	shale_durability durability;
	unsigned keys; /* so many different ones, */
	size_t size;   /* with values of so many bytes, */
	uint64_t ns;   /* one every so often */
	bool merges;   /* tables go: what an open reader has not opened yet is gone with them */
	unsigned acknowledged;
	bool end;
};

static void write_all_along(void *arg)
{
	struct writer *w = arg;
	static const uint8_t value[8 << 10];
	char text[24];

	for (unsigned i = 0; !w->end; i++) {
		snprintf(text, sizeof(text), "key%08u", i % w->keys);
		need_ok(shale_put(w->db, NULL, shale_str(text), slice_from(value, w->size)));
		w->acknowledged = i + 1;
		env_sleep_ns(sim_env(w->sim), w->ns);
	}
}

/* A device on which all takes its time, so that the writer gets on between two steps. */
static void slow_reads(struct sim *sim)
{
	struct sim_latency l = { 0 };

	l.of[SIM_OPEN].least_ns = l.of[SIM_READ].least_ns = l.of[SIM_STAT].least_ns = 100000;
	l.of[SIM_OPEN].most_ns = l.of[SIM_READ].most_ns = l.of[SIM_STAT].most_ns = 400000;
	l.of[SIM_SYNC].least_ns = l.of[SIM_SYNC].most_ns = 50000;
	sim_set_latency(sim, &l);
}

static bool any_table(void *arg, const shale_table_info *t)
{
	(void)arg;
	(void)t;
	return true;
}

static void read_beside(struct writer *w, unsigned times)
{
	shale_options o = small_options(w->sim);

	o.read_only = true;
	for (unsigned i = 0; i < times; i++) {
		unsigned acknowledged = w->acknowledged;
		shale_db *reader;

		need_ok(shale_open(DIR, &o, &reader));
		/* All that was acknowledged before is there. */
		if (acknowledged != 0 && !w->merges)
			need_ok(has(reader, NULL, (acknowledged - 1) % w->keys));
		need_ok(shale_close(reader));
		need_ok(shale_peek(DIR, &o, any_table, NULL, NULL));
	}
}

static struct writer settings;

static void write_and_read(void *arg)
{
	struct writer w = settings;
	shale_options o;
	const shale_env *env = sim_env(arg);
	shale_thread *thread;

	w.sim = arg;
	o = small_options(w.sim);
	o.durability = w.durability;
	o.delete_bytes_per_s = 1 << 20; /* so large tables are shortened step by step */
	need_ok(shale_open(DIR, &o, &w.db));
	need(env->executor.ops->spawn(env->executor.self, "writer", write_all_along, &w, &thread) ==
	     0);
	env_sleep_ns(env, 20000000);
	slow_reads(w.sim);
	read_beside(&w, 100);
	w.end = true;
	env->executor.ops->join(env->executor.self, thread);
	sim_set_latency(w.sim, NULL);
	need_ok(shale_close(w.db));
}

static void a_reader_beside_durable_writes_finds_no_damage(void **state)
{
	(void)state;
	settings = (struct writer){
		.durability = SHALE_DURABLE, .keys = 100000, .size = 10, .ns = 50000
	};
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, write_and_read);
}

static void a_reader_beside_a_log_that_rotates_finds_no_damage(void **state)
{
	(void)state;
	settings = (struct writer){
		.durability = SHALE_DURABLE, .keys = 10, .size = 2000, .ns = 500000, .merges = true
	};
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, write_and_read);
	settings.durability = SHALE_PROCESS;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, write_and_read);
}

static void a_reader_beside_merges_misses_no_table(void **state)
{
	(void)state;
	settings = (struct writer){
		.durability = SHALE_PROCESS, .keys = 2000, .size = 500, .ns = 50000, .merges = true
	};
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_sim(seed, write_and_read);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_beside_durable_writes_finds_no_damage),
		cmocka_unit_test(a_reader_beside_a_log_that_rotates_finds_no_damage),
		cmocka_unit_test(a_reader_beside_merges_misses_no_table),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
