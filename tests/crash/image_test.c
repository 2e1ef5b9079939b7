/*
 * Crash images: at every system call of random workloads the disk is copied as a
 * power cut, or the death of the process, might leave it at that moment: with
 * nothing unsynced, with all, with each pending operation left out, alone or torn,
 * with a prefix of them, with any subset. Each distinct image must open, hold one
 * state of the workload that its durability allows, and pass the check:
 *
 *   power cut     DURABLE: all that was acknowledged; else all that was made durable
 *   process dies  all that was acknowledged
 *
 * and of what was under way at most that, whole. What was seen after a recovery
 * stays so: recoveries are cut short too (images of an image), and after one is
 * through only the state it showed is right.
 *
 * A run of a seed takes some images of each call; more runs take more of them.
 */
#include "support/test.h"

#include <shale/shale.h>

#include "base/rand.h"
#include "env/sim.h"

enum {
	KEYS = 32,
	FAMILIES = 2,
	COMMITS = 250, /* of a run, at most */
	CALL_IMAGES = 2,
	RUN_IMAGES = 400, /* kept at a time */
	SLOTS = 4096,     /* of the set of hashes: a power of two */
	DEPTH = 2,        /* images of images */
	NESTED_ONE_IN = 25,
	STEPS_MAX = 20000000,
};

#define DIR "/db"

struct state {
	bool second; /* the family is there */
	uint32_t id[FAMILIES][KEYS];
};

struct image {
	struct sim_fs *fs;
	uint64_t hash;
	size_t lo, hi; /* it must hold one of the states lo .. hi */
	size_t synced; /* a power cut may go back to this one */
	enum sim_crash mode;
	uint64_t call;
};

/* Images of one run of a workload, or of one recovery. */
struct harvest {
	struct image *images;
	size_t count;
	uint32_t *slot; /* index + 1 by hash */
	uint64_t calls, permille;
};

struct run {
	struct sim *sim;
	shale_options options;
	uint64_t seed;
	struct rand rand;

	/* states[i] is what i commits made. */
	struct state states[COMMITS + 1];
	size_t started, acked, durable;
	uint32_t next_id;
	shale_db *db;
	shale_cf *second;
	struct harvest *harvest;

	/* Of the recovery under way. */
	struct image *image;
	int depth;
	bool opened;
	size_t found;
	uint64_t recovered[DEPTH + 1]; /* how many, by depth */
};

static const char *mode_name(enum sim_crash mode)
{
	static const char *const names[] = { "ordered",  "chaos", "nothing unsynced", "all", "omit",
					     "only one", "torn",  "process" };

	return names[mode];
}

#define CHECK(r, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			complain((r), __LINE__);                                                   \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, " (last error: %s)\n", shale_last_error()->text);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void complain(const struct run *r, int line)
{
	fprintf(stderr, "%s:%d: seed 0x%" PRIx64 ": ", __FILE__, line, r->seed);
	if (r->image != NULL)
		fprintf(stderr, "image '%s' of call %" PRIu64 ", depth %d, states %zu..%zu: ",
			mode_name(r->image->mode), r->image->call, r->depth, r->image->lo,
			r->image->hi);
}

/* ---- images ---- */

static void harvest_init(struct harvest *h, uint64_t permille)
{
	*h = (struct harvest){ .permille = permille };
	h->images = calloc(RUN_IMAGES, sizeof(*h->images));
	h->slot = calloc(SLOTS, sizeof(*h->slot));
}

static void harvest_fini(struct harvest *h)
{
	for (size_t i = 0; i < h->count; i++)
		sim_fs_free(h->images[i].fs);
	free(h->images);
	free(h->slot);
}

