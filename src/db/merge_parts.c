/*
 * A merge whose work is shared. The keys of its inputs are cut into stretches of about equal
 * bytes, one for each thread that was free when it began, and no smaller than two tables.
 * Each stretch is a job of its own, with outputs of its own; all outputs together are
 * installed as one. The thread that began the merge does one part after the other; threads
 * that find a part which nobody has begun do it meanwhile. So it never waits for a thread
 * to be free, but only for parts that others are at.
 *
 * No entry is in two parts, since all versions of a key are in the same; a range tombstone
 * that lies over a cut is written by both sides, each its own keys of it. What is counted
 * of the parts adds up to what the inputs hold.
 */
#include "db/merge.h"

/* One part has ended. Under mu. */
static void note(struct merge_work *w, shale_status rc)
{
	/* One that was told to end because of another's failure says nothing. */
	if (rc >= 0 || (w->rc < 0 && w->rc != JOB_CANCELLED))
		return;
	w->rc = rc;
	w->error = *err_last();
	atomic_store(&w->failed, true);
}

static bool has_more(const struct merge_work *w)
{
	return w->rc >= 0 && w->begun < w->count;
}

static void offer(shale_db *db, struct merge_work *w)
{
	mutex_lock(&db->mu);
	w->next = db->crew.shared;
	db->crew.shared = w;
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
}

/* Nobody new may find it, and those who did have ended. */
static void withdraw(shale_db *db, struct merge_work *w, bool foreign)
{
	struct merge_work **at = &db->crew.shared;

	mutex_lock(&db->mu);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	while (w->helped != 0) {
		/* Those who help look by themselves whether to go on. */
		(void)merge_wait(w->merge, foreign);
		mutex_unlock(&db->mu);
		merge_yield_to_flush(db, foreign);
		mutex_lock(&db->mu);
	}
	mutex_unlock(&db->mu);
}

bool merge_help(shale_db *db)
{
	struct merge_work *w;
	shale_status rc;
	size_t i;

	mutex_lock(&db->mu);
	w = merges_are_paused(db) || merge_threads_left(db) == 0 ? NULL : db->crew.shared;
	while (w != NULL && !has_more(w))
		w = w->next;
	if (w == NULL) {
		mutex_unlock(&db->mu);
		return false;
	}
	i = w->begun++;
	w->helped++;
	db->crew.helping++;
	mutex_unlock(&db->mu);
	rc = merge_part_run(w, i, false);
	mutex_lock(&db->mu);
	note(w, rc);
	w->helped--;
	db->crew.helping--;
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
	return true;
}

/* Its own share: one part after the other. */
static void run_own(struct merge_work *w, bool foreign)
{
	shale_db *db = w->merge->db;

	mutex_lock(&db->mu);
	while (has_more(w)) {
		size_t i = w->begun++;
		shale_status rc;

		mutex_unlock(&db->mu);
		rc = merge_part_run(w, i, foreign);
		mutex_lock(&db->mu);
		note(w, rc);
	}
	mutex_unlock(&db->mu);
}

/* The outputs and counts of all parts as those of one job. */
static shale_status join(struct merge_work *w, struct job *whole)
{
	size_t count = 0;

	for (size_t i = 0; i < w->count; i++)
		count += w->part[i].job.output_count;
	whole->outputs = mem_array(whole->te->env, count + 1, sizeof(*whole->outputs));
	if (whole->outputs == NULL)
		return err_memory("the outputs of a merge");
	whole->output_capacity = count + 1;
	for (size_t i = 0; i < w->count; i++) {
		struct job *j = &w->part[i].job;

		for (size_t k = 0; k < j->output_count; k++)
			whole->outputs[whole->output_count++] = j->outputs[k];
		j->output_count = 0; /* moved */
		whole->entries_in += j->entries_in;
		whole->entries_out += j->entries_out;
		whole->bytes_out += j->bytes_out;
		for (size_t k = 0; k < KEEP_VERDICTS; k++)
			whole->counts[k] += j->counts[k];
	}
	return job_check_counts(whole);
}

shale_status merge_parts_run(struct merge_work *w, struct job *whole)
{
	shale_db *db = w->merge->db;
	bool foreign = w->merge->asked != NULL;
	shale_status rc;

	if (w->count > 1)
		offer(db, w);
	run_own(w, foreign);
	if (w->count > 1)
		withdraw(db, w, foreign);
	rc = w->rc;
	if (rc < 0)
		*err_last() = w->error;
	else
		rc = join(w, whole);
	/* What was not joined has failed in vain. */
	for (size_t i = 0; i < w->count; i++)
		if (w->part[i].job.te != NULL)
			job_fini(&w->part[i].job, true);
	if (rc < 0)
		job_fini(whole, true);
	return rc;
}
