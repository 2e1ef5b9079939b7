/*
 * The manifest and the root cell as bytes (layouts in edit.h). Fields are written
 * and read by one table of shapes, so that the two cannot come apart: a shape
 * lists, in order, the members of struct edit_field that a tag carries.
 */
#include "format/edit.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "format/key.h"

static const char manifest_magic[8] = { 'S', 'H', 'A', 'L', 'E', 'M', 'A', 'N' };
static const char root_magic[8] = { 'S', 'H', 'A', 'L', 'E', 'R', 'O', 'T' };

/* ---- header ---- */

enum { MANIFEST_CRC = 56, MANIFEST_ZERO = 60 };

void manifest_header_encode(const struct manifest_header *h, uint8_t out[MANIFEST_HEADER])
{
	memset(out, 0, MANIFEST_HEADER);
	memcpy(out, manifest_magic, sizeof(manifest_magic));
	put_u32le(out + 8, MANIFEST_VERSION);
	put_u64le(out + 16, h->number);
	put_u64le(out + 24, h->store_id);
	put_u64le(out + 32, h->compatible);
	put_u64le(out + 40, h->read_only);
	put_u64le(out + 48, h->incompatible);
	put_u32le(out + MANIFEST_CRC, crc32c(0, out, MANIFEST_CRC));
}

shale_status manifest_header_decode(const uint8_t in[MANIFEST_HEADER], struct manifest_header *out)
{
	uint64_t unknown;

	if (memcmp(in, manifest_magic, sizeof(manifest_magic)) != 0)
		return err_new(SHALE_CORRUPT, "manifest header: no magic");
	if (get_u32le(in + MANIFEST_CRC) != crc32c(0, in, MANIFEST_CRC))
		return err_new(SHALE_CORRUPT, "manifest header: checksum does not match");
	if (get_u32le(in + 8) != MANIFEST_VERSION)
		return err_new(SHALE_UNSUPPORTED,
			       "manifest of version %u; this program reads version %d",
			       get_u32le(in + 8), MANIFEST_VERSION);
	if (get_u32le(in + 12) != 0 || get_u32le(in + MANIFEST_ZERO) != 0)
		return err_new(SHALE_CORRUPT, "manifest header: reserved bytes are not zero");
	unknown = get_u64le(in + 48) & ~(uint64_t)FEATURES_INCOMPATIBLE;
	if (unknown != 0)
		return err_new(SHALE_UNSUPPORTED,
			       "the store uses features %#" PRIx64 " of a newer program", unknown);
	out->number = get_u64le(in + 16);
	out->store_id = get_u64le(in + 24);
	out->compatible = get_u64le(in + 32);
	out->read_only = get_u64le(in + 40);
	out->incompatible = get_u64le(in + 48);
	return SHALE_OK;
}

/* ---- fields ---- */

enum edit_part {
	PART_END,
	PART_NUMBER,
	PART_CF,
	PART_LEVEL,
	PART_RUN,
	PART_SIZE,
	PART_SEQ,
	PART_LENGTH,
	PART_NAME,
	PART_OPTIONS,
	PART_PROPS,
	PART_JOB, /* of notes; in no shape */
	PART_HIDES,
};

enum { PARTS_MAX = 7 };

static const uint8_t edit_shape[EDIT_LAST + 1][PARTS_MAX] = {
	[EDIT_NEXT_NUMBER] = { PART_NUMBER },
	[EDIT_LAST_SEQ] = { PART_NUMBER },
	[EDIT_CF_CREATE] = { PART_CF, PART_NAME, PART_OPTIONS },
	[EDIT_CF_DROP] = { PART_CF },
	[EDIT_CF_FLUSHED] = { PART_CF, PART_SEQ },
	[EDIT_ADD_TABLE] = { PART_CF, PART_LEVEL, PART_RUN, PART_NUMBER, PART_SIZE, PART_PROPS },
	[EDIT_REMOVE_TABLE] = { PART_CF, PART_LEVEL, PART_RUN, PART_NUMBER },
	[EDIT_LOG_ADD] = { PART_NUMBER },
	[EDIT_LOG_SEAL] = { PART_NUMBER, PART_LENGTH, PART_SEQ },
	[EDIT_LOG_REMOVE] = { PART_NUMBER },
	[EDIT_SNAPSHOT] = { PART_END },
	[EDIT_CLEAN_CLOSE] = { PART_END },
	[EDIT_NEXT_RUN] = { PART_NUMBER },
	[EDIT_NEXT_CF] = { PART_CF },
	[EDIT_CF_OPTIONS] = { PART_CF, PART_OPTIONS },
};