/* The same disk twice: both moments' demands are right for it. */
static void harvest_add(struct harvest *h, struct image *image)
{
	size_t at = image->hash & (SLOTS - 1);

	for (; h->slot[at] != 0; at = (at + 1) & (SLOTS - 1)) {
		struct image *same = &h->images[h->slot[at] - 1];

		if (same->hash != image->hash)
			continue;
		if (image->lo > same->lo)
			same->lo = image->lo;
		if (image->hi < same->hi)
			same->hi = image->hi;
		if (image->synced < same->synced)
			same->synced = image->synced;
		sim_fs_free(image->fs);
		return;
	}
	if (h->count == RUN_IMAGES) {
		sim_fs_free(image->fs);
		return;
	}
	h->images[h->count++] = *image;
	h->slot[at] = (uint32_t)h->count;
}

static void take(struct run *r, struct sim_fs *fs, size_t lo, size_t lo_process, size_t hi)
{
	static const enum sim_crash modes[] = {
		SIM_CRASH_ORDERED,       SIM_CRASH_CHAOS,    SIM_CRASH_CHAOS,
		SIM_CRASH_NONE_UNSYNCED, SIM_CRASH_ALL,      SIM_CRASH_OMIT_ONE,
		SIM_CRASH_ONLY_ONE,      SIM_CRASH_TEAR_ONE, SIM_CRASH_PROCESS,
	};
	struct image image = { .call = r->harvest->calls };
	uint64_t pending = sim_fs_pending(fs), choice = rand_next(&r->rand);

	image.mode = modes[rand_below(&r->rand, sizeof(modes) / sizeof(modes[0]))];
	if (image.mode == SIM_CRASH_OMIT_ONE || image.mode == SIM_CRASH_ONLY_ONE ||
	    image.mode == SIM_CRASH_TEAR_ONE) {
		if (pending == 0)
			return;
		choice %= pending;
	}
	image.lo = image.mode == SIM_CRASH_PROCESS ? lo_process : lo;
	image.synced = lo;
	image.hi = hi;
	image.fs = sim_fs_image(fs, image.mode, choice);
	image.hash = sim_fs_hash(image.fs);
	harvest_add(r->harvest, &image);
}

static void take_some(struct run *r, struct sim_fs *fs, size_t lo, size_t lo_process, size_t hi)
{
	r->harvest->calls++;
	for (int i = 0; i < CALL_IMAGES; i++)
		if (rand_below(&r->rand, 1000) < r->harvest->permille)
			take(r, fs, lo, lo_process, hi);
}

static void on_work_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct run *r = arg;

	(void)op;
	(void)name;
	take_some(r, fs, r->durable, r->acked, r->started);
}

static void on_recovery_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct run *r = arg;
	const struct image *i = r->image;

	(void)op;
	(void)name;
	if (r->opened)
		take_some(r, fs, r->found, r->found, r->found);
	else
		take_some(r, fs, i->synced, i->lo, i->hi);
}

/* ---- the workload ---- */

static shale_slice make_key(char *out, size_t k)
{
	sprintf(out, "key%03zu", k);
	return shale_str(out);
}

static shale_slice make_value(char *out, uint32_t id)
{
	sprintf(out, "%u %0*d", id, (int)(id * 37 % 400), 0);
	return shale_str(out);
}

/* The next state is begun; returns it. */
static struct state *begin(struct run *r)
{
	struct state *s = &r->states[r->started + 1];

	*s = r->states[r->started];
	return s;
}

static void done(struct run *r, bool durable)
{
	r->acked = r->started;
	if (durable || r->options.durability == SHALE_DURABLE)
		r->durable = r->acked;
}

