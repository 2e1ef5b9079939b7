/*
 * The database's side of the log: segments are made known to the manifest and made ready
 * before they are used, noted there when they are closed, and removed from it when no
 * memtable needs them.
 */
#include "db/db.h"

enum { RECYCLE_LEAST = 4, AHEAD_MOST = 16 };

shale_status wal_new(shale_db *db, uint64_t first_lsn, struct wal **out)
{
	bool staged = db->options.durability == SHALE_DURABLE;
	uint64_t held;
	struct wal_config config = {
		.store = db->store,
		.stats = &db->stats,
		.budget = &db->budget,
		.sink = staged ? WAL_STAGED : WAL_MAPPED,
		.store_id = db->store_id,
		.first_lsn = first_lsn,
		.segment_bytes = memory_log_segment(db) & ~(uint64_t)(LOG_PAGE - 1),
	};

	config.ahead = (unsigned)(db->options.memtable_bytes / config.segment_bytes);
	if (config.ahead > AHEAD_MOST)
		config.ahead = AHEAD_MOST;
	/*
	 * A flush gives back the segments of one memtable, which the next one will need. Where keys
	 * are overwritten these are many; a log that waits for the device is slow enough to have
	 * them made, and would keep them at rest.
	 */
	held = staged ? db->options.memtable_bytes : db->options.log_bytes_max;
	config.recycle_max = (unsigned)(held / config.segment_bytes) + 1;
	if (config.recycle_max < RECYCLE_LEAST)
		config.recycle_max = RECYCLE_LEAST;
	return wal_open(&config, out);
}

shale_status logs_reserve(shale_db *db)
{
	size_t capacity = db->log_capacity != 0 ? 2 * db->log_capacity : 16;
	struct live_log *more;

	if (db->log_count < db->log_capacity)
		return SHALE_OK;
	more = mem_realloc(db->env, db->logs, capacity * sizeof(*more));
	if (more == NULL)
		return err_memory("the list of log segments");
	db->logs = more;
	db->log_capacity = capacity;
	return SHALE_OK;
}

/* An edit of one field. install_mu is held. */
static shale_status install_field(shale_db *db, const struct edit_field *f)
{
	struct buf payload;
	shale_status rc;

	buf_init(&payload, db->env);
	edit_field_encode(&payload, f);
	rc = install_edit(db, &payload);
	buf_fini(&payload);
	return rc;
}

size_t logs_find(const shale_db *db, uint64_t number)
{
	size_t i = 0;

	while (i < db->log_count && db->logs[i].number != number)
		i++;
	return i;
}

static shale_status note_log(shale_db *db, uint64_t number)
{
	struct edit_field add = { .tag = EDIT_LOG_ADD, .number = number };
	shale_status rc;

	mutex_lock(&db->install_mu);
	rc = logs_reserve(db);
	if (rc >= 0)
		rc = install_field(db, &add);
	if (rc >= 0)
		db->logs[db->log_count++] = (struct live_log){ .number = number };
	mutex_unlock(&db->install_mu);
	return rc;
}

bool log_wants_segment(const shale_db *db, struct wal *wal)
{
	return wal_wants_segment(wal, atomic_load_explicit(&db->space_ample, memory_order_relaxed));
}

/* Make one and make it known. log_mu is held. */
static shale_status new_segment(shale_db *db, struct wal *wal, uint64_t payload)
{
	/* A segment that cannot be noted would stay on the disk, one for every try. */
	shale_status rc = install_heal(db);
	uint64_t number = db_new_number(db);

	if (rc >= 0)
		rc = wal_prepare(wal, number, atomic_load(&db->last_edit), payload);
	if (rc >= 0) {
		rc = note_log(db, number);
		wal_admit(wal, rc >= 0);
	}
	return rc;
}

shale_status log_prepare(shale_db *db, uint64_t payload)
{
	struct wal *wal = atomic_load(&db->wal);
	/* Without log_mu: who holds it may be waiting for the device. */
	shale_status rc = wal_load(wal, payload);

	if (rc != SHALE_END)
		return rc;
	mutex_lock(&db->log_mu);
	wal = atomic_load(&db->wal);
	rc = wal_load(wal, payload);
	if (rc == SHALE_END && (payload != 0 || log_wants_segment(db, wal)))
		rc = new_segment(db, wal, payload);
	mutex_unlock(&db->log_mu);
	return rc;
}

/*
 * Let the manifest forget a segment that was never used. A flush may have had it forgotten
 * since it was withdrawn, and an edit that removes it once more would damage the manifest.
 */
