/*
 * The next merge: every family's policy is asked, and the most urgent answer is taken.
 * A policy is a pure function of the family's stack, so nothing is remembered between
 * two looks.
 */
#include "db/merge.h"

struct policy_now merge_now(shale_db *db, uint64_t oldest_snapshot)
{
	return (struct policy_now){ .wall_ms = env_wall_ms(db->env),
				    .oldest_snapshot = oldest_snapshot,
				    .next_run = atomic_load(&db->next_run) };
}

/* The most urgent pick of all families that is not held up; SHALE_END: none is. Under mu. */
static shale_status choose(shale_db *db, uint64_t oldest_snapshot, struct merge *best)
{
	struct policy_now now = merge_now(db, oldest_snapshot);
	unsigned limit =
		db->options.background_threads > 1 ? db->options.background_threads - 1 : 1;

	if (merges_are_paused(db) || db->merging >= limit)
		return SHALE_END;
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		struct merge t = { .db = db, .cf = cf };

		if (cf->exclusive || cf->version->run_count == 0)
			continue;
		t.inputs = mem_array(db->env, cf->version->run_count + 1, sizeof(*t.inputs));
		if (t.inputs == NULL) {
			if (best->inputs == NULL)
				return err_memory("a merge");
			break;
		}
		if (policy_pick(&cf->policy, cf->version, &now, t.inputs, &t.pick) &&
		    (best->inputs == NULL || t.pick.score > best->pick.score)) {
			mem_free(db->env, best->inputs);
			*best = t;
		} else {
			mem_free(db->env, t.inputs);
		}
	}
	if (best->inputs == NULL)
		return SHALE_END;
	atomic_fetch_add(&db->next_run, 1);
	merge_begin(best);
	return SHALE_OK;
}

bool merge_some(shale_db *db)
{
	struct merge t = { .inputs = NULL };
	uint64_t oldest_snapshot = snapshots_oldest(db);
	shale_status rc;

	mutex_lock(&db->mu);
	rc = choose(db, oldest_snapshot, &t);
	/* What failed before is not owed any more. */
	if (rc == SHALE_END && !work_is_left(db))
		work_succeeded(db);
	mutex_unlock(&db->mu);
	if (rc < 0)
		db_soft_failure(db, rc);
	if (rc != SHALE_OK)
		return false;
	rc = merge_run(&t);
	merge_end(&t, rc);
	return rc >= 0;
}

void merge_wake(shale_db *db, uint64_t *wait_ns)
{
	uint64_t now_ms = env_wall_ms(db->env), at = UINT64_MAX;

	if (merges_are_paused(db))
		return;
	mutex_lock(&db->mu);
	for (size_t i = 0; i < db->family_count; i++) {
		shale_cf *cf = db->families[i];
		uint64_t each = policy_wake_ms(&cf->policy, cf->version, now_ms);

		at = each < at ? each : at;
	}
	mutex_unlock(&db->mu);
	if (at == UINT64_MAX)
		return;
	at = at > now_ms ? at - now_ms : 1;
	if (at < *wait_ns / 1000000)
		*wait_ns = at * 1000000;
}

shale_status merge_is_owed(shale_db *db, bool *out)
{
	struct merge t = { .inputs = NULL };
	bool owed = db->merging != 0;
	struct policy_now now;

	mutex_assert_held(&db->mu);
	now = merge_now(db, snapshots_oldest(db));
	if (merges_are_paused(db)) {
		*out = false;
		return SHALE_OK;
	}
	*out = true;
	for (size_t i = 0; i < db->family_count && !owed; i++) {
		shale_cf *cf = db->families[i];

		if (cf->version->run_count == 0)
			continue;
		t.inputs = mem_array(db->env, cf->version->run_count + 1, sizeof(*t.inputs));
		if (t.inputs == NULL)
			return err_memory("a look for merges");
		owed = cf->exclusive ||
		       policy_pick(&cf->policy, cf->version, &now, t.inputs, &t.pick);
		mem_free(db->env, t.inputs);
	}
	*out = owed;
	return SHALE_OK;
}
