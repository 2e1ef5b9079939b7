/*
 * WiredTiger: a B-tree table, a session and a cursor for each thread. A put is a
 * transaction that commits by itself.
 *
 * SURVIVES_KILL needs transaction_sync with method=none: each commit hands its
 * log record to the kernel. Without transaction_sync records stay in the process
 * for a while, and die with it.
 */
#include "../engine.h"
#include "../meter.h"

#include <stdlib.h>
#include <string.h>
#include <wiredtiger.h>

struct wt_thread {
	WT_SESSION *session;
	WT_CURSOR *cursor;
};

static int check(const char *what, int rc)
{
	if (rc != 0 && rc != WT_NOTFOUND && rc != WT_ROLLBACK)
		die("wiredtiger: %s: %s", what, wiredtiger_strerror(rc));
	return rc;
}

static WT_ITEM item(struct bytes b)
{
	return (WT_ITEM){ .data = b.data, .size = b.size };
}

static void version(char *out, size_t size)
{
	int major, minor, patch;

	wiredtiger_version(&major, &minor, &patch);
	snprintf(out, size, "%d.%d.%d", major, minor, patch);
}

static void *open_store(const struct engine_options *o)
{
	static const char *const durability[] = {
		"",
		",log=(enabled),transaction_sync=(enabled,method=none)",
		",log=(enabled),transaction_sync=(enabled,method=fsync)",
	};
	char config[512] = "create,session_max=300";
	WT_CONNECTION *connection;
	WT_SESSION *session;

	strcat(config, durability[o->durability]);
	if (o->tuned)
		snprintf(config + strlen(config), sizeof(config) - strlen(config),
			 ",cache_size=%llu,eviction=(threads_max=4)%s",
			 (unsigned long long)o->memory_bytes,
			 o->durability == SURVIVES_NOTHING
				 ? ",checkpoint=(wait=60)"
				 : ",log=(prealloc,file_max=256MB),checkpoint=(log_size=2GB)");
	check("open", wiredtiger_open(o->dir, NULL, config, &connection));
	check("session", connection->open_session(connection, NULL, NULL, &session));
	check("create", session->create(session, "table:kv",
					o->tuned ? "key_format=u,value_format=u,type=file,"
						   "leaf_page_max=4KB,memory_page_max=10MB"
						 : "key_format=u,value_format=u"));
	check("session", session->close(session, NULL));
	return connection;
}

static void close_store(void *db)
{
	WT_CONNECTION *connection = db;

	check("close", connection->close(connection, NULL));
}

static void *thread_new(void *db)
{
	WT_CONNECTION *connection = db;
	struct wt_thread *t = xcalloc(1, sizeof(*t));

	check("session", connection->open_session(connection, NULL, NULL, &t->session));
	check("cursor", t->session->open_cursor(t->session, "table:kv", NULL, NULL, &t->cursor));
	return t;
}

static void thread_free(void *h)
{
	struct wt_thread *t = h;

	check("session", t->session->close(t->session, NULL));
	free(t);
}

static int insert(struct wt_thread *t, struct bytes key, struct bytes value)
{
	WT_ITEM k = item(key), v = item(value);

	t->cursor->set_key(t->cursor, &k);
	t->cursor->set_value(t->cursor, &v);
	return check("insert", t->cursor->insert(t->cursor));
}

/* A conflict with another thread is tried again. */
static void put(void *h, struct bytes key, struct bytes value)
{
	while (insert(h, key, value) == WT_ROLLBACK)
		;
}

static void remove_key(void *h, struct bytes key)
{
	struct wt_thread *t = h;
	WT_ITEM k = item(key);

	do
		t->cursor->set_key(t->cursor, &k);
	while (check("remove", t->cursor->remove(t->cursor)) == WT_ROLLBACK);
}

