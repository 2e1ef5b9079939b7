#include "support/skiplist.h"

#include <stdio.h>
#include <stdlib.h>

static void *must_alloc(size_t n)
{
	void *p = malloc(n);

	if (p == NULL) {
		perror("malloc");
		abort();
	}
	return p;
}

static struct skip_node *skip_node_new(int levels, shale_slice key, uint64_t seqtype,
				       shale_slice value)
{
	size_t links = (size_t)levels * sizeof(struct skip_node *);
	struct skip_node *n = must_alloc(sizeof(*n) + links + key.size + value.size);
	uint8_t *bytes = (uint8_t *)n + sizeof(*n) + links;

	if (key.size != 0)
		memcpy(bytes, key.data, key.size);
	if (value.size != 0)
		memcpy(bytes + key.size, value.data, value.size);
	n->key = slice_from(bytes, key.size);
	n->value = slice_from(bytes + key.size, value.size);
	n->seqtype = seqtype;
	n->prev = NULL;
	for (int i = 0; i < levels; i++)
		n->next[i] = NULL;
	return n;
}

struct skiplist *skiplist_new(void)
{
	struct skiplist *s = must_alloc(sizeof(*s));

	s->head = skip_node_new(SKIP_LEVELS, slice_from(NULL, 0), 0, slice_from(NULL, 0));
	s->random = 1;
	s->count = 0;
	return s;
}

void skiplist_free(struct skiplist *s)
{
	struct skip_node *n = s->head;

	while (n != NULL) {
		struct skip_node *next = n->next[0];

		free(n);
		n = next;
	}
	free(s);
}

/* The last node before (key, seqtype) on every level. */
static void find_before(const struct skiplist *s, shale_slice key, uint64_t seqtype,
			struct skip_node *before[SKIP_LEVELS])
{
	struct skip_node *n = s->head;

	for (int i = SKIP_LEVELS - 1; i >= 0; i--) {
		while (n->next[i] != NULL &&
		       entry_cmp(n->next[i]->key, n->next[i]->seqtype, key, seqtype) < 0)
			n = n->next[i];
		before[i] = n;
	}
}

/* One level more with a probability of a quarter. */
static int random_levels(struct skiplist *s)
{
	int levels = 1;

	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	for (uint64_t r = s->random; levels < SKIP_LEVELS && (r & 3) == 0; r >>= 2)
		levels++;
	return levels;
}

bool skiplist_add(struct skiplist *s, shale_slice key, uint64_t seqtype, shale_slice value)
{
	struct skip_node *before[SKIP_LEVELS], *n;
	int levels = random_levels(s);

	find_before(s, key, seqtype, before);
	n = before[0]->next[0];
	if (n != NULL && n->seqtype == seqtype && slice_eq(n->key, key))
		return false;
	n = skip_node_new(levels, key, seqtype, value);
	for (int i = 0; i < levels; i++) {
		n->next[i] = before[i]->next[i];
		before[i]->next[i] = n;
	}
	n->prev = before[0] != s->head ? before[0] : NULL;
	if (n->next[0] != NULL)
		n->next[0]->prev = n;
	s->count++;
	return true;
}

struct skip_node *skiplist_seek(const struct skiplist *s, shale_slice key, uint64_t seqtype)
{
	struct skip_node *before[SKIP_LEVELS];

	find_before(s, key, seqtype, before);
	return before[0]->next[0];
}

struct skip_node *skiplist_get(const struct skiplist *s, shale_slice key, uint64_t limit)
{
	uint64_t st = limit >= SEQ_MAX ? UINT64_MAX : seqtype(limit, (enum op_type)0xff);
	struct skip_node *n = skiplist_seek(s, key, st);

	return n != NULL && slice_eq(n->key, key) ? n : NULL;
}

/* ---- iterator ----------------------------------------------------------- */

struct skip_iter {
	struct iter it;
	struct skiplist *list;
	uint64_t limit;
	bool newest_only;
	struct skip_node *node;
};

static bool shown(const struct skip_iter *si, const struct skip_node *n)
{
	struct skip_node *newest;

	if (!si->newest_only)
		return seqtype_seq(n->seqtype) <= si->limit;
	newest = skiplist_get(si->list, n->key, si->limit);
	return n == (newest != NULL ? newest : skiplist_get(si->list, n->key, SEQ_MAX));
}

static void settle(struct skip_iter *si, struct skip_node *n, bool forward)
{
	while (n != NULL && !shown(si, n))
		n = forward ? n->next[0] : n->prev;
	si->node = n;
	si->it.valid = n != NULL;
	si->it.top = &si->it;
	if (n == NULL)
		return;
	si->it.key = n->key;
	si->it.value = n->value;
	si->it.seqtype = n->seqtype;
}

/* The last node before (key, seqtype); NULL if there is none. */
static struct skip_node *node_before(const struct skiplist *s, shale_slice key, uint64_t seqtype)
{
	struct skip_node *before[SKIP_LEVELS];

	find_before(s, key, seqtype, before);
	return before[0] != s->head ? before[0] : NULL;
}

static void skip_seek(struct iter *it, shale_slice key)
{
	struct skip_iter *si = (struct skip_iter *)it;

	settle(si, skiplist_seek(si->list, key, UINT64_MAX), true);
}

static void skip_seek_prev(struct iter *it, shale_slice key)
{
	struct skip_iter *si = (struct skip_iter *)it;
	struct skip_node *n = skiplist_seek(si->list, key, 0);

	/* An entry (key, 0) would itself be the oldest of the key. */
	if (n == NULL || n->seqtype != 0 || !slice_eq(n->key, key))
		n = node_before(si->list, key, 0);
	settle(si, n, false);
}

static void skip_first(struct iter *it)
{
	struct skip_iter *si = (struct skip_iter *)it;

	settle(si, si->list->head->next[0], true);
}

static void skip_last(struct iter *it)
{
	struct skip_iter *si = (struct skip_iter *)it;
	struct skip_node *n = si->list->head;

	for (int i = SKIP_LEVELS - 1; i >= 0; i--) {
		while (n->next[i] != NULL)
			n = n->next[i];
	}
	settle(si, n != si->list->head ? n : NULL, false);
}

static void skip_next(struct iter *it)
{
	struct skip_iter *si = (struct skip_iter *)it;

	settle(si, si->node->next[0], true);
}

static void skip_prev(struct iter *it)
{
	struct skip_iter *si = (struct skip_iter *)it;

	settle(si, si->node->prev, false);
}

static void skip_free(struct iter *it)
{
	free(it);
}

static const struct iter_ops skip_ops = {
	.seek = skip_seek,
	.seek_prev = skip_seek_prev,
	.first = skip_first,
	.last = skip_last,
	.next = skip_next,
	.prev = skip_prev,
	.free = skip_free,
};

struct iter *skiplist_iter(struct skiplist *s, uint64_t limit, bool newest_only)
{
	struct skip_iter *si = must_alloc(sizeof(*si));

	memset(si, 0, sizeof(*si));
	si->it.ops = &skip_ops;
	si->list = s;
	si->limit = limit;
	si->newest_only = newest_only;
	return &si->it;
}
