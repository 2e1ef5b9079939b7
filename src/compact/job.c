#include "compact/job.h"

#include "base/hash.h"

enum { PAUSE_BYTES = 64 * 1024 };

/* State of one run of a job. */
struct merge {
	struct job *job;
	const shale_env *env;
	struct keep keep;
	struct table_builder *builder; /* the open output, or NULL */
	struct buf boundary;           /* outputs so far end before this key */
	bool has_boundary;
	size_t fragment; /* next range tombstone fragment to write */
	size_t beneath;  /* table of the run beneath that holds the last key */
	uint64_t since_pause;
};

static shale_status output_open(struct merge *m)
{
	struct job *j = m->job;

	return table_builder_new(j->te, j->new_number(j->arg), &j->build, &m->builder);
}

static shale_status outputs_grow(struct job *j)
{
	size_t capacity = j->output_capacity != 0 ? 2 * j->output_capacity : 8;
	struct table_built *more;

	if (j->output_count < j->output_capacity)
		return SHALE_OK;
	more = mem_realloc(j->te->env, j->outputs, capacity * sizeof(*more));
	if (more == NULL)
		return err_memory("the outputs of a merge");
	j->outputs = more;
	j->output_capacity = capacity;
	return SHALE_OK;
}

/* Whether any tombstone of the fragment is still needed. */
static bool fragment_needed(struct merge *m, const struct rangedel_fragment *f)
{
	for (size_t i = 0; i < f->seq_count; i++)
		if (keep_range(&m->keep, f, i))
			return true;
	return false;
}

/*
 * Write the range tombstones of [boundary, end) into the open output; `end` with
 * data NULL is the end of all keys. A fragment that goes on behind `end` is cut
 * there and continued in the next output.
 */
static shale_status write_ranges(struct merge *m, shale_slice end)
{
	const struct rangedel_set *set = m->job->ranges;

	for (; set != NULL && m->fragment < set->count; m->fragment++) {
		const struct rangedel_fragment *f = &set->fragments[m->fragment];
		shale_slice lo = f->lo, hi = f->hi;
		bool cut;

		if (end.data != NULL && slice_cmp(lo, end) >= 0)
			break;
		if (m->has_boundary && slice_cmp(lo, buf_view(&m->boundary)) < 0)
			lo = buf_view(&m->boundary);
		cut = end.data != NULL && slice_cmp(hi, end) > 0;
		if (cut)
			hi = end;
		for (size_t i = 0; i < f->seq_count && slice_cmp(lo, hi) < 0; i++) {
			shale_status rc;

			if (!keep_range(&m->keep, f, i))
				continue;
			rc = table_builder_add_range(m->builder, lo, hi, f->seqs[i]);
			if (rc < 0)
				return rc;
		}
		if (cut)
			break;
	}
	return SHALE_OK;
}

/* Close the open output before the key `end` (data NULL: the end). */
static shale_status output_close(struct merge *m, shale_slice end)
{
	struct job *j = m->job;
	struct table_builder *b;
	struct table_built *built;
	shale_status rc;

	rc = write_ranges(m, end);
	if (rc < 0)
		return rc;
	rc = outputs_grow(j);
	if (rc < 0)
		return rc;
	if (end.data != NULL) {
		buf_reset(&m->boundary);
		buf_append(&m->boundary, end.data, end.size);
		if (m->boundary.failed)
			return err_memory("the boundary of an output");
		m->has_boundary = true;
	}
	b = m->builder;
	m->builder = NULL;
	built = &j->outputs[j->output_count];
	rc = table_builder_finish(b, built);
	if (rc < 0)
		return rc;
	j->output_count++;
	j->bytes_out += built->size;
	return SHALE_OK;
}

/* Whether `key`, the first version of a new user key, should begin a new output. */
static bool should_cut(struct merge *m, shale_slice key)
{
	const struct run *r = m->job->beneath;
	uint64_t size = table_builder_size(m->builder);
	bool crossed = false;

	if (r != NULL)
		for (; m->beneath < r->count &&
		       slice_cmp(r->tables[m->beneath]->props.largest, key) < 0;
		     m->beneath++)
			crossed = true;
	/* A boundary beneath is worth a table that is only half full. */
	return size >= m->job->table_bytes || (crossed && size >= m->job->table_bytes / 2);
}

static shale_status pause(struct merge *m, size_t bytes)
{
	m->since_pause += bytes;
	if (m->since_pause < PAUSE_BYTES || m->job->pause == NULL)
		return SHALE_OK;
	m->since_pause = 0;
	return m->job->pause(m->job->arg);
}

static shale_status merge_entry(struct merge *m, struct iter *it)
{
	struct job *j = m->job;
	enum keep_verdict verdict;
	uint64_t st = it->seqtype;
	shale_slice value = it->value;
	bool new_key;
	shale_status rc;

	j->entries_in++;
	rc = pause(m, it->key.size + it->value.size + 16);
	if (rc < 0)
		return rc;
	rc = keep_decide(&m->keep, it->key, st, value, &verdict, &new_key);
	if (rc < 0 || verdict >= DROP_SHADOWED)
		return rc;
	if (new_key && m->builder != NULL && should_cut(m, it->key)) {
		rc = output_close(m, it->key);
		if (rc < 0)
			return rc;
	}
	if (m->builder == NULL) {
		rc = output_open(m);
		if (rc < 0)
			return rc;
	}
	if (verdict == KEEP_AS_DELETE) {
		st = seqtype(seqtype_seq(st), OP_DELETE);
		value = slice_from(NULL, 0);
	} else if (verdict == KEEP_AS_OLDEST) {
		st = seqtype(0, seqtype_type(st));
	}
	j->entries_out++;
	return table_builder_add(m->builder, it->key, hash_key(it->key), st, value);
}

