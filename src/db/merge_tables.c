/*
 * The work of a merge: a stream over the input tables, newest versions first, and over
 * their range tombstones goes through a job (compact/job.c) that writes the new tables.
 */
#include "db/merge.h"

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

shale_status merge_tables(struct merge *t)
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
		.pause = merge_pause,
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
		rc = merge_install(t, &job);
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
