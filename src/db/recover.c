/*
 * Recovery: the manifest gives families, tables and live logs; every table must
 * be there; the logs give back what was not flushed. Then a new manifest of the
 * new owner's epoch takes over, what was recovered goes into tables, and what
 * nothing refers to is removed. A crash at any point leaves the old manifest or
 * the new one in charge, and both say the same.
 *
 * A store opened read-only is only read: its logs are replayed into memtables.
 */
#include "db/recover.h"

/* Ids of runs up to here are believed: no store has counted so far. */
#define RUN_MAX (UINT64_MAX >> 1)

/* A family under recovery. */
struct draft {
	shale_cf *cf;
	struct version_builder *builder;
};

struct recovery {
	shale_db *db;
	uint64_t last_seq, last_run;
	struct table_meta *added; /* the last table; a note about it may follow */
	struct draft *drafts;
	size_t count, capacity;
	shale_slice manifest; /* name, for errors */
};

static shale_status inconsistent(struct recovery *r, const char *what, uint64_t number)
{
	return err_at(SHALE_CORRUPT, r->manifest.data, UINT64_MAX,
		      "%s is inconsistent: %s (%" PRIu64 ")", (const char *)r->manifest.data, what,
		      number);
}

/* A sequence number that the tables may hold. */
static shale_status raise_seq(struct recovery *r, uint64_t seq)
{
	if (seq > SEQ_RECOVERED_MAX)
		return inconsistent(r, "its sequence numbers leave no room for others", seq);
	if (seq > r->last_seq)
		r->last_seq = seq;
	return SHALE_OK;
}

static struct draft *draft_of(struct recovery *r, uint32_t id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->drafts[i].cf->id == id)
			return &r->drafts[i];
	return NULL;
}

static shale_status create_family(struct recovery *r, const struct edit_field *f)
{
	shale_db *db = r->db;
	char name[SHALE_CF_NAME_MAX + 1];
	shale_cf_options options;
	struct draft *d;
	shale_status rc;

	if (f->name.size == 0 || f->name.size > SHALE_CF_NAME_MAX ||
	    memchr(f->name.data, 0, f->name.size) != NULL || draft_of(r, f->cf) != NULL)
		return inconsistent(r, "a column family is created twice or has no name", f->cf);
	if (f->cf == UINT32_MAX)
		return inconsistent(r, "no id is left behind that of a column family", f->cf);
	if (r->count == r->capacity) {
		size_t capacity = r->capacity != 0 ? 2 * r->capacity : 8;
		struct draft *more = mem_realloc(db->env, r->drafts, capacity * sizeof(*more));

		if (more == NULL)
			return err_memory("the column families");
		r->drafts = more;
		r->capacity = capacity;
	}
	memcpy(name, f->name.data, f->name.size);
	name[f->name.size] = '\0';
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->drafts[i].cf->name, name) == 0)
			return inconsistent(r, "two column families have one name", f->cf);
	rc = cf_options_sanitise(&f->options, &options);
	if (rc < 0)
		return err_at(SHALE_CORRUPT, r->manifest.data, UINT64_MAX,
			      "%s is inconsistent: column family %" PRIu32 ": %s",
			      (const char *)r->manifest.data, f->cf, err_last()->text);
	d = &r->drafts[r->count];
	*d = (struct draft){ NULL, NULL };
	rc = family_new(db, f->cf, name, &options, &d->cf);
	if (rc >= 0)
		rc = version_builder_new(db->env, NULL, &d->builder);
	if (rc < 0) {
		family_unref(d->cf);
		return rc;
	}
	r->count++;
	if (f->cf >= db->next_cf)
		db->next_cf = f->cf + 1;
	return SHALE_OK;
}

static shale_status set_options(struct recovery *r, struct draft *d, const struct edit_field *f)
{
	shale_status rc = cf_options_sanitise(&f->options, &d->cf->options);

	if (rc < 0)
		return err_at(SHALE_CORRUPT, r->manifest.data, UINT64_MAX,
			      "%s is inconsistent: column family %" PRIu32 ": %s",
			      (const char *)r->manifest.data, f->cf, err_last()->text);
	family_set_policy(d->cf);
	return SHALE_OK;
}

