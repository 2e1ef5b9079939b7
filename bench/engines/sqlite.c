/*
 * SQLite: a table without row numbers, keyed by a blob; a connection with its
 * prepared statements for each thread. A put is a transaction by itself.
 *
 * Tuned: a write-ahead log. As it comes: the rollback journal. In either, all
 * writes are handed to the kernel at a commit, so that only `synchronous` decides
 * about the loss of power; SURVIVES_NOTHING has no journal at all.
 */
#include "../engine.h"

#include <sqlite3.h>
#include <stdlib.h>

enum statement { PUT, GET, REMOVE, REMOVE_RANGE, ASCEND, DESCEND, FROM, BEGIN, COMMIT, STATEMENTS };

static const char *const text[STATEMENTS] = {
	[PUT] = "INSERT OR REPLACE INTO kv VALUES (?1, ?2)",
	[GET] = "SELECT v FROM kv WHERE k = ?1",
	[REMOVE] = "DELETE FROM kv WHERE k = ?1",
	[REMOVE_RANGE] = "DELETE FROM kv WHERE k >= ?1 AND k < ?2",
	[ASCEND] = "SELECT k, v FROM kv ORDER BY k",
	[DESCEND] = "SELECT k, v FROM kv ORDER BY k DESC",
	[FROM] = "SELECT k, v FROM kv WHERE k >= ?1 ORDER BY k",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
};

struct lite {
	struct engine_options o;
	char path[4096];
};

struct lite_thread {
	sqlite3 *db;
	sqlite3_stmt *statement[STATEMENTS];
	sqlite3_stmt *cursor; /* the statement that iterates */
};

static int check(struct lite_thread *t, const char *what, int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		die("sqlite: %s: %s", what, sqlite3_errmsg(t->db));
	return rc;
}

static void run(struct lite_thread *t, const char *sql)
{
	check(t, sql, sqlite3_exec(t->db, sql, NULL, NULL, NULL));
}

static void version(char *out, size_t size)
{
	snprintf(out, size, "%s", sqlite3_libversion());
}

static void thread_free(void *h)
{
	struct lite_thread *t = h;

	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(t->statement[i]);
	check(t, "close", sqlite3_close(t->db));
	free(t);
}

static void *thread_new(void *db)
{
	struct lite *l = db;
	struct lite_thread *t = xcalloc(1, sizeof(*t));
	char sql[128];

	check(t, "open",
	      sqlite3_open_v2(l->path, &t->db,
			      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			      NULL));
	check(t, "timeout", sqlite3_busy_timeout(t->db, 600000));
	if (l->o.tuned) {
		/* One of its caches a connection; all see the same mapped file. */
		snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%llu",
			 ((unsigned long long)l->o.memory_bytes >> 10) / l->o.threads);
		run(t, sql);
		run(t, "PRAGMA mmap_size = 1099511627776");
		run(t, "PRAGMA wal_autocheckpoint = 16384");
	}
	if (l->o.durability == SURVIVES_NOTHING)
		run(t, "PRAGMA journal_mode = OFF");
	else if (l->o.tuned)
		run(t, "PRAGMA journal_mode = WAL");
	run(t, l->o.durability == SURVIVES_POWER ? "PRAGMA synchronous = FULL"
						 : "PRAGMA synchronous = OFF");
	run(t, "CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
	for (int i = 0; i < STATEMENTS; i++)
		check(t, text[i],
		      sqlite3_prepare_v3(t->db, text[i], -1, SQLITE_PREPARE_PERSISTENT,
					 &t->statement[i], NULL));
	return t;
}

static void *open_store(const struct engine_options *o)
{
	struct lite *l = xcalloc(1, sizeof(*l));

	l->o = *o;
	snprintf(l->path, sizeof(l->path), "%s/kv.sqlite", o->dir);
	thread_free(thread_new(l));
	return l;
}

static void close_store(void *db)
{
	free(db);
}

