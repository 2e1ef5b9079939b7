/*
 * Room that time or deletes have set free, under every policy:
 *
 *   expired   all of a table's entries are, and nothing lies beneath it: the file
 *             is dropped without being read
 *   late      tombstones come to be delete_within_ms old: they and all beneath
 *             them are merged, down to the bottom, after three quarters of the time.
 *             Those in level 0 first go down with all of it, as its merge does it: its
 *             tables know no guards, so beneath one lies most of the store, and while
 *             that is merged writers would wait for level 0
 *   dense     a quarter of a table at the bottom is dead, or half of one higher up
 *             beneath which little lies, or little but what it may hide: it is written
 *             anew. A range tombstone at the bottom, beneath level 0, may delete all:
 *             a snapshot held it together with what it deletes
 *
 * Each leaves nothing that it would pick again: what is at the bottom and older
 * than all snapshots, as is asked for, is dropped by the merge.
 *
 * The age of tombstones is kept in created_ms: the output of a merge is as old as
 * the oldest of its inputs that has any (where there is a deadline), so that going
 * down does not make them young. With time windows it is as old as the newest,
 * which is what windows go by, and a window's length comes off the deadline. Where the
 * clock was set back, tombstones from the future are late now, in what they go down to, too.
 */
#include "compact/policy.h"

enum { DENSE_BOTTOM = 4, DENSE_ABOVE = 2, COLUMN_MAX = 4, HIDDEN = 2 };

static uint64_t dead_entries(const struct table_props *p)
{
	return p->tombstones + p->range_tombstones;
}

bool reclaim_is_outlived(const struct table_props *p, uint64_t oldest_snapshot)
{
	return dead_entries(p) != 0 && p->max_seq <= oldest_snapshot;
}

static bool has_expired(const struct table_props *p, uint64_t wall_ms)
{
	return p->expiring != 0 && p->max_expiry_ms <= wall_ms;
}

bool reclaim_is_bottom(const struct version *v, size_t run, const struct table_props *p)
{
	for (size_t i = run + 1; i < v->run_count; i++) {
		struct pick_input hit;

		pick_add_overlap(v, i, p->smallest, p->largest, p->largest_excluded, &hit);
		if (hit.count != 0)
			return false;
	}
	return true;
}

static bool may_drop(const struct version *v, size_t run, size_t t, const struct policy_now *now)
{
	const struct table_meta *m = v->runs[run]->tables[t];
	const struct table_props *p = &m->props;

	return has_expired(p, now->wall_ms) && p->expiring + p->tombstones == p->entries &&
	       !m->busy && reclaim_is_bottom(v, run, p);
}

bool reclaim_pick_expired(const struct version *v, const struct policy_now *now,
			  struct pick_input *inputs, struct pick *out)
{
	if (v->expiring == 0)
		return false;
	for (size_t i = v->run_count; i-- > 0;) {
		const struct run *r = v->runs[i];

		for (size_t t = 0; t < r->count; t++) {
			size_t end = t;

			while (end < r->count && may_drop(v, i, end, now))
				end++;
			if (end == t)
				continue;
			inputs[0] = (struct pick_input){ .run = i, .first = t, .count = end - t };
			*out = (struct pick){ .reason = PICK_EXPIRED,
					      .score = 1,
					      .input_count = 1,
					      .inputs = inputs,
					      .output_level = r->level,
					      .output_run = r->id,
					      .drop = true };
			return true;
		}
	}
	return false;
}

static uint64_t due_after_ms(const struct policy_options *o)
{
	return o->delete_within_ms / 4 * 3;
}

/*
 * When a table was made. Of one from the future, by more than there is time left behind
 * due_after_ms(), the clock was set back since, nobody knows by how much: it is due now.
 */
static uint64_t made_ms(const struct policy_options *o, const struct table_props *p,
			uint64_t wall_ms)
{
	if (p->created_ms <= wall_ms || p->created_ms - wall_ms <= o->delete_within_ms / 8)
		return p->created_ms;
	return wall_ms > due_after_ms(o) ? wall_ms - due_after_ms(o) : 0;
}

