/*
 * The life of a merge: what a policy picked is carried out. A pick holds its tables by
 * their busy marks and its base version by a reference; the work itself holds no lock.
 */
#include "db/merge.h"

#define MERGE_POLL_NS UINT64_C(20000000)

/* ---- what a merge sees to on its way ---- */

bool merge_tell(struct merge *t, uint32_t jobs_done)
{
	uint64_t all = t->history.expected_entries;
	uint64_t in = atomic_load_explicit(&t->history.progress.entries_in, memory_order_relaxed);
	shale_compact_progress p = { .bytes_done = jobs_done != 0 ? t->bytes : 0,
				     .bytes_total = t->bytes,
				     .jobs_done = jobs_done,
				     .jobs_total = 1,
				     .paused = merges_are_paused(t->db) };
	bool on;

	if (t->asked == NULL || t->asked->progress == NULL)
		return true;
	if (jobs_done == 0 && all != 0)
		p.bytes_done =
			(uint64_t)((double)t->bytes * (double)(in < all ? in : all) / (double)all);
	atomic_fetch_add_explicit(&t->cf->telling, 1, memory_order_relaxed);
	on = t->asked->progress(t->asked->arg, &p);
	atomic_fetch_sub_explicit(&t->cf->telling, 1, memory_order_relaxed);
	return on;
}

/* Whether it is still wanted. No lock held. */
static bool go_on(struct merge *t, bool foreign)
{
	if (atomic_load(&t->told_to_end) || scheduler_stopping(t->db->scheduler) ||
	    atomic_load_explicit(&t->cf->dropped, memory_order_relaxed))
		return false;
	if (foreign && !merge_tell(t, 0))
		atomic_store(&t->told_to_end, true);
	return !atomic_load(&t->told_to_end);
}

static bool part_goes_on(struct merge_part *p)
{
	return !atomic_load(&p->work->failed) && go_on(p->work->merge, p->foreign);
}

bool merge_wait(struct merge *t, bool foreign)
{
	bool on;

	cond_wait_ns(&t->db->changed, &t->db->mu, MERGE_POLL_NS);
	mutex_unlock(&t->db->mu);
	on = go_on(t, foreign);
	mutex_lock(&t->db->mu);
	return on;
}

/* What is on the disk by now is not promised any more, or its room would count twice. */
static void note_written(struct merge *t, uint64_t out)
{
	uint64_t now = out < t->promised ? out : t->promised, before = atomic_load(&t->written);

	while (now > before && !atomic_compare_exchange_weak(&t->written, &before, now))
		;
	if (now > before)
		atomic_fetch_sub(&t->db->merging_bytes, now - before);
}

shale_status merge_pause(void *arg)
{
	struct merge_part *p = arg;
	struct merge *t = p->work->merge;
	shale_db *db = t->db;
	uint64_t any = UINT64_MAX, out;
	bool on = part_goes_on(p);
	shale_status rc;

	out = atomic_load_explicit(&t->history.progress.bytes_out, memory_order_relaxed);
	note_written(t, out);
	rc = merge_check_hope(t, out);
	if (rc < 0)
		return rc;
	memory_balance_some(db);
	if (on)
		merge_yield(p);
	while (on && merges_are_paused(db)) {
		if (merge_is_needed(db, p->foreign) && background_tidy(db, &any))
			continue;
		mutex_lock(&db->mu);
		if (merges_are_paused(db))
			on = merge_wait(t, p->foreign);
		mutex_unlock(&db->mu);
		on = on && !atomic_load_explicit(&p->work->failed, memory_order_relaxed);
	}
	return on ? SHALE_OK : JOB_CANCELLED;
}

bool merge_poll(void *arg)
{
	struct merge_part *p = arg;

	pace_some(p->work->merge->db);
	merge_yield_to_flush(p->work->merge->db, p->foreign);
	return part_goes_on(p);
}

/* ---- what it holds ---- */

static void mark(const struct merge *t, bool busy)
{
	for (size_t i = 0; i < t->pick.input_count; i++) {
		const struct pick_input *in = &t->pick.inputs[i];

		for (size_t k = 0; k < in->count; k++)
			t->base->runs[in->run]->tables[in->first + k]->busy = busy;
	}
}

