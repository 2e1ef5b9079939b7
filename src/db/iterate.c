/*
 * The public iterator: what a reader at one sequence sees of a view, in both
 * directions. Beneath it a merge gives every version of every key; this layer
 * picks of each key the newest version that is visible and shows it unless it is
 * a tombstone, expired, or covered by a range tombstone.
 *
 * Forward, the merge stands on the version shown, and what is shown lies in the
 * merge; the key is copied aside before the merge moves on, so that its older
 * versions can be passed. Backward, a key's versions come oldest first,
 * so the merge must run through all of them and stands before the key shown;
 * key and value are copies then.
 *
 * The view is held by a count, so an idle iterator blocks no reclamation but that
 * of what it sees.
 */
#include "db/gaps.h"
#include "db/scout.h"

enum iter_place { AT_NOTHING, AT_ENTRY, AT_PAUSE };

struct shale_iter {
	shale_db *db;
	shale_cf *cf;
	struct view *view;
	struct iter *merged;
	struct rangedel_set *ranges; /* NULL: none */
	uint64_t seq, now_ms, skip_max, skipped;
	uint64_t passed;         /* dead entries, of earlier moves; back to 0 at PASSED_MANY */
	struct dead_run run;     /* that the last move ended with */
	uint64_t moves;          /* not yet counted in the store's figures */
	struct buf lower, upper; /* bounds, where has_* */
	bool has_lower, has_upper;
	bool scout; /* the store's own: nobody who reads or has to give it back */

	enum iter_place place;
	bool backward;         /* direction of the last move */
	bool judged;           /* AT_PAUSE: whether the key in `key` was, or is still to be */
	struct buf key, value; /* key: the last one judged, once the merge has left it */
	shale_slice shown_key, shown_value;
	struct holder holder;
};

enum { MOVES_MAX = 1024 };

/* ---- making one ---- */

/* The least key that does not begin with the prefix; false if there is none. */
static bool prefix_end(struct buf *out, shale_slice prefix)
{
	size_t n = prefix.size;
	const uint8_t *p = prefix.data;

	while (n > 0 && p[n - 1] == 0xff)
		n--;
	if (n == 0)
		return false;
	buf_append(out, p, n);
	if (!out->failed)
		out->data[n - 1]++;
	return true;
}

static shale_status set_bounds(struct shale_iter *it, const shale_read_options *o)
{
	if (o == NULL)
		return SHALE_OK;
	if (o->lower.data != NULL) {
		buf_append(&it->lower, o->lower.data, o->lower.size);
		it->has_lower = true;
	}
	if (o->upper.data != NULL) {
		buf_append(&it->upper, o->upper.data, o->upper.size);
		it->has_upper = true;
	}
	if (o->prefix.data != NULL && o->prefix.size != 0) {
		struct buf end;

		if (!it->has_lower || slice_cmp(o->prefix, buf_view(&it->lower)) > 0) {
			buf_reset(&it->lower);
			buf_append(&it->lower, o->prefix.data, o->prefix.size);
			it->has_lower = true;
		}
		buf_init(&end, it->db->env);
		if (prefix_end(&end, o->prefix) &&
		    (!it->has_upper || slice_cmp(buf_view(&end), buf_view(&it->upper)) < 0)) {
			buf_reset(&it->upper);
			buf_append(&it->upper, end.data, end.size);
			it->upper.failed |= end.failed;
			it->has_upper = true;
		}
		buf_fini(&end);
	}
	return it->lower.failed || it->upper.failed ? err_memory("an iterator's bounds") : SHALE_OK;
}

static shale_slice lower_of(const struct shale_iter *it)
{
	return it->has_lower ? buf_view(&it->lower) : slice_from(NULL, 0);
}

static shale_slice upper_of(const struct shale_iter *it)
{
	return it->has_upper ? buf_view(&it->upper) : slice_from(NULL, 0);
}

/* All range tombstones the reader can see within its bounds, in memtables and tables. */
static shale_status gather_ranges(struct shale_iter *it)
{
	const struct view *v = it->view;
	shale_slice lower = lower_of(it), upper = upper_of(it);
	struct rangedel *list = NULL;
	size_t count = 0, capacity = 0, visible = 0;
	shale_status rc =
		memtable_ranges(v->active, it->seq, lower, upper, &list, &count, &capacity);

	for (size_t i = 0; i < v->sealed_count && rc >= 0; i++)
		rc = memtable_ranges(v->sealed[i], it->seq, lower, upper, &list, &count, &capacity);
	if (rc >= 0)
		rc = ranges_of_version(it->db, v->version, lower, upper, &list, &count, &capacity);
	for (size_t i = 0; i < count; i++)
		if (list[i].seq <= it->seq)
			list[visible++] = list[i];
	if (rc >= 0 && visible != 0)
		rc = rangedel_build_newest(it->db->env, list, visible, NULL, 0, &it->ranges);
	mem_free(it->db->env, list);
	return rc;
}

