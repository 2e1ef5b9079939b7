#include "compact/policy.h"

const char *pick_reason_name(enum pick_reason reason)
{
	switch (reason) {
	case PICK_TOP_RUNS:
		return "top runs";
	case PICK_LEVEL_SIZE:
		return "level size";
	case PICK_MANUAL:
		return "asked for";
	}
	return "?";
}

struct policy_options policy_options_of(const shale_compaction *c, uint64_t memtable_bytes)
{
	struct policy_options o = {
		.policy = c->policy != SHALE_DEFAULT_POLICY ? c->policy : SHALE_LEVELED,
		.size_ratio = c->size_ratio != 0 ? c->size_ratio : 10,
		.top_runs = c->top_runs != 0 ? c->top_runs : 4,
		.base_bytes = c->base_bytes != 0 ? c->base_bytes : 4 * memtable_bytes,
		.table_bytes = c->table_bytes != 0 ? c->table_bytes : 32u << 20,
	};

	return o;
}

bool policy_pick(const struct policy_options *o, const struct version *v, uint64_t next_run,
		 struct pick_input *inputs, struct pick *out)
{
	return leveled_pick(o, v, next_run, inputs, out);
}

uint64_t policy_debt(const struct policy_options *o, const struct version *v)
{
	return leveled_debt(o, v);
}

bool policy_level_is_deep(const struct policy_options *o, uint32_t level)
{
	(void)o;
	/* Levels fill from the last one upwards. */
	return level + 1 >= LEVEL_LAST;
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

bool policy_pick_range(const struct policy_options *o, const struct version *v, shale_slice lo,
		       shale_slice hi, uint64_t next_run, struct pick_input *inputs,
		       struct pick *out)
{
	uint64_t target[SHALE_LEVELS_MAX];
	uint32_t base = leveled_targets(o, v, target);
	bool hi_excluded = true, grew = true;
	size_t n = 0;
	const struct run *last;

	while (grew) {
		grew = false;
		n = 0;
		for (size_t i = 0; i < v->run_count; i++) {
			pick_add_overlap(v, i, lo, hi, hi_excluded, &inputs[n]);
			if (inputs[n].count == 0)
				continue;
			grew |= widen(v, &inputs[n++], &lo, &hi, &hi_excluded);
		}
	}
	if (n == 0)
		return false;
	last = v->runs[inputs[n - 1].run];
	*out = (struct pick){
		.reason = PICK_MANUAL,
		.score = 1,
		.input_count = n,
		.inputs = inputs,
		.output_level = last->level != 0 ? last->level : base,
		.output_run = last->level != 0 ? last->id : next_run,
	};
	if (last->level == 0)
		for (size_t i = 0; i < v->run_count; i++)
			if (v->runs[i]->level == base)
				out->output_run = v->runs[i]->id;
	return true;
}