static void remove_range(void *h, struct bytes lo, struct bytes hi)
{
	struct wt_thread *t = h;
	WT_SESSION *s = t->session;
	WT_CURSOR *start, *stop;
	WT_ITEM from = item(lo), to = item(hi);
	int exact, rc;

	check("cursor", s->open_cursor(s, "table:kv", NULL, NULL, &start));
	check("cursor", s->open_cursor(s, "table:kv", NULL, NULL, &stop));
	start->set_key(start, &from);
	stop->set_key(stop, &to);
	rc = check("seek", start->search_near(start, &exact));
	if (rc == 0 && exact < 0)
		rc = check("seek", start->next(start));
	if (rc == 0)
		rc = check("seek", stop->search_near(stop, &exact));
	/* The end is not deleted: stop on the last key before it. */
	if (rc == 0 && exact >= 0)
		rc = check("seek", stop->prev(stop));
	if (rc == 0 && check("compare", start->compare(start, stop, &exact)) == 0 && exact <= 0)
		check("truncate", s->truncate(s, NULL, start, stop, NULL));
	check("cursor", start->close(start));
	check("cursor", stop->close(stop));
}

static void batch(void *h, size_t n, const struct bytes *key, const struct bytes *value)
{
	struct wt_thread *t = h;
	int rc;

	do {
		check("begin", t->session->begin_transaction(t->session, NULL));
		rc = 0;
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = insert(t, key[i], value[i]);
		if (rc != 0)
			check("rollback", t->session->rollback_transaction(t->session, NULL));
		else
			rc = check("commit", t->session->commit_transaction(t->session, NULL));
	} while (rc == WT_ROLLBACK);
}

static bool get(void *h, struct bytes key, struct found *out)
{
	struct wt_thread *t = h;
	WT_ITEM k = item(key), v;

	t->cursor->set_key(t->cursor, &k);
	if (check("search", t->cursor->search(t->cursor)) != 0)
		return false;
	check("value", t->cursor->get_value(t->cursor, &v));
	out->data = v.data;
	out->size = v.size;
	return true;
}

static void release(void *h, struct found *f)
{
	struct wt_thread *t = h;

	(void)f;
	check("reset", t->cursor->reset(t->cursor));
}

static void *iter_new(void *h)
{
	return h;
}

static void iter_free(void *it)
{
	release(it, NULL);
}

static bool iter_next(void *it)
{
	struct wt_thread *t = it;

	return check("next", t->cursor->next(t->cursor)) == 0;
}

static bool iter_prev(void *it)
{
	struct wt_thread *t = it;

	return check("prev", t->cursor->prev(t->cursor)) == 0;
}

/* A cursor that was reset begins at either end. */
static bool iter_first(void *it)
{
	return iter_next(it);
}

static bool iter_last(void *it)
{
	return iter_prev(it);
}

static bool iter_seek(void *it, struct bytes key)
{
	struct wt_thread *t = it;
	WT_ITEM k = item(key);
	int exact;

	t->cursor->set_key(t->cursor, &k);
	if (check("seek", t->cursor->search_near(t->cursor, &exact)) != 0)
		return false;
	return exact >= 0 || iter_next(it);
}

static struct bytes iter_key(void *it)
{
	struct wt_thread *t = it;
	WT_ITEM k;

	check("key", t->cursor->get_key(t->cursor, &k));
	return (struct bytes){ k.data, k.size };
}

static struct bytes iter_value(void *it)
{
	struct wt_thread *t = it;
	WT_ITEM v;

	check("value", t->cursor->get_value(t->cursor, &v));
	return (struct bytes){ v.data, v.size };
}

/*
 * The dirty pages of its cache are written, so that the bytes to the device are all; it
 * does not have to wait for that, as others keep what is in their memtables.
 */
static uint64_t settle(void *db, const struct engine_options *o)
{
	struct wt_thread *t = thread_new(db);
	uint64_t start = now_ns();

	(void)o;
	check("checkpoint", t->session->checkpoint(t->session, NULL));
	thread_free(t);
	return now_ns() - start;
}

const struct engine engine_wiredtiger = {
	.name = "wiredtiger",
	ENGINE_CALLS,
	.thread_new = thread_new,
	.thread_free = thread_free,
};
