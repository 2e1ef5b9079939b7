/*
 * Back-pressure. When background work falls behind, each write is delayed in
 * proportion to its bytes and to the square of how far behind it is, in steps of
 * some microseconds, so that a full stop stays rare. Delays and stops are counted, by
 * what held the writer back; the last stops are kept (history.c).
 *
 * Behind is: runs in the top level beyond three times what starts a merge, merge debt
 * beyond the size of many memtables, memtables beyond half of their share of memory.
 * The last is looked at again while the active memtable grows, and its delay has no
 * bound: towards the end of the share a writer goes at the pace of the flushes, and
 * does not run into a stop that lasts as long as a whole flush. It counts only while
 * something is sealed: with nothing to flush there is nothing to wait for, however
 * large an active memtable may become.
 */
#include "db/work.h"

enum {
	SLOW_RUNS = 3,            /* times top_runs: delays begin */
	STOP_RUNS = 10,           /* times top_runs: writes stop */
	EXCLUSIVE_MORE = 8,       /* times STOP_RUNS, while a compaction keeps other merges out */
	SLOW_DEBT = 32,           /* memtables: delays begin */
	STOP_DEBT = 256,          /* memtables: delays are the longest */
	DELAY_MAX = 100 * 1024,   /* ns for a KiB: 10 MB/s */
	SLEEP_LEAST_NS = 50000,   /* shorter delays are saved up */
	SLEEP_MOST_NS = 10000000, /* then it is looked whether the delay is still right */
	STOP_POLL_NS = 100000000,
};

#define DELAY_END 0.02 /* the delay of full memtables is DELAY_MAX / DELAY_END */

bool stall_is_full_of_others(const shale_db *db)
{
	uint64_t sealed = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed);

	/* What is active is sealed in time (seal_for_memory()): so much is left for the rest. */
	return db->family_count > 1 && sealed != 0 &&
	       sealed + atomic_load_explicit(&db->active_bytes, memory_order_relaxed) >
		       db->memtables_max;
}

const char *shale_stall_cause_name(shale_stall_cause cause)
{
	static const char *const names[SHALE_STALL_CAUSES] = {
		[SHALE_STALL_MEMTABLES] = "memtables",
		[SHALE_STALL_FAMILIES] = "memtables of all families",
		[SHALE_STALL_TOP_RUNS] = "top runs",
		[SHALE_STALL_DEBT] = "merge debt",
	};

	return cause > 0 && cause < SHALE_STALL_CAUSES ? names[cause] : "other";
}

/*
 * Who paused merges might be the one to be stopped; and who compacts the family may write to
 * it from where it is told how far it is. That keeps other merges out, for hours maybe.
 */
static bool has_many_runs(const shale_db *db, const shale_cf *cf)
{
	uint64_t most = (uint64_t)STOP_RUNS * policy_top_runs(&cf->policy, cf->version);

	return !merges_are_paused(db) &&
	       atomic_load_explicit(&cf->telling, memory_order_relaxed) == 0 &&
	       cf->version->level[0].runs >= (cf->exclusive ? EXCLUSIVE_MORE * most : most);
}

shale_stall_cause stall_full(const shale_db *db, const shale_cf *cf)
{
	uint64_t after =
		db->sealed_bytes + memtable_bytes(cf->active->table) + db->options.memtable_bytes;

	if (stall_is_full_of_others(db))
		return SHALE_STALL_FAMILIES;
	if (has_many_runs(db, cf))
		return SHALE_STALL_TOP_RUNS;
	/* A memtable may be a little larger than it should. */
	if (cf->sealed_count == SEALED_MAX ||
	    (cf->sealed_count != 0 && after > db->memtables_max + db->memtables_max / 16))
		return SHALE_STALL_MEMTABLES;
	return 0;
}

static double share(double value, double from, double to)
{
	double s = (value - from) / (to - from);

	return s < 0 ? 0 : s > 1 ? 1 : s;
}

