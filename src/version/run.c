/*
 * Searching a run, and iterating over it.
 *
 * A search looks at two arrays: the heads of the largest keys (the eight bytes
 * behind the prefix that all of them share) are searched first (heads.h);
 * only tables whose head is the key's own are looked at themselves.
 *
 * The iterator has one table open at a time, whose entry is its own.
 */
#include "version/version.h"

#include "format/heads.h"

/* Whether the table at i lies wholly below the key. */
static bool ends_below(const struct run *r, size_t i, shale_slice key)
{
	const struct table_props *p = &r->tables[i]->props;
	int c = slice_cmp(p->largest, key);

	return c < 0 || (c == 0 && p->largest_excluded);
}

size_t run_lower(const struct run *r, shale_slice key)
{
	size_t i, end, shared = key.size < r->prefix ? key.size : r->prefix;
	uint64_t head;
	int c;

	if (r->count == 0)
		return 0;
	c = shared != 0 ? memcmp(key.data, r->tables[0]->props.largest.data, shared) : 0;
	if (c != 0)
		return c < 0 ? 0 : r->count;
	if (key.size < r->prefix)
		return 0;
	head = key_head(key, r->prefix);
	i = heads_lower(r->heads, r->count, head);
	if (i == r->count || r->heads[i] != head || !ends_below(r, i, key))
		return i;

	/* Equal heads decide nothing: among them, the keys. */
	i++;
	end = head != UINT64_MAX && i < r->count
		      ? i + heads_lower(r->heads + i, r->count - i, head + 1)
		      : r->count;
	while (i < end) {
		size_t mid = i + (end - i) / 2;

		if (ends_below(r, mid, key))
			i = mid + 1;
		else
			end = mid;
	}
	return i;
}

size_t run_find(const struct run *r, shale_slice key)
{
	size_t i = run_lower(r, key);

	if (i < r->count && slice_cmp(r->tables[i]->props.smallest, key) <= 0)
		return i;
	return r->count;
}

/* ---- iterating ---- */

struct run_iter {
	struct iter it;
	struct iter *child; /* over table `at`; NULL: none open */
	size_t at;
	size_t first, end; /* the tables within the bounds */
	size_t aimed;      /* run_lower() of the key aimed at */
	bool is_aimed, child_aimed;

	struct run *r;
	struct table_env te;
	struct table_read read;
	bool sequential;
	const struct rate_user *rate;
};

static inline void take_child(struct run_iter *ri)
{
	const struct iter *c = ri->child;

	ri->it.valid = c->valid;
	ri->it.status = c->status;
	ri->it.top = c;
}

/* Open table i; on failure, or where there is none within the bounds, not valid. */
static bool open_child(struct run_iter *ri, size_t i)
{
	struct table *t = NULL;
	shale_status rc;

	ri->it.status = SHALE_OK;
	ri->it.valid = false;
	if (i < ri->first || i >= ri->end)
		return false;
	if (ri->child != NULL && ri->at == i)
		return true;
	iter_free(ri->child);
	ri->child = NULL;
	rc = table_meta_open(ri->r->tables[i], &ri->te, &t);
	if (rc >= 0)
		rc = table_iter_new(t, &ri->read, ri->sequential, ri->rate, &ri->child);
	if (rc < 0) {
		ri->it.status = rc;
		return false;
	}
	ri->at = i;
	return true;
}

/* Go on to the tables behind while the current one has nothing (more). */
static void go_on(struct run_iter *ri)
{
	take_child(ri);
	while (unlikely(!ri->it.valid && ri->it.status >= 0)) {
		if (!open_child(ri, ri->at + 1))
			return;
		iter_first(ri->child);
		take_child(ri);
	}
}

/* The same towards the front; table 0's predecessor is SIZE_MAX, which is none. */
static void go_back(struct run_iter *ri)
{
	take_child(ri);
	while (unlikely(!ri->it.valid && ri->it.status >= 0)) {
		if (!open_child(ri, ri->at - 1))
			return;
		iter_last(ri->child);
		take_child(ri);
	}
}

