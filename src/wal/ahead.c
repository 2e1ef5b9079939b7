/*
 * Segments made ahead. What a writer takes at a rotation has all behind it that may take
 * long, in two steps:
 *
 *   known   it has a file with a durable header, and the manifest names it: three or four
 *           waits for the device, which may stand still for a second
 *   ready   its image is in memory as well: some milliseconds of work, no wait
 *
 * Two are ready, and no more, since they count as memory. A staged log waits for the device
 * with every commit and has no use for more. A mapped one waits for it nowhere else, so for
 * its writers not to notice when the device stands still, others lie there that are known:
 * a quarter as many as have been used, up to `ahead`. So a log that is hardly written stays
 * small, and in a burst the two that must be ready come first.
 *
 * Files that were released are kept as spares, to be recycled. Those of a mapped log go when it
 * has not moved for a second, and segments that are known and were made of such files are made
 * anew: the kernel would write what these held before, for nothing.
 *
 * Where others sync it (an interval, flushes of several families) the device is waited for
 * sooner: to load a segment the mappings of complete ones are given back, which a sync keeps.
 *
 * Segments become active in the order of their numbers. One that is too small for the
 * record at hand is therefore passed over for good, and only kept to be released.
 */
#include "wal/impl.h"

enum {
	READY_AHEAD = 2,
	KNOWN_OF_USED = 4,
	MAPPED_MOST = 4, /* with the one in use and the one before it */
};

#define STILL_NS UINT64_C(1000000000)

/* Capacity in which a record of `size` bytes fits behind the LINK, before an END. */
static bool segment_fits(uint64_t capacity, uint64_t size)
{
	return size <= capacity - SEGMENT_FIRST - RECORD_HEADER;
}

/* ---- what there is; mu is held ---- */

static struct wal_segment *first_fitting(const struct wal *w, uint64_t size)
{
	struct wal_segment *s = w->prepared;

	while (s != NULL && !segment_fits(s->capacity, size))
		s = s->link;
	return s;
}

/* Whether an image is being made for one up to and with `s`: it must stay where it is. */
static bool is_held(const struct wal *w, const struct wal_segment *s)
{
	return w->loading != NULL && w->loading->number <= s->number;
}

/* The first that fits, if it is ready and nothing up to it is held. */
static struct wal_segment *ready_fitting(const struct wal *w, uint64_t size)
{
	struct wal_segment *s = first_fitting(w, size);

	return s != NULL && !is_held(w, s) && s->image != NULL ? s : NULL;
}

/* Where a prepared segment is counted. */
static _Atomic uint32_t *count_of(struct wal *w, const struct wal_segment *s)
{
	return s->image != NULL ? &w->ready_count : &w->known_count;
}

static void unlist(struct wal *w, struct wal_segment **at)
{
	struct wal_segment *s = *at;

	*at = s->link;
	s->link = NULL;
	atomic_fetch_sub_explicit(count_of(w, s), 1, memory_order_relaxed);
}

/* It will not be used: it lies there until what is below a later number is released. */
static void skip(struct wal *w, struct wal_segment **at)
{
	struct wal_segment *s = *at;

	unlist(w, at);
	s->link = w->skipped;
	w->skipped = s;
	atomic_fetch_add_explicit(&w->skipped_count, 1, memory_order_relaxed);
}

struct wal_segment *ahead_take(struct wal *w, uint64_t size)
{
	struct wal_segment *s = ready_fitting(w, size);

	if (s == NULL)
		return NULL;
	while (w->prepared != s)
		skip(w, &w->prepared);
	unlist(w, &w->prepared);
	return s;
}

bool wal_has_ready(struct wal *w, uint64_t payload)
{
	bool ready;

	mutex_lock(&w->mu);
	ready = ready_fitting(w, record_size(payload)) != NULL;
	mutex_unlock(&w->mu);
	return ready;
}