static shale_status open_sources(struct shale_iter *it, const struct table_read *read)
{
	const struct view *v = it->view;
	size_t most = 1 + v->sealed_count + v->version->run_count, n = 0;
	struct iter **children = mem_array(it->db->env, most, sizeof(*children));
	shale_status rc = SHALE_OK;

	if (children == NULL)
		return err_memory("an iterator");
	/* What comes into an empty one from now on is newer than this reader may see. */
	if (memtable_count(v->active) != 0) {
		rc = memtable_iter_new(v->active, it->seq, true, &children[n]);
		n += rc >= 0;
	}
	for (size_t i = 0; i < v->sealed_count && rc >= 0; i++) {
		rc = memtable_iter_new(v->sealed[i], it->seq, true, &children[n]);
		n += rc >= 0;
	}
	for (size_t i = 0; i < v->version->run_count && rc >= 0; i++) {
		rc = run_iter_new(v->version->runs[i], &it->db->table_env, read, false, NULL,
				  lower_of(it), upper_of(it), &children[n]);
		n += rc >= 0;
	}
	if (rc >= 0) {
		rc = merge_iter_new(it->db->env, children, n, 0, &it->merged);
	} else {
		while (n > 0)
			iter_free(children[--n]);
	}
	mem_free(it->db->env, children);
	return rc;
}

static shale_status iter_new(shale_db *db, const shale_read_options *o, bool scout,
			     shale_iter **out)
{
	const struct table_read read = read_how(o);
	struct shale_iter *it;
	shale_status rc = read_enter(db, o);
	unsigned slot;

	if (rc < 0)
		return rc;
	it = mem_zalloc(db->env, sizeof(*it));
	if (it == NULL)
		return err_memory("an iterator");
	it->db = db;
	it->scout = scout;
	buf_init(&it->lower, db->env);
	buf_init(&it->upper, db->env);
	buf_init(&it->key, db->env);
	buf_init(&it->value, db->env);
	it->cf = family_ref(family_of(db, o != NULL ? o->cf : NULL));
	it->now_ms = env_wall_ms(db->env);
	if (o != NULL)
		it->skip_max = o->skip_max;
	slot = epoch_enter(&db->readers);
	it->view = view_ref(atomic_load(&it->cf->view));
	it->seq = read_seq(db, o);
	memtable_pin(it->view->active);
	epoch_exit(&db->readers, slot);

	rc = set_bounds(it, o);
	if (rc >= 0)
		rc = gather_ranges(it);
	if (rc >= 0)
		rc = open_sources(it, &read);
	if (rc < 0) {
		shale_iter_free(it);
		return rc;
	}
	it->holder.seq = it->seq;
	it->holder.cf = it->cf;
	it->holder.view = it->view;
	if (!scout) {
		holder_add(db, &it->holder, o != NULL ? o->owner : NULL, it->now_ms);
		stats_add(&db->stats, STAT_ITERATORS, 1);
	}
	*out = it;
	return SHALE_OK;
}

shale_status shale_iter_new(shale_db *db, const shale_read_options *o, shale_iter **out)
{
	return iter_new(db, o, false, out);
}

shale_status iter_new_scout(shale_db *db, const shale_read_options *o, shale_iter **out)
{
	return iter_new(db, o, true, out);
}

/* The run of dead keys that the last move has passed; behind a pause it goes on. */
static void tell_run(struct shale_iter *it)
{
	bool alive = it->place == AT_ENTRY;

	gaps_tell(it->cf, &it->run, alive ? it->shown_key : buf_view(&it->key), alive, it->seq,
		  it->backward);
	if (it->place != AT_PAUSE)
		it->run.passed = 0;
}

/* A move has passed dead entries. Where they are many, they are to go from the memtable. */
static __attribute__((noinline)) void note_passed(struct shale_iter *it)
{
	if (it->run.passed != 0)
		tell_run(it);
	if (it->scout)
		stats_add(&it->db->stats, STAT_GAP_SCOUTED, it->skipped);
	it->passed += it->skipped;
	it->skipped = 0;
	if (it->scout || it->passed < PASSED_MANY)
		return;
	it->passed = 0;
	seal_for_scans(it->db, it->cf);
}

