/*
 * What is known of a table while it is not open, and its opening on first use.
 *
 * The open table is one pointer that changes once, from NULL: two openers may
 * both open the file, one publishes its table by compare-and-swap, the other
 * closes its own. So a read never waits for a lock here.
 */
#include "version/version.h"

shale_status table_meta_new(const shale_env *env, uint64_t number, uint64_t size,
			    const struct table_props *props, struct table_meta **out)
{
	struct table_meta *m;
	uint8_t *keys;

	/* A builder writes keys in order, and props_decode() has looked. */
	ASSERT(slice_cmp(props->smallest, props->largest) <= 0);
	m = mem_alloc(env, sizeof(*m) + props->smallest.size + props->largest.size);
	if (m == NULL)
		return err_memory("the description of a table");
	memset(m, 0, sizeof(*m));
	m->env = env;
	atomic_init(&m->refs, 1);
	m->number = number;
	m->size = size;
	m->props = *props;
	m->hides = props->entries;
	keys = (uint8_t *)(m + 1);
	if (props->smallest.size != 0)
		memcpy(keys, props->smallest.data, props->smallest.size);
	m->props.smallest.data = keys;
	keys += props->smallest.size;
	if (props->largest.size != 0)
		memcpy(keys, props->largest.data, props->largest.size);
	m->props.largest.data = keys;
	*out = m;
	return SHALE_OK;
}

uint64_t table_meta_hiding(const struct table_meta *m)
{
	if (m->hides >= m->props.entries)
		return m->size; /* also one of range tombstones alone */
	return (uint64_t)((double)m->size * ((double)m->hides / (double)m->props.entries));
}

struct table_meta *table_meta_ref(struct table_meta *m)
{
	/* Relaxed: whoever refs holds a reference already. */
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void table_meta_unref(struct table_meta *m)
{
	/* Release: our use comes before the end. Acquire: the last one sees it done. */
	if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	/* Set while a reference was held: the decrements above order it. */
	if (atomic_load_explicit(&m->obsolete, memory_order_relaxed) && m->collect != NULL)
		m->collect(m->collector, m->number, m->size);
	table_unref(atomic_load_explicit(&m->table, memory_order_relaxed));
	mem_free(m->env, m);
}

shale_status table_meta_open_slow(struct table_meta *m, const struct table_env *te,
				  struct table **out)
{
	struct table *mine = NULL, *theirs = NULL;
	shale_status rc = table_open(te, m->number, m->size, &mine);

	if (rc < 0)
		return rc;
	/* Release: who sees the pointer sees the table. Acquire: as in table_meta_open(). */
	if (!atomic_compare_exchange_strong_explicit(&m->table, &theirs, mine, memory_order_release,
						     memory_order_acquire)) {
		table_unref(mine);
		mine = theirs;
	}
	*out = mine;
	return SHALE_OK;
}

void table_meta_forget_blocks(struct table_meta *m)
{
	struct table *t = atomic_load_explicit(&m->table, memory_order_acquire);

	if (t != NULL)
		table_forget_blocks(t);
}

bool table_meta_overlaps(const struct table_meta *m, shale_slice lo, shale_slice hi,
			 bool hi_excluded)
{
	int c;

	if (lo.data != NULL) {
		c = slice_cmp(m->props.largest, lo);
		if (c < 0 || (c == 0 && m->props.largest_excluded))
			return false;
	}
	if (hi.data != NULL) {
		c = slice_cmp(m->props.smallest, hi);
		if (c > 0 || (c == 0 && hi_excluded))
			return false;
	}
	return true;
}
