/*
 * Group commit. Whoever must be durable and finds no leader leads: it takes the
 * completed position of this moment, writes and syncs the chain up to it, and is
 * done for all who wait for a position before it. Who comes in the meantime
 * joins the group that forms; at the end of a sync its own group is woken as a
 * whole, and of the group that formed one, which leads next with whatever is
 * completed by then. So a sync serves everyone who came during the one before.
 *
 * Those whom a sync has served as a rule come back, each with another commit, a moment
 * after the next leader could have begun; they would form two groups that take turns. So
 * a leader that commits first gathers: it sleeps until as many wait as did at the end of
 * the last sync, but no longer than half of what a sync takes, and not at all where they
 * would need longer than that, going by how fast they came the last time. Who commits alone
 * does not wait.
 *
 * Leadership also guards what only a leader may touch: `syncing`, and the files
 * and images of ended segments. wal_release() takes it for that reason.
 */
#include "wal/impl.h"

enum {
	GATHER_PART = 2,   /* of a sync: how long a leader waits for others at most */
	GATHER_AGAIN = 64, /* rounds after which it is tried again */
	GATHER_MOST_NS = 2000000,
};

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

bool wal_has_failed(const struct wal *w)
{
	return wal_is_poisoned(w);
}

/* ---- leadership ---- */

/* sync_mu is held. Whether all who are expected are there, the leader among them. */
static bool is_gathered(const struct wal *w)
{
	return w->waiting[w->round & 1] + 1 >= w->expected;
}

/* sync_mu is held and this task leads. Let others join its group. */
static void gather(struct wal *w)
{
	uint32_t before = w->waiting[w->round & 1] + 1, after;
	uint64_t begun, now, most = w->sync_ns / GATHER_PART;

	if (is_gathered(w))
		return;
	if (most > GATHER_MOST_NS)
		most = GATHER_MOST_NS;
	if ((w->expected - before) * w->coming_ns > most && w->round % GATHER_AGAIN != 0)
		return;
	begun = now = env_now_ns(w->env);
	if (now - w->ended_ns > most)
		return; /* who was to come back would be here */
	w->gathering = true;
	for (; now - begun < most && !is_gathered(w); now = env_now_ns(w->env))
		cond_wait_ns(&w->gathered, &w->sync_mu, begun + most - now);
	w->gathering = false;
	after = w->waiting[w->round & 1] + 1;
	w->coming_ns = after > before ? (now - begun) / (after - before) : UINT32_MAX;
}

/* sync_mu is held and nobody leads. Returns the round of the group that is served. */
static uint64_t lead(struct wal *w, bool together)
{
	w->leading = true;
	if (together)
		gather(w);
	return w->round++;
}

/* sync_mu is held. */
static void unlead(struct wal *w, uint64_t round)
{
	w->leading = false;
	w->expected = 1 + w->waiting[0] + w->waiting[1];
	cond_broadcast(&w->group[round & 1], w->env);
	if (w->waiting[(round + 1) & 1] != 0)
		cond_signal(&w->group[(round + 1) & 1], w->env);
}

/* sync_mu is held, somebody leads. Join the group that forms, until woken. */
static void join(struct wal *w)
{
	unsigned g = w->round & 1;

	w->waiting[g]++;
	if (w->gathering && is_gathered(w))
		cond_signal(&w->gathered, w->env);
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
	lead(w, false);
	mutex_unlock(&w->sync_mu);
}

bool wal_try_lead(struct wal *w)
{
	bool free;

	mutex_lock(&w->sync_mu);
	free = !w->leading;
	if (free)
		lead(w, false);
	mutex_unlock(&w->sync_mu);
	return free;
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
	uint64_t begun;
	shale_status rc;

	if (target == atomic_load_explicit(&w->durable, memory_order_relaxed))
		return SHALE_OK;
	begun = env_now_ns(w->env);
	if (w->syncing == NULL) {
		mutex_lock(&w->mu);
		w->syncing = w->first;
		mutex_unlock(&w->mu);
	}
	rc = sync_chain(w, target);
	if (rc != SHALE_OK)
		return wal_poison(w);
	w->ended_ns = env_now_ns(w->env);
	w->sync_ns = w->ended_ns - begun;
	/* Release: who reads it may tell others that what lies before is safe. */
	atomic_store_explicit(&w->durable_seq, seq, memory_order_release);
	atomic_store_explicit(&w->durable, target, memory_order_release);
	return SHALE_OK;
}

static shale_status sync_upto(struct wal *w, uint64_t lsn, bool together)
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
		round = lead(w, together);
		mutex_unlock(&w->sync_mu);
		rc = sync_completed(w);
		mutex_lock(&w->sync_mu);
		unlead(w, round);
	}
	pass_on(w);
	mutex_unlock(&w->sync_mu);
	return rc;
}

shale_status wal_sync(struct wal *w, uint64_t lsn)
{
	return sync_upto(w, lsn, false);
}

shale_status wal_sync_commit(struct wal *w, uint64_t lsn)
{
	return sync_upto(w, lsn, true);
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
