/*
 * Group commit. Whoever must be durable and finds no leader leads: it takes the
 * completed position of this moment, writes and syncs the chain up to it, and is
 * done for all who wait for a position before it. Who comes in the meantime
 * joins the group that forms; at the end of a sync its own group is woken as a
 * whole, and of the group that formed one, which leads next with whatever is
 * completed by then. So a sync serves everyone who came during the one before.
 *
 * Leadership also guards what only a leader may touch: `syncing`, and the files
 * and images of ended segments. wal_release() takes it for that reason.
 */
#include "wal/impl.h"

shale_status wal_poison(struct wal *w)
{
	shale_error *e = err_last();

	mutex_lock(&w->mu);
	if (!wal_is_poisoned(w)) {
		w->poison_error = *e;
		/* Release: pairs with the acquire in wal_is_poisoned(). */
		atomic_store_explicit(&w->poisoned, true, memory_order_release);
	}
	mutex_unlock(&w->mu);
	return e->status;
}

shale_status wal_poison_status(struct wal *w)
{
	const shale_error *e = &w->poison_error; /* written once, before `poisoned` */

	shale_status rc = e->status == SHALE_NO_SPACE ? SHALE_NO_SPACE : SHALE_READ_ONLY;

	err_at(rc, e->object, e->offset, "the log failed and takes no more: %s", e->text);
	err_last()->sys_errno = e->sys_errno;
	return rc;
}

/* ---- leadership ---- */

/* sync_mu is held and nobody leads. Returns the round of the group that is served. */
static uint64_t lead(struct wal *w)
{
	w->leading = true;
	return w->round++;
}

/* sync_mu is held. */
static void unlead(struct wal *w, uint64_t round)
{
	w->leading = false;
	cond_broadcast(&w->group[round & 1], w->env);
	if (w->waiting[(round + 1) & 1] != 0)
		cond_signal(&w->group[(round + 1) & 1], w->env);
}

/* sync_mu is held, somebody leads. Join the group that forms, until woken. */
static void join(struct wal *w)
{
	unsigned g = w->round & 1;

	w->waiting[g]++;
	cond_wait(&w->group[g], &w->sync_mu);
	w->waiting[g]--;
}

/*
 * sync_mu is held; this task goes. If it was the one woken to lead, but found its
 * position durable (it had joined after the leader took a position behind it) or
 * the log poisoned, the next of its group must be.
 */
static void pass_on(struct wal *w)
{
	unsigned g = w->round & 1;

	if (!w->leading && w->waiting[g] != 0)
		cond_signal(&w->group[g], w->env);
}

void wal_lead(struct wal *w)
{
	mutex_lock(&w->sync_mu);
	while (w->leading)
		join(w);
	lead(w);
	mutex_unlock(&w->sync_mu);
}

void wal_unlead(struct wal *w)
{
	mutex_lock(&w->sync_mu);
	unlead(w, w->round - 1);
	mutex_unlock(&w->sync_mu);
}

/* ---- syncing ---- */

/* Make the chain durable up to `target`, in its order. The leader's. */
static shale_status sync_chain(struct wal *w, uint64_t target)
{
	struct wal_segment *s = w->syncing;

	for (;;) {
		uint64_t end = segment_end(s), upto = target < end ? target : end;

		if (s->file != NULL && s->synced < upto) {
			shale_status rc = segment_sync(w, s, upto);

			if (rc != SHALE_OK)
				return rc;
		}
		if (target <= end)
			break;
		/* There is a next one: records behind `end` are completed. */
		s = atomic_load_explicit(&s->next, memory_order_acquire);
	}
	w->syncing = s;
	return SHALE_OK;
}

static shale_status sync_completed(struct wal *w)
{
	/*
	 * The sequence number first: wal_completed() stores it last, so everything
	 * up to it lies before the position that is read after it.
	 */
	uint64_t seq = atomic_load_explicit(&w->completed_seq, memory_order_acquire);
	uint64_t target = atomic_load_explicit(&w->completed, memory_order_acquire);
	shale_status rc;

	if (target == atomic_load_explicit(&w->durable, memory_order_relaxed))
		return SHALE_OK;
	if (w->syncing == NULL) {
		mutex_lock(&w->mu);
		w->syncing = w->first;
		mutex_unlock(&w->mu);
	}
	rc = sync_chain(w, target);
	if (rc != SHALE_OK)
		return wal_poison(w);
	/* Release: who reads it may tell others that what lies before is safe. */
	atomic_store_explicit(&w->durable_seq, seq, memory_order_release);
	atomic_store_explicit(&w->durable, target, memory_order_release);
	return SHALE_OK;
}

shale_status wal_sync(struct wal *w, uint64_t lsn)
{
	shale_status rc = SHALE_OK;

	if (wal_durable_lsn(w) >= lsn)
		return SHALE_OK;
	DEBUG_ASSERT(lsn <= wal_completed_lsn(w));
	mutex_lock(&w->sync_mu);
	while (rc == SHALE_OK && wal_durable_lsn(w) < lsn) {
		uint64_t round;

		if (wal_is_poisoned(w)) {
			rc = wal_poison_status(w);
			break;
		}
		if (w->leading) {
			join(w);
			continue;
		}
		round = lead(w);
		mutex_unlock(&w->sync_mu);
		rc = sync_completed(w);
		mutex_lock(&w->sync_mu);
		unlead(w, round);
	}
	pass_on(w);
	mutex_unlock(&w->sync_mu);
	return rc;
}

uint64_t wal_durable_lsn(const struct wal *w)
{
	return atomic_load_explicit(&w->durable, memory_order_acquire);
}

uint64_t wal_durable_seq(const struct wal *w)
{
	/* As in sync_completed(): the position is read after the number that lies before it. */
	uint64_t seq = atomic_load_explicit(&w->completed_seq, memory_order_acquire);

	if (wal_completed_lsn(w) <= wal_durable_lsn(w))
		return seq;
	/* May lag behind the durable position, by what was completed while it was taken. */
	return atomic_load_explicit(&w->durable_seq, memory_order_acquire);
}
