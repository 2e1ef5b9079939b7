#include "memtable/ranges.h"

/* Tombstones [from, the next part's from) of the list as a fragmented set. */
struct range_part {
	uint64_t from;
	struct rangedel_set *set;
	bool borrowed; /* belongs to the view before */
};

struct range_view {
	struct range_view *before; /* the one this has replaced */
	uint64_t end;              /* tombstones from this on are in no set */
	size_t count;
	struct range_part part[];
};

void memranges_init(struct memranges *r, const shale_env *env, struct arena *arena)
{
	r->env = env;
	r->arena = arena;
	atomic_init(&r->newest, NULL);
	atomic_init(&r->view, NULL);
	atomic_init(&r->bytes, 0);
	mutex_init(&r->mu, env, RANK_MEMTABLE);
}

void memranges_fini(struct memranges *r)
{
	struct range_view *v = atomic_load_explicit(&r->view, memory_order_relaxed);

	while (v != NULL) {
		struct range_view *before = v->before;

		for (size_t i = 0; i < v->count; i++) {
			if (!v->part[i].borrowed)
				rangedel_free(v->part[i].set);
		}
		mem_free(r->env, v);
		v = before;
	}
}

static shale_slice copy_bytes(uint8_t *to, shale_slice s)
{
	if (s.size != 0)
		memcpy(to, s.data, s.size);
	return slice_from(to, s.size);
}

bool memranges_add(struct memranges *r, shale_slice lo, shale_slice hi, uint64_t seq)
{
	struct range_node *n = arena_alloc(r->arena, sizeof(*n) + lo.size + hi.size);
	uint8_t *bytes;

	if (n == NULL)
		return false;
	bytes = (uint8_t *)(n + 1);
	n->range.lo = copy_bytes(bytes, lo);
	n->range.hi = copy_bytes(bytes + lo.size, hi);
	n->range.seq = seq;

	mutex_lock(&r->mu);
	n->older = atomic_load_explicit(&r->newest, memory_order_relaxed);
	n->number = n->older != NULL ? n->older->number + 1 : 0;
	/* Release: who finds n finds it filled. */
	atomic_store_explicit(&r->newest, n, memory_order_release);
	mutex_unlock(&r->mu);
	return true;
}

/* ---- building ----------------------------------------------------------- */

/* A set of the `count` tombstones from `newest` on backward; NULL: no memory. */
static struct rangedel_set *ranges_fragment(struct memranges *r, const struct range_node *newest,
					    size_t count)
{
	struct rangedel *list = mem_array(r->env, count, sizeof(*list));
	struct rangedel_set *set = NULL;

	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++, newest = newest->older)
		list[i] = newest->range;
	if (rangedel_build(r->env, list, count, &set) < 0)
		set = NULL;
	mem_free(r->env, list);
	return set;
}

/* A new view in which one more set reaches to the head of the list. Holds the lock. */
static void ranges_build(struct memranges *r)
{
	struct range_view *old = atomic_load_explicit(&r->view, memory_order_relaxed), *v;
	struct range_node *newest = atomic_load_explicit(&r->newest, memory_order_relaxed);
	size_t keep = old != NULL ? old->count : 0, size;
	uint64_t end = newest->number + 1, from = old != NULL ? old->end : 0;

	if (end - from <= RANGES_TAIL)
		return;
	if (end - from > RANGES_SET_MAX) {
		/* The tail has grown while nobody read: the oldest of it first. */
		while (newest->number + 1 > from + RANGES_SET_MAX)
			newest = newest->older;
		end = newest->number + 1;
	}
	while (keep > 0 && from - old->part[keep - 1].from <= end - from &&
	       end - old->part[keep - 1].from <= RANGES_SET_MAX)
		from = old->part[--keep].from;

	size = sizeof(*v) + (keep + 1) * sizeof(v->part[0]);
	v = mem_alloc(r->env, size);
	if (v == NULL)
		return;
	v->part[keep].set = ranges_fragment(r, newest, (size_t)(end - from));
	if (v->part[keep].set == NULL) {
		mem_free(r->env, v);
		return;
	}
	v->part[keep].from = from;
	v->part[keep].borrowed = false;
	for (size_t i = 0; i < keep; i++) {
		v->part[i] = old->part[i];
		v->part[i].borrowed = true;
	}
	v->count = keep + 1;
	v->end = end;
	v->before = old;
	atomic_fetch_add_explicit(&r->bytes, size + v->part[keep].set->bytes, memory_order_relaxed);
	/* Release: pairs with the load in memranges_newest(). */
	atomic_store_explicit(&r->view, v, memory_order_release);
}

/* ---- reading ------------------------------------------------------------ */

static bool range_covers(const struct rangedel *d, shale_slice key)
{
	return slice_cmp(d->lo, key) <= 0 && slice_cmp(key, d->hi) < 0;
}

uint64_t memranges_newest(struct memranges *r, shale_slice key, uint64_t limit)
{
	/* The view first: the list loaded after it holds all that follows it. */
	struct range_view *v = atomic_load_explicit(&r->view, memory_order_acquire);
	struct range_node *newest = atomic_load_explicit(&r->newest, memory_order_acquire);
	uint64_t end = v != NULL ? v->end : 0, best = 0;

	if (newest == NULL)
		return 0;
	if (unlikely(newest->number + 1 > end + RANGES_TAIL) && mutex_trylock(&r->mu)) {
		/* No memory for it, or another reader at it: only slower. */
		ranges_build(r);
		mutex_unlock(&r->mu);
		v = atomic_load_explicit(&r->view, memory_order_acquire);
		end = v != NULL ? v->end : 0;
	}
	for (struct range_node *n = newest; n != NULL && n->number >= end; n = n->older) {
		if (n->range.seq > best && n->range.seq <= limit && range_covers(&n->range, key))
			best = n->range.seq;
	}
	for (size_t i = v != NULL ? v->count : 0; i-- > 0;) {
		uint64_t seq = rangedel_newest(v->part[i].set, key, limit);

		best = seq > best ? seq : best;
	}
	return best;
}
