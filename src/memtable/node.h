/*
 * Nodes of the memtable's tree and what they point to.
 *
 * An entry is one user key; its versions are a list, newest first. A node, leaf
 * or inner, holds up to 32 keys in order as pointers to entries, and beside each
 * its head: the 8 bytes behind the prefix that all keys of the node share. Heads
 * decide nearly every comparison without a visit to the key. In an inner node
 * child i holds what is below key i, child count what is not below the last.
 *
 * The prefix is kept as its size, its first 16 bytes inline (a search must
 * compare them) and the entry it was taken from (for what is longer). It need
 * not be the longest possible: it grows only where that frees at least four
 * bytes of the heads, so that it does not change with every insert.
 *
 * Reading while another writes. The lock word is odd while a writer is inside
 * and grows by two with every change. A reader notes it (even), reads, and
 * checks that it has not changed. Every store into a locked node is a release
 * and every load without the lock an acquire: a reader that met a new value has
 * then also met the locked word before it, and its check fails. (The usual
 * fences would do on paper; ThreadSanitizer does not know them. On x86 both
 * cost nothing.)
 *
 * Before the check, values may be of different times; they must only be harmless:
 * - every slot below a count that was read points to a complete entry, because
 *   slots are written before the count, and no node or entry is ever freed
 *   (versions are, see reuse.h);
 * - a prefix size is cut to the entry's key size before bytes are compared.
 */
#ifndef MEMTABLE_NODE_H
#define MEMTABLE_NODE_H

#include "base/lock.h"
#include "format/key.h"

enum {
	NODE_SLOTS = 32,
	NODE_PREFIX_INLINE = 16,
	NODE_PREFIX_STEP = 4, /* bytes by which a prefix must be able to grow */
};

/* The heads behind the last key, so that a search needs no count. */
#define NODE_HEAD_NONE UINT64_MAX

struct version {
	_Atomic(struct version *) next; /* the next older */
	uint64_t seqtype;
	_Atomic uint32_t size; /* of the value, and VERSION_NOTED */
	uint8_t value[];
};

#define VERSION_NOTED (1u << 31) /* a ring knows of it, see reuse.h */

struct entry {
	_Atomic(struct version *) newest; /* never NULL */
	uint32_t key_size;
	uint8_t key[];
};

struct node {
	_Atomic uint64_t lock; /* bit 0: held */
	_Atomic uint32_t count;
	_Atomic uint32_t prefix_size;
	_Atomic uint64_t prefix_head[2]; /* big-endian, zero behind the prefix */
	_Atomic(struct entry *) prefix_of;
	uint32_t level; /* 0: leaf; constant */
	/*
	 * Leaves. `next` is guarded by this leaf's lock, `prev` by that of the
	 * leaf before it: only the split of that one changes it.
	 */
	_Atomic(struct node *) next, prev;

	_Alignas(64) _Atomic uint64_t head[NODE_SLOTS];
	_Atomic(struct entry *) slot[NODE_SLOTS];
	_Atomic(struct node *) child[]; /* inner: NODE_SLOTS + 1 */
};

/* A key that is searched for. */
struct probe {
	shale_slice key;
	uint64_t head[2]; /* of its first 16 bytes */
};

static inline struct probe probe_make(shale_slice key)
{
	if (key.data == NULL)
		key.data = "";
	return (struct probe){ key, { key_head(key, 0), key_head(key, 8) } };
}

static inline uint32_t version_size(const struct version *v)
{
	return atomic_load_explicit(&v->size, memory_order_relaxed) & ~VERSION_NOTED;
}

static inline shale_slice version_value(const struct version *v)
{
	return slice_from(v->value, version_size(v));
}

static inline shale_slice entry_key(const struct entry *e)
{
	return slice_from(e->key, e->key_size);
}

#define node_load(p) atomic_load_explicit(p, memory_order_acquire)
#define node_store(p, v) atomic_store_explicit(p, v, memory_order_release)
/* For the holder of the lock. */
#define node_own(p) atomic_load_explicit(p, memory_order_relaxed)

/* ---- the lock word ------------------------------------------------------ */

uint64_t node_lock_wait(const shale_env *env, _Atomic uint64_t *lock);

/* The word, once no writer is inside. */
static inline uint64_t node_read(const shale_env *env, _Atomic uint64_t *lock)
{
	uint64_t v = atomic_load_explicit(lock, memory_order_acquire);

	task_point(false);
	return likely((v & 1) == 0) ? v : node_lock_wait(env, lock);
}

