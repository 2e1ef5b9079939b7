/*
 * Up to which sequence nobody looks further back, so that memtables may use the memory of what
 * is hidden below it again (memtable/reuse.h).
 *
 * Every so many operations a writer notes, in its ordered step, what is visible, which readers
 * are inside the epoch and which commits are under way. Once those have left and these are
 * published, every reader sees what was visible then, or more; but for snapshots, the oldest of
 * which is asked for, and for who keeps what it has read, as iterators and values that were not
 * released do: they pin their memtable from within the epoch, and it looks at its pins itself.
 * And no writer knows of a version that was put into its place in the list before.
 */
#include "db/db.h"

enum { LOOK_EVERY = 128 }; /* operations */

static void note(shale_db *db)
{
	struct lookback *l = &db->lookback;

	/* Sequentially consistent, and first: see epoch_mark(). */
	l->seq = atomic_load(&db->visible);
	l->ticket = db->next_ticket;
	l->look_at = db->next_seq + LOOK_EVERY;
	epoch_mark(&db->readers, &l->readers);
}

void reuse_look(shale_db *db, const struct commit *c)
{
	struct lookback *l = &db->lookback;
	uint64_t oldest;

	mutex_assert_held(&db->commit_mu);
	if (likely(db->next_seq < l->look_at))
		return;
	l->look_at = db->next_seq + LOOK_EVERY;
	if (atomic_load(&db->published) < l->ticket || !epoch_passed(&db->readers, &l->readers))
		return;
	oldest = snapshots_oldest(db);
	for (size_t i = 0; i < c->target_count; i++)
		memtable_reuse_below(c->targets[i].mem->table, l->seq < oldest ? l->seq : oldest);
	note(db);
}
