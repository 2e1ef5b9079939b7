/*
 * The log at recovery: its operations go into memtables, full ones into tables.
 *
 * As in a commit (apply.c), an insert waits for its leaf longer than it works. A record
 * of the log is one operation as a rule, so groups are made of several records: their
 * operations are read and the ways to their leaves found, and only then inserted, in
 * their order. What a group points to is copied, since the reader of the log moves on. Damage
 * is found when a record is read, so that it is told with its place; what is put off can
 * only run out of memory.
 *
 * Before a memtable is sealed nothing is put off. A full one becomes tables on a thread of
 * its own while the next one is filled, where memory has room for both.
 */
#include "db/recover.h"

#include "format/batch.h"

enum { GROUP = 16, TEXT_BYTES = 64 << 10 };

/* A full memtable on its way into tables. */
struct unload {
	shale_thread *thread; /* NULL: there is none */
	struct mem *mem;
	shale_db *db;
	shale_status rc;
	shale_error error;
};

struct replay {
	shale_db *db;
	struct unload unload;
	uint8_t *text; /* of records whose operations are put off */
	size_t used;
	bool added; /* since the sizes of memtables were looked at */
	unsigned count;
	struct {
		struct batch_op op;
		uint64_t seq;
		struct memtable *table;
		struct memtree_aim aim;
	} group[GROUP];
};

/* ---- full memtables ---- */

/* Set aside what a family has in memory; *out stays NULL if that is nothing. */
static shale_status seal(shale_db *db, shale_cf *cf, uint64_t last_seq, struct mem **out)
{
	shale_status rc;

	*out = NULL;
	mutex_lock(&db->commit_mu);
	rc = seal_family(db, cf, SHALE_FLUSH_OPEN);
	mutex_unlock(&db->commit_mu);
	if (rc < 0 || cf->oldest == NULL)
		return rc;
	*out = cf->oldest;
	/* Not what the whole store has reached: the log may have more for this family. */
	(*out)->last_seq = last_seq;
	return SHALE_OK;
}

shale_status replay_unload(shale_db *db, shale_cf *cf, uint64_t last_seq)
{
	struct mem *m;
	shale_status rc = seal(db, cf, last_seq, &m);

	return rc < 0 || m == NULL ? rc : flush_mem(db, m);
}

static void unload_run(void *arg)
{
	struct unload *u = arg;

	u->rc = flush_mem(u->db, u->mem);
	if (u->rc < 0)
		u->error = *err_last();
}

/* Whether memory has room for one that is on its way and another that is filled. */
static bool one_more_fits(const shale_db *db)
{
	uint64_t held = db->options.memtable_bytes;

	for (size_t i = 0; i < db->family_count; i++)
		held += memtable_bytes(db->families[i]->active->table);
	return held <= db->memtables_max;
}

/* Until there is none on its way. */
static shale_status unload_wait(struct unload *u)
{
	const shale_env *env = u->db->env;

	if (u->thread == NULL)
		return SHALE_OK;
	env->executor.ops->join(env->executor.self, u->thread);
	u->thread = NULL;
	if (u->rc < 0)
		*err_last() = u->error;
	return u->rc;
}

static shale_status unload_begin(struct unload *u, shale_cf *cf, uint64_t last_seq)
{
	const shale_env *env = u->db->env;
	shale_status rc = unload_wait(u);
	bool aside = one_more_fits(u->db);

	if (rc >= 0)
		rc = seal(u->db, cf, last_seq, &u->mem);
	if (rc < 0 || u->mem == NULL)
		return rc;
	/* Where two are too much, or a thread is, it is done here. */
	if (!aside || env->executor.ops->spawn(env->executor.self, "shale-open", unload_run, u,
					       &u->thread) < 0) {
		u->thread = NULL;
		return flush_mem(u->db, u->mem);
	}
	return SHALE_OK;
}

/* ---- records ---- */

/* Insert what was put off. */
static shale_status insert_group(struct replay *r)
{
	shale_status rc = SHALE_OK;

	for (unsigned i = 0; i < r->count; i++)
		memtable_aim_closer(r->group[i].table, r->group[i].op.key, &r->group[i].aim);
	for (unsigned i = 0; i < r->count && rc >= 0; i++) {
		const struct batch_op *op = &r->group[i].op;

		rc = memtable_add(r->group[i].table, r->group[i].seq, op->type, op->key, op->value,
				  &r->group[i].aim);
		/* There are no readers yet. */
		memtable_reuse_below(r->group[i].table, r->group[i].seq);
	}
	r->added |= r->count != 0;
	r->count = 0;
	return rc;
}