/* A time from the making of a table on, less what windows may hide of its age. */
static uint64_t since_made(const struct policy_options *o, const struct table_props *p,
			   uint64_t wall_ms, uint64_t ms)
{
	if (o->acting == SHALE_TIME_WINDOW)
		ms -= ms < o->window_ms ? ms : o->window_ms;
	return made_ms(o, p, wall_ms) + ms;
}

/* When tombstones of a table must go down; UINT64_MAX: at no time. */
static uint64_t late_ms(const struct policy_options *o, const struct table_props *p,
			uint64_t wall_ms)
{
	if (o->delete_within_ms == 0 || dead_entries(p) == 0)
		return UINT64_MAX;
	return since_made(o, p, wall_ms, due_after_ms(o));
}

/* The table and all beneath it, into the place of the lowest. */
static bool column_of(const struct version *v, size_t run, size_t t, struct pick_input *inputs,
		      struct pick *out)
{
	const struct table_props *p = &v->runs[run]->tables[t]->props;
	const struct run *last;

	*out = (struct pick){ .reason = PICK_DELETED, .score = 1, .inputs = inputs };
	if (!pick_column(v, run, p->smallest, p->largest, p->largest_excluded, out))
		return false;
	last = v->runs[inputs[out->input_count - 1].run];
	out->output_level = last->level;
	out->output_run = last->id;
	return true;
}

/* What takes the tombstones of a table on their way down. */
static bool pick_down(const struct policy_options *o, const struct version *v,
		      const struct policy_now *now, size_t run, size_t t, struct pick_input *inputs,
		      struct pick *out)
{
	if (v->runs[run]->level != 0)
		return column_of(v, run, t, inputs, out);
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_HYBRID:
		return tiered_pick_top_late(o, v, now, inputs, out);
	case SHALE_TIME_WINDOW:
	case SHALE_FIFO:
		return column_of(v, run, t, inputs, out);
	default:
		return leveled_pick_top_late(o, v, now, inputs, out);
	}
}

bool reclaim_pick_late(const struct policy_options *o, const struct version *v,
		       const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	const struct table_props *first = NULL;
	size_t run = 0, table = 0;

	if (o->delete_within_ms == 0)
		return false;
	for (size_t i = 0; i < v->run_count; i++)
		for (size_t t = 0; t < v->runs[i]->count; t++) {
			const struct table_props *p = &v->runs[i]->tables[t]->props;

			if (late_ms(o, p, now->wall_ms) > now->wall_ms ||
			    p->max_seq > now->oldest_snapshot ||
			    (first != NULL &&
			     made_ms(o, p, now->wall_ms) >= made_ms(o, first, now->wall_ms)) ||
			    !pick_down(o, v, now, i, t, inputs, out))
				continue;
			first = p;
			run = i;
			table = t;
		}
	/* What was tried in between is in the inputs. */
	if (first == NULL || !pick_down(o, v, now, run, table, inputs, out))
		return false;
	out->reason = PICK_LATE;
	out->score = 2;
	out->since_ms = late_ms(o, first, now->wall_ms);
	out->until_ms = since_made(o, first, now->wall_ms, o->delete_within_ms);
	return true;
}

static bool is_dense(const struct version *v, size_t run, const struct table_props *p,
		     const struct policy_now *now)
{
	uint64_t dead = dead_entries(p), all = p->entries + p->range_tombstones;
	bool ranges;

	if (has_expired(p, now->wall_ms))
		dead += p->expiring;
	if (dead == 0 || p->max_seq > now->oldest_snapshot)
		return false;
	if (dead * DENSE_ABOVE >= all)
		return true;
	/* In level 0 it has been applied to what was flushed with it. */
	ranges = p->range_tombstones != 0 && v->runs[run]->level != 0;
	return (ranges || dead * DENSE_BOTTOM >= all) && reclaim_is_bottom(v, run, p);
}

struct weight {
	uint64_t bytes, tombstones, others;
};

static struct weight weigh(const struct version *v, const struct pick *column)
{
	struct weight w = { .bytes = 0 };

