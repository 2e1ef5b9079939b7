/*
 * Recovery. The segments are first looked at (header and LINK), then read in the
 * order of the manifest, each while it continues the one before: it must name
 * that one's number, the length at which its records end, and the LSN behind them.
 *
 * A segment without a sound LINK was prepared and never used, or its first write
 * was lost. One that names no predecessor begins where an earlier recovery ended
 * (LSN), which is why what such a recovery dropped does not break the log again;
 * and why a recovery makes durable what it has read.
 *
 * Where the records end short of what follows there is a hole. It is damage if
 * the manifest had sealed anything behind it, since that is noted in order and
 * after a sync; or if a sound record behind it knew that its position was
 * durable. Otherwise it is what a crash leaves of writes that nobody was told
 * were durable: the log ends there, and what is dropped is reported.
 *
 * A reader of a store that is open for reading only may have a writer beside it, who puts
 * records to the end of the log while it is looked at. So before a place is called a hole it is
 * looked at once more: where a sound record is now, the log has grown, and what was read is
 * what it held then.
 *
 * A record cannot be told from bytes of a payload that imitate one; such a payload
 * in a torn tail can make the verdict damage, never bring forth a record, because
 * nothing behind a hole is replayed.
 */
#include "wal/impl.h"

#include "format/key.h"

struct segment_seen {
	struct record_link link;
	bool linked;
	bool fresh; /* held no older bytes when it was made */
};

struct replay {
	struct store *store;
	uint64_t store_id, last_edit;
	const struct wal_live *live;
	size_t n;
	shale_status (*each)(void *arg, uint64_t first_seq, uint32_t count, shale_slice payload);
	void *arg;
	struct wal_report *report;
	struct segment_seen *seen;

	/* Where the sound part ends so far. */
	bool begun;
	bool exact;      /* by the manifest or an END */
	size_t at;       /* index of its segment */
	uint64_t offset; /* in that */
	uint64_t lsn;
	uint64_t next_seq;

	/* Where it has a hole, and something lies behind. */
	bool hole;
	size_t hole_at;
	uint64_t hole_offset, hole_lsn;
	bool grown; /* the hole has been filled since: what lies behind it is not looked at */
};

/* ---- first look ---- */

static shale_status check_header(struct replay *r, size_t i, struct wal_reader *reader)
{
	const char *name = log_file_name(reader->file);
	struct segment_header h;
	const uint8_t *page;
	shale_status rc;

	if (reader->size < LOG_PAGE)
		return err_at(SHALE_CORRUPT, name, reader->size,
			      "log of %" PRIu64 " bytes has no header", reader->size);
	rc = wal_reader_at(reader, 0, LOG_PAGE, &page);
	if (rc != SHALE_OK)
		return rc;
	rc = segment_header_decode(page, &h);
	if (rc != SHALE_OK)
		return err_at(rc, name, 0, "%s", err_last()->text);
	if (h.number != r->live[i].number || h.store_id != r->store_id)
		return err_at(SHALE_CORRUPT, name, 16,
			      "log header is that of segment %" PRIx64 " of store %" PRIx64,
			      h.number, h.store_id);
	if (h.edit > r->last_edit)
		return err_at(SHALE_CORRUPT, name, 32,
			      "the manifest ends with edit %" PRIu64 ", but edit %" PRIu64
			      " was durable: it has lost its tail",
			      r->last_edit, h.edit);
	return SHALE_OK;
}

/* Positions count bytes from 0 in steps of 8: one half of them is never reached. */
static shale_status check_link(const struct record_link *link, const char *name)
{
	if (link->base_lsn % 8 != 0 || link->base_lsn > INT64_MAX)
		return err_at(SHALE_CORRUPT, name, LOG_PAGE,
			      "the segment begins at an impossible log position, %" PRIu64,
			      link->base_lsn);
	return SHALE_OK;
}

static shale_status look(struct replay *r, size_t i)
{
	struct segment_seen *seen = &r->seen[i];
	struct record_header h;
	struct wal_reader reader;
	shale_slice payload;
	size_t size = 0;
	shale_status rc;

	rc = wal_reader_init(&reader, r->store, r->live[i].number);
	if (rc == SHALE_OK)
		rc = check_header(r, i, &reader);
	if (rc == SHALE_OK)
		rc = wal_reader_record(&reader, LOG_PAGE, r->live[i].number, &h, &payload, &size);
	if (rc == SHALE_OK && size != 0 && h.type == RECORD_LINK &&
	    record_link_decode(payload, &seen->link)) {
		seen->linked = true;
		seen->fresh = h.count == 0;
		rc = check_link(&seen->link, log_file_name(reader.file));
	}
	if (rc == SHALE_OK && !seen->linked && r->live[i].sealed)
		rc = err_at(SHALE_CORRUPT, log_file_name(reader.file), LOG_PAGE,
			    "sealed log has no sound first record");
	wal_reader_fini(&reader);
	return rc;
}

