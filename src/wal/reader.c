/*
 * Reading a log file: a window of a MiB that moves forward, so that a system call
 * is made once for thousands of records. It grows when a record is larger, after
 * its length was held against what the file still has.
 */
#include "wal/impl.h"

enum { WINDOW = 1 << 20 };

shale_status wal_reader_init(struct wal_reader *r, struct store *store, uint64_t number)
{
	shale_status rc;

	*r = (struct wal_reader){ .env = store_env(store) };
	rc = store_log_open(store, OBJECT_LOG, number, false, &r->file);
	if (rc == SHALE_OK)
		rc = log_file_size(r->file, &r->size);
	return rc;
}

void wal_reader_fini(struct wal_reader *r)
{
	log_file_close(r->file);
	mem_free(r->env, r->window);
	r->file = NULL;
	r->window = NULL;
}

/* Make the window begin at `offset` and be able to hold n bytes; keep what it has of them. */
static shale_status window_move(struct wal_reader *r, uint64_t offset, size_t n)
{
	size_t skip = offset - r->start < r->have ? (size_t)(offset - r->start) : r->have;
	size_t kept = r->have - skip;

	if (n > r->capacity) {
		size_t capacity = r->size < WINDOW ? (size_t)r->size : (size_t)WINDOW;
		uint8_t *window;

		if (capacity < n)
			capacity = n;
		window = mem_alloc(r->env, capacity);
		if (window == NULL)
			return err_memory("reading the log");
		if (kept != 0)
			memcpy(window, r->window + skip, kept);
		mem_free(r->env, r->window);
		r->window = window;
		r->capacity = capacity;
	} else if (kept != 0) {
		memmove(r->window, r->window + skip, kept);
	}
	r->start = offset;
	r->have = kept;
	return SHALE_OK;
}

shale_status wal_reader_load(struct wal_reader *r, uint64_t offset, size_t n, const uint8_t **p)
{
	shale_status rc;

	DEBUG_ASSERT(offset >= r->start && offset <= r->size && n <= r->size - offset);
	rc = window_move(r, offset, n);
	while (rc == SHALE_OK && r->have < n) {
		uint64_t left = r->size - offset - r->have;
		size_t room = r->capacity - r->have, got = 0;

		rc = log_file_read(r->file, offset + r->have, r->window + r->have,
				   left < room ? (size_t)left : room, &got);
		if (rc == SHALE_OK && got == 0)
			rc = err_at(SHALE_CORRUPT, log_file_name(r->file), offset + r->have,
				    "log ends before its size of %" PRIu64 " bytes", r->size);
		r->have += got;
	}
	*p = r->window;
	return rc;
}

static bool type_known(uint8_t type)
{
	return type >= RECORD_OPS && type <= RECORD_END;
}

shale_status wal_reader_record(struct wal_reader *r, uint64_t offset, uint64_t number,
			       struct record_header *h, shale_slice *payload, size_t *size)
{
	const uint8_t *p;
	shale_status rc;
	size_t n;

	*size = 0;
	if (offset > r->size || r->size - offset < RECORD_HEADER)
		return SHALE_OK;
	rc = wal_reader_at(r, offset, RECORD_HEADER, &p);
	if (rc != SHALE_OK)
		return rc;
	n = record_size(get_u32le(p + 4));
	if (!type_known(p[8]) || n > r->size - offset)
		return SHALE_OK;
	rc = wal_reader_at(r, offset, n, &p);
	if (rc == SHALE_OK && record_decode(p, n, number, h, payload))
		*size = n;
	return rc;
}

/*
 * A torn record in a recycled file is told from older bytes by its sequence
 * number, which those cannot have; how much is the tear's is its length, if any.
 */
static uint64_t torn_end(const uint8_t *p, uint64_t offset, uint64_t seq, uint64_t size)
{
	uint64_t word = get_u64le(p + 8), n = record_size(get_u32le(p + 4));

	if (!type_known((uint8_t)word) || word >> 8 < seq || (word >> 8) - seq > UINT32_MAX)
		return 0;
	return offset + (n <= size - offset ? n : RECORD_HEADER);
}

static bool is_proof(const struct record_header *h, uint64_t lsn, uint64_t hole)
{
	/* A distance at its maximum stands for any larger one. */
	return h->distance != UINT32_MAX && lsn >= 8ull * h->distance &&
	       lsn - 8ull * h->distance > hole;
}

shale_status wal_reader_scan(struct wal_reader *r, uint64_t number, uint64_t from, uint64_t seq,
			     uint64_t base, uint64_t hole, bool fresh, struct wal_behind *out)
{
	/* Payloads may be made to look like records, each claiming the whole rest. */
	uint64_t at = from, sums = 4 * (r->size - (from < r->size ? from : r->size)) + WINDOW;
	shale_status rc = SHALE_OK;
	const uint8_t *p;

	*out = (struct wal_behind){ 0 };
	while (at < r->size && r->size - at >= RECORD_HEADER) {
		struct record_header h;
		shale_slice payload;
		uint64_t n;
		size_t size;

		rc = wal_reader_at(r, at, RECORD_HEADER, &p);
		if (rc != SHALE_OK)
			return rc;
		if (fresh && get_u64le(p) != 0)
			out->end = at + 8;
		if (!fresh && at == from)
			out->end = torn_end(p, at, seq, r->size);
		n = record_size(get_u32le(p + 4));
		if (!type_known(p[8]) || get_u64le(p + 8) >> 8 < seq || n > sums) {
			at += 8;
			continue;
		}
		rc = wal_reader_record(r, at, number, &h, &payload, &size);
		if (rc != SHALE_OK)
			return rc;
		if (size == 0) {
			sums -= n <= r->size - at ? n : 0;
			at += 8;
			continue;
		}
		out->end = at + size;
		out->records = true;
		if (is_proof(&h, base + at, hole)) {
			out->proof = at;
			return SHALE_OK;
		}
		at += size;
	}
	if (!fresh || at >= r->size)
		return SHALE_OK;
	/* The last bytes, too few for a record. */
	rc = wal_reader_at(r, at, (size_t)(r->size - at), &p);
	for (uint64_t i = 0; rc == SHALE_OK && i < r->size - at; i++)
		if (p[i] != 0)
			out->end = at + i + 1;
	return rc;
}
