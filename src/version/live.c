/*
 * How much of a stack is live, without reading it. A table beneath which no older one
 * has keys of its range is the last to know of them, so all it has is live but for
 * tombstones. Of a table above others what hides older entries takes the place of these,
 * and only the rest is more: where that is unknown, nothing. So what was deleted counts as
 * live until the tombstones that hide it come down.
 */
#include "version/version.h"

static bool is_lowest(const struct version *v, size_t run, const struct table_meta *m)
{
	const struct table_props *p = &m->props;

	for (size_t i = run + 1; i < v->run_count; i++) {
		const struct run *r = v->runs[i];
		size_t at = run_lower(r, p->smallest);

		if (at < r->count && table_meta_overlaps(r->tables[at], p->smallest, p->largest,
							 p->largest_excluded))
			return false;
	}
	return true;
}

/* What a table adds to the live data of those beneath it. */
static uint64_t live_share(const struct table_meta *m, bool lowest)
{
	const struct table_props *p = &m->props;
	uint64_t dead = p->tombstones;

	if (!lowest && m->hides > dead)
		dead = m->hides;
	if (dead >= p->entries)
		return 0;
	return (uint64_t)((double)m->size * (double)(p->entries - dead) / (double)p->entries);
}

uint64_t version_live_bytes(struct version *v)
{
	/* Relaxed: a figure that is the same whoever works it out. */
	uint64_t live = atomic_load_explicit(&v->live, memory_order_relaxed);

	if (live != 0)
		return live - 1;
	for (size_t i = 0; i < v->run_count; i++)
		for (size_t t = 0; t < v->runs[i]->count; t++)
			live += live_share(v->runs[i]->tables[t],
					   is_lowest(v, i, v->runs[i]->tables[t]));
	atomic_store_explicit(&v->live, live + 1, memory_order_relaxed);
	return live;
}
