/*
 * Who holds what: snapshots and iterators that were not given back, with a name their
 * maker gave them and the time they were made.
 *
 * Snapshots have a ring already. Iterators come and go much more often, from all
 * threads: they are in HOLDER_STRIPES rings, each with a lock of its own, and a thread
 * goes to its own as a rule. What makes or frees one takes that lock once; moves,
 * gets and puts take none, however many are open.
 */
#include "db/db.h"

void holders_init(shale_db *db)
{
	for (size_t i = 0; i < HOLDER_STRIPES; i++) {
		struct holder_stripe *s = &db->holders[i];

		mutex_init(&s->mu, db->env, RANK_SNAPSHOTS);
		s->ring.prev = s->ring.next = &s->ring;
	}
}

void holder_name(struct holder *h, const char *owner)
{
	size_t n = owner != NULL ? strlen(owner) : 0;

	if (n > SHALE_OWNER_MAX)
		n = SHALE_OWNER_MAX;
	if (n != 0)
		memcpy(h->owner, owner, n);
	h->owner[n] = '\0';
}

void holder_add(shale_db *db, struct holder *h, const char *owner, uint64_t now_ms)
{
	struct holder_stripe *s = &db->holders[task_stripe() % HOLDER_STRIPES];

	holder_name(h, owner);
	h->since_ms = now_ms;
	h->stripe = s;
	mutex_lock(&s->mu);
	h->prev = s->ring.prev;
	h->next = &s->ring;
	h->prev->next = h;
	s->ring.prev = h;
	s->count++;
	mutex_unlock(&s->mu);
}

void holder_remove(struct holder *h)
{
	struct holder_stripe *s = h->stripe;

	if (s == NULL)
		return;
	mutex_lock(&s->mu);
	h->prev->next = h->next;
	h->next->prev = h->prev;
	s->count--;
	mutex_unlock(&s->mu);
}

size_t holders_iterators(shale_db *db)
{
	size_t n = 0;

	for (size_t i = 0; i < HOLDER_STRIPES; i++) {
		mutex_lock(&db->holders[i].mu);
		n += db->holders[i].count;
		mutex_unlock(&db->holders[i].mu);
	}
	return n;
}

/* ---- what they keep alive ---- */

static bool view_has(const struct view *v, const struct memtable *m)
{
	bool has = v->active == m;

	for (size_t i = 0; i < v->sealed_count; i++)
		has |= v->sealed[i] == m;
	return has;
}

/* Memtables and tables of a view that are no part of the family's state any more. */
static void kept_by_view(shale_cf *cf, const struct view *v, shale_holder *out)
{
	unsigned slot = epoch_enter(&cf->db->readers);
	const struct view *now = atomic_load(&cf->view);

	if (!view_has(now, v->active))
		out->memory_bytes += memtable_bytes(v->active);
	for (size_t i = 0; i < v->sealed_count; i++)
		if (!view_has(now, v->sealed[i]))
			out->memory_bytes += memtable_bytes(v->sealed[i]);
	epoch_exit(&cf->db->readers, slot);
	for (size_t i = 0; i < v->version->run_count; i++) {
		const struct run *r = v->version->runs[i];

		for (size_t k = 0; k < r->count; k++)
			if (atomic_load_explicit(&r->tables[k]->obsolete, memory_order_relaxed))
				out->file_bytes += r->tables[k]->size;
	}
}

/* ---- listing ---- */

static bool tell(const struct holder *h, shale_holder *out, uint64_t now_ms,
		 bool (*each)(void *arg, const shale_holder *h), void *arg)
{
	out->owner = h->owner;
	/* The clock may have been set back. */
	out->age_ms = now_ms > h->since_ms ? now_ms - h->since_ms : 0;
	return each(arg, out);
}

static bool tell_snapshots(shale_db *db, uint64_t now_ms,
			   bool (*each)(void *arg, const shale_holder *h), void *arg)
{
	bool more = true;

	mutex_lock(&db->snapshots_mu);
	for (struct shale_snapshot *s = db->snapshots.next; s != &db->snapshots && more;
	     s = s->next) {
		shale_holder out = { .kind = SHALE_HOLDER_SNAPSHOT, .seq = s->seq };

		more = tell(&s->holder, &out, now_ms, each, arg);
	}
	mutex_unlock(&db->snapshots_mu);
	return more;
}

/* Under the lock nobody frees one that is listed, so its view is there. */
static bool tell_iterators(struct holder_stripe *s, uint64_t now_ms,
			   bool (*each)(void *arg, const shale_holder *h), void *arg)
{
	bool more = true;

	mutex_lock(&s->mu);
	for (const struct holder *h = s->ring.next; h != &s->ring && more; h = h->next) {
		shale_holder out = { .kind = SHALE_HOLDER_ITERATOR, .seq = h->seq };

		kept_by_view(h->cf, h->view, &out);
		more = tell(h, &out, now_ms, each, arg);
	}
	mutex_unlock(&s->mu);
	return more;
}

static void list(shale_db *db, bool (*each)(void *arg, const shale_holder *h), void *arg)
{
	uint64_t now_ms = env_wall_ms(db->env);
	bool more = tell_snapshots(db, now_ms, each, arg);

	for (size_t i = 0; i < HOLDER_STRIPES && more; i++)
		more = tell_iterators(&db->holders[i], now_ms, each, arg);
}

shale_status shale_holders(shale_db *db, bool (*each)(void *arg, const shale_holder *h), void *arg)
{
	shale_status rc = db_enter(db);

	if (rc >= 0)
		list(db, each, arg);
	return rc;
}

/* ---- at the end ---- */

struct leak {
	size_t snapshots, iterators;
	uint64_t age_ms;
	const char *kind;
	char owner[SHALE_OWNER_MAX + 1];
};

static bool note_leak(void *arg, const shale_holder *h)
{
	struct leak *l = arg;
	bool snapshot = h->kind == SHALE_HOLDER_SNAPSHOT;

	if (snapshot)
		l->snapshots++;
	else
		l->iterators++;
	if (l->kind == NULL || h->age_ms > l->age_ms) {
		l->kind = snapshot ? "a snapshot" : "an iterator";
		l->age_ms = h->age_ms;
		memcpy(l->owner, h->owner, strlen(h->owner) + 1);
	}
	return true;
}

shale_status holders_check_none(shale_db *db)
{
	struct leak l = { .kind = NULL };

	list(db, note_leak, &l);
	if (l.kind == NULL)
		return SHALE_OK;
	return err_new(SHALE_INVALID,
		       "the store stays open: %zu snapshots and %zu iterators were not given back; "
		       "the oldest is %s of '%s', made %" PRIu64 " ms ago",
		       l.snapshots, l.iterators, l.kind,
		       l.owner[0] != '\0' ? l.owner : "(no owner named)", l.age_ms);
}
