/*
 * The write-ahead log: up to four segments, replayed as recovery does.
 *
 * An input is, for each segment, 8 bytes and then its records. Of the 8 bytes:
 *   0     1 another follows, 2 sealed by the manifest, 4 sealed where the records
 *         end (else at the length given), 8 something in the header page, 16 knows of
 *         a later edit, 32 of another store
 *   1     room behind the records, in 64 bytes
 *   2..3  bytes of records
 *   4..7  length where sealed
 * The header page, 4 KiB of mostly zeros, is made here.
 */
#include "fuzz/fuzz.h"

#include "base/crc32c.h"
#include "format/batch.h"
#include "wal/wal.h"

enum { SIZE_MAX_ = 8192, STORE_ID = 0x5701e, LAST_EDIT = 7, SEGMENTS = 4, META = 8 };
enum { MORE = 1, SEALED = 2, AT_END = 4, PAGE_DIRTY = 8, LATER_EDIT = 16, FOREIGN = 32 };

struct piece {
	uint8_t flags, room;
	size_t size;
	uint32_t length;
	uint8_t *records;
};

/* Take the input apart; what it lacks is cut. */
static size_t take_apart(const uint8_t *data, size_t size, struct piece piece[SEGMENTS])
{
	size_t n = 0;
	bool more = true;

	while (more && n < SEGMENTS && size >= META) {
		struct piece *p = &piece[n++];

		p->flags = data[0];
		p->room = data[1];
		p->size = get_u16le(data + 2);
		p->length = get_u32le(data + 4);
		p->records = (uint8_t *)(uintptr_t)data + META;
		data += META;
		size -= META;
		p->size = p->size < size ? p->size : size;
		data += p->size;
		size -= p->size;
		more = (p->flags & MORE) != 0;
	}
	return n;
}

static uint64_t number_of(size_t i)
{
	return object_number(1, (uint32_t)i + 1);
}

static void write_segment(struct fuzz_machine *m, size_t i, const struct piece *p)
{
	static uint8_t file[LOG_PAGE + SIZE_MAX_ + 64 * 256];
	struct segment_header h = { number_of(i), STORE_ID, LAST_EDIT };
	size_t size = LOG_PAGE + p->size + 64 * (size_t)p->room;

	if (p->flags & LATER_EDIT)
		h.edit++;
	if (p->flags & FOREIGN)
		h.store_id++;
	segment_header_encode(&h, file);
	if (p->flags & PAGE_DIRTY)
		file[64 + p->length % (LOG_PAGE - 64)] ^= 1;
	if (p->size != 0)
		memcpy(file + LOG_PAGE, p->records, p->size);
	memset(file + LOG_PAGE + p->size, 0, 64 * (size_t)p->room);
	fuzz_file(m, OBJECT_LOG, h.number, file, size);
}

struct seen {
	uint64_t next_seq, records;
	uint32_t sum;
};

static shale_status each(void *arg, uint64_t first_seq, uint32_t count, shale_slice payload)
{
	struct seen *seen = arg;

	FUZZ_CHECK(first_seq >= seen->next_seq);
	seen->next_seq = first_seq + count;
	seen->records++;
	seen->sum = crc32c(seen->sum, payload.data, payload.size);
	seen->sum = crc32c(seen->sum, &first_seq, sizeof(first_seq));
	return SHALE_OK;
}

static void run(const uint8_t *data, size_t size)
{
	struct wal_live live[SEGMENTS] = { { 0 } };
	struct piece piece[SEGMENTS] = { { 0 } };
	struct seen first = { 0 }, second = { 0 };
	struct wal_report report, again;
	struct fuzz_machine m;
	size_t n = take_apart(data, size, piece);
	shale_status rc;

	fuzz_machine_init(&m, data, size);
	for (size_t i = 0; i < n; i++) {
		live[i].number = number_of(i);
		live[i].sealed = (piece[i].flags & SEALED) != 0;
		live[i].length =
			piece[i].flags & AT_END ? LOG_PAGE + piece[i].size : piece[i].length;
		write_segment(&m, i, &piece[i]);
	}
	rc = wal_replay(m.store, STORE_ID, LAST_EDIT, live, n, each, &first, &report);
	if (rc < 0) {
		fuzz_check_failure(rc);
		FUZZ_CHECK(shale_last_error()->offset != UINT64_MAX);
	} else {
		FUZZ_CHECK(report.records == first.records);
		FUZZ_CHECK(report.discarded_bytes <= 4 * (size + 256 * 64 + LOG_PAGE));
		rc = wal_replay(m.store, STORE_ID, LAST_EDIT, live, n, each, &second, &again);
		FUZZ_CHECK(rc == SHALE_OK && first.sum == second.sum);
		FUZZ_CHECK(first.records == second.records);
		FUZZ_CHECK(report.end_lsn == again.end_lsn && report.clean == again.clean);
	}
	fuzz_machine_fini(&m);
}