static sqlite3_stmt *bind(struct lite_thread *t, enum statement which, int n, struct bytes a,
			  struct bytes b)
{
	sqlite3_stmt *s = t->statement[which];

	if (n > 0)
		check(t, "bind", sqlite3_bind_blob(s, 1, a.data, (int)a.size, SQLITE_STATIC));
	if (n > 1)
		check(t, "bind", sqlite3_bind_blob(s, 2, b.data, (int)b.size, SQLITE_STATIC));
	return s;
}

/* Run a statement that returns no rows. */
static void finish(struct lite_thread *t, sqlite3_stmt *s)
{
	while (check(t, "step", sqlite3_step(s)) == SQLITE_ROW)
		;
	sqlite3_reset(s);
}

static const struct bytes none;

static void put(void *h, struct bytes key, struct bytes value)
{
	finish(h, bind(h, PUT, 2, key, value));
}

static void remove_key(void *h, struct bytes key)
{
	finish(h, bind(h, REMOVE, 1, key, none));
}

static void remove_range(void *h, struct bytes lo, struct bytes hi)
{
	finish(h, bind(h, REMOVE_RANGE, 2, lo, hi));
}

static void batch(void *h, size_t n, const struct bytes *key, const struct bytes *value)
{
	finish(h, bind(h, BEGIN, 0, none, none));
	for (size_t i = 0; i < n; i++)
		put(h, key[i], value[i]);
	finish(h, bind(h, COMMIT, 0, none, none));
}

static bool get(void *h, struct bytes key, struct found *out)
{
	struct lite_thread *t = h;
	sqlite3_stmt *s = bind(t, GET, 1, key, none);

	if (check(t, "get", sqlite3_step(s)) != SQLITE_ROW) {
		sqlite3_reset(s);
		return false;
	}
	out->data = sqlite3_column_blob(s, 0);
	out->size = (size_t)sqlite3_column_bytes(s, 0);
	return true;
}

static void release(void *h, struct found *f)
{
	struct lite_thread *t = h;

	(void)f;
	sqlite3_reset(t->statement[GET]);
}

static void *iter_new(void *h)
{
	return h;
}

static void iter_free(void *it)
{
	struct lite_thread *t = it;

	sqlite3_reset(t->cursor);
}

static bool iter_next(void *it)
{
	struct lite_thread *t = it;

	return check(t, "iterate", sqlite3_step(t->cursor)) == SQLITE_ROW;
}

/* Its direction is that of the statement. */
static bool iter_prev(void *it)
{
	return iter_next(it);
}

static bool start(struct lite_thread *t, sqlite3_stmt *s)
{
	t->cursor = s;
	return iter_next(t);
}

static bool iter_first(void *it)
{
	return start(it, bind(it, ASCEND, 0, none, none));
}

static bool iter_last(void *it)
{
	return start(it, bind(it, DESCEND, 0, none, none));
}

static bool iter_seek(void *it, struct bytes key)
{
	return start(it, bind(it, FROM, 1, key, none));
}

static struct bytes column(struct lite_thread *t, int i)
{
	struct bytes b;

	b.data = sqlite3_column_blob(t->cursor, i);
	b.size = (size_t)sqlite3_column_bytes(t->cursor, i);
	return b;
}

static struct bytes iter_key(void *it)
{
	return column(it, 0);
}

static struct bytes iter_value(void *it)
{
	return column(it, 1);
}

/* What it owes is what the log holds. */
static uint64_t settle(void *db, const struct engine_options *o)
{
	struct lite_thread *t = thread_new(db);

	if (o->tuned && o->durability != SURVIVES_NOTHING)
		run(t, "PRAGMA wal_checkpoint(TRUNCATE)");
	thread_free(t);
	return 0;
}

const struct engine engine_sqlite = {
	.name = "sqlite",
	ENGINE_CALLS,
	.thread_new = thread_new,
	.thread_free = thread_free,
};
