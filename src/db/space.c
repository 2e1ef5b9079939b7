/*
 * Room: what the store may still write, on the disk and below space_max.
 *
 * Three things are left free for whoever is ahead of a write: what memtables hold will
 * become tables, a merge under way may write as much as it reads, and the manifest may have
 * to be written anew, without which nothing is installed any more. They are promised room.
 * Beneath that lies the reserve, out of which flushes and merges that free space end, and
 * deletes are taken. A write needs room beyond all of these, and for a segment of the log.
 *
 * What the store's files take is counted by the store as they grow and go; what is
 * free on the disk is asked for about once a second while there are writes, and more
 * often when there is none. The ordered step looks at one flag, which is set from
 * both now and then; only those who find it set come here to learn more. So a write
 * may pass that would not have fitted by some hundredths of a memtable, which the
 * reserve has room for.
 *
 * Who finds no room waits a little while something is under way that may make some:
 * a flush, a merge, files that are deleted.
 */
#include "db/work.h"

#include <errno.h>

enum {
	POLL_NS = 1000000000,
	POLL_SHORT_NS = 200000000,
	LOW_PART = 4,     /* of space_max */
	LOW_RESERVES = 4, /* of the disk */
	DISK_PART = 64,   /* of the disk: most that is reserved unasked */
	TABLE_PART = 64,  /* of space_max */
	TABLE_MOST = 32 << 20,
	TABLE_LEAST = 16 << 10,
	RESERVE_TABLES = 8,
	AMPLE_MEMTABLES = 8,
};

#define PATIENCE_NS UINT64_C(2000000000)

/* What there is, as last seen. */
struct room {
	uint64_t used, free, promised;
	uint64_t reserve_disk, reserve_max; /* of the disk; of space_max */
};

static void clock_min(uint64_t *wait_ns, uint64_t at_most)
{
	if (*wait_ns > at_most)
		*wait_ns = at_most;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * The half of a reserve that deletes may not use is enough to merge a few tables: two
 * are what the smallest merge takes (compact/policy_fit.c). So the reserve follows the
 * size of tables, or they follow what the reserve may be.
 */
uint64_t space_table_bytes(const shale_db *db)
{
	uint64_t total = atomic_load_explicit(&db->disk_total, memory_order_relaxed);
	uint64_t asked = db->options.space_reserve, max = db->options.space_max;
	uint64_t bytes = UINT64_MAX;

	if (asked != 0)
		bytes = asked / RESERVE_TABLES;
	else if (total != 0) /* else it is not known */
		bytes = total / DISK_PART / RESERVE_TABLES;
	if (max != 0)
		bytes = least(bytes, least(max / TABLE_PART, TABLE_MOST));
	return most(bytes, TABLE_LEAST);
}

static uint64_t reserve_of_disk(const shale_db *db)
{
	uint64_t total = atomic_load_explicit(&db->disk_total, memory_order_relaxed);
	uint64_t table = atomic_load_explicit(&db->table_most, memory_order_relaxed);

	if (db->options.space_reserve != 0)
		return db->options.space_reserve;
	return least(most(2 * db->options.memtable_bytes, RESERVE_TABLES * table),
		     total / DISK_PART);
}

static uint64_t reserve_of_max(const shale_db *db)
{
	uint64_t asked = db->options.space_reserve;

	return most(asked != 0 ? asked : 2 * db->options.memtable_bytes,
		    RESERVE_TABLES * least(db->options.space_max / TABLE_PART, TABLE_MOST));
}

/* Under commit_mu or mu. */
static struct room room_of(const shale_db *db)
{
	uint64_t holds = atomic_load_explicit(&db->disk_holds, memory_order_relaxed);
	uint64_t used = store_used(db->store);
	struct room r = {
		.used = used,
		.free = holds != UINT64_MAX ? minus(holds, used) : UINT64_MAX,
		.promised = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed) +
			    atomic_load_explicit(&db->merging_bytes, memory_order_relaxed) +
			    atomic_load_explicit(&db->manifest_bytes, memory_order_relaxed),
		.reserve_disk = reserve_of_disk(db),
		.reserve_max = reserve_of_max(db),
	};

	for (size_t i = 0; i < db->family_count; i++)
		r.promised += memtable_bytes(db->families[i]->active->table);
	return r;
}

static bool is_over_max(const shale_db *db, const struct room *r, uint64_t reserve)
{
	uint64_t max = db->options.space_max;

	return max != 0 && minus(max, r->used) < r->promised + reserve;
}