static void run_iter_next(struct iter *it)
{
	struct run_iter *ri = (struct run_iter *)it;

	iter_next(ri->child);
	if (unlikely(!ri->child->valid))
		go_on(ri);
}

static void run_iter_prev(struct iter *it)
{
	struct run_iter *ri = (struct run_iter *)it;

	iter_prev(ri->child);
	if (unlikely(!ri->child->valid))
		go_back(ri);
}

static void run_iter_first(struct iter *it)
{
	struct run_iter *ri = (struct run_iter *)it;

	if (!open_child(ri, ri->first))
		return;
	iter_first(ri->child);
	go_on(ri);
}

static void run_iter_last(struct iter *it)
{
	struct run_iter *ri = (struct run_iter *)it;

	if (!open_child(ri, ri->end - 1))
		return;
	iter_last(ri->child);
	go_back(ri);
}

/* The table is opened here, so that it can be asked what it will need. */
static void run_iter_aim(struct iter *it, shale_slice key, unsigned step)
{
	struct run_iter *ri = (struct run_iter *)it;

	if (step == 0) {
		ri->aimed = run_lower(ri->r, key);
		ri->is_aimed = true;
		/* A failure shows again in the seek. */
		ri->child_aimed = open_child(ri, ri->aimed < ri->first ? ri->first : ri->aimed);
	}
	if (ri->child_aimed)
		iter_aim(ri->child, key, step);
}

/* run_lower(), known already when the iterator was aimed. */
static size_t lower(struct run_iter *ri, shale_slice key)
{
	bool known = ri->is_aimed;

	ri->is_aimed = false;
	return known ? ri->aimed : run_lower(ri->r, key);
}

static void run_iter_seek(struct iter *it, shale_slice key)
{
	struct run_iter *ri = (struct run_iter *)it;
	size_t i = lower(ri, key);

	if (!open_child(ri, i < ri->first ? ri->first : i))
		return;
	iter_seek(ri->child, key);
	go_on(ri);
}

static void run_iter_seek_prev(struct iter *it, shale_slice key)
{
	struct run_iter *ri = (struct run_iter *)it;
	size_t i = lower(ri, key);

	/* The table that may hold the key, or the one before; behind all, the last. */
	if (i >= ri->end)
		i = ri->end - 1;
	else if (slice_cmp(ri->r->tables[i]->props.smallest, key) > 0)
		i--;
	if (!open_child(ri, i))
		return;
	iter_seek_prev(ri->child, key);
	go_back(ri);
}

static void run_iter_free(struct iter *it)
{
	struct run_iter *ri = (struct run_iter *)it;

	iter_free(ri->child);
	run_unref(ri->r);
	mem_free(ri->te.env, ri);
}

static const struct iter_ops run_iter_ops = {
	.seek = run_iter_seek,
	.seek_prev = run_iter_seek_prev,
	.first = run_iter_first,
	.last = run_iter_last,
	.next = run_iter_next,
	.prev = run_iter_prev,
	.free = run_iter_free,
	.aim = run_iter_aim,
};

/* First table whose smallest key is >= key: tables from there on lie behind it. */
static size_t first_behind(const struct run *r, shale_slice key)
{
	size_t i = run_lower(r, key);

	while (i < r->count && slice_cmp(r->tables[i]->props.smallest, key) < 0)
		i++; /* once at most: the tables are disjoint */
	return i;
}

shale_status run_iter_new(struct run *r, const struct table_env *te, const struct table_read *read,
			  bool sequential, const struct rate_user *rate, shale_slice lo,
			  shale_slice hi, struct iter **out)
{
	struct run_iter *ri = mem_zalloc(te->env, sizeof(*ri));

	if (ri == NULL)
		return err_memory("an iterator over a run");
	ri->it.ops = &run_iter_ops;
	ri->it.top = &ri->it;
	ri->r = run_ref(r);
	ri->te = *te;
	ri->read = *read;
	ri->sequential = sequential;
	ri->rate = rate;
	ri->first = lo.data != NULL ? run_lower(r, lo) : 0;
	ri->end = hi.data != NULL ? first_behind(r, hi) : r->count;
	*out = &ri->it;
	return SHALE_OK;
}
