/*
 * Snapshots: a sequence number that merges respect. They are kept in a ring in
 * the order of their making, which is the order of their numbers.
 */
#include "db/db.h"

shale_status shale_snapshot_new(shale_db *db, shale_snapshot **out)
{
	struct shale_snapshot *s, *head = &db->snapshots;
	shale_status rc = db_enter(db);

	if (rc < 0)
		return rc;
	s = mem_zalloc(db->env, sizeof(*s));
	if (s == NULL)
		return err_memory("a snapshot");
	s->db = db;
	s->holder.since_ms = env_wall_ms(db->env);
	mutex_lock(&db->snapshots_mu);
	/* Read under the lock: a merge that lists the snapshots has this one or is newer. */
	s->seq = atomic_load(&db->visible);
	s->prev = head->prev;
	s->next = head;
	s->prev->next = s;
	head->prev = s;
	db->snapshot_count++;
	mutex_unlock(&db->snapshots_mu);
	*out = s;
	return SHALE_OK;
}

void shale_snapshot_free(shale_snapshot *s)
{
	shale_db *db;

	if (s == NULL || db_is_inherited(s->db))
		return;
	db = s->db;
	mutex_lock(&db->snapshots_mu);
	s->prev->next = s->next;
	s->next->prev = s->prev;
	db->snapshot_count--;
	mutex_unlock(&db->snapshots_mu);
	mem_free(db->env, s);
}

void shale_snapshot_set_owner(shale_snapshot *s, const char *owner)
{
	if (db_is_inherited(s->db))
		return;
	mutex_lock(&s->db->snapshots_mu);
	holder_name(&s->holder, owner);
	mutex_unlock(&s->db->snapshots_mu);
}

shale_seq shale_snapshot_seq(const shale_snapshot *s)
{
	return s->seq;
}

uint64_t snapshots_oldest(shale_db *db)
{
	uint64_t seq = UINT64_MAX;

	mutex_lock(&db->snapshots_mu);
	if (db->snapshots.next != &db->snapshots)
		seq = db->snapshots.next->seq;
	mutex_unlock(&db->snapshots_mu);
	return seq;
}

shale_status snapshots_list(shale_db *db, uint64_t **out, size_t *count)
{
	uint64_t *list;
	size_t n = 0;

	mutex_lock(&db->snapshots_mu);
	list = mem_array(db->env, db->snapshot_count, sizeof(*list));
	if (list != NULL)
		for (struct shale_snapshot *s = db->snapshots.next; s != &db->snapshots;
		     s = s->next)
			if (n == 0 || list[n - 1] != s->seq)
				list[n++] = s->seq;
	mutex_unlock(&db->snapshots_mu);
	if (list == NULL)
		return err_memory("the snapshots of a merge");
	*out = list;
	*count = n;
	return SHALE_OK;
}
