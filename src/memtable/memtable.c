/*
 * The memtable as others see it: a tree for points (tree.c) and a filter of their keys
 * (filter.c), a list for ranges (ranges.c), one arena under all, and a count of references.
 */
#include "memtable/memtable.h"

#include "base/hash.h"
#include "base/task.h"
#include "memtable/impl.h"

enum { LOOK_EVERY = 256 }; /* keys of a stripe, between looks at how many there are */

shale_status memtable_new(const shale_env *env, struct memtable **out)
{
	struct memtable *m = mem_aligned(env, 64, sizeof(*m));

	if (m == NULL)
		return err_memory("a memtable");
	memset(m, 0, sizeof(*m));
	m->env = env;
	atomic_init(&m->refs, 1);
	arena_init(&m->arena, env);
	memranges_init(&m->ranges, env, &m->arena);
	memreuse_init(&m->reuse, &m->arena);
	if (!memtree_init(&m->tree, env, &m->arena, &m->reuse) ||
	    !memfilter_init(&m->filter, &m->arena)) {
		memtable_unref(m);
		return err_memory("a memtable");
	}
	*out = m;
	return SHALE_OK;
}

struct memtable *memtable_ref(struct memtable *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

struct memtable *memtable_pin(struct memtable *m)
{
	atomic_fetch_add_explicit(&m->refs, MEMTABLE_PIN + 1, memory_order_relaxed);
	return m;
}

static void let_go(struct memtable *m, uint64_t of)
{
	const shale_env *env;

	/* Release what this holder did; the last one acquires what all did. */
	if (atomic_fetch_sub_explicit(&m->refs, of, memory_order_acq_rel) != of)
		return;
	env = m->env;
	memranges_fini(&m->ranges);
	arena_fini(&m->arena);
	mem_free(env, m);
}

void memtable_unref(struct memtable *m)
{
	if (m != NULL)
		let_go(m, 1);
}

void memtable_unpin(struct memtable *m)
{
	let_go(m, MEMTABLE_PIN + 1);
}

void memtable_reuse_below(struct memtable *m, uint64_t seq)
{
	uint64_t below = memtable_limit(seq);

	/* Acquire: what they did who held a pin comes before the use of the memory. */
	if (atomic_load_explicit(&m->refs, memory_order_acquire) < MEMTABLE_PIN &&
	    below > atomic_load_explicit(&m->reuse.below, memory_order_relaxed))
		atomic_store_explicit(&m->reuse.below, below, memory_order_release);
}

/*
 * Keys are counted without an atomic operation: tasks of one stripe may lose some, and then
 * the filter grows a little later.
 */
static void filter_add(struct memtable *m, uint64_t hash)
{
	_Atomic uint64_t *keys = &m->count[task_stripe() % MEMTABLE_STRIPES].keys;
	uint64_t n, sum = 0;

	if (!memfilter_add(&m->filter, hash))
		return;
	n = atomic_load_explicit(keys, memory_order_relaxed) + 1;
	atomic_store_explicit(keys, n, memory_order_relaxed);
	if (likely(n % LOOK_EVERY != 0))
		return;
	for (int i = 0; i < MEMTABLE_STRIPES; i++)
		sum += atomic_load_explicit(&m->count[i].keys, memory_order_relaxed);
	memfilter_grow(&m->filter, sum);
}

shale_status memtable_add(struct memtable *m, uint64_t seq, enum op_type type, shale_slice key,
			  shale_slice value, const struct memtree_aim *aim)
{
	struct memtree_new what = { seqtype(seq, type), value };
	unsigned stripe;
	bool ok;

	/* Limits were checked where the operation came in, or was read from a log. */
	DEBUG_ASSERT(key.size <= SHALE_KEY_MAX && value.size <= SHALE_VALUE_MAX + EXPIRY_SIZE);
	if (type == OP_RANGE_DELETE) {
		ok = memranges_add(&m->ranges, key, value, seq);
	} else {
		/* First, so that what is found in the tree is in the filter as well. */
		filter_add(m, aim != NULL ? aim->hash : hash_key(key));
		ok = memtree_add(&m->tree, key, &what, aim);
	}
	if (unlikely(!ok))
		return err_memory("the memtable");
	stripe = task_stripe() % MEMTABLE_STRIPES;
	atomic_fetch_add_explicit(&m->count[stripe].value, 1, memory_order_relaxed);
	if (type == OP_DELETE)
		atomic_fetch_add_explicit(&m->count[stripe].tombstones, 1, memory_order_relaxed);
	return SHALE_OK;
}

void memtable_aim(struct memtable *m, shale_slice key, struct memtree_aim *out)
{
	out->hash = hash_key(key);
	memfilter_prefetch(&m->filter, out->hash);
	memtree_aim(&m->tree, key, out);
}

void memtable_aim_closer(struct memtable *m, shale_slice key, struct memtree_aim *aim)
{
	memtree_aim_closer(&m->tree, key, aim);
}

bool memtable_may_have(const struct memtable *m, uint64_t hash)
{
	return memfilter_has(&m->filter, hash);
}

bool memtable_get(struct memtable *m, shale_slice key, uint64_t limit, uint64_t *st,
		  shale_slice *value)
{
	struct entry *e = memtree_find(&m->tree, key);
	struct version *v = e != NULL ? entry_visible(e, memtable_limit(limit)) : NULL;

	if (v == NULL)
		return false;
	*st = v->seqtype;
	*value = version_value(v);
	return true;
}

uint64_t memtable_range_newest(struct memtable *m, shale_slice key, uint64_t limit)
{
	return memranges_any(&m->ranges) ? memranges_newest(&m->ranges, key, limit) : 0;
}

bool memtable_has_ranges(const struct memtable *m)
{
	return memranges_any(&m->ranges);
}

shale_status memtable_ranges(struct memtable *m, uint64_t limit, shale_slice lower,
			     shale_slice upper, struct rangedel **list, size_t *count,
			     size_t *capacity)
{
	struct range_node *n = atomic_load_explicit(&m->ranges.newest, memory_order_acquire);

	for (; n != NULL; n = n->older) {
		if (n->range.seq > limit || !range_meets(n->range.lo, n->range.hi, lower, upper))
			continue;
		if (*count == *capacity) {
			size_t more = *capacity != 0 ? 2 * *capacity : 16;
			struct rangedel *p = mem_realloc(m->env, *list, more * sizeof(*p));

			if (p == NULL)
				return err_memory("a list of range tombstones");
			*list = p;
			*capacity = more;
		}
		(*list)[(*count)++] = n->range;
	}
	return SHALE_OK;
}

uint64_t memtable_count(const struct memtable *m)
{
	/* First: what was cut off had been counted. */
	uint64_t sum = -memreuse_cut(&m->reuse);

	for (int i = 0; i < MEMTABLE_STRIPES; i++)
		sum += atomic_load_explicit(&m->count[i].value, memory_order_relaxed);
	return sum;
}

uint64_t memtable_tombstones(const struct memtable *m)
{
	uint64_t sum = -memreuse_cut_deletes(&m->reuse);

	for (int i = 0; i < MEMTABLE_STRIPES; i++)
		sum += atomic_load_explicit(&m->count[i].tombstones, memory_order_relaxed);
	return sum;
}

size_t memtable_bytes(const struct memtable *m)
{
	return sizeof(*m) + arena_bytes(&m->arena) +
	       atomic_load_explicit(&m->ranges.bytes, memory_order_relaxed);
}

bool memtable_bounds(struct memtable *m, shale_slice *lo, shale_slice *hi)
{
	struct leaf_copy c;

	memtree_copy_edge(&m->tree, false, &c);
	if (c.count == 0)
		return false;
	*lo = entry_key(c.slot[0]);
	memtree_copy_edge(&m->tree, true, &c);
	*hi = entry_key(c.slot[c.count - 1]);
	return true;
}
