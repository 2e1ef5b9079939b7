/*
 * Merges: what a policy picked is carried out. A pick holds its tables by their
 * busy marks and its base version by a reference; the work itself holds no lock.
 */
#include "db/work.h"

#define MERGE_POLL_NS UINT64_C(20000000)

struct merge {
	shale_db *db;
	shale_cf *cf;
	struct version *base;
	struct pick pick;
	struct pick_input *inputs;
	struct policy_options policy; /* as it was when picked */
	uint64_t created_ms;          /* of the outputs */
	struct rate_user rate;
	struct history_job history;

	/* How far it is, and who is told (data of shale_compact()); NULL: nobody. */
	const shale_compact_options *asked;
	const struct job *job; /* while it runs */
	uint64_t bytes;        /* of all inputs */
	bool told_to_end;
};

static bool poll(void *arg);

static void mark(const struct merge *t, bool busy)
{
	for (size_t i = 0; i < t->pick.input_count; i++) {
		const struct pick_input *in = &t->pick.inputs[i];

		for (size_t k = 0; k < in->count; k++)
			t->base->runs[in->run]->tables[in->first + k]->busy = busy;
	}
}

/* Make `t` of a pick; under mu. */
static void begin(struct merge *t)
{
	t->rate = (struct rate_user){ .rate = &t->db->rate, .poll = poll, .arg = t };
	t->base = version_ref(t->cf->version);
	t->policy = t->cf->policy;
	t->created_ms = policy_created_ms(&t->policy, t->base, &t->pick, env_wall_ms(t->db->env));
	family_ref(t->cf);
	mark(t, true);
	history_of_pick(&t->history, t->cf->id, &t->pick, t->base);
	history_begin(&t->db->history, &t->history);
	t->bytes = t->history.info.bytes_in;
	t->cf->merging++;
	t->db->merging++;
}

static void end(struct merge *t, shale_status rc)
{
	shale_db *db = t->db;

	mutex_lock(&db->mu);
	mark(t, false);
	t->cf->merging--;
	db->merging--;
	if (rc >= 0)
		work_succeeded(db);
	stall_update(db, t->cf);
	cond_broadcast(&db->changed, db->env);
	mutex_unlock(&db->mu);
	if (rc < 0)
		db_soft_failure(db, rc);
	scheduler_kick(db->scheduler);
	version_unref(t->base);
	family_unref(t->cf);
	mem_free(db->env, t->inputs);
}

/* The inputs alone, as a small stack of their own. */
static shale_status input_version(const struct merge *t, struct version **out)
{
	struct version_builder *b = NULL;
	shale_status rc = version_builder_new(t->db->env, NULL, &b);

	for (size_t i = 0; i < t->pick.input_count; i++) {
		const struct pick_input *in = &t->pick.inputs[i];
		const struct run *r = t->base->runs[in->run];

		for (size_t k = 0; k < in->count && rc >= 0; k++)
			rc = version_builder_add(b, r->level, r->id, r->tables[in->first + k]);
	}
	if (rc >= 0)
		rc = version_builder_finish(b, out);
	version_builder_free(b);
	return rc;
}

static shale_status add_ranges(const struct rangedel_set *set, const shale_env *env,
			       struct rangedel **list, size_t *count, size_t *capacity)
{
	for (size_t f = 0; f < set->count; f++) {
		const struct rangedel_fragment *fragment = &set->fragments[f];

		for (size_t s = 0; s < fragment->seq_count; s++) {
			if (*count == *capacity) {
				size_t n = *capacity != 0 ? 2 * *capacity : 64;
				struct rangedel *more = mem_realloc(env, *list, n * sizeof(*more));

				if (more == NULL)
					return err_memory("range tombstones");
				*list = more;
				*capacity = n;
			}
			(*list)[(*count)++] =
				(struct rangedel){ fragment->lo, fragment->hi, fragment->seqs[s] };
		}
	}
	return SHALE_OK;
}