static bool is_off_disk(const struct room *r, uint64_t reserve)
{
	return r->free < r->promised + reserve;
}

/* Of a reserve, what a write may not take; it may need a segment of the log, as a whole. */
static uint64_t kept_of(const shale_db *db, uint64_t reserve, bool frees)
{
	return reserve / (frees ? 2 : 1) + memory_log_segment(db);
}

static bool is_short(const shale_db *db, const struct room *r, bool frees)
{
	return is_over_max(db, r, kept_of(db, r->reserve_max, frees)) ||
	       is_off_disk(r, kept_of(db, r->reserve_disk, frees));
}

/* Merges need room to make some: they begin while there is. */
static bool is_low(const shale_db *db, const struct room *r)
{
	return is_over_max(db, r, db->options.space_max / LOW_PART) ||
	       is_off_disk(r, LOW_RESERVES * r->reserve_disk);
}

/* Far from short, before what lies there for later is there and after. */
static bool is_ample(const shale_db *db, const struct room *r)
{
	uint64_t later = AMPLE_MEMTABLES * db->options.memtable_bytes;

	return !is_over_max(db, r, kept_of(db, r->reserve_max, false) + later) &&
	       !is_off_disk(r, kept_of(db, r->reserve_disk, false) + later);
}

void space_look(shale_db *db)
{
	struct room r = room_of(db);
	bool now = is_short(db, &r, false);

	atomic_store_explicit(&db->space_ample, is_ample(db, &r), memory_order_relaxed);
	atomic_store_explicit(&db->space_low, now || is_low(db, &r), memory_order_relaxed);
	/* Relaxed: nothing but itself is told by it. */
	if (now != atomic_load_explicit(&db->space_short, memory_order_relaxed))
		atomic_store_explicit(&db->space_short, now, memory_order_relaxed);
}

void space_written(shale_db *db)
{
	uint64_t at = atomic_load_explicit(&db->disk_asked_ns, memory_order_relaxed);

	mutex_assert_held(&db->commit_mu);
	space_look(db);
	if (env_now_ns(db->env) - at >= POLL_NS)
		scheduler_kick(db->scheduler);
}

/* On the disk and below space_max. */
static uint64_t left_of(const shale_db *db, const struct room *r)
{
	uint64_t max = db->options.space_max;

	return max != 0 ? least(r->free, minus(max, r->used)) : r->free;
}

uint64_t space_room(const shale_db *db)
{
	struct room r = room_of(db);

	return minus(left_of(db, &r), r.promised);
}

static shale_status no_room(shale_db *db, const struct room *r, uint64_t reserve_disk,
			    uint64_t reserve_max, const char *who)
{
	const char *path = store_path(db->store);
	bool over = is_over_max(db, r, reserve_max);

	if (over)
		err_at(SHALE_NO_SPACE, path, UINT64_MAX,
		       "%s: space_max allows %" PRIu64 " bytes in %s; its files take %" PRIu64
		       ", unflushed data, merges and the manifest may take %" PRIu64
		       " more, and %" PRIu64
		       " are kept in reserve; deletes make room, or a larger space_max",
		       who, db->options.space_max, path, r->used, r->promised, reserve_max);
	else
		err_at(SHALE_NO_SPACE, path, UINT64_MAX,
		       "%s: the disk of %s has %" PRIu64
		       " bytes left; unflushed data, merges and the manifest may take %" PRIu64
		       ", and %" PRIu64
		       " are kept in reserve; deletes make room, or whatever else frees the disk",
		       who, path, r->free, r->promised, reserve_disk);
	err_last()->sys_errno = over ? EDQUOT : ENOSPC;
	return SHALE_NO_SPACE;
}

shale_status space_blocked(shale_db *db)
{
	struct room r = room_of(db);

	mutex_assert_held(&db->mu);
	return no_room(db, &r, r.reserve_disk, r.reserve_max,
		       "a merge is due for whose result there is no room");
}

/* Whether nothing is under way that frees some, and nothing to begin was found. Under mu. */
static bool nothing_helps(const shale_db *db, uint32_t tried)
{
	if (db->failed.status < 0)
		return true;
	return db->merging == 0 && db->flushing == 0 && atomic_load(&db->garbage_pending) == 0 &&
	       !atomic_load(&db->space_unsealed) &&
	       (db->space_tried != tried || merges_are_paused(db));
}

