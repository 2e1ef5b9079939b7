/*
 * The life of the log and its ordered step.
 *
 * A reserve is an addition to `position` and a look at `durable`: it runs inside
 * the caller's one-at-a-time step, and nothing it touches is written by others
 * but `durable`. When a record does not fit, the active segment is ended where it
 * stands and the next prepared one becomes active, with a LINK record that names
 * its predecessor's end; LSNs go on without a gap. Each segment keeps room for
 * the header of an END record behind its last record.
 *
 * Segments become active in the order of their numbers, so that "everything below
 * number n" is a prefix of the log. They are made ahead (ahead.c).
 */
#include "wal/impl.h"

#include "base/crc32c.h"

shale_status wal_open(const struct wal_config *config, struct wal **out)
{
	const shale_env *env = store_env(config->store);
	struct wal *w;

	ASSERT(config->segment_bytes % LOG_PAGE == 0 && config->segment_bytes >= 4 * LOG_PAGE);
	ASSERT(config->first_lsn % 8 == 0);
	w = mem_aligned(env, 64, sizeof(*w));
	if (w == NULL)
		return err_memory("the log");
	memset(w, 0, sizeof(*w));
	w->spares = mem_array(env, (size_t)config->recycle_max + 1, sizeof(*w->spares));
	if (w->spares == NULL) {
		mem_free(env, w);
		return err_memory("the log");
	}
	w->config = *config;
	w->env = env;
	atomic_init(&w->completed, config->first_lsn);
	atomic_init(&w->durable, config->first_lsn);
	mutex_init(&w->load_mu, env, RANK_WAL_LOAD);
	mutex_init(&w->sync_mu, env, RANK_WAL_SYNC);
	mutex_init(&w->mu, env, RANK_WAL);
	cond_init(&w->group[0]);
	cond_init(&w->group[1]);
	cond_init(&w->gathered);
	*out = w;
	return SHALE_OK;
}

static void free_list(struct wal *w, struct wal_segment *s)
{
	while (s != NULL) {
		struct wal_segment *next = s->link;

		segment_free(w, s);
		s = next;
	}
}

/* The links of one list, in front of another. */
static struct wal_segment *list_join(struct wal_segment *s, struct wal_segment *before)
{
	while (s != NULL) {
		struct wal_segment *next = s->link;

		s->link = before;
		before = s;
		s = next;
	}
	return before;
}

/* All there are, in one list. mu is held, or nobody else has the log. */
static struct wal_segment *take_all(struct wal *w)
{
	struct wal_segment *all = list_join(w->skipped, list_join(w->prepared, w->pending)), *s;

	for (s = w->first; s != NULL; s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
		s->link = all;
		all = s;
	}
	w->first = w->pending = w->prepared = w->skipped = NULL;
	w->active = w->tail = w->syncing = NULL;
	atomic_store_explicit(&w->completing, NULL, memory_order_relaxed);
	return all;
}

static void drop_idle_image(struct wal *w)
{
	uint8_t *image;

	mutex_lock(&w->mu);
	image = w->idle_image;
	w->idle_image = NULL;
	mutex_unlock(&w->mu);
	if (image != NULL) {
		mem_free(w->env, image);
		wal_account(w, -(int64_t)w->config.segment_bytes);
	}
}

void wal_retire(struct wal *w)
{
	struct wal_segment *all;

	ASSERT(wal_is_poisoned(w)); /* so whoever comes yet is refused, and touches no segment */
	mutex_lock(&w->load_mu);
	wal_lead(w);
	mutex_lock(&w->mu);
	all = take_all(w);
	mutex_unlock(&w->mu);
	free_list(w, all);
	drop_idle_image(w);
	wal_unlead(w);
	mutex_unlock(&w->load_mu);
	wal_drop_spares(w);
}

void wal_free(struct wal *w)
{
	if (w == NULL)
		return;
	/* The next open removes them, unless the last manifest had them deleted. */
	free_list(w, take_all(w));
	drop_idle_image(w);
	wal_drop_spares(w);
	mem_free(w->env, w->spares);
	mem_free(w->env, w);
}

/* ---- records ---- */

