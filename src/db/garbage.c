/*
 * Files that nothing refers to any more. To free the blocks of a large file takes a
 * file system long, and others wait meanwhile, so files go at a bounded rate, large
 * ones cut shorter step by step. What waits is not without bound: the rate is at
 * least one that would end it in a minute, and what exceeds an eighth of all other
 * files does not wait, or a store that is written to would take twice its room. Where
 * there is no room, and when the store is closed, everything goes at once.
 *
 * A file that cannot be deleted is an orphan at the next open, as is one that was
 * cut short when the process died: the manifest names neither.
 */
#include "db/work.h"

enum {
	BURST_NS = 125000000, /* of deleting ahead of the rate */
	STEPS_PER_S = 8,
	MINUTE_S = 60,
	WAITING_SHARE = 8,        /* of the other files' bytes */
	WAITING_LEAST = 16 << 20, /* bytes that may wait in any store */
};

/* Under garbage_mu. */
static void note_pending(shale_db *db)
{
	atomic_store(&db->garbage_pending, db->garbage_count + db->garbage_busy);
}

/* Under garbage_mu. Without memory the file stays until the next open. */
static void push(shale_db *db, uint64_t number, uint64_t bytes)
{
	if (db->garbage_count == db->garbage_capacity) {
		size_t capacity = db->garbage_capacity != 0 ? 2 * db->garbage_capacity : 64;
		struct garbage *more = mem_realloc(db->env, db->garbage, capacity * sizeof(*more));

		if (more == NULL)
			return;
		db->garbage = more;
		db->garbage_capacity = capacity;
	}
	db->garbage[db->garbage_count++] = (struct garbage){ number, bytes };
	db->garbage_bytes += bytes;
	if (db->delete_least < db->garbage_bytes / MINUTE_S)
		db->delete_least = db->garbage_bytes / MINUTE_S;
	note_pending(db);
}

void garbage_add(void *arg, uint64_t number, uint64_t bytes)
{
	shale_db *db = arg;

	mutex_lock(&db->garbage_mu);
	push(db, number, bytes);
	mutex_unlock(&db->garbage_mu);
	scheduler_kick(db->scheduler);
}

/* Under garbage_mu. */
static bool too_much_waits(const shale_db *db)
{
	uint64_t all = store_used(db->store), waiting = db->garbage_bytes;
	uint64_t others = all > waiting ? all - waiting : 0;

	return waiting > WAITING_LEAST && waiting > others / WAITING_SHARE;
}

/* Bytes to delete now; 0: not yet. Under garbage_mu. */
static uint64_t step_now(shale_db *db, uint64_t bytes, uint64_t *wait_ns)
{
	uint64_t rate = db->options.delete_bytes_per_s, now, ahead, step;

	if (wait_ns == NULL || rate == UINT64_MAX ||
	    atomic_load_explicit(&db->space_short, memory_order_relaxed) || too_much_waits(db))
		return UINT64_MAX;
	if (rate < db->delete_least)
		rate = db->delete_least;
	now = env_now_ns(db->env);
	ahead = db->delete_ns > now ? db->delete_ns - now : 0;
	if (ahead > BURST_NS) {
		if (*wait_ns > ahead - BURST_NS)
			*wait_ns = ahead - BURST_NS;
		return 0;
	}
	step = rate / STEPS_PER_S;
	/* At most an eighth of a second, whatever the rate. */
	db->delete_ns = now + ahead +
			(uint64_t)((double)(bytes < step ? bytes : step) * 1e9 / (double)rate);
	return step;
}

bool garbage_some(shale_db *db, uint64_t *wait_ns)
{
	struct garbage g;
	uint64_t step, left = 0;
	bool none;

	if (atomic_load(&db->garbage_pending) == 0)
		return false;
	mutex_lock(&db->garbage_mu);
	step = db->garbage_count != 0
		       ? step_now(db, db->garbage[db->garbage_count - 1].bytes, wait_ns)
		       : 0;
	if (step == 0) {
		mutex_unlock(&db->garbage_mu);
		return false;
	}
	g = db->garbage[--db->garbage_count];
	db->garbage_bytes -= g.bytes;
	db->garbage_busy++;
	mutex_unlock(&db->garbage_mu);
	if (store_delete_some(db->store, OBJECT_TABLE, g.number, step, &left) >= 0 && left == 0)
		stats_add(&db->stats, STAT_FILES_DELETED, 1);
	mutex_lock(&db->garbage_mu);
	db->garbage_busy--;
	if (left != 0)
		push(db, g.number, left);
	note_pending(db);
	none = db->garbage_count + db->garbage_busy == 0;
	if (none)
		db->delete_least = 0;
	mutex_unlock(&db->garbage_mu);
	if (none) {
		mutex_lock(&db->mu);
		cond_broadcast(&db->changed, db->env);
		mutex_unlock(&db->mu);
	}
	return true;
}

void garbage_figures(shale_db *db, shale_stats *s)
{
	mutex_lock(&db->garbage_mu);
	s->garbage_files = db->garbage_count;
	s->garbage_bytes = db->garbage_bytes;
	mutex_unlock(&db->garbage_mu);
}