	for (size_t k = 0; k < column->input_count; k++) {
		const struct pick_input *in = &column->inputs[k];

		for (size_t n = in->first; n < in->first + in->count; n++) {
			const struct table_meta *m = v->runs[in->run]->tables[n];

			w.bytes += m->size;
			w.tombstones += m->props.tombstones;
			w.others += m->props.entries - m->props.tombstones;
		}
	}
	return w;
}

/*
 * Whether a dense table is to be merged with what lies beneath it: where that is little
 * (in level 0 others will come), or little but what the tombstones may hide.
 */
static bool is_worth(const struct version *v, const struct run *r, size_t t,
		     const struct pick *column)
{
	struct weight w = weigh(v, column);

	return (r->level != 0 && w.bytes <= COLUMN_MAX * r->tables[t]->size) ||
	       w.others <= HIDDEN * w.tombstones;
}

/* Whose tables are not merged with what lies beneath them, or times would be mixed. */
static bool is_by_time(const struct policy_options *o)
{
	return o->acting == SHALE_TIME_WINDOW || o->acting == SHALE_FIFO;
}

bool reclaim_is_awaited(const struct policy_options *o, const struct version *v, shale_slice lo,
			shale_slice hi, uint64_t tombstones, struct pick_input *inputs)
{
	struct pick column = { .reason = PICK_DELETED, .inputs = inputs };
	struct weight w;

	if (is_by_time(o) || !pick_column(v, 0, lo, hi, false, &column))
		return false;
	w = weigh(v, &column);
	return w.others != 0 && w.others <= HIDDEN * (w.tombstones + tombstones);
}

bool reclaim_pick_dense(const struct policy_options *o, const struct version *v,
			const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	for (size_t i = v->run_count; i-- > 0;) {
		const struct run *r = v->runs[i];

		if (v->expiring == 0 && v->level[r->level].tombstones == 0)
			continue;
		for (size_t t = 0; t < r->count; t++) {
			if (!is_dense(v, i, &r->tables[t]->props, now) ||
			    !column_of(v, i, t, inputs, out))
				continue;
			if (out->input_count == 1 || (!is_by_time(o) && is_worth(v, r, t, out)))
				return true;
		}
	}
	return false;
}

uint64_t policy_wake_ms(const struct policy_options *o, const struct version *v, uint64_t wall_ms)
{
	uint64_t at = UINT64_MAX;

	if (o->acting == SHALE_TIME_WINDOW && v->run_count != 0)
		at = (wall_ms / o->window_ms + 1) * o->window_ms;
	if (v->expiring == 0 && o->delete_within_ms == 0)
		return at;
	for (size_t i = 0; i < v->run_count; i++)
		for (size_t t = 0; t < v->runs[i]->count; t++) {
			const struct table_props *p = &v->runs[i]->tables[t]->props;
			uint64_t late = late_ms(o, p, wall_ms);

			if (p->expiring != 0 && p->max_expiry_ms > wall_ms && p->max_expiry_ms < at)
				at = p->max_expiry_ms;
			if (late <= wall_ms)
				late = wall_ms + 1000; /* a snapshot, or a job, is in the way */
			if (late < at)
				at = late;
		}
	return at;
}

uint64_t policy_created_ms(const struct policy_options *o, const struct version *v,
			   const struct pick *p, uint64_t wall_ms)
{
	bool newest = o->acting == SHALE_TIME_WINDOW;
	uint64_t at = newest ? 0 : wall_ms;

	if (!newest && o->delete_within_ms == 0)
		return wall_ms;
	for (size_t i = 0; i < p->input_count; i++)
		for (size_t t = 0; t < p->inputs[i].count; t++) {
			const struct table_props *props =
				&v->runs[p->inputs[i].run]->tables[p->inputs[i].first + t]->props;
			uint64_t made = newest ? props->created_ms : made_ms(o, props, wall_ms);

			if (newest ? made > at : dead_entries(props) != 0 && made < at)
				at = made;
		}
	return at;
}
