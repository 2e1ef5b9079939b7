/*
 * The work of a merge, or of a part of one (merge_parts.c): a stream over the input tables,
 * newest versions first, and over their range tombstones goes through a job (compact/job.c)
 * that writes the new tables.
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
			       shale_slice lower, shale_slice upper, struct rangedel **list,
			       size_t *count, size_t *capacity)
{
	for (size_t f = 0; f < set->count; f++) {
		const struct rangedel_fragment *fragment = &set->fragments[f];

		if (!range_meets(fragment->lo, fragment->hi, lower, upper))
			continue;
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

shale_status ranges_of_version(shale_db *db, const struct version *v, shale_slice lower,
			       shale_slice upper, struct rangedel **list, size_t *count,
			       size_t *capacity)
{
	shale_status rc = SHALE_OK;

	if (!v->has_ranges)
		return SHALE_OK;
	for (size_t i = 0; i < v->run_count; i++) {
		const struct run *r = v->runs[i];

		for (size_t k = 0; k < r->count && rc >= 0; k++) {
			struct table *table;

			if (r->tables[k]->props.range_tombstones == 0 ||
			    !table_meta_overlaps(r->tables[k], lower, upper, true))
				continue;
			rc = table_meta_open(r->tables[k], &db->table_env, &table);
			if (rc >= 0 && table_ranges(table) != NULL)
				rc = add_ranges(table_ranges(table), db->env, lower, upper, list,
						count, capacity);
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

static shale_status source_new(struct merge_part *p, const struct version *inputs,
			       struct iter **out)
{
	shale_db *db = p->work->merge->db;
	const struct table_read read = {
		.no_fill_cache = true,
		.carry = atomic_load_explicit(&db->is_read, memory_order_relaxed),
	};
	struct iter **children = mem_array(db->env, inputs->run_count, sizeof(*children));
	shale_status rc = children != NULL ? SHALE_OK : err_memory("a merge");
	size_t n = 0;

	while (rc >= 0 && n < inputs->run_count) {
		rc = run_iter_new(inputs->runs[n], &db->table_env, &read, true, &p->rate,
				  p->job.lower, p->job.upper, &children[n]);
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
	return work_new_number(((struct merge_part *)arg)->work->merge->db);
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

shale_status merge_part_run(struct merge_work *w, size_t i, bool foreign)
{
	struct merge *t = w->merge;
	shale_db *db = t->db;
	struct merge_part *p = &w->part[i];
	struct bottom bottom = { .version = NULL };
	size_t last = t->pick.inputs[t->pick.input_count - 1].run;
	shale_status rc;

	p->foreign = foreign;
	p->rate = (struct rate_user){ .rate = &db->rate, .poll = merge_poll, .arg = p };
	p->job = (struct job){
		.te = &db->table_env,
		.build = w->build,
		.table_bytes = guard_table_bytes(&t->policy, t->base, &t->pick),
		.expected_entries = UINT64_MAX, /* of all parts together */
		.ranges = w->ranges,
		.beneath = beneath(t),
		.older = work_older(db, &t->policy, t->base),
		.first_older = last + 1,
		.guards = t->pick.cut != NULL ? t->pick.cut : guard_run(&t->policy, t->base),
		.every_guard = t->pick.cut != NULL,
		.new_number = new_number,
		.pause = merge_pause,
		.arg = p,
		.progress = &t->history.progress,
		.keep = { .snapshots = w->snapshots,
			  .snapshot_count = w->snapshot_count,
			  .now_ms = w->now_ms,
			  .bottom_key = bottom_key,
			  .bottom_range = bottom_range,
			  .arg = &bottom,
			  .deadline = t->policy.delete_within_ms != 0 },
	};
	p->job.build.rate = &p->rate;
	if (i > 0)
		p->job.lower = w->cuts.keys[i - 1];
	if (i + 1 < w->count)
		p->job.upper = w->cuts.keys[i];
	rc = bottom_init(&bottom, db->env, t->base, last + 1);
	if (rc >= 0)
		rc = source_new(p, w->inputs, &p->job.source);
	if (rc >= 0)
		rc = job_run(&p->job);
	bottom_fini(&bottom, db->env);
	return rc;
}

/* The range tombstones of all inputs, as far as a snapshot or now may ask for them. */
static shale_status prepare_ranges(struct merge_work *w)
{
	shale_db *db = w->merge->db;
	shale_slice none = slice_from(NULL, 0);
	struct rangedel *list = NULL;
	size_t count = 0, capacity = 0;
	shale_status rc = ranges_of_version(db, w->inputs, none, none, &list, &count, &capacity);

	if (rc >= 0)
		rc = snapshots_list(db, &w->snapshots, &w->snapshot_count);
	if (rc >= 0 && count != 0)
		rc = rangedel_build_newest(db->env, list, count, w->snapshots, w->snapshot_count,
					   &w->ranges);
	mem_free(db->env, list);
	return rc;
}

/* Parts of two tables at least, and no more than there are threads for. */
static shale_status prepare_parts(struct merge_work *w)
{
	struct merge *t = w->merge;
	uint64_t most = t->bytes / (2 * t->policy.table_bytes), n = t->threads;
	shale_status rc;

	n = n < most ? n : most;
	rc = cuts_init(&w->cuts, w->inputs, &t->db->table_env, (size_t)n);
	if (rc < 0)
		return rc;
	w->part = mem_array(t->db->env, w->cuts.count + 1, sizeof(*w->part));
	if (w->part == NULL)
		return err_memory("the parts of a merge");
	w->count = w->cuts.count + 1;
	for (size_t i = 0; i < w->count; i++)
		w->part[i].work = w;
	return SHALE_OK;
}

shale_status merge_tables(struct merge *t)
{
	shale_db *db = t->db;
	struct merge_work w = { .merge = t,
				.build = work_build_options(db, t->cf, t->pick.output_level),
				.now_ms = env_wall_ms(db->env),
				.cuts = { .bytes = { .env = db->env } } };
	struct job whole = { .te = &db->table_env };
	shale_status rc = input_version(t, &w.inputs);

	w.build.created_ms = t->created_ms;
	if (rc >= 0)
		rc = prepare_ranges(&w);
	if (rc >= 0)
		rc = prepare_parts(&w);
	if (rc >= 0) {
		whole.expected_entries = entries_of(w.inputs);
		rc = explain(db, w.inputs, merge_parts_run(&w, &whole));
	}
	/* A small one may have ended before anybody looked. */
	if (rc >= 0) {
		rc = merge_check_hope(t, whole.bytes_out);
		if (rc < 0)
			job_fini(&whole, true);
	}
	if (rc >= 0) {
		history_result(&db->history, &t->history, &whole);
		rc = merge_install(t, &whole);
		if (rc < 0)
			install_give_up(db, &whole);
		else
			job_fini(&whole, false);
	}
	mem_free(db->env, w.part);
	cuts_fini(&w.cuts);
	mem_free(db->env, w.snapshots);
	rangedel_free(w.ranges);
	version_unref(w.inputs);
	return rc;
}
