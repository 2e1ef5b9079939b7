/*
 * One segment: a file of fixed size, and an image of it that records are stored
 * into, which is the file's own mapping (MAPPED) or plain memory (STAGED).
 *
 * A new file has its space reserved, but on most file systems reserved blocks
 * must be marked as written when they first are, in a journal commit that a sync
 * waits for. STAGED therefore writes zeros ahead, a MiB at a time, so that one
 * sync in some thousands pays for it. A recycled file's blocks are past that, as far as
 * they were used.
 */
#include "wal/impl.h"

enum { ZERO_AHEAD = 1 << 20, ZERO_PIECE = 64 << 10 };

static const uint8_t zeros[ZERO_PIECE];

/* ---- memory ---- */

static shale_status image_new(struct wal *w, struct wal_segment *s)
{
	if (s->capacity == w->config.segment_bytes) {
		mutex_lock(&w->mu);
		s->image = w->idle_image;
		w->idle_image = NULL;
		mutex_unlock(&w->mu);
	}
	if (s->image != NULL)
		return SHALE_OK;
	s->image = mem_aligned(w->env, LOG_PAGE, s->capacity);
	if (s->image == NULL)
		return err_memory("the image of a log segment");
	/* Touch its pages here, in the background, and not in a commit. */
	memset(s->image, 0, s->capacity);
	wal_account(w, (int64_t)s->capacity);
	return SHALE_OK;
}

/* Nothing will be stored or written any more. Of staged images one is kept. */
void segment_drop_image(struct wal *w, struct wal_segment *s)
{
	uint8_t *image = s->image;

	if (image == NULL || w->config.sink == WAL_MAPPED)
		return;
	s->image = NULL;
	if (s->capacity == w->config.segment_bytes) {
		mutex_lock(&w->mu);
		if (w->idle_image == NULL) {
			w->idle_image = image;
			image = NULL;
		}
		mutex_unlock(&w->mu);
	}
	if (image != NULL) {
		mem_free(w->env, image);
		wal_account(w, -(int64_t)s->capacity);
	}
}

/* ---- file ---- */

static bool spare_take(struct wal *w, uint64_t *number)
{
	uint32_t count;

	mutex_lock(&w->mu);
	count = atomic_load_explicit(&w->spare_count, memory_order_relaxed);
	if (count > 0) {
		*number = w->spares[count - 1];
		atomic_store_explicit(&w->spare_count, count - 1, memory_order_relaxed);
	}
	mutex_unlock(&w->mu);
	return count > 0;
}

static bool spare_keep(struct wal *w, uint64_t number)
{
	bool kept = false;
	uint32_t count;

	mutex_lock(&w->mu);
	count = atomic_load_explicit(&w->spare_count, memory_order_relaxed);
	if (count < w->config.recycle_max) {
		w->spares[count] = number;
		atomic_store_explicit(&w->spare_count, count + 1, memory_order_relaxed);
		kept = true;
	}
	mutex_unlock(&w->mu);
	return kept;
}

void wal_drop_spares(struct wal *w)
{
	uint64_t number;

	while (spare_take(w, &number))
		(void)store_delete(w->config.store, OBJECT_LOG, number);
}

static shale_status file_new(struct wal *w, struct wal_segment *s)
{
	uint64_t from;

	if (s->capacity == w->config.segment_bytes && spare_take(w, &from)) {
		s->recycled = true;
		s->zeroed = s->capacity;
		wal_count(w, STAT_LOG_RECYCLED, 1);
		return store_log_recycle(w->config.store, OBJECT_LOG, from, s->number, &s->file);
	}
	return store_log_create(w->config.store, OBJECT_LOG, s->number, s->capacity, &s->file);
}

/*
 * The header page, durable, so that the manifest may name the segment. No more than that: of
 * a recycled file all may be dirty still, which nobody needs.
 */
static shale_status write_header(struct wal *w, struct wal_segment *s, uint64_t edit)
{
	struct segment_header h = { s->number, w->config.store_id, edit };
	uint8_t page[LOG_PAGE];

	segment_header_encode(&h, page);
	wal_count(w, STAT_LOG_SYNCS, 1);
	return log_file_write_durable(s->file, 0, page, LOG_PAGE);
}

