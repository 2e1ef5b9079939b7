/*
 * Sites and runs. The workload runs once without faults and its sites are counted;
 * then once more for each, which is the same run up to the fault. What comes before
 * the workload is done once: every run begins with a copy of that disk.
 *
 * After the workload the store is used once more, without faults. Where all commits
 * are durable, one run in three has the power cut before that, one in three a drive
 * that had done some of what was not synced.
 */
#include "crash/fault.h"

#include <inttypes.h>

const struct fault_row fault_rows[] = {
	{ SIM_OPEN, EIO },        { SIM_OPEN, EMFILE },      { SIM_OPEN, ENFILE },
	{ SIM_OPEN, EACCES },     { SIM_OPEN, EROFS },       { SIM_OPEN, ENOSPC },
	{ SIM_OPEN, EDQUOT },     { SIM_OPEN, EINTR },       { SIM_OPEN, ENOMEM },
	{ SIM_READ, EIO },        { SIM_READ, EINTR },       { SIM_READ, EAGAIN },
	{ SIM_WRITE, EIO },       { SIM_WRITE, ENOSPC },     { SIM_WRITE, EDQUOT },
	{ SIM_WRITE, EFBIG },     { SIM_WRITE, EROFS },      { SIM_WRITE, EINTR },
	{ SIM_WRITE, EAGAIN },    { SIM_SYNC, EIO },         { SIM_SYNC, ENOSPC },
	{ SIM_SYNC, EDQUOT },     { SIM_SYNC, EINTR },       { SIM_SYNC, EROFS },
	{ SIM_WRITEBACK, EIO },   { SIM_WRITEBACK, ENOSPC }, { SIM_ALLOCATE, EIO },
	{ SIM_ALLOCATE, ENOSPC }, { SIM_ALLOCATE, EDQUOT },  { SIM_ALLOCATE, EFBIG },
	{ SIM_ALLOCATE, EINTR },  { SIM_TRUNCATE, EIO },     { SIM_TRUNCATE, ENOSPC },
	{ SIM_TRUNCATE, EINTR },  { SIM_SIZE, EIO },         { SIM_ADVISE, EIO },
	{ SIM_MAP, ENOMEM },      { SIM_MAP, EIO },          { SIM_MAP, EAGAIN },
	{ SIM_MAP, ENFILE },      { SIM_MKDIR, EIO },        { SIM_MKDIR, EACCES },
	{ SIM_MKDIR, ENOSPC },    { SIM_MKDIR, EDQUOT },     { SIM_MKDIR, EROFS },
	{ SIM_MKDIR, EMLINK },    { SIM_RMDIR, EIO },        { SIM_RMDIR, EACCES },
	{ SIM_RMDIR, EROFS },     { SIM_LIST, EIO },         { SIM_LIST, EACCES },
	{ SIM_LIST, EMFILE },     { SIM_LIST, ENFILE },      { SIM_STAT, EIO },
	{ SIM_STAT, EACCES },     { SIM_RENAME, EIO },       { SIM_RENAME, ENOSPC },
	{ SIM_RENAME, EDQUOT },   { SIM_RENAME, EACCES },    { SIM_RENAME, EROFS },
	{ SIM_UNLINK, EIO },      { SIM_UNLINK, EACCES },    { SIM_UNLINK, EROFS },
	{ SIM_SYNC_DIR, EIO },    { SIM_SYNC_DIR, EMFILE },  { SIM_SYNC_DIR, ENFILE },
	{ SIM_SYNC_DIR, EACCES }, { SIM_SYNC_DIR, ENOSPC },  { SIM_LOCK, EIO },
	{ SIM_LOCK, EACCES },     { SIM_LOCK, EMFILE },      { SIM_LOCK, ENFILE },
	{ SIM_LOCK, EROFS },      { SIM_LOCK, ENOSPC },      { SIM_SPACE, EIO },
};
const size_t fault_row_count = sizeof(fault_rows) / sizeof(fault_rows[0]);

/* The disk and the model before the workload. */
struct base {
	struct run run;
	struct sim_fs *fs;
};

