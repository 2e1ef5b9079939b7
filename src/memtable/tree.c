/*
 * Optimistic lock coupling. On the way down a node's lock word is noted before
 * the parent's is checked a last time, so each step was right when it was taken;
 * anything else starts over at the root. A writer allocates first, then takes
 * the locks it needs by a compare-and-swap from the word it has noted, so that
 * what it has read is still so, and starts over if that fails. Nobody waits for
 * a second lock while holding one: there is no deadlock.
 *
 * Full inner nodes are split on the way down. So the parent of a leaf has room
 * for one more key as long as its word has not changed, and the split of a leaf
 * touches no more than the leaf and its parent.
 *
 * A split moves the upper part of a node to a new right sibling. A node's lower
 * bound never changes, and the chain of leaves is right at any time: what a leaf
 * has lost is in the leaves between it and its former next.
 *
 * Where keys arrive in order, the rightmost nodes are split at their end and not
 * in the middle, which leaves full nodes behind.
 */
#include "memtable/tree.h"

static struct node *node_new(struct memtree *t, uint32_t level)
{
	size_t children = level > 0 ? (NODE_SLOTS + 1) * sizeof(struct node *) : 0;
	struct node *n = arena_alloc_line(t->arena, sizeof(*n) + children);

	if (n != NULL)
		node_init(n, level);
	return n;
}

bool memtree_init(struct memtree *t, const shale_env *env, struct arena *arena,
		  struct memreuse *reuse)
{
	struct node *root;

	t->env = env;
	t->arena = arena;
	t->reuse = reuse;
	atomic_init(&t->lock, 0);
	root = node_new(t, 0);
	atomic_init(&t->root, root);
	return root != NULL;
}

/* ---- entries and versions ----------------------------------------------- */

static void version_fill(struct version *v, shale_slice value)
{
	atomic_store_explicit(&v->next, NULL, memory_order_relaxed);
	if (value.size != 0)
		memcpy(v->value, value.data, value.size);
}

/* An entry with its first version behind it, in one piece. */
static struct entry *entry_new(struct memtree *t, shale_slice key, const struct memtree_new *what)
{
	size_t at = (sizeof(struct entry) + key.size + 7) & ~(size_t)7;
	struct entry *e = arena_alloc(t->arena, at + version_space(what->value.size));
	struct version *v;

	if (e == NULL)
		return NULL;
	v = (struct version *)((uint8_t *)e + at);
	v->seqtype = what->seqtype;
	atomic_init(&v->size, (uint32_t)what->value.size);
	version_fill(v, what->value);
	atomic_init(&e->newest, v);
	e->key_size = (uint32_t)key.size;
	if (key.size != 0)
		memcpy(e->key, key.data, key.size);
	return e;
}

/* Into the list at its place; writers of one key need not come in order. */
static void entry_add(struct entry *e, struct version *v)
{
	_Atomic(struct version *) *at = &e->newest;
	struct version *older = node_load(at);

	for (;;) {
		while (older != NULL && older->seqtype > v->seqtype) {
			at = &older->next;
			older = node_load(at);
		}
		atomic_store_explicit(&v->next, older, memory_order_relaxed);
		/* Release: who finds v finds it filled. */
		if (atomic_compare_exchange_weak_explicit(at, &older, v, memory_order_acq_rel,
							  memory_order_acquire))
			return;
	}
}

/* ---- the way down ------------------------------------------------------- */

static inline bool step_root(struct memtree *t, struct memtree_step *s)
{
	s->parent = NULL;
	s->parent_lock = &t->lock;
	s->parent_word = node_read(t->env, &t->lock);
	s->node = node_load(&t->root);
	s->index = 0;
	s->spine = true;
	s->word = node_read(t->env, &s->node->lock);
	return node_unchanged(&t->lock, s->parent_word);
}

/* To child `index`, which is near; false: start over. */
static inline bool step_to(struct memtree *t, struct memtree_step *s, unsigned index)
{
	struct node *n = s->node, *child = node_load(&n->child[index]);
	uint64_t word;

	word = node_read(t->env, &child->lock);
	if (!node_unchanged(&n->lock, s->word))
		return false;
	s->parent = n;
	s->parent_lock = &n->lock;
	s->parent_word = s->word;
	s->index = index;
	s->node = child;
	s->word = word;
	return true;
}

static inline bool step_down(struct memtree *t, struct memtree_step *s, unsigned index)
{
	node_prefetch(node_load(&s->node->child[index]), s->node->level == 1);
	return step_to(t, s, index);
}

/* Down to the leaf where the key belongs. Only reads. */
static inline void memtree_leaf(struct memtree *t, const struct probe *p, struct memtree_step *s)
{
	struct entry *found;
	bool ok;

	do {
		ok = step_root(t, s);
		while (ok && s->node->level > 0) {
			unsigned at = node_search(s->node, p, &found);

			ok = step_down(t, s, at + (found != NULL));
		}
	} while (!ok);
}

struct entry *memtree_find(struct memtree *t, shale_slice key)
{
	struct probe p = probe_make(key);
	struct entry *found;
	struct memtree_step s;