static shale_status put_off(struct replay *r, shale_cf *cf, uint64_t seq, const struct batch_op *op)
{
	struct memtable *table = cf->active->table;

	cf->active->used = true;
	r->group[r->count].op = *op;
	r->group[r->count].seq = seq;
	r->group[r->count].table = table;
	memtable_aim(table, op->key, &r->group[r->count].aim);
	return ++r->count == GROUP ? insert_group(r) : SHALE_OK;
}

/* Let *payload stay until the group is inserted; *kept is false where it is too long for that. */
static shale_status keep_payload(struct replay *r, shale_slice *payload, bool *kept)
{
	shale_status rc = SHALE_OK;

	if (payload->size > TEXT_BYTES - r->used)
		rc = insert_group(r);
	if (r->count == 0)
		r->used = 0;
	*kept = payload->size <= TEXT_BYTES;
	if (rc < 0 || !*kept || payload->size == 0)
		return rc;
	memcpy(r->text + r->used, payload->data, payload->size);
	*payload = slice_from(r->text + r->used, payload->size);
	r->used += payload->size;
	return SHALE_OK;
}

static shale_status unload_full(struct replay *r, uint64_t last_seq)
{
	shale_db *db = r->db;
	shale_status rc = SHALE_OK;

	if (!r->added || db->options.read_only)
		return SHALE_OK;
	for (size_t i = 0; i < db->family_count && rc >= 0; i++) {
		if (memtable_bytes(db->families[i]->active->table) < db->options.memtable_bytes)
			continue;
		rc = insert_group(r);
		if (rc >= 0)
			rc = unload_begin(&r->unload, db->families[i], last_seq);
	}
	r->added = false;
	return rc;
}

static shale_status apply_record(void *arg, uint64_t first_seq, uint32_t count, shale_slice payload)
{
	struct replay *r = arg;
	shale_db *db = r->db;
	const uint8_t *p, *end;
	uint64_t seq = first_seq;
	struct batch_op op;
	bool kept;
	shale_status rc = keep_payload(r, &payload, &kept);

	if (rc < 0)
		return rc;
	p = payload.data;
	end = p + payload.size;
	while ((rc = batch_op_read(&p, end, &op)) == SHALE_OK) {
		shale_cf *cf = families_find(db, op.cf);

		if (cf == NULL && op.cf >= db->next_cf)
			return err_new(SHALE_CORRUPT,
				       "the log writes to column family %" PRIu32
				       ", which the manifest never had",
				       op.cf);
		/* What was flushed is in tables; what belonged to a dropped family is gone. */
		if (cf != NULL && seq > cf->replay_from) {
			rc = put_off(r, cf, seq, &op);
			if (rc < 0)
				return rc;
		}
		seq++;
	}
	if (rc >= 0)
		rc = kept ? SHALE_OK : insert_group(r);
	if (rc < 0)
		return rc;
	if (seq - first_seq != count)
		return err_new(SHALE_CORRUPT,
			       "a log record holds %" PRIu64 " operations, not %" PRIu32,
			       seq - first_seq, count);
	/* Tables may hold more than the log that a power cut left. */
	if (seq > db->next_seq)
		db->next_seq = seq;
	atomic_store(&db->visible, db->next_seq - 1);
	return unload_full(r, seq - 1);
}

shale_status replay_logs(shale_db *db)
{
	struct wal_live *live = mem_array(db->env, db->log_count, sizeof(*live));
	struct replay r = { .db = db,
			    .unload = { .db = db },
			    .text = mem_alloc(db->env, TEXT_BYTES) };
	size_t n = db->log_count;
	shale_status rc = SHALE_OK, unloaded;
	shale_error why;

	if (live == NULL || r.text == NULL)
		rc = err_memory("reading the log");
	/* Later ones are not in tables, and flushed_seq moves while the log is read. */
	for (size_t i = 0; i < db->family_count; i++)
		db->families[i]->replay_from = db->families[i]->flushed_seq;
	for (size_t i = 0; rc >= 0 && i < n; i++)
		live[i] = (struct wal_live){ db->logs[i].number, db->logs[i].sealed,
					     db->logs[i].length, db->logs[i].last_seq };
	if (rc >= 0)
		rc = wal_replay(db->store, db->store_id, db->recovered_manifest.last_edit, live, n,
				apply_record, &r, &db->recovered);
	if (rc >= 0)
		rc = insert_group(&r);
	why = *err_last();
	unloaded = unload_wait(&r.unload);
	if (rc < 0)
		*err_last() = why; /* what went wrong first */
	else
		rc = unloaded;
	mem_free(db->env, r.text);
	mem_free(db->env, live);
	if (rc >= 0 && db->recovered.last_seq >= db->next_seq)
		db->next_seq = db->recovered.last_seq + 1;
	return rc;
}