shale_status ranges_of_version(shale_db *db, const struct version *v, struct rangedel **list,
			       size_t *count, size_t *capacity)
{
	shale_status rc = SHALE_OK;

	if (!v->has_ranges)
		return SHALE_OK;
	for (size_t i = 0; i < v->run_count; i++) {
		const struct run *r = v->runs[i];

		for (size_t k = 0; k < r->count && rc >= 0; k++) {
			struct table *table;

			if (r->tables[k]->props.range_tombstones == 0)
				continue;
			rc = table_meta_open(r->tables[k], &db->table_env, &table);
			if (rc >= 0 && table_ranges(table) != NULL)
				rc = add_ranges(table_ranges(table), db->env, list, count,
						capacity);
		}
	}
	return rc;
}

/* What all keys of the inputs begin with: what lies between two keys shares their prefix. */
static size_t common_prefix(const struct version *v)
{
	shale_slice lo = { NULL, 0 }, hi = { NULL, 0 };

	for (size_t i = 0; i < v->run_count; i++) {
		const struct run *r = v->runs[i];
		shale_slice a = r->tables[0]->props.smallest;
		shale_slice b = r->tables[r->count - 1]->props.largest;

		if (i == 0 || slice_cmp(a, lo) < 0)
			lo = a;
		if (i == 0 || slice_cmp(b, hi) > 0)
			hi = b;
	}
	return slice_common(lo, hi);
}

static shale_status source_new(struct merge *t, const struct version *inputs, struct iter **out)
{
	static const struct table_read read = { .no_fill_cache = true };
	shale_db *db = t->db;
	const shale_slice open = { NULL, 0 };
	struct iter **children = mem_array(db->env, inputs->run_count, sizeof(*children));
	shale_status rc = children != NULL ? SHALE_OK : err_memory("a merge");
	size_t n = 0;

	while (rc >= 0 && n < inputs->run_count) {
		rc = run_iter_new(inputs->runs[n], &db->table_env, &read, true, &t->rate, open,
				  open, &children[n]);
		n += rc >= 0;
	}
	if (rc >= 0) {
		rc = merge_iter_new(db->env, children, n, common_prefix(inputs), out);
	} else {
		while (n > 0)
			iter_free(children[--n]);
	}
	mem_free(db->env, children);
	return rc;
}

static uint64_t new_number(void *arg)
{
	return work_new_number(((struct merge *)arg)->db);
}

/* ---- what a merge sees to on its way ---- */

/* Tell who asked for it how far it is; false: it is to end. */
static bool tell(struct merge *t, uint32_t jobs_done)
{
	const struct job *j = t->job;
	shale_compact_progress p = { .bytes_done = jobs_done != 0 ? t->bytes : 0,
				     .bytes_total = t->bytes,
				     .jobs_done = jobs_done,
				     .jobs_total = 1,
				     .paused = merges_are_paused(t->db) };

	if (t->asked == NULL || t->asked->progress == NULL)
		return true;
	if (j != NULL && j->expected_entries != 0)
		p.bytes_done = (uint64_t)((double)t->bytes * (double)j->entries_in /
					  (double)j->expected_entries);
	return t->asked->progress(t->asked->arg, &p);
}

/* Whether it is still wanted. No lock held. */
static bool go_on(struct merge *t)
{
	if (t->told_to_end || scheduler_stopping(t->db->scheduler) ||
	    atomic_load_explicit(&t->cf->dropped, memory_order_relaxed))
		return false;
	t->told_to_end = !tell(t, 0);
	return !t->told_to_end;
}

/* Wait a little, or until something changes; under mu, which this releases meanwhile. */
static bool wait_some(struct merge *t)
{
	bool on;

	cond_wait_ns(&t->db->changed, &t->db->mu, MERGE_POLL_NS);
	mutex_unlock(&t->db->mu);
	on = go_on(t);
	mutex_lock(&t->db->mu);
	return on;
}

/* A single background thread must not keep a full memtable waiting. */
static bool is_alone(const struct merge *t)
{
	return t->asked == NULL && t->db->options.background_threads == 1;
}

