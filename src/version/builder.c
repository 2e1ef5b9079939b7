/*
 * Making the next version: a draft for each run that changes, its tables in order
 * of their smallest keys. A draft begins as a copy of the base's run; runs without
 * a draft, and drafts that came out as they began, are shared with the base.
 *
 * While edits come in, tables of a draft may overlap (a merge's output is added
 * before its inputs are removed); that they do not is checked at the end. Replay
 * feeds the whole history of a store through one builder, so drafts that end empty
 * and are not of the base are forgotten at once.
 */
#include "version/version.h"

struct draft {
	uint32_t level;
	uint64_t id;
	const struct run *base;     /* NULL: a new run */
	struct table_meta **tables; /* one reference each */
	size_t count, capacity;
};

struct version_builder {
	const shale_env *env;
	struct version *base; /* NULL: empty */
	struct draft *drafts;
	size_t count, capacity;
};

shale_status version_builder_new(const shale_env *env, struct version *base,
				 struct version_builder **out)
{
	struct version_builder *b = mem_zalloc(env, sizeof(*b));

	if (b == NULL)
		return err_memory("a version builder");
	b->env = env;
	b->base = base != NULL ? version_ref(base) : NULL;
	*out = b;
	return SHALE_OK;
}

static void draft_fini(struct draft *d, const shale_env *env)
{
	for (size_t i = 0; i < d->count; i++)
		table_meta_unref(d->tables[i]);
	mem_free(env, d->tables);
}

void version_builder_free(struct version_builder *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->count; i++)
		draft_fini(&b->drafts[i], b->env);
	mem_free(b->env, b->drafts);
	version_unref(b->base);
	mem_free(b->env, b);
}

/* Room for one more of `count` items; NULL when there is no memory. */
static void *room(const shale_env *env, void *items, size_t count, size_t *capacity, size_t size)
{
	size_t n = *capacity != 0 ? *capacity * 2 : 8;

	if (count < *capacity)
		return items;
	items = mem_realloc(env, items, n * size);
	if (items != NULL)
		*capacity = n;
	return items;
}

static shale_status draft_copy(struct draft *d, const shale_env *env)
{
	if (d->base == NULL)
		return SHALE_OK;
	d->tables = mem_array(env, d->base->count, sizeof(struct table_meta *));
	if (d->tables == NULL)
		return err_memory("a run");
	d->capacity = d->count = d->base->count;
	for (size_t i = 0; i < d->count; i++)
		d->tables[i] = table_meta_ref(d->base->tables[i]);
	return SHALE_OK;
}

static shale_status draft_find(struct version_builder *b, uint32_t level, uint64_t id,
			       struct draft **out)
{
	struct draft d = { .level = level, .id = id };
	struct draft *drafts;
	shale_status rc;

	for (size_t i = 0; i < b->count; i++)
		if (b->drafts[i].id == id && b->drafts[i].level == level) {
			*out = &b->drafts[i];
			return SHALE_OK;
		}
	for (size_t i = 0; b->base != NULL && i < b->base->run_count; i++)
		if (b->base->runs[i]->id == id && b->base->runs[i]->level == level)
			d.base = b->base->runs[i];

	drafts = room(b->env, b->drafts, b->count, &b->capacity, sizeof(d));
	if (drafts == NULL)
		return err_memory("a run");
	b->drafts = drafts;
	rc = draft_copy(&d, b->env);
	if (rc < 0)
		return rc;
	b->drafts[b->count] = d;
	*out = &b->drafts[b->count++];
	return SHALE_OK;
}

/* Forget a draft that says nothing. */
static void draft_settle(struct version_builder *b, struct draft *d)
{
	if (d->count != 0 || d->base != NULL)
		return;
	draft_fini(d, b->env);
	*d = b->drafts[--b->count];
}

/* Where a table with this smallest key goes: behind those that begin no later. */
static size_t draft_place(const struct draft *d, shale_slice smallest)
{
	size_t i = 0, end = d->count;

	while (i < end) {
		size_t mid = i + (end - i) / 2;

		if (slice_cmp(d->tables[mid]->props.smallest, smallest) <= 0)
			i = mid + 1;
		else
			end = mid;
	}
	return i;
}

shale_status version_builder_add(struct version_builder *b, uint32_t level, uint64_t run,
				 struct table_meta *m)
{
	struct table_meta **tables;
	struct draft *d = NULL;
	shale_status rc;
	size_t at;

	if (level >= SHALE_LEVELS_MAX)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, m->number).text, UINT64_MAX,
			      "a table is in level %u; there are %u", level, SHALE_LEVELS_MAX);
	rc = draft_find(b, level, run, &d);
	if (rc < 0)
		return rc;
	tables = room(b->env, d->tables, d->count, &d->capacity, sizeof(struct table_meta *));
	if (tables == NULL) {
		draft_settle(b, d);
		return err_memory("a run");
	}
	d->tables = tables;
	at = draft_place(d, m->props.smallest);
	memmove(tables + at + 1, tables + at, (d->count - at) * sizeof(struct table_meta *));
	tables[at] = table_meta_ref(m);
	d->count++;
	return SHALE_OK;
}