static void write_batch(struct run *r)
{
	struct state *s = begin(r);
	size_t n = 1 + rand_below(&r->rand, 6);
	char key[16], end[16], value[512];
	shale_batch *b;

	CHECK(r, shale_batch_new(&b) == SHALE_OK, "batch");
	for (size_t i = 0; i < n; i++) {
		shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
		size_t f = s->second ? rand_below(&r->rand, 2) : 0, k = rand_below(&r->rand, KEYS);
		uint64_t dice = rand_below(&r->rand, 20);
		shale_status rc;

		o.cf = f == 1 ? r->second : NULL;
		if (dice == 0) {
			size_t hi = k + 1 + rand_below(&r->rand, 6);

			rc = shale_batch_delete_range(b, &o, make_key(key, k), make_key(end, hi));
			for (size_t j = k; j < hi && j < KEYS; j++)
				s->id[f][j] = 0;
		} else if (dice < 4) {
			rc = shale_batch_delete(b, &o, make_key(key, k));
			s->id[f][k] = 0;
		} else {
			s->id[f][k] = ++r->next_id;
			rc = shale_batch_put(b, &o, make_key(key, k),
					     make_value(value, r->next_id));
		}
		CHECK(r, rc == SHALE_OK, "batch");
	}
	r->started++;
	CHECK(r, shale_write(r->db, NULL, b) == SHALE_OK, "write");
	done(r, false);
	shale_batch_free(b);
}

static void put_one(struct run *r)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t k = rand_below(&r->rand, KEYS);
	char key[16], value[512];

	begin(r)->id[0][k] = ++r->next_id;
	if (rand_below(&r->rand, 10) == 0)
		o.durability = SHALE_DURABLE;
	r->started++;
	CHECK(r, shale_put(r->db, &o, make_key(key, k), make_value(value, r->next_id)) == SHALE_OK,
	      "put");
	done(r, o.durability == SHALE_DURABLE);
}

static void make_second(struct run *r)
{
	begin(r)->second = true;
	r->started++;
	CHECK(r, shale_cf_create(r->db, "second", &r->options.default_cf, &r->second) == SHALE_OK,
	      "create");
	done(r, true);
}

static void drop_second(struct run *r)
{
	struct state *s = begin(r);

	s->second = false;
	memset(s->id[1], 0, sizeof(s->id[1]));
	r->started++;
	CHECK(r, shale_cf_drop(r->db, "second") == SHALE_OK, "drop");
	shale_cf_release(r->second);
	r->second = NULL;
	done(r, true);
}

static void maintain(struct run *r)
{
	shale_stats stats = SHALE_STATS_INIT;

	switch (rand_below(&r->rand, 4)) {
	case 0:
		CHECK(r, shale_flush(r->db, NULL) == SHALE_OK, "flush");
		r->durable = r->acked;
		break;
	case 1:
		CHECK(r, shale_compact(r->db, NULL) == SHALE_OK, "compact");
		break;
	case 2:
		CHECK(r, shale_stats_get(r->db, &stats) == SHALE_OK, "stats");
		CHECK(r, shale_wait_durable(r->db, stats.last_seq) == SHALE_OK, "wait_durable");
		r->durable = r->acked;
		break;
	default:
		sim_advance_ns(r->sim, 50000000); /* the interval of INTERVAL is over */
	}
}