	do {
		memtree_leaf(t, &p, &s);
		node_search(s.node, &p, &found);
		/* What was found is right even if the leaf has changed meanwhile. */
	} while (found == NULL && !node_unchanged(&s.node->lock, s.word));
	return found;
}

/* ---- adding ------------------------------------------------------------- */

/* `above` is the last inner node: choose the leaf. False: that node is full. */
static inline bool aim_at_leaf(struct memtree_aim *aim, const struct probe *p)
{
	struct memtree_step *s = &aim->above;
	unsigned count = node_load(&s->node->count);
	struct entry *found;
	unsigned at = node_search(s->node, p, &found) + (found != NULL);

	s->spine &= at == count;
	node_prefetch(node_load(&s->node->child[at]), true);
	aim->child = at;
	return count < NODE_SLOTS;
}

void memtree_aim(struct memtree *t, shale_slice key, struct memtree_aim *out)
{
	struct probe p = probe_make(key);
	struct memtree_step *s = &out->above;
	struct entry *found;

	out->valid = out->far = false;
	if (!step_root(t, s))
		return;
	while (s->node->level > 1) {
		unsigned count = node_load(&s->node->count);
		unsigned at = node_search(s->node, &p, &found) + (found != NULL);

		s->spine &= at == count;
		if (s->node->level == 2) {
			node_prefetch(node_load(&s->node->child[at]), false);
			out->child = at;
			out->far = true;
			return;
		}
		if (!step_down(t, s, at))
			return;
	}
	if (s->node->level == 1)
		out->valid = aim_at_leaf(out, &p);
}

void memtree_aim_closer(struct memtree *t, shale_slice key, struct memtree_aim *aim)
{
	struct probe p;

	if (!aim->far)
		return;
	aim->far = false;
	if (!step_to(t, &aim->above, aim->child))
		return;
	p = probe_make(key);
	aim->valid = aim_at_leaf(aim, &p);
}

/* To the leaf that was aimed at; false: it is to be looked for. `aim` may be NULL. */
static inline bool step_aimed(struct memtree *t, const struct memtree_aim *aim,
			      struct memtree_step *s)
{
	if (aim == NULL || !aim->valid)
		return false;
	*s = aim->above;
	return step_to(t, s, aim->child);
}

/*
 * Split the node of a step. False when there is no memory; if somebody else was
 * faster nothing happens. The caller starts over in any case.
 */
static bool memtree_split(struct memtree *t, const struct memtree_step *s)
{
	struct node *n = s->node, *right = node_new(t, n->level), *root = NULL, *after;
	unsigned mid = NODE_SLOTS / 2;
	struct probe p;
	struct entry *between;

	if (s->parent == NULL)
		root = node_new(t, n->level + 1);
	if (right == NULL || (s->parent == NULL && root == NULL))
		return false;
	if (s->spine)
		mid = n->level > 0 ? NODE_SLOTS - 2 : NODE_SLOTS - 1;

	if (!node_trylock(s->parent_lock, s->parent_word))
		return true;
	if (!node_trylock(&n->lock, s->word)) {
		node_unlock(s->parent_lock, s->parent_word, false);
		return true;
	}
	between = node_split(n, mid, right);
	p = probe_make(entry_key(between));
	if (n->level == 0) {
		after = node_own(&n->next);
		node_store(&right->prev, n);
		node_store(&right->next, after);
		node_store(&n->next, right);
		if (after != NULL)
			node_store(&after->prev, right);
	}
	if (root != NULL) {
		node_store(&root->child[0], n);
		node_insert(root, 0, between, &p, right);
		node_store(&t->root, root);
	} else {
		node_insert(s->parent, s->index, between, &p, right);
	}
	node_unlock(&n->lock, s->word, true);
	node_unlock(s->parent_lock, s->parent_word, true);
	return true;
}

/* As memtree_leaf(), but splits the full inner nodes it meets. False: no memory. */
static bool memtree_leaf_to_add(struct memtree *t, const struct probe *p, struct memtree_step *s)
{
	struct entry *found;

start:
	while (!step_root(t, s))
		continue;
	while (s->node->level > 0) {
		unsigned count = node_load(&s->node->count);
		unsigned at = node_search(s->node, p, &found) + (found != NULL);

		s->spine &= at == count;
		if (unlikely(count == NODE_SLOTS)) {
			if (!memtree_split(t, s))
				return false;
			goto start;
		}
		if (!step_down(t, s, at))
			goto start;
	}
	return true;
}