/* Counters that all threads share are not touched at every step. */
static void count_moves(struct shale_iter *it)
{
	if (!it->scout)
		stats_add(&it->db->stats, STAT_NEXTS, it->moves);
	it->moves = 0;
}

void shale_iter_free(shale_iter *it)
{
	if (it == NULL || db_is_inherited(it->db))
		return;
	holder_remove(&it->holder);
	note_passed(it);
	count_moves(it);
	iter_free(it->merged);
	rangedel_free(it->ranges);
	memtable_unpin(it->view->active);
	view_unref(it->view);
	family_unref(it->cf);
	buf_fini(&it->lower);
	buf_fini(&it->upper);
	buf_fini(&it->key);
	buf_fini(&it->value);
	mem_free(it->db->env, it);
}

/* ---- what is seen ---- */

static __attribute__((noinline)) bool is_live_slow(const struct shale_iter *it,
						   const struct iter *e)
{
	enum op_type type = seqtype_type(e->seqtype);

	if (type == OP_DELETE || entry_expired(type, e->value, it->now_ms))
		return false;
	return it->ranges == NULL ||
	       rangedel_newest(it->ranges, e->key, it->seq) <= seqtype_seq(e->seqtype);
}

static inline bool is_live(const struct shale_iter *it, const struct iter *e)
{
	if (likely(seqtype_type(e->seqtype) == OP_PUT && it->ranges == NULL))
		return true;
	return is_live_slow(it, e);
}

static inline shale_status finish(struct shale_iter *it, shale_status rc)
{
	if (likely(rc == SHALE_OK)) {
		it->place = AT_ENTRY;
		return rc;
	}
	if (rc < 0)
		it->run.passed = 0; /* not even the key may be one that was judged */
	it->place = rc == SHALE_MORE ? AT_PAUSE : AT_NOTHING;
	it->shown_key = it->shown_value = slice_from(NULL, 0);
	return rc;
}

/* Whether the work budget of this move is used up. */
static bool budget_spent(struct shale_iter *it)
{
	it->judged = true;
	return ++it->skipped > it->skip_max && it->skip_max != 0;
}

/* n is 16 to 32: two copies that may overlap, instead of a call. */
static inline void copy_short(uint8_t *to, const uint8_t *from, size_t n)
{
	memcpy(to, from, 16);
	memcpy(to + n - 16, from + n - 16, 16);
}

static inline bool remember(struct buf *b, shale_slice s)
{
	if (likely(s.size >= 16 && s.size <= 32 && s.size <= b->capacity)) {
		uint8_t *to = b->data;

		copy_short(to, s.data, s.size);
		b->size = s.size;
		return true;
	}
	buf_reset(b);
	buf_append(b, s.data, s.size);
	return !b->failed;
}

/* Mostly not: keys that differ do so in their first or last eight bytes. */
static inline bool same_key(shale_slice a, shale_slice b)
{
	uint64_t x, y;

	if (a.size != b.size)
		return false;
	if (unlikely(a.size < 8))
		return slice_eq(a, b);
	memcpy(&x, a.data, 8);
	memcpy(&y, b.data, 8);
	if (likely(x != y))
		return false;
	memcpy(&x, (const uint8_t *)a.data + a.size - 8, 8);
	memcpy(&y, (const uint8_t *)b.data + a.size - 8, 8);
	return unlikely(x == y) && memcmp(a.data, b.data, a.size) == 0;
}

/*
 * Stop at a version that is too new for the reader: a pause stands at its key, which
 * may have a version to show behind it.
 */
static __attribute__((noinline)) shale_status pause_at_newer(struct shale_iter *it, shale_slice key)
{
	it->judged = false;
	return remember(&it->key, key) ? SHALE_MORE : err_memory("an iterator's key");
}

/* Before the key; of its versions all but one are dead, whether it was shown or not. */
static void seek_before(struct shale_iter *it, shale_slice key)
{
	struct iter *m = it->merged;

	iter_seek_prev(m, key);
	for (bool dead = false; m->valid && slice_eq(iter_key(m), key); dead = true) {
		it->skipped += dead;
		iter_prev(m);
	}
}

/*
 * The key in `key` is dead. True: it lay in a gap, and the merge was taken to its end. What has
 * expired is none of a run: it would be back if the clock were set back.
 */
