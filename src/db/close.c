/*
 * The end of a handle. What would take long to replay goes into tables, the rest of the log is
 * made durable and its lengths are noted, and the last manifest says that all was well.
 */
#include "db/work.h"

enum { CLOSE_LEAVES = 256 << 10 }; /* bytes in the log: some milliseconds of replay */

/* Threads of one kick the other to their last moment, so neither goes before both have ended. */
void db_end_threads(shale_db *db)
{
	scheduler_stop(db->keeper);
	scheduler_stop(db->scheduler);
	scheduler_free(db->keeper);
	scheduler_free(db->scheduler);
	db->scheduler = db->keeper = NULL;
}

void db_release(shale_db *db)
{
	const shale_env *env = db->env;

	wal_free(atomic_load(&db->wal));
	for (size_t i = 0; i < db->old_wal_count; i++)
		wal_free(db->old_wals[i]);
	mem_free(env, db->old_wals);
	manifest_close(db->manifest);
	for (size_t i = 0; i < db->family_count; i++)
		family_unref(db->families[i]);
	epoch_fini(&db->readers);
	history_fini(&db->history);
	while (db->store != NULL && !db->options.read_only && garbage_some(db, NULL))
		;
	cache_free(db->cache);
	store_close(db->store);
	mem_free(env, db->families);
	mem_free(env, db->logs);
	mem_free(env, db->doubted);
	mem_free(env, db->garbage);
	mem_free(env, db->ring);
	codec_pool_fini(&db->codecs);
	page_pool_fini(&db->pages);
	mem_free(db->pages.under, db);
}

static uint64_t unflushed_bytes(const shale_db *db)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < db->family_count; i++) {
		const shale_cf *cf = db->families[i];

		sum += cf->active->used ? memtable_bytes(cf->active->table) : 0;
		for (const struct mem *m = cf->oldest; m != NULL; m = m->newer)
			sum += m->bytes;
	}
	return sum;
}

static shale_status flush_all(shale_db *db)
{
	for (size_t i = 0; i < db->family_count; i++) {
		shale_status rc;

		do {
			mutex_lock(&db->commit_mu);
			rc = seal_family(db, db->families[i], SHALE_FLUSH_CLOSE);
			mutex_unlock(&db->commit_mu);
			/* With too many sealed, one of them has to go first. */
		} while (rc == SHALE_MORE && flush_some(db));
		if (rc == SHALE_MORE)
			return failure_tell(&db->failed);
		if (rc < 0)
			return rc;
	}
	while (flush_some(db))
		;
	return unflushed_bytes(db) == 0 ? SHALE_OK : failure_tell(&db->failed);
}

/*
 * Without a log, a clean end still keeps the data. With one, what would take long to
 * replay goes into tables now, as it would at the next open. Where that fails, for want of
 * room say, it stays in the log.
 */
static shale_status end_memtables(shale_db *db)
{
	if (db->options.durability == SHALE_EPHEMERAL)
		return flush_all(db);
	/* Without room a table is made when there is some, or at the next open. */
	if (wal_live_bytes(atomic_load(&db->wal)) > CLOSE_LEAVES && !atomic_load(&db->space_low))
		(void)flush_all(db);
	return SHALE_OK;
}

/*
 * Have all of the log durable and its lengths known, to be noted in the last manifest. Behind
 * the first `used` segments are those that were made ahead.
 */
static shale_status seal_log(shale_db *db, size_t *used)
{
	struct wal_sealed last;
	/* From now on damage anywhere in the log is told from a torn tail. */
	shale_status rc = log_seal_all(db);
	size_t at;

	if (rc >= 0)
		rc = wal_close(atomic_load(&db->wal), &last);
	if (rc < 0)
		return rc;
	mutex_lock(&db->install_mu);
	at = logs_find(db, last.number);
	*used = db->log_count;
	if (at < db->log_count) {
		*used = at + 1;
		if (!db->logs[at].sealed)
			db->logs[at] = (struct live_log){ .number = last.number,
							  .length = last.length,
							  .last_seq = last.last_seq,
							  .sealed = true };
	}
	mutex_unlock(&db->install_mu);
	return SHALE_OK;
}

/*
 * Write the manifest anew, which says that this was a clean end. What the next open need not
 * read is named there no more, and goes: all of a log of which all is in tables, and the
 * segments that were made ahead.
 */
static shale_status end_log(shale_db *db)
{
	bool needless = unflushed_bytes(db) == 0;
	size_t needed = 0, named;
	shale_status rc = needless ? SHALE_OK : seal_log(db, &needed);

	if (rc < 0)
		return rc;
	mutex_lock(&db->install_mu);
	named = db->log_count;
	db->log_count = needed;
	rc = install_last_manifest(db);
	for (size_t i = needed; i < named && rc >= 0; i++)
		(void)store_delete(db->store, OBJECT_LOG, db->logs[i].number); /* else an orphan */
	mutex_unlock(&db->install_mu);
	return rc;
}

/*
 * Where writes have stopped though the log is sound, a drop failed, and the manifest may tell of
 * it (family.c): with a new one the store ends as any other.
 */
static bool can_end(shale_db *db)
{
	if (!atomic_load(&db->write_stopped))
		return true;
	return !atomic_load(&db->publish_broken) && !wal_has_failed(atomic_load(&db->wal)) &&
	       install_heal(db) >= 0;
}

shale_status shale_close(shale_db *db)
{
	shale_error error;
	shale_status rc = SHALE_OK;

	if (db == NULL)
		return SHALE_OK;
	rc = db_enter(db);
	if (rc < 0)
		return rc; /* the parent's; a child must leave it alone */
	rc = holders_check_none(db);
	if (rc < 0)
		return rc;
	db_end_threads(db);
	if (!db->options.read_only) {
		if (can_end(db)) {
			rc = end_memtables(db);
			if (rc >= 0)
				rc = end_log(db);
		} else {
			*err_last() = db->stop_error;
			rc = db->stop_error.status;
		}
	}
	error = *err_last();
	db_release(db);
	if (rc < 0)
		*err_last() = error;
	return rc;
}
