/*
 * Leveled: flushes stack up as runs in level 0; every level below holds one run.
 * When level 0 has top_runs runs, all of them are merged into the base level;
 * when a level outgrows its target, one of its tables is merged into the next,
 * the one that overlaps least there for its size.
 *
 * Level sizes are dynamic: the last level's target is what it holds, each level
 * above a size_ratio-th of that, up to the level (the base) whose own upper
 * neighbour would be smaller than base_bytes. So space over live data stays near
 * 1 + 1/size_ratio whatever the size of the database, and a small database has
 * one level only. (Dong et al., "Optimizing Space Amplification in RocksDB",
 * CIDR 2017.)
 *
 * Jobs at once. A job's tables are busy, so no other job takes what it overlaps in
 * its own levels. Three more things keep the stack in order: all of level 0 goes
 * down together, so what a top merge leaves above is newer than it; a top merge
 * goes to the first level that holds anything, so it passes over nothing older than
 * itself; and a level's run is begun only when nothing above it is under way, since
 * two jobs that both begin one would give the level two runs.
 *
 * Level 0 with twice the runs that start its merge comes before all others (policy.c). Were
 * its merge to wait for levels that are far over their targets, writers would wait with it;
 * were it to take a level that is far larger than itself along, for that merge. So it goes to
 * the level above such a one, which then drains table by table like any above the base; and
 * what it needs of its level is left to it while it waits for a job that holds some of that.
 *
 * A level to which another policy left several runs has them merged into one,
 * stretch by stretch, before it is looked at otherwise; until then top merges put a
 * run on top of it.
 */
#include "compact/policy.h"

enum { TOP_TAKES = 3 }; /* times its own bytes: what level 0 that cannot wait is merged with */

/* Position in the stack of the run of a level >= 1; run_count if it has none. */
static size_t run_of_level(const struct version *v, uint32_t level)
{
	for (size_t i = 0; i < v->run_count; i++)
		if (v->runs[i]->level == level)
			return i;
	return v->run_count;
}

uint32_t leveled_targets(const struct policy_options *o, const struct version *v,
			 uint64_t target[SHALE_LEVELS_MAX])
{
	uint32_t base = LEVEL_LAST;
	uint64_t size = v->level[LEVEL_LAST].bytes;

	/* Data above the last level will end up there; without it there is nothing to divide. */
	for (uint32_t l = 1; l < LEVEL_LAST; l++)
		if (v->level[l].bytes > size)
			size = v->level[l].bytes;
	if (size < o->base_bytes)
		size = o->base_bytes;
	for (uint32_t l = 0; l < SHALE_LEVELS_MAX; l++)
		target[l] = UINT64_MAX;
	while (base > 1 && size / o->size_ratio >= o->base_bytes) {
		size /= o->size_ratio;
		target[--base] = size;
	}
	/* Levels above the base drain into it. */
	for (uint32_t l = 1; l < base; l++)
		target[l] = 0;
	return base;
}

static double top_score(const struct policy_options *o, const struct version *v)
{
	return (double)v->level[0].runs / o->top_runs;
}

/* A level above the base drains, the sooner the more it has: level 0 goes into it meanwhile. */
static double level_score(const struct policy_options *o, const struct version *v,
			  const uint64_t *target, uint32_t level)
{
	uint64_t bytes = v->level[level].bytes;

	if (bytes <= target[level]) /* as leveled_debt() counts */
		return 0;
	if (target[level] == 0)
		return 1 + (double)bytes / (double)o->base_bytes;
	return (double)bytes / (double)target[level];
}

/* Where the output of a merge into `level` goes; false if that cannot be known yet. */
static bool find_output(const struct version *v, uint32_t level, uint64_t next_run, struct pick *p)
{
	size_t i = run_of_level(v, level);

	p->output_level = level;
	p->output_run = i < v->run_count ? v->runs[i]->id : next_run;
	if (i < v->run_count)
		return true;
	/* A job under way above may be about to begin the run, under an id of its own. */
	for (i = 0; i < v->run_count && v->runs[i]->level < level; i++) {
		struct pick_input all = { .run = i, .first = 0, .count = v->runs[i]->count };

		if (pick_is_busy(v, &all))
			return false;
	}
	return true;
}

/* Add the overlap of a level's run to a pick; false if some of it is busy. */
static bool add_level(const struct version *v, struct pick *p, uint32_t level, shale_slice lo,
		      shale_slice hi, bool hi_excluded)
{
	size_t i = run_of_level(v, level);
	struct pick_input *in = &p->inputs[p->input_count];

	if (i == v->run_count)
		return true;
	if (!pick_add_overlap(v, i, lo, hi, hi_excluded, in))
		return false;
	p->input_count += in->count != 0;
	return true;
}

/* Levels between the top and the base that still hold data stand in the way of a top merge. */
static uint32_t first_level_with_data(const struct version *v, uint32_t base)
{
	for (uint32_t l = 1; l < base; l++)
		if (v->level[l].bytes != 0)
			return l;
	return base;
}

/* Whether a merge of level 0 into the level is far larger than level 0. */
static bool takes_much(const struct version *v, uint32_t level)
{
	return v->level[level].runs == 1 && v->level[level].bytes / TOP_TAKES > v->level[0].bytes;
}

/* Where a merge of level 0 goes. */
static uint32_t level_for_top(const struct policy_options *o, const struct version *v,
			      uint32_t base)
{
	uint32_t level = first_level_with_data(v, base);

	/* The one above is empty: this is the first that has data, or the base. */
	if (level > 1 && policy_top_is_urgent(o, v) && takes_much(v, level))
		level--;
	return level;
}