shale_status space_wait(shale_db *db, const struct commit *c)
{
	uint64_t start = env_now_ns(db->env), now, kicked = 0;
	shale_status rc = SHALE_OK;
	uint32_t tried;

	/* Nobody is refused by what was true a while ago. */
	space_ask(db);
	mutex_lock(&db->mu);
	tried = db->space_tried;
	for (;;) {
		struct room r = room_of(db);

		space_look(db);
		if (!is_short(db, &r, c->frees))
			break;
		/* Not at every wake, since a look that finds nothing wakes those who wait. */
		now = env_now_ns(db->env);
		if (now - kicked >= POLL_SHORT_NS) {
			scheduler_kick(db->scheduler);
			kicked = now;
		}
		if (nothing_helps(db, tried) || now - start > PATIENCE_NS || now >= c->give_up_ns) {
			rc = no_room(db, &r, kept_of(db, r.reserve_disk, c->frees),
				     kept_of(db, r.reserve_max, c->frees),
				     "there is no room for a write");
			atomic_fetch_add_explicit(&db->space_refused, 1, memory_order_relaxed);
			break;
		}
		cond_wait_ns(&db->changed, &db->mu, least(POLL_SHORT_NS, c->give_up_ns - now));
	}
	mutex_unlock(&db->mu);
	return rc;
}

/* ---- background ---- */

void space_ask(shale_db *db)
{
	uint64_t available, total, before = store_used(db->store);

	atomic_store_explicit(&db->disk_asked_ns, env_now_ns(db->env), memory_order_relaxed);
	if (store_space(db->store, &available, &total) < 0) {
		available = UINT64_MAX; /* then a full disk shows when it refuses */
		total = 0;
	}
	/* What was deleted meanwhile counts once, but for a file that goes in this moment. */
	if (available != UINT64_MAX)
		available += least(before, store_used(db->store));
	atomic_store_explicit(&db->disk_total, total, memory_order_relaxed);
	atomic_store_explicit(&db->disk_holds, available, memory_order_relaxed);
}

/*
 * What is in memtables is on the disk twice, in the log and as room promised. Once
 * it is flushed its log goes; and logs kept for reuse are room, too. So is what the
 * manifest tells of tables that are gone: as much is promised to the next one.
 */
static void give_room(shale_db *db)
{
	uint64_t left, now;
	bool used = false;
	struct room r;

	mutex_lock(&db->commit_mu);
	/* Also a small one: deletes are. But not a table for every few of them. */
	now = env_now_ns(db->env);
	if (now - db->space_sealed_ns >= POLL_SHORT_NS) {
		db->space_sealed_ns = now;
		for (size_t i = 0; i < db->family_count; i++)
			/* When that fails it is tried again soon. */
			(void)seal_family(db, db->families[i], SHALE_FLUSH_SPACE);
	} else {
		for (size_t i = 0; i < db->family_count; i++)
			used |= db->families[i]->active->used;
	}
	atomic_store(&db->space_unsealed, used);
	mutex_unlock(&db->commit_mu);
	log_give_room(db);
	mutex_lock(&db->mu);
	r = room_of(db);
	left = left_of(db, &r);
	mutex_unlock(&db->mu);
	install_shrink_manifest(db, left);
}

void space_poll(shale_db *db, uint64_t *wait_ns)
{
	bool was = atomic_load_explicit(&db->space_short, memory_order_relaxed), blocked;
	uint64_t interval = was ? POLL_SHORT_NS : POLL_NS, now = env_now_ns(db->env);

	if (now - atomic_load_explicit(&db->disk_asked_ns, memory_order_relaxed) >= interval)
		space_ask(db);
	mutex_lock(&db->mu);
	space_look(db);
	blocked = db->merge_blocked;
	if (was && !atomic_load_explicit(&db->space_short, memory_order_relaxed))
		cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	was = atomic_load_explicit(&db->space_short, memory_order_relaxed);
	if (was)
		give_room(db);
	if (was || blocked)
		clock_min(wait_ns, POLL_SHORT_NS);
}

/* ---- figures ---- */

void space_figures(shale_db *db, shale_stats *s)
{
	struct room r;

	mutex_lock(&db->mu);
	r = room_of(db);
	mutex_unlock(&db->mu);
	s->space_used = r.used;
	s->space_max = db->options.space_max;
	s->space_reserve = r.reserve_disk;
	s->space_free = r.free != UINT64_MAX ? r.free : 0;
	s->space_refused = atomic_load(&db->space_refused);
	s->space_short = atomic_load(&db->space_short);
	garbage_figures(db, s);
}