/* Whether all loads since node_read() gave `v` are of one time. */
static inline bool node_unchanged(_Atomic uint64_t *lock, uint64_t v)
{
	return likely(atomic_load_explicit(lock, memory_order_relaxed) == v);
}

/* Take the lock if nothing has changed since `v`. */
static inline bool node_trylock(_Atomic uint64_t *lock, uint64_t v)
{
	task_point(false);
	return atomic_compare_exchange_strong_explicit(lock, &v, v + 1, memory_order_acquire,
						       memory_order_relaxed);
}

/* Let go of a lock that was taken at `v`; a change shows as v + 2. */
static inline void node_unlock(_Atomic uint64_t *lock, uint64_t v, bool changed)
{
	task_point(false);
	atomic_store_explicit(lock, changed ? v + 2 : v, memory_order_release);
}

/* ---- search ------------------------------------------------------------- */

/* The bits of a head that its first n bytes take. */
static inline uint64_t node_mask(size_t n)
{
	return n >= 8 ? UINT64_MAX : ~(UINT64_MAX >> 8 * n);
}

int node_prefix_cmp_long(struct node *n, shale_slice key, size_t size);

/* The key against the node's prefix of `size` bytes: 0 when it begins with it. */
static inline int node_prefix_cmp(struct node *n, const struct probe *p, size_t size)
{
	uint64_t a, b;

	if (size == 0)
		return 0;
	a = p->head[0] & node_mask(size);
	b = node_load(&n->prefix_head[0]);
	if (a != b)
		return a < b ? -1 : 1;
	if (size > 8) {
		a = p->head[1] & node_mask(size - 8);
		b = node_load(&n->prefix_head[1]);
		if (a != b)
			return a < b ? -1 : 1;
		if (size > NODE_PREFIX_INLINE)
			return node_prefix_cmp_long(n, p->key, size);
	}
	return p->key.size < size ? -1 : 0;
}

/*
 * How many heads are below h. Two dependent steps without a branch: which eighth
 * line of heads, then where in it.
 */
static inline unsigned node_lower_bound(struct node *n, uint64_t h)
{
	unsigned at = 8 * ((unsigned)(node_load(&n->head[7]) < h) +
			   (unsigned)(node_load(&n->head[15]) < h) +
			   (unsigned)(node_load(&n->head[23]) < h));
	unsigned below = 0;

	for (unsigned i = 0; i < 8; i++)
		below += node_load(&n->head[at + i]) < h;
	return at + below;
}

unsigned node_search_equal(struct node *n, shale_slice key, uint64_t h, unsigned at, unsigned count,
			   struct entry **found);

/*
 * How many keys of the node are below the probe's; *found is the entry of that
 * very key, or NULL. To be trusted once the lock word is found unchanged; an
 * entry that was found is right in any case.
 */
static inline unsigned node_search(struct node *n, const struct probe *p, struct entry **found)
{
	unsigned count = node_load(&n->count);
	size_t size = node_load(&n->prefix_size);
	int c = node_prefix_cmp(n, p, size);
	uint64_t h;
	unsigned at;

	*found = NULL;
	if (unlikely(c != 0))
		return c < 0 ? 0 : count;
	h = key_head(p->key, size);
	at = node_lower_bound(n, h);
	if (at < count && node_load(&n->head[at]) == h)
		return node_search_equal(n, p->key, h, at, count, found);
	return at < count ? at : count;
}

/* Bring the lines of a node that a search reads; of a leaf, all. */
PREFETCHER node_prefetch(const struct node *n, bool leaf)
{
	const char *p = (const char *)n;
	size_t end = sizeof(*n) + (leaf ? 0 : (NODE_SLOTS + 1) * sizeof(struct node *));

	for (size_t i = 0; i < offsetof(struct node, slot); i += 64)
		__builtin_prefetch(p + i);
	for (size_t i = leaf ? offsetof(struct node, slot) : sizeof(*n); i < end; i += 64)
		__builtin_prefetch(p + i);
}

/* ---- change, with the lock held ----------------------------------------- */

/* An empty node that nobody else sees yet. */
void node_init(struct node *n, uint32_t level);

/* Put a key at `at` (with `right`, the child that begins with it, in an inner node). */
void node_insert(struct node *n, unsigned at, struct entry *e, const struct probe *p,
		 struct node *right);

/* Move what is at and behind `mid` into the empty `right`; returns the key between the two. */
struct entry *node_split(struct node *n, unsigned mid, struct node *right);

/* Debug: order, heads and prefix are as the head comment says. */
void node_check(struct node *n);

#endif
