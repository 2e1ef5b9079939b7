/*
 * Flush: a sealed memtable becomes a run of the top level. Memtables are built
 * into tables in parallel, but installed oldest first, so that the stack stays
 * in order and "flushed up to sequence s" means all of it.
 */
#include "db/work.h"

static bool never_bottom_key(void *arg, shale_slice key)
{
	(void)arg;
	(void)key;
	return false;
}

static bool never_bottom_range(void *arg, shale_slice lo, shale_slice hi)
{
	(void)arg;
	(void)lo;
	(void)hi;
	return false;
}

static void begin(shale_db *db, struct mem *m)
{
	m->history.info = (shale_job){
		.kind = SHALE_JOB_FLUSH, .reason = m->why, .cf_id = m->cf->id, .bytes_in = m->bytes
	};
	m->history.expected_entries = memtable_count(m->table);
	history_begin(&db->history, &m->history);
}

/*
 * What readers did while the memtable filled. If gets have found so much in memtables that on
 * average each block of its tables would have been asked for several times, these are hot. Of
 * several families it is a guess which of them readers meant. Nobody will read what a close flushes.
 */
static bool is_hot(const shale_db *db, const struct mem *m, uint64_t blocks)
{
	enum { SEVERAL = 4 };
	uint64_t hits = stats_sum(&db->stats, STAT_MEMTABLE_HITS) - m->hits_before;

	return hits / SEVERAL > blocks && !scheduler_stopping(db->scheduler);
}

/*
 * If readers have asked for hardly anything meanwhile, merges until the next flush carry nothing
 * on in the cache: there memory and time are better left to who writes.
 */
static bool is_read(const shale_db *db, const struct mem *m, uint64_t blocks)
{
	enum { BLOCKS_A_READ = 64 };

	return (stats_reads(&db->stats) - m->reads_before) * BLOCKS_A_READ > blocks;
}

/* Memtable to tables; the result is in m->result. */
static shale_status build(shale_db *db, struct mem *m)
{
	shale_slice none = slice_from(NULL, 0);
	struct rangedel *list = NULL;
	struct rangedel_set *ranges = NULL;
	size_t count = 0, capacity = 0, snapshot_count = 0;
	uint64_t *snapshots = NULL;
	struct policy_options policy;
	struct version *base;
	uint64_t blocks;
	shale_status rc;

	begin(db, m);
	mutex_lock(&db->mu);
	policy = m->cf->policy;
	base = version_ref(m->cf->version);
	mutex_unlock(&db->mu);
	m->result = (struct job){
		.te = &db->table_env,
		.build = work_build_options(db, m->cf, 0),
		.table_bytes = policy.table_bytes,
		.new_number = work_new_number,
		.arg = db,
		.progress = &m->history.progress,
		.keep = { .now_ms = env_wall_ms(db->env),
			  .bottom_key = never_bottom_key,
			  .bottom_range = never_bottom_range,
			  .deadline = policy.delete_within_ms != 0 },
	};
	blocks = m->bytes / m->result.build.block_bytes;
	atomic_store_explicit(&db->is_read, is_read(db, m, blocks), memory_order_relaxed);
	rc = memtable_ranges(m->table, SEQ_MAX, none, none, &list, &count, &capacity);
	if (rc >= 0)
		rc = snapshots_list(db, &snapshots, &snapshot_count);
	if (rc >= 0 && count != 0)
		rc = rangedel_build_newest(db->env, list, count, snapshots, snapshot_count,
					   &ranges);
	if (rc >= 0)
		rc = memtable_iter_new(m->table, SEQ_MAX, false, &m->result.source);
	if (rc >= 0) {
		m->result.source->hot = is_hot(db, m, blocks);
		m->result.ranges = ranges;
		m->result.older = work_older(db, &policy, base);
		m->result.expected_entries = memtable_count(m->table) - count;
		m->result.keep.snapshots = snapshots;
		m->result.keep.snapshot_count = snapshot_count;
		rc = job_run(&m->result);
		m->result.ranges = NULL;
		m->result.older = NULL;
	}
	if (rc < 0)
		history_end(&db->history, &m->history, rc, false);
	version_unref(base);
	mem_free(db->env, snapshots);
	rangedel_free(ranges);
	mem_free(db->env, list);
	return rc;
}

static shale_status install_mem(shale_db *db, struct mem *m)
{
	struct install in = {
		.cf = m->cf,
		.job = &m->result,
		.level = 0,
		.run = atomic_fetch_add(&db->next_run, 1),
		.flushed = m,
		.history = &m->history,
	};
	shale_status rc;

	if (!m->history.running) /* it is tried again */
		begin(db, m);
	history_result(&db->history, &m->history, &m->result);
	rc = install_run(db, &in);
	history_end(&db->history, &m->history, rc, false);
	if (rc >= 0)
		m->installed = true;
	return rc;
}