static inline uint32_t distance_of(struct wal *w, uint64_t lsn)
{
	/* Acquire: what is claimed to be durable must be so before this record exists. */
	uint64_t d = (lsn - atomic_load_explicit(&w->durable, memory_order_acquire)) / 8;

	return d < UINT32_MAX ? (uint32_t)d : UINT32_MAX;
}

/*
 * Store a record. The first eight bytes (sum and length) go last, so that a
 * process that dies in between leaves what was there before, or zero.
 */
static void record_store(const struct wal_slot *slot, const struct record_header *h,
			 shale_slice payload, uint32_t payload_crc)
{
	uint8_t header[RECORD_HEADER], *body = slot->at + RECORD_HEADER;

	record_header_encode(header, h, payload_crc, slot->segment->number);
	if (payload.size != 0)
		memcpy(body, payload.data, payload.size);
	memset(body + payload.size, 0, record_size(payload.size) - RECORD_HEADER - payload.size);
	memcpy(slot->at + 8, header + 8, RECORD_HEADER - 8);
	atomic_store_explicit((_Atomic uint64_t *)(void *)slot->at, get_u64le(header),
			      memory_order_release);
}

void wal_fill(struct wal *w, const struct wal_slot *slot, uint64_t first_seq, uint32_t count,
	      shale_slice payload, uint32_t payload_crc)
{
	bool large = slot->segment->capacity != w->config.segment_bytes;
	struct record_header h = {
		.length = (uint32_t)payload.size,
		.first_seq = first_seq,
		.type = large ? RECORD_LARGE : RECORD_OPS,
		.count = count,
		.distance = slot->distance,
	};

	DEBUG_ASSERT(slot->end - slot->lsn == record_size(payload.size));
	record_store(slot, &h, payload, payload_crc);
	wal_count(w, STAT_LOG_BYTES, slot->end - slot->lsn);
}

/* The place at `position` of the active segment, which has room for it. */
static inline void slot_take(struct wal *w, uint64_t size, struct wal_slot *out)
{
	struct wal_segment *s = w->active;
	uint64_t at = atomic_load_explicit(&w->position, memory_order_relaxed);

	out->segment = s;
	out->at = s->image + at;
	out->lsn = s->base + at;
	out->end = out->lsn + size;
	out->distance = distance_of(w, out->lsn);
	/* Relaxed: others only ask how full the segment is. */
	atomic_store_explicit(&w->position, at + size, memory_order_relaxed);
}

/* LINK and END: made inside the ordered step, `count` is a flag. */
static void put_control(struct wal *w, uint8_t type, uint64_t next_seq, uint32_t count,
			shale_slice payload)
{
	struct wal_slot slot;
	struct record_header h;

	slot_take(w, record_size(payload.size), &slot);
	h = (struct record_header){
		.length = (uint32_t)payload.size,
		.first_seq = next_seq,
		.type = type,
		.count = count,
		.distance = slot.distance,
	};
	record_store(&slot, &h, payload, crc32c(0, payload.data, payload.size));
}

/* ---- rotation, in the ordered step ---- */

void wal_rotate(struct wal *w)
{
	struct wal_segment *s = w->active;
	uint64_t length;

	if (s == NULL)
		return;
	length = atomic_load_explicit(&w->position, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->sealed_bytes, length, memory_order_relaxed);
	atomic_store_explicit(&w->position, 0, memory_order_relaxed);
	w->active = NULL;
	/* Release: pairs with segment_end(). */
	atomic_store_explicit(&s->end, s->base + length, memory_order_release);
}

/* Append to the chain and make active. mu is held. */
static void activate(struct wal *w, struct wal_segment *s, uint64_t next_seq)
{
	struct wal_segment *last = w->tail;

	s->first_seq = next_seq;
	s->base = last != NULL ? segment_end(last) : w->config.first_lsn;
	s->written = s->base + LOG_PAGE; /* the header is there */
	s->synced = s->base;
	/* Both release: pair with the acquires of the completer and the leader. */
	if (last != NULL) {
		atomic_store_explicit(&last->next, s, memory_order_release);
	} else {
		w->first = s;
		atomic_store_explicit(&w->completing, s, memory_order_release);
	}
	atomic_fetch_add_explicit(&w->used_count, 1, memory_order_relaxed);
	atomic_store_explicit(&w->rotated_ns, env_now_ns(w->env), memory_order_relaxed);
	w->tail = s;
	w->active = s;
	w->limit = s->capacity - RECORD_HEADER;
	atomic_store_explicit(&w->position, LOG_PAGE, memory_order_relaxed);
}

