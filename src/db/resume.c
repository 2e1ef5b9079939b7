/*
 * Writes go on again after they have stopped: for a full disk by itself, else when
 * shale_resume() is called.
 */
#include "db/work.h"

/* Room for a log that is replaced. */
static shale_status keep_log(shale_db *db)
{
	size_t n = db->old_wal_count + 1;
	struct wal **more = mem_realloc(db->env, db->old_wals, n * sizeof(struct wal *));

	if (more == NULL)
		return err_memory("a log that is replaced");
	db->old_wals = more;
	return SHALE_OK;
}

/* Give back the files and the memory of a log that is replaced. */
static void drop_log(shale_db *db, struct wal *old, size_t listed)
{
	wal_retire(old);
	for (size_t i = 0; i < listed; i++)
		(void)store_delete(db->store, OBJECT_LOG, db->logs[i].number); /* or gone already */
}

static shale_status unpublished(void)
{
	return err_new(SHALE_READ_ONLY,
		       "a commit could not be applied for want of memory; reopen the store");
}

/*
 * Writes have stopped, but some may be under way that were ordered before. A flush waits
 * only for those to families that are still there.
 */
static shale_status end_commits(shale_db *db)
{
	uint64_t ticket;

	mutex_lock(&db->commit_mu);
	ticket = db->next_ticket;
	mutex_unlock(&db->commit_mu);
	return publish_wait(db, ticket) ? SHALE_OK : unpublished();
}

/*
 * After a failed sync nobody knows what the log holds, but the memtables hold all
 * that was acknowledged: write them to tables, which makes it durable, and begin
 * a new log.
 */
static shale_status fresh_log(shale_db *db)
{
	struct wal *old = atomic_load(&db->wal), *fresh = NULL;
	shale_status rc = end_commits(db);

	if (rc >= 0)
		rc = shale_flush(db, NULL);
	if (rc < 0)
		return rc;
	mutex_lock(&db->install_mu);
	rc = keep_log(db);
	if (rc >= 0)
		rc = wal_new(db, wal_completed_lsn(old), &fresh);
	if (rc >= 0) {
		size_t listed = db->log_count;

		/* All the old segments are needless now; a manifest without them says so. */
		db->log_count = 0;
		rc = install_new_manifest(db);
		if (rc >= 0)
			drop_log(db, old, listed);
		else
			db->log_count = listed;
	}
	if (rc >= 0) {
		mutex_lock(&db->commit_mu);
		mutex_lock(&db->mu);
		/* Nobody is between a place in the old log and its publication: end_commits(). */
		atomic_store(&db->wal, fresh);
		atomic_store(&db->log_segment, 0);
		/* Some may still wait in it to be told that it failed. */
		db->old_wals[db->old_wal_count++] = old;
		fresh = NULL; /* moved */
		for (size_t i = 0; i < db->family_count; i++)
			atomic_store(&db->families[i]->active->log_first, 0);
		atomic_store(&db->write_stopped, false);
		mutex_unlock(&db->mu);
		mutex_unlock(&db->commit_mu);
	}
	wal_free(fresh);
	mutex_unlock(&db->install_mu);
	return rc;
}

/*
 * The log is sound: a drop failed, which the manifest might tell of (family.c), and a new one
 * does not. If the log fails now, the next commit finds it out and stops them again.
 */
static shale_status same_log(shale_db *db)
{
	shale_status rc = install_heal(db);

	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	atomic_store(&db->write_stopped, false);
	mutex_unlock(&db->mu);
	return SHALE_OK;
}

static shale_status let_go_on(shale_db *db)
{
	if (!atomic_load(&db->write_stopped))
		return shale_flush(db, NULL);
	return wal_has_failed(atomic_load(&db->wal)) ? fresh_log(db) : same_log(db);
}

static shale_status resume(shale_db *db)
{
	shale_status rc;

	if (atomic_load(&db->publish_broken))
		return unpublished();
	/* Let background work try at once. */
	mutex_lock(&db->mu);
	work_succeeded(db);
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
	/* One at a time: a second one must not replace a log that is written again. */
	mutex_lock(&db->log_mu);
	rc = let_go_on(db);
	mutex_unlock(&db->log_mu);
	return rc;
}

shale_status shale_resume(shale_db *db)
{
	shale_status rc = db_writable(db);

	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++)
		db->families[i]->failed = (struct failure){ .status = SHALE_OK };
	mutex_unlock(&db->mu);
	return resume(db);
}

bool resume_some(shale_db *db, uint64_t *wait_ns)
{
	bool want;

	mutex_lock(&db->mu);
	want = atomic_load(&db->write_stopped) && db->stop_error.status == SHALE_NO_SPACE;
	mutex_unlock(&db->mu);
	if (!want)
		return false;
	if (resume(db) >= 0)
		return true;
	if (*wait_ns > WORK_RETRY_NS)
		*wait_ns = WORK_RETRY_NS;
	return false;
}
