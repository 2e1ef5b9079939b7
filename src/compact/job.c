/*
 * The outputs divide the keys among them: the first begins before all keys, each
 * ends where the next begins (`boundary`), the last has no end. A range tombstone
 * that lies across a boundary is cut there, so that every table is right about
 * its own part of the keys. Range tombstones are written when their output is
 * closed; before that they are passed in step with the entries, because they
 * weigh as much as entries do and an output can be cut between two of them.
 *
 * How large an output has become is asked of its builder only when the entries
 * given to it since could have made it too large.
 */
#include "compact/job.h"

#include "base/hash.h"
#include "compact/hides.h"
#include "compact/policy.h"

enum {
	PAUSE_BYTES = 64 * 1024,
	ENTRY_BYTES = 24, /* what an entry may take beside key and value */
};

/* State of one run of a job. */
struct merge {
	struct job *job;
	const shale_env *env;
	struct keep keep;
	struct hides hides;         /* of the open output */
	uint64_t passed, pause_at;  /* bytes of the inputs */
	uint64_t told_in, told_out; /* of the progress: entries, bytes */

	struct table_builder *builder; /* the open output, or NULL */
	uint64_t added, ask_at;        /* bytes given to it; when to ask for its size */
	uint64_t range_bytes;          /* of range tombstones that it will get */
	bool half;                     /* it is large enough to end at a boundary beneath */
	size_t beneath;                /* then: the first table there not behind us */
	size_t guard;                  /* the first table that begins with a guard not behind us */

	bool fresh;          /* no version of the current key is written yet */
	uint64_t hash;       /* of the current key, once one is */
	struct buf boundary; /* outputs so far end before this key */
	bool has_boundary;
	size_t fragment; /* next range tombstone fragment to write */
	size_t ahead;    /* next one to pass */
};

/* ---- outputs ---- */

static shale_status output_open(struct merge *m)
{
	struct job *j = m->job;

	m->added = m->range_bytes = 0;
	m->half = false;
	m->ask_at = j->table_bytes / 2;
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
	built->hides = hides_take(&m->hides, built->props.entries);
	j->output_count++;
	j->bytes_out += built->size;
	return SHALE_OK;
}

static uint64_t output_size(const struct merge *m)
{
	return table_builder_size(m->builder) + m->range_bytes;
}

/* ---- where to cut ---- */

/* Whether tables of the run beneath end between the last key asked about and this one. */
static bool boundary_passed(struct merge *m, shale_slice key)
{
	const struct run *r = m->job->beneath;
	size_t before = m->beneath;

	while (r != NULL && m->beneath < r->count) {
		const struct table_props *p = &r->tables[m->beneath]->props;
		int c = slice_cmp(p->largest, key);

		if (c > 0 || (c == 0 && !p->largest_excluded))
			break;
		m->beneath++;
	}
	return m->beneath != before;
}

/* Whether `key`, of which nothing is written yet, should begin a new output. */
static bool should_cut(struct merge *m, shale_slice key)
{
	uint64_t most = m->job->table_bytes, size;

	/* A boundary beneath is worth a table that is only half full. */
	if (m->half && boundary_passed(m, key))
		return true;
	if (likely(m->added < m->ask_at))
		return false;
	size = output_size(m);
	if (!m->half && size >= most / 2) {
		m->half = true;
		m->beneath = m->job->beneath != NULL ? run_lower(m->job->beneath, key) : 0;
	}
	if (size >= most)
		return true;
	m->ask_at = m->added + (m->half ? most : most / 2) - size;
	return false;
}

/* What the still needed tombstones of a fragment take in a table. */
static uint64_t fragment_bytes(struct merge *m, const struct rangedel_fragment *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->seq_count; i++)
		n += keep_range(&m->keep, f, i);
	return n * (f->lo.size + f->hi.size + ENTRY_BYTES);
}

/*
 * Pass the range tombstones that begin up to `key` (data NULL: all), which is
 * about to be written. What is written already lies before them.
 */
