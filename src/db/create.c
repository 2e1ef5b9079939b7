/*
 * A new store, in a directory that holds none. One that has lost its ROOT is not taken for an
 * empty one.
 */
#include "db/recover.h"

struct leftovers {
	shale_db *db;
	bool found; /* a manifest that never had a root */
	uint64_t manifest;
};

static shale_status judge_leftover(void *arg, enum object_kind kind, uint64_t number)
{
	struct object_name name = object_name(kind, number);
	struct leftovers *l = arg;
	shale_db *db = l->db;

	/* A store whose owner died while it was made has a manifest at most. */
	if (kind == OBJECT_MANIFEST) {
		l->found = true;
		l->manifest = number;
		return SHALE_OK;
	}
	return err_at(SHALE_MISSING, "ROOT", UINT64_MAX,
		      "%s has no ROOT but holds %s; put ROOT back from a backup, or move the files "
		      "away to begin an empty store",
		      store_path(db->store), name.text);
}

/* Refuse a directory that was a store; else remove what a death in the making left. */
static shale_status judge_leftovers(shale_db *db, bool create)
{
	struct leftovers l = { .db = db };
	shale_status rc;

	do {
		l.found = false;
		rc = store_list(db->store, judge_leftover, &l);
		if (rc >= 0 && l.found && create)
			rc = store_delete(db->store, OBJECT_MANIFEST, l.manifest);
	} while (rc >= 0 && l.found && create);
	return rc;
}

shale_status recover_new(shale_db *db)
{
	bool create = !db->options.error_if_missing && !db->options.read_only;
	shale_status rc = judge_leftovers(db, create);
	const shale_env *env = db->env;
	shale_cf *cf = NULL;

	if (rc < 0)
		return rc;
	if (!create)
		return err_new(SHALE_NOT_FOUND, "there is no store in %s", store_path(db->store));
	env->clock.ops->random(env->clock.self, &db->store_id, sizeof(db->store_id));
	db->table_env.store_id = db->store_id;
	db->epoch = 1;
	db->next_cf = 1;
	db->next_seq = 1;
	atomic_store(&db->next_run, 1);
	rc = families_reserve(db);
	if (rc >= 0)
		rc = family_new(db, 0, "default", &db->options.default_cf, &cf);
	if (rc < 0)
		return rc;
	families_add(db, cf);
	db->default_cf = cf;
	return SHALE_OK;
}
