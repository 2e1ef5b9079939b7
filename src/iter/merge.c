/*
 * Merging by a loser tree (Knuth, vol. 3, 5.4.1). The tree is an array: children
 * are leaves n..2n-1, node i has 2i and 2i+1 below it and keeps the loser of the
 * match played there; the winner of all is kept apart. After the winner has
 * moved on, only the matches on its way up are played again: log2(n) of them.
 *
 * A match is decided by the two heads, which lie in the nodes: the first 8 bytes
 * of the keys behind what all keys share. Only equal heads need a look at keys.
 * Going backward heads are complemented, so that the smaller head wins always.
 * A child at its end has the largest head there is and loses ties.
 *
 * When a child has won twice running it is likely to go on. Then the runner-up
 * (the best of the losers on its way up) is looked for once, and as long as the
 * child stays ahead of that one the tree is not touched.
 *
 * To turn round: each other child stands at the first entry beyond the current
 * one, seen in the old direction; one step back (or, from its end, a seek to the
 * last) brings it to the first beyond, seen in the new.
 */
#include "iter/iter.h"

struct player {
	uint64_t head;
	uint32_t child;
};

struct merge_iter {
	struct iter it;
	const shale_env *env;
	size_t key_skip;
	uint64_t flip; /* 0 forward, all ones backward */
	uint32_t count;
	bool has_runner;
	struct player winner;
	struct player runner;
	struct iter **child;
	struct player *loser;   /* 1 .. count - 1 */
	struct player *bracket; /* 2 * count, only while a tree is built */
};

static inline struct merge_iter *of(struct iter *it)
{
	return (struct merge_iter *)it;
}

/* ---- matches ------------------------------------------------------------ */

static inline struct player player_make(const struct merge_iter *m, uint32_t child)
{
	const struct iter *c = m->child[child];

	return (struct player){ c->valid ? key_head(iter_key(c), m->key_skip) ^ m->flip
					 : UINT64_MAX,
				child };
}

/* Equal heads: whether a is before b. */
static __attribute__((noinline)) bool player_before_slow(const struct merge_iter *m,
							 struct player a, struct player b)
{
	const struct iter *x = m->child[a.child], *y = m->child[b.child];
	int c;

	if (!x->valid || !y->valid)
		return x->valid;
	c = entry_cmp(iter_key(x), iter_seqtype(x), iter_key(y), iter_seqtype(y));
	if (c == 0)
		c = a.child < b.child ? -1 : 1;
	return m->flip != 0 ? c > 0 : c < 0;
}

static inline bool player_before(const struct merge_iter *m, struct player a, struct player b)
{
	if (unlikely(a.head == b.head))
		return player_before_slow(m, a, b);
	return a.head < b.head;
}

/* ---- the tree ----------------------------------------------------------- */

/* Play all matches; children stand where they should. */
static void merge_build(struct merge_iter *m)
{
	uint32_t n = m->count;

	for (uint32_t i = 0; i < n; i++)
		m->bracket[n + i] = player_make(m, i);
	for (uint32_t i = n - 1; i > 0; i--) {
		struct player a = m->bracket[2 * i], b = m->bracket[2 * i + 1];
		bool first = player_before(m, a, b);

		m->bracket[i] = first ? a : b;
		m->loser[i] = first ? b : a;
	}
	m->winner = m->bracket[1];
	m->has_runner = false;
}

/* The child of `p` has moved: find the new winner. */
static inline void merge_replay(struct merge_iter *m, struct player p)
{
	for (uint32_t i = (p.child + m->count) / 2; i > 0; i /= 2) {
		struct player l = m->loser[i];
		bool lost = player_before(m, l, p);

		/* Both stores always: a branch here would be mispredicted half of the time. */
		m->loser[i].head = lost ? p.head : l.head;
		m->loser[i].child = lost ? p.child : l.child;
		p.head = lost ? l.head : p.head;
		p.child = lost ? l.child : p.child;
	}
	m->winner = p;
}

/* The best of those the winner has beaten. */
static void merge_find_runner(struct merge_iter *m)
{
	uint32_t i = (m->winner.child + m->count) / 2;

	m->runner = m->loser[i];
	for (i /= 2; i > 0; i /= 2) {
		if (player_before(m, m->loser[i], m->runner))
			m->runner = m->loser[i];
	}
	m->has_runner = true;
}

/* ---- the current entry -------------------------------------------------- */

static void merge_fail(struct merge_iter *m, shale_status status)
{
	m->it.valid = false;
	m->it.status = status;
}

static inline void merge_show(struct merge_iter *m)
{
	const struct iter *c = m->child[m->winner.child];

	m->it.valid = c->valid;
	m->it.top = c->top;
}

/* All children have been placed. */
static void merge_start(struct merge_iter *m)
{
	m->it.status = SHALE_OK;
	m->it.valid = false;
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->child[i]->status < 0) {
			merge_fail(m, m->child[i]->status);
			return;
		}
	}
	if (m->count == 0)
		return;
	merge_build(m);
	merge_show(m);
}

