/* From a directory to a handle. */
#include "db/db.h"

#include <errno.h>

enum {
	READ_TRIES = 100, /* each finds that the owner got on */
	PEEK_MEMORY = 1 << 20,
};

/* "file:" names the local store, the only kind so far; another scheme is refused. */
static shale_status local_path(const char *path, const char **out)
{
	const char *colon;

	if (path == NULL || path[0] == '\0')
		return err_new(SHALE_INVALID, "the path of the store is empty");
	if (strncmp(path, "file:", 5) == 0) {
		*out = path + 5;
		return (*out)[0] != '\0' ? SHALE_OK
					 : err_new(SHALE_INVALID, "the path of the store is empty");
	}
	colon = strstr(path, "://");
	if (colon != NULL)
		return err_new(SHALE_UNSUPPORTED,
			       "stores of kind '%.*s' are not supported; give a path or file:PATH",
			       (int)(colon - path), path);
	*out = path;
	return SHALE_OK;
}

/* A word that reads zero in a child of fork(), where the machine can tell. */
static const uint32_t *alive_word(const shale_env *env)
{
	static const uint32_t always = 1;
	const uint32_t *word = NULL;

	if (env->executor.ops->alive != NULL)
		word = env->executor.ops->alive(env->executor.self);
	return word != NULL ? word : &always;
}

static void init(shale_db *db)
{
	const shale_env *env = db->env;

	mutex_init(&db->commit_mu, env, RANK_COMMIT);
	mutex_init(&db->log_mu, env, RANK_LOG_PREPARE);
	mutex_init(&db->install_mu, env, RANK_INSTALL);
	mutex_init(&db->mu, env, RANK_DB);
	mutex_init(&db->snapshots_mu, env, RANK_SNAPSHOTS);
	mutex_init(&db->garbage_mu, env, RANK_LEAF);
	cond_init(&db->changed);
	history_init(&db->history, env);
	epoch_init(&db->readers, env);
	pace_open(db);
	db->snapshots.prev = db->snapshots.next = &db->snapshots;
	holders_init(db);
	codec_pool_init(&db->codecs);
	db->budget.total = db->options.memory_budget;
	atomic_init(&db->disk_holds, UINT64_MAX);
	db->alive = alive_word(env);
}

static shale_status make_cache(shale_db *db)
{
	shale_status rc = cache_new(db->pages.under, memory_cache_most(db), 4096 + 512, &db->budget,
				    &db->cache);

	if (rc < 0)
		return rc;
	db->ring = mem_aligned(db->env, 64, RING_SIZE * sizeof(*db->ring));
	if (db->ring == NULL)
		return err_memory("the commit ring");
	memset(db->ring, 0, RING_SIZE * sizeof(*db->ring));
	memory_watch(db);
	memory_fit(db);
	db->table_env = (struct table_env){ .env = db->env,
					    .store = db->store,
					    .cache = db->cache,
					    .budget = &db->budget,
					    .stats = &db->stats,
					    .codecs = &db->codecs };
	return SHALE_OK;
}

static shale_status start(shale_db *db)
{
	struct wal *wal;
	shale_status rc = wal_new(db, (db->recovered.end_lsn + 7) & ~UINT64_C(7), &wal);

	if (rc < 0)
		return rc;
	atomic_store(&db->wal, wal);
	db->crew.turns.unit = db->options.memtable_bytes;
	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++)
		stall_update(db, db->families[i]);
	mutex_unlock(&db->mu);
	rc = scheduler_start(db->env, db->options.background_threads, db->options.background_nice,
			     background_step, db, &db->scheduler);
	if (rc >= 0) /* without a log, too: a single write may ask for one, which may fail */
		rc = scheduler_start(db->env, 1, 0, background_log_step, db, &db->keeper);
	if (rc >= 0)
		memory_ask(db);
	return rc;
}

/* Owning a store takes some bytes, and what its log holds goes to tables. */
static shale_status no_room_to_open(const shale_options *o)
{
	shale_error why = *err_last();

	if (o->read_only)
		return SHALE_NO_SPACE;
	err_at(SHALE_NO_SPACE, why.object, why.offset,
	       "there is no room to open the store for writing; with read_only it can be read: %s",
	       why.text);
	err_last()->sys_errno = why.sys_errno;
	return SHALE_NO_SPACE;
}

