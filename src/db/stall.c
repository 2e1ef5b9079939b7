/*
 * Back-pressure. When background work falls behind, each write is delayed in
 * proportion to its bytes and to the square of how far behind it is, in steps of
 * some microseconds, so that a full stop stays rare. Delays and stops are counted.
 *
 * Behind is: runs in the top level beyond three times what starts a merge, merge debt
 * beyond the size of many memtables, memtables beyond half of their share of memory.
 * The last is looked at again while the active memtable grows, and its delay has no
 * bound: towards the end of the share a writer goes at the pace of the flushes, and
 * does not run into a stop that lasts as long as a whole flush.
 */
#include "db/db.h"

enum {
	SLOW_RUNS = 3,          /* times top_runs: delays begin */
	STOP_RUNS = 10,         /* times top_runs: writes stop */
	SLOW_DEBT = 32,         /* memtables: delays begin */
	STOP_DEBT = 256,        /* memtables: delays are the longest */
	DELAY_MAX = 100 * 1024, /* ns for a KiB: 10 MB/s */
	SLEEP_LEAST_NS = 50000, /* shorter delays are saved up */
	STOP_POLL_NS = 100000000,
};

#define DELAY_END 0.02 /* the delay of full memtables is DELAY_MAX / DELAY_END */

bool stall_is_full_of_others(const shale_db *db)
{
	return db->family_count > 1 &&
	       atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed) > db->memtables_max;
}

bool stall_is_full(const shale_db *db, const shale_cf *cf)
{
	uint64_t after =
		db->sealed_bytes + memtable_bytes(cf->active->table) + db->options.memtable_bytes;

	if (cf->sealed_count == SEALED_MAX || stall_is_full_of_others(db))
		return true;
	/* Who paused merges might be the one to be stopped. */
	if (!merges_are_paused(db) &&
	    cf->version->level[0].runs >= (uint64_t)STOP_RUNS * policy_top_runs(&cf->policy))
		return true;
	/* A memtable may be a little larger than it should. */
	return cf->sealed_count != 0 && after > db->memtables_max + db->memtables_max / 16;
}

static double share(double value, double from, double to)
{
	double s = (value - from) / (to - from);

	return s < 0 ? 0 : s > 1 ? 1 : s;
}

void stall_look(shale_db *db, shale_cf *cf)
{
	uint32_t behind = atomic_load_explicit(&cf->delay_behind, memory_order_relaxed);
	uint64_t held = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed) +
			memtable_bytes(cf->active->table);
	double p = share((double)held, (double)db->memtables_max / 2, (double)db->memtables_max);
	uint32_t full = (uint32_t)(p * p / (1 + DELAY_END - p) * DELAY_MAX);

	atomic_store_explicit(&cf->delay, behind > full ? behind : full, memory_order_relaxed);
}

void stall_sum(shale_db *db)
{
	uint32_t pressure = 0, before;
	uint64_t debt = 0;

	mutex_assert_held(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		const shale_cf *cf = db->families[i];

		debt += cf->debt;
		pressure = cf->pressure > pressure ? cf->pressure : pressure;
	}
	/* Relaxed: whoever looks at a limit a moment late does so again soon. */
	atomic_store_explicit(&db->debt, debt, memory_order_relaxed);
	before = atomic_exchange_explicit(&db->pressure, pressure, memory_order_relaxed);
	if (before != pressure)
		atomic_store_explicit(&db->merge_look_ns, 0, memory_order_relaxed);
}

void stall_update(shale_db *db, shale_cf *cf)
{
	double top = policy_top_runs(&cf->policy);
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
	stall_look(db, cf);
}

void stall_delay(shale_db *db, shale_cf *cf, size_t bytes)
{
	uint32_t delay = atomic_load_explicit(&cf->delay, memory_order_relaxed);
	uint64_t now, until, cost;

	if (likely(delay == 0))
		return;
	cost = (uint64_t)delay * (bytes + 64) / 1024;
	now = env_now_ns(db->env);
	until = atomic_load_explicit(&db->pace_ns, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&db->pace_ns, &until,
						      (until > now ? until : now) + cost,
						      memory_order_relaxed, memory_order_relaxed))
		;
	if (until > now + SLEEP_LEAST_NS) {
		stats_add(&db->stats, STAT_DELAYED_WRITES, 1);
		stats_add(&db->stats, STAT_DELAY_NS, until - now);
		env_sleep_ns(db->env, until - now);
	}
}

shale_status stall_stop(shale_db *db, shale_cf *cf)
{
	uint64_t start = env_now_ns(db->env), took, longest;
	shale_status rc = SHALE_OK;

	mutex_lock(&db->mu);
	while (stall_is_full(db, cf) && !atomic_load(&cf->dropped)) {
		/* A disk that stays full must not hang its writers; reads and retries go on. */
		if (db->soft_status < 0) {
			*err_last() = db->soft_error;
			rc = db->soft_status;
			break;
		}
		if (atomic_load_explicit(&db->write_stopped, memory_order_relaxed))
			break;
		cond_wait_ns(&db->changed, &db->mu, STOP_POLL_NS);
	}
	mutex_unlock(&db->mu);
	took = env_now_ns(db->env) - start;
	stats_add(&db->stats, STAT_STOPS, 1);
	stats_add(&db->stats, STAT_STOP_NS, took);
	longest = atomic_load(&db->longest_stop_ns);
	while (took > longest &&
	       !atomic_compare_exchange_weak(&db->longest_stop_ns, &longest, took))
		;
	return rc;
}
