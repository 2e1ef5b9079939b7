/*
 * Column families: named key spaces with memtables and tables of their own, over
 * one log. The table of families is kept in order of id; ids are never reused.
 */
#include "db/gaps.h"
#include "db/scout.h"

struct mem *mem_new(shale_cf *cf)
{
	struct mem *m = mem_zalloc(cf->db->env, sizeof(*m));

	if (m == NULL || memtable_new(cf->db->env, &m->table) < 0) {
		mem_free(cf->db->env, m);
		(void)err_memory("a memtable");
		return NULL;
	}
	m->cf = cf;
	m->deletes_next = DELETED_MANY;
	m->reads_before = stats_reads(&cf->db->stats);
	m->hits_before = stats_sum(&cf->db->stats, STAT_MEMTABLE_HITS);
	return m;
}

void mem_discard(struct mem *m)
{
	if (m == NULL)
		return;
	history_end(&m->cf->db->history, &m->history, JOB_CANCELLED, true);
	/* Outputs nobody refers to go, unless a failed append may have named them. */
	if (m->built)
		job_fini(&m->result, !m->installed && !m->cf->db->manifest_failed);
	memtable_unref(m->table);
	mem_free(m->cf->db->env, m);
}

void family_set_policy(shale_cf *cf)
{
	shale_db *db = cf->db;

	cf->policy = policy_options_of(&cf->options.compaction, db->options.memtable_bytes);
	/* A merge needs room for the tables that it writes. */
	if (cf->policy.table_bytes > space_table_bytes(db))
		cf->policy.table_bytes = space_table_bytes(db);
	adapt_begin(&cf->adapt, &cf->policy);
}

shale_status family_new(shale_db *db, uint32_t id, const char *name, const shale_cf_options *o,
			shale_cf **out)
{
	shale_cf *cf = mem_zalloc(db->env, sizeof(*cf));
	struct view *v;
	shale_status rc;

	if (cf == NULL)
		return err_memory("a column family");
	cf->db = db;
	atomic_init(&cf->refs, 1);
	cf->id = id;
	memcpy(cf->name, name, strlen(name) + 1);
	cf->options = *o;
	family_set_policy(cf);
	rc = version_new_empty(db->env, &cf->version);
	if (rc < 0)
		goto out;
	cf->active = mem_new(cf);
	v = cf->active != NULL ? view_alloc(db) : NULL;
	if (v == NULL) {
		rc = SHALE_NO_MEMORY;
		goto out;
	}
	mutex_lock(&db->mu);
	view_publish(cf, v);
	mutex_unlock(&db->mu);
	*out = cf;
	cf = NULL; /* moved */
out:
	family_unref(cf);
	return rc;
}

shale_cf *family_ref(shale_cf *cf)
{
	atomic_fetch_add_explicit(&cf->refs, 1, memory_order_relaxed);
	return cf;
}

void family_unref(shale_cf *cf)
{
	if (cf == NULL || atomic_fetch_sub_explicit(&cf->refs, 1, memory_order_acq_rel) != 1)
		return;
	view_unref(atomic_load(&cf->view));
	mem_discard(cf->active);
	while (cf->oldest != NULL) {
		struct mem *m = cf->oldest;

		cf->oldest = m->newer;
		mem_discard(m);
	}
	version_unref(cf->version);
	gaps_free(cf);
	scout_free(cf);
	mem_free(cf->db->env, cf);
}

shale_status families_reserve(shale_db *db)
{
	size_t capacity = db->family_capacity != 0 ? 2 * db->family_capacity : 4;
	shale_cf **more;

	if (db->family_count < db->family_capacity)
		return SHALE_OK;
	more = mem_realloc(db->env, db->families, capacity * sizeof(*more));
	if (more == NULL)
		return err_memory("the column families");
	db->families = more;
	db->family_capacity = capacity;
	return SHALE_OK;
}

/* How large tables may be is what the reserve goes by (space.c). Under mu. */
static void look_at_tables(shale_db *db)
{
	uint64_t most = 0;

	for (size_t i = 0; i < db->family_count; i++)
		if (db->families[i]->policy.table_bytes > most)
			most = db->families[i]->policy.table_bytes;
	atomic_store_explicit(&db->table_most, most, memory_order_relaxed); /* a figure */
}

void families_add(shale_db *db, shale_cf *cf)
{
	db->families[db->family_count++] = cf;
	look_at_tables(db);
}

