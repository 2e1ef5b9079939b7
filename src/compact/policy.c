/* What all policies share: options, the order of what is looked at, helpers. */
#include "compact/policy.h"

const char *pick_reason_name(enum pick_reason reason)
{
	static const char *const name[PICK_REASONS] = {
		[PICK_TOP_RUNS] = "top runs",
		[PICK_LEVEL_SIZE] = "level size",
		[PICK_MANUAL] = "asked for",
		[PICK_LEVEL_RUNS] = "level runs",
		[PICK_WINDOW] = "window is over",
		[PICK_EXPIRED] = "expired",
		[PICK_OLDEST] = "oldest",
		[PICK_DELETED] = "deleted",
		[PICK_LATE] = "late",
		[PICK_SPACE] = "space",
	};

	return reason < PICK_REASONS && name[reason] != NULL ? name[reason] : "?";
}

struct policy_options policy_options_of(const shale_compaction *c, uint64_t memtable_bytes)
{
	shale_policy policy = c->policy != SHALE_DEFAULT_POLICY ? c->policy : SHALE_HYBRID;
	bool leveled = policy == SHALE_LEVELED;
	struct policy_options o = {
		.policy = policy,
		.acting = policy != SHALE_ADAPTIVE ? policy : SHALE_HYBRID,
		.size_ratio = c->size_ratio != 0 ? c->size_ratio
			      : leveled          ? 10
						 : 6,
		.top_runs = c->top_runs != 0 ? c->top_runs : 4,
		.max_runs = c->max_runs != 0              ? c->max_runs
			    : policy == SHALE_TIME_WINDOW ? 4
							  : 12,
		.space_amp_max = c->space_amp_max,
		.base_bytes = c->base_bytes != 0 ? c->base_bytes : memtable_bytes,
		.table_bytes = c->table_bytes != 0 ? c->table_bytes : 32u << 20,
		.window_ms = c->window_ms != 0 ? c->window_ms : 3600000,
		.max_bytes = c->max_bytes,
		.delete_within_ms = c->delete_within_ms,
	};

	/* Tiers cannot bound space; a single run beneath them does. */
	if (policy == SHALE_TIERED && o.space_amp_max != 0)
		o.acting = SHALE_HYBRID;
	if (leveled && o.space_amp_max != 0 && o.size_ratio * (o.space_amp_max - 100) < 100)
		o.size_ratio = 100 / (o.space_amp_max - 100);
	return o;
}

static bool pick_by_shape(const struct policy_options *o, const struct version *v,
			  const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_HYBRID:
		return tiered_pick(o, v, now, inputs, out);
	case SHALE_TIME_WINDOW:
		return window_pick(o, v, now, inputs, out);
	case SHALE_FIFO:
		return fifo_pick(o, v, inputs, out);
	default:
		return leveled_pick(o, v, now, inputs, out);
	}
}

enum { URGENT_RUNS = 2 }; /* times policy_top_runs(); stall.c delays writers from 3 times on */

bool policy_top_is_urgent(const struct policy_options *o, const struct version *v)
{
	return v->level[0].runs >= (uint64_t)URGENT_RUNS * policy_top_runs(o, v);
}

/*
 * Level 0 is what writers wait for. How far deeper levels are over what they should hold has
 * no bound, after a change of the policy above all, so their scores are not asked (but that
 * of level 1 under leveled, where there is no level between). Nor has
 * what is over a deadline that was set on a large store; there, too, level 0 comes first.
 */
static bool pick_urgent(const struct policy_options *o, const struct version *v,
			const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	if (!policy_top_is_urgent(o, v))
		return false;
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_HYBRID:
		return tiered_pick_top(o, v, now, inputs, out);
	case SHALE_TIME_WINDOW:
		return window_pick_top(o, v, now, inputs, out);
	case SHALE_FIFO:
		return false;
	default:
		return leveled_pick_top(o, v, now, inputs, out);
	}
}

bool policy_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	if (reclaim_pick_expired(v, now, inputs, out) || pick_urgent(o, v, now, inputs, out))
		return true;
	if (now->top_alone)
		return false;
	return (reclaim_pick_late(o, v, now, inputs, out) && pick_is_free(v, now, out)) ||
	       pick_by_shape(o, v, now, inputs, out) ||
	       (reclaim_pick_dense(o, v, now, inputs, out) && pick_is_free(v, now, out));
}

uint64_t policy_debt(const struct policy_options *o, const struct version *v)
{
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_HYBRID:
		return tiered_debt(o, v);
	case SHALE_TIME_WINDOW:
		return v->level[0].runs >= o->top_runs ? v->level[0].bytes : 0;
	case SHALE_FIFO:
		return 0;
	default:
		return leveled_debt(o, v);
	}
}

uint32_t policy_top_runs(const struct policy_options *o, const struct version *v)
{
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_HYBRID:
		return tiered_top_runs(o, v);
	case SHALE_FIFO:
		return UINT32_MAX;
	default:
		return o->top_runs;
	}
}

