#include "db/gaps.h"

enum {
	GAPS = 8,
#if defined(SHALE_DEBUG) || defined(SHALE_YIELDS)
	TELL_LEAST = 2, /* so that all tests meet them */
#else
	TELL_LEAST = 64, /* dead keys: to pass fewer is no trouble */
#endif
};

struct gap_range {
	struct gap_key lo, hi;
};

struct gap {
	bool is_sure, is_hoped;
	struct gap_range sure, hoped; /* what is hoped for holds what is sure, and more */
	uint64_t since;               /* sure for readers at this sequence or later */
	uint64_t born;                /* puts behind this sequence saw what is hoped for */
	uint64_t used;
};

struct gaps {
	struct mutex mu;
	/* What puts look at first, without mu: the heads of each gap's bounds. */
	_Atomic uint64_t lo_head[GAPS], hi_head[GAPS];
	/* Guarded by mu. */
	struct gap gap[GAPS];
	uint64_t uses;
};

/* ---- keys and ranges ---- */

static bool has_key(const struct gap_range *r, shale_slice key)
{
	return slice_cmp(gap_key_view(&r->lo), key) <= 0 &&
	       slice_cmp(key, gap_key_view(&r->hi)) < 0;
}

/* Whether the inner one lies within the other. */
static bool holds(const struct gap_range *r, const struct gap_range *inner)
{
	return slice_cmp(gap_key_view(&r->lo), gap_key_view(&inner->lo)) <= 0 &&
	       slice_cmp(gap_key_view(&inner->hi), gap_key_view(&r->hi)) <= 0;
}

/* Whether there is nothing between the two. */
static bool touches(const struct gap_range *a, const struct gap_range *b)
{
	return slice_cmp(gap_key_view(&a->lo), gap_key_view(&b->hi)) <= 0 &&
	       slice_cmp(gap_key_view(&b->lo), gap_key_view(&a->hi)) <= 0;
}

static void widen(struct gap_range *r, const struct gap_range *by)
{
	if (slice_cmp(gap_key_view(&by->lo), gap_key_view(&r->lo)) < 0)
		r->lo = by->lo;
	if (slice_cmp(gap_key_view(&by->hi), gap_key_view(&r->hi)) > 0)
		r->hi = by->hi;
}

/* ---- the gaps of a family ---- */

/* NULL: no memory, so nothing is remembered. */
static struct gaps *gaps_of(shale_cf *cf)
{
	struct gaps *g = atomic_load_explicit(&cf->gaps, memory_order_acquire), *other = NULL;

	if (likely(g != NULL))
		return g;
	g = mem_zalloc(cf->db->env, sizeof(*g));
	if (g == NULL)
		return NULL;
	mutex_init(&g->mu, cf->db->env, RANK_GAPS);
	for (int i = 0; i < GAPS; i++)
		atomic_init(&g->lo_head[i], UINT64_MAX);
	if (atomic_compare_exchange_strong(&cf->gaps, &other, g))
		return g;
	mem_free(cf->db->env, g);
	return other;
}

void gaps_free(shale_cf *cf)
{
	mem_free(cf->db->env, atomic_load(&cf->gaps));
}

/* mu is held. Have puts look at what there is now. */
static void show(struct gaps *g, const struct gap *gap)
{
	size_t i = (size_t)(gap - g->gap);
	const struct gap_range *r = gap->is_hoped ? &gap->hoped : &gap->sure;
	bool any = gap->is_hoped || gap->is_sure;

	task_point(false);
	atomic_store_explicit(&g->lo_head[i], any ? key_head(gap_key_view(&r->lo), 0) : UINT64_MAX,
			      memory_order_relaxed);
	atomic_store_explicit(&g->hi_head[i], any ? key_head(gap_key_view(&r->hi), 0) : 0,
			      memory_order_relaxed);
}

/* Whether a key may lie in a gap. Relaxed: who must see a gap has it from commit_mu. */
static bool may_have(const struct gaps *g, shale_slice key)
{
	uint64_t k = key_head(key, 0);
	bool any = false;

	task_point(false);
	for (int i = 0; i < GAPS; i++)
		any |= atomic_load_explicit(&g->lo_head[i], memory_order_relaxed) <= k &&
		       k <= atomic_load_explicit(&g->hi_head[i], memory_order_relaxed);
	return any;
}

/* mu is held. What is hoped for, or a part with all that is sure, holds for readers at seq or
   later. */
static void make_sure(struct gaps *g, struct gap *gap, const struct gap_range *range, uint64_t seq)
{
	gap->since = gap->is_sure && gap->since > seq ? gap->since : seq;
	gap->sure = *range;
	gap->is_sure = true;
	gap->is_hoped = !holds(&gap->sure, &gap->hoped);
	gap->used = ++g->uses;
	for (struct gap *other = g->gap; other < g->gap + GAPS; other++) {
		if (other == gap || !other->is_sure || !holds(&gap->sure, &other->sure))
			continue;
		other->is_sure = other->is_hoped = false;
		show(g, other);
	}
}

/* mu is held. The gap that touches what was seen, or one to be forgotten for it. */
static struct gap *choose(struct gaps *g, const struct gap_range *seen)
{
	struct gap *least = g->gap;

