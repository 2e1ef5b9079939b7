/*
 * Whether anything older lies beneath the keys of a merge. Keys come in rising order, so
 * each older run has a position that only moves on, and an answer holds for a stretch.
 */
#include "compact/job.h"

shale_status bottom_init(struct bottom *b, const shale_env *env, const struct version *v,
			 size_t first_run)
{
	*b = (struct bottom){ .version = v, .first_run = first_run };
	if (v == NULL || v->run_count == 0)
		return SHALE_OK;
	b->position = mem_array(env, v->run_count, sizeof(*b->position));
	if (b->position == NULL)
		return err_memory("a merge's view of older runs");
	for (size_t i = 0; i < v->run_count; i++)
		b->position[i] = SIZE_MAX;
	return SHALE_OK;
}

void bottom_fini(struct bottom *b, const shale_env *env)
{
	mem_free(env, b->position);
}

/* The first table of an older run that does not end before the key; NULL if all do. */
static const struct table_props *bottom_advance(struct bottom *b, size_t i, shale_slice key)
{
	const struct run *r = b->version->runs[i];
	size_t *at = &b->position[i];

	if (*at == SIZE_MAX)
		*at = run_lower(r, key); /* not looked at before */
	while (*at < r->count) {
		const struct table_props *p = &r->tables[*at]->props;
		int c = slice_cmp(p->largest, key);

		if (c > 0 || (c == 0 && !p->largest_excluded))
			return p;
		(*at)++;
	}
	return NULL;
}

/*
 * The last answer holds up to a key: a "no" to the end of the table that is in
 * the way, a "yes" to before the first table to come.
 */
bool bottom_key(void *bottom, shale_slice key)
{
	struct bottom *b = bottom;

	if (b->version == NULL)
		return false;
	if (b->asked) {
		/* Keys rise, so only the end of what the answer holds for matters. */
		int c = b->until.data != NULL ? slice_cmp(key, b->until) : -1;

		if (c < 0 || (c == 0 && b->until_included))
			return b->answer;
	}
	b->asked = b->answer = true;
	b->until = slice_from(NULL, 0);
	b->until_included = false;
	for (size_t i = b->first_run; i < b->version->run_count; i++) {
		const struct table_props *p = bottom_advance(b, i, key);

		if (p == NULL)
			continue;
		if (slice_cmp(p->smallest, key) <= 0) {
			b->answer = false;
			b->until = p->largest;
			b->until_included = !p->largest_excluded;
			break;
		}
		if (b->until.data == NULL || slice_cmp(p->smallest, b->until) < 0)
			b->until = p->smallest;
	}
	return b->answer;
}

bool bottom_range(void *bottom, shale_slice lo, shale_slice hi)
{
	const struct bottom *b = bottom;

	if (b->version == NULL)
		return false;
	for (size_t i = b->first_run; i < b->version->run_count; i++) {
		const struct run *r = b->version->runs[i];
		size_t at = run_lower(r, lo);

		if (at < r->count && slice_cmp(r->tables[at]->props.smallest, hi) < 0)
			return false;
	}
	return true;
}