static __attribute__((noinline)) bool over_gap(struct shale_iter *it, enum op_type type)
{
	struct gap_key to;

	if (type == OP_PUT_TTL) {
		it->run.passed = 0;
		return false;
	}
	if (!gaps_pass(it->cf, &it->run, buf_view(&it->key), it->seq, it->backward, &to))
		return false;
	it->skipped++;
	if (!it->scout)
		stats_add(&it->db->stats, STAT_GAP_SKIPS, 1);
	if (it->backward)
		seek_before(it, gap_key_view(&to));
	else
		iter_seek(it->merged, gap_key_view(&to));
	return true;
}

/* A run has one direction. */
static inline void head(struct shale_iter *it, bool backward)
{
	if (unlikely(it->backward != backward))
		it->run.passed = 0;
	it->backward = backward;
}

/*
 * From where the merge stands, the first entry to show. `key` holds the key whose
 * versions are to be passed (has_key), which is the last one judged.
 */
static inline shale_status forward(struct shale_iter *it, bool has_key)
{
	struct iter *m = it->merged;

	head(it, false);
	for (; likely(m->valid); iter_next(m)) {
		const struct iter *e;

	there:
		e = m->top;
		if (has_key && unlikely(same_key(e->key, buf_view(&it->key)))) {
			if (budget_spent(it))
				return SHALE_MORE;
			continue;
		}
		if (it->has_upper && slice_cmp(e->key, buf_view(&it->upper)) >= 0)
			return SHALE_END;
		if (unlikely(seqtype_seq(e->seqtype) > it->seq)) {
			if (budget_spent(it))
				return pause_at_newer(it, e->key);
			continue;
		}
		if (likely(is_live(it, e))) {
			it->shown_key = e->key;
			it->shown_value = entry_value(seqtype_type(e->seqtype), e->value);
			return SHALE_OK;
		}
		if (!remember(&it->key, e->key))
			return err_memory("an iterator's key");
		has_key = true;
		if (over_gap(it, seqtype_type(e->seqtype))) {
			if (m->valid)
				goto there;
			break;
		}
		if (budget_spent(it))
			return SHALE_MORE;
	}
	return m->status < 0 ? m->status : SHALE_END;
}

/*
 * From where the merge stands, backwards to the first entry to show. A pause is between
 * keys: of one only part of whose versions was seen the newest is not known.
 */
static shale_status backward(struct shale_iter *it)
{
	struct iter *m = it->merged;

	head(it, true);
	while (m->valid) {
		struct iter newest = { .seqtype = 0 };
		uint64_t versions = 0;
		bool any = false;

		if (it->has_lower && slice_cmp(iter_key(m), buf_view(&it->lower)) < 0)
			return SHALE_END;
		if (!remember(&it->key, iter_key(m)))
			return err_memory("an iterator's key");
		/* Oldest first: the last visible one is the newest. */
		do {
			const struct iter *e = m->top;

			if (likely(seqtype_seq(e->seqtype) <= it->seq)) {
				if (!remember(&it->value, e->value))
					return err_memory("an iterator's value");
				newest.seqtype = e->seqtype;
				any = true;
			}
			versions++;
			iter_prev(m);
		} while (m->valid && unlikely(same_key(iter_key(m), buf_view(&it->key))));
		if (unlikely(!m->valid && m->status < 0))
			return m->status;
		it->skipped += versions - 1;
		newest.key = buf_view(&it->key);
		newest.value = buf_view(&it->value);
		if (any && is_live(it, &newest)) {
			it->shown_key = newest.key;
			it->shown_value = entry_value(seqtype_type(newest.seqtype), newest.value);
			return SHALE_OK;
		}
		/* Nothing of it that the reader may see is no reason to end a run. */
		if (!over_gap(it, seqtype_type(newest.seqtype)) && budget_spent(it))
			return SHALE_MORE;
	}
	return m->status < 0 ? m->status : SHALE_END;
}

/* ---- moves ---- */

static shale_status begin(struct shale_iter *it)
{
	shale_status rc = db_enter(it->db);

	if (unlikely(rc < 0))
		return rc;
	note_passed(it);
	it->run.passed = 0;
	if (!it->scout)
		stats_add(&it->db->stats, STAT_SEEKS, 1);
	return SHALE_OK;
}

static inline bool begins_within(shale_slice a, shale_slice b)
{
	return (uintptr_t)a.data - (uintptr_t)b.data < b.size && a.size != 0;
}

/*
 * To more than a key can be, too: to what comes behind the largest. A key that is part of
 * what is shown is copied: the first source to move takes the bytes along. Backwards what is
 * shown is a copy.
 */
