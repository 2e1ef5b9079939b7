/*
 * LMDB. Each put is a transaction of its own; a thread keeps its read transaction
 * and cursor, reset between uses. The map is four times what will be stored.
 *
 * With MDB_NOSYNC pages are written by pwrite at each commit, but never flushed:
 * that survives the death of the process. SURVIVES_NOTHING adds MDB_WRITEMAP.
 * What remains in the page cache is not in any budget of ours: where memory is to
 * be equal, a control group has to limit it.
 */
#include "../engine.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

struct lm {
	MDB_env *env;
	MDB_dbi dbi;
};

/* What a thread keeps. */
struct lm_thread {
	struct lm *lm;
	MDB_txn *read;
	MDB_cursor *cursor;
	MDB_val key, value; /* where the cursor is */
	struct bytes last;  /* key that was put; keys last as long as a step */
	unsigned ascending; /* puts on end, each behind the one before */
};

static int check(const char *what, int rc)
{
	if (rc != 0 && rc != MDB_NOTFOUND)
		die("lmdb: %s: %s", what, mdb_strerror(rc));
	return rc;
}

static MDB_val val(struct bytes b)
{
	return (MDB_val){ b.size, (void *)b.data };
}

static void version(char *out, size_t size)
{
	int major, minor, patch;

	mdb_version(&major, &minor, &patch);
	snprintf(out, size, "%d.%d.%d", major, minor, patch);
}

static void *open_store(const struct engine_options *o)
{
	static const unsigned durability[] = { MDB_NOSYNC | MDB_WRITEMAP, MDB_NOSYNC, 0 };
	struct lm *l = xcalloc(1, sizeof(*l));
	uint64_t map = 4 * o->data_bytes + (1ull << 30);
	unsigned flags = durability[o->durability] | MDB_NOTLS;
	MDB_txn *txn;

	if (o->tuned)
		flags |= MDB_NORDAHEAD;
	check("create", mdb_env_create(&l->env));
	check("map size", mdb_env_set_mapsize(l->env, map & ~0xffffull));
	check("readers", mdb_env_set_maxreaders(l->env, 256));
	check("open", mdb_env_open(l->env, o->dir, flags, 0666));
	check("begin", mdb_txn_begin(l->env, NULL, 0, &txn));
	check("open", mdb_dbi_open(txn, NULL, 0, &l->dbi));
	check("commit", mdb_txn_commit(txn));
	return l;
}

static void close_store(void *db)
{
	struct lm *l = db;

	mdb_env_close(l->env);
	free(l);
}

static void *thread_new(void *db)
{
	struct lm_thread *t = xcalloc(1, sizeof(*t));

	t->lm = db;
	check("begin", mdb_txn_begin(t->lm->env, NULL, MDB_RDONLY, &t->read));
	check("cursor", mdb_cursor_open(t->read, t->lm->dbi, &t->cursor));
	mdb_txn_reset(t->read);
	return t;
}

static void thread_free(void *h)
{
	struct lm_thread *t = h;

	mdb_cursor_close(t->cursor);
	mdb_txn_abort(t->read);
	free(t);
}

static bool is_before(struct bytes a, struct bytes b)
{
	int c = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return c < 0 || (c == 0 && a.size < b.size);
}

/* What comes in order is appended, as its users would who know that it does. */
static void put_one(struct lm_thread *t, MDB_txn *txn, struct bytes key, struct bytes value)
{
	enum { IN_ORDER = 8 };
	MDB_val k = val(key), v = val(value);
	int rc = MDB_KEYEXIST;

	t->ascending = t->ascending != 0 && is_before(t->last, key) ? t->ascending + 1 : 1;
	if (t->ascending > IN_ORDER)
		rc = mdb_put(txn, t->lm->dbi, &k, &v, MDB_APPEND);
	if (rc == MDB_KEYEXIST) { /* it is not the last one of the store */
		t->ascending = 1;
		rc = mdb_put(txn, t->lm->dbi, &k, &v, 0);
	}
	check("put", rc);
	t->last = key;
}