static void open_store(struct run *r)
{
	shale_options o = r->options;
	shale_status rc;

	o.env = sim_env(r->sim);
	rc = shale_open(DIR, &o, &r->db);
	CHECK(r, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
	rc = shale_cf_open(r->db, "second", &r->second);
	CHECK(r, rc == SHALE_OK || rc == SHALE_NOT_FOUND, "cf_open gave %s", shale_status_name(rc));
	if (rc != SHALE_OK)
		r->second = NULL;
}

static void close_store(struct run *r)
{
	shale_cf_release(r->second);
	r->second = NULL;
	CHECK(r, shale_close(r->db) == SHALE_OK, "close");
}

static void workload(void *arg)
{
	struct run *r = arg;
	bool linear = r->options.durability == SHALE_DURABLE;

	open_store(r);
	make_second(r);
	while (r->started + 1 < COMMITS) {
		uint64_t dice = rand_below(&r->rand, 200);

		/*
		 * A family made or dropped is durable at once; what was written before and is
		 * not would leave a state that is no prefix: so only where all is durable.
		 */
		if (dice == 0 && linear && r->second != NULL) {
			drop_second(r);
		} else if (dice < 20 && linear && r->second == NULL) {
			make_second(r);
		} else if (dice < 24) {
			maintain(r);
		} else if (dice < 26) {
			close_store(r);
			r->durable = r->acked;
			open_store(r);
		} else if (dice < 100) {
			put_one(r);
		} else {
			write_batch(r);
		}
	}
	close_store(r);
	r->durable = r->acked;
}

/* ---- recovery ---- */

/* The store's content as ids of values; each must be one that the workload wrote. */
static void read_family(struct run *r, shale_cf *cf, uint32_t *ids)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	char key[16], want[512];
	size_t there = 0, seen = 0;
	shale_iter *it;
	shale_status rc;

	o.cf = cf;
	for (size_t k = 0; k < KEYS; k++) {
		shale_value v;

		ids[k] = 0;
		rc = shale_get(r->db, &o, make_key(key, k), &v);
		CHECK(r, rc == SHALE_OK || rc == SHALE_NOT_FOUND, "get gave %s",
		      shale_status_name(rc));
		if (rc == SHALE_NOT_FOUND)
			continue;
		ids[k] = (uint32_t)strtoul(v.data, NULL, 10);
		CHECK(r, slice_eq(slice_from(v.data, v.size), make_value(want, ids[k])),
		      "key %zu holds what was never written", k);
		shale_value_release(&v);
		there++;
	}
	CHECK(r, shale_iter_new(r->db, &o, &it) == SHALE_OK, "iter");
	for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it))
		seen++;
	CHECK(r, rc == SHALE_END && seen == there, "a scan sees %zu of %zu keys", seen, there);
	shale_iter_free(it);
}

static void read_state(struct run *r, struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->second = r->second != NULL;
	read_family(r, NULL, s->id[0]);
	if (s->second)
		read_family(r, r->second, s->id[1]);
}

