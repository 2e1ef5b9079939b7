/*
 * Iterating works on a copy of one leaf's entries, taken in one go that saw no
 * writer; between two copies nothing is held. Forward the copy's next link leads
 * on; back the prev link, or a search where the leaf before was split since.
 *
 * Versions of an entry are linked from new to old. To step from old to new, the
 * last BACK_MAX versions before the current one are noted in `back`, and noted
 * anew by another walk from the head when they are used up.
 */
#include "memtable/memtable.h"

#include "memtable/impl.h"

enum {
	BACK_MAX = 64,
	AHEAD = 4, /* entries to prefetch ahead of the current one */
};

struct memtable_iter {
	struct iter it;
	struct memtable *m;
	uint64_t limit; /* seqtype */
	bool newest_only;

	unsigned at; /* of the current entry in the copy */
	struct version *version;
	struct leaf_copy copy;

	struct memtree_aim aim;
	bool aimed, equal; /* the copy is where the seek to come leads; its key is at `at` */

	/* The newer visible versions of the current entry, as a ring of the last ones. */
	unsigned back_count, back_end;
	struct version *back[BACK_MAX];
};

static inline struct memtable_iter *of(struct iter *it)
{
	return (struct memtable_iter *)it;
}

PREFETCHER entry_prefetch(const struct entry *e)
{
	__builtin_prefetch(e);
	__builtin_prefetch((const char *)e + 64);
}

static inline void mi_show(struct memtable_iter *mi, struct version *v)
{
	mi->version = v;
	mi->it.seqtype = v->seqtype;
	mi->it.value = version_value(v);
}

static inline void mi_show_entry(struct memtable_iter *mi, struct version *v)
{
	mi->it.valid = true;
	mi->it.key = entry_key(mi->copy.slot[mi->at]);
	mi_show(mi, v);
}

static void mi_prefetch_copy(struct memtable_iter *mi, unsigned from)
{
	for (unsigned i = from; i < mi->copy.count && i < from + AHEAD; i++)
		entry_prefetch(mi->copy.slot[i]);
}

/* The first version of the entry to show going forward; NULL: the entry is passed. */
static inline struct version *mi_version(const struct memtable_iter *mi, struct entry *e)
{
	struct version *v = entry_visible(e, mi->limit);

	if (likely(v != NULL) || !mi->newest_only)
		return v;
	/* Too new. However many there are, it is for the caller to say how far to go. */
	return node_load(&e->newest);
}

/* ---- forward ------------------------------------------------------------ */

/* To the first entry from `at` on that has a version to show. */
static void mi_forward(struct memtable_iter *mi)
{
	mi->back_count = 0;
	for (;;) {
		while (mi->at < mi->copy.count) {
			struct version *v = mi_version(mi, mi->copy.slot[mi->at]);

			if (mi->at + AHEAD < mi->copy.count)
				entry_prefetch(mi->copy.slot[mi->at + AHEAD]);
			if (likely(v != NULL)) {
				mi_show_entry(mi, v);
				return;
			}
			mi->at++;
		}
		if (!memtree_copy_next(&mi->m->tree, &mi->copy)) {
			mi->it.valid = false;
			return;
		}
		mi->at = 0;
		mi_prefetch_copy(mi, 0);
	}
}

static void mi_next(struct iter *it)
{
	struct memtable_iter *mi = of(it);

	if (!mi->newest_only) {
		struct version *v = node_load(&mi->version->next);

		if (v != NULL) {
			mi->back_count = 0;
			mi_show(mi, v);
			return;
		}
	}
	mi->at++;
	mi_forward(mi);
}

/* ---- backward ----------------------------------------------------------- */

/* Note the visible versions newer than `end` (NULL: all), as far as there is room. */
static void mi_note_back(struct memtable_iter *mi, const struct version *end)
{
	struct version *v = entry_visible(mi->copy.slot[mi->at], mi->limit);

	mi->back_count = mi->back_end = 0;
	for (; v != end; v = node_load(&v->next)) {
		mi->back[mi->back_end++ % BACK_MAX] = v;
		mi->back_count += mi->back_count < BACK_MAX;
	}
}