/* ---- what lies behind a hole ---- */

/* Whether a writer has filled the hole since it was found. */
static shale_status look_again(struct replay *r)
{
	struct wal_reader reader;
	struct record_header h;
	shale_slice payload;
	size_t size = 0;
	uint64_t number = r->live[r->hole_at].number;
	shale_status rc;

	if (!store_is_read_only(r->store))
		return SHALE_OK;
	rc = wal_reader_init(&reader, r->store, number);
	if (rc == SHALE_OK) {
		reader.start = r->hole_offset;
		rc = wal_reader_record(&reader, r->hole_offset, number, &h, &payload, &size);
	}
	wal_reader_fini(&reader);
	r->grown = size != 0;
	return rc;
}

static shale_status proven(struct replay *r, uint64_t number, uint64_t offset)
{
	struct object_name hole = object_name(OBJECT_LOG, r->live[r->hole_at].number);
	struct object_name by = object_name(OBJECT_LOG, number);
	shale_status rc = look_again(r);

	if (rc != SHALE_OK || r->grown)
		return rc;
	return err_at(SHALE_CORRUPT, hole.text, r->hole_offset,
		      "log is damaged here: the record at %" PRIu64
		      " of %s was written when this was durable",
		      offset, by.text);
}

static void open_hole(struct replay *r, size_t i, uint64_t offset, uint64_t lsn)
{
	r->hole = true;
	r->hole_at = i;
	r->hole_offset = offset;
	r->hole_lsn = lsn;
}

/* Scan segment i from `from` for traces and proof of what is at `hole`, given its `base`. */
static shale_status scan(struct replay *r, size_t i, uint64_t from, uint64_t base, uint64_t hole,
			 struct wal_behind *out)
{
	/* Without a LINK nothing is known of its file. */
	bool fresh = r->seen[i].linked && r->seen[i].fresh;
	struct wal_reader reader;
	shale_status rc = wal_reader_init(&reader, r->store, r->live[i].number);

	if (rc == SHALE_OK) {
		reader.start = from; /* nothing before it is asked for */
		rc = wal_reader_scan(&reader, r->live[i].number, from, r->next_seq, base, hole,
				     fresh, out);
	}
	wal_reader_fini(&reader);
	return rc;
}

/* The sound part ends at r->offset of r->at, and that was not its end, or is the log's. */
static shale_status scan_end(struct replay *r)
{
	struct wal_behind behind;
	shale_status rc = scan(r, r->at, r->offset, r->lsn - r->offset, r->lsn, &behind);

	if (rc != SHALE_OK)
		return rc;
	if (behind.end != 0 || behind.proof != 0) {
		open_hole(r, r->at, r->offset, r->lsn);
		r->report->discarded_bytes += behind.end - r->offset;
	}
	return behind.proof != 0 ? proven(r, r->live[r->at].number, behind.proof) : SHALE_OK;
}

/* No LINK: unused, unless it holds records. Its own offsets serve as LSNs. */
static shale_status pass_unlinked(struct replay *r, size_t i)
{
	struct wal_behind behind;
	shale_status rc = scan(r, i, LOG_PAGE, 0, LOG_PAGE, &behind);

	if (rc != SHALE_OK || !behind.records)
		return rc;
	if (!r->hole)
		open_hole(r, i, LOG_PAGE, r->begun ? r->lsn : UINT64_MAX);
	r->report->discarded_bytes += behind.end - LOG_PAGE;
	if (behind.proof != 0) {
		open_hole(r, i, LOG_PAGE, 0);
		return proven(r, r->live[i].number, behind.proof);
	}
	return SHALE_OK;
}

