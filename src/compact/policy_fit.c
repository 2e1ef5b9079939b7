/*
 * What to merge when there is little room: of all stretches of keys whose result fits
 * in, the one of which most may be dead. A run on top of another can be all new keys,
 * or all newer versions of old ones; so what lies above the largest run of a stretch,
 * as a share of its bytes, is how much the merge may free. Down to the bottom is best,
 * since tombstones end there. Every such merge leaves one run less over its keys, so
 * there is an end to them. A single table is written anew where it is the bottom and has
 * tombstones that no snapshot needs any more: it may hold what they delete. Then it has
 * none.
 *
 * The caller holds a lock meanwhile. A look at all stretches takes time by the square of the
 * number of runs, so of many runs not every one is tried as the newest of a stretch.
 *
 * What fits in for sure is no larger than the room. If there is none, one is tried
 * that fits in if all above the largest run is as deadly as it may be: a merge
 * that finds no more room fails and is undone. What is all dead so goes without any room.
 *
 * If that does not help either, a stretch is made shorter. A table that lies across a key
 * at which one of the stretch's largest run begins is written anew, in pieces that end
 * there; that takes room for this table only. Pieces are never cut again, so there is an
 * end to this, too: then a stretch has one table of its largest run, and two runs of it
 * merge in the room of two tables. Where there is not even that, every merge that might
 * fit in is tried in turn.
 */
#include "compact/policy.h"

struct fit {
	uint64_t room, oldest_snapshot;
	double least;
	bool hope;
};

static double worth_fitting(const struct sweep *s, const struct fit *fit)
{
	uint64_t largest = 0, entries = 1, tombstones = 0, most;
	bool ranges = false;
	double dead;

	if (s->busy || s->bytes == 0)
		return 0;
	for (size_t i = 0; i < s->end - s->first; i++) {
		const struct pick_input *in = &s->at[i];
		uint64_t bytes = 0, n = 0;

		for (size_t t = 0; t < in->count; t++) {
			const struct table_meta *m = s->v->runs[in->run]->tables[in->first + t];

			bytes += m->size;
			n += m->props.entries;
			tombstones += m->props.tombstones;
			ranges |= m->props.range_tombstones != 0;
		}
		if (bytes > largest) {
			largest = bytes;
			entries = n != 0 ? n : 1;
		}
	}
	/* Each deletes one entry of another run, or itself and one of its own. */
	tombstones *= s->runs > 1 ? 1 : 2;
	/* A range tombstone may cover everything. */
	most = ranges || tombstones >= entries
		       ? 0
		       : (uint64_t)((double)largest * (double)(entries - tombstones) /
				    (double)entries);
	if ((fit->hope ? most : s->bytes) > fit->room)
		return 0;
	dead = (double)(s->bytes - most) / (double)s->bytes;
	return dead >= fit->least ? dead : 0;
}

static double worth_merging(const struct sweep *s, const void *fit)
{
	return s->runs > 1 ? worth_fitting(s, fit) : 0;
}

/* Windows must not mix, and what is never merged frees nothing by it. */
static bool never_mixes(const struct policy_options *o)
{
	return o->acting == SHALE_TIME_WINDOW || o->acting == SHALE_FIFO;
}

uint64_t pick_bytes(const struct version *v, const struct pick *p)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->input_count && !p->move && !p->drop; i++) {
		const struct pick_input *in = &p->inputs[i];

		for (size_t t = 0; t < in->count; t++)
			bytes += v->runs[in->run]->tables[in->first + t]->size;
	}
	return bytes;
}

enum {
	BEST = UINT32_MAX,
	EACH = 64, /* the oldest runs of which each is tried as the newest of a stretch */
};

/* Of runs [first, end) the stretch worth most; or the nth that is worth anything, *nth less
   those that there are if there are fewer. */
static bool pick_stretch(const struct version *v, size_t first, size_t end, const struct fit *fit,
			 uint32_t *nth, struct pick *out)
{
	struct sweep s;

	if (*nth == BEST)
		return sweep_best(v, first, end, worth_merging, fit, out);
	for (sweep_begin(&s, v, first, end, out->inputs); sweep_next(&s);) {
		if (worth_merging(&s, fit) <= 0)
			continue;
		if (*nth == 0) {
			sweep_take(&s, out);
			return true;
		}
		--*nth;
	}
	return false;
}

/* The next run to be the newest: before the oldest EACH, half of what is left is passed over. */
static size_t next_first(size_t first, size_t end)
{
	size_t left = end - first;

	return left > EACH ? first + (left - EACH + 1) / 2 : first + 1;
}

/* Of runs [.., end) a stretch of several. */
static bool pick_merge(const struct version *v, size_t end, const struct fit *fit, uint32_t *nth,
		       struct pick *out)
{
	for (size_t first = 0; first < end; first = next_first(first, end))
		if (pick_stretch(v, first, end, fit, nth, out))
			return true;
	return false;
}