static shale_status pass_ranges(struct merge *m, shale_slice key)
{
	const struct rangedel_set *set = m->job->ranges;
	shale_status rc;

	for (; m->ahead < set->count; m->ahead++) {
		const struct rangedel_fragment *f = &set->fragments[m->ahead];
		/* Keys are below `upper`: only behind the last one it matters. */
		shale_slice end = key.data != NULL ? key : m->job->upper;
		int c = end.data != NULL ? slice_cmp(f->lo, end) : -1;
		uint64_t bytes;

		if (c > 0 || (c == 0 && key.data == NULL))
			break;
		bytes = fragment_bytes(m, f);
		if (bytes == 0)
			continue;
		if (m->builder != NULL && output_size(m) >= m->job->table_bytes) {
			rc = output_close(m, f->lo);
			if (rc < 0)
				return rc;
		}
		if (m->builder == NULL) {
			rc = output_open(m);
			if (rc < 0)
				return rc;
		}
		m->range_bytes += bytes;
		m->added += bytes;
	}
	return SHALE_OK;
}

/* ---- the merge ---- */

/*
 * A guard that lies behind what is written and not behind `key` ends the open
 * output: at the guard itself, so that a range tombstone does not reach over it.
 */
static shale_status pass_guards(struct merge *m, shale_slice key)
{
	const struct run *r = m->job->guards;
	shale_slice guard = { NULL, 0 };
	shale_status rc;

	while (m->guard < r->count && slice_cmp(r->tables[m->guard]->props.smallest, key) <= 0) {
		guard = r->tables[m->guard]->props.smallest;
		m->guard = guard_next(r, m->guard + 1);
	}
	if (guard.data == NULL || m->builder == NULL)
		return SHALE_OK;
	rc = output_close(m, guard);
	/* Those that begin before the guard are written, if not passed. */
	if (m->ahead < m->fragment)
		m->ahead = m->fragment;
	return rc;
}

/* Whether of the range tombstones before `end` (data NULL: all) some are still to be written. */
static bool ranges_wait(struct merge *m, shale_slice end)
{
	const struct rangedel_set *set = m->job->ranges;
	shale_slice behind = m->has_boundary ? buf_view(&m->boundary) : (shale_slice){ NULL, 0 };

	if (set == NULL || (end.data != NULL && behind.data != NULL && slice_cmp(behind, end) >= 0))
		return false;
	for (size_t i = m->fragment; i < set->count; i++) {
		const struct rangedel_fragment *f = &set->fragments[i];

		if (end.data != NULL && slice_cmp(f->lo, end) >= 0)
			return false;
		if ((behind.data == NULL || slice_cmp(f->hi, behind) > 0) &&
		    fragment_bytes(m, f) != 0)
			return true;
	}
	return false;
}

/*
 * Of a table that is cut a piece ends at every guard up to `key` (data NULL: all), also
 * where there are range tombstones and no key between two of them.
 */
static shale_status pass_every_guard(struct merge *m, shale_slice key)
{
	shale_slice last = key.data != NULL ? key : m->job->upper;
	const struct run *r = m->job->guards;
	shale_status rc = SHALE_OK;

	for (; rc >= 0 && m->guard < r->count; m->guard++) {
		shale_slice guard = r->tables[m->guard]->props.smallest;

		if (last.data != NULL && slice_cmp(guard, last) > 0)
			break;
		if (m->builder == NULL && ranges_wait(m, guard))
			rc = output_open(m);
		if (rc >= 0 && m->builder != NULL)
			rc = output_close(m, guard);
		if (m->ahead < m->fragment)
			m->ahead = m->fragment;
	}
	/* What goes on behind the last of them. */
	if (rc >= 0 && key.data == NULL && m->builder == NULL && ranges_wait(m, m->job->upper))
		rc = output_open(m);
	return rc;
}

/* Before the first version of a key is written: the right output for it. */
static shale_status begin_key(struct merge *m, shale_slice key)
{
	shale_status rc;

	if (m->job->guards != NULL) {
		rc = m->job->every_guard ? pass_every_guard(m, key) : pass_guards(m, key);
		if (unlikely(rc < 0))
			return rc;
	}
	if (unlikely(m->job->ranges != NULL)) {
		rc = pass_ranges(m, key);
		if (rc < 0)
			return rc;
	}
	if (m->builder != NULL && unlikely(should_cut(m, key))) {
		rc = output_close(m, key);
		if (rc < 0)
			return rc;
	}
	m->fresh = false;
	m->hash = hash_key(key);
	if (m->hides.older != NULL && hides_is_sample(m->hash))
		hides_ask(&m->hides, key, m->hash);
	return m->builder != NULL ? SHALE_OK : output_open(m);
}

