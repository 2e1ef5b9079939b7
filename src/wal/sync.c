/*
 * Group commit. Whoever must be durable and finds no leader leads: it takes the
 * completed position of this moment, writes and syncs the chain up to it, and is
 * done for all who wait for a position before it. Who comes in the meantime
 * joins the group that forms; at the end of a sync its own group is woken as a
 * whole, and of the group that formed one, which leads next with whatever is
 * completed by then. So a sync serves everyone who came during the one before.
 * Those served find by the number of their round that it has ended, and go without
 * sync_mu: to wake them into a queue for it cost each another switch.
 *
 * Those whom a sync has served as a rule come back, each with another commit, a moment
 * after the next leader could have begun; they would form two groups that take turns. So
 * a leader that commits first gathers: it sleeps until as many wait as did at the end of
 * the last sync, but no longer than half of what a sync takes, and not at all where they
 * would need longer than that, going by how fast they came the last time. Who commits alone
 * does not wait.
 *
 * Leadership also guards what only a leader may touch: `syncing`, and the files
 * and images of ended segments. wal_release() takes it for that reason: it serves no
 * group, so no round ends, and wakes one of those who joined meanwhile to lead.
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

/*
 * sync_mu is held, and let go of. Wakes the next leader, and all of the group served. All who
 * sleep, not as many as were served: by then some of the round after the next may sleep there,
 * and one who was served may have got the wake-up of one of these.
 */
static void unlead(struct wal *w, uint64_t round)
{
	const shale_env *env = w->env;
	struct cond *mine = &w->group[round & 1], *next = &w->group[(round + 1) & 1];
	bool ours = w->waiting[round & 1] != 0, others = w->waiting[(round + 1) & 1] != 0;

	w->leading = false;
	w->expected = 1 + w->waiting[0] + w->waiting[1];
	w->waiting[round & 1] = 0;
	/* Release: who finds its round ended without sync_mu finds what came of it. */
	atomic_store_explicit(&w->ended, round + 1, memory_order_release);
	if (ours)
		cond_move(mine);
	if (others)
		cond_move(next);
	mutex_unlock(&w->sync_mu);
	if (others)
		cond_wake(next, env, false);
	if (ours)
		cond_wake(mine, env, true);
}

static bool has_ended(const struct wal *w, uint64_t round)
{
	return atomic_load_explicit(&w->ended, memory_order_acquire) > round;
}

/*
 * sync_mu is held, somebody leads. Join the group that forms, until its round has ended: true,
 * and sync_mu is not held. Whoever has to look again has it: false. (An ended round must not be
 * slept on, since its wake-up may be past: hence the look under the lock.)
 */
static bool join(struct wal *w)
{
	uint64_t round = w->round;
	struct cond *group = &w->group[round & 1];
	bool tell;

	w->waiting[round & 1]++;
	tell = w->gathering && w->waiting[round & 1] + 1 == w->expected; /* the last of them */
	if (tell)
		cond_move(&w->gathered);
	do {
		uint32_t seen = cond_now(group);

		mutex_unlock(&w->sync_mu);
		if (tell)
			cond_wake(&w->gathered, w->env, false);
		tell = false;
		cond_sleep(group, w->env, seen);
		if (has_ended(w, round))
			return true;
		mutex_lock(&w->sync_mu);
	} while (w->leading && !has_ended(w, round));
	if (!has_ended(w, round))
		w->waiting[round & 1]--;
	return false;
}

/*
 * sync_mu is held, and let go of; this task goes. If nobody leads, one of the group that forms
 * must be woken to: it may be this one who was, but found its position durable (it had joined
 * after the leader took a position behind it) or the log poisoned.
 */
static void pass_on(struct wal *w)
{
	const shale_env *env = w->env;
	struct cond *next = &w->group[w->round & 1];
	bool others = !w->leading && w->waiting[w->round & 1] != 0;

	if (others)
		cond_move(next);
	mutex_unlock(&w->sync_mu);
	if (others)
		cond_wake(next, env, false);
}

void wal_lead(struct wal *w)
{
	mutex_lock(&w->sync_mu);
	while (w->leading)
		if (join(w))
			mutex_lock(&w->sync_mu);
	w->leading = true;
	mutex_unlock(&w->sync_mu);
}

bool wal_try_lead(struct wal *w)
{
	bool free;

	mutex_lock(&w->sync_mu);
	free = !w->leading;
	w->leading = true;
	mutex_unlock(&w->sync_mu);
	return free;
}

void wal_unlead(struct wal *w)
{
	mutex_lock(&w->sync_mu);
	w->leading = false;
	pass_on(w);
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
	uint64_t round;
	shale_status rc;

	if (wal_durable_lsn(w) >= lsn)
		return SHALE_OK;
	DEBUG_ASSERT(lsn <= wal_completed_lsn(w));
	mutex_lock(&w->sync_mu);
	for (;;) {
		bool durable = wal_durable_lsn(w) >= lsn;

		if (durable || wal_is_poisoned(w)) {
			pass_on(w);
			return durable ? SHALE_OK : wal_poison_status(w);
		}
		if (!w->leading)
			break;
		if (join(w)) {
			if (wal_durable_lsn(w) >= lsn)
				return SHALE_OK;
			mutex_lock(&w->sync_mu); /* that leader failed */
		}
	}
	round = lead(w, together);
	mutex_unlock(&w->sync_mu);
	rc = sync_completed(w); /* so what lies before lsn, too */
	mutex_lock(&w->sync_mu);
	unlead(w, round);
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
