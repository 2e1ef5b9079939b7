/*
 * A merge that was asked for (shale_compact()): it runs in the thread that asked, alone
 * in its family, and tells how far it is.
 */
#include "db/merge.h"

/*
 * Wait until no other merge is in the way, and keep them out (*mine). SHALE_MORE: not to
 * be begun; JOB_CANCELLED: not wanted any more. Under mu.
 */
static shale_status begin_range(struct merge *t, bool *mine)
{
	shale_db *db = t->db;
	shale_cf *cf = t->cf;

	if (merges_are_paused(db))
		return SHALE_MORE;
	while (db->compacting)
		if (!merge_wait(t, true))
			return JOB_CANCELLED;
	*mine = db->compacting = cf->exclusive = true;
	while (cf->merging != 0)
		if (!merge_wait(t, true))
			return JOB_CANCELLED;
	return SHALE_OK;
}

/* What is to be merged, if anything is. Under mu. */
static shale_status pick_range(struct merge *t, bool *some)
{
	shale_cf *cf = t->cf;
	struct policy_now now = merge_now(t->db, 0);

	t->inputs = mem_array(t->db->env, cf->version->run_count + 1, sizeof(*t->inputs));
	if (t->inputs == NULL)
		return err_memory("a compaction");
	*some = policy_pick_range(&cf->policy, cf->version, t->asked->lower, t->asked->upper, &now,
				  t->inputs, &t->pick);
	/* On a full disk what is merged may still fit in; space_max is kept. */
	if (*some && t->db->options.space_max != 0 &&
	    pick_bytes(cf->version, &t->pick) > space_room(t->db)) {
		*some = false;
		return space_blocked(t->db);
	}
	if (*some) {
		atomic_fetch_add(&t->db->next_run, 1);
		merge_begin(t);
	}
	return SHALE_OK;
}

/* A status for who asked: nothing is tried again in the background. */
static shale_status range_failed(const struct merge *t, shale_status rc)
{
	if (rc != JOB_CANCELLED)
		return rc;
	if (atomic_load(&t->told_to_end))
		return SHALE_MORE;
	return err_new(SHALE_INVALID, "the compaction was cancelled: the column family was dropped "
				      "or the store closed");
}

shale_status merge_range(shale_db *db, shale_cf *cf, const shale_compact_options *o)
{
	struct merge t = { .db = db, .cf = cf, .asked = o };
	bool some = false, mine = false;
	shale_status rc;

	mutex_lock(&db->mu);
	rc = begin_range(&t, &mine);
	if (rc == SHALE_OK)
		rc = pick_range(&t, &some);
	mutex_unlock(&db->mu);
	if (some) {
		rc = merge_run(&t);
		merge_end(&t, rc < 0 ? JOB_CANCELLED : rc);
	} else {
		mem_free(db->env, t.inputs);
	}
	mutex_lock(&db->mu);
	if (mine)
		cf->exclusive = db->compacting = false;
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
	if (rc == SHALE_OK)
		(void)merge_tell(&t, 1);
	return range_failed(&t, rc);
}