static shale_status pause_job(struct merge *m)
{
	struct job_progress *p = m->job->progress;

	m->pause_at = m->passed + PAUSE_BYTES;
	if (p != NULL) {
		atomic_fetch_add_explicit(&p->entries_in, m->job->entries_in - m->told_in,
					  memory_order_relaxed);
		atomic_fetch_add_explicit(&p->bytes_out, m->job->bytes_out - m->told_out,
					  memory_order_relaxed);
		m->told_in = m->job->entries_in;
		m->told_out = m->job->bytes_out;
	}
	return m->job->pause != NULL ? m->job->pause(m->job->arg) : SHALE_OK;
}

static inline shale_status merge_entry(struct merge *m, const struct iter *it)
{
	enum keep_verdict verdict;
	uint64_t st = it->seqtype, bytes = it->key.size + it->value.size + ENTRY_BYTES;
	shale_slice value = it->value;
	bool new_key;
	shale_status rc;

	m->job->entries_in++;
	m->passed += bytes;
	if (unlikely(m->passed >= m->pause_at)) {
		rc = pause_job(m);
		if (rc < 0)
			return rc;
	}
	rc = keep_decide(&m->keep, it->key, st, value, &verdict, &new_key);
	if (unlikely(rc < 0))
		return rc;
	/* A key begins with the first of its versions that is kept, not with the first. */
	m->fresh |= new_key;
	if (verdict >= DROP_SHADOWED)
		return SHALE_OK;
	if (m->fresh) {
		rc = begin_key(m, it->key);
		if (unlikely(rc < 0))
			return rc;
	}
	if (verdict == KEEP_AS_DELETE) {
		st = seqtype(seqtype_seq(st), OP_DELETE);
		value = slice_from(NULL, 0);
	} else if (verdict == KEEP_AS_OLDEST) {
		st = seqtype(0, seqtype_type(st));
	}
	m->job->entries_out++;
	m->added += bytes;
	rc = table_builder_add(m->builder, it->key, m->hash, st, value);
	if (it->hot)
		table_builder_note_hot(m->builder);
	return rc;
}

/* To the first key that the job is about. */
static shale_status begin(struct merge *m)
{
	const struct rangedel_set *set = m->job->ranges;
	shale_slice lower = m->job->lower;

	if (lower.data == NULL) {
		iter_first(m->job->source);
		return SHALE_OK;
	}
	buf_append(&m->boundary, lower.data, lower.size);
	if (m->boundary.failed)
		return err_memory("the boundary of an output");
	m->has_boundary = true;
	while (set != NULL && m->ahead < set->count &&
	       slice_cmp(set->fragments[m->ahead].hi, lower) <= 0)
		m->ahead++;
	m->fragment = m->ahead;
	iter_seek(m->job->source, lower);
	return SHALE_OK;
}

static shale_status merge_all(struct merge *m)
{
	const shale_slice none = { NULL, 0 }, end = m->job->upper;
	struct iter *it = m->job->source;
	shale_status rc = begin(m);

	for (; rc >= 0 && it->valid; iter_next(it)) {
		if (unlikely(end.data != NULL) && slice_cmp(it->top->key, end) >= 0)
			break;
		rc = merge_entry(m, it->top);
		if (unlikely(rc < 0))
			break;
	}
	if (rc >= 0 && it->status < 0)
		rc = it->status;
	/* Range tombstones may go on behind the last entry, or stand alone. */
	if (rc >= 0 && m->job->every_guard)
		rc = pass_every_guard(m, none);
	if (rc >= 0 && m->job->ranges != NULL)
		rc = pass_ranges(m, none);
	if (rc >= 0 && m->builder != NULL)
		rc = output_close(m, end);
	return rc;
}

/* What came in is what went out or was dropped for a reason. */
shale_status job_check_counts(const struct job *j)
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
	struct merge m = { .job = j,
			   .env = j->te->env,
			   .hides = { .te = j->te, .older = j->older, .first = j->first_older } };
	shale_status rc;

	j->keep.ranges = j->ranges;
	keep_init(&m.keep, m.env, &j->keep);
	buf_init(&m.boundary, m.env);
	m.pause_at = PAUSE_BYTES;
	m.guard = j->guards == NULL ? 0 : j->every_guard ? 1 : guard_next(j->guards, 0);
	rc = merge_all(&m);
	memcpy(j->counts, m.keep.counts, sizeof(j->counts));
	if (rc >= 0)
		rc = job_check_counts(j);
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