static bool same_state(const struct state *a, const struct state *b)
{
	return a->second == b->second && memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/* The newest allowed state that is the one there. */
static size_t find_state(struct run *r, const struct state *s)
{
	size_t hi = r->image->hi;

	for (size_t i = hi + 1; i-- > r->image->lo;)
		if (same_state(s, &r->states[i]))
			return i;
	for (size_t i = 0; i <= r->started; i++)
		CHECK(r, !same_state(s, &r->states[i]), "the state after %zu commits", i);
	CHECK(r, false, "a state that never was");
	return 0;
}

static void recovery(void *arg)
{
	struct run *r = arg;
	struct state first, again;
	shale_status rc;

	open_store(r);
	read_state(r, &first);
	r->found = find_state(r, &first);
	r->opened = true;
	rc = shale_check(r->db, NULL, NULL, NULL);
	CHECK(r, rc == SHALE_OK, "check gave %s", shale_status_name(rc));
	close_store(r);
	if (r->found % 4 != 0)
		return;
	open_store(r);
	read_state(r, &again);
	CHECK(r, same_state(&first, &again), "another state after the second open");
	close_store(r);
}

static void stuck(void *arg, const char *text)
{
	struct run *r = arg;

	CHECK(r, false, "hangs: %s", text);
}

static void recover_all(struct run *r, struct harvest *h, int depth);

static void recover_one(struct run *r, struct image *image, int depth)
{
	bool nested = depth < DEPTH && rand_below(&r->rand, NESTED_ONE_IN) == 0;
	struct harvest inner, *outer = r->harvest;
	struct sim_fs *own;

	own = sim_swap_fs(r->sim, image->fs);
	r->image = image;
	r->depth = depth;
	r->opened = false;
	if (nested) {
		harvest_init(&inner, 300);
		r->harvest = &inner;
		sim_fs_on_call(image->fs, on_recovery_call, r);
	}
	sim_reset(r->sim, r->seed + image->hash);
	CHECK(r, sim_run(r->sim, recovery, r) == SIM_DONE, "did not end");
	CHECK(r, sim_heap_live(sim_get_heap(r->sim)) == 0, "allocations are left");
	sim_swap_fs(r->sim, own);
	r->image = NULL;
	r->recovered[depth]++;
	sim_fs_free(image->fs);
	image->fs = NULL;
	if (nested) {
		sim_heap_free_all(sim_get_heap(r->sim));
		recover_all(r, &inner, depth + 1);
		harvest_fini(&inner);
		r->harvest = outer;
	}
}

static void recover_all(struct run *r, struct harvest *h, int depth)
{
	for (size_t i = 0; i < h->count; i++)
		recover_one(r, &h->images[i], depth);
}

/* ---- runs ---- */

static void run_one(uint64_t seed, shale_durability durability, uint64_t recovered[DEPTH + 1],
		    uint64_t *calls)
{
	const struct sim_schedule schedule = { SIM_RANDOM, 100, 5, 0, 0, STEPS_MAX };
	struct run *r = calloc(1, sizeof(*r));
	shale_options o = SHALE_OPTIONS_INIT;
	struct harvest harvest;

	r->seed = seed;
	rand_seed(&r->rand, seed);
	o.memory_budget = 1 << 20;
	o.memtable_bytes = 16384;
	o.log_bytes_max = 32768;
	o.durability = durability;
	o.sync_interval_ms = 5;
	o.background_threads = 1 + (uint32_t)rand_below(&r->rand, 3);
	o.default_cf.compression = SHALE_LZ4;
	o.default_cf.block_bytes = 512;
	o.default_cf.compaction.table_bytes = 4096;
	o.default_cf.compaction.top_runs = 2;
	o.default_cf.compaction.size_ratio = 2;
	o.default_cf.compaction.base_bytes = 16384;
	r->options = o;
	/* Some of each call: about RUN_IMAGES in all. */
	harvest_init(&harvest, durability == SHALE_DURABLE ? 250 : 450);
	r->harvest = &harvest;
	assert_ok(sim_new(seed, &r->sim));
	sim_set_schedule(r->sim, &schedule);
	sim_on_stuck(r->sim, stuck, r);
	sim_fs_on_call(sim_get_fs(r->sim), on_work_call, r);
	CHECK(r, sim_run(r->sim, workload, r) == SIM_DONE, "did not end");
	sim_fs_on_call(sim_get_fs(r->sim), NULL, NULL);
	*calls += harvest.calls;
	recover_all(r, &harvest, 0);
	for (int d = 0; d <= DEPTH; d++)
		recovered[d] += r->recovered[d];
	harvest_fini(&harvest);
	sim_free(r->sim);
	free(r);
}

static void every_image_recovers(shale_durability durability)
{
	uint64_t seed = test_seed(), images = test_scale(800), calls = 0, runs = 0;
	uint64_t recovered[DEPTH + 1] = { 0 };

	for (; recovered[0] < images; runs++)
		run_one(seed + runs * 7919 + (uint64_t)durability, durability, recovered, &calls);
	printf("%" PRIu64 " distinct images of %" PRIu64 " calls in %" PRIu64 " runs recovered; ",
	       recovered[0], calls, runs);
	printf("%" PRIu64 " of recoveries, %" PRIu64 " of recoveries of these\n", recovered[1],
	       recovered[2]);
	assert_true(recovered[1] > 0);
}

static void durable_commits_are_in_every_image(void **state)
{
	(void)state;
	every_image_recovers(SHALE_DURABLE);
}

static void with_an_interval_every_image_is_a_prefix(void **state)
{
	(void)state;
	every_image_recovers(SHALE_INTERVAL);
}

static void with_process_durability_every_image_is_a_prefix(void **state)
{
	(void)state;
	every_image_recovers(SHALE_PROCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_commits_are_in_every_image),
		cmocka_unit_test(with_an_interval_every_image_is_a_prefix),
		cmocka_unit_test(with_process_durability_every_image_is_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