void merge_begin(struct merge *t)
{
	t->base = version_ref(t->cf->version);
	t->policy = t->cf->policy;
	t->created_ms = policy_created_ms(&t->policy, t->base, &t->pick, env_wall_ms(t->db->env));
	family_ref(t->cf);
	mark(t, true);
	history_of_pick(&t->history, t->cf->id, &t->pick, t->base);
	history_begin(&t->db->history, &t->history);
	t->bytes = t->history.info.bytes_in;
	t->promised = pick_bytes(t->base, &t->pick);
	if (t->hope && t->promised > space_room(t->db))
		t->promised = space_room(t->db);
	t->changes = t->cf->changes;
	atomic_fetch_add(&t->db->merging_bytes, t->promised);
	t->claim = policy_claim(t->base, &t->pick);
	t->claim.next = t->cf->claims;
	t->cf->claims = &t->claim;
	t->cf->merging++;
	t->db->merging++;
	t->db->crew.asked += t->asked != NULL;
	t->threads = 1 + merge_threads_left(t->db);
}

static void unclaim(struct merge *t)
{
	struct pick_claim **p = &t->cf->claims;

	while (*p != &t->claim)
		p = &(*p)->next;
	*p = t->claim.next;
}

void merge_end(struct merge *t, shale_status rc)
{
	shale_db *db = t->db;

	mutex_lock(&db->mu);
	mark(t, false);
	atomic_fetch_sub(&db->merging_bytes, t->promised - atomic_load(&t->written));
	if (t->pick.cut != NULL && rc >= 0)
		merge_has_cut(t);
	if (rc == SHALE_NO_SPACE && merge_had_no_room(t))
		rc = JOB_CANCELLED;
	unclaim(t);
	mutex_unlock(&db->mu);
	/* Before it is said that nothing is under way: what it replaced is garbage now. */
	version_unref(t->base);

	mutex_lock(&db->mu);
	t->cf->merging--;
	db->merging--;
	db->crew.asked -= t->asked != NULL;
	work_merge_ended(t->cf, rc, t->pick.reason == PICK_TOP_RUNS);
	stall_update(db, t->cf);
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	scheduler_kick(db->scheduler);
	memory_fit(db); /* what the inputs had in memory is free */
	family_unref(t->cf);
	mem_free(db->env, t->inputs);
}

/* ---- what it does ---- */

/*
 * Cached blocks of tables that are replaced make room first, for those of the outputs, which were
 * put in as they were written. Readers who still stand on the old tables find their files.
 */
static void forget_inputs(const struct merge *t)
{
	for (size_t i = 0; i < t->pick.input_count; i++) {
		const struct pick_input *input = &t->pick.inputs[i];
		const struct run *run = t->base->runs[input->run];

		for (size_t k = 0; k < input->count; k++)
			table_meta_forget_blocks(run->tables[input->first + k]);
	}
}

shale_status merge_install(struct merge *t, const struct job *job)
{
	struct install in = { .cf = t->cf,
			      .history = &t->history,
			      .base = t->base,
			      .pick = &t->pick,
			      .job = job,
			      .level = t->pick.output_level,
			      .run = t->pick.output_run };
	shale_status rc;

	mutex_lock(&t->db->install_mu);
	/* A small job may have ended before it was asked again. */
	rc = atomic_load(&t->told_to_end) || atomic_load(&t->cf->dropped) ? JOB_CANCELLED
									  : install_run(t->db, &in);
	mutex_unlock(&t->db->install_mu);
	if (rc >= 0 && !t->pick.move)
		forget_inputs(t);
	return rc;
}

/* Tables that go unread: what they held is counted as it would be by a merge. */
static shale_status run_drop(struct merge *t)
{
	struct job none = { .entries_in = t->history.expected_entries };

	none.counts[DROP_EXPIRED] = none.entries_in;
	history_result(&t->db->history, &t->history, &none);
	return merge_install(t, NULL);
}

/* Tables that go down as they are. */
static shale_status run_move(struct merge *t)
{
	struct job all = { .entries_in = t->history.expected_entries,
			   .entries_out = t->history.expected_entries,
			   .output_count = t->history.info.tables_in,
			   .bytes_out = t->history.info.bytes_in };

	history_result(&t->db->history, &t->history, &all);
	return merge_install(t, NULL);
}

static shale_status carry_out(struct merge *t)
{
	shale_status rc;

	/* Outputs that cannot be noted would stay on the disk, new ones for every try. */
	rc = install_heal(t->db);
	if (rc < 0)
		return rc;
	if (t->pick.drop)
		return run_drop(t);
	return t->pick.move ? run_move(t) : merge_tables(t);
}

shale_status merge_run(struct merge *t)
{
	shale_status rc = carry_out(t);

	history_end(&t->db->history, &t->history, rc,
		    rc == JOB_CANCELLED || (rc == SHALE_NO_SPACE && t->hope));
	return rc;
}