static shale_status map_image(struct wal *w, struct wal_segment *s)
{
	void *addr = NULL;
	shale_status rc = log_file_map(s->file, s->capacity, &addr);

	if (rc != SHALE_OK)
		return rc;
	s->image = addr;
	wal_account(w, (int64_t)s->capacity);
	atomic_fetch_add_explicit(&w->mapped_count, 1, memory_order_relaxed);
	return SHALE_OK;
}

shale_status segment_new(struct wal *w, uint64_t number, uint64_t edit, uint64_t capacity,
			 struct wal_segment **out)
{
	struct wal_segment *s = mem_zalloc(w->env, sizeof(*s));
	shale_status rc;

	if (s == NULL)
		return err_memory("a log segment");
	s->number = number;
	s->capacity = capacity;
	s->zeroed = LOG_PAGE;
	atomic_init(&s->end, SEGMENT_OPEN);
	rc = file_new(w, s);
	if (rc == SHALE_OK)
		rc = write_header(w, s, edit);
	if (rc != SHALE_OK) {
		segment_discard(w, s);
		return rc;
	}
	*out = s;
	return SHALE_OK;
}

shale_status segment_load(struct wal *w, struct wal_segment *s)
{
	return w->config.sink == WAL_MAPPED ? map_image(w, s) : image_new(w, s);
}

void segment_unmap(struct wal *w, struct wal_segment *s)
{
	if (w->config.sink != WAL_MAPPED || s->image == NULL)
		return;
	s->image = NULL;
	log_file_unmap(s->file);
	wal_account(w, -(int64_t)s->capacity);
	atomic_fetch_sub_explicit(&w->mapped_count, 1, memory_order_relaxed);
}

/* Close the file; of the image keep nothing that is not in it. */
static void segment_close(struct wal *w, struct wal_segment *s)
{
	segment_unmap(w, s);
	segment_drop_image(w, s);
	log_file_close(s->file);
	s->file = NULL;
}

void segment_free(struct wal *w, struct wal_segment *s)
{
	segment_close(w, s);
	mem_free(w->env, s);
}

void segment_discard(struct wal *w, struct wal_segment *s)
{
	shale_error first = *err_last();
	uint64_t number = s->number;
	bool made = s->file != NULL;

	segment_free(w, s);
	if (made)
		(void)store_delete(w->config.store, OBJECT_LOG, number);
	*err_last() = first;
}

void segment_retire(struct wal *w, struct wal_segment *s)
{
	if (s->file == NULL)
		return;
	segment_close(w, s);
	/*
	 * A poisoned log's files are not trusted again. A failed delete leaves an
	 * object that the manifest does not name; the next open removes it.
	 */
	if (wal_is_poisoned(w) || s->capacity != w->config.segment_bytes ||
	    !spare_keep(w, s->number))
		(void)store_delete(w->config.store, OBJECT_LOG, s->number);
}

/* ---- durability ---- */

static shale_status write_zeros(struct wal_segment *s, uint64_t upto)
{
	while (s->zeroed < upto) {
		uint64_t n = upto - s->zeroed;
		shale_status rc;

		if (n > ZERO_PIECE)
			n = ZERO_PIECE;
		rc = log_file_write(s->file, s->zeroed, zeros, (size_t)n);
		if (rc != SHALE_OK)
			return rc;
		s->zeroed += n;
	}
	return SHALE_OK;
}

static shale_status write_staged(struct wal_segment *s, uint64_t upto)
{
	uint64_t from = s->written - s->base, to = upto - s->base;
	shale_status rc = SHALE_OK;

	if (to > s->zeroed) {
		uint64_t ahead = (to + ZERO_AHEAD) / ZERO_AHEAD * ZERO_AHEAD;

		rc = write_zeros(s, ahead < s->capacity ? ahead : s->capacity);
	}
	if (rc == SHALE_OK)
		rc = log_file_write(s->file, from, s->image + from, (size_t)(to - from));
	if (rc == SHALE_OK)
		s->written = upto;
	return rc;
}

shale_status segment_sync(struct wal *w, struct wal_segment *s, uint64_t upto)
{
	shale_status rc = SHALE_OK;

	if (w->config.sink == WAL_STAGED && s->written < upto)
		rc = write_staged(s, upto);
	if (rc == SHALE_OK) {
		wal_count(w, STAT_LOG_SYNCS, 1);
		rc = log_file_sync(s->file);
	}
	if (rc != SHALE_OK)
		return rc;
	s->synced = upto;
	if (upto == segment_end(s))
		segment_drop_image(w, s);
	return SHALE_OK;
}