	for (struct gap *gap = g->gap; gap < g->gap + GAPS; gap++) {
		bool any = gap->is_hoped || gap->is_sure;
		uint64_t used = any ? gap->used : 0;

		/* What is sure has to stay part of what is hoped for. */
		if (any && touches(gap->is_sure ? &gap->sure : &gap->hoped, seen))
			return gap;
		if (used < (least->is_hoped || least->is_sure ? least->used : 0))
			least = gap;
	}
	least->is_hoped = least->is_sure = false;
	return least;
}

/* mu is held. */
static void hope(shale_db *db, struct gaps *g, struct gap *gap, const struct gap_range *range,
		 uint64_t seq)
{
	gap->hoped = *range;
	gap->is_hoped = true;
	gap->used = ++g->uses;
	show(g, gap);
	mutex_lock(&db->commit_mu);
	gap->born = db->next_seq - 1;
	mutex_unlock(&db->commit_mu);
	if (gap->born <= seq)
		make_sure(g, gap, &gap->hoped, seq);
}

static bool is_known(const struct gap *gap, const struct gap_range *range)
{
	return (gap->is_sure && holds(&gap->sure, range)) ||
	       (gap->is_hoped && holds(&gap->hoped, range));
}

/* A reader at seq has found nothing alive there. */
static void note(shale_cf *cf, const struct gap_range *seen, uint64_t seq)
{
	struct gaps *g = gaps_of(cf);
	struct gap_range range = *seen;
	struct gap *gap;

	if (g == NULL)
		return;
	mutex_lock(&g->mu);
	gap = choose(g, seen);
	if (gap->is_sure)
		widen(&range, &gap->sure);
	if (gap->is_hoped && seq >= gap->born) {
		if (holds(&range, &gap->hoped))
			make_sure(g, gap, &gap->hoped, seq);
		else if (holds(&gap->hoped, &range))
			make_sure(g, gap, &range, seq);
	}
	if (!is_known(gap, &range))
		hope(cf->db, g, gap, &range, seq);
	mutex_unlock(&g->mu);
}

void gaps_hope(shale_cf *cf, shale_slice lo, shale_slice hi)
{
	struct gaps *g = gaps_of(cf);
	struct gap_range range;
	struct gap *gap;

	if (g == NULL)
		return;
	gap_key_set(&range.lo, lo);
	gap_key_set(&range.hi, hi);
	mutex_lock(&g->mu);
	gap = choose(g, &range);
	if (gap->is_sure)
		widen(&range, &gap->sure);
	if (!is_known(gap, &range))
		hope(cf->db, g, gap, &range, 0);
	mutex_unlock(&g->mu);
}

/* The far bound of a gap that has the key, for a reader at seq. */
static bool find(shale_cf *cf, shale_slice key, uint64_t seq, bool backward, struct gap_key *to)
{
	struct gaps *g = atomic_load_explicit(&cf->gaps, memory_order_acquire);
	bool found = false;

	if (g == NULL || !may_have(g, key))
		return false;
	mutex_lock(&g->mu);
	for (struct gap *gap = g->gap; gap < g->gap + GAPS && !found; gap++) {
		if (!gap->is_sure || gap->since > seq || !has_key(&gap->sure, key))
			continue;
		*to = backward ? gap->sure.lo : gap->sure.hi;
		gap->used = ++g->uses;
		found = true;
	}
	mutex_unlock(&g->mu);
	return found;
}

void gaps_put(shale_cf *cf, shale_slice key)
{
	struct gaps *g = atomic_load_explicit(&cf->gaps, memory_order_acquire);

	if (g == NULL || likely(!may_have(g, key)))
		return;
	mutex_lock(&g->mu);
	for (struct gap *gap = g->gap; gap < g->gap + GAPS; gap++) {
		if (gap->is_hoped && has_key(&gap->hoped, key))
			gap->is_hoped = false;
		if (gap->is_sure && has_key(&gap->sure, key)) {
			/* What lies before the key is as dead as it was. */
			gap_key_set(&gap->sure.hi, key);
			gap->is_sure = key.size <= GAP_KEY &&
				       slice_cmp(gap_key_view(&gap->sure.lo), key) < 0;
		}
		show(g, gap);
	}
	mutex_unlock(&g->mu);
}

/* ---- runs ---- */

bool gaps_pass(shale_cf *cf, struct dead_run *run, shale_slice key, uint64_t seq, bool backward,
	       struct gap_key *to)
{
	if (run->passed == 0) {
		gap_key_set(&run->from, key);
		run->told = 0;
		run->ask = run->step = 1;
	}
	if (++run->passed < run->ask)
		return false;
	if (find(cf, key, seq, backward, to)) {
		run->step = 1;
		run->ask = run->passed + 1;
		return true;
	}
	run->ask += run->step;
	run->step *= 2;
	return false;
}

void gaps_tell(shale_cf *cf, struct dead_run *run, shale_slice key, bool alive, uint64_t seq,
	       bool backward)
{
	struct gap_range seen;

	if (run->passed - run->told < TELL_LEAST)
		return;
	run->told = run->passed;
	if (key.size >= GAP_KEY || run->from.size > GAP_KEY)
		return;
	if (backward) {
		gap_key_set(&seen.lo, key);
		if (alive) /* the least key behind it */
			seen.lo.bytes[seen.lo.size++] = 0;
		seen.hi = run->from;
	} else {
		seen.lo = run->from;
		gap_key_set(&seen.hi, key);
	}
	if (slice_cmp(gap_key_view(&seen.lo), gap_key_view(&seen.hi)) < 0)
		note(cf, &seen, seq);
}