bool policy_level_is_deep(const struct policy_options *o, uint32_t level)
{
	switch (o->acting) {
	case SHALE_TIERED:
	case SHALE_TIME_WINDOW:
		return level >= 2; /* level 1 is soon written again */
	case SHALE_FIFO:
		return false;
	case SHALE_HYBRID:
		return level >= 1; /* what hides nothing stays where it is */
	default:
		return level + 1 >= LEVEL_LAST; /* levels fill from the last one upwards */
	}
}

size_t level_first(const struct version *v, uint32_t level)
{
	size_t i = 0;

	while (i < v->run_count && v->runs[i]->level < level)
		i++;
	return i;
}

bool pick_is_busy(const struct version *v, const struct pick_input *in)
{
	for (size_t i = 0; i < in->count; i++)
		if (v->runs[in->run]->tables[in->first + i]->busy)
			return true;
	return false;
}

void pick_bounds(const struct version *v, const struct pick_input *in, shale_slice *lo,
		 shale_slice *hi, bool *hi_excluded)
{
	const struct run *r = v->runs[in->run];
	const struct table_meta *first = r->tables[in->first];
	const struct table_meta *last = r->tables[in->first + in->count - 1];

	*lo = first->props.smallest;
	*hi = last->props.largest;
	*hi_excluded = last->props.largest_excluded;
}

bool pick_add_overlap(const struct version *v, size_t i, shale_slice lo, shale_slice hi,
		      bool hi_excluded, struct pick_input *out)
{
	const struct run *r = v->runs[i];
	size_t first = lo.data != NULL ? run_lower(r, lo) : 0, end = first;

	while (end < r->count && table_meta_overlaps(r->tables[end], lo, hi, hi_excluded))
		end++;
	*out = (struct pick_input){ .run = i, .first = first, .count = end - first };
	return !pick_is_busy(v, out);
}

bool pick_is_disjoint(const struct version *v, const struct pick *p)
{
	/* Tables of one run are disjoint; so it is enough to try runs pairwise. */
	for (size_t a = 0; a < p->input_count; a++) {
		const struct pick_input *in = &p->inputs[a];

		for (size_t t = 0; t < in->count; t++) {
			const struct table_meta *m = v->runs[in->run]->tables[in->first + t];

			for (size_t b = a + 1; b < p->input_count; b++) {
				struct pick_input hit;

				pick_add_overlap(v, p->inputs[b].run, m->props.smallest,
						 m->props.largest, m->props.largest_excluded, &hit);
				/* Any hit in a run of the pick is in the pick: it is closed. */
				if (hit.count != 0)
					return false;
			}
		}
	}
	return true;
}

bool pick_is_bottom(const struct version *v, size_t run, size_t table, uint32_t level)
{
	const struct table_props *p = &v->runs[run]->tables[table]->props;

	for (size_t i = 0; i < v->run_count; i++) {
		struct pick_input hit;

		if (v->runs[i]->level < level)
			continue;
		pick_add_overlap(v, i, p->smallest, p->largest, p->largest_excluded, &hit);
		if (hit.count != 0)
			return false;
	}
	return true;
}

/* Grow [lo, hi] to hold all the inputs' keys; true if it grew. */
static bool widen(const struct version *v, const struct pick_input *in, shale_slice *lo,
		  shale_slice *hi, bool *hi_excluded)
{
	shale_slice a, b;
	bool excluded, grew = false;
	int c;

	if (in->count == 0)
		return false;
	pick_bounds(v, in, &a, &b, &excluded);
	if (lo->data != NULL && slice_cmp(a, *lo) < 0) {
		*lo = a;
		grew = true;
	}
	c = hi->data != NULL ? slice_cmp(b, *hi) : -1;
	if (c > 0 || (c == 0 && *hi_excluded && !excluded)) {
		*hi = b;
		*hi_excluded = excluded;
		grew = true;
	}
	return grew;
}

bool pick_column(const struct version *v, size_t from, shale_slice lo, shale_slice hi,
		 bool hi_excluded, struct pick *p)
{
	bool grew = true;

	while (grew) {
		grew = false;
		p->input_count = 0;
		for (size_t i = from; i < v->run_count; i++) {
			struct pick_input *in = &p->inputs[p->input_count];

			if (!pick_add_overlap(v, i, lo, hi, hi_excluded, in) &&
			    p->reason != PICK_MANUAL)
				return false;
			if (in->count == 0)
				continue;
			p->input_count++;
			grew |= widen(v, in, &lo, &hi, &hi_excluded);
		}
	}
	return p->input_count != 0;
}

/*
 * Whether a merge of tables that are the bottom already could change anything: an
 * entry that all see is written there with sequence 0, and needs nothing more.
 */
static bool is_settled(const struct version *v, const struct pick_input *in,
		       const struct policy_now *now)
{
	for (size_t t = in->first; t < in->first + in->count; t++) {
		const struct table_props *p = &v->runs[in->run]->tables[t]->props;

		if (p->max_seq != 0 || p->tombstones != 0 || p->range_tombstones != 0 ||
		    (p->expiring != 0 && p->min_expiry_ms <= now->wall_ms))
			return false;
	}
	return true;
}