/*
 * With several families the log must be durable up to what a flush makes durable:
 * otherwise a power cut could keep this family's part of a batch and lose another's.
 */
static void sync_log(shale_db *db)
{
	struct wal *wal = atomic_load(&db->wal);
	size_t families;

	mutex_lock(&db->mu);
	families = db->family_count;
	mutex_unlock(&db->mu);
	if (wal == NULL || families < 2 || db->options.durability == SHALE_EPHEMERAL ||
	    wal_has_failed(wal))
		return;
	/*
	 * A log that failed cannot be synced; then the tables are what saves the data. They come
	 * family by family, and shale_write() tells what that means for batches.
	 */
	if (wal_sync(wal, wal_completed_lsn(wal)) < 0)
		db_log_failed(db, wal);
}

/* Install what is built, from the oldest on. */
static shale_status install_built(shale_db *db, shale_cf *cf)
{
	shale_status rc = SHALE_OK;

	mutex_lock(&db->install_mu);
	while (rc >= 0 && !atomic_load(&cf->dropped)) {
		struct mem *m;

		mutex_lock(&db->mu);
		m = cf->oldest;
		if (m != NULL && !m->built)
			m = NULL;
		mutex_unlock(&db->mu);
		if (m == NULL)
			break;
		rc = install_mem(db, m);
		if (rc >= 0)
			mem_discard(m);
	}
	mutex_unlock(&db->install_mu);
	return rc;
}

/* The oldest memtable of a family that can be built: not taken, all its commits published. */
static struct mem *flushable(const shale_db *db, const shale_cf *cf)
{
	struct mem *m = cf->oldest;

	while (m != NULL && m->flushing)
		m = m->newer;
	return m != NULL && atomic_load(&db->published) >= m->seal_ticket ? m : NULL;
}

/*
 * Of what can be built, or is built but could not be installed, what was sealed first: so
 * no family waits for those that seal more, and log is freed from its old end. Takes a
 * reference of its family. With *built, whoever installs next may discard it at any time.
 */
static struct mem *take(shale_db *db, shale_cf **cf_out, bool *built)
{
	struct mem *found = NULL;

	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		struct mem *m = flushable(db, db->families[i]);

		if (m != NULL && (found == NULL || m->seal_ticket < found->seal_ticket))
			found = m;
	}
	if (found != NULL) {
		found->flushing = true;
		db->flushing++;
		*cf_out = family_ref(found->cf);
		*built = found->built;
	}
	mutex_unlock(&db->mu);
	return found;
}

void flush_kick(shale_db *db)
{
	scheduler_kick(db->scheduler);
	if (atomic_load(&db->crew.busy) < db->options.background_threads)
		return;
	/* All who might flush may be in merges that wait (merge_yield.c). */
	cond_broadcast(&db->rate.changed, db->env);
	cond_broadcast(&db->changed, db->env);
}

/* Memtable to tables that are ready to be installed; from then on m may be gone. */
static shale_status build_taken(shale_db *db, struct mem *m)
{
	shale_status rc = build(db, m);

	/* Before it is called built: whoever installs takes along all that is. */
	if (rc >= 0)
		sync_log(db);
	mutex_lock(&db->mu);
	if (rc >= 0)
		m->built = true;
	else
		m->flushing = false; /* up for another try */
	mutex_unlock(&db->mu);
	return rc;
}

bool flush_some(shale_db *db)
{
	shale_cf *cf = NULL;
	bool built = false;
	struct mem *m = take(db, &cf, &built);
	shale_status rc = SHALE_OK;

	if (m == NULL)
		return false;
	if (!built)
		rc = build_taken(db, m);
	if (rc >= 0)
		rc = install_built(db, cf);
	mutex_lock(&db->mu);
	db->flushing--;
	if (rc >= 0) {
		work_succeeded(db);
	} else {
		/*
		 * What is built and not installed is up for another try, whoever took it: who
		 * finds it built only installs, one at a time.
		 */
		for (struct mem *left = cf->oldest; left != NULL; left = left->newer)
			if (left->built)
				left->flushing = false;
	}
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	if (rc < 0)
		db_soft_failure(db, rc);
	scheduler_kick(db->scheduler);
	family_unref(cf);
	return rc >= 0;
}

shale_status flush_mem(shale_db *db, struct mem *m)
{
	shale_cf *cf = m->cf;
	shale_status rc = build(db, m);

	if (rc < 0)
		return rc;
	m->built = true;
	return install_built(db, cf);
}