static void drop_family(struct recovery *r, struct draft *d)
{
	version_builder_free(d->builder);
	family_unref(d->cf);
	memmove(d, d + 1, (size_t)(r->drafts + r->count - (d + 1)) * sizeof(*d));
	r->count--;
}

static shale_status add_table(struct recovery *r, struct draft *d, const struct edit_field *f)
{
	struct table_meta *m = NULL;
	shale_status rc = raise_seq(r, f->props.max_seq);

	if (rc >= 0 && f->run > RUN_MAX)
		rc = inconsistent(r, "run ids leave no room for others", f->run);
	if (rc >= 0)
		rc = table_meta_new(r->db->env, f->number, f->size, &f->props, &m);
	if (rc < 0)
		return rc;
	m->collect = garbage_add;
	m->collector = r->db;
	if (f->run > r->last_run)
		r->last_run = f->run;
	rc = version_builder_add(d->builder, f->level, f->run, m);
	table_meta_unref(r->added);
	r->added = m;
	return rc;
}

static shale_status apply_log(struct recovery *r, const struct edit_field *f)
{
	shale_db *db = r->db;
	size_t at = logs_find(db, f->number);
	bool known = at < db->log_count;
	shale_status rc;

	if (f->tag == EDIT_LOG_ADD) {
		if (known)
			return inconsistent(r, "a log is added twice", f->number);
		rc = logs_reserve(db);
		if (rc >= 0)
			db->logs[db->log_count++] = (struct live_log){ .number = f->number };
		return rc;
	}
	if (!known)
		return inconsistent(r, "an unknown log is sealed or removed", f->number);
	if (f->tag == EDIT_LOG_SEAL) {
		db->logs[at] = (struct live_log){
			.number = f->number, .length = f->length, .last_seq = f->seq, .sealed = true
		};
		return SHALE_OK;
	}
	db->log_count--;
	memmove(&db->logs[at], &db->logs[at + 1], (db->log_count - at) * sizeof(*db->logs));
	return SHALE_OK;
}

static shale_status apply_field(void *arg, const struct edit_field *f)
{
	struct recovery *r = arg;
	struct draft *d = NULL;

	switch (f->tag) {
	case EDIT_CF_DROP:
	case EDIT_CF_FLUSHED:
	case EDIT_ADD_TABLE:
	case EDIT_REMOVE_TABLE:
	case EDIT_CF_OPTIONS:
		d = draft_of(r, f->cf);
		if (d == NULL)
			return inconsistent(r, "an unknown column family is changed", f->cf);
		break;
	default:
		break;
	}
	switch (f->tag) {
	case EDIT_NEXT_CF:
		/* An id that was ever given is not given again, whatever this says. */
		if (f->cf > r->db->next_cf)
			r->db->next_cf = f->cf;
		return SHALE_OK;
	case EDIT_LAST_SEQ:
		return raise_seq(r, f->number);
	case EDIT_CF_CREATE:
		return create_family(r, f);
	case EDIT_CF_OPTIONS:
		return set_options(r, d, f);
	case EDIT_CF_DROP:
		drop_family(r, d);
		return SHALE_OK;
	case EDIT_CF_FLUSHED:
		d->cf->flushed_seq = f->seq;
		return raise_seq(r, f->seq);
	case EDIT_ADD_TABLE:
		return add_table(r, d, f);
	case EDIT_REMOVE_TABLE:
		return version_builder_remove(d->builder, f->level, f->run, f->number);
	case EDIT_LOG_ADD:
	case EDIT_LOG_SEAL:
	case EDIT_LOG_REMOVE:
		return apply_log(r, f);
	case EDIT_HIDES:
		if (r->added != NULL && r->added->number == f->number)
			r->added->hides = f->hides;
		return SHALE_OK;
	case EDIT_JOB:
		history_recover(&r->db->history, &f->job);
		return SHALE_OK;
	case EDIT_NEXT_NUMBER:
	case EDIT_NEXT_RUN:
	case EDIT_SNAPSHOT:
	case EDIT_CLEAN_CLOSE:
		return SHALE_OK;
	}
	return inconsistent(r, "an unknown field", (uint64_t)f->tag);
}

