/* What tests of room share: stores that are written until they refuse. */
#ifndef TESTS_DB_SPACE_STORE_H
#define TESTS_DB_SPACE_STORE_H

#include "regress/sim_store.h"

#include "base/rand.h"
#include "env/names.h"

enum {
	VALUE = 1000,
	MOST = 20000,    /* writes, and a store that took them all has no bound */
	PATIENCE = 3000, /* tries, 10 ms apart, until writes work again */
};

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW_BUILD = true };
#else
enum { SLOW_BUILD = false };
#endif

/* To fill a store takes a while: few times, under different schedules. */
static inline void run_schedules(void (*fn)(void *sim))
{
	uint64_t schedules = SLOW_BUILD ? 1 : test_scale(2);

	for (uint64_t seed = 1; seed <= schedules; seed++)
		run_sim(seed, fn);
}

static inline void sleep_ms(struct sim *sim, uint64_t ms)
{
	const shale_env *env = sim_env(sim);
	uint64_t until = env->clock.ops->now_ns(env->clock.self) + ms * 1000000;
	uint32_t word = 0;

	while (env->clock.ops->now_ns(env->clock.self) < until)
		env->executor.ops->wait(env->executor.self, &word, 0, ms * 1000000);
}

/* Bytes that no compression makes less. */
static inline shale_status put_random(shale_db *db, unsigned key, struct rand *r)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint8_t value[VALUE];
	char text[24];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)rand_next(r);
	snprintf(text, sizeof(text), "key%08u", key);
	return shale_put(db, &o, shale_str(text), slice_from(value, sizeof(value)));
}

static inline shale_status delete_one(shale_db *db, unsigned key)
{
	char text[24];

	snprintf(text, sizeof(text), "key%08u", key);
	return shale_delete(db, NULL, shale_str(text));
}

struct sum {
	struct sim *sim;
	uint64_t bytes;
};

static inline int add_file(void *arg, const char *name)
{
	struct sum *s = arg;
	const shale_env *env = sim_env(s->sim);
	enum object_kind kind;
	char path[100];
	uint64_t number, size;
	bool is_dir;

	if (!object_name_parse(name, &kind, &number))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", DIR, name);
	if (env->fs.ops->stat(env->fs.self, path, &size, &is_dir) == 0)
		s->bytes += size;
	return 0;
}

/* What the files really take. */
static inline uint64_t files_bytes(struct sim *sim)
{
	const shale_env *env = sim_env(sim);
	struct sum s = { sim, 0 };

	need(env->fs.ops->list(env->fs.self, DIR, add_file, &s) == 0);
	return s.bytes;
}

static inline unsigned write_until_refused(struct sim *sim, shale_db *db, struct rand *r)
{
	unsigned n = 0;
	shale_status rc;

	while ((rc = put_random(db, n, r)) == SHALE_OK) {
		if (stats_of(db).space_max != 0 && n % 64 == 0)
			need(files_bytes(sim) <= stats_of(db).space_max);
		n++;
		need(n < MOST);
	}
	need_status(rc, SHALE_NO_SPACE);
	return n;
}

static inline void write_when_there_is_room(struct sim *sim, shale_db *db, unsigned key,
					    struct rand *r)
{
	for (unsigned i = 0; put_random(db, key, r) != SHALE_OK; i++) {
		need_status(shale_last_error()->status, SHALE_NO_SPACE);
		need(i < PATIENCE);
		sleep_ms(sim, 10);
	}
}

static inline void read_all(shale_db *db, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		need_ok(has(db, NULL, i));
}

static inline shale_options space_options(struct sim *sim)
{
	shale_options o = small_options(sim);

	o.default_cf.compaction.table_bytes = 32 << 10;
	o.default_cf.compaction.base_bytes = 128 << 10;
	return o;
}

#endif
