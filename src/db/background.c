/*
 * The order of background work: a flush before anything, since memory waits for
 * it; then the log; then what costs little; merges last.
 */
#include "db/work.h"

enum { TIDY_NS = 5000000 };

bool background_step(void *arg, unsigned worker, uint64_t *wait_ns)
{
	shale_db *db = arg;
	bool held_up = work_must_wait(db, wait_ns), did;

	(void)worker;
	if (!held_up && flush_some(db))
		return true;
	if (db->options.durability != SHALE_EPHEMERAL &&
	    !atomic_load_explicit(&db->write_stopped, memory_order_relaxed) &&
	    atomic_load(&db->log_segment) != 0) {
		if (wal_wants_segment(atomic_load(&db->wal)) && !held_up) {
			shale_status rc = log_prepare(db, 0);

			if (rc < 0)
				db_soft_failure(db, rc);
			return true;
		}
		if (!held_up && log_seal_some(db))
			return true;
	}
	did = garbage_some(db);
	if (epoch_pending(&db->readers) && epoch_reclaim(&db->readers) != 0 && *wait_ns > TIDY_NS)
		*wait_ns = TIDY_NS;
	if (did)
		return true;
	return !held_up && merge_some(db);
}

bool background_sync_step(void *arg, unsigned worker, uint64_t *wait_ns)
{
	shale_db *db = arg;
	struct wal *wal = atomic_load(&db->wal);

	(void)worker;
	*wait_ns = (uint64_t)db->options.sync_interval_ms * 1000000;
	if (atomic_load_explicit(&db->write_stopped, memory_order_relaxed) ||
	    wal_durable_lsn(wal) >= wal_completed_lsn(wal))
		return false;
	if (wal_sync(wal, wal_completed_lsn(wal)) < 0)
		db_stop_writes(db);
	return false;
}