/* The oldest of those noted; there is one. */
static inline struct version *mi_take_back(struct memtable_iter *mi)
{
	mi->back_count--;
	return mi->back[--mi->back_end % BACK_MAX];
}

/* To the last entry before `at` that has a version to show, and its oldest. */
static void mi_backward(struct memtable_iter *mi)
{
	for (;;) {
		while (mi->at > 0) {
			struct entry *e = mi->copy.slot[--mi->at];
			struct version *v = mi_version(mi, e);

			if (mi->at >= AHEAD)
				entry_prefetch(mi->copy.slot[mi->at - AHEAD]);
			if (v == NULL)
				continue;
			mi->back_count = 0;
			if (!mi->newest_only && node_load(&v->next) != NULL) {
				mi_note_back(mi, NULL);
				v = mi_take_back(mi);
			}
			mi_show_entry(mi, v);
			return;
		}
		if (mi->copy.count == 0 || !memtree_copy_prev(&mi->m->tree, &mi->copy, &mi->at)) {
			mi->it.valid = false;
			return;
		}
	}
}

static void mi_prev(struct iter *it)
{
	struct memtable_iter *mi = of(it);

	if (!mi->newest_only) {
		if (mi->back_count == 0)
			mi_note_back(mi, mi->version);
		if (mi->back_count != 0) {
			mi_show(mi, mi_take_back(mi));
			return;
		}
	}
	mi_backward(mi);
}

/* ---- places ------------------------------------------------------------- */

static void mi_place(struct memtable_iter *mi, shale_slice key, const struct memtree_aim *aim)
{
	memtree_copy(&mi->m->tree, key, aim, &mi->copy, &mi->at, &mi->equal);
	mi_prefetch_copy(mi, mi->at);
}

static void mi_aim(struct iter *it, shale_slice key, unsigned step)
{
	struct memtable_iter *mi = of(it);

	if (step == 0) {
		memtree_aim(&mi->m->tree, key, &mi->aim);
	} else if (step == 1) {
		memtree_aim_closer(&mi->m->tree, key, &mi->aim);
	} else {
		mi_place(mi, key, &mi->aim);
		mi->aimed = true;
	}
}

static void mi_seek(struct iter *it, shale_slice key)
{
	struct memtable_iter *mi = of(it);

	if (!mi->aimed)
		mi_place(mi, key, NULL);
	mi->aimed = false;
	mi_forward(mi);
}

static void mi_seek_prev(struct iter *it, shale_slice key)
{
	struct memtable_iter *mi = of(it);

	if (!mi->aimed)
		mi_place(mi, key, NULL);
	mi->aimed = false;
	mi->at += mi->equal;
	mi_backward(mi);
}

static void mi_first(struct iter *it)
{
	struct memtable_iter *mi = of(it);

	memtree_copy_edge(&mi->m->tree, false, &mi->copy);
	mi->at = 0;
	mi_prefetch_copy(mi, 0);
	mi_forward(mi);
}

static void mi_last(struct iter *it)
{
	struct memtable_iter *mi = of(it);

	memtree_copy_edge(&mi->m->tree, true, &mi->copy);
	mi->at = mi->copy.count;
	mi_backward(mi);
}

static void mi_free(struct iter *it)
{
	struct memtable *m = of(it)->m;

	mem_free(m->env, it);
	memtable_unref(m);
}

static const struct iter_ops memtable_iter_ops = {
	.seek = mi_seek,
	.seek_prev = mi_seek_prev,
	.first = mi_first,
	.last = mi_last,
	.next = mi_next,
	.prev = mi_prev,
	.free = mi_free,
	.aim = mi_aim,
};

shale_status memtable_iter_new(struct memtable *m, uint64_t limit, bool newest_only,
			       struct iter **out)
{
	struct memtable_iter *mi = mem_alloc(m->env, sizeof(*mi));

	if (mi == NULL)
		return err_memory("a memtable iterator");
	mi->it = (struct iter){ .ops = &memtable_iter_ops, .top = &mi->it };
	mi->m = memtable_ref(m);
	mi->limit = memtable_limit(limit);
	mi->newest_only = newest_only;
	mi->back_count = 0;
	mi->aimed = false;
	*out = &mi->it;
	return SHALE_OK;
}