static void repair(uint8_t *data, size_t size)
{
	struct piece piece[SEGMENTS];
	size_t n = take_apart(data, size, piece);

	for (size_t i = 0; i < n; i++)
		fuzz_repair_records(piece[i].records, piece[i].size, number_of(i));
}

/* ---- making one ---- */

static size_t put_record(uint8_t *p, struct record_header *h, const uint8_t *payload, size_t size,
			 uint64_t number)
{
	memset(p, 0, record_size(size));
	h->length = (uint32_t)size;
	record_header_encode(p, h, crc32c(0, payload, size), number);
	if (size != 0)
		memcpy(p + RECORD_HEADER, payload, size);
	return record_size(size);
}

static size_t make_records(struct rand *r, uint8_t *p, size_t i, struct record_link *link,
			   bool *ended)
{
	struct record_header h = { .type = RECORD_LINK, .first_seq = link->next_seq };
	uint64_t durable = link->base_lsn;
	uint8_t payload[256];
	size_t size;

	h.count = (uint32_t)rand_below(r, 2);
	record_link_encode(link, payload);
	h.distance = UINT32_MAX;
	size = put_record(p, &h, payload, LINK_SIZE, number_of(i));
	for (size_t k = rand_below(r, 6); k > 0; k--) {
		uint64_t lsn = link->base_lsn + LOG_PAGE + size;
		struct batch_op op = { .type = OP_PUT, .key = shale_str("key") };

		op.value = slice_from(payload + 128, rand_below(r, 64));
		h.type = rand_below(r, 8) != 0 ? RECORD_OPS : RECORD_LARGE;
		h.first_seq = link->next_seq;
		h.count = 1;
		h.distance = (uint32_t)((lsn - durable) / 8);
		if (rand_below(r, 3) == 0)
			durable = lsn & ~7ull;
		size += put_record(p + size, &h, payload,
				   (size_t)(batch_op_write(payload, &op) - payload), number_of(i));
		link->next_seq++;
	}
	*ended = rand_below(r, 8) == 0;
	if (*ended) {
		h.type = RECORD_END;
		h.first_seq = link->next_seq;
		h.count = 0;
		size += put_record(p + size, &h, payload, 0, number_of(i));
	}
	link->previous = number_of(i);
	link->previous_length = LOG_PAGE + size;
	link->base_lsn += LOG_PAGE + size;
	return size;
}

static size_t make(struct rand *r, uint8_t *out)
{
	struct record_link link = { .base_lsn = 4096 * rand_below(r, 4), .next_seq = 1 };
	size_t n = 1 + rand_below(r, SEGMENTS);
	uint8_t *p = out;
	bool ended = false;

	for (size_t i = 0; i < n && !ended; i++) {
		size_t size = make_records(r, p + META, i, &link, &ended);

		memset(p, 0, META);
		p[0] = (uint8_t)(MORE | AT_END | (rand_below(r, 2) != 0 ? SEALED : 0));
		p[1] = (uint8_t)rand_below(r, 4);
		put_u16le(p + 2, (uint16_t)size);
		p += META + size;
		/* One that was made ahead and not used. */
		if (rand_below(r, 8) == 0 && i + 1 < n) {
			memset(p, 0, META);
			p[0] = MORE;
			p[1] = 2;
			p += META;
			i++;
		}
	}
	return (size_t)(p - out);
}

const struct fuzz_target fuzz_target = { "log", SIZE_MAX_, run, repair, make, 1 };
