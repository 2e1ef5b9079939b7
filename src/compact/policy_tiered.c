/*
 * Tiered and hybrid. Flushes stack up in level 0; top_runs of them become one run
 * of level 1, or up to twice as many, while level 0 is small beside what lies beneath:
 * the fewer runs come out of it, the less often they are merged again. Where max_runs
 * runs of a level lie over one key, that stretch of keys is merged into one run of the
 * next level. So an entry is written once a level, and there are
 * log(data / memtable) / log(max_runs) levels.
 *
 * Tiered goes on like that down to the last level, whose runs are merged in place.
 *
 * Hybrid keeps one run in the last level, and merges into it when what lies above
 * and hides older entries, level 0 apart, exceeds a size_ratio-th of the live data:
 * the stretch of keys of which most hides something. So what is obsolete is a
 * size_ratio-th at most. What hides nothing may lie above as long as there are not
 * too many runs of it: merging it down would free nothing. How much of a table hides
 * older entries is estimated when it is written (hides.h); where nothing is known all
 * of it does, and this is lazy leveling (Dayan and Idreos, "Dostoevsky", SIGMOD 2018).
 *
 * All merges but the top's are of stretches (policy_sweep.c). A run is therefore
 * replaced piece by piece and begun piece by piece; its successor in the next
 * level is the newest run there as long as that has nothing in the stretch.
 *
 * Jobs at once: tables are busy, and a stretch with a busy table waits, so what a
 * job leaves above it is newer; and what a job claims of a run is left to it. Level 0 goes down as a whole, one job at a time.
 */
#include "compact/policy.h"

enum {
	TOP_SHARE = 2, /* level 0 waits while it is at most such a part of what lies beneath, */
	TOP_WAITS = 2, /* up to so many times top_runs */
};

/* What a byte that hides nothing is worth to a merge into the last level; one that does: 1. */
#define WORTH_OF_THE_REST 0.001

/* The deepest level of several runs. */
static uint32_t deepest_tier(const struct policy_options *o)
{
	return o->acting == SHALE_TIERED ? LEVEL_LAST : LEVEL_LAST - 1;
}

/* What of the bytes above the last level hides older entries: as much is obsolete beneath. */
static uint64_t hiding_above_last(const struct version *v)
{
	uint64_t bytes = 0;

	for (uint32_t l = 1; l < LEVEL_LAST; l++)
		bytes += v->level[l].hiding;
	return bytes;
}

/* How much of that there may be. */
static uint64_t most_above_last(const struct policy_options *o, const struct version *v)
{
	uint64_t live = 0, most;

	for (uint32_t l = 1; l <= LEVEL_LAST; l++)
		live += v->level[l].bytes;
	live -= hiding_above_last(v);
	most = live / o->size_ratio;
	if (o->space_amp_max != 0 && live / 100 * (o->space_amp_max - 100) < most)
		most = live / 100 * (o->space_amp_max - 100);
	return most > o->base_bytes ? most : o->base_bytes;
}

uint32_t tiered_top_runs(const struct policy_options *o, const struct version *v)
{
	uint64_t beneath = 0;

	if (o->policy == SHALE_ADAPTIVE)
		return o->top_runs; /* has been chosen with care */
	for (uint32_t l = 1; l <= LEVEL_LAST; l++)
		beneath += v->level[l].bytes;
	return beneath / TOP_SHARE >= v->level[0].bytes ? TOP_WAITS * o->top_runs : o->top_runs;
}

static bool pick_top(const struct version *v, const struct policy_now *now, struct pick *p)
{
	p->reason = PICK_TOP_RUNS;
	if (!pick_add_top(v, 0, p))
		return false;
	pick_put_on_top(v, 1, now, p);
	p->move = pick_is_disjoint(v, p) && pick_is_worth_moving(v, p);
	return true;
}

static double worth_of_depth(const struct sweep *s, const void *arg)
{
	const uint32_t *max_runs = arg;

	return s->busy || s->runs < *max_runs ? 0 : (double)s->runs;
}