/* A used segment that does not continue the sound part. */
static shale_status pass_behind(struct replay *r, size_t i)
{
	uint64_t number = r->live[i].number, base = r->seen[i].link.base_lsn;
	struct wal_behind behind;
	shale_status rc = SHALE_OK;

	if (!r->hole)
		rc = scan_end(r);
	if (rc != SHALE_OK || r->grown)
		return rc;
	if (!r->hole)
		open_hole(r, r->at, r->offset, r->lsn);
	if (r->live[i].sealed)
		return err_at(SHALE_CORRUPT,
			      object_name(OBJECT_LOG, r->live[r->hole_at].number).text,
			      r->hole_offset,
			      "log is damaged here: the later segment %s was sealed",
			      object_name(OBJECT_LOG, number).text);
	rc = scan(r, i, LOG_PAGE, base, r->hole_lsn, &behind);
	if (rc != SHALE_OK)
		return rc;
	if (behind.proof != 0)
		return proven(r, number, behind.proof);
	if (behind.end > LOG_PAGE)
		r->report->discarded_bytes += behind.end - LOG_PAGE;
	return SHALE_OK;
}

/* ---- the sound part ---- */

/* A failure in the bytes of a payload knows no place; give it that of the record. */
static shale_status place_failure(struct wal_reader *reader, uint64_t offset, shale_status rc)
{
	if (rc >= 0 || err_last()->object[0] != '\0' || rc == SHALE_NO_MEMORY)
		return rc;
	return err_at(rc, log_file_name(reader->file), offset, "%s", err_last()->text);
}

static shale_status take_record(struct replay *r, struct wal_reader *reader, uint64_t offset,
				const struct record_header *h, shale_slice payload)
{
	if (h->first_seq < r->next_seq)
		return err_at(SHALE_CORRUPT, log_file_name(reader->file), offset,
			      "sequence number %" PRIu64 " after %" PRIu64, h->first_seq,
			      r->next_seq);
	if (h->first_seq + h->count > SEQ_RECOVERED_MAX)
		return err_at(SHALE_CORRUPT, log_file_name(reader->file), offset,
			      "sequence number %" PRIu64 " leaves no room for others",
			      h->first_seq);
	if ((h->type == RECORD_LINK) != (offset == LOG_PAGE))
		return err_at(SHALE_CORRUPT, log_file_name(reader->file), offset,
			      "record of type %u out of place", h->type);
	r->next_seq = h->first_seq;
	r->report->bytes += record_size(payload.size);
	if (h->type != RECORD_OPS && h->type != RECORD_LARGE)
		return SHALE_OK;
	r->next_seq += h->count;
	r->report->records++;
	return place_failure(reader, offset, r->each(r->arg, h->first_seq, h->count, payload));
}

static shale_status read_records(struct replay *r, size_t i, struct wal_reader *reader)
{
	const struct wal_live *live = &r->live[i];
	const char *name = log_file_name(reader->file);
	uint64_t offset = LOG_PAGE;
	shale_status rc = SHALE_OK;

	r->exact = live->sealed;
	while (!live->sealed || offset != live->length) {
		struct record_header h;
		shale_slice payload;
		size_t size;

		rc = wal_reader_record(reader, offset, live->number, &h, &payload, &size);
		if (rc != SHALE_OK)
			return rc;
		if (live->sealed && (size == 0 || size > live->length - offset))
			return err_at(SHALE_CORRUPT, name, offset,
				      "no sound record in a log sealed at %" PRIu64, live->length);
		if (size == 0)
			break;
		rc = take_record(r, reader, offset, &h, payload);
		if (rc != SHALE_OK)
			return rc;
		offset += size;
		r->report->clean = h.type == RECORD_END;
		if (h.type != RECORD_END)
			continue;
		r->exact = true;
		if (live->sealed && offset != live->length)
			return err_at(SHALE_CORRUPT, name, offset,
				      "log sealed at %" PRIu64 " ends here", live->length);
		break;
	}
	if (live->sealed && live->last_seq != 0 && r->next_seq > live->last_seq + 1)
		return err_at(SHALE_CORRUPT, name, offset,
			      "sequence number %" PRIu64 " in a log sealed at %" PRIu64,
			      r->next_seq - 1, live->last_seq);
	r->offset = offset;
	r->lsn = r->seen[i].link.base_lsn + offset;
	return SHALE_OK;
}

static shale_status read_segment(struct replay *r, size_t i)
{
	struct wal_reader reader;
	shale_status rc = wal_reader_init(&reader, r->store, r->live[i].number);

	r->begun = true;
	r->at = i;
	reader.start = LOG_PAGE;
	/*
	 * A killed process leaves records that are read back from memory. They are
	 * built upon, by tables already while they are read, so they must outlive a
	 * power loss from here on.
	 */
	if (rc == SHALE_OK && !r->live[i].sealed)
		rc = log_file_sync(reader.file);
	if (rc == SHALE_OK)
		rc = read_records(r, i, &reader);
	r->report->segments++;
	wal_reader_fini(&reader);
	return rc;
}