/*
 * Every table of the manifest is in its place and has its size. Where not, it may
 * be the manifest that has lost its tail, so that is named too.
 */
static shale_status check_tables(shale_db *db, const struct version *v, const char *manifest)
{
	for (size_t i = 0; i < v->run_count; i++) {
		const struct run *run = v->runs[i];

		for (size_t k = 0; k < run->count; k++) {
			const struct table_meta *m = run->tables[k];
			struct object_name name = object_name(OBJECT_TABLE, m->number);
			uint64_t size = 0;
			shale_status rc = store_stat(db->store, OBJECT_TABLE, m->number, &size);

			if (rc == SHALE_MISSING)
				return err_at(
					SHALE_MISSING, name.text, UINT64_MAX,
					"table %s, which %s lists, is missing from %s; put it back "
					"from a backup",
					name.text, manifest, store_path(db->store));
			if (rc < 0)
				return rc;
			if (size != m->size)
				return err_at(SHALE_CORRUPT, name.text, size,
					      "table %s has %" PRIu64 " bytes, %s says %" PRIu64
					      "; put it back from a backup",
					      name.text, size, manifest, m->size);
		}
	}
	return SHALE_OK;
}

/* Give a recovered family its version and a view of it. */
static shale_status settle_family(shale_db *db, struct draft *d, const char *manifest)
{
	struct version *v = NULL;
	struct view *view;
	shale_status rc = version_builder_finish(d->builder, &v);

	if (rc == SHALE_CORRUPT)
		rc = err_at(rc, manifest, UINT64_MAX, "%s", err_last()->text);
	if (rc >= 0)
		rc = check_tables(db, v, manifest);
	view = rc >= 0 ? view_alloc(db) : NULL;
	if (rc >= 0 && view == NULL)
		rc = SHALE_NO_MEMORY;
	if (rc >= 0)
		rc = families_reserve(db);
	if (rc < 0) {
		view_discard(view);
		version_unref(v);
		return rc;
	}
	mutex_lock(&db->mu);
	version_unref(d->cf->version);
	d->cf->version = v;
	view_publish(d->cf, view);
	families_add(db, d->cf);
	d->cf = NULL; /* moved */
	mutex_unlock(&db->mu);
	return SHALE_OK;
}

static shale_status read_manifest(shale_db *db, uint64_t number)
{
	struct object_name name = object_name(OBJECT_MANIFEST, number);
	struct recovery r = { .db = db, .manifest = shale_str(name.text) };
	shale_status rc = manifest_replay(db->store, number, db->store_id, apply_field, &r,
					  &db->recovered_manifest);
	uint64_t unknown = db->recovered_manifest.unknown_to_writers;

	if (rc >= 0 && unknown != 0 && !db->options.read_only)
		rc = err_at(SHALE_UNSUPPORTED, name.text, 0,
			    "%s: the store uses features %#" PRIx64
			    " of a newer program; this one can only open it read-only",
			    name.text, unknown);
	for (size_t i = 0; i < r.count && rc >= 0; i++)
		rc = settle_family(db, &r.drafts[i], name.text);
	for (size_t i = 0; i < r.count; i++) {
		version_builder_free(r.drafts[i].builder);
		family_unref(r.drafts[i].cf);
	}
	table_meta_unref(r.added);
	mem_free(db->env, r.drafts);
	if (rc < 0)
		return rc;
	db->next_seq = r.last_seq + 1;
	atomic_store(&db->visible, r.last_seq);
	atomic_store(&db->next_run, r.last_run + 1);
	db->default_cf = families_find(db, 0);
	if (db->default_cf == NULL)
		return inconsistent(&r, "the default column family is missing", 0);
	return SHALE_OK;
}

/* ---- the log ---- */

