/*
 * Tiered and hybrid. Flushes stack up in level 0; top_runs of them become one run
 * of level 1. Where max_runs runs of a level lie over one key, that stretch of
 * keys is merged into one run of the next level. So an entry is written once a
 * level, and there are log(data / memtable) / log(max_runs) levels.
 *
 * Tiered goes on like that down to the last level, whose runs are merged in place.
 *
 * Hybrid (lazy leveling, of which universal compaction is the extreme) keeps one
 * run in the last level, and merges into it when what lies above, level 0 apart,
 * exceeds a size_ratio-th of it: the stretch of keys where most lies above for
 * what lies beneath. So a read meets one large run and few small ones, and what
 * is obsolete is a size_ratio-th at most. (Dayan and Idreos, "Dostoevsky", SIGMOD
 * 2018.)
 *
 * All merges but the top's are of stretches (policy_sweep.c). A run is therefore
 * replaced piece by piece and begun piece by piece; its successor in the next
 * level is the newest run there as long as that has nothing in the stretch.
 *
 * Jobs at once: tables are busy, and a stretch with a busy table waits, so what a
 * job leaves above it is newer; and what a job claims of a run is left to it. Level 0 goes down as a whole, one job at a time.
 */
#include "compact/policy.h"

/* The deepest level of several runs. */
static uint32_t deepest_tier(const struct policy_options *o)
{
	return o->acting == SHALE_TIERED ? LEVEL_LAST : LEVEL_LAST - 1;
}

static uint64_t bytes_above_last(const struct version *v)
{
	uint64_t bytes = 0;

	for (uint32_t l = 1; l < LEVEL_LAST; l++)
		bytes += v->level[l].bytes;
	return bytes;
}

/* What may gather above the last level. */
static uint64_t most_above_last(const struct policy_options *o, const struct version *v)
{
	uint64_t last = v->level[LEVEL_LAST].bytes, most = last / o->size_ratio;

	if (o->space_amp_max != 0 && last / 100 * (o->space_amp_max - 100) < most)
		most = last / 100 * (o->space_amp_max - 100);
	return most > o->base_bytes ? most : o->base_bytes;
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

/* How much of a stretch lies above the run of the last level. */
static double worth_above_last(const struct sweep *s, const void *arg)
{
	size_t last = s->end - 1;
	uint64_t above = s->bytes;
	const struct run *r = s->v->runs[last];

	(void)arg;
	if (r->level == LEVEL_LAST)
		for (size_t i = 0; i < s->at[last - s->first].count; i++)
			above -= r->tables[s->at[last - s->first].first + i]->size;
	return s->busy || above == 0 ? 0 : (double)above / (double)s->bytes;
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

static double tier_score(const struct policy_options *o, const struct version *v, uint32_t level)
{
	return (double)v->level[level].runs / o->max_runs;
}

bool tiered_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	double score[SHALE_LEVELS_MAX] = { (double)v->level[0].runs / o->top_runs };

	for (uint32_t l = 1; l <= deepest_tier(o); l++)
		score[l] = tier_score(o, v, l);
	if (o->acting == SHALE_HYBRID) {
		uint64_t above = bytes_above_last(v), most = most_above_last(o, v);

		if (above > most)
			score[LEVEL_LAST] = (double)above / (double)most;
		if (v->level[LEVEL_LAST].runs > 1 && score[LEVEL_LAST] < 1)
			score[LEVEL_LAST] = 1;
	}
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

	if (v->level[0].runs >= o->top_runs)
		debt += v->level[0].bytes;
	for (uint32_t l = 1; l <= deepest_tier(o); l++)
		if (v->level[l].runs >= o->max_runs + UINT64_C(1))
			debt += v->level[l].bytes;
	if (o->acting == SHALE_TIERED)
		return debt;
	above = bytes_above_last(v);
	most = most_above_last(o, v);
	return above > most ? debt + (above - most) : debt;
}