static shale_status pause(void *arg)
{
	struct merge *t = arg;
	shale_db *db = t->db;
	uint64_t any = UINT64_MAX;
	bool on = go_on(t);

	if (on && is_alone(t))
		(void)flush_some(db);
	while (on && merges_are_paused(db)) {
		if (is_alone(t) && background_tidy(db, &any))
			continue;
		mutex_lock(&db->mu);
		if (merges_are_paused(db))
			on = wait_some(t);
		mutex_unlock(&db->mu);
	}
	return on ? SHALE_OK : JOB_CANCELLED;
}

/* Of the limiter, before each piece and while one is waited for. */
static bool poll(void *arg)
{
	struct merge *t = arg;

	pace_some(t->db);
	if (is_alone(t))
		(void)flush_some(t->db);
	return go_on(t);
}

/* ---- one merge ---- */

/* The run below the output, whose boundaries the outputs are cut at. */
static const struct run *beneath(const struct merge *t)
{
	for (size_t i = 0; i < t->base->run_count; i++)
		if (t->base->runs[i]->level > t->pick.output_level)
			return t->base->runs[i];
	return NULL;
}

static uint64_t entries_of(const struct version *v)
{
	uint64_t entries = 0;

	for (size_t i = 0; i < v->run_count; i++)
		entries += v->runs[i]->entries;
	return entries;
}

static shale_status install_task(struct merge *t, const struct job *job)
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
	rc = t->told_to_end || atomic_load(&t->cf->dropped) ? JOB_CANCELLED
							    : install_run(t->db, &in);
	mutex_unlock(&t->db->install_mu);
	return rc;
}

/* The first of a merge's inputs that is damaged, or not what the manifest says; OK: none. */
static shale_status find_damage(shale_db *db, const struct version *inputs)
{
	shale_status rc = SHALE_OK;

	for (size_t i = 0; i < inputs->run_count; i++) {
		const struct run *run = inputs->runs[i];

		for (size_t k = 0; rc >= 0 && k < run->count; k++) {
			struct table_meta *m = run->tables[k];
			uint64_t blocks, entries;
			struct table *t;

			rc = table_meta_open(m, &db->table_env, &t);
			if (rc >= 0)
				rc = table_check(t, &blocks, &entries);
			if (rc >= 0 && entries != m->props.entries)
				rc = err_at(SHALE_CORRUPT,
					    object_name(OBJECT_TABLE, m->number).text, UINT64_MAX,
					    "the table holds %" PRIu64
					    " entries, the manifest says "
					    "%" PRIu64,
					    entries, m->props.entries);
		}
	}
	return rc;
}

/* A merge that does not come out, in order and in number, says nothing of the place. */
static shale_status explain(shale_db *db, const struct version *inputs, shale_status rc)
{
	shale_error failure = *err_last();

	if (rc != SHALE_BUG && (rc != SHALE_CORRUPT || failure.object[0] != '\0'))
		return rc;
	if (find_damage(db, inputs) == SHALE_CORRUPT)
		return SHALE_CORRUPT;
	*err_last() = failure;
	return rc;
}

static shale_status run_merge(struct merge *t)
{
	shale_db *db = t->db;
	struct version *inputs = NULL;
	struct rangedel *list = NULL;
	struct rangedel_set *ranges = NULL;
	size_t count = 0, capacity = 0;
	uint64_t *snapshots = NULL;
	struct bottom bottom = { .version = NULL };
	size_t last = t->pick.inputs[t->pick.input_count - 1].run;
	struct job job = {
		.te = &db->table_env,
		.build = work_build_options(db, t->cf, t->pick.output_level),
		.table_bytes = t->policy.table_bytes,
		.beneath = beneath(t),
		.guards = guard_run(&t->policy, t->base),
		.new_number = new_number,
		.pause = pause,
		.arg = t,
		.progress = &t->history.progress,
		.keep = { .now_ms = env_wall_ms(db->env),
			  .bottom_key = bottom_key,
			  .bottom_range = bottom_range,
			  .arg = &bottom },
	};
	shale_status rc = input_version(t, &inputs);

	job.build.created_ms = t->created_ms;
	job.build.rate = &t->rate;
	if (rc >= 0)
		rc = ranges_of_version(db, inputs, &list, &count, &capacity);
	if (rc >= 0)
		rc = snapshots_list(db, &snapshots, &job.keep.snapshot_count);
	if (rc >= 0 && count != 0)
		rc = rangedel_build_newest(db->env, list, count, snapshots, job.keep.snapshot_count,
					   &ranges);
	if (rc >= 0)
		rc = bottom_init(&bottom, db->env, t->base, last + 1);
	if (rc >= 0)
		rc = source_new(t, inputs, &job.source);
	if (rc >= 0) {
		job.expected_entries = entries_of(inputs);
		job.ranges = ranges;
		job.keep.snapshots = snapshots;
		t->job = &job;
		rc = explain(db, inputs, job_run(&job));
		t->job = NULL;
	}
	if (rc >= 0) {
		history_result(&db->history, &t->history, &job);
		rc = install_task(t, &job);
		/* After a failed append the manifest may name the outputs all the same. */
		job_fini(&job, rc < 0 && !db->manifest_failed);
	}
	bottom_fini(&bottom, db->env);
	mem_free(db->env, snapshots);
	rangedel_free(ranges);
	mem_free(db->env, list);
	version_unref(inputs);
	return rc;
}