/* The oldest run before `end` into which a table of run i fits, nothing between being in its way. */
static size_t sinks_to(const struct version *v, size_t i, size_t end, const struct table_props *p)
{
	struct pick_input hit;

	while (i + 1 < end) {
		if (!pick_add_overlap(v, i + 1, p->smallest, p->largest, p->largest_excluded,
				      &hit) ||
		    hit.count != 0)
			break;
		i++;
	}
	return i;
}

/*
 * Many runs that lie beside each other rather than over each other: tables of one
 * are moved into the gaps of an older one, so that there are no more runs than
 * what lies over one key asks for. Where nothing fits, all runs meet in one stretch.
 */
static bool pick_sink(const struct version *v, size_t first, size_t end, struct pick *p)
{
	p->reason = PICK_LEVEL_RUNS;
	for (size_t i = end - 1; i-- > first;) {
		const struct run *r = v->runs[i];

		for (size_t t = 0; t < r->count; t++) {
			size_t to = sinks_to(v, i, end, &r->tables[t]->props), next = t + 1;

			if (to == i || r->tables[t]->busy)
				continue;
			while (next < r->count && !r->tables[next]->busy &&
			       sinks_to(v, i, end, &r->tables[next]->props) == to)
				next++;
			p->inputs[0] =
				(struct pick_input){ .run = i, .first = t, .count = next - t };
			p->input_count = 1;
			p->output_level = v->runs[to]->level;
			p->output_run = v->runs[to]->id;
			p->move = true;
			return true;
		}
	}
	return false;
}

/* A stretch that lies under too many runs of a level. */
static bool pick_tier(const struct policy_options *o, const struct version *v, uint32_t level,
		      const struct policy_now *now, struct pick *p)
{
	size_t first = level_first(v, level), end = first + v->level[level].runs;

	p->reason = PICK_LEVEL_RUNS;
	if (!sweep_best(v, first, end, worth_of_depth, &o->max_runs, p))
		return v->level[level].runs >= o->max_runs + UINT64_C(1) &&
		       pick_sink(v, first, end, p);
	if (level < deepest_tier(o)) {
		pick_put_on_top(v, level + 1, now, p);
	} else {
		p->output_level = level;
		p->output_run = v->runs[p->inputs[p->input_count - 1].run]->id;
	}
	return true;
}

/*
 * How much of a stretch hides older entries, of what lies above the run of the last level.
 * What hides nothing counts a little: where there are two last runs, one is made of them.
 */
static double worth_above_last(const struct sweep *s, const void *arg)
{
	double worth = 0;

	(void)arg;
	for (size_t i = s->first; i < s->end && !s->busy; i++) {
		const struct pick_input *in = &s->at[i - s->first];
		const struct run *r = s->v->runs[i];

		if (i + 1 == s->end && r->level == LEVEL_LAST)
			break;
		for (size_t t = in->first; t < in->first + in->count; t++)
			worth += (double)table_meta_hiding(r->tables[t]) +
				 WORTH_OF_THE_REST * (double)r->tables[t]->size;
	}
	return worth / (double)s->bytes;
}

static bool pick_last(const struct version *v, const struct policy_now *now, struct pick *p)
{
	size_t first = level_first(v, 1);
	const struct run *last = first < v->run_count ? v->runs[v->run_count - 1] : NULL;
	bool begins = last == NULL || last->level != LEVEL_LAST;

	p->reason = PICK_LEVEL_SIZE;
	/* Two jobs that both begin the last run would make two of it. */
	for (size_t i = first; begins && i < v->run_count; i++) {
		struct pick_input all = { .run = i, .first = 0, .count = v->runs[i]->count };

		if (pick_is_busy(v, &all))
			return false;
	}
	if (!sweep_best(v, first, v->run_count, worth_above_last, NULL, p))
		return false;
	p->output_level = LEVEL_LAST;
	p->output_run = begins ? now->next_run : last->id;
	p->move = p->input_count == 1 && pick_is_worth_moving(v, p);
	return true;
}

