#include "memtable/node.h"

enum {
	SPINS = 256,            /* a writer inside a node needs some 50 ns */
	PREEMPTED_NS = 20000,   /* if it takes longer it does not run: let it */
	PREFIX_CHECK_EVERY = 8, /* inserts into a node between looks at its prefix */
};

uint64_t node_lock_wait(const shale_env *env, _Atomic uint64_t *lock)
{
	for (;;) {
		for (int i = 0; i < SPINS; i++) {
			uint64_t v = atomic_load_explicit(lock, memory_order_acquire);

			if ((v & 1) == 0)
				return v;
			cpu_relax();
		}
		env_sleep_ns(env, PREEMPTED_NS);
	}
}

/* The key against a prefix whose inline bytes it shares. */
int node_prefix_cmp_long(struct node *n, shale_slice key, size_t size)
{
	const struct entry *of = node_load(&n->prefix_of);
	shale_slice prefix = slice_from(of->key, size < of->key_size ? size : of->key_size);
	size_t m = key.size < prefix.size ? key.size : prefix.size;
	int c = 0;

	if (m > NODE_PREFIX_INLINE)
		c = memcmp((const uint8_t *)key.data + NODE_PREFIX_INLINE,
			   of->key + NODE_PREFIX_INLINE, m - NODE_PREFIX_INLINE);
	if (c != 0)
		return c;
	return key.size < prefix.size ? -1 : 0;
}

/* Among the keys from `at` on whose head is h too. */
unsigned node_search_equal(struct node *n, shale_slice key, uint64_t h, unsigned at, unsigned count,
			   struct entry **found)
{
	unsigned end = at + 1;

	while (end < count && node_load(&n->head[end]) == h)
		end++;
	while (at < end) {
		unsigned mid = (at + end) / 2;
		struct entry *e = node_load(&n->slot[mid]);
		int c;

		/* The first version is there as a rule, and wanted next. */
		__builtin_prefetch((const uint8_t *)e + 64);
		c = slice_cmp(entry_key(e), key);
		if (c == 0) {
			*found = e;
			return mid;
		}
		if (c < 0)
			at = mid + 1;
		else
			end = mid;
	}
	return at;
}

/* Take the first `size` bytes of the first key as prefix; all keys must share them. */
static void node_set_prefix(struct node *n, size_t size)
{
	unsigned count = node_own(&n->count);
	struct entry *of = node_own(&n->slot[0]);
	shale_slice key = entry_key(of);

	node_store(&n->prefix_of, of);
	node_store(&n->prefix_size, (uint32_t)size);
	node_store(&n->prefix_head[0], key_head(key, 0) & node_mask(size));
	node_store(&n->prefix_head[1], size > 8 ? key_head(key, 8) & node_mask(size - 8) : 0);
	for (unsigned i = 0; i < count; i++)
		node_store(&n->head[i], key_head(entry_key(node_own(&n->slot[i])), size));
}

/* Lengthen the prefix if the first and the last head have so much in common. */
static void node_grow_prefix(struct node *n)
{
	unsigned count = node_own(&n->count);
	uint64_t differ;
	size_t size;

	if (count < 2)
		return;
	differ = node_own(&n->head[0]) ^ node_own(&n->head[count - 1]);
	if (differ >> (64 - 8 * NODE_PREFIX_STEP) != 0)
		return;
	size = slice_common(entry_key(node_own(&n->slot[0])),
			    entry_key(node_own(&n->slot[count - 1])));
	if (size >= node_own(&n->prefix_size) + NODE_PREFIX_STEP)
		node_set_prefix(n, size);
}

void node_init(struct node *n, uint32_t level)
{
	atomic_init(&n->lock, 0);
	atomic_init(&n->count, 0);
	atomic_init(&n->prefix_size, 0);
	atomic_init(&n->prefix_head[0], 0);
	atomic_init(&n->prefix_head[1], 0);
	atomic_init(&n->prefix_of, NULL);
	n->level = level;
	atomic_init(&n->next, NULL);
	atomic_init(&n->prev, NULL);
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		atomic_init(&n->head[i], NODE_HEAD_NONE);
}

void node_insert(struct node *n, unsigned at, struct entry *e, const struct probe *p,
		 struct node *right)
{
	unsigned count = node_own(&n->count);
	size_t size = node_own(&n->prefix_size);

	if (unlikely(node_prefix_cmp(n, p, size) != 0)) {
		/* There is a first key, or there would be no prefix. */
		size = slice_common(p->key, entry_key(node_own(&n->slot[0])));
		node_set_prefix(n, size);
	}
	for (unsigned i = count; i > at; i--) {
		node_store(&n->head[i], node_own(&n->head[i - 1]));
		node_store(&n->slot[i], node_own(&n->slot[i - 1]));
	}
	node_store(&n->head[at], key_head(p->key, size));
	node_store(&n->slot[at], e);
	if (n->level > 0) {
		for (unsigned i = count + 1; i > at + 1; i--)
			node_store(&n->child[i], node_own(&n->child[i - 1]));
		node_store(&n->child[at + 1], right);
	}
	node_store(&n->count, count + 1);
	if (unlikely((count + 1) % PREFIX_CHECK_EVERY == 0))
		node_grow_prefix(n);
}

struct entry *node_split(struct node *n, unsigned mid, struct node *right)
{
	unsigned count = node_own(&n->count);
	/* The key between two inner nodes stays in neither. */
	unsigned from = n->level > 0 ? mid + 1 : mid;
	struct entry *between = node_own(&n->slot[mid]);

	node_store(&right->prefix_size, node_own(&n->prefix_size));
	node_store(&right->prefix_head[0], node_own(&n->prefix_head[0]));
	node_store(&right->prefix_head[1], node_own(&n->prefix_head[1]));
	node_store(&right->prefix_of, node_own(&n->prefix_of));
	for (unsigned i = from; i < count; i++) {
		node_store(&right->head[i - from], node_own(&n->head[i]));
		node_store(&right->slot[i - from], node_own(&n->slot[i]));
	}
	for (unsigned i = from; n->level > 0 && i <= count; i++)
		node_store(&right->child[i - from], node_own(&n->child[i]));
	node_store(&right->count, count - from);
	node_grow_prefix(right);

	node_store(&n->count, mid);
	for (unsigned i = mid; i < count; i++)
		node_store(&n->head[i], NODE_HEAD_NONE);
	node_grow_prefix(n);
	return between;
}

void node_check(struct node *n)
{
	unsigned count = node_own(&n->count);
	size_t size = node_own(&n->prefix_size);

	ASSERT(count <= NODE_SLOTS);
	for (unsigned i = 0; i < count; i++) {
		shale_slice key = entry_key(node_own(&n->slot[i]));

		ASSERT(node_own(&n->head[i]) == key_head(key, size));
		ASSERT(size == 0 || slice_common(key, entry_key(node_own(&n->prefix_of))) >= size);
		ASSERT(i == 0 || slice_cmp(entry_key(node_own(&n->slot[i - 1])), key) < 0);
	}
	for (unsigned i = count; i < NODE_SLOTS; i++)
		ASSERT(node_own(&n->head[i]) == NODE_HEAD_NONE);
}