/* Counts only, below: a segment itself may be freed by a release at any time. */
static bool wants_ready(const struct wal *w)
{
	uint64_t position = atomic_load_explicit(&w->position, memory_order_relaxed);
	uint32_t ready = atomic_load_explicit(&w->ready_count, memory_order_relaxed);
	uint32_t used = atomic_load_explicit(&w->used_count, memory_order_relaxed);

	if (ready >= READY_AHEAD)
		return false;
	/* Without an active one at once; but the first may be all that a small store writes. */
	if (ready == 0 && (position == 0 || used > 1))
		return true;
	return position > LOG_PAGE + w->config.segment_bytes / 4;
}

static bool wants_known(const struct wal *w)
{
	uint32_t known = atomic_load_explicit(&w->known_count, memory_order_relaxed);
	uint32_t skipped = atomic_load_explicit(&w->skipped_count, memory_order_relaxed);
	uint32_t used = atomic_load_explicit(&w->used_count, memory_order_relaxed);

	/* Large records that pass over all that is known do not have it made again each time. */
	return w->config.sink == WAL_MAPPED && known + skipped < w->config.ahead &&
	       (known + 1) * KNOWN_OF_USED <= used;
}

bool wal_wants_segment(struct wal *w, bool roomy)
{
	return !wal_is_poisoned(w) && (wants_ready(w) || (roomy && wants_known(w)));
}

/* Whether a segment that is known only was made of a file that held other records. */
static bool has_stale(struct wal *w)
{
	const struct wal_segment *s;

	mutex_lock(&w->mu);
	for (s = w->prepared; s != NULL && (s->image != NULL || !s->recycled); s = s->link)
		;
	mutex_unlock(&w->mu);
	return s != NULL;
}

bool wal_is_still(struct wal *w, uint64_t *wait_ns)
{
	uint64_t rotated = atomic_load_explicit(&w->rotated_ns, memory_order_relaxed);
	uint64_t now = env_now_ns(w->env);

	if (w->config.sink != WAL_MAPPED ||
	    (atomic_load_explicit(&w->spare_count, memory_order_relaxed) == 0 && !has_stale(w)))
		return false;
	if (now - rotated >= STILL_NS)
		return true;
	if (*wait_ns > rotated + STILL_NS - now)
		*wait_ns = rotated + STILL_NS - now;
	return false;
}

/* ---- images ---- */

/*
 * Give back the mappings of segments that are complete. They would otherwise count
 * as this process's memory until their memtables are flushed. While somebody syncs it is
 * left to the next time, not to wait for the device, unless too many are mapped.
 */
static void unmap_complete(struct wal *w)
{
	struct wal_segment *s, *last;

	if (!wal_try_lead(w)) {
		if (atomic_load_explicit(&w->mapped_count, memory_order_relaxed) < MAPPED_MOST)
			return;
		wal_lead(w);
	}
	mutex_lock(&w->mu);
	s = w->first;
	mutex_unlock(&w->mu);
	/* Acquire: the completer has left all before it, so every fill there is done. */
	last = atomic_load_explicit(&w->completing, memory_order_acquire);
	for (; s != NULL && s != last; s = atomic_load_explicit(&s->next, memory_order_acquire))
		if (s->file != NULL)
			segment_unmap(w, s);
	wal_unlead(w);
}

static shale_status load(struct wal *w, struct wal_segment *s)
{
	if (w->config.sink == WAL_MAPPED)
		unmap_complete(w);
	return segment_load(w, s);
}

/* load_mu is held. One that cannot be loaded is not tried again. */
static shale_status load_next(struct wal *w, uint64_t payload)
{
	struct wal_segment *s, **at;
	shale_status rc;

	mutex_lock(&w->mu);
	s = first_fitting(w, record_size(payload));
	if (s != NULL && s->image != NULL && payload != 0) {
		mutex_unlock(&w->mu);
		return SHALE_OK;
	}
	while (s != NULL && s->image != NULL)
		s = s->link;
	w->loading = s;
	mutex_unlock(&w->mu);
	if (s == NULL)
		return SHALE_END;
	rc = load(w, s);
	mutex_lock(&w->mu);
	w->loading = NULL;
	if (rc >= 0) {
		atomic_fetch_sub_explicit(&w->known_count, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&w->ready_count, 1, memory_order_relaxed);
	} else {
		for (at = &w->prepared; *at != s; at = &(*at)->link)
			;
		skip(w, at);
	}
	mutex_unlock(&w->mu);
	return rc;
}

