/*
 * Versions and runs as counted values. Nothing here changes after it is made;
 * builder.c makes them. A version holds a reference to each of its runs, a run to
 * each of its tables.
 */
#include "version/version.h"

struct run *run_ref(struct run *r)
{
	/* Relaxed: whoever refs holds a reference already. */
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void run_unref(struct run *r)
{
	/* Release: our use comes before the end. Acquire: the last one sees it done. */
	if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < r->count; i++)
		table_meta_unref(r->tables[i]);
	mem_free(r->env, r->tables);
	mem_free(r->env, r->heads);
	mem_free(r->env, r);
}

shale_status version_new_empty(const shale_env *env, struct version **out)
{
	struct version *v = mem_zalloc(env, sizeof(*v));

	if (v == NULL)
		return err_memory("a version");
	v->env = env;
	atomic_init(&v->refs, 1);
	*out = v;
	return SHALE_OK;
}

struct version *version_ref(struct version *v)
{
	/* Relaxed: as in run_ref(). */
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void version_unref(struct version *v)
{
	/* Orders as in run_unref(). */
	if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < v->run_count; i++)
		run_unref(v->runs[i]);
	mem_free(v->env, v->runs);
	mem_free(v->env, v);
}