static shale_status begin_seek(struct shale_iter *it, shale_slice *key)
{
	shale_status rc = begin(it);

	if (rc >= 0)
		rc = key_given(key);
	if (rc < 0 || it->backward ||
	    likely(!begins_within(*key, it->shown_key) && !begins_within(*key, it->shown_value)))
		return rc;
	if (key->size > SHALE_KEY_MAX + 1)
		key->size = SHALE_KEY_MAX + 1; /* no key is that long: none lies between the two */
	if (!remember(&it->key, *key))
		return err_memory("the key of a seek");
	*key = buf_view(&it->key);
	return SHALE_OK;
}

shale_status shale_iter_seek(shale_iter *it, shale_slice key)
{
	shale_status rc = begin_seek(it, &key);

	if (rc < 0)
		return finish(it, rc);
	if (it->has_lower && slice_cmp(key, buf_view(&it->lower)) < 0)
		key = buf_view(&it->lower);
	iter_seek(it->merged, key);
	return finish(it, forward(it, false));
}

shale_status shale_iter_first(shale_iter *it)
{
	shale_status rc = begin(it);

	if (rc < 0)
		return finish(it, rc);
	if (it->has_lower)
		iter_seek(it->merged, buf_view(&it->lower));
	else
		iter_first(it->merged);
	return finish(it, forward(it, false));
}

shale_status shale_iter_seek_prev(shale_iter *it, shale_slice key)
{
	shale_status rc = begin_seek(it, &key);

	if (rc < 0)
		return finish(it, rc);
	if (it->has_upper && slice_cmp(key, buf_view(&it->upper)) >= 0)
		seek_before(it, buf_view(&it->upper));
	else
		iter_seek_prev(it->merged, key);
	return finish(it, backward(it));
}

shale_status shale_iter_last(shale_iter *it)
{
	shale_status rc = begin(it);

	if (rc < 0)
		return finish(it, rc);
	if (it->has_upper)
		seek_before(it, buf_view(&it->upper));
	else
		iter_last(it->merged);
	return finish(it, backward(it));
}

/* Before the merge leaves an entry that is shown where it lies: keep its key. */
static inline bool leave(struct shale_iter *it)
{
	if (unlikely(++it->moves == MOVES_MAX))
		count_moves(it);
	if (unlikely((it->skipped | it->run.passed) != 0))
		note_passed(it);
	return it->backward || it->place != AT_ENTRY || remember(&it->key, it->shown_key);
}

/* From a pause at a key that was not judged, while the merge stands on a version of it. */
static __attribute__((noinline)) shale_status next_unjudged(struct shale_iter *it)
{
	if (!leave(it))
		return finish(it, err_memory("an iterator's key"));
	iter_next(it->merged);
	return finish(it, forward(it, false));
}

shale_status shale_iter_next(shale_iter *it)
{
	shale_status rc = db_enter(it->db);

	if (unlikely(rc < 0))
		return finish(it, rc);
	if (unlikely(it->place != AT_ENTRY)) {
		if (it->place == AT_NOTHING)
			return SHALE_END;
		if (!it->judged)
			return next_unjudged(it);
	}
	if (unlikely(!leave(it)))
		return finish(it, err_memory("an iterator's key"));
	if (unlikely(it->backward)) {
		/* The merge stands before the key; come to it from the front. */
		iter_seek(it->merged, buf_view(&it->key));
	} else if (likely(it->merged->valid)) {
		iter_next(it->merged);
	}
	return finish(it, forward(it, true));
}

shale_status shale_iter_prev(shale_iter *it)
{
	shale_status rc = db_enter(it->db);

	if (unlikely(rc < 0))
		return finish(it, rc);
	if (unlikely(it->place == AT_NOTHING))
		return SHALE_END;
	if (unlikely(!leave(it)))
		return finish(it, err_memory("an iterator's key"));
	/* `key` is a copy, but backward() writes it: seek first. */
	if (!it->backward && it->place == AT_PAUSE && it->judged)
		iter_seek_prev(it->merged, buf_view(&it->key)); /* shown or dead: judged again */
	else if (!it->backward)
		seek_before(it, buf_view(&it->key));
	return finish(it, backward(it));
}

shale_slice shale_iter_key(const shale_iter *it)
{
	return it->shown_key;
}

shale_status shale_iter_value(shale_iter *it, shale_slice *out)
{
	if (it->place != AT_ENTRY)
		return SHALE_END;
	*out = it->shown_value;
	return SHALE_OK;
}
