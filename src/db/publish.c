/*
 * Publication. Commits insert into the log and the memtables in parallel, but
 * become visible in the order of their tickets, so a reader's sequence never has
 * a hole below it.
 *
 * A ring holds the commits under way; each marks its slot when it is done. Then
 * whoever holds the `publishing` word moves `published` and `visible` over all
 * marked slots, and after letting go looks once more, so that a slot marked in
 * between is not forgotten. Marking and looking, and taking and letting go, are
 * sequentially consistent: either the marker gets the word, or the holder sees
 * the mark.
 *
 * Who waits for the commits before its own spins first, as they need some hundred
 * nanoseconds where they run. Where there are more threads than cores one of them may
 * not run: then the core is given away, and only in the end the waiter goes to sleep.
 * (Sleeping at once is a storm: the wakes of all who slept take the core from another
 * commit in the midst of its way, and again all wait.)
 *
 * A commit that could not be applied (no memory behind its ordered step) breaks
 * the chain for good: nothing behind it is ever published, all later commits
 * fail, reads go on below it.
 */
#include "db/db.h"

#include <limits.h>

enum { SPINS = 100, YIELDS = 100 };

static bool next_done(shale_db *db, uint64_t ticket)
{
	return atomic_load(&db->ring[ticket % RING_SIZE].done) == ticket + 1;
}

static void wake_all(shale_db *db)
{
	if (atomic_load(&db->publish_waiters) == 0)
		return;
	atomic_fetch_add(&db->publish_event, 1);
	db->env->executor.ops->wake(db->env->executor.self, (const uint32_t *)&db->publish_event,
				    INT_MAX);
}

/* Move over all that is done. Only by the holder of `publishing`. */
static void advance_held(shale_db *db)
{
	uint64_t ticket = atomic_load_explicit(&db->published, memory_order_relaxed), from = ticket;
	uint64_t log_end = 0, last_seq = 0, awaited;
	bool broken = false;

	while (next_done(db, ticket)) {
		struct ring_slot *slot = &db->ring[ticket % RING_SIZE];

		broken = slot->failed;
		if (broken)
			break;
		if (slot->log_end != 0)
			log_end = slot->log_end;
		last_seq = slot->last_seq;
		ticket++;
	}
	if (ticket == from)
		goto out;
	if (log_end != 0)
		wal_completed(atomic_load_explicit(&db->wal, memory_order_relaxed), log_end,
			      last_seq);
	atomic_store_explicit(&db->visible, last_seq, memory_order_release);
	task_point(false);
	atomic_store(&db->published, ticket);
	wake_all(db);
	/* A seal kicks the workers too, but then its last commits may be under way still. */
	awaited = atomic_load(&db->flush_ticket);
	if (unlikely(from < awaited && awaited <= ticket))
		flush_kick(db);
out:
	/* Last, so that nobody whose commit came before takes it for lost. */
	if (unlikely(broken)) {
		atomic_store(&db->publish_broken, true);
		wake_all(db);
	}
}

static void advance(shale_db *db)
{
	while (next_done(db, atomic_load(&db->published)) && !atomic_load(&db->publish_broken)) {
		if (atomic_exchange(&db->publishing, 1) != 0)
			return; /* the holder will look again */
		task_point(false);
		advance_held(db);
		task_point(false);
		atomic_store(&db->publishing, 0);
		task_point(false);
	}
}

bool publish_wait(shale_db *db, uint64_t ticket)
{
	for (int i = 0; atomic_load(&db->published) < ticket; i++) {
		uint32_t event;

		if (atomic_load(&db->publish_broken))
			return atomic_load(&db->published) >= ticket;
		if (i < SPINS) {
			cpu_relax();
			continue;
		}
		if (i == SPINS)
			stats_add(&db->stats, STAT_PUBLISH_WAITS, 1);
		if (i < SPINS + YIELDS) {
			env_yield(db->env);
			continue;
		}
		atomic_fetch_add(&db->publish_waiters, 1);
		event = atomic_load(&db->publish_event);
		task_point(false);
		if (atomic_load(&db->published) < ticket && !atomic_load(&db->publish_broken))
			db->env->executor.ops->wait(db->env->executor.self,
						    (const uint32_t *)&db->publish_event, event,
						    UINT64_MAX);
		atomic_fetch_sub(&db->publish_waiters, 1);
	}
	return true;
}

bool publish_wait_ordered(shale_db *db)
{
	uint64_t ticket;

	mutex_lock(&db->commit_mu);
	ticket = db->next_ticket;
	mutex_unlock(&db->commit_mu);
	return publish_wait(db, ticket);
}

shale_status publish(shale_db *db, uint64_t ticket, uint64_t last_seq, uint64_t log_end,
		     bool failed)
{
	struct ring_slot *slot = &db->ring[ticket % RING_SIZE];

	slot->last_seq = last_seq;
	slot->log_end = log_end;
	slot->failed = failed;
	task_point(false);
	atomic_store(&slot->done, ticket + 1);
	task_point(false);
	advance(db);
	if (likely(publish_wait(db, ticket + 1)))
		return SHALE_OK;
	return err_new(SHALE_READ_ONLY,
		       "an earlier commit could not be applied for want of memory; writes have "
		       "stopped, reopen the store");
}
