/*
 * Time windows: runs are grouped by when their data was written, and runs of
 * different windows never mix, so that data of one age, which expires together,
 * lies in tables of its own and goes with them, unread (policy_reclaim.c).
 *
 * A run's window is that of its newest table, and no older than the window of any
 * run beneath it. Data that comes late, or while the clock stands back, thus joins
 * the window that is open when it comes; it expires by its own time all the same.
 *
 * Level 0 goes to level 1 when it has top_runs runs, or when its window is over.
 * Within the open window, max_runs runs of similar size are merged; the runs of a
 * window that is over become one.
 */
#include "compact/policy.h"

/* The window of each run, in inputs[].first, which nobody needs yet. */
static void find_windows(const struct policy_options *o, const struct version *v,
			 struct pick_input *inputs)
{
	uint64_t newest = 0;

	for (size_t i = v->run_count; i-- > 0;) {
		const struct run *r = v->runs[i];

		for (size_t t = 0; t < r->count; t++) {
			uint64_t w = r->tables[t]->props.created_ms / o->window_ms;

			newest = w > newest ? w : newest;
		}
		inputs[i].first = newest;
	}
}

/* Add runs [first, end) whole; false if some of it is busy. */
static bool add_runs(const struct version *v, size_t first, size_t end, struct pick *p)
{
	for (size_t i = first; i < end; i++) {
		struct pick_input in = { .run = i, .first = 0, .count = v->runs[i]->count };

		if (pick_is_busy(v, &in))
			return false;
	}
	p->input_count = 0;
	for (size_t i = first; i < end; i++)
		p->inputs[p->input_count++] =
			(struct pick_input){ .run = i, .first = 0, .count = v->runs[i]->count };
	return true;
}

/* The oldest runs of level 0, as far as they are of one window. */
static bool pick_top(const struct policy_options *o, const struct version *v,
		     const struct policy_now *now, struct pick *p)
{
	size_t end = level_first(v, 1), first = end;
	size_t window;

	if (end == 0)
		return false;
	window = p->inputs[end - 1].first;
	if (end < o->top_runs && window >= now->wall_ms / o->window_ms)
		return false;
	while (first > 0 && p->inputs[first - 1].first == window)
		first--;
	if (!add_runs(v, first, end, p))
		return false;
	p->reason = end >= o->top_runs ? PICK_TOP_RUNS : PICK_WINDOW;
	p->score = end >= o->top_runs ? (double)end / o->top_runs : 1;
	p->output_level = 1;
	p->output_run = now->next_run;
	p->move = pick_is_disjoint(v, p) && pick_is_worth_moving(v, p);
	return true;
}

/* From the newest run on: max_runs of which each is no larger than all before it together. */
static bool pick_similar(const struct policy_options *o, const struct version *v, size_t first,
			 size_t end, struct pick *p)
{
	for (size_t from = first; from + o->max_runs <= end; from++) {
		uint64_t bytes = v->runs[from]->bytes;
		size_t to = from + 1;

		while (to < end && v->runs[to]->bytes <= 2 * bytes)
			bytes += v->runs[to++]->bytes;
		if (to - from < o->max_runs)
			continue;
		if (!add_runs(v, from, to, p))
			return false;
		p->reason = PICK_LEVEL_RUNS;
		p->score = (double)(to - from) / o->max_runs;
		p->output_level = v->runs[to - 1]->level;
		p->output_run = v->runs[to - 1]->id;
		p->move = pick_is_disjoint(v, p);
		return true;
	}
	return false;
}

bool window_pick_top(const struct policy_options *o, const struct version *v,
		     const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	*out = (struct pick){ .inputs = inputs };
	find_windows(o, v, inputs);
	return pick_top(o, v, now, out);
}

bool window_pick(const struct policy_options *o, const struct version *v,
		 const struct policy_now *now, struct pick_input *inputs, struct pick *out)
{
	size_t first = level_first(v, 1), end;

	if (window_pick_top(o, v, now, inputs, out))
		return true;
	for (; first < v->run_count; first = end) {
		size_t window;

		window = inputs[first].first; /* what was tried before wrote over earlier ones */
		for (end = first + 1; end < v->run_count && inputs[end].first == window;)
			end++;
		*out = (struct pick){ .inputs = inputs, .score = 1 };
		if (window >= now->wall_ms / o->window_ms) {
			if (pick_similar(o, v, first, end, out) && pick_is_free(v, now, out))
				return true;
		} else if (end - first > 1 && pick_collapse(v, first, end, out) &&
			   pick_is_free(v, now, out)) {
			out->reason = PICK_WINDOW;
			return true;
		}
	}
	return false;
}