/* The first used segment names a live one without a LINK as its predecessor. */
static void find_lost_start(struct replay *r, size_t i)
{
	const struct record_link *link = &r->seen[i].link;

	for (size_t k = 0; k < i; k++)
		if (link->previous == r->live[k].number)
			open_hole(r, k, LOG_PAGE,
				  link->base_lsn - link->previous_length + LOG_PAGE);
}

static bool continues(const struct replay *r, size_t i)
{
	const struct record_link *link = &r->seen[i].link;

	return !r->report->clean && link->previous == r->live[r->at].number &&
	       link->previous_length == r->offset && link->base_lsn == r->lsn;
}

/* Records are missing before segment i: of the last one read, or all of one in between. */
static bool misses_records(const struct replay *r, size_t i)
{
	const struct record_link *link = &r->seen[i].link;

	if (link->previous == r->live[r->at].number)
		return !r->exact && link->previous_length > r->offset &&
		       link->base_lsn - link->previous_length == r->lsn - r->offset;
	for (size_t k = r->at + 1; k < i; k++)
		if (link->previous == r->live[k].number)
			return true;
	return false;
}

/* Begin anew where an earlier recovery ended. */
static shale_status pass_start(struct replay *r, size_t i)
{
	uint64_t base = r->seen[i].link.base_lsn;

	if (r->begun && base != r->lsn)
		return err_at(SHALE_CORRUPT, object_name(OBJECT_LOG, r->live[r->at].number).text,
			      r->offset,
			      "an earlier recovery read the log up to position %" PRIu64
			      ", now it ends at %" PRIu64,
			      base, r->lsn);
	/* What lies in between was dropped, and reported, then. */
	r->hole = false;
	r->report->discarded_bytes = 0;
	return read_segment(r, i);
}

static shale_status pass_segment(struct replay *r, size_t i)
{
	if (!r->seen[i].linked)
		return pass_unlinked(r, i);
	if (r->seen[i].link.previous == 0)
		return pass_start(r, i);
	if (!r->begun) {
		find_lost_start(r, i);
		return r->hole ? pass_behind(r, i) : read_segment(r, i);
	}
	if (!r->hole && continues(r, i))
		return read_segment(r, i);
	if (!r->hole && !misses_records(r, i))
		return err_at(SHALE_CORRUPT, object_name(OBJECT_LOG, r->live[i].number).text,
			      LOG_PAGE, "log does not continue segment %s at %" PRIu64,
			      object_name(OBJECT_LOG, r->live[r->at].number).text, r->offset);
	return pass_behind(r, i);
}

shale_status wal_replay(struct store *store, uint64_t store_id, uint64_t last_edit,
			const struct wal_live *live, size_t n,
			shale_status (*each)(void *arg, uint64_t first_seq, uint32_t count,
					     shale_slice payload),
			void *arg, struct wal_report *report)
{
	const shale_env *env = store_env(store);
	struct replay r = {
		.store = store,
		.store_id = store_id,
		.last_edit = last_edit,
		.live = live,
		.n = n,
		.each = each,
		.arg = arg,
		.report = report,
	};
	shale_status rc = SHALE_OK;

	*report = (struct wal_report){ 0 };
	if (n == 0)
		return SHALE_OK;
	r.seen = mem_array(env, n, sizeof(*r.seen));
	if (r.seen == NULL)
		return err_memory("reading the log");
	for (size_t i = 0; rc == SHALE_OK && i < n; i++)
		rc = look(&r, i);
	for (size_t i = 0; rc == SHALE_OK && i < n && !r.grown; i++)
		rc = pass_segment(&r, i);
	if (rc == SHALE_OK && r.begun && !r.hole && !r.exact)
		rc = scan_end(&r);
	if (rc == SHALE_OK && r.hole && !r.grown)
		rc = look_again(&r);
	if (r.grown) {
		report->discarded_bytes = 0;
	} else if (rc == SHALE_OK && r.hole) {
		report->clean = false;
		report->discarded_number = live[r.hole_at].number;
		report->discarded_offset = r.hole_offset;
	}
	report->end_lsn = r.lsn;
	report->last_seq = r.next_seq > 0 ? r.next_seq - 1 : 0;
	mem_free(env, r.seen);
	return rc;
}