_Noreturn void fault_failed(const struct run *r, const char *file, int line, const char *format,
			    ...)
{
	const struct plan *p = r->plan;
	va_list ap;

	fprintf(stderr,
		"%s:%d: SHALE_TEST_SITE=%s,%d,%d,%d,%" PRIu64 ",%" PRIu64 ",0x%" PRIx64
		" (workload, op %s, errno, 1 sticky + 2 after + 4 clean, site, second, seed): ",
		file, line, p->work->name, (int)p->op, p->err,
		p->sticky + 2 * p->after + 4 * p->clean, r->nth, r->again, r->seed,
		p->err == 0 ? "allocation" : sim_op_name(p->op));
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

static void run_start(struct run *r, uint64_t seed)
{
	const struct sim_schedule schedule = { SIM_RANDOM, 100, 5, 0, 0, STEPS_MAX };

	assert_ok(sim_new(seed, &r->sim));
	sim_set_schedule(r->sim, &schedule);
	sim_on_stuck(r->sim, stuck, r);
}

static void live(struct run *r, void (*life)(void *run))
{
	struct sim_heap *heap = sim_get_heap(r->sim);

	CHECK(r, sim_run(r->sim, life, r) == SIM_DONE, "did not end");
	CHECK(r, sim_heap_live(heap) == 0, "%" PRIu64 " allocations are left", sim_heap_live(heap));
	CHECK(r, sim_fs_open_handles(sim_get_fs(r->sim)) == 0, "files are left open");
	CHECK(r, sim_get_stats(r->sim).unjoined == 0, "tasks are left");
}

static void before(void *run)
{
	struct run *r = run;

	r->plan->work->before(r);
}

static void work(void *run)
{
	struct run *r = run;

	r->plan->work->work(r);
}

static uint64_t test_seed_quiet(void)
{
	const char *text = getenv("SHALE_TEST_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : TEST_SEED_DEFAULT;
}

static struct base *base_new(const struct plan *p)
{
	struct base *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->run.plan = p;
	run_start(&b->run, 1);
	if (p->work->before != NULL)
		live(&b->run, before);
	b->fs = sim_fs_clone(sim_get_fs(b->run.sim));
	sim_free(b->run.sim);
	b->run.sim = NULL;
	return b;
}

static void base_free(struct base *b)
{
	sim_fs_free(b->fs);
	free(b);
}

static struct run *run_new(const struct base *b, uint64_t seed)
{
	struct run *r = malloc(sizeof(*r));

	assert_non_null(r);
	memcpy(r, &b->run, sizeof(*r));
	run_start(r, seed);
	sim_fs_free(sim_swap_fs(r->sim, sim_fs_clone(b->fs)));
	return r;
}

static void run_free(struct run *r)
{
	sim_free(r->sim);
	free(r);
}

/* ---- faults ---- */

static void arm(struct run *r, uint64_t nth)
{
	const struct plan *p = r->plan;
	struct sim_fault rule = { .op = p->op,
				  .nth = nth,
				  .err = p->err,
				  .sticky = p->sticky,
				  .after = p->after,
				  .clean = p->clean };

	if (p->err == 0)
		sim_heap_fail(sim_get_heap(r->sim), nth, p->sticky);
	else
		sim_fs_fault(sim_get_fs(r->sim), &rule);
	r->faulty = true;
}

static void disarm(struct run *r)
{
	sim_fs_faults_clear(sim_get_fs(r->sim));
	sim_heap_fail(sim_get_heap(r->sim), 0, false);
	r->faulty = false;
	r->own = 0;
}

static void cut_power(struct run *r)
{
	static const enum sim_crash modes[] = { SIM_CRASH_PROCESS, SIM_CRASH_NONE_UNSYNCED,
						SIM_CRASH_CHAOS };

	if (r->plan->work->durability == SHALE_DURABLE)
		sim_fs_crash(sim_get_fs(r->sim), modes[r->nth % 3], r->nth);
}

static uint64_t sites_of(const struct run *r)
{
	return r->plan->err == 0 ? sim_heap_calls(sim_get_heap(r->sim))
				 : sim_fs_calls(sim_get_fs(r->sim), r->plan->op);
}

/* Workloads with a failure of their own meet it in this run too. */
static uint64_t count_sites(const struct base *b, uint64_t seed)
{
	struct run *r = run_new(b, seed);
	uint64_t n;

	r->faulty = true;
	live(r, work);
	n = sites_of(r);
	run_free(r);
	return n;
}

static void run_site(const struct base *b, uint64_t seed, uint64_t nth, uint64_t again)
{
	struct run *r = run_new(b, seed);
	uint64_t hits;

	r->seed = seed;
	r->nth = nth;
	r->again = again;
	arm(r, nth);
	live(r, work);
	hits = r->plan->err == 0 ? sim_heap_failures(sim_get_heap(r->sim))
				 : sim_fs_fault_hits(sim_get_fs(r->sim));
	CHECK(r, hits != 0, "the site was not met");
	disarm(r);
	if (again != 0) {
		cut_power(r);
		arm(r, again);
		live(r, second_life);
		disarm(r);
	}
	cut_power(r);
	live(r, last_life);
	run_free(r);
}

void fault_all_sites(const struct plan *p, uint64_t step, struct fault_totals *t)
{
	uint64_t seed = test_seed_quiet(), schedules = step > 1 ? 1 : test_scale(3);
	struct base *b = base_new(p);

	for (uint64_t s = 0; s < schedules; s++) {
		uint64_t sites = count_sites(b, seed + s);

		for (uint64_t nth = 1; nth <= sites; nth += step) {
			run_site(b, seed + s, nth, 0);
			t->runs++;
		}
		t->sites += sites;
	}
	base_free(b);
}

void fault_pairs(const struct plan *p, uint64_t n, struct rand *rand, struct fault_totals *t)
{
	uint64_t seed = test_seed_quiet(), sites;
	struct base *b = base_new(p);

	sites = count_sites(b, seed);
	for (uint64_t i = 0; i < n && sites != 0; i++) {
		run_site(b, seed, 1 + rand_below(rand, sites),
			 1 + rand_below(rand, p->err == 0 ? 400 : 40));
		t->pairs++;
	}
	base_free(b);
}

uint64_t fault_step(uint64_t slow)
{
#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	uint64_t step = slow, percent = test_scale(100);
#else
	uint64_t step = slow != 0, percent = test_scale(100);
#endif

	return percent >= 100 ? step : step * 100 / percent;
}

bool fault_named(void)
{
	const char *text = getenv("SHALE_TEST_SITE");
	unsigned long long nth, again, seed;
	struct plan p = { 0 };
	int op, err, how;
	char name[64];

	if (text == NULL)
		return false;
	assert_int_equal(sscanf(text, "%63[^,],%d,%d,%d,%llu,%llu,%llx", name, &op, &err, &how,
				&nth, &again, &seed),
			 7);
	p.op = (enum sim_op)op;
	p.err = err;
	p.sticky = how & 1;
	p.after = how & 2;
	p.clean = how & 4;
	for (size_t i = 0; i < fault_workload_count; i++)
		if (strcmp(fault_workloads[i].name, name) == 0) {
			struct base *b;

			p.work = &fault_workloads[i];
			b = base_new(&p);
			run_site(b, seed, nth, again);
			base_free(b);
		}
	return true;
}
