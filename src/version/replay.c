/*
 * Reading the manifest back. It is read whole: it is small, and telling a torn
 * tail from damage needs to look ahead.
 *
 * Bytes that form no record are a torn tail only if no record follows: an append
 * is durable before the next begins, so a crash tears the last one at most. The
 * look ahead tries each multiple of 8; a place counts only if the edit number
 * there can be that of a later record of this very manifest, and its checksum
 * (which the manifest's number is part of) holds. Damage to the last record of
 * all cannot be told from a torn append; it shows as torn_bytes.
 */
#include "version/manifest.h"

struct replay {
	const char *name; /* of the object */
	uint64_t number;
	const uint8_t *data;
	size_t size;
	uint64_t last_edit;
	uint64_t records;
	bool clean;
	shale_status (*each)(void *arg, const struct edit_field *f);
	void *arg;
};

static shale_status damage(const struct replay *r, uint64_t offset, const char *what)
{
	return err_at(SHALE_CORRUPT, r->name, offset, "%s", what);
}

static shale_status read_whole(struct log_file *f, const shale_env *env, uint8_t **data,
			       size_t *size)
{
	uint64_t n = 0;
	uint8_t *p;
	size_t got = 0;
	shale_status rc = log_file_size(f, &n);

	if (rc < 0)
		return rc;
	if (n > SIZE_MAX / 2)
		return err_at(SHALE_CORRUPT, log_file_name(f), UINT64_MAX,
			      "a manifest of %" PRIu64 " bytes", n);
	p = mem_alloc(env, (size_t)n);
	if (p == NULL)
		return err_memory("a manifest");
	rc = log_file_read(f, 0, p, (size_t)n, &got);
	if (rc < 0) {
		mem_free(env, p);
		return rc;
	}
	*data = p;
	*size = got;
	return SHALE_OK;
}

static shale_status check_header(const struct replay *r, uint64_t store_id,
				 uint64_t *unknown_to_writers)
{
	struct manifest_header h;
	shale_status rc;

	if (r->size < MANIFEST_HEADER)
		return damage(r, r->size, "the manifest ends within its header");
	rc = manifest_header_decode(r->data, &h);
	if (rc < 0)
		return err_at(rc, r->name, 0, "%s", err_last()->text);
	if (h.number != r->number)
		return err_at(SHALE_CORRUPT, r->name, 0, "the file is foreign: its header is of %s",
			      object_name(OBJECT_MANIFEST, h.number).text);
	if (h.store_id != store_id)
		return err_at(SHALE_CORRUPT, r->name, 0,
			      "the file is foreign: it is of store %016" PRIx64
			      ", this is %016" PRIx64,
			      h.store_id, store_id);
	*unknown_to_writers = h.read_only & ~(uint64_t)FEATURES_READ_ONLY;
	return SHALE_OK;
}

/* Whether a record that comes later than the last good one lies at or behind `at`. */
static bool record_behind(const struct replay *r, size_t at, size_t *found)
{
	/* Payloads may be made to look like records, each claiming the whole rest. */
	uint64_t sums = 4 * (uint64_t)r->size;

	for (; at + MANIFEST_RECORD <= r->size; at += 8) {
		uint64_t edit = get_u64le(r->data + at + 8), n = get_u32le(r->data + at + 4);
		shale_slice payload;
		size_t size;

		/* Cheap and nearly always enough: the checksum is for what is left. */
		if (r->records != 0 && (edit <= r->last_edit || edit - r->last_edit > r->size))
			continue;
		if (n > r->size - at || n > sums)
			continue;
		if (edit_record_decode(r->data + at, r->size - at, r->number, &edit, &payload,
				       &size)) {
			*found = at;
			return true;
		}
		sums -= n;
	}
	return false;
}

static bool has_snapshot(shale_slice payload)
{
	const uint8_t *p = payload.data, *end = p + payload.size;
	struct edit_field f;

	while (edit_field_decode(&p, end, &f) == SHALE_OK)
		if (f.tag == EDIT_SNAPSHOT)
			return true;
	return false;
}

static shale_status replay_fields(struct replay *r, shale_slice payload)
{
	const uint8_t *p = payload.data, *end = p + payload.size;

	for (;;) {
		uint64_t offset = (uint64_t)(p - r->data);
		struct edit_field f;
		shale_status rc = edit_field_decode(&p, end, &f);

		if (rc == SHALE_END)
			return SHALE_OK;
		if (rc < 0)
			return err_at(rc, r->name, offset, "%s", err_last()->text);
		if (r->clean)
			return damage(r, offset, "something follows the clean close");
		r->clean = f.tag == EDIT_CLEAN_CLOSE;
		rc = r->each(r->arg, &f);
		/* What cannot be is the manifest's fault, not that of a table it tells of. */
		if (rc == SHALE_CORRUPT)
			return err_at(rc, r->name, offset, "%s", err_last()->text);
		if (rc < 0)
			return rc;
	}
}

static shale_status replay_record(struct replay *r, size_t at, uint64_t edit, shale_slice payload)
{
	if (r->clean)
		return damage(r, at, "a record follows the clean close");
	if (r->records == 0 && !has_snapshot(payload))
		return damage(r, at, "the first record is no snapshot");
	if (r->records != 0 && edit != r->last_edit + 1)
		return err_at(SHALE_CORRUPT, r->name, at, "edit %" PRIu64 " follows edit %" PRIu64,
			      edit, r->last_edit);
	r->records++;
	r->last_edit = edit;
	return replay_fields(r, payload);
}

/* All records; *tail is where they end. */
static shale_status replay_records(struct replay *r, size_t *tail)
{
	size_t at = MANIFEST_HEADER, found;

	while (at < r->size) {
		shale_slice payload;
		uint64_t edit;
		size_t size;
		shale_status rc;

		if (!edit_record_decode(r->data + at, r->size - at, r->number, &edit, &payload,
					&size)) {
			if (record_behind(r, at + 8, &found))
				return err_at(SHALE_CORRUPT, r->name, at,
					      "a damaged record; a sound one follows at %zu",
					      found);
			break;
		}
		rc = replay_record(r, at, edit, payload);
		if (rc < 0)
			return rc;
		at += size;
	}
	if (r->records == 0)
		return damage(r, MANIFEST_HEADER, "the manifest has no snapshot");
	if (r->clean && at != r->size)
		return damage(r, at, "something follows the clean close");
	*tail = at;
	return SHALE_OK;
}

shale_status manifest_replay(struct store *store, uint64_t number, uint64_t store_id,
			     shale_status (*each)(void *arg, const struct edit_field *f), void *arg,
			     struct manifest_report *report)
{
	const shale_env *env = store_env(store);
	struct replay r = { .number = number, .each = each, .arg = arg };
	struct log_file *f = NULL;
	uint8_t *data = NULL;
	uint64_t unknown = 0;
	size_t tail = 0;
	shale_status rc;

	rc = store_log_open(store, OBJECT_MANIFEST, number, false, &f);
	if (rc < 0)
		return rc;
	rc = read_whole(f, env, &data, &r.size);
	if (rc < 0)
		goto out;
	r.data = data;
	r.name = log_file_name(f);
	rc = check_header(&r, store_id, &unknown);
	if (rc >= 0)
		rc = replay_records(&r, &tail);
	if (rc < 0)
		goto out;
	*report = (struct manifest_report){ r.last_edit,   r.records, r.size,
					    r.size - tail, r.clean,   unknown };
out:
	mem_free(env, data);
	log_file_close(f);
	return rc;
}