bool policy_pick_range(const struct policy_options *o, const struct version *v, shale_slice lo,
		       shale_slice hi, const struct policy_now *now, struct pick_input *inputs,
		       struct pick *out)
{
	uint64_t target[SHALE_LEVELS_MAX];
	const struct run *last;

	*out = (struct pick){ .reason = PICK_MANUAL, .score = 1, .inputs = inputs };
	if (!pick_column(v, 0, lo, hi, true, out))
		return false;
	last = v->runs[inputs[out->input_count - 1].run];
	if (out->input_count == 1 && last->level != 0 && is_settled(v, inputs, now))
		return false;
	out->output_level = last->level;
	out->output_run = last->id;
	if (last->level != 0 || o->acting == SHALE_FIFO)
		return true;
	if (o->acting == SHALE_LEVELED) {
		out->output_level = leveled_targets(o, v, target);
		pick_put_on_top(v, out->output_level, now, out);
	} else {
		pick_put_on_top(v, o->acting == SHALE_HYBRID ? LEVEL_LAST : 1, now, out);
	}
	return true;
}

void pick_span(const struct version *v, const struct pick *p, shale_slice *lo, shale_slice *hi,
	       bool *hi_excluded)
{
	pick_bounds(v, &p->inputs[0], lo, hi, hi_excluded);
	for (size_t i = 1; i < p->input_count; i++)
		widen(v, &p->inputs[i], lo, hi, hi_excluded);
}

struct pick_claim policy_claim(const struct version *v, const struct pick *p)
{
	struct pick_claim c = { .run = p->output_run };

	pick_span(v, p, &c.lo, &c.hi, &c.hi_excluded);
	return c;
}

/* Whether [.., hi] ends before lo. */
static bool ends_before(shale_slice hi, bool excluded, shale_slice lo)
{
	int c = slice_cmp(hi, lo);

	return c < 0 || (c == 0 && excluded);
}

bool pick_is_free(const struct version *v, const struct policy_now *now, const struct pick *p)
{
	struct pick_claim mine = policy_claim(v, p);

	for (const struct pick_claim *c = now->claims; c != NULL; c = c->next)
		if (c->run == mine.run && !ends_before(c->hi, c->hi_excluded, mine.lo) &&
		    !ends_before(mine.hi, mine.hi_excluded, c->lo))
			return false;
	return true;
}

bool pick_add_top(const struct version *v, size_t first, struct pick *p)
{
	for (size_t i = first; i < v->run_count && v->runs[i]->level == 0; i++) {
		struct pick_input in = { .run = i, .first = 0, .count = v->runs[i]->count };

		if (pick_is_busy(v, &in))
			return false;
		p->inputs[p->input_count++] = in;
	}
	return p->input_count != 0;
}

void pick_put_on_top(const struct version *v, uint32_t level, const struct policy_now *now,
		     struct pick *p)
{
	size_t i = level_first(v, level);
	struct pick_input hit;
	shale_slice lo, hi;
	bool hi_excluded;

	p->output_level = level;
	p->output_run = now->next_run;
	if (i == v->run_count || v->runs[i]->level != level)
		return;
	pick_span(v, p, &lo, &hi, &hi_excluded);
	pick_add_overlap(v, i, lo, hi, hi_excluded, &hit);
	if (hit.count == 0)
		p->output_run = v->runs[i]->id;
}

static double worth_collapsing(const struct sweep *s, const void *arg)
{
	size_t oldest = s->end - 1 - s->first;

	(void)arg;
	/* The more runs meet there the better; one alone only if it can be moved. */
	return s->busy || (s->runs == 1 && s->at[oldest].count != 0) ? 0 : (double)s->runs;
}

bool pick_collapse(const struct version *v, size_t first, size_t end, struct pick *p)
{
	p->reason = PICK_LEVEL_RUNS;
	if (!sweep_best(v, first, end, worth_collapsing, NULL, p))
		return false;
	p->output_level = v->runs[end - 1]->level;
	p->output_run = v->runs[end - 1]->id;
	p->move = p->input_count == 1;
	return true;
}

bool pick_is_worth_moving(const struct version *v, const struct pick *p)
{
	uint64_t entries = 0, tombstones = 0;

	for (size_t i = 0; i < p->input_count; i++) {
		const struct pick_input *in = &p->inputs[i];

		for (size_t t = in->first; t < in->first + in->count; t++) {
			const struct table_props *props = &v->runs[in->run]->tables[t]->props;
			uint64_t dead = props->tombstones + props->range_tombstones;

			if (dead != 0 && pick_is_bottom(v, in->run, t, p->output_level))
				tombstones += dead;
			entries += props->entries + props->range_tombstones;
		}
	}
	return tombstones * 8 <= entries;
}
