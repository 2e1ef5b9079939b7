/* A store on the simulated machine, for tests that repeat a bug that was found. */
#ifndef TESTS_REGRESS_SIM_STORE_H
#define TESTS_REGRESS_SIM_STORE_H

#include "support/test.h"

#include "base/lock.h"
#include "env/sim.h"

#include <errno.h>

#define DIR "/db"

/* In a simulated task no assertion may jump out: end the process with a sentence. */
#define need(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__,          \
				__LINE__, #x, shale_last_error()->text);                           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#define need_ok(rc) need((rc) == SHALE_OK)
#define need_status(rc, expected) need((rc) == (expected))

static inline shale_options small_options(struct sim *sim)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.env = sim_env(sim);
	o.memory_budget = 4 << 20;
	o.memtable_bytes = 64 << 10;
	o.background_threads = 2;
	return o;
}

static inline shale_stats stats_of(shale_db *db)
{
	shale_stats s = SHALE_STATS_INIT;

	need_ok(shale_stats_get(db, &s));
	return s;
}

/* Calls of one kind take `ns` from now on, others nothing. */
static inline void slow_calls(struct sim *sim, enum sim_op op, uint64_t ns)
{
	struct sim_latency l = { 0 };

	l.of[op].least_ns = l.of[op].most_ns = ns;
	sim_set_latency(sim, &l);
}

static inline bool ends(const char *name, const char *with)
{
	size_t n = strlen(name), m = strlen(with);

	return n >= m && strcmp(name + n - m, with) == 0;
}

/* A call of that kind, or all from now on, fails; `after`: when it has been done. */
static inline void fault(struct sim *sim, enum sim_op op, const char *ends, bool sticky, bool after)
{
	struct sim_fault rule = {
		.op = op, .name_ends = ends, .nth = 1, .err = EIO, .sticky = sticky, .after = after
	};

	sim_fs_fault(sim_get_fs(sim), &rule);
}

struct slow_tables {
	struct sim *sim;
	/* For each piece: of 32 KiB beside durable commits, else 256 KiB, or a last one. */
	uint64_t ns;
};

static inline void slow_table_write(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	const struct slow_tables *s = arg;

	(void)fs;
	if (op == SIM_WRITE && ends(name, ".sst"))
		env_sleep_ns(sim_env(s->sim), s->ns);
}

/* Tables are written so slowly from now on, and nothing else is. */
static inline void slow_tables(struct slow_tables *s)
{
	sim_fs_on_call(sim_get_fs(s->sim), slow_table_write, s);
}

/* Run fn(sim) as the first task of a machine; `stuck` tells of a deadlock, which fails. */
static inline void run_sim(uint64_t seed, void (*fn)(void *sim))
{
	struct sim *sim = NULL;
	struct sim_schedule schedule = { .policy = SIM_RANDOM,
					 .switch_permille = 250,
					 .spurious_permille = 10,
					 .steps_max = 20000000 };

	assert_ok(sim_new(seed, &sim));
	sim_set_schedule(sim, &schedule);
	assert_int_equal(sim_run(sim, fn, sim), SIM_DONE);
	assert_int_equal(sim_heap_live(sim_get_heap(sim)), 0);
	sim_free(sim);
}

static inline void put(shale_db *db, shale_cf *cf, unsigned key, size_t size)
{
	static uint8_t value[64 << 10];
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	char text[24];

	o.cf = cf;
	snprintf(text, sizeof(text), "key%08u", key);
	need_ok(shale_put(db, &o, shale_str(text), slice_from(value, size)));
}

static inline shale_status has(shale_db *db, shale_cf *cf, unsigned key)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_value value;
	char text[24];
	shale_status rc;

	o.cf = cf;
	snprintf(text, sizeof(text), "key%08u", key);
	rc = shale_get(db, &o, shale_str(text), &value);
	shale_value_release(&value);
	return rc;
}

#endif