bool memtree_add(struct memtree *t, shale_slice key, const struct memtree_new *what,
		 const struct memtree_aim *aim)
{
	struct probe p = probe_make(key);
	struct entry *fresh = NULL, *found;
	struct version *v;
	struct memtree_step s;

	for (;;) {
		bool there = step_aimed(t, aim, &s);
		unsigned at, count;

		aim = NULL;
		if (!there && !memtree_leaf_to_add(t, &p, &s))
			return false;
		at = node_search(s.node, &p, &found);
		if (found != NULL)
			break;
		count = node_load(&s.node->count);
		s.spine &= at == count;
		if (!node_unchanged(&s.node->lock, s.word))
			continue;
		if (unlikely(count == NODE_SLOTS)) {
			if (!memtree_split(t, &s))
				return false;
			continue;
		}
		if (fresh == NULL)
			fresh = entry_new(t, key, what);
		if (fresh == NULL)
			return false;
		if (!node_trylock(&s.node->lock, s.word))
			continue;
		node_insert(s.node, at, fresh, &p, NULL);
		node_unlock(&s.node->lock, s.word, true);
		return true;
	}
	if (fresh != NULL) {
		/* Another writer brought the same key meanwhile: only the version is needed. */
		v = node_own(&fresh->newest);
	} else {
		/* To be compared with, once the new one is filled. */
		__builtin_prefetch(node_load(&found->newest));
		v = memreuse_version(t->reuse, what->seqtype, what->value.size);
		if (v == NULL)
			return false;
		version_fill(v, what->value);
	}
	entry_add(found, v);
	return true;
}

/* ---- copies of leaves --------------------------------------------------- */

/* Copy what the leaf of `s` holds; false: it has changed, the copy is of no use. */
static bool leaf_copy_take(struct leaf_copy *c, struct node *leaf, uint64_t word)
{
	c->leaf = leaf;
	c->count = node_load(&leaf->count);
	c->next = node_load(&leaf->next);
	c->prev = node_load(&leaf->prev);
	for (unsigned i = 0; i < c->count; i++)
		c->slot[i] = node_load(&leaf->slot[i]);
	return node_unchanged(&leaf->lock, word);
}

void memtree_copy(struct memtree *t, shale_slice key, const struct memtree_aim *aim,
		  struct leaf_copy *c, unsigned *at, bool *equal)
{
	struct probe p = probe_make(key);
	struct entry *found;
	struct memtree_step s;

	do {
		if (!step_aimed(t, aim, &s))
			memtree_leaf(t, &p, &s);
		aim = NULL;
		*at = node_search(s.node, &p, &found);
	} while (!leaf_copy_take(c, s.node, s.word));
	*equal = found != NULL;
}

void memtree_copy_edge(struct memtree *t, bool right, struct leaf_copy *c)
{
	struct memtree_step s;
	bool ok;

	do {
		ok = step_root(t, &s);
		while (ok && s.node->level > 0)
			ok = step_down(t, &s, right ? node_load(&s.node->count) : 0);
	} while (!ok || !leaf_copy_take(c, s.node, s.word));
}

bool memtree_copy_next(struct memtree *t, struct leaf_copy *c)
{
	struct node *next = c->next;
	uint64_t word;

	if (next == NULL)
		return false;
	/* A leaf's lower bound never changes, so nothing lies between the copy and next. */
	do {
		node_prefetch(next, true);
		word = node_read(t->env, &next->lock);
	} while (!leaf_copy_take(c, next, word));
	return true;
}

bool memtree_copy_prev(struct memtree *t, struct leaf_copy *c, unsigned *at)
{
	shale_slice first = entry_key(c->slot[0]);
	bool equal;

	for (;;) {
		struct node *leaf = c->leaf, *prev = c->prev;
		uint64_t word;

		if (prev == NULL)
			return false;
		word = node_read(t->env, &prev->lock);
		/* A leaf that still leads to ours ends where ours begins. */
		if (leaf_copy_take(c, prev, word) && c->next == leaf) {
			*at = c->count;
			return true;
		}
		/* It was split, or is being changed: look for what is below our first key. */
		memtree_copy(t, first, NULL, c, at, &equal);
		if (*at > 0)
			return true;
	}
}

/* ---- invariants --------------------------------------------------------- */

/* Everything below n, whose keys are in [lo, hi); returns its rightmost leaf. */
static struct node *check_below(struct node *n, const struct entry *lo, const struct entry *hi,
				struct node *before)
{
	unsigned count = node_own(&n->count);

	node_check(n);
	if (count > 0 && lo != NULL)
		ASSERT(slice_cmp(entry_key(lo), entry_key(node_own(&n->slot[0]))) <= 0);
	if (count > 0 && hi != NULL)
		ASSERT(slice_cmp(entry_key(node_own(&n->slot[count - 1])), entry_key(hi)) < 0);
	if (n->level == 0) {
		ASSERT(count > 0 || (lo == NULL && hi == NULL));
		ASSERT(node_own(&n->prev) == before);
		ASSERT(before == NULL || node_own(&before->next) == n);
		return n;
	}
	for (unsigned i = 0; i <= count; i++) {
		struct node *child = node_own(&n->child[i]);

		ASSERT(child->level + 1 == n->level);
		before = check_below(child, i > 0 ? node_own(&n->slot[i - 1]) : lo,
				     i < count ? node_own(&n->slot[i]) : hi, before);
	}
	return before;
}

void memtree_check(struct memtree *t)
{
	struct node *last = check_below(node_own(&t->root), NULL, NULL, NULL);

	ASSERT(node_own(&last->next) == NULL);
}