static void hides_note_encode(struct buf *out, const struct edit_field *f)
{
	buf_varint(out, f->number);
	buf_varint(out, f->hides);
}

/* What a later program adds behind it is passed over. */
static shale_status hides_note_decode(shale_slice in, struct edit_field *f)
{
	const uint8_t *p = in.data, *end = p + in.size;

	p = get_varint(p, end, &f->number);
	p = p != NULL ? get_varint(p, end, &f->hides) : NULL;
	return p != NULL ? SHALE_OK
			 : err_new(SHALE_CORRUPT, "manifest edit: note of what a table hides: cut");
}

/* Append a string that `write` makes, with its length before it. */
static void edit_put_string(struct buf *out, const struct edit_field *f, enum edit_part part)
{
	struct buf tmp;

	buf_init(&tmp, out->env);
	if (part == PART_OPTIONS)
		cf_options_encode(&tmp, &f->options);
	else if (part == PART_JOB)
		job_note_encode(&tmp, &f->job);
	else if (part == PART_HIDES)
		hides_note_encode(&tmp, f);
	else
		props_encode(&tmp, &f->props);
	buf_slice(out, buf_view(&tmp));
	out->failed |= tmp.failed;
	buf_fini(&tmp);
}

static void edit_put_part(struct buf *out, const struct edit_field *f, enum edit_part part)
{
	switch (part) {
	case PART_NUMBER:
		buf_varint(out, f->number);
		break;
	case PART_CF:
		buf_varint(out, f->cf);
		break;
	case PART_LEVEL:
		buf_varint(out, f->level);
		break;
	case PART_RUN:
		buf_varint(out, f->run);
		break;
	case PART_SIZE:
		buf_varint(out, f->size);
		break;
	case PART_SEQ:
		buf_varint(out, f->seq);
		break;
	case PART_LENGTH:
		buf_varint(out, f->length);
		break;
	case PART_NAME:
		buf_slice(out, f->name);
		break;
	case PART_OPTIONS:
	case PART_PROPS:
		edit_put_string(out, f, part);
		break;
	case PART_JOB:
	case PART_HIDES:
	case PART_END:
		break;
	}
}

void edit_field_encode(struct buf *payload, const struct edit_field *f)
{
	const uint8_t *shape;

	if (f->tag >= EDIT_NOTES) {
		buf_u8(payload, (uint8_t)f->tag);
		edit_put_string(payload, f, f->tag == EDIT_JOB ? PART_JOB : PART_HIDES);
		return;
	}
	ASSERT(f->tag >= EDIT_NEXT_NUMBER && f->tag <= EDIT_LAST);
	shape = edit_shape[f->tag];
	buf_u8(payload, (uint8_t)f->tag);
	for (size_t i = 0; shape[i] != PART_END; i++)
		edit_put_part(payload, f, (enum edit_part)shape[i]);
}

static shale_status edit_bad(const char *what)
{
	return err_new(SHALE_CORRUPT, "manifest edit: %s", what);
}

