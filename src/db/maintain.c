/* Flush, compact, wait, check: the verbs that see to the store itself. */
#include "db/work.h"

#define GARBAGE_POLL_NS UINT64_C(5000000)
#define KICK_NS UINT64_C(200000000)

shale_status db_writable(shale_db *db)
{
	shale_status rc = db_enter(db);

	if (rc >= 0 && db->options.read_only)
		rc = err_new(SHALE_READ_ONLY, "the store was opened read-only");
	return rc;
}

/* What the options of a verb here begin with, checked alike. */
static shale_status check_options(const shale_db *db, const char *name, size_t size, size_t right,
				  const shale_cf *cf)
{
	if (size != right)
		return err_new(SHALE_INVALID,
			       "%s.struct_size is %zu; set it up with its _INIT macro", name, size);
	return family_check(db, cf);
}

/* Commits that were never applied keep all behind them from being flushed. */
static shale_status unflushable(shale_db *db)
{
	if (likely(!atomic_load(&db->publish_broken)))
		return SHALE_OK;
	return err_new(SHALE_READ_ONLY,
		       "a commit could not be applied for want of memory; reopen the store");
}

/* Seal the family's memtable, waiting for room where there is none. */
static shale_status seal(shale_db *db, shale_cf *cf)
{
	shale_status rc;

	do {
		mutex_lock(&db->commit_mu);
		rc = seal_family(db, cf, SHALE_FLUSH_ASKED);
		mutex_unlock(&db->commit_mu);
		if (rc != SHALE_MORE)
			return rc;
		rc = stall_stop(db, cf, NULL);
		/* What was sealed before can still be flushed, unless that is broken. */
		if (rc >= 0)
			rc = unflushable(db);
	} while (rc >= 0);
	return rc;
}

/*
 * What came due by time, or when a snapshot went, nobody was told of. Not at every wake, since
 * a look that finds nothing wakes those who wait.
 */
static void wait_changed(shale_db *db, uint64_t *kicked, uint64_t at_most)
{
	uint64_t now = env_now_ns(db->env);

	if (now - *kicked >= KICK_NS) {
		scheduler_kick(db->scheduler);
		*kicked = now;
	}
	cond_wait_ns(&db->changed, &db->mu, at_most < KICK_NS ? at_most : KICK_NS);
}

/* Wait until what was sealed with a ticket below `ticket` is in tables. */
static shale_status wait_flushed(shale_db *db, shale_cf *cf, uint64_t ticket)
{
	shale_status rc = SHALE_OK;
	uint64_t kicked = 0;

	mutex_lock(&db->mu);
	while (cf->oldest != NULL && cf->oldest->seal_ticket <= ticket &&
	       !atomic_load(&cf->dropped)) {
		rc = failure_tell(&db->failed);
		if (rc >= 0)
			rc = unflushable(db);
		if (rc < 0)
			break;
		wait_changed(db, &kicked, UINT64_MAX);
	}
	mutex_unlock(&db->mu);
	return rc;
}

static shale_status flush_one(shale_db *db, shale_cf *cf, bool wait)
{
	uint64_t ticket;
	shale_status rc = seal(db, cf);

	if (rc < 0 || !wait)
		return rc;
	mutex_lock(&db->commit_mu);
	ticket = db->next_ticket;
	mutex_unlock(&db->commit_mu);
	return wait_flushed(db, cf, ticket);
}

/* Where all are to be flushed, one that is dropped meanwhile is no failure. */
static shale_status flush_unless_dropped(shale_db *db, shale_cf *cf, bool wait)
{
	shale_status rc = flush_one(db, cf, wait);

	return rc == SHALE_INVALID && atomic_load(&cf->dropped) ? SHALE_OK : rc;
}

/* All families, each with a reference; the array is the caller's. */
static shale_status families_list(shale_db *db, shale_cf ***out, size_t *count)
{
	shale_cf **all;

	mutex_lock(&db->mu);
	all = mem_array(db->env, db->family_count, sizeof(*all));
	*count = db->family_count;
	for (size_t i = 0; i < *count && all != NULL; i++)
		all[i] = family_ref(db->families[i]);
	mutex_unlock(&db->mu);
	*out = all;
	return all != NULL ? SHALE_OK : err_memory("a list of column families");
}

shale_status shale_flush(shale_db *db, const shale_flush_options *o)
{
	bool wait = o == NULL || !o->no_wait;
	shale_cf **all;
	size_t n;
	shale_status rc = db_writable(db);

	if (rc >= 0 && o != NULL)
		rc = check_options(db, "shale_flush_options", o->struct_size, sizeof(*o), o->cf);
	if (rc < 0)
		return rc;
	if (o != NULL && o->cf != NULL)
		return flush_one(db, o->cf, wait);
	rc = families_list(db, &all, &n);
	if (rc < 0)
		return rc;
	/* Seal all before the first is waited for. */
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = flush_unless_dropped(db, all[i], false);
	for (size_t i = 0; i < n; i++) {
		if (rc >= 0 && wait)
			rc = flush_unless_dropped(db, all[i], true);
		family_unref(all[i]);
	}
	mem_free(db->env, all);
	return rc;
}