shale_status version_builder_remove(struct version_builder *b, uint32_t level, uint64_t run,
				    uint64_t number)
{
	struct table_meta *m;
	struct draft *d = NULL;
	shale_status rc = draft_find(b, level, run, &d);
	size_t i = 0;

	if (rc < 0)
		return rc;
	while (i < d->count && d->tables[i]->number != number)
		i++;
	if (i == d->count) {
		draft_settle(b, d);
		return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, number).text, UINT64_MAX,
			      "table %s is to be removed from level %u, run %" PRIu64
			      ", but is not there",
			      object_name(OBJECT_TABLE, number).text, level, run);
	}
	m = d->tables[i];
	d->count--;
	memmove(d->tables + i, d->tables + i + 1, (d->count - i) * sizeof(struct table_meta *));
	table_meta_unref(m);
	draft_settle(b, d);
	return SHALE_OK;
}

/* ---- the new version ---- */

static shale_status check_disjoint(const struct draft *d)
{
	for (size_t i = 1; i < d->count; i++) {
		const struct table_meta *a = d->tables[i - 1], *b = d->tables[i];
		int c = slice_cmp(a->props.largest, b->props.smallest);

		if (c > 0 || (c == 0 && !a->props.largest_excluded))
			return err_at(SHALE_CORRUPT, object_name(OBJECT_TABLE, b->number).text,
				      UINT64_MAX,
				      "tables %s and %s of level %u, run %" PRIu64 " overlap",
				      object_name(OBJECT_TABLE, a->number).text,
				      object_name(OBJECT_TABLE, b->number).text, d->level, d->id);
	}
	return SHALE_OK;
}

static shale_status run_new(const shale_env *env, const struct draft *d, struct run **out)
{
	struct run *r = mem_zalloc(env, sizeof(*r));

	if (r == NULL)
		return err_memory("a run");
	r->env = env;
	atomic_init(&r->refs, 1);
	r->level = d->level;
	r->id = d->id;
	r->tables = mem_array(env, d->count, sizeof(struct table_meta *));
	r->heads = mem_array(env, d->count, sizeof(*r->heads));
	if (r->tables == NULL || r->heads == NULL) {
		run_unref(r);
		return err_memory("a run");
	}
	/* Keys rise, so what the first and the last share is what all share. */
	r->prefix =
		slice_common(d->tables[0]->props.largest, d->tables[d->count - 1]->props.largest);
	for (size_t i = 0; i < d->count; i++) {
		struct table_meta *m = d->tables[i];

		r->tables[i] = table_meta_ref(m);
		r->heads[i] = key_head(m->props.largest, r->prefix);
		r->bytes += m->size;
		r->entries += m->props.entries;
		r->count++;
	}
	*out = r;
	return SHALE_OK;
}

static bool draft_unchanged(const struct draft *d)
{
	return d->base != NULL && d->base->count == d->count &&
	       memcmp(d->base->tables, d->tables, d->count * sizeof(struct table_meta *)) == 0;
}

static const struct draft *draft_of(const struct version_builder *b, const struct run *r)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->drafts[i].base == r)
			return &b->drafts[i];
	return NULL;
}

/* Into its place: lower levels first, within a level the greater id. Takes the reference. */
static void version_put_run(struct version *v, struct run *r)
{
	size_t i = v->run_count++;

	for (; i > 0; i--) {
		const struct run *above = v->runs[i - 1];

		if (above->level < r->level || (above->level == r->level && above->id > r->id))
			break;
		v->runs[i] = v->runs[i - 1];
	}
	v->runs[i] = r;

	v->level[r->level].runs++;
	v->level[r->level].tables += r->count;
	v->level[r->level].bytes += r->bytes;
	v->level[r->level].entries += r->entries;
	for (size_t k = 0; k < r->count; k++) {
		const struct table_props *p = &r->tables[k]->props;

		v->level[r->level].tombstones += p->tombstones + p->range_tombstones;
		v->has_ranges |= p->range_tombstones != 0;
		v->level[r->level].hiding += table_meta_hiding(r->tables[k]);
		v->expiring += p->expiring;
	}
}

shale_status version_builder_finish(struct version_builder *b, struct version **out)
{
	size_t shared = b->base != NULL ? b->base->run_count : 0;
	struct version *v = NULL;
	shale_status rc = version_new_empty(b->env, &v);

	if (rc < 0)
		return rc;
	v->runs = mem_array(b->env, shared + b->count, sizeof(struct run *));
	if (v->runs == NULL) {
		rc = err_memory("a version");
		goto out;
	}
	for (size_t i = 0; i < shared; i++) {
		const struct draft *d = draft_of(b, b->base->runs[i]);

		if (d == NULL || draft_unchanged(d))
			version_put_run(v, run_ref(b->base->runs[i]));
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct draft *d = &b->drafts[i];
		struct run *r = NULL;

		if (d->count == 0 || draft_unchanged(d))
			continue;
		rc = check_disjoint(d);
		if (rc >= 0)
			rc = run_new(b->env, d, &r);
		if (rc < 0)
			goto out;
		version_put_run(v, r);
	}
	*out = v;
	v = NULL; /* moved */
out:
	version_unref(v);
	return rc;
}