shale_cf *families_find(shale_db *db, uint32_t id)
{
	size_t lo = 0, hi = db->family_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (db->families[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < db->family_count && db->families[lo]->id == id ? db->families[lo] : NULL;
}

/* Under mu. */
static shale_cf *find_by_name(shale_db *db, const char *name)
{
	for (size_t i = 0; i < db->family_count; i++)
		if (strcmp(db->families[i]->name, name) == 0)
			return db->families[i];
	return NULL;
}

static shale_status check_name(const char *name)
{
	size_t n = name != NULL ? strlen(name) : 0;

	if (n == 0 || n > SHALE_CF_NAME_MAX)
		return err_new(SHALE_INVALID,
			       "the name of a column family has 1 to %u bytes, this one %zu",
			       SHALE_CF_NAME_MAX, n);
	return SHALE_OK;
}

static shale_status write_create(shale_db *db, uint32_t id, const char *name,
				 const shale_cf_options *o)
{
	struct edit_field next = { .tag = EDIT_NEXT_CF, .cf = id + 1 };
	struct edit_field create = {
		.tag = EDIT_CF_CREATE, .cf = id, .name = shale_str(name), .options = *o
	};
	struct buf payload;
	shale_status rc;

	buf_init(&payload, db->env);
	edit_field_encode(&payload, &next);
	edit_field_encode(&payload, &create);
	rc = install_edit(db, &payload);
	buf_fini(&payload);
	return rc;
}

shale_status shale_cf_create(shale_db *db, const char *name, const shale_cf_options *o,
			     shale_cf **out)
{
	shale_cf_options options;
	shale_cf *cf = NULL;
	shale_status rc = db_enter(db);

	if (rc >= 0)
		rc = check_name(name);
	if (rc >= 0)
		rc = cf_options_sanitise(o, &options);
	if (rc >= 0 && db->options.read_only)
		rc = err_new(SHALE_READ_ONLY, "the store was opened read-only");
	if (rc < 0)
		return rc;

	mutex_lock(&db->install_mu);
	mutex_lock(&db->commit_mu);
	mutex_lock(&db->mu);
	if (find_by_name(db, name) != NULL)
		rc = err_new(SHALE_EXISTS, "there is a column family '%s' already", name);
	else if (db->next_cf == UINT32_MAX)
		rc = err_new(SHALE_TOO_LARGE, "the ids of column families are used up");
	else
		rc = families_reserve(db);
	mutex_unlock(&db->mu);
	mutex_unlock(&db->commit_mu);
	if (rc >= 0)
		rc = family_new(db, db->next_cf, name, &options, &cf);
	if (rc >= 0)
		rc = write_create(db, db->next_cf, name, &options);
	if (rc >= 0) {
		db->next_cf++;
		mutex_lock(&db->commit_mu);
		mutex_lock(&db->mu);
		families_add(db, family_ref(cf));
		mutex_unlock(&db->mu);
		mutex_unlock(&db->commit_mu);
		*out = cf;
		cf = NULL; /* moved */
	}
	mutex_unlock(&db->install_mu);
	family_unref(cf);
	return rc;
}

shale_status shale_cf_open(shale_db *db, const char *name, shale_cf **out)
{
	shale_status rc = db_enter(db);
	shale_cf *cf;

	if (rc >= 0)
		rc = check_name(name);
	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	cf = find_by_name(db, name);
	if (cf != NULL)
		*out = family_ref(cf);
	mutex_unlock(&db->mu);
	return cf != NULL ? SHALE_OK : SHALE_NOT_FOUND;
}

void shale_cf_release(shale_cf *cf)
{
	if (cf != NULL && !db_is_inherited(cf->db))
		family_unref(cf);
}

shale_status shale_cf_list(shale_db *db, bool (*each)(void *arg, const char *name), void *arg)
{
	shale_status rc = db_enter(db);
	shale_cf **all;
	size_t n;

	if (rc < 0)
		return rc;
	/* `each` may call back into the database, so it runs without the lock. */
	mutex_lock(&db->mu);
	n = db->family_count;
	all = mem_array(db->env, n, sizeof(*all));
	for (size_t i = 0; i < n && all != NULL; i++)
		all[i] = family_ref(db->families[i]);
	mutex_unlock(&db->mu);
	if (all == NULL)
		return err_memory("a list of column families");
	for (size_t i = 0, on = 1; i < n; i++) {
		if (on)
			on = each(arg, all[i]->name);
		family_unref(all[i]);
	}
	mem_free(db->env, all);
	return SHALE_OK;
}

shale_status shale_cf_get_options(shale_db *db, shale_cf *cf, shale_cf_options *out)
{
	shale_cf_options now;
	shale_status rc = db_enter(db);

	if (rc >= 0)
		rc = family_check(db, cf);
	if (rc < 0)
		return rc;
	mutex_lock(&db->mu);
	now = family_of(db, cf)->options;
	mutex_unlock(&db->mu);
	return options_give("shale_cf_options", &now, sizeof(now), out);
}

static shale_status check_change(const shale_cf *cf, const shale_cf_options *o)
{
	if (cf->db->options.read_only)
		return err_new(SHALE_READ_ONLY, "the store was opened read-only");
	if (o->ttl_ms != cf->options.ttl_ms)
		return err_new(SHALE_INVALID,
			       "option ttl_ms of a column family stays as it was created: %" PRIu64,
			       cf->options.ttl_ms);
	return SHALE_OK;
}

/* All but ttl_ms, which commits read without a lock. Under install_mu. */
static void set_options(shale_cf *cf, const shale_cf_options *o)
{
	shale_cf_options *to = &cf->options;

	mutex_lock(&cf->db->mu);
	to->compression = o->compression;
	memcpy(to->level_compression, o->level_compression, sizeof(to->level_compression));
	to->block_bytes = o->block_bytes;
	to->filter_bits = o->filter_bits;
	memcpy(to->level_filter_bits, o->level_filter_bits, sizeof(to->level_filter_bits));
	to->no_filter = o->no_filter;
	to->compaction = o->compaction;
	family_set_policy(cf);
	look_at_tables(cf->db);
	stall_update(cf->db, cf);
	mutex_unlock(&cf->db->mu);
}

shale_status shale_cf_set_options(shale_db *db, shale_cf *cf, const shale_cf_options *o)
{
	struct edit_field change = { .tag = EDIT_CF_OPTIONS };
	struct buf payload;
	bool undone; /* or not: any options will do for what is there */
	shale_status rc = db_enter(db);

	if (rc >= 0)
		rc = family_check(db, cf);
	if (rc >= 0)
		rc = cf_options_sanitise(o, &change.options);
	if (rc < 0)
		return rc;
	cf = family_of(db, cf);
	rc = check_change(cf, &change.options);
	if (rc < 0)
		return rc;
	buf_init(&payload, db->env);
	change.cf = cf->id;
	edit_field_encode(&payload, &change);
	mutex_lock(&db->install_mu);
	if (atomic_load(&cf->dropped))
		rc = SHALE_NOT_FOUND;
	else
		rc = install_edit_or_undo(db, &payload, &undone);
	if (rc == SHALE_OK)
		set_options(cf, &change.options);
	mutex_unlock(&db->install_mu);
	buf_fini(&payload);
	if (rc == SHALE_OK)
		scheduler_kick(db->scheduler);
	return rc;
}

/* Out of the table and marked; under install_mu. */
static void forget(shale_db *db, shale_cf *cf)
{
	size_t i = 0;

	mutex_lock(&db->commit_mu);
	mutex_lock(&db->mu);
	while (db->families[i] != cf)
		i++;
	memmove(&db->families[i], &db->families[i + 1],
		(db->family_count - i - 1) * sizeof(db->families[0]));
	db->family_count--;
	look_at_tables(db);
	stall_sum(db);
	atomic_store(&cf->dropped, true);
	for (struct mem *m = cf->oldest; m != NULL; m = m->newer)
		db->sealed_bytes -= m->bytes;
	stall_flushed(db);
	/* The files go when the last reader of the family has gone. */
	for (size_t r = 0; r < cf->version->run_count; r++)
		for (size_t t = 0; t < cf->version->runs[r]->count; t++)
			atomic_store(&cf->version->runs[r]->tables[t]->obsolete, true);
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	mutex_unlock(&db->commit_mu);
}

/*
 * A drop that failed may hold after a power cut all the same, and would take along what the
 * family is given from now on: nothing is, until a new manifest says that it is still there.
 */
static shale_status write_drop(shale_db *db, const shale_cf *cf)
{
	struct edit_field drop = { .tag = EDIT_CF_DROP, .cf = cf->id };
	struct buf payload;
	shale_status rc;
	bool undone;

	buf_init(&payload, db->env);
	edit_field_encode(&payload, &drop);
	rc = install_edit_or_undo(db, &payload, &undone);
	if (!undone) {
		db_stop_writes(db);
		scheduler_kick(
			db->keeper); /* to go on when there is room, where that was missing */
	}
	buf_fini(&payload);
	return rc;
}

shale_status shale_cf_drop(shale_db *db, const char *name)
{
	shale_cf *cf = NULL;
	shale_status rc = db_enter(db);

	if (rc >= 0)
		rc = check_name(name);
	if (rc >= 0 && db->options.read_only)
		rc = err_new(SHALE_READ_ONLY, "the store was opened read-only");
	if (rc < 0)
		return rc;
	mutex_lock(&db->install_mu);
	mutex_lock(&db->mu);
	cf = find_by_name(db, name);
	mutex_unlock(&db->mu);
	if (cf == NULL) {
		rc = SHALE_NOT_FOUND;
	} else if (cf == db->default_cf) {
		rc = err_new(SHALE_INVALID, "the default column family cannot be dropped");
	} else {
		rc = write_drop(db, cf);
	}
	if (rc == SHALE_OK)
		forget(db, cf);
	mutex_unlock(&db->install_mu);
	if (rc == SHALE_OK) {
		family_unref(cf);
		scheduler_kick(db->scheduler);
	}
	return rc;
}