static shale_status edit_take_number(struct edit_field *f, enum edit_part part, uint64_t v)
{
	switch (part) {
	case PART_NUMBER:
		if (f->tag == EDIT_LAST_SEQ && v > SEQ_MAX)
			return edit_bad("sequence number over its limit");
		f->number = v;
		break;
	case PART_CF:
		if (v > UINT32_MAX)
			return edit_bad("impossible column family id");
		f->cf = (uint32_t)v;
		break;
	case PART_LEVEL:
		if (v >= SHALE_LEVELS_MAX)
			return edit_bad("impossible level");
		f->level = (uint32_t)v;
		break;
	case PART_RUN:
		f->run = v;
		break;
	case PART_SIZE:
		f->size = v;
		break;
	case PART_SEQ:
		if (v > SEQ_MAX)
			return edit_bad("sequence number over its limit");
		f->seq = v;
		break;
	default:
		f->length = v;
		break;
	}
	return SHALE_OK;
}

static shale_status edit_take_string(struct edit_field *f, enum edit_part part, shale_slice s)
{
	const uint8_t *p = s.data, *end = p + s.size;
	shale_status rc;

	switch (part) {
	case PART_NAME:
		if (s.size > SHALE_CF_NAME_MAX)
			return edit_bad("name over its limit");
		f->name = s;
		return SHALE_OK;
	case PART_OPTIONS:
		return cf_options_decode(s, &f->options);
	default:
		rc = props_decode(&p, end, &f->props);
		if (rc == SHALE_OK && p != end)
			return edit_bad("bytes behind a table's properties");
		return rc;
	}
}

/* The string of a note, and what is behind it. */
static shale_status edit_take_note(const uint8_t **pos, const uint8_t *end, shale_slice *out)
{
	uint64_t size;
	const uint8_t *p = get_varint(*pos + 1, end, &size);

	if (p == NULL)
		return edit_bad("cut in a number");
	if (size > (uint64_t)(end - p))
		return edit_bad("a string is longer than the record");
	*out = slice_from(p, (size_t)size);
	*pos = p + size;
	return SHALE_OK;
}

/* Notes up to the first that is known, if there is one: SHALE_MORE when there is not. */
static shale_status edit_pass_notes(const uint8_t **pos, const uint8_t *end, struct edit_field *out)
{
	const uint8_t *p = *pos;

	while (p != end && *p >= EDIT_NOTES) {
		uint8_t tag = *p;
		struct edit_field f;
		shale_slice note;
		shale_status rc = edit_take_note(&p, end, &note);

		if (rc >= 0 && (tag == EDIT_JOB || tag == EDIT_HIDES)) {
			memset(&f, 0, sizeof(f));
			f.tag = (enum edit_tag)tag;
			rc = tag == EDIT_JOB ? job_note_decode(note, &f.job)
					     : hides_note_decode(note, &f);
			if (rc >= 0) {
				*pos = p;
				*out = f;
				return SHALE_OK;
			}
		}
		if (rc < 0)
			return rc;
	}
	*pos = p;
	return SHALE_MORE;
}

shale_status edit_field_decode(const uint8_t **pos, const uint8_t *end, struct edit_field *out)
{
	const uint8_t *p = *pos, *shape;
	struct edit_field f;
	shale_status rc = edit_pass_notes(&p, end, out);

	if (rc == SHALE_OK)
		*pos = p;
	if (rc != SHALE_MORE)
		return rc;
	if (p == end) {
		*pos = p;
		return SHALE_END;
	}
	if (*p == 0 || *p > EDIT_LAST)
		return err_new(SHALE_CORRUPT, "manifest edit: unknown tag %u", *p);
	memset(&f, 0, sizeof(f));
	f.tag = (enum edit_tag) * p++;
	shape = edit_shape[f.tag];
	for (size_t i = 0; shape[i] != PART_END; i++) {
		enum edit_part part = (enum edit_part)shape[i];
		uint64_t v;

		p = get_varint(p, end, &v);
		if (p == NULL)
			return edit_bad("cut in a number");
		if (part < PART_NAME) {
			rc = edit_take_number(&f, part, v);
		} else {
			if (v > (uint64_t)(end - p))
				return edit_bad("a string is longer than the record");
			rc = edit_take_string(&f, part, slice_from(p, (size_t)v));
			p += v;
		}
		if (rc < 0)
			return rc;
	}
	*pos = p;
	*out = f;
	return SHALE_OK;
}