static uint64_t scaled(uint64_t ns, uint32_t from, uint32_t to)
{
	return (uint64_t)((unsigned __int128)ns * to / from);
}

/* Where it becomes less, so does what is waited for at the old one. */
static void set_delay(shale_cf *cf, uint32_t to)
{
	uint32_t from = atomic_exchange_explicit(&cf->delay, to, memory_order_relaxed);
	uint64_t now, until;

	if (to >= from)
		return;
	now = env_now_ns(cf->db->env);
	until = atomic_load_explicit(&cf->pace_ns, memory_order_relaxed);
	while (until > now &&
	       !atomic_compare_exchange_weak_explicit(&cf->pace_ns, &until,
						      now + scaled(until - now, from, to),
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void stall_look(shale_db *db, shale_cf *cf)
{
	uint32_t behind = atomic_load_explicit(&cf->delay_behind, memory_order_relaxed);
	uint64_t sealed = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed);
	uint64_t held = sealed != 0 ? sealed + memtable_bytes(cf->active->table) : 0;
	double p = share((double)held, (double)db->memtables_max / 2, (double)db->memtables_max);
	uint32_t full = (uint32_t)(p * p / (1 + DELAY_END - p) * DELAY_MAX);
	uint32_t cause = atomic_load_explicit(behind > full ? &cf->behind_cause : &cf->full_cause,
					      memory_order_relaxed);

	atomic_store_explicit(&cf->delay_cause, cause, memory_order_relaxed);
	set_delay(cf, behind > full ? behind : full);
}

void stall_sum(shale_db *db)
{
	uint32_t pressure = 0, before;
	uint64_t debt = 0;
	bool urgent = false;

	mutex_assert_held(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		const shale_cf *cf = db->families[i];

		debt += cf->debt;
		pressure = cf->pressure > pressure ? cf->pressure : pressure;
		urgent |= merge_may_be_urgent(cf);
	}
	/* Relaxed: whoever looks at a limit a moment late does so again soon. */
	atomic_store_explicit(&db->debt, debt, memory_order_relaxed);
	atomic_store_explicit(&db->crew.may_be_urgent, urgent, memory_order_relaxed);
	before = atomic_exchange_explicit(&db->pressure, pressure, memory_order_relaxed);
	if (before != pressure)
		atomic_store_explicit(&db->pace_look_ns, 0, memory_order_relaxed);
}

void stall_flushed(shale_db *db)
{
	mutex_assert_held(&db->mu);
	for (size_t i = 0; i < db->family_count; i++)
		stall_look(db, db->families[i]);
}

void stall_update(shale_db *db, shale_cf *cf)
{
	double top = policy_top_runs(&cf->policy, cf->version);
	double memtable = (double)db->options.memtable_bytes;
	double runs = share((double)cf->version->level[0].runs, SLOW_RUNS * top, STOP_RUNS * top);
	uint64_t owed = policy_debt(&cf->policy, cf->version);
	double debt = share((double)owed, SLOW_DEBT * memtable, STOP_DEBT * memtable);
	double p = runs > debt ? runs : debt;

	mutex_assert_held(&db->mu);
	cf->debt = owed;
	cf->pressure = (uint32_t)(p * PACE_PRESSURE_MAX);
	stall_sum(db);
	atomic_store_explicit(&cf->delay_behind, (uint32_t)(p * p * DELAY_MAX),
			      memory_order_relaxed);
	atomic_store_explicit(&cf->behind_cause,
			      runs > debt ? SHALE_STALL_TOP_RUNS : SHALE_STALL_DEBT,
			      memory_order_relaxed);
	atomic_store_explicit(&cf->full_cause,
			      cf->sealed_count != 0 ? SHALE_STALL_MEMTABLES : SHALE_STALL_FAMILIES,
			      memory_order_relaxed);
	stall_look(db, cf);
}

static void raise_to(_Atomic uint64_t *most, uint64_t value)
{
	uint64_t old = atomic_load_explicit(most, memory_order_relaxed);

	while (value > old &&
	       !atomic_compare_exchange_weak_explicit(most, &old, value, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

static void count_delay(shale_db *db, uint32_t cause, uint64_t ns)
{
	struct stall_count *c = &db->stalls[cause];

	stats_add(&db->stats, STAT_DELAYED_WRITES, 1);
	stats_add(&db->stats, STAT_DELAY_NS, ns);
	atomic_fetch_add_explicit(&c->delays, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->delay_ns, ns, memory_order_relaxed);
	raise_to(&c->longest_delay_ns, ns);
}

static void count_stop(shale_db *db, shale_stall_cause cause, uint64_t ns)
{
	struct stall_count *c = &db->stalls[cause];

	stats_add(&db->stats, STAT_STOPS, 1);
	stats_add(&db->stats, STAT_STOP_NS, ns);
	raise_to(&db->longest_stop_ns, ns);
	atomic_fetch_add_explicit(&c->stops, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->stop_ns, ns, memory_order_relaxed);
	raise_to(&c->longest_stop_ns, ns);
}

void stall_sums(const shale_db *db, shale_stats *out)
{
	for (size_t i = 0; i < SHALE_STALL_CAUSES; i++) {
		const struct stall_count *c = &db->stalls[i];

		out->by_cause[i] = (shale_stall_stats){
			.delays = atomic_load_explicit(&c->delays, memory_order_relaxed),
			.delay_ns = atomic_load_explicit(&c->delay_ns, memory_order_relaxed),
			.longest_delay_ns =
				atomic_load_explicit(&c->longest_delay_ns, memory_order_relaxed),
			.stops = atomic_load_explicit(&c->stops, memory_order_relaxed),
			.stop_ns = atomic_load_explicit(&c->stop_ns, memory_order_relaxed),
			.longest_stop_ns =
				atomic_load_explicit(&c->longest_stop_ns, memory_order_relaxed),
		};
	}
}

static shale_status stalled(const shale_cf *cf, uint32_t cause, uint64_t ns)
{
	return err_new(SHALE_STALLED,
		       "a write to column family %s was held back for %" PRIu64
		       " ms (%s), longer than stall_max_ms allows",
		       cf->name, ns / 1000000, shale_stall_cause_name((shale_stall_cause)cause));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Sleep until then, in short pieces: when the flush that is waited for ends, or merges catch
 * up, a large write must not go on waiting as if they had not.
 */
static shale_status sleep_until(shale_db *db, shale_cf *cf, uint64_t now, uint64_t until,
				uint64_t give_up, uint32_t delay)
{
	uint32_t cause = atomic_load_explicit(&cf->delay_cause, memory_order_relaxed);
	uint64_t begun = now;

	while (now < until && now < give_up &&
	       !atomic_load_explicit(&cf->dropped, memory_order_relaxed) &&
	       !atomic_load_explicit(&db->write_stopped, memory_order_relaxed)) {
		uint32_t asked;

		env_sleep_ns(db->env, least(least(until, give_up) - now, SLEEP_MOST_NS));
		now = env_now_ns(db->env);
		mutex_lock(&db->mu);
		stall_look(db, cf);
		mutex_unlock(&db->mu);
		asked = atomic_load_explicit(&cf->delay, memory_order_relaxed);
		if (asked < delay && now < until) {
			until = now + scaled(until - now, delay, asked);
			delay = asked;
		}
	}
	count_delay(db, cause, now - begun);
	return now < until && now >= give_up ? stalled(cf, cause, now - begun) : SHALE_OK;
}

/* Of the families that a commit writes to, the one that asks for the longest delay. */
static shale_cf *slowest(const struct commit *c)
{
	shale_cf *slowest = c->targets[0].cf;

	for (size_t i = 1; i < c->target_count; i++)
		if (atomic_load_explicit(&c->targets[i].cf->delay, memory_order_relaxed) >
		    atomic_load_explicit(&slowest->delay, memory_order_relaxed))
			slowest = c->targets[i].cf;
	return slowest;
}

/* What was not written in the end, those behind it do not wait for: as set_delay() left it. */
static void pay_back(shale_cf *cf, uint64_t cost, uint32_t delay)
{
	uint32_t now = atomic_load_explicit(&cf->delay, memory_order_relaxed);
	uint64_t until = atomic_load_explicit(&cf->pace_ns, memory_order_relaxed);

	if (now < delay)
		cost = scaled(cost, delay, now);
	while (!atomic_compare_exchange_weak_explicit(&cf->pace_ns, &until,
						      until > cost ? until - cost : 0,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

shale_status stall_delay(shale_db *db, const struct commit *c)
{
	shale_cf *cf = slowest(c);
	uint32_t delay = atomic_load_explicit(&cf->delay, memory_order_relaxed);
	uint64_t now, until, cost;
	shale_status rc;

	if (likely(delay == 0))
		return SHALE_OK;
	cost = (uint64_t)delay * (c->payload.size + 64) / 1024;
	now = env_now_ns(db->env);
	until = atomic_load_explicit(&cf->pace_ns, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&cf->pace_ns, &until,
						      (until > now ? until : now) + cost,
						      memory_order_relaxed, memory_order_relaxed))
		;
	if (until <= now + SLEEP_LEAST_NS)
		return SHALE_OK;
	rc = sleep_until(db, cf, now, until, c->give_up_ns, delay);
	if (rc < 0)
		pay_back(cf, cost, delay);
	return rc;
}

/* Why it is waited: a writer minds all that is full, a flush only how many are sealed. */
static shale_stall_cause cause_of(const shale_db *db, const shale_cf *cf, bool writer)
{
	if (writer)
		return stall_full(db, cf);
	return cf->sealed_count == SEALED_MAX ? SHALE_STALL_MEMTABLES : 0;
}

/* Whether nobody should wait, who finds out why without this lock. */
static bool is_hopeless(const shale_db *db, bool writer)
{
	return writer ? atomic_load_explicit(&db->write_stopped, memory_order_relaxed)
		      : atomic_load(&db->publish_broken);
}

/* Until the family may seal again, or nobody can wait for that. Under mu. */
static shale_status wait_for_room(shale_db *db, shale_cf *cf, const struct commit *c)
{
	uint64_t begun = env_now_ns(db->env), now = begun;
	uint64_t give_up = c != NULL ? c->give_up_ns : UINT64_MAX;
	bool writer = c != NULL;
	shale_stall_cause cause;

	while ((cause = cause_of(db, cf, writer)) != 0 && !atomic_load(&cf->dropped)) {
		/* A disk that stays full must not hang its writers; reads and retries go on. */
		if (db->failed.status < 0)
			return failure_tell(&db->failed);
		if (cause == SHALE_STALL_TOP_RUNS && cf->failed.status < 0 && cf->failed.top)
			return failure_tell(&cf->failed);
		if (db->merge_blocked && !work_is_left(db))
			return space_blocked(db);
		if (is_hopeless(db, writer))
			break;
		if (now >= give_up)
			return stalled(cf, cause, now - begun);
		cond_wait_ns(&db->changed, &db->mu, least(STOP_POLL_NS, give_up - now));
		now = env_now_ns(db->env);
	}
	return SHALE_OK;
}

shale_status stall_stop(shale_db *db, shale_cf *cf, const struct commit *c)
{
	uint64_t start = env_now_ns(db->env), took, id;
	shale_stall_cause cause;
	shale_status rc;

	mutex_lock(&db->mu);
	cause = cause_of(db, cf, c != NULL);
	if (cause == 0) /* there is room again */
		cause = SHALE_STALL_MEMTABLES;
	id = history_stop_begin(&db->history, cf->id, cause);
	rc = wait_for_room(db, cf, c);
	mutex_unlock(&db->mu);
	took = env_now_ns(db->env) - start;
	history_stop_end(&db->history, id, took, rc);
	count_stop(db, cause, took);
	return rc;
}
