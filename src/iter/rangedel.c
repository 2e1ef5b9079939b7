/*
 * Building a set is a sweep: all starts and ends in key order, and beside them
 * the sequences of the tombstones open at that point. Between two neighbouring
 * keys the open ones make a fragment. A first sweep counts, so that all of the
 * set is one allocation: struct, fragments, sequences, key bytes.
 *
 * Any number of tombstones may be open at once, and be opened and closed in any order:
 * the same range deleted again and again, or a queue's front. So the open ones are no
 * list but a set of places in the sorted sequences, where a step takes a word or two.
 */
#include "iter/rangedel.h"

#include "base/bitset.h"
#include "base/sort.h"

struct edge {
	shale_slice key;
	uint64_t seq;
	bool start;
};

/* ---- order -------------------------------------------------------------- */

static void merge_edges(const struct edge *from, size_t lo, size_t mid, size_t hi, struct edge *to)
{
	size_t a = lo, b = mid;

	for (size_t i = lo; i < hi; i++) {
		if (a < mid && (b >= hi || slice_cmp(from[a].key, from[b].key) <= 0))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

/* By key; `tmp` has room for n too. Returns where the result is. */
static struct edge *sort_edges(struct edge *e, struct edge *tmp, size_t n)
{
	for (size_t width = 1; width < n; width *= 2) {
		struct edge *swap = e;

		for (size_t lo = 0; lo < n; lo += 2 * width) {
			size_t mid = lo + width < n ? lo + width : n;
			size_t hi = mid + width < n ? mid + width : n;

			merge_edges(e, lo, mid, hi, tmp);
		}
		e = tmp;
		tmp = swap;
	}
	return e;
}

/* ---- the sweep ---------------------------------------------------------- */

struct sweep {
	uint64_t *seqs;     /* of all tombstones, ascending, distinct */
	uint64_t *count;    /* how many of each are open */
	struct bitset open; /* places of those of which any is */
	size_t n;
};

/* How many of the sequences are at or below seq. */
static size_t sweep_upto(const struct sweep *s, uint64_t seq)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->seqs[mid] <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void sweep_pass(struct sweep *s, const struct edge *e)
{
	size_t at = sweep_upto(s, e->seq) - 1;

	/* What ends was opened: a range ends behind its start. */
	if (e->start && s->count[at]++ == 0)
		bitset_add(&s->open, at);
	else if (!e->start && --s->count[at] == 0)
		bitset_remove(&s->open, at);
}

/* Nothing is open. `room` has sweep_room() zero words. */
static void sweep_init(struct sweep *s, const struct rangedel *in, size_t n, uint64_t *room)
{
	*s = (struct sweep){ .seqs = room, .count = room + n };
	for (size_t i = 0; i < n; i++)
		s->seqs[i] = in[i].seq;
	sort_u64(s->seqs, n);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || s->seqs[i] != s->seqs[s->n - 1])
			s->seqs[s->n++] = s->seqs[i];
	bitset_init(&s->open, room + 2 * n, s->n);
}

static size_t sweep_room(size_t n)
{
	return 2 * n + bitset_words(n);
}

/* Which of the open sequences a fragment takes. */
struct wanted {
	bool newest;            /* the newest as of each limit and of now; else all */
	const uint64_t *limits; /* ascending */
	size_t limit_count;
	size_t seqs_max; /* of the whole set */
};

static uint64_t *copy_newest(uint64_t *to, const struct sweep *s, const struct wanted *w)
{
	size_t at = bitset_below(&s->open, s->n);
	uint64_t last = s->seqs[at];

	*to++ = last;
	for (size_t i = w->limit_count; i-- > 0;) {
		if (w->limits[i] >= last)
			continue;
		at = bitset_below(&s->open, sweep_upto(s, w->limits[i]));
		if (at == SIZE_MAX)
			break;
		*to++ = last = s->seqs[at];
	}
	return to;
}

/* Some are open. */
static uint64_t *copy_seqs(uint64_t *to, const struct sweep *s, const struct wanted *w)
{
	size_t at = s->n;

	if (w->newest)
		return copy_newest(to, s, w);
	while ((at = bitset_below(&s->open, at)) != SIZE_MAX)
		*to++ = s->seqs[at];
	return to;
}

/* Room a set needs at most. */
struct room {
	size_t fragments, seqs, key_bytes;
};

static struct room sweep_measure(const struct edge *e, size_t n, const struct wanted *w)
{
	struct room room = { 0, 0, 0 };
	size_t open = 0;

	for (size_t i = 0; i < n;) {
		shale_slice key = e[i].key;

		for (; i < n && slice_eq(e[i].key, key); i++)
			open += e[i].start ? 1 : (size_t)-1;
		room.key_bytes += key.size;
		room.seqs += w->newest && open > w->limit_count + 1 ? w->limit_count + 1 : open;
		room.fragments += open != 0;
	}
	return room;
}

static void sweep_fill(struct rangedel_set *s, struct sweep *sweep, const struct wanted *w,
		       const struct edge *e, size_t n, uint64_t *seqs, uint8_t *bytes)
{
	struct rangedel_fragment *open = NULL;

	for (size_t i = 0; i < n;) {
		shale_slice key = slice_from(bytes, e[i].key.size);
		size_t first = i;

		if (key.size != 0)
			memcpy(bytes, e[i].key.data, key.size);
		bytes += key.size;
		for (; i < n && slice_eq(e[i].key, e[first].key); i++)
			sweep_pass(sweep, &e[i]);
		if (open != NULL)
			open->hi = key;
		open = NULL;
		if (bitset_below(&sweep->open, sweep->n) == SIZE_MAX)
			continue;
		open = &s->fragments[s->count++];
		open->lo = key;
		open->seqs = seqs;
		seqs = copy_seqs(seqs, sweep, w);
		open->seq_count = (size_t)(seqs - open->seqs);
	}
}

/* ---- sets --------------------------------------------------------------- */

static size_t list_edges(const struct rangedel *in, size_t n, struct edge *e)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (slice_cmp(in[i].lo, in[i].hi) >= 0)
			continue; /* deletes nothing */
		e[count++] = (struct edge){ in[i].lo, in[i].seq, true };
		e[count++] = (struct edge){ in[i].hi, in[i].seq, false };
	}
	return count;
}

