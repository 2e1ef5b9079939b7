/* What the tests of the policies share: some options, a moment, and a pick as text. */
#ifndef TESTS_COMPACT_POLICIES_H
#define TESTS_COMPACT_POLICIES_H

#include "shape.h"

static const struct policy_options usual = {
	.policy = SHALE_LEVELED,
	.acting = SHALE_LEVELED,
	.size_ratio = 10,
	.top_runs = 2,
	.base_bytes = 1000,
	.table_bytes = 100,
};

static const struct policy_options hybrid = {
	.policy = SHALE_HYBRID,
	.acting = SHALE_HYBRID,
	.top_runs = 2,
	.max_runs = 3,
	.size_ratio = 5,
	.base_bytes = 100,
	.table_bytes = 100,
};

static const struct policy_options window = {
	.policy = SHALE_TIME_WINDOW,
	.acting = SHALE_TIME_WINDOW,
	.top_runs = 3,
	.max_runs = 3,
	.window_ms = 100,
	.table_bytes = 100,
};

static const struct policy_options fifo = {
	.policy = SHALE_FIFO,
	.acting = SHALE_FIFO,
	.top_runs = 2,
	.max_bytes = 350,
};

#define NEXT_RUN 77

static const struct policy_now now = { .wall_ms = 1000,
				       .oldest_snapshot = 0, /* below all sequences */
				       .next_run = NEXT_RUN };

static inline void print_pick(const struct version *v, const struct pick *p, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s:", pick_reason_name(p->reason),
			 p->move   ? " by moving"
			 : p->drop ? ", dropped"
				   : "");

	for (size_t i = 0; i < p->input_count; i++) {
		const struct pick_input *in = &p->inputs[i];
		const struct run *r = v->runs[in->run];

		n += snprintf(out + n, size - (size_t)n, "%s L%u#%u", i != 0 ? " +" : "", r->level,
			      (unsigned)r->id);
		for (size_t t = in->first; t < in->first + in->count; t++) {
			const struct table_props *props = &r->tables[t]->props;

			n += snprintf(out + n, size - (size_t)n, " %.*s-%.*s",
				      (int)props->smallest.size, (const char *)props->smallest.data,
				      (int)props->largest.size, (const char *)props->largest.data);
		}
	}
	if (!p->drop)
		snprintf(out + n, size - (size_t)n, " -> L%u#%u", p->output_level,
			 (unsigned)p->output_run);
}

#endif