static bool pick_top(const struct version *v, uint32_t level, const struct policy_now *now,
		     bool may_move, struct pick *p)
{
	shale_slice lo, hi;
	bool hi_excluded;
	size_t top;

	p->reason = PICK_TOP_RUNS;
	if (!pick_add_top(v, 0, p))
		return false;
	top = p->input_count;
	if (v->level[level].runs > 1) {
		pick_put_on_top(v, level, now, p);
	} else {
		pick_span(v, p, &lo, &hi, &hi_excluded);
		if (!find_output(v, level, now->next_run, p) ||
		    !add_level(v, p, level, lo, hi, hi_excluded))
			return false;
	}
	p->move = may_move && pick_is_disjoint(v, p);
	if (p->move) {
		struct pick above = *p;

		above.input_count = top;
		p->move = pick_is_worth_moving(v, &above);
	}
	if (p->move)
		p->input_count = top; /* what lies between them down there stays as it is */
	return true;
}

/* The table of a level whose merge into the next costs least for what it moves. */
static bool pick_level(const struct version *v, uint32_t level, const struct policy_now *now,
		       struct pick *p)
{
	size_t run = run_of_level(v, level), next = run_of_level(v, level + 1);
	const struct run *r = v->runs[run];
	double best = -1;

	p->reason = PICK_LEVEL_SIZE;
	if (!find_output(v, level + 1, now->next_run, p))
		return false;
	for (size_t t = 0; t < r->count; t++) {
		struct pick_input own = { .run = run, .first = t, .count = 1 }, below = { 0 };
		const struct table_meta *m = r->tables[t];
		uint64_t bytes = 0;
		double cost;

		if (m->busy || (next < v->run_count &&
				!pick_add_overlap(v, next, m->props.smallest, m->props.largest,
						  m->props.largest_excluded, &below)))
			continue;
		for (size_t i = 0; i < below.count; i++)
			bytes += v->runs[next]->tables[below.first + i]->size;
		cost = (double)bytes / (double)(m->size + 1);
		if (best >= 0 && cost >= best)
			continue;
		best = cost;
		p->inputs[0] = own;
		p->input_count = 1;
		if (below.count != 0)
			p->inputs[p->input_count++] = below;
	}
	if (best < 0)
		return false;
	p->move = p->input_count == 1 && pick_is_worth_moving(v, p);
	return true;
}

/* Another policy left the level more runs than one: they come first. */
static bool pick_runs(const struct version *v, uint32_t level, struct pick *p)
{
	size_t first = level_first(v, level);

	return pick_collapse(v, first, first + v->level[level].runs, p);
}

bool leveled_pick_top(const struct policy_options *o, const struct version *v,
		      const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	uint64_t target[SHALE_LEVELS_MAX];
	uint32_t level = level_for_top(o, v, leveled_targets(o, v, target));

	*out = (struct pick){ .score = top_score(o, v), .inputs = inputs };
	return (now->top_alone || !takes_much(v, level)) && pick_top(v, level, now, true, out) &&
	       pick_is_free(v, now, out);
}

/*
 * Nothing is moved: the tables of level 0 reach over all keys as a rule, and so would all that
 * lies beneath what is moved.
 */
bool leveled_pick_top_late(const struct policy_options *o, const struct version *v,
			   const struct policy_now *now, struct pick_input *inputs,
			   struct pick *out)
{
	uint64_t target[SHALE_LEVELS_MAX];
	uint32_t level = first_level_with_data(v, leveled_targets(o, v, target));

	level -= level > 1 && takes_much(v, level);
	*out = (struct pick){ .score = top_score(o, v), .inputs = inputs };
	return pick_top(v, level, now, false, out) && pick_is_free(v, now, out);
}

bool leveled_pick(const struct policy_options *o, const struct version *v,
		  const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	uint64_t target[SHALE_LEVELS_MAX];
	uint32_t level = level_for_top(o, v, leveled_targets(o, v, target));
	double score[SHALE_LEVELS_MAX] = { top_score(o, v) };

	for (uint32_t l = 1; l <= LEVEL_LAST; l++) {
		if (v->level[l].runs > 1)
			score[l] = 1.5;
		else if (l < LEVEL_LAST && v->level[l + 1].runs <= 1)
			score[l] = level_score(o, v, target, l);
	}
	/* It waits for some of that level: not for more and more of it. */
	if (policy_top_is_urgent(o, v) && v->level[level].runs <= 1 && !takes_much(v, level))
		score[level] = 0;
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
			found = pick_top(v, level, now, true, out);
		else if (v->level[top].runs > 1)
			found = pick_runs(v, top, out);
		else
			found = pick_level(v, top, now, out);
		if (found && pick_is_free(v, now, out))
			return true;
		score[top] = 0; /* busy: try the next level */
	}
}

uint64_t leveled_debt(const struct policy_options *o, const struct version *v)
{
	uint64_t target[SHALE_LEVELS_MAX], debt = 0;

	leveled_targets(o, v, target);
	if (v->level[0].runs >= o->top_runs)
		debt += v->level[0].bytes;
	for (uint32_t l = 1; l < LEVEL_LAST; l++)
		if (v->level[l].bytes > target[l])
			debt += v->level[l].bytes - target[l];
	for (uint32_t l = 1; l <= LEVEL_LAST; l++)
		if (v->level[l].runs > 1)
			debt += v->level[l].bytes;
	return debt;
}
