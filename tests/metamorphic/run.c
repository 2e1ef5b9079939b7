/* Lives of a store under a script. */
#include "metamorphic/run.h"

#include <stdarg.h>

#define HOUR_NS UINT64_C(3600000000000)

_Noreturn void run_fail(struct run *r, const char *format, ...)
{
	char *text = NULL;
	size_t size = 0, n;
	FILE *out = open_memstream(&text, &size);
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	if (shale_last_error()->text[0] != 0)
		fprintf(out, " (last error: %s)", shale_last_error()->text);
	if (r->at < r->script->count) {
		fprintf(out, "\n  operation %zu: ", r->at);
		op_write(r->script, &r->script->ops[r->at], out);
	}
	fclose(out);
	n = size < FAILURE_TEXT - 1 ? size : FAILURE_TEXT - 1;
	memcpy(r->failure, text, n);
	r->failure[n] = 0;
	free(text);
	r->failed = true;
	sim_stop(r->sim);
}

static void on_stuck(void *arg, const char *text)
{
	struct run *r = arg;

	r->failed = true;
	snprintf(r->failure, FAILURE_TEXT, "stuck: at operation %zu: %s", r->at, text);
}

const char *family_name(size_t f)
{
	static const char *const names[FAMILIES] = { "default", "one", "two", "three" };

	return names[f];
}

/* ---- opening and closing ---- */

void run_open(struct run *r)
{
	struct settings s = r->settings;
	shale_status rc;

	if (r->settings.hop) {
		/* The options of a family stay what they were when it was made. */
		settings_parse(settings_sets[r->opens % settings_set_count].text, &s);
		s.options.default_cf = r->settings.options.default_cf;
	}
	r->opens++;
	s.options.env = sim_env(r->sim);
	r->durability = s.options.durability;
	rc = shale_open(DIR, &s.options, &r->db);
	NEED(r, rc == SHALE_OK, "open: gave %s", shale_status_name(rc));
	for (size_t f = 0; f < FAMILIES; f++) {
		rc = shale_cf_open(r->db, family_name(f), &r->cf[f]);
		NEED(r, rc == (r->oracle->there[f] ? SHALE_OK : SHALE_NOT_FOUND),
		     "cf_open: of '%s' gave %s", family_name(f), shale_status_name(rc));
	}
	if (r->batch == NULL)
		NEED(r, shale_batch_new(&r->batch) == SHALE_OK, "batch_new: failed");
	shale_batch_clear(r->batch);
	r->last_seq = 0;
	r->pauses = 0;
	r->puts = r->deletes = r->range_deletes = 0;
}

void run_close(struct run *r)
{
	shale_status rc;

	for (size_t i = 0; i < ITERATORS; i++) {
		shale_iter_free(r->iters[i]);
		r->iters[i] = NULL;
	}
	for (size_t i = 0; i < HOLDS; i++)
		shale_value_release(&r->holds[i]);
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		shale_snapshot_free(r->snapshots[i]);
		r->snapshots[i] = NULL;
	}
	for (size_t f = 0; f < FAMILIES; f++) {
		shale_cf_release(r->cf[f]);
		r->cf[f] = NULL;
	}
	rc = shale_close(r->db);
	r->db = NULL;
	NEED(r, rc == SHALE_OK, "close: gave %s", shale_status_name(rc));
	NEED(r, sim_heap_live(sim_get_heap(r->sim)) == 0, "close: left %" PRIu64 " allocations",
	     sim_heap_live(sim_get_heap(r->sim)));
	crash_settle(r);
}

/* ---- operations ---- */

static void same(struct run *r, const struct answer *got, const struct answer *want)
{
	const char *verb = verb_name(r->script->ops[r->at].verb);

	NEED(r, got->status == want->status, "%s status: gave %s, right is %s", verb,
	     shale_status_name(got->status), shale_status_name(want->status));
	NEED(r, got->steps == want->steps, "%s count: gave %u entries, right is %u", verb,
	     got->steps, want->steps);
	NEED(r, got->digest == want->digest, "%s entries: gave wrong keys or values", verb);
}

static bool end_soon(void *arg, const shale_compact_progress *p)
{
	(void)p;
	return (*(unsigned *)arg)-- != 0;
}

/* What changes no answer, between the operations of the script. */
static void meddle(struct run *r)
{
	unsigned every = r->settings.meddle, n = every != 0 ? (unsigned)r->at / every : 0;
	shale_compact_options compact = SHALE_COMPACT_OPTIONS_INIT;
	shale_rate rate = SHALE_RATE_INIT;
	unsigned calls = n / 4 % 5;
	shale_status rc = SHALE_OK;

	if (every == 0 || r->at % every != 0)
		return;
	switch (n % 4) {
	case 0:
		rc = shale_pause_compaction(r->db);
		r->pauses++;
		break;
	case 1:
		rate.bytes_per_s = n % 3 != 0 ? 4 << 20 : 0;
		rate.ops_per_s = n % 5 != 0 ? 10000 : 0;
		rate.window[n % SHALE_RATE_WINDOWS] = (shale_rate_window){ n % 1440, 0, 0, 20000 };
		rate.target_p99_us = n % 2 != 0 ? 100 : 0;
		rc = shale_rate_set(r->db, &rate);
		break;
	case 2:
		for (; r->pauses != 0 && rc == SHALE_OK; r->pauses -= rc == SHALE_OK)
			rc = shale_resume_compaction(r->db);
		break;
	default:
		compact.progress = end_soon;
		compact.arg = &calls;
		rc = shale_compact(r->db, &compact);
		rc = rc == SHALE_MORE ? SHALE_OK : rc;
	}
	NEED(r, rc == SHALE_OK, "meddling: gave %s", shale_status_name(rc));
}