static shale_status __attribute__((noinline))
next_segment(struct wal *w, uint64_t size, uint64_t next_seq)
{
	struct wal_segment *last = w->tail, *s;
	struct record_link link = { .next_seq = next_seq };
	uint8_t payload[LINK_SIZE];

	mutex_lock(&w->mu);
	s = ahead_take(w, size);
	if (s != NULL) {
		wal_rotate(w);
		if (last != NULL) {
			link.previous = last->number;
			link.previous_length = segment_end(last) - last->base;
		}
		activate(w, s, next_seq);
	}
	mutex_unlock(&w->mu);
	if (s == NULL)
		return SHALE_MORE;
	link.base_lsn = s->base;
	record_link_encode(&link, payload);
	put_control(w, RECORD_LINK, next_seq, s->recycled, slice_from(payload, LINK_SIZE));
	return SHALE_OK;
}

shale_status wal_reserve(struct wal *w, size_t payload, uint64_t next_seq, struct wal_slot *out)
{
	uint64_t size = record_size(payload);

	if (unlikely(wal_is_poisoned(w)))
		return wal_poison_status(w);
	if (unlikely(payload > UINT32_MAX))
		return err_new(SHALE_TOO_LARGE, "a log record of %zu bytes", payload);
	if (unlikely(w->active == NULL ||
		     size > w->limit - atomic_load_explicit(&w->position, memory_order_relaxed))) {
		shale_status rc = next_segment(w, size, next_seq);

		if (rc != SHALE_OK)
			return rc;
	}
	slot_take(w, size, out);
	return SHALE_OK;
}

uint64_t wal_active(struct wal *w)
{
	return w->active != NULL ? w->active->number : 0;
}

/* ---- completion ---- */

void wal_completed(struct wal *w, uint64_t lsn, uint64_t last_seq)
{
	struct wal_segment *s = atomic_load_explicit(&w->completing, memory_order_acquire);

	if (unlikely(lsn > segment_end(s))) {
		do {
			struct wal_segment *next =
				atomic_load_explicit(&s->next, memory_order_acquire);

			/* Of a call that reaches over its end `last_seq` is a later one's. */
			atomic_store_explicit(&s->last_seq, next->first_seq - 1,
					      memory_order_relaxed);
			s = next;
		} while (lsn > segment_end(s));
		/* Release: wal_release() frees what lies before it. */
		atomic_store_explicit(&w->completing, s, memory_order_release);
	}
	atomic_store_explicit(&s->last_seq, last_seq, memory_order_relaxed);
	/*
	 * Release: the leader reads the records. The sequence number last, so that
	 * who reads it first never finds a position that is older.
	 */
	atomic_store_explicit(&w->completed, lsn, memory_order_release);
	atomic_store_explicit(&w->completed_seq, last_seq, memory_order_release);
}

uint64_t wal_completed_lsn(const struct wal *w)
{
	return atomic_load_explicit(&w->completed, memory_order_acquire);
}

/* ---- ended segments ---- */

/* The oldest ended and completed one that was not told of yet. mu is held. */
static struct wal_segment *sealed_next(struct wal *w)
{
	struct wal_segment *s = w->first;

	while (s != NULL && (s->taken || s->released))
		s = atomic_load_explicit(&s->next, memory_order_acquire);
	/* SEGMENT_OPEN is larger than any position. */
	return s != NULL && segment_end(s) <= wal_completed_lsn(w) ? s : NULL;
}

bool wal_take_sealed(struct wal *w, struct wal_sealed *out, shale_status *rc)
{
	struct wal_segment *s;
	uint64_t end = 0;

	*rc = SHALE_OK;
	mutex_lock(&w->mu);
	s = sealed_next(w);
	if (s != NULL) {
		end = segment_end(s);
		out->number = s->number;
		out->length = end - s->base;
		out->last_seq = atomic_load_explicit(&s->last_seq, memory_order_relaxed);
	}
	mutex_unlock(&w->mu);
	if (s == NULL)
		return false;
	*rc = wal_sync(w, end);
	if (*rc != SHALE_OK)
		return false;
	/* It may have been released meanwhile; then there is nothing to tell. */
	mutex_lock(&w->mu);
	s = sealed_next(w);
	if (s == NULL || s->number != out->number)
		s = NULL;
	else
		s->taken = true;
	mutex_unlock(&w->mu);
	return s != NULL;
}

