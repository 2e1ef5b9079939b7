/* Views: made before they are needed, filled and put in place under the lock. */
#include "db/db.h"

struct view *view_alloc(shale_db *db)
{
	struct view *v = mem_zalloc(db->env, sizeof(*v));

	if (v == NULL) {
		(void)err_memory("a view");
		return NULL;
	}
	v->env = db->env;
	atomic_init(&v->refs, 1);
	return v;
}

void view_discard(struct view *v)
{
	if (v != NULL)
		mem_free(v->env, v);
}

struct view *view_ref(struct view *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void view_unref(struct view *v)
{
	if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
		return;
	memtable_unref(v->active);
	for (size_t i = 0; i < v->sealed_count; i++)
		memtable_unref(v->sealed[i]);
	version_unref(v->version);
	mem_free(v->env, v);
}

static void view_retired(struct epoch_item *item)
{
	view_unref((struct view *)item); /* `retired` is its first field */
}

void view_publish(shale_cf *cf, struct view *v)
{
	struct view *old;
	size_t n = 0;

	mutex_assert_held(&cf->db->mu);
	v->active = memtable_ref(cf->active->table);
	for (struct mem *m = cf->oldest; m != NULL; m = m->newer)
		n++;
	ASSERT(n <= SEALED_MAX);
	v->sealed_count = n;
	for (struct mem *m = cf->oldest; m != NULL; m = m->newer)
		v->sealed[--n] = memtable_ref(m->table);
	v->version = version_ref(cf->version);
	old = atomic_exchange(&cf->view, v);
	if (old != NULL)
		epoch_retire(&cf->db->readers, &old->retired, view_retired);
}