static void batch(void *h, size_t n, const struct bytes *key, const struct bytes *value)
{
	struct lm_thread *t = h;
	MDB_txn *txn;

	check("begin", mdb_txn_begin(t->lm->env, NULL, 0, &txn));
	for (size_t i = 0; i < n; i++)
		put_one(t, txn, key[i], value[i]);
	check("commit", mdb_txn_commit(txn));
}

static void put(void *h, struct bytes key, struct bytes value)
{
	batch(h, 1, &key, &value);
}

static void remove_key(void *h, struct bytes key)
{
	struct lm_thread *t = h;
	MDB_val k = val(key);
	MDB_txn *txn;

	check("begin", mdb_txn_begin(t->lm->env, NULL, 0, &txn));
	check("delete", mdb_del(txn, t->lm->dbi, &k, NULL));
	check("commit", mdb_txn_commit(txn));
}

static void remove_range(void *h, struct bytes lo, struct bytes hi)
{
	struct lm_thread *t = h;
	MDB_val k = val(lo), end = val(hi), v;
	MDB_cursor *cursor;
	MDB_txn *txn;
	int rc;

	check("begin", mdb_txn_begin(t->lm->env, NULL, 0, &txn));
	check("cursor", mdb_cursor_open(txn, t->lm->dbi, &cursor));
	for (rc = check("seek", mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
	     rc == 0 && mdb_cmp(txn, t->lm->dbi, &k, &end) < 0;
	     rc = check("next", mdb_cursor_get(cursor, &k, &v, MDB_NEXT)))
		check("delete", mdb_cursor_del(cursor, 0));
	mdb_cursor_close(cursor);
	check("commit", mdb_txn_commit(txn));
}

static bool get(void *h, struct bytes key, struct found *out)
{
	struct lm_thread *t = h;
	MDB_val k = val(key), v;

	check("renew", mdb_txn_renew(t->read));
	if (check("get", mdb_get(t->read, t->lm->dbi, &k, &v)) != 0) {
		mdb_txn_reset(t->read);
		return false;
	}
	out->data = v.mv_data;
	out->size = v.mv_size;
	return true;
}

static void release(void *h, struct found *f)
{
	struct lm_thread *t = h;

	(void)f;
	mdb_txn_reset(t->read);
}

static void *iter_new(void *h)
{
	struct lm_thread *t = h;

	check("renew", mdb_txn_renew(t->read));
	check("renew", mdb_cursor_renew(t->read, t->cursor));
	return t;
}

static void iter_free(void *it)
{
	struct lm_thread *t = it;

	mdb_txn_reset(t->read);
}

static bool move(struct lm_thread *t, MDB_cursor_op op)
{
	return check("iterate", mdb_cursor_get(t->cursor, &t->key, &t->value, op)) == 0;
}

static bool iter_first(void *it)
{
	return move(it, MDB_FIRST);
}

static bool iter_last(void *it)
{
	return move(it, MDB_LAST);
}

static bool iter_seek(void *it, struct bytes key)
{
	struct lm_thread *t = it;

	t->key = val(key);
	return move(t, MDB_SET_RANGE);
}

static bool iter_next(void *it)
{
	return move(it, MDB_NEXT);
}

static bool iter_prev(void *it)
{
	return move(it, MDB_PREV);
}

static struct bytes iter_key(void *it)
{
	struct lm_thread *t = it;

	return (struct bytes){ t->key.mv_data, t->key.mv_size };
}

static struct bytes iter_value(void *it)
{
	struct lm_thread *t = it;

	return (struct bytes){ t->value.mv_data, t->value.mv_size };
}

/* Nothing is put off, but what the kernel writes, as for all. */
static uint64_t settle(void *db, const struct engine_options *o)
{
	(void)db;
	(void)o;
	return 0;
}

const struct engine engine_lmdb = {
	.name = "lmdb",
	ENGINE_CALLS,
	.thread_new = thread_new,
	.thread_free = thread_free,
};