static void do_op(struct run *r, const struct op *op)
{
	struct answer want, got = { .status = SHALE_OK };

	r->counts->ops++;
	if (!oracle_step(r->oracle, op, &want)) {
		r->counts->passed_over++;
		return;
	}
	r->counts->verbs[op->verb]++;
	if (op->verb == KILL || op->verb == POWER_CUT) {
		r->crash = op->verb;
		r->counts->crashes++;
		sim_stop(r->sim);
	}
	meddle(r);
	verb_call(r, op, &got);
	same(r, &got, &want);
	if (r->oracle->commit.count != 0)
		crash_acknowledged(r, op->durable);
}

/* Everything once more, then nothing is left. */
static void finish(struct run *r)
{
	shale_options o = SHALE_OPTIONS_INIT;

	oracle_forget(r->oracle);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t f = 0; f < FAMILIES; f++) {
			struct op scan = { .verb = SCAN,
					   .family = (uint8_t)f,
					   .snapshot = NO_SNAPSHOT };
			struct answer want, got = { .status = SHALE_OK };

			if (!oracle_step(r->oracle, &scan, &want))
				continue;
			verb_call(r, &scan, &got);
			NEED(r, got.digest == want.digest, "last scan: of '%s' is wrong",
			     family_name(f));
		}
		NEED(r, shale_check(r->db, NULL, NULL, NULL) == SHALE_OK, "last check: failed");
		run_close(r);
		if (twice == 0)
			run_open(r);
	}
	o.env = sim_env(r->sim);
	NEED(r, shale_destroy(DIR, &o) == SHALE_OK, "destroy: failed");
	o.error_if_missing = true;
	NEED(r, shale_open(DIR, &o, &r->db) == SHALE_NOT_FOUND, "destroy: left a store");
}

static void life(void *arg)
{
	struct run *r = arg;

	run_open(r);
	if (r->crash != VERBS)
		crash_recovered(r);
	r->crash = VERBS;
	for (; r->at < r->script->count; r->at++)
		do_op(r, &r->script->ops[r->at]);
	finish(r);
}

/* What a process that died held. */
static void forget_handles(struct run *r)
{
	memset(r->iters, 0, sizeof(r->iters));
	memset(r->snapshots, 0, sizeof(r->snapshots));
	memset(r->holds, 0, sizeof(r->holds));
	memset(r->cf, 0, sizeof(r->cf));
	r->db = NULL;
	sim_heap_free_all(sim_get_heap(r->sim));
}

static void run_lives(struct run *r)
{
	const shale_env *env = sim_env(r->sim);
	enum sim_result result;
	uint64_t begin = env->clock.ops->wall_ms(env->clock.self), now;

	for (uint64_t n = 0;; n++) {
		result = sim_run(r->sim, life, r);
		forget_handles(r);
		if (result != SIM_STOPPED || r->failed)
			break;
		crash_disk(r);
		/* Half an hour is what times to live have to spare. */
		now = env->clock.ops->wall_ms(env->clock.self);
		if (now - begin - r->oracle->hour * (HOUR_NS / 1000000) > 20 * 60 * 1000) {
			r->failed = true;
			snprintf(r->failure, FAILURE_TEXT, "slow: the script took too long");
			break;
		}
		sim_reset(r->sim, r->script->seed + n + 1);
		sim_set_wall_ms(r->sim, now);
		r->at++;
	}
}

bool run_script(const struct script *s, const char *settings, struct run_counts *counts,
		char *failure)
{
	struct run *r = calloc(1, sizeof(*r));
	bool good;

	r->script = s;
	r->counts = counts;
	r->crash = VERBS;
	r->oracle = oracle_new(s);
	good = settings_parse(settings, &r->settings);
	if (good && sim_new(s->seed, &r->sim) == SHALE_OK) {
		sim_set_schedule(r->sim, &r->settings.schedule);
		sim_set_cpus(r->sim, r->settings.cpus);
		sim_on_stuck(r->sim, on_stuck, r);
		run_lives(r);
	} else {
		r->failed = true;
		snprintf(r->failure, FAILURE_TEXT, "setting up: failed");
	}
	good = !r->failed;
	if (!good)
		memcpy(failure, r->failure, FAILURE_TEXT);
	shale_batch_free(r->batch);
	changes_fini(&r->history);
	free(r->ends);
	sim_free(r->sim);
	oracle_free(r->oracle);
	free(r);
	return good;
}
