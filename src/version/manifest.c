/*
 * Writing the manifest: one record, one write, one sync. The file ends where the
 * last record ends, so a record that a crash cut is the end of the file.
 *
 * After a failed write or sync nobody knows which of the record's bytes are on
 * the device, and a sync that fails once may succeed the next time without having
 * written anything. So a failure poisons the manifest for good: the owner writes
 * a new one and lets the root name it.
 */
#include "version/manifest.h"

struct manifest {
	struct store *store;
	struct log_file *file;
	uint64_t number, edit;
	uint64_t size, base_size;
	bool poisoned;
	struct buf record; /* scratch */
};

void manifest_close(struct manifest *m)
{
	if (m == NULL)
		return;
	log_file_close(m->file);
	buf_fini(&m->record);
	mem_free(store_env(m->store), m);
}

static shale_status write_record(struct manifest *m, uint64_t edit, shale_slice payload)
{
	shale_status rc;

	if (payload.size > UINT32_MAX)
		return err_at(SHALE_TOO_LARGE, log_file_name(m->file), m->size,
			      "an edit of %zu bytes", payload.size);
	edit_record_encode(&m->record, m->number, edit, payload);
	if (m->record.failed)
		return err_memory("a manifest record");

	m->poisoned = true; /* until it is known to be durable */
	rc = log_file_write(m->file, m->size, m->record.data, m->record.size);
	if (rc >= 0)
		rc = log_file_sync(m->file);
	if (rc < 0)
		return rc;
	m->poisoned = false;
	m->size += m->record.size;
	m->edit = edit;
	return SHALE_OK;
}

shale_status manifest_create(struct store *store, uint64_t number, uint64_t store_id, uint64_t edit,
			     shale_slice snapshot, struct manifest **out)
{
	const struct manifest_header header = { number, store_id, FEATURES_COMPATIBLE,
						FEATURES_READ_ONLY, FEATURES_INCOMPATIBLE };
	struct manifest *m = mem_zalloc(store_env(store), sizeof(*m));
	uint8_t bytes[MANIFEST_HEADER];
	shale_error failure;
	shale_status rc;

	if (m == NULL)
		return err_memory("a manifest");
	m->store = store;
	m->number = number;
	buf_init(&m->record, store_env(store));
	rc = store_log_create(store, OBJECT_MANIFEST, number, 0, &m->file);
	if (rc < 0) {
		manifest_close(m);
		return rc;
	}
	/* Header and snapshot go in one write. */
	manifest_header_encode(&header, bytes);
	buf_append(&m->record, bytes, sizeof(bytes));
	rc = write_record(m, edit, snapshot);
	if (rc < 0) {
		failure = *err_last(); /* tell of this, not of what may go wrong below */
		manifest_close(m);
		(void)store_delete(store, OBJECT_MANIFEST, number);
		*err_last() = failure;
		return rc;
	}
	m->base_size = m->size;
	*out = m;
	return SHALE_OK;
}

shale_status manifest_append(struct manifest *m, shale_slice payload)
{
	if (m->poisoned)
		return err_at(SHALE_IO, log_file_name(m->file), m->size,
			      "an earlier append failed; the manifest takes no more");
	buf_reset(&m->record);
	return write_record(m, m->edit + 1, payload);
}

uint64_t manifest_number(const struct manifest *m)
{
	return m->number;
}

uint64_t manifest_edit(const struct manifest *m)
{
	return m->edit;
}

uint64_t manifest_size(const struct manifest *m)
{
	return m->size;
}

uint64_t manifest_base_size(const struct manifest *m)
{
	return m->base_size;
}
