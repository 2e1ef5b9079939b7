/*
 * The order of background work: a flush before anything, since memory waits for
 * it; then what costs little; merges last, which make way for the others on their
 * way (merge_yield.c). What writers need next, a segment of the log and pages for the
 * memtable, is made ready by a thread of its own, so that none of them waits while the others
 * are busy with tables.
 */
#include "db/scout.h"
#include "db/work.h"

enum { TIDY_NS = 5000000, REST_NS = 1000000000 };

bool background_tidy(shale_db *db, uint64_t *wait_ns)
{
	bool did;

	memory_balance(db, wait_ns);
	space_poll(db, wait_ns);
	adapt_some(db, wait_ns);
	if (!work_must_wait(db, wait_ns) && flush_some(db))
		return true;
	did = garbage_some(db, wait_ns);
	if (epoch_pending(&db->readers) && epoch_reclaim(&db->readers) != 0 && *wait_ns > TIDY_NS)
		*wait_ns = TIDY_NS;
	return did;
}

static bool do_some(shale_db *db, uint64_t *wait_ns)
{
	uint64_t looked_ns;

	/* Without a log its thread rests. */
	if (db->options.durability == SHALE_EPHEMERAL && page_pool_prepare(&db->pages))
		return true;
	if (background_tidy(db, wait_ns) || scout_some(db, wait_ns))
		return true;
	/* A time that comes after this was not seen by who looked for a merge. */
	looked_ns = env_now_ns(db->env);
	/* What was begun is ended first. The thread kept for flushes is there in need, too. */
	if (!work_merges_must_wait(db, wait_ns) && (merge_help(db) || merge_some(db)))
		return true;
	merge_wake(db, looked_ns, wait_ns);
	return false;
}

bool background_step(void *arg, unsigned worker, uint64_t *wait_ns)
{
	shale_db *db = arg;
	bool did;

	(void)worker;
	atomic_fetch_add(&db->crew.busy, 1);
	did = do_some(db, wait_ns);
	atomic_fetch_sub(&db->crew.busy, 1);
	return did;
}

/*
 * Where nobody waits for a commit to be durable, it still is after the interval, whatever
 * else there is to do, and not before, however often this thread is woken.
 */
static void sync_interval(shale_db *db, struct wal *wal, uint64_t *wait_ns)
{
	uint64_t interval = (uint64_t)db->options.sync_interval_ms * 1000000;
	uint64_t now = env_now_ns(db->env), left = interval;

	if (wal_durable_lsn(wal) < wal_completed_lsn(wal)) {
		if (now - db->synced_ns < interval) {
			left = db->synced_ns + interval - now;
		} else {
			db->synced_ns = now;
			if (wal_sync(wal, wal_completed_lsn(wal)) < 0)
				db_log_failed(db, wal);
		}
	}
	if (*wait_ns > left)
		*wait_ns = left;
}

/* Nobody has written for a while: what is left of a long log goes into tables. */
static void rest(shale_db *db, uint64_t *wait_ns)
{
	uint64_t now, published;

	if (likely(!seal_may_be_due_at_rest(db)))
		return;
	now = env_now_ns(db->env);
	published = atomic_load(&db->published);
	if (published != db->rest.published) {
		db->rest.published = published;
		db->rest.since_ns = now;
		db->rest.looked = false;
	} else if (!db->rest.looked && now - db->rest.since_ns >= REST_NS) {
		seal_at_rest(db);
		db->rest.looked = true;
	}
	if (!db->rest.looked && *wait_ns > REST_NS)
		*wait_ns = REST_NS;
}

bool background_log_step(void *arg, unsigned worker, uint64_t *wait_ns)
{
	shale_db *db = arg;
	struct wal *wal = atomic_load(&db->wal);

	(void)worker;
	if (atomic_load_explicit(&db->write_stopped, memory_order_relaxed))
		return resume_some(db, wait_ns);
	/* Writes that ask for more than their store make what they need themselves. */
	if (db->options.durability == SHALE_EPHEMERAL || atomic_load(&db->log_segment) == 0)
		return false;
	if (db->options.durability == SHALE_INTERVAL)
		sync_interval(db, wal, wait_ns);
	if (log_wants_segment(db, wal)) {
		if (log_prepare(db, 0) >= 0)
			return true;
		/* Whoever needs it before this is tried again tries it, and is told. */
		if (*wait_ns > WORK_RETRY_NS)
			*wait_ns = WORK_RETRY_NS;
	}
	if (wal_is_still(wal, wait_ns))
		log_rest(db);
	rest(db, wait_ns);
	return log_seal_some(db) || page_pool_prepare(&db->pages);
}