/*
 * The first run beneath level 0 is the last run, as a whole: it costs nothing, and from then
 * on its tables are guards for what comes above, all over the keys.
 */
static bool pick_first_last(const struct version *v, const struct policy_now *now, struct pick *p)
{
	size_t first = level_first(v, 1);

	if (first + 1 != v->run_count || v->runs[first]->level == LEVEL_LAST)
		return false;
	p->inputs[0] = (struct pick_input){ .run = first, .count = v->runs[first]->count };
	if (pick_is_busy(v, &p->inputs[0]))
		return false;
	p->reason = PICK_LEVEL_SIZE;
	p->score = 1;
	p->input_count = 1;
	p->output_level = LEVEL_LAST;
	p->output_run = now->next_run;
	p->move = pick_is_worth_moving(v, p);
	return true;
}

static double top_score(const struct policy_options *o, const struct version *v)
{
	return (double)v->level[0].runs / tiered_top_runs(o, v);
}

bool tiered_pick_top(const struct policy_options *o, const struct version *v,
		     const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	*out = (struct pick){ .inputs = inputs };
	if (o->acting == SHALE_HYBRID && pick_first_last(v, now, out) &&
	    (out->move || !now->top_alone) && pick_is_free(v, now, out))
		return true;
	*out = (struct pick){ .score = top_score(o, v), .inputs = inputs };
	return pick_top(v, now, out) && pick_is_free(v, now, out);
}

/* Nothing is moved, as under leveled; but what is to be the last run may go there first. */
bool tiered_pick_top_late(const struct policy_options *o, const struct version *v,
			  const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	bool found = tiered_pick_top(o, v, now, inputs, out);

	if (found && out->reason == PICK_TOP_RUNS)
		out->move = false;
	return found;
}

static double tier_score(const struct policy_options *o, const struct version *v, uint32_t level)
{
	return (double)v->level[level].runs / o->max_runs;
}

bool tiered_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	double score[SHALE_LEVELS_MAX] = { top_score(o, v) };

	for (uint32_t l = 1; l <= deepest_tier(o); l++)
		score[l] = tier_score(o, v, l);
	if (o->acting == SHALE_HYBRID) {
		uint64_t above = hiding_above_last(v), most = most_above_last(o, v);

		if (above > most)
			score[LEVEL_LAST] = (double)above / (double)most;
		if (v->level[LEVEL_LAST].runs > 1 && score[LEVEL_LAST] < 1)
			score[LEVEL_LAST] = 1;
	}
	*out = (struct pick){ .inputs = inputs };
	if (o->acting == SHALE_HYBRID && pick_first_last(v, now, out) && pick_is_free(v, now, out))
		return true;
	for (;;) {
		uint32_t top = 0;
		bool found;

		for (uint32_t l = 1; l <= LEVEL_LAST; l++)
			if (score[l] > score[top])
				top = l;
		if (score[top] < 1)
			return false;
		*out = (struct pick){ .score = score[top], .inputs = inputs };
		if (top == 0)
			found = pick_top(v, now, out);
		else if (top > deepest_tier(o))
			found = pick_last(v, now, out);
		else
			found = pick_tier(o, v, top, now, out);
		if (found && pick_is_free(v, now, out))
			return true;
		score[top] = 0; /* busy, or its runs are beside each other */
	}
}

uint64_t tiered_debt(const struct policy_options *o, const struct version *v)
{
	uint64_t debt = 0, above, most;

	if (v->level[0].runs >= tiered_top_runs(o, v))
		debt += v->level[0].bytes;
	for (uint32_t l = 1; l <= deepest_tier(o); l++)
		if (v->level[l].runs >= o->max_runs + UINT64_C(1))
			debt += v->level[l].bytes;
	if (o->acting == SHALE_TIERED)
		return debt;
	above = hiding_above_last(v);
	most = most_above_last(o, v);
	return above > most ? debt + (above - most) : debt;
}