/* Take all skipped segments below `number` off their list. mu is held. */
static struct wal_segment *skipped_take(struct wal *w, uint64_t number)
{
	struct wal_segment **at = &w->skipped, *out = NULL;

	while (*at != NULL) {
		struct wal_segment *s = *at;

		if (s->number >= number) {
			at = &s->link;
			continue;
		}
		*at = s->link;
		s->link = out;
		out = s;
		atomic_fetch_sub_explicit(&w->skipped_count, 1, memory_order_relaxed);
	}
	return out;
}

/* Free the structs at the chain's begin that nobody will look at again. Leading. */
static void chain_trim(struct wal *w)
{
	struct wal_segment *done = NULL;

	mutex_lock(&w->mu);
	while (w->first != NULL && w->first->released && w->first != w->syncing &&
	       /* Acquire: pairs with the completer's step past it. */
	       w->first != atomic_load_explicit(&w->completing, memory_order_acquire)) {
		struct wal_segment *s = w->first;

		w->first = atomic_load_explicit(&s->next, memory_order_acquire);
		s->link = done;
		done = s;
	}
	mutex_unlock(&w->mu);
	free_list(w, done);
}

void wal_release(struct wal *w, uint64_t number)
{
	struct wal_segment *s, *skipped;

	/* A sync may be using a file that is about to go. */
	wal_lead(w);
	mutex_lock(&w->mu);
	skipped = skipped_take(w, number);
	s = w->first;
	mutex_unlock(&w->mu);
	while (skipped != NULL) {
		struct wal_segment *next = skipped->link;

		segment_retire(w, skipped);
		skipped->link = NULL;
		free_list(w, skipped);
		skipped = next;
	}
	while (s != NULL && s->number < number && segment_end(s) <= wal_completed_lsn(w)) {
		bool first_time;

		mutex_lock(&w->mu);
		first_time = !s->released;
		s->released = true;
		mutex_unlock(&w->mu);
		if (first_time) {
			atomic_fetch_sub_explicit(&w->sealed_bytes, segment_end(s) - s->base,
						  memory_order_relaxed);
			segment_retire(w, s);
		}
		/* Not durable, and need not be: a sync passes over it from now on. */
		if (w->syncing == NULL || w->syncing == s) {
			struct wal_segment *next =
				atomic_load_explicit(&s->next, memory_order_acquire);

			w->syncing = next != NULL ? next : s;
		}
		s = atomic_load_explicit(&s->next, memory_order_acquire);
	}
	chain_trim(w);
	wal_unlead(w);
}

uint64_t wal_live_bytes(const struct wal *w)
{
	return atomic_load_explicit(&w->sealed_bytes, memory_order_relaxed) +
	       atomic_load_explicit(&w->position, memory_order_relaxed);
}

/* ---- the end ---- */

shale_status wal_close(struct wal *w, struct wal_sealed *last)
{
	struct wal_segment *s = w->active;
	uint64_t seq = atomic_load_explicit(&w->completed_seq, memory_order_relaxed);
	shale_status rc;

	*last = (struct wal_sealed){ 0, 0, 0 };
	if (wal_is_poisoned(w))
		return wal_poison_status(w);
	if (s != NULL) {
		put_control(w, RECORD_END, seq + 1, 0, slice_from(NULL, 0));
		wal_rotate(w);
		wal_completed(w, segment_end(s), seq);
	}
	rc = wal_sync(w, wal_completed_lsn(w));
	if (rc != SHALE_OK)
		return rc;
	mutex_lock(&w->mu);
	if (s != NULL) {
		s->taken = true;
		*last = (struct wal_sealed){ s->number, segment_end(s) - s->base, seq };
	}
	mutex_unlock(&w->mu);
	return SHALE_OK;
}