static struct rangedel_set *set_new(const shale_env *env, const struct room *room, uint64_t **seqs,
				    uint8_t **bytes)
{
	size_t fragments, seq_bytes, size;
	struct rangedel_set *s;

	if (__builtin_mul_overflow(room->fragments, sizeof(*s->fragments), &fragments) ||
	    __builtin_mul_overflow(room->seqs, sizeof(uint64_t), &seq_bytes) ||
	    __builtin_add_overflow(fragments + sizeof(*s), seq_bytes, &size) ||
	    __builtin_add_overflow(size, room->key_bytes, &size))
		return NULL;
	s = mem_alloc(env, size);
	if (s == NULL)
		return NULL;
	s->env = env;
	s->count = 0;
	s->bytes = size;
	s->fragments = (struct rangedel_fragment *)(s + 1);
	*seqs = (uint64_t *)(s->fragments + room->fragments);
	*bytes = (uint8_t *)(*seqs + room->seqs);
	return s;
}

static shale_status build(const shale_env *env, const struct rangedel *in, size_t n,
			  const struct wanted *w, struct rangedel_set **out)
{
	struct edge *edges = NULL, *sorted;
	uint64_t *swept = NULL, *seqs;
	struct rangedel_set *s = NULL;
	struct sweep sweep;
	struct room room;
	uint8_t *bytes;
	size_t count;

	/* Two edges a range, and as many again to sort. */
	if (n <= SIZE_MAX / 4) {
		edges = mem_array(env, 4 * n, sizeof(*edges));
		swept = mem_array(env, sweep_room(n), sizeof(*swept));
	}
	if (edges == NULL || swept == NULL)
		goto out;
	sweep_init(&sweep, in, n, swept);
	count = list_edges(in, n, edges);
	sorted = sort_edges(edges, edges + 2 * n, count);
	room = sweep_measure(sorted, count, w);
	if (room.seqs > w->seqs_max) {
		mem_free(env, swept);
		mem_free(env, edges);
		return err_new(SHALE_CORRUPT, "%zu range tombstones make %zu pieces", n, room.seqs);
	}
	s = set_new(env, &room, &seqs, &bytes);
	if (s == NULL)
		goto out;
	sweep_fill(s, &sweep, w, sorted, count, seqs, bytes);
out:
	mem_free(env, swept);
	mem_free(env, edges);
	if (s == NULL)
		return err_memory("a set of range tombstones");
	*out = s;
	return SHALE_OK;
}

shale_status rangedel_build(const shale_env *env, const struct rangedel *in, size_t n,
			    struct rangedel_set **out)
{
	const struct wanted all = { .seqs_max = SIZE_MAX };

	return build(env, in, n, &all, out);
}

shale_status rangedel_build_within(const shale_env *env, const struct rangedel *in, size_t n,
				   size_t seqs_max, struct rangedel_set **out)
{
	const struct wanted all = { .seqs_max = seqs_max };

	return build(env, in, n, &all, out);
}

shale_status rangedel_build_newest(const shale_env *env, const struct rangedel *in, size_t n,
				   const uint64_t *limits, size_t limit_count,
				   struct rangedel_set **out)
{
	const struct wanted newest = { true, limits, limit_count, SIZE_MAX };

	return build(env, in, n, &newest, out);
}

void rangedel_free(struct rangedel_set *s)
{
	if (s != NULL)
		mem_free(s->env, s);
}

/* ---- questions ---------------------------------------------------------- */

const struct rangedel_fragment *rangedel_find(const struct rangedel_set *s, shale_slice key)
{
	size_t lo = 0, hi = s != NULL ? s->count : 0;

	/* The last fragment that begins at or before the key is the one before `lo`. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(s->fragments[mid].lo, key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || slice_cmp(key, s->fragments[lo - 1].hi) >= 0)
		return NULL;
	return &s->fragments[lo - 1];
}

/* How many of the fragment's sequences are above seq. */
static size_t fragment_above(const struct rangedel_fragment *f, uint64_t seq)
{
	size_t lo = 0, hi = f->seq_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->seqs[mid] > seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t rangedel_newest(const struct rangedel_set *s, shale_slice key, uint64_t limit)
{
	const struct rangedel_fragment *f = rangedel_find(s, key);
	size_t above;

	if (f == NULL)
		return 0;
	above = fragment_above(f, limit);
	return above < f->seq_count ? f->seqs[above] : 0;
}

uint64_t rangedel_next_above(const struct rangedel_set *s, shale_slice key, uint64_t seq)
{
	const struct rangedel_fragment *f = rangedel_find(s, key);
	size_t above = f != NULL ? fragment_above(f, seq) : 0;

	return above != 0 ? f->seqs[above - 1] : UINT64_MAX;
}