static shale_status open_with(const char *path, const shale_options *options, bool peek,
			      shale_db **out)
{
	const shale_env *env = options->env;
	struct store_options so = { .create = !options->error_if_missing && !options->read_only,
				    .read_only = options->read_only,
				    .direct_writes = options->direct_io != SHALE_NO_DIRECT_IO,
				    .direct_reads = options->direct_io == SHALE_DIRECT_ALL };
	shale_db *db = mem_aligned(env, 64, sizeof(*db));
	shale_status rc;

	if (db == NULL)
		return err_memory("a store");
	memset(db, 0, sizeof(*db));
	db->options = *options;
	db->peek = peek;
	memory_init(db);
	page_pool_init(&db->pages, env, db->memtables_max,
		       db->options.memory_budget >= LARGE_BLOCKS_FROM);
	db->env = &db->pages.env;
	init(db);
	rc = store_open(db->env, path, &so, &db->store);
	if (rc == SHALE_NOT_FOUND)
		rc = err_new(SHALE_NOT_FOUND, "there is no store in %s", path);
	if (rc == SHALE_OK)
		rc = make_cache(db);
	if (rc == SHALE_OK) /* tables are small on small disks */
		space_ask(db);
	if (rc == SHALE_OK)
		rc = recover(db);
	if (rc == SHALE_OK && !options->read_only)
		rc = start(db);
	if (rc == SHALE_NO_SPACE)
		rc = no_room_to_open(options);
	if (rc != SHALE_OK) {
		shale_error error = *err_last();

		db_end_threads(db);
		db_release(db);
		*err_last() = error;
		return rc;
	}
	*out = db;
	return SHALE_OK;
}

/* Whether a failure may be one of a moment, of a reader beside a writer. */
static bool may_have_moved(shale_status rc)
{
	return rc == SHALE_MISSING || rc == SHALE_CORRUPT ||
	       (rc == SHALE_IO && err_last()->sys_errno == ENOENT);
}

static bool is_same_place(const shale_error *a, const shale_error *b)
{
	return a->status == b->status && a->offset == b->offset &&
	       strcmp(a->object, b->object) == 0;
}

/*
 * Nothing keeps the owner from putting another manifest in the place of this one, or from
 * deleting, shortening or recycling a file, between two steps of this. The next try reads
 * what is there then; so what is wrong is believed when two tries find it in the same place.
 */
static shale_status open_to_read(const char *path, const shale_options *options, bool peek,
				 shale_db **out)
{
	shale_error before = { .status = SHALE_OK };
	shale_status rc = SHALE_OK;

	for (int i = 0; i < READ_TRIES; i++) {
		rc = open_with(path, options, peek, out);
		if (!may_have_moved(rc) || is_same_place(err_last(), &before))
			break;
		before = *err_last();
	}
	return rc;
}

shale_status shale_open(const char *path, const shale_options *o, shale_db **out)
{
	const shale_env *env;
	shale_options options;
	const char *local = NULL;
	shale_status rc = options_env(o, &env);

	if (rc == SHALE_OK)
		rc = options_sanitise(env, o, &options);
	options.env = env;
	if (rc == SHALE_OK)
		rc = local_path(path, &local);
	if (rc == SHALE_OK)
		rc = options.read_only ? open_to_read(local, &options, false, out)
				       : open_with(local, &options, false, out);
	if (rc != SHALE_OK)
		options_tell_error(o);
	return rc;
}

shale_status shale_peek(const char *path, const shale_options *o,
			bool (*table)(void *arg, const shale_table_info *t),
			bool (*job)(void *arg, const shale_job *j), void *arg)
{
	const shale_env *env;
	shale_options in = SHALE_OPTIONS_INIT, options;
	shale_db *db = NULL;
	const char *local = NULL;
	shale_status rc = options_env(o, &env);

	in.env = env;
	in.read_only = in.error_if_missing = true;
	in.memory_budget = PEEK_MEMORY;
	in.memtable_bytes = PEEK_MEMORY / 16;
	if (rc == SHALE_OK)
		rc = options_sanitise(env, &in, &options);
	options.env = env;
	if (rc == SHALE_OK)
		rc = local_path(path, &local);
	if (rc == SHALE_OK)
		rc = open_to_read(local, &options, true, &db);
	if (rc == SHALE_OK && table != NULL)
		rc = shale_tables(db, table, arg);
	if (rc == SHALE_OK && job != NULL)
		rc = shale_compactions(db, job, arg);
	if (rc == SHALE_OK)
		return shale_close(db);
	if (db != NULL)
		db_release(db);
	return rc;
}

shale_status shale_destroy(const char *path, const shale_options *o)
{
	const shale_env *env;
	const char *local = NULL;
	shale_status rc = options_env(o, &env);

	if (rc == SHALE_OK)
		rc = local_path(path, &local);
	return rc < 0 ? rc : store_destroy(env, local);
}