/* Tables that go unread: what they held is counted as it would be by a merge. */
static shale_status run_drop(struct merge *t)
{
	struct job none = { .entries_in = t->history.expected_entries };

	none.counts[DROP_EXPIRED] = none.entries_in;
	history_result(&t->db->history, &t->history, &none);
	return install_task(t, NULL);
}

/* Tables that go down as they are. */
static shale_status run_move(struct merge *t)
{
	struct job all = { .entries_in = t->history.expected_entries,
			   .entries_out = t->history.expected_entries,
			   .output_count = t->history.info.tables_in,
			   .bytes_out = t->history.info.bytes_in };

	history_result(&t->db->history, &t->history, &all);
	return install_task(t, NULL);
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
	return t->pick.move ? run_move(t) : run_merge(t);
}

static shale_status run_task(struct merge *t)
{
	shale_status rc = carry_out(t);

	history_end(&t->db->history, &t->history, rc, rc == JOB_CANCELLED);
	return rc;
}

static struct policy_now now_of(shale_db *db, uint64_t oldest_snapshot)
{
	return (struct policy_now){ .wall_ms = env_wall_ms(db->env),
				    .oldest_snapshot = oldest_snapshot,
				    .next_run = atomic_load(&db->next_run) };
}

/* The most urgent pick of all families that is not held up; SHALE_END: none is. Under mu. */
static shale_status choose(shale_db *db, uint64_t oldest_snapshot, struct merge *best)
{
	struct policy_now now = now_of(db, oldest_snapshot);

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
	begin(best);
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
	rc = run_task(&t);
	end(&t, rc);
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
	now = now_of(db, snapshots_oldest(db));
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
		if (!wait_some(t))
			return JOB_CANCELLED;
	*mine = db->compacting = cf->exclusive = true;
	while (cf->merging != 0)
		if (!wait_some(t))
			return JOB_CANCELLED;
	return SHALE_OK;
}

/* What is to be merged, if anything is. Under mu. */
static shale_status pick_range(struct merge *t, bool *some)
{
	shale_cf *cf = t->cf;
	struct policy_now now = now_of(t->db, 0);

	t->inputs = mem_array(t->db->env, cf->version->run_count + 1, sizeof(*t->inputs));
	if (t->inputs == NULL)
		return err_memory("a compaction");
	*some = policy_pick_range(&cf->policy, cf->version, t->asked->lower, t->asked->upper, &now,
				  t->inputs, &t->pick);
	if (*some) {
		atomic_fetch_add(&t->db->next_run, 1);
		begin(t);
	}
	return SHALE_OK;
}

/* A status for who asked: nothing is tried again in the background. */
static shale_status range_failed(const struct merge *t, shale_status rc)
{
	if (rc != JOB_CANCELLED)
		return rc;
	if (t->told_to_end)
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
		rc = run_task(&t);
		end(&t, rc < 0 ? JOB_CANCELLED : rc);
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
		(void)tell(&t, 1);
	return range_failed(&t, rc);
}