static shale_status forget_log(shale_db *db, uint64_t number)
{
	struct edit_field remove = { .tag = EDIT_LOG_REMOVE, .number = number };
	shale_status rc = SHALE_OK;
	size_t i;

	mutex_lock(&db->install_mu);
	i = logs_find(db, number);
	if (i < db->log_count)
		rc = install_field(db, &remove);
	if (rc >= 0 && i < db->log_count) {
		db->log_count--;
		memmove(db->logs + i, db->logs + i + 1, (db->log_count - i) * sizeof(db->logs[0]));
	}
	mutex_unlock(&db->install_mu);
	return rc;
}

/*
 * What lies there for later goes; `stale`: of segments that the manifest names, those that were
 * made of spares. Returns whether one of these went.
 */
static bool give_back(shale_db *db, bool stale)
{
	struct wal *wal = atomic_load(&db->wal);
	bool some = false;
	uint64_t number;

	if (wal == NULL)
		return false;
	wal_drop_spares(wal);
	/* Who holds it may wait for a flush, whose thread this may be. The next look is soon. */
	if (!mutex_trylock(&db->log_mu))
		return false;
	wal = atomic_load(&db->wal);
	while (install_heal(db) >= 0 && (number = wal_withdraw(wal, stale)) != 0 &&
	       forget_log(db, number) >= 0) {
		wal_forget(wal, number);
		some = true;
	}
	mutex_unlock(&db->log_mu);
	return some;
}

void log_give_room(shale_db *db)
{
	(void)give_back(db, false);
}

void log_rest(shale_db *db)
{
	if (give_back(db, true))
		scheduler_kick(db->keeper); /* which makes others */
}

static shale_status note_seal(shale_db *db, const struct wal_sealed *s)
{
	struct edit_field seal = {
		.tag = EDIT_LOG_SEAL, .number = s->number, .length = s->length, .seq = s->last_seq
	};
	shale_status rc = SHALE_OK;
	size_t i;

	mutex_lock(&db->install_mu);
	i = logs_find(db, s->number);
	if (i < db->log_count && !db->logs[i].sealed)
		rc = install_field(db, &seal);
	if (i < db->log_count && rc >= 0)
		db->logs[i] = (struct live_log){ .number = s->number,
						 .length = s->length,
						 .last_seq = s->last_seq,
						 .sealed = true };
	mutex_unlock(&db->install_mu);
	return rc;
}

/* Take one closed segment to the manifest; *some tells whether there was one. */
static shale_status seal_one(shale_db *db, bool *some)
{
	struct wal_sealed sealed;
	shale_status rc = SHALE_OK;

	mutex_lock(&db->log_mu);
	*some = wal_take_sealed(atomic_load(&db->wal), &sealed, &rc);
	if (*some && rc >= 0)
		rc = note_seal(db, &sealed);
	mutex_unlock(&db->log_mu);
	return rc;
}

bool log_seal_some(shale_db *db)
{
	struct wal *wal = atomic_load(&db->wal);
	shale_status rc;
	bool some;

	/* Where commits need not survive power loss, a sync of every segment would
	   only cost; the link records tell the lengths. */
	if (db->options.durability < SHALE_INTERVAL)
		return false;
	rc = seal_one(db, &some);
	/* Without a segment it was the sync that failed. A seal that could not be noted is
	   missed only where the log is damaged. */
	if (rc < 0 && !some)
		db_log_failed(db, wal);
	return some && rc >= 0;
}

shale_status log_seal_all(shale_db *db)
{
	shale_status rc;
	bool some;

	do {
		rc = seal_one(db, &some);
	} while (some && rc >= 0);
	return rc;
}

shale_status log_encode_removals(shale_db *db, const struct mem *done, struct buf *payload,
				 uint64_t *below)
{
	/* Acquire: who wrote to older segments has set its memtable's log_first. */
	uint64_t least = atomic_load_explicit(&db->log_segment, memory_order_acquire);

	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		uint64_t first = atomic_load_explicit(&cf->active->log_first, memory_order_relaxed);

		if (first != 0 && first < least)
			least = first;
		for (struct mem *m = cf->oldest; m != NULL; m = m->newer) {
			first = atomic_load_explicit(&m->log_first, memory_order_relaxed);
			if (m != done && first != 0 && first < least)
				least = first;
		}
	}
	mutex_unlock(&db->mu);
	*below = least;
	for (size_t i = 0; i < db->log_count && db->logs[i].number < least; i++) {
		struct edit_field remove = { .tag = EDIT_LOG_REMOVE, .number = db->logs[i].number };

		edit_field_encode(payload, &remove);
	}
	return payload->failed ? err_memory("a manifest edit") : SHALE_OK;
}

void log_apply_removals(shale_db *db, uint64_t below)
{
	size_t n = 0;

	while (n < db->log_count && db->logs[n].number < below)
		n++;
	if (n == 0)
		return;
	memmove(db->logs, db->logs + n, (db->log_count - n) * sizeof(db->logs[0]));
	db->log_count -= n;
	wal_release(atomic_load(&db->wal), below);
	scheduler_kick(db->keeper); /* what is not needed again soon goes */
}