/* Everything recovered is in tables: the old logs are needless. */
static shale_status remove_logs(shale_db *db)
{
	struct edit_field last = { .tag = EDIT_LAST_SEQ, .number = db->next_seq - 1 };
	struct buf payload;
	shale_status rc = SHALE_OK;

	if (db->log_count == 0)
		return SHALE_OK;
	buf_init(&payload, db->env);
	/* What the log alone told, such as of writes to a family that is gone. */
	edit_field_encode(&payload, &last);
	for (size_t i = 0; i < db->log_count; i++) {
		struct edit_field remove = { .tag = EDIT_LOG_REMOVE, .number = db->logs[i].number };

		edit_field_encode(&payload, &remove);
	}
	mutex_lock(&db->install_mu);
	rc = install_edit(db, &payload);
	if (rc >= 0)
		db->log_count = 0;
	mutex_unlock(&db->install_mu);
	buf_fini(&payload);
	return rc;
}

/* From here on the store keeps the account. */
static void count_space(shale_db *db)
{
	uint64_t used = db->manifest != NULL ? manifest_size(db->manifest) : 0;

	for (size_t i = 0; i < db->family_count; i++)
		for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
			used += db->families[i]->version->level[l].bytes;
	store_set_used(db->store, used);
	store_set_limit(db->store, db->options.space_max);
	space_ask(db);
	space_look(db);
}

/* A new owner: nobody before used the numbers of this epoch. */
static shale_status raise_epoch(shale_db *db, shale_slice current, const struct root *old)
{
	struct root root = *old;
	uint8_t bytes[ROOT_SIZE];

	if (old->epoch == UINT32_MAX)
		return err_at(SHALE_UNSUPPORTED, "ROOT", UINT64_MAX,
			      "the store's epochs are used up");
	root.epoch++;
	db->epoch = root.epoch;
	root_encode(&root, bytes);
	return store_root_swap(db->store, current, slice_from(bytes, ROOT_SIZE));
}

static shale_status read_root(shale_db *db, struct root *root)
{
	struct buf bytes;
	shale_status rc;

	buf_init(&bytes, db->env);
	rc = store_root_read(db->store, &bytes);
	if (rc == SHALE_OK && db->options.error_if_exists)
		rc = err_new(SHALE_EXISTS, "there is a store in %s already", store_path(db->store));
	if (rc == SHALE_OK) {
		rc = root_decode(buf_view(&bytes), root);
		if (rc < 0)
			rc = err_at(rc, "ROOT", 0, "ROOT of %s: %s", store_path(db->store),
				    err_last()->text);
	}
	if (rc == SHALE_OK) {
		db->store_id = root->store_id;
		db->table_env.store_id = root->store_id;
		if (!db->options.read_only)
			rc = raise_epoch(db, buf_view(&bytes), root);
	}
	buf_fini(&bytes);
	return rc;
}

static shale_status take_over(shale_db *db)
{
	shale_status rc;

	mutex_lock(&db->install_mu);
	rc = install_new_manifest(db);
	mutex_unlock(&db->install_mu);
	return rc;
}

shale_status recover(shale_db *db)
{
	uint64_t start = env_now_ns(db->env);
	struct root root;
	shale_status rc = read_root(db, &root);
	bool fresh = rc == SHALE_NOT_FOUND;

	if (rc < 0)
		return rc;
	rc = fresh ? recover_new(db) : read_manifest(db, root.manifest);
	if (rc == SHALE_OK && !db->options.read_only)
		rc = take_over(db);
	if (rc == SHALE_OK && !db->peek)
		rc = replay_logs(db);
	if (rc != SHALE_OK)
		return rc;
	atomic_store(&db->visible, db->next_seq - 1);
	if (!db->options.read_only) {
		for (size_t i = 0; i < db->family_count && rc >= 0; i++)
			rc = replay_unload(db, db->families[i], db->next_seq - 1);
		if (rc >= 0)
			rc = remove_logs(db);
		if (rc >= 0)
			rc = orphans_remove(db);
	}
	if (rc >= 0)
		count_space(db);
	db->recovery_ns = env_now_ns(db->env) - start;
	return rc;
}