shale_status wal_load(struct wal *w, uint64_t payload)
{
	shale_status rc = SHALE_END;

	mutex_lock(&w->load_mu);
	if (payload != 0 || wants_ready(w))
		rc = load_next(w, payload);
	mutex_unlock(&w->load_mu);
	return rc;
}

/* ---- segments ---- */

shale_status wal_prepare(struct wal *w, uint64_t number, uint64_t edit, uint64_t min_payload)
{
	uint32_t ready = atomic_load_explicit(&w->ready_count, memory_order_relaxed);
	uint32_t known = atomic_load_explicit(&w->known_count, memory_order_relaxed);
	uint64_t capacity = w->config.segment_bytes, size;
	struct wal_segment *s;
	shale_status rc;

	if (min_payload > UINT32_MAX)
		return err_new(SHALE_TOO_LARGE, "a log record of %" PRIu64 " bytes", min_payload);
	if (wal_is_poisoned(w))
		return wal_poison_status(w);
	size = record_size((size_t)min_payload);
	if (!segment_fits(capacity, size))
		capacity =
			(SEGMENT_FIRST + size + RECORD_HEADER + LOG_PAGE - 1) / LOG_PAGE * LOG_PAGE;
	rc = segment_new(w, number, edit, capacity, &s);
	if (rc != SHALE_OK)
		return rc;
	/*
	 * Mapped only behind the header: the pages are made present for writing, and where a
	 * durable write is a sync it would write all of them and make each fault again. Those
	 * that are known already become ready before it.
	 */
	if (min_payload != 0 || (ready < READY_AHEAD && known == 0))
		rc = load(w, s);
	if (rc != SHALE_OK) {
		segment_discard(w, s);
		return rc;
	}
	wal_count(w, STAT_LOG_SEGMENTS, 1);
	mutex_lock(&w->mu);
	ASSERT(w->pending == NULL);
	w->pending = s;
	mutex_unlock(&w->mu);
	return SHALE_OK;
}

void wal_admit(struct wal *w, bool known)
{
	struct wal_segment *s, **at;

	mutex_lock(&w->mu);
	s = w->pending;
	w->pending = NULL;
	for (at = &w->prepared; *at != NULL; at = &(*at)->link)
		DEBUG_ASSERT((*at)->number < s->number);
	if (known) {
		*at = s;
		atomic_fetch_add_explicit(count_of(w, s), 1, memory_order_relaxed);
	}
	mutex_unlock(&w->mu);
	if (!known)
		segment_free(w, s);
}

uint64_t wal_withdraw(struct wal *w, bool stale)
{
	struct wal_segment **at, **last = NULL;
	uint64_t number = 0;

	mutex_lock(&w->mu);
	for (at = &w->prepared; *at != NULL; at = &(*at)->link)
		if (*at != w->loading && (*at)->image == NULL && (!stale || (*at)->recycled))
			last = at;
	if (last != NULL) {
		number = (*last)->number;
		skip(w, last);
	}
	mutex_unlock(&w->mu);
	return number;
}

void wal_forget(struct wal *w, uint64_t number)
{
	struct wal_segment **at, *s = NULL;

	mutex_lock(&w->mu);
	for (at = &w->skipped; *at != NULL && (*at)->number != number; at = &(*at)->link)
		;
	if (*at != NULL) {
		s = *at;
		*at = s->link;
		atomic_fetch_sub_explicit(&w->skipped_count, 1, memory_order_relaxed);
	}
	mutex_unlock(&w->mu);
	if (s != NULL)
		segment_discard(w, s);
}