static shale_status merge_all(struct merge *m)
{
	struct job *j = m->job;
	struct iter *it = j->source;
	shale_status rc = SHALE_OK;

	for (iter_first(it); it->valid && rc >= 0; iter_next(it))
		rc = merge_entry(m, it);
	if (rc >= 0 && it->status < 0)
		rc = it->status;
	if (rc < 0)
		return rc;
	/* Range tombstones may go on behind the last entry, or stand alone. */
	if (m->builder == NULL && j->ranges != NULL) {
		size_t i = m->fragment;

		while (i < j->ranges->count && !fragment_needed(m, &j->ranges->fragments[i]))
			i++;
		if (i < j->ranges->count)
			rc = output_open(m);
	}
	if (rc >= 0 && m->builder != NULL)
		rc = output_close(m, slice_from(NULL, 0));
	return rc;
}

/* What came in is what went out or was dropped for a reason. */
static shale_status check_counts(const struct job *j)
{
	uint64_t kept = j->counts[KEEP] + j->counts[KEEP_AS_DELETE] + j->counts[KEEP_AS_OLDEST];
	uint64_t dropped = j->counts[DROP_SHADOWED] + j->counts[DROP_TOMBSTONE] +
			   j->counts[DROP_EXPIRED] + j->counts[DROP_RANGE];
	uint64_t written = 0;

	for (size_t i = 0; i < j->output_count; i++)
		written += j->outputs[i].props.entries;
	if (kept + dropped != j->entries_in || kept != written || kept != j->entries_out)
		return err_new(SHALE_BUG,
			       "a merge does not add up: %" PRIu64 " in, %" PRIu64 " kept, %" PRIu64
			       " dropped, %" PRIu64 " written",
			       j->entries_in, kept, dropped, written);
	if (j->expected_entries != UINT64_MAX && j->expected_entries != j->entries_in)
		return err_new(SHALE_CORRUPT,
			       "the inputs of a merge gave %" PRIu64 " entries, their properties "
			       "promise %" PRIu64,
			       j->entries_in, j->expected_entries);
	return SHALE_OK;
}

shale_status job_run(struct job *j)
{
	struct merge m = { .job = j, .env = j->te->env };
	shale_status rc;

	j->keep.ranges = j->ranges;
	keep_init(&m.keep, m.env, &j->keep);
	buf_init(&m.boundary, m.env);
	rc = merge_all(&m);
	memcpy(j->counts, m.keep.counts, sizeof(j->counts));
	if (rc >= 0)
		rc = check_counts(j);
	table_builder_abort(m.builder);
	iter_free(j->source);
	j->source = NULL;
	buf_fini(&m.boundary);
	keep_fini(&m.keep);
	if (rc < 0)
		job_fini(j, true);
	return rc;
}

void job_fini(struct job *j, bool remove)
{
	for (size_t i = 0; i < j->output_count; i++) {
		if (remove) {
			/* The failure that led here is the one to report. */
			shale_error first = *err_last();

			(void)store_delete(j->te->store, OBJECT_TABLE, j->outputs[i].number);
			*err_last() = first;
		}
		buf_fini(&j->outputs[i].keys);
	}
	mem_free(j->te->env, j->outputs);
	j->outputs = NULL;
	j->output_count = j->output_capacity = 0;
}

shale_status bottom_init(struct bottom *b, const shale_env *env, const struct version *v,
			 size_t first_run)
{
	*b = (struct bottom){ .version = v, .first_run = first_run };
	if (v == NULL || v->run_count == 0)
		return SHALE_OK;
	b->position = mem_array(env, v->run_count, sizeof(*b->position));
	return b->position != NULL ? SHALE_OK : err_memory("a merge's view of older runs");
}

void bottom_fini(struct bottom *b, const shale_env *env)
{
	mem_free(env, b->position);
}

bool bottom_key(void *bottom, shale_slice key)
{
	struct bottom *b = bottom;

	if (b->version == NULL)
		return false;
	for (size_t i = b->first_run; i < b->version->run_count; i++) {
		const struct run *r = b->version->runs[i];
		size_t *at = &b->position[i];

		while (*at < r->count && slice_cmp(r->tables[*at]->props.largest, key) < 0)
			(*at)++;
		if (*at < r->count && slice_cmp(r->tables[*at]->props.smallest, key) <= 0)
			return false;
	}
	return true;
}

bool bottom_range(void *bottom, shale_slice lo, shale_slice hi)
{
	const struct bottom *b = bottom;

	if (b->version == NULL)
		return false;
	for (size_t i = b->first_run; i < b->version->run_count; i++) {
		const struct run *r = b->version->runs[i];
		size_t at = run_lower(r, lo);

		if (at < r->count && slice_cmp(r->tables[at]->props.smallest, hi) <= 0)
			return false;
	}
	return true;
}