/* What it is worth to write a table anew, alone. */
static double worth_alone(const struct version *v, const struct pick_input *in,
			  const struct fit *fit)
{
	const struct table_meta *m = v->runs[in->run]->tables[in->first];
	struct pick_input at = *in;
	struct sweep s = { .v = v,
			   .first = in->run,
			   .end = in->run + 1,
			   .at = &at,
			   .runs = 1,
			   .bytes = m->size,
			   .busy = m->busy };
	double worth;

	if (!reclaim_is_outlived(&m->props, fit->oldest_snapshot))
		return 0;
	worth = worth_fitting(&s, fit);
	return worth > 0 && reclaim_is_bottom(v, in->run, &m->props) ? worth : 0;
}

/* A table that is the bottom and has outlived tombstones: of the newest run that has any. */
static bool pick_alone(const struct version *v, const struct fit *fit, uint32_t *nth,
		       struct pick *out)
{
	double best = 0;

	for (size_t i = 0; i < v->run_count && best <= 0; i++)
		for (size_t t = 0; t < v->runs[i]->count; t++) {
			struct pick_input in = { .run = i, .first = t, .count = 1 };
			double worth = worth_alone(v, &in, fit);

			if (worth <= best)
				continue;
			if (*nth != BEST && *nth != 0) {
				--*nth;
				continue;
			}
			out->inputs[0] = in;
			out->input_count = 1;
			if (*nth == 0)
				return true;
			best = worth;
		}
	return best > 0;
}

static bool pick_fit(const struct policy_options *o, const struct version *v, struct fit fit,
		     uint32_t nth, struct pick_input *inputs, struct pick *out)
{
	bool mixes = !never_mixes(o), found = false;
	const struct run *last;

	*out = (struct pick){ .reason = PICK_SPACE, .score = 1, .inputs = inputs };
	for (uint32_t level = SHALE_LEVELS_MAX; level > 0 && !found; level--) {
		size_t end = level_first(v, level);
		bool bottom = level == SHALE_LEVELS_MAX;

		if (!bottom && end == level_first(v, level + 1))
			continue;
		found = (mixes && pick_merge(v, end, &fit, &nth, out)) ||
			(bottom && pick_alone(v, &fit, &nth, out));
	}
	if (!found)
		return false;
	last = v->runs[out->inputs[out->input_count - 1].run];
	out->output_level = last->level;
	out->output_run = last->id;
	return true;
}

bool policy_pick_fitting(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, least, false };

	return pick_fit(o, v, fit, BEST, inputs, out);
}

bool policy_pick_hopeful(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, least, true };

	return pick_fit(o, v, fit, BEST, inputs, out);
}

bool policy_pick_hopeful_nth(const struct policy_options *o, const struct version *v,
			     const struct policy_now *now, uint64_t room, uint32_t nth,
			     struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, 0, true };

	return pick_fit(o, v, fit, nth, inputs, out);
}

/* ---- shorter stretches ---- */

/* Whether a table of `r` but the first begins inside of `m`. */
static bool lies_across(const struct run *r, const struct table_meta *m)
{
	size_t at = run_lower(r, m->props.smallest);
	int c;

	if (at == 0 ||
	    (at < r->count && slice_cmp(r->tables[at]->props.smallest, m->props.smallest) <= 0))
		at++;
	if (at >= r->count)
		return false;
	c = slice_cmp(r->tables[at]->props.smallest, m->props.largest);
	return c < 0 || (c == 0 && !m->props.largest_excluded);
}

/* A table of the stretch to cut at where tables of its largest run begin. */
static bool pick_cut_in(const struct sweep *s, uint64_t room, struct pick *out)
{
	const struct run *largest = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < s->end - s->first; i++) {
		const struct run *r = s->v->runs[s->first + i];
		uint64_t bytes = 0;

		for (size_t t = 0; t < s->at[i].count; t++)
			bytes += r->tables[s->at[i].first + t]->size;
		if (bytes > most) {
			most = bytes;
			largest = r;
		}
	}
	for (size_t i = 0; i < s->end - s->first; i++) {
		const struct run *r = s->v->runs[s->first + i];

		for (size_t t = s->at[i].first; t < s->at[i].first + s->at[i].count; t++) {
			if (r == largest || r->tables[t]->size > room ||
			    !lies_across(largest, r->tables[t]))
				continue;
			out->inputs[0] = (struct pick_input){ s->first + i, t, 1 };
			out->input_count = 1;
			out->output_level = r->level;
			out->output_run = r->id;
			out->cut = largest;
			return true;
		}
	}
	return false;
}

bool policy_pick_cut(const struct policy_options *o, const struct version *v, uint64_t room,
		     struct pick_input *inputs, struct pick *out)
{
	struct sweep s;

	*out = (struct pick){ .reason = PICK_SPACE, .score = 1, .inputs = inputs };
	if (never_mixes(o))
		return false;
	for (sweep_begin(&s, v, 0, v->run_count, inputs); sweep_next(&s);)
		if (s.runs > 1 && !s.busy && pick_cut_in(&s, room, out))
			return true;
	return false;
}