/* The winner's child has moved. */
static inline void merge_moved(struct merge_iter *m)
{
	uint32_t before = m->winner.child;
	struct player p = player_make(m, before);

	if (unlikely(!m->child[before]->valid) && m->child[before]->status < 0) {
		merge_fail(m, m->child[before]->status);
		return;
	}
	if (m->has_runner && player_before(m, p, m->runner)) {
		m->winner = p;
	} else {
		merge_replay(m, p);
		m->has_runner = false;
		if (m->winner.child == before)
			merge_find_runner(m);
	}
	merge_show(m);
}

/* ---- moves -------------------------------------------------------------- */

/* Bring the other children to the other side of the current entry. */
static void merge_turn(struct merge_iter *m, uint64_t flip)
{
	const struct iter *current = m->child[m->winner.child];

	m->flip = flip;
	for (uint32_t i = 0; i < m->count; i++) {
		struct iter *c = m->child[i];

		if (i == m->winner.child)
			continue;
		if (!c->valid && flip != 0)
			iter_last(c);
		else if (!c->valid)
			iter_first(c);
		/* One step as a rule; more where entries were added meanwhile. */
		while (c->valid) {
			int cmp = entry_cmp(iter_key(c), iter_seqtype(c), iter_key(current),
					    iter_seqtype(current));

			if (flip != 0 ? cmp < 0 : cmp > 0)
				break;
			if (flip != 0)
				iter_prev(c);
			else
				iter_next(c);
		}
	}
}

static void merge_next(struct iter *it)
{
	struct merge_iter *m = of(it);
	struct iter *c = m->child[m->winner.child];

	if (unlikely(m->flip != 0)) {
		merge_turn(m, 0);
		iter_next(c);
		merge_start(m);
		return;
	}
	iter_next(c);
	merge_moved(m);
}

static void merge_prev(struct iter *it)
{
	struct merge_iter *m = of(it);
	struct iter *c = m->child[m->winner.child];

	if (unlikely(m->flip == 0)) {
		merge_turn(m, UINT64_MAX);
		iter_prev(c);
		merge_start(m);
		return;
	}
	iter_prev(c);
	merge_moved(m);
}

static void merge_aim(struct iter *it, shale_slice key, unsigned step)
{
	struct merge_iter *m = of(it);

	for (uint32_t i = 0; i < m->count; i++)
		iter_aim(m->child[i], key, step);
}

/* What the children wait for comes at the same time. */
static void merge_aim_all(struct iter *it, shale_slice key)
{
	for (unsigned step = 0; step < ITER_AIM_STEPS; step++)
		merge_aim(it, key, step);
}

static void merge_seek(struct iter *it, shale_slice key)
{
	struct merge_iter *m = of(it);

	m->flip = 0;
	merge_aim_all(it, key);
	for (uint32_t i = 0; i < m->count; i++)
		iter_seek(m->child[i], key);
	merge_start(m);
}

static void merge_seek_prev(struct iter *it, shale_slice key)
{
	struct merge_iter *m = of(it);

	m->flip = UINT64_MAX;
	merge_aim_all(it, key);
	for (uint32_t i = 0; i < m->count; i++)
		iter_seek_prev(m->child[i], key);
	merge_start(m);
}

static void merge_first(struct iter *it)
{
	struct merge_iter *m = of(it);

	m->flip = 0;
	for (uint32_t i = 0; i < m->count; i++)
		iter_first(m->child[i]);
	merge_start(m);
}

static void merge_last(struct iter *it)
{
	struct merge_iter *m = of(it);

	m->flip = UINT64_MAX;
	for (uint32_t i = 0; i < m->count; i++)
		iter_last(m->child[i]);
	merge_start(m);
}

static void merge_free(struct iter *it)
{
	struct merge_iter *m = of(it);

	for (uint32_t i = 0; i < m->count; i++)
		iter_free(m->child[i]);
	mem_free(m->env, m);
}

static const struct iter_ops merge_ops = {
	.seek = merge_seek,
	.seek_prev = merge_seek_prev,
	.first = merge_first,
	.last = merge_last,
	.next = merge_next,
	.prev = merge_prev,
	.free = merge_free,
	.aim = merge_aim,
};

shale_status merge_iter_new(const shale_env *env, struct iter **children, size_t n, size_t key_skip,
			    struct iter **out)
{
	struct merge_iter *m = NULL;

	if (n == 1) {
		*out = children[0];
		return SHALE_OK;
	}
	/* One allocation: the iterator, losers and bracket (n and 2n), children. */
	if (n < UINT32_MAX / 64)
		m = mem_zalloc(env,
			       sizeof(*m) + 3 * n * sizeof(struct player) + n * sizeof(*m->child));
	if (m == NULL) {
		for (size_t i = 0; i < n; i++)
			iter_free(children[i]);
		return err_memory("a merging iterator");
	}
	m->it.ops = &merge_ops;
	m->it.top = &m->it;
	m->env = env;
	m->key_skip = key_skip;
	m->count = (uint32_t)n;
	m->loser = (struct player *)(m + 1);
	m->bracket = m->loser + n;
	m->child = (struct iter **)(m->bracket + 2 * n);
	if (n != 0)
		memcpy(m->child, children, n * sizeof(*m->child));
	*out = &m->it;
	return SHALE_OK;
}
