/*
 * Sealing: a memtable that is full, keeps old log alive, is too much with the others, or
 * deletes what scans pass or tables could be rid of, is set aside for the flush and a fresh
 * one takes its place. Only under commit_mu.
 */
#include "db/db.h"

enum { REST_TIMES = 2 }; /* the log of a store at rest may be what memtables hold */

shale_status seal_family(shale_db *db, shale_cf *cf, shale_reason why)
{
	struct mem *old = cf->active, *fresh;
	uint64_t ticket = db->next_ticket, active;
	struct view *v;

	mutex_assert_held(&db->commit_mu);
	/* Nobody would ever flush it. */
	if (unlikely(atomic_load_explicit(&cf->dropped, memory_order_relaxed)))
		return err_new(SHALE_INVALID, "column family '%s' was dropped", cf->name);
	if (!old->used)
		return SHALE_OK;
	fresh = mem_new(cf);
	v = fresh != NULL ? view_alloc(db) : NULL;
	if (v == NULL) {
		mem_discard(fresh);
		return SHALE_NO_MEMORY;
	}
	mutex_lock(&db->mu);
	if (cf->sealed_count == SEALED_MAX ||
	    (why == SHALE_FLUSH_FULL && stall_full(db, cf) != 0)) {
		mutex_unlock(&db->mu);
		mem_discard(fresh);
		view_discard(v);
		return SHALE_MORE;
	}
	old->why = why;
	old->seal_ticket = ticket;
	old->last_seq = db->next_seq - 1;
	old->bytes = memtable_bytes(old->table);
	if (cf->newest != NULL)
		cf->newest->newer = old;
	else
		cf->oldest = old;
	cf->newest = old;
	cf->sealed_count++;
	db->sealed_bytes += old->bytes;
	active = atomic_load_explicit(&db->active_bytes, memory_order_relaxed);
	atomic_store_explicit(&db->active_bytes, active > old->bytes ? active - old->bytes : 0,
			      memory_order_relaxed);
	cf->active = fresh;
	view_publish(cf, v);
	stall_update(db, cf);
	mutex_unlock(&db->mu);
	atomic_store(&db->flush_ticket, ticket);
	flush_kick(db);
	return SHALE_OK;
}

shale_status seal_for_log(shale_db *db, uint64_t end)
{
	uint64_t newest = atomic_load_explicit(&db->log_segment, memory_order_relaxed);

	mutex_assert_held(&db->commit_mu);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		uint64_t first = atomic_load_explicit(&cf->active->log_first, memory_order_relaxed);
		shale_status rc;

		/* Of what it keeps alive no segment is freed while it is the newest. */
		if (first == 0 || first == newest ||
		    end - cf->active->log_begin <= db->options.log_bytes_max)
			continue;
		rc = seal_family(db, cf, SHALE_FLUSH_LOG);
		if (rc != SHALE_OK)
			return rc;
	}
	return SHALE_OK;
}

/* Note what the active memtables hold; *largest is the family of the largest in use, or NULL. */
static uint64_t look_at_active(shale_db *db, shale_cf **largest)
{
	uint64_t sum = 0;
	size_t most = 0;

	*largest = NULL;
	for (size_t i = 0; i < db->family_count; i++) {
		size_t bytes = memtable_bytes(db->families[i]->active->table);

		sum += bytes;
		if (bytes > most && db->families[i]->active->used) {
			most = bytes;
			*largest = db->families[i];
		}
	}
	atomic_store_explicit(&db->active_bytes, sum, memory_order_relaxed);
	return sum;
}

bool seal_may_be_due_at_rest(const shale_db *db)
{
	const struct wal *wal = atomic_load_explicit(&db->wal, memory_order_relaxed);

	return wal != NULL && wal_live_bytes(wal) > db->options.memtable_bytes;
}

/* All is as well without, so a failure is not told. */
void seal_at_rest(shale_db *db)
{
	shale_error before = *err_last();
	uint64_t end, held;
	shale_cf *largest;

	/* Then a table is made when there is room, or at the next open. */
	if (atomic_load(&db->space_low))
		return;
	mutex_lock(&db->commit_mu);
	end = wal_completed_lsn(atomic_load_explicit(&db->wal, memory_order_relaxed));
	held = look_at_active(db, &largest);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		const struct mem *m = cf->active;
		uint64_t kept = 0;

		if (atomic_load_explicit(&m->log_first, memory_order_relaxed) != 0 &&
		    end > m->log_begin)
			kept = end - m->log_begin;
		if (kept > db->options.memtable_bytes && kept / REST_TIMES > held &&
		    !atomic_load_explicit(&cf->dropped, memory_order_relaxed))
			(void)seal_family(db, cf, SHALE_FLUSH_LOG);
	}
	mutex_unlock(&db->commit_mu);
	*err_last() = before;
}

/*
 * A scan has passed many dead entries, and the next one would again. In tables they are
 * merged away, once they are there. All is as well without, so a failure is not told.
 */
void seal_for_scans(shale_db *db, shale_cf *cf)
{
	shale_error before = *err_last();

	if (db_writable(db) >= 0) {
		uint64_t dead;

		mutex_lock(&db->commit_mu);
		dead = memtable_tombstones(cf->active->table);
		if (dead >= PASSED_MANY && 2 * dead >= memtable_count(cf->active->table))
			(void)seal_family(db, cf, SHALE_FLUSH_DELETES);
		mutex_unlock(&db->commit_mu);
	}
	*err_last() = before;
}

/* Whether a merge would wait for the tombstones of the active memtable. */
static bool are_awaited(shale_db *db, shale_cf *cf, uint64_t tombstones)
{
	struct pick_input *inputs = NULL;
	bool awaited = false;
	shale_slice lo, hi;

	if (!memtable_bounds(cf->active->table, &lo, &hi))
		return false;
	mutex_lock(&db->mu);
	if (cf->sealed_count == 0 && cf->version->run_count != 0)
		inputs = mem_array(db->env, cf->version->run_count, sizeof(*inputs));
	if (inputs != NULL)
		awaited = reclaim_is_awaited(&cf->policy, cf->version, lo, hi, tombstones, inputs);
	mutex_unlock(&db->mu);
	mem_free(db->env, inputs);
	return awaited;
}

/*
 * What is deleted in stretches leaves the disk long before its tombstones fill a memtable, and
 * scans find it gone. While one such flush or its merge is under way, the next one waits; while
 * there is a snapshot, which may see what was deleted, all do.
 */
void seal_for_deletes(shale_db *db, shale_cf *cf)
{
	struct mem *m = cf->active;
	uint64_t dead = memtable_tombstones(m->table);

	mutex_assert_held(&db->commit_mu);
	if (likely(dead < m->deletes_next))
		return;
	m->deletes_next = dead + dead / 8;
	/* When that fails all is as well without. */
	if (2 * dead >= memtable_count(m->table) && snapshots_oldest(db) == UINT64_MAX &&
	    are_awaited(db, cf, dead))
		(void)seal_family(db, cf, SHALE_FLUSH_DELETES);
}

void seal_for_memory(shale_db *db)
{
	shale_cf *largest;

	mutex_assert_held(&db->commit_mu);
	do {
		uint64_t sum = look_at_active(db, &largest);

		if (memory_is_short(db))
			scheduler_kick(db->scheduler);
		/* A single one is sealed when it is full. */
		if (db->family_count < 2 || sum <= db->memtables_max / 2)
			break;
		/* When that fails it is tried again soon. */
	} while (largest != NULL && seal_family(db, largest, SHALE_FLUSH_MEMORY) == SHALE_OK);
}