/* ---- records ---- */

/* Header and payload in one sum, then the manifest's number; padding must be zero. */
static uint32_t edit_record_crc(const uint8_t *record, size_t size, uint64_t manifest)
{
	uint8_t number[8];

	put_u64le(number, manifest);
	return crc32c(crc32c(0, record + 4, size - 4), number, sizeof(number));
}

static size_t edit_record_size(size_t payload)
{
	return (MANIFEST_RECORD + payload + 7) & ~(size_t)7;
}

void edit_record_encode(struct buf *out, uint64_t manifest, uint64_t edit, shale_slice payload)
{
	size_t size = edit_record_size(payload.size);
	uint8_t *p;

	ASSERT(payload.size <= UINT32_MAX);
	p = buf_extend(out, size);
	if (p == NULL)
		return;
	memset(p + size - 8, 0, 8); /* covers the padding; the payload follows */
	put_u32le(p + 4, (uint32_t)payload.size);
	put_u64le(p + 8, edit);
	if (payload.size != 0)
		memcpy(p + MANIFEST_RECORD, payload.data, payload.size);
	put_u32le(p, edit_record_crc(p, MANIFEST_RECORD + payload.size, manifest));
}

bool edit_record_decode(const uint8_t *p, size_t left, uint64_t manifest, uint64_t *edit,
			shale_slice *payload, size_t *size)
{
	size_t length, whole;

	if (left < MANIFEST_RECORD)
		return false;
	length = get_u32le(p + 4);
	whole = edit_record_size(length);
	if (whole > left)
		return false;
	if (get_u32le(p) != edit_record_crc(p, MANIFEST_RECORD + length, manifest))
		return false;
	for (size_t i = MANIFEST_RECORD + length; i < whole; i++)
		if (p[i] != 0)
			return false;
	*edit = get_u64le(p + 8);
	*payload = slice_from(p + MANIFEST_RECORD, length);
	*size = whole;
	return true;
}

/* ---- root ---- */

enum { ROOT_CRC = 44 };

void root_encode(const struct root *r, uint8_t out[ROOT_SIZE])
{
	memset(out, 0, ROOT_SIZE);
	memcpy(out, root_magic, sizeof(root_magic));
	put_u32le(out + 8, ROOT_VERSION);
	put_u32le(out + 12, r->epoch);
	put_u64le(out + 16, r->manifest);
	put_u64le(out + 24, r->store_id);
	put_u32le(out + ROOT_CRC, crc32c(0, out, ROOT_CRC));
}

shale_status root_decode(shale_slice in, struct root *out)
{
	const uint8_t *p = in.data;

	if (in.size != ROOT_SIZE)
		return err_new(SHALE_CORRUPT, "root: %zu bytes instead of %d", in.size, ROOT_SIZE);
	if (memcmp(p, root_magic, sizeof(root_magic)) != 0)
		return err_new(SHALE_CORRUPT, "root: no magic");
	if (get_u32le(p + ROOT_CRC) != crc32c(0, p, ROOT_CRC))
		return err_new(SHALE_CORRUPT, "root: checksum does not match");
	if (get_u32le(p + 8) != ROOT_VERSION)
		return err_new(SHALE_UNSUPPORTED,
			       "store of version %u; this program reads version %d",
			       get_u32le(p + 8), ROOT_VERSION);
	if (get_u64le(p + 32) != 0 || get_u32le(p + 40) != 0)
		return err_new(SHALE_CORRUPT, "root: reserved bytes are not zero");
	out->epoch = get_u32le(p + 12);
	out->manifest = get_u64le(p + 16);
	out->store_id = get_u64le(p + 24);
	return SHALE_OK;
}