shale_status shale_compact(shale_db *db, const shale_compact_options *o)
{
	shale_cf *cf = family_of(db, o != NULL ? o->cf : NULL);
	static const shale_compact_options all = SHALE_COMPACT_OPTIONS_INIT;
	shale_status rc = db_writable(db);

	if (rc >= 0 && o != NULL)
		rc = check_options(db, "shale_compact_options", o->struct_size, sizeof(*o), o->cf);
	if (rc < 0)
		return rc;
	o = o != NULL ? o : &all;
	if (o->lower.data != NULL && o->upper.data != NULL && slice_cmp(o->lower, o->upper) >= 0)
		return err_new(SHALE_INVALID,
			       "the range is empty: its end is not behind its start");
	rc = flush_one(db, cf, true);
	return rc < 0 ? rc : merge_range(db, cf, o);
}

/*
 * Also what a read that has not ended keeps from being garbage. Under mu, which is given up
 * meanwhile.
 */
static bool garbage_is_left(shale_db *db)
{
	bool read;

	mutex_unlock(&db->mu);
	read = epoch_reclaim(&db->readers) != 0;
	mutex_lock(&db->mu);
	return read || atomic_load(&db->garbage_pending) != 0;
}

/* What is owed will not be done for this reason; SHALE_OK: it will. Under mu. */
static shale_status why_not_done(shale_db *db)
{
	shale_status rc = work_failure(db);

	if (rc >= 0)
		rc = unflushable(db);
	if (rc >= 0 && db->merge_blocked && !work_is_left(db))
		rc = space_blocked(db);
	return rc;
}

shale_status shale_wait_idle(shale_db *db)
{
	shale_status rc = db_enter(db);
	uint64_t kicked = 0;

	if (rc < 0 || db->options.read_only)
		return rc;
	if (seal_may_be_due_at_rest(db))
		seal_at_rest(db);
	mutex_lock(&db->mu);
	for (;;) {
		bool owed = work_is_left(db);

		if (!owed)
			rc = merge_is_owed(db, &owed);
		if (rc < 0 || (!owed && !garbage_is_left(db)))
			break;
		if (owed)
			rc = why_not_done(db);
		if (rc < 0)
			break;
		/* Of a read that has ended nobody is told. */
		wait_changed(db, &kicked, owed ? UINT64_MAX : GARBAGE_POLL_NS);
	}
	mutex_unlock(&db->mu);
	if (rc >= 0 && db->options.durability < SHALE_DURABLE)
		log_rest(db);
	return rc;
}

shale_status shale_wait_durable(shale_db *db, shale_seq seq)
{
	struct wal *wal = atomic_load(&db->wal);
	shale_status rc = db_writable(db);

	if (rc < 0)
		return rc;
	if (seq > atomic_load(&db->visible))
		return err_new(SHALE_INVALID,
			       "sequence %" PRIu64 " was not committed; the newest is %" PRIu64,
			       seq, atomic_load(&db->visible));
	/* What has no log becomes durable in tables only. */
	if (db->options.durability == SHALE_EPHEMERAL)
		return shale_flush(db, NULL);
	if (wal_durable_seq(wal) >= seq)
		return SHALE_OK;
	rc = wal_sync(wal, wal_completed_lsn(wal));
	store_note_commit(db->store);
	if (rc < 0)
		db_log_failed(db, wal);
	return rc;
}

/* What a check finds; the failure that is told is the first one. */
struct check {
	void (*each)(void *arg, const char *file, uint64_t bytes, shale_status status);
	void *arg;
	shale_check_report report;
	shale_status first;
	shale_error why;
};

static void check_table(struct check *c, shale_db *db, struct table_meta *m)
{
	uint64_t blocks = 0, entries = 0;
	struct table *t;
	shale_status rc = table_meta_open(m, &db->table_env, &t);

	if (rc >= 0)
		rc = table_check(t, &blocks, &entries);
	if (rc < 0 && c->first == SHALE_OK) {
		c->first = rc;
		c->why = *err_last();
	}
	if (c->each != NULL)
		c->each(c->arg, object_name(OBJECT_TABLE, m->number).text, m->size, rc);
	c->report.tables++;
	c->report.blocks += blocks;
	c->report.entries += entries;
	c->report.bytes += m->size;
}

static void check_version(struct check *c, shale_db *db, const struct version *v)
{
	for (size_t i = 0; i < v->run_count; i++)
		for (size_t k = 0; k < v->runs[i]->count; k++)
			check_table(c, db, v->runs[i]->tables[k]);
}

shale_status shale_check(shale_db *db,
			 void (*each)(void *arg, const char *file, uint64_t bytes,
				      shale_status status),
			 void *arg, shale_check_report *out)
{
	struct check c = { .each = each, .arg = arg, .first = SHALE_OK };
	shale_status rc = db_enter(db);
	shale_cf **all;
	size_t n;

	if (rc >= 0)
		rc = families_list(db, &all, &n);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		struct version *v;

		mutex_lock(&db->mu);
		v = version_ref(all[i]->version);
		mutex_unlock(&db->mu);
		check_version(&c, db, v);
		version_unref(v);
		family_unref(all[i]);
	}
	mem_free(db->env, all);
	if (out != NULL)
		*out = c.report;
	/* What came later, also what `each` did, has failures of its own. */
	if (c.first < 0)
		*err_last() = c.why;
	return c.first;
}
