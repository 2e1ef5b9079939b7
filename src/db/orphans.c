/*
 * Files that nothing refers to: what a process had not finished, or not yet deleted, when it
 * died. They are looked for once, at the end of a recovery.
 */
#include "db/recover.h"

#include "base/sort.h"

struct orphans {
	shale_db *db;
	uint64_t *tables; /* referred to, sorted */
	size_t table_count;
	struct {
		enum object_kind kind;
		uint64_t number;
	} * found;
	size_t count, capacity;
};

static shale_status list_tables(struct orphans *o)
{
	shale_db *db = o->db;
	size_t n = 0;

	for (size_t i = 0; i < db->family_count; i++)
		for (size_t l = 0; l < SHALE_LEVELS_MAX; l++)
			n += db->families[i]->version->level[l].tables;
	o->tables = mem_array(db->env, n, sizeof(*o->tables));
	if (o->tables == NULL)
		return err_memory("the list of tables");
	for (size_t i = 0; i < db->family_count; i++) {
		const struct version *v = db->families[i]->version;

		for (size_t r = 0; r < v->run_count; r++)
			for (size_t t = 0; t < v->runs[r]->count; t++)
				o->tables[o->table_count++] = v->runs[r]->tables[t]->number;
	}
	sort_u64(o->tables, o->table_count);
	return SHALE_OK;
}

static shale_status note_orphan(void *arg, enum object_kind kind, uint64_t number)
{
	struct orphans *o = arg;
	shale_db *db = o->db;

	if (kind == OBJECT_TABLE && sorted_has_u64(o->tables, o->table_count, number))
		return SHALE_OK;
	if (kind == OBJECT_LOG && logs_find(db, number) < db->log_count)
		return SHALE_OK;
	if (kind == OBJECT_MANIFEST && number == manifest_number(db->manifest))
		return SHALE_OK;
	if (o->count == o->capacity) {
		size_t capacity = o->capacity != 0 ? 2 * o->capacity : 32;
		void *more = mem_realloc(db->env, o->found, capacity * sizeof(o->found[0]));

		if (more == NULL)
			return err_memory("the list of orphans");
		o->found = more;
		o->capacity = capacity;
	}
	o->found[o->count].kind = kind;
	o->found[o->count++].number = number;
	return SHALE_OK;
}

shale_status orphans_remove(shale_db *db)
{
	struct orphans o = { .db = db };
	shale_status rc = list_tables(&o);

	if (rc >= 0)
		rc = store_list(db->store, note_orphan, &o);
	/* One that cannot be deleted now is found again at the next open. */
	for (size_t i = 0; i < o.count && rc >= 0; i++)
		if (store_delete(db->store, o.found[i].kind, o.found[i].number) >= 0)
			db->orphans_removed++;
	mem_free(db->env, o.found);
	mem_free(db->env, o.tables);
	return rc;
}
