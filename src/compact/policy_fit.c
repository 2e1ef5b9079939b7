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
	bool hope, alone; /* runs do not mix */
};

/* Of one run: whether it is the sweep's first, the bottom, and has outlived tables. */
static bool is_outlived(const struct sweep *s, uint64_t oldest_snapshot)
{
	const struct pick_input *in = &s->at[0];

	for (size_t t = in->first; t < in->first + in->count && s->end == s->v->run_count; t++)
		if (reclaim_is_outlived(&s->v->runs[in->run]->tables[t]->props, oldest_snapshot))
			return true;
	return false;
}

static bool may_merge(const struct sweep *s, const struct fit *fit)
{
	if (s->busy || s->bytes == 0)
		return false;
	return s->runs > 1 ? !fit->alone : is_outlived(s, fit->oldest_snapshot);
}

static double worth_fitting(const struct sweep *s, const void *arg)
{
	const struct fit *fit = arg;
	uint64_t largest = 0, entries = 1, tombstones = 0, most;
	bool ranges = false;
	double dead;

	if (!may_merge(s, fit))
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

enum { BEST = UINT32_MAX };

/* Of runs [first, end) the stretch worth most; or the nth that is worth anything, *nth less
   those that there are if there are fewer. */
static bool pick_stretch(const struct version *v, size_t first, size_t end, const struct fit *fit,
			 uint32_t *nth, struct pick *out)
{
	struct sweep s;

	if (*nth == BEST)
		return sweep_best(v, first, end, worth_fitting, fit, out);
	for (sweep_begin(&s, v, first, end, out->inputs); sweep_next(&s);) {
		if (worth_fitting(&s, fit) <= 0)
			continue;
		if (*nth == 0) {
			sweep_take(&s, out);
			return true;
		}
		--*nth;
	}
	return false;
}

static bool pick_fit(const struct policy_options *o, const struct version *v, struct fit fit,
		     uint32_t nth, struct pick_input *inputs, struct pick *out)
{
	*out = (struct pick){ .reason = PICK_SPACE, .score = 1, .inputs = inputs };
	fit.alone = never_mixes(o);
	for (uint32_t level = SHALE_LEVELS_MAX; level > 0; level--) {
		size_t end = level_first(v, level);

		if (level < SHALE_LEVELS_MAX && end == level_first(v, level + 1))
			continue;
		for (size_t first = 0; first < end; first++) {
			const struct run *last;

			if (!pick_stretch(v, first, end, &fit, &nth, out))
				continue;
			last = v->runs[out->inputs[out->input_count - 1].run];
			out->output_level = last->level;
			out->output_run = last->id;
			return true;
		}
	}
	return false;
}

bool policy_pick_fitting(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, least, false, false };

	return pick_fit(o, v, fit, BEST, inputs, out);
}

bool policy_pick_hopeful(const struct policy_options *o, const struct version *v,
			 const struct policy_now *now, uint64_t room, double least,
			 struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, least, true, false };

	return pick_fit(o, v, fit, BEST, inputs, out);
}

bool policy_pick_hopeful_nth(const struct policy_options *o, const struct version *v,
			     const struct policy_now *now, uint64_t room, uint32_t nth,
			     struct pick_input *inputs, struct pick *out)
{
	struct fit fit = { room, now->oldest_snapshot, 0, true, false };

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
