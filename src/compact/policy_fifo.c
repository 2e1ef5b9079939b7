/*
 * FIFO: runs stay in level 0 as they were flushed. Over max_bytes the oldest data
 * goes, table by table of the oldest run, by their newest entry. What has a time
 * to live goes when it has expired, as under every policy, whole tables at a time.
 */
#include "compact/policy.h"

bool fifo_pick(const struct policy_options *o, const struct version *v, struct pick_input *inputs,
	       struct pick *out)
{
	uint64_t bytes = 0;
	const struct run *oldest;
	size_t at = 0;

	for (uint32_t l = 0; l <= LEVEL_LAST; l++)
		bytes += v->level[l].bytes;
	if (o->max_bytes == 0 || bytes <= o->max_bytes || v->run_count == 0)
		return false;
	oldest = v->runs[v->run_count - 1];
	for (size_t t = 1; t < oldest->count; t++)
		if (oldest->tables[t]->props.max_seq < oldest->tables[at]->props.max_seq)
			at = t;
	if (oldest->tables[at]->busy)
		return false;
	inputs[0] = (struct pick_input){ .run = v->run_count - 1, .first = at, .count = 1 };
	*out = (struct pick){ .reason = PICK_OLDEST,
			      .score = (double)bytes / (double)o->max_bytes,
			      .input_count = 1,
			      .inputs = inputs,
			      .output_level = oldest->level,
			      .output_run = oldest->id,
			      .drop = true };
	return true;
}
