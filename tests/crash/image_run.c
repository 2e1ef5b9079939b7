/*
 * A run is a workload under a seed. Its images are many, so they are taken in
 * slices: the same run again and again, each time with the images of the next some
 * calls, which are recovered when the run is through and all is known of it. All
 * slices of a run must leave the same trace.
 */
#include "crash/image.h"

#include <inttypes.h>
#include <time.h>

enum { SLICE_IMAGES = 6000 };

const char *mode_name(enum sim_crash mode)
{
	static const char *const names[] = { "ordered",  "chaos", "nothing unsynced", "all", "omit",
					     "only one", "torn",  "process" };

	return names[mode];
}

_Noreturn void run_failed(const struct run *r, const char *file, int line, const char *format, ...)
{
	const struct image *i = r->image;
	va_list ap;

	fprintf(stderr, "%s:%d: workload '%s', SHALE_TEST_RUN=%s:0x%" PRIx64 ": ", file, line,
		r->work->name, r->work->name, r->seed);
	if (i != NULL)
		fprintf(stderr,
			"image '%s' %" PRIu64 " of call %" PRIu64 ", depth %d, hash %" PRIx64 ": ",
			mode_name(i->mode), i->choice, i->call, recovery_depth(r), i->hash);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, " (last error: %s)\n", shale_last_error()->text);
	abort();
}

static void stuck(void *arg, const char *text)
{
	CHECK((struct run *)arg, false, "hangs: %s", text);
}

static void on_work_call(void *arg, struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct run *r = arg;

	if (op == SIM_OPEN || op == SIM_RENAME)
		note_number(&r->max_number, name);
	r->call++;
	if (!r->taking || r->call < r->from || r->call >= r->to ||
	    rand_below(&r->choice, 1000) >= r->totals->permille)
		return;
	r->totals->calls++;
	take_all(r, fs);
	if (r->harvest.fresh >= SLICE_IMAGES)
		r->to = r->call + 1;
}

static void work(void *arg)
{
	struct run *r = arg;

	r->work->fn(r);
}

/* One time through; the images of calls from `from` on. */
static uint64_t slice(struct run *r, uint64_t from)
{
	const struct sim_schedule schedule = { SIM_RANDOM, 100, 5, 0, 0, STEPS_MAX };
	uint64_t trace;

	memset(&r->model, 0, sizeof(r->model));
	memset(&r->now, 0, sizeof(r->now));
	r->model.policy[0] = r->options.default_cf.compaction.policy;
	rand_seed(&r->rand, r->seed);
	rand_seed(&r->choice, r->seed + from);
	r->from = from;
	r->to = UINT64_MAX;
	r->call = r->max_number = r->last_key = 0;
	r->taking = true;
	assert_ok(sim_new(r->seed, &r->sim));
	sim_set_schedule(r->sim, &schedule);
	sim_on_stuck(r->sim, stuck, r);
	sim_fs_on_call(sim_get_fs(r->sim), on_work_call, r);
	CHECK(r, sim_run(r->sim, work, r) == SIM_DONE, "did not end");
	CHECK(r, sim_heap_live(sim_get_heap(r->sim)) == 0, "allocations are left");
	CHECK(r, sim_fs_open_handles(sim_get_fs(r->sim)) == 0, "files are left open");
	sim_fs_on_call(sim_get_fs(r->sim), NULL, NULL);
	trace = sim_trace_hash(r->sim);
	model_settle(&r->model);
	recover_fresh(r);
	model_fini(&r->model);
	sim_free(r->sim);
	return trace;
}

static void set_options(struct run *r)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.memory_budget = 1 << 20;
	o.memtable_bytes = 16384;
	o.log_bytes_max = 32768;
	o.durability = r->work->durability;
	o.sync_interval_ms = 5;
	o.background_threads = 1 + (uint32_t)rand_below(&r->rand, 3);
	o.direct_io = (shale_direct_io)rand_below(&r->rand, 3);
	o.default_cf.compression = SHALE_LZ4;
	o.default_cf.block_bytes = 512;
	o.default_cf.compaction.table_bytes = 4096;
	o.default_cf.compaction.top_runs = 2;
	o.default_cf.compaction.size_ratio = 2;
	o.default_cf.compaction.base_bytes = 16384;
	r->options = o;
}

static void run_one(const struct workload *w, uint64_t seed, struct totals *totals, uint64_t most)
{
	struct run *r = calloc(1, sizeof(*r));
	uint64_t trace, first = totals->distinct;

	assert_non_null(r);
	r->work = w;
	r->seed = seed;
	r->totals = totals;
	rand_seed(&r->rand, ~seed);
	set_options(r);
	harvest_init(&r->harvest);
	trace = slice(r, 0);
	while (r->to != UINT64_MAX && totals->distinct < most) {
		CHECK(r, slice(r, r->to) == trace, "another trace of the same seed");
		totals->compared++;
	}
	totals->runs++;
	printf("%-22s seed 0x%-16" PRIx64 " %7" PRIu64 " calls %8" PRIu64 " images\n", w->name,
	       seed, r->call, totals->distinct - first);
	fflush(stdout);
	harvest_fini(&r->harvest);
	free(r);
}

uint64_t image_share(uint64_t images)
{
#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	images /= 100;
#endif
	return test_scale(images);
}

/* Where few images are asked for, some calls of every workload. */
static uint64_t permille_of(uint64_t share, size_t n)
{
	uint64_t part = share / n;

	return part >= 10000 ? 1000 : part / 10 + 10;
}

/* SHALE_TEST_RUN=NAME:SEED, as a failure prints it: that run alone. */
static bool run_named(const struct workload *work, size_t n, struct totals *totals)
{
	const char *text = getenv("SHALE_TEST_RUN"), *colon;

	if (text == NULL || (colon = strrchr(text, ':')) == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strlen(work[i].name) == (size_t)(colon - text) &&
		    memcmp(work[i].name, text, (size_t)(colon - text)) == 0)
			run_one(&work[i], strtoull(colon + 1, NULL, 0), totals, UINT64_MAX);
	return true;
}

static void print_totals(const struct totals *t, uint64_t seed, double seconds)
{
	printf("%" PRIu64 " candidates of %" PRIu64 " calls in %" PRIu64 " runs; "
	       "%" PRIu64 " images, %" PRIu64 " of recoveries, %" PRIu64 " of recoveries of these; "
	       "%" PRIu64 " traces compared; %.0f images a second\n",
	       t->candidates, t->calls, t->runs, t->depth[0], t->depth[1], t->depth[2], t->compared,
	       (double)t->distinct / (seconds > 0 ? seconds : 1));
	printf("%" PRIu64 " distinct images, %" PRIu64 " recoveries, 0 failures, seed 0x%" PRIx64
	       "\n",
	       t->distinct, t->recoveries, seed);
}

int image_main(const struct workload *work, size_t n, uint64_t images)
{
	uint64_t seed = test_seed(), share = image_share(images);
	struct totals totals = { .permille = permille_of(share, n) };
	clock_t start = clock();

	if (!run_named(work, n, &totals)) {
		/* The first round gives each workload its part, later ones what is left. */
		for (uint64_t round = 0; round == 0 || totals.distinct < share; round++)
			for (size_t i = 0; i < n && (round == 0 || totals.distinct < share); i++) {
				uint64_t part = round == 0 ? share * (i + 1) / n : share;

				run_one(&work[i], seed + round * 7919 + i * 104729, &totals, part);
			}
	}
	print_totals(&totals, seed, (double)(clock() - start) / CLOCKS_PER_SEC);
	hash_set_fini(&totals.seen);
	return totals.distinct == 0;
}
