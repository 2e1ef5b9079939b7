/*
 * The manifest as bytes: a log whose records are edits of the store's state. The
 * first record of a manifest is a snapshot: an edit that builds the whole state.
 *
 * Manifest header, 64 bytes: magic "SHALEMAN" 8, format version u32 (1), zero
 * u32, number u64, store id u64, features: compatible u64, read-only compatible
 * u64, incompatible u64, CRC32C of bytes 0..55 u32, zero u32.
 *
 * Record: CRC32C u32 (of bytes 4.., then of the manifest number u64), payload
 * length u32, edit number u64 (rising by one), payload, zero bytes to a multiple
 * of 8.
 *
 * Payload: fields, each a tag u8 and its values (varints; strings with a varint
 * length):
 *   1  NEXT_NUMBER   counter of the next object number within the epoch
 *   2  LAST_SEQ      a sequence number at least as large as any in the tables
 *   3  CF_CREATE     id, name, options (cf_options_encode, as a string)
 *   4  CF_DROP       id
 *   5  CF_FLUSHED    id, seq: the family's writes up to seq are in its tables
 *   6  ADD_TABLE     cf, level, run, number, size, properties (as a string)
 *   7  REMOVE_TABLE  cf, level, run, number
 *   8  LOG_ADD       number: may hold records from now on
 *   9  LOG_SEAL      number, length, last seq: durable to its end, closed
 *   10 LOG_REMOVE    number: nothing in it is needed
 *   11 SNAPSHOT      (no values) this record describes the whole state
 *   12 CLEAN_CLOSE   (no values) nothing follows in this manifest
 *   13 NEXT_RUN      counter of the next run id
 *   14 NEXT_CF       the next column family id; ids are never reused
 *   15 CF_OPTIONS    id, options: from now on
 *
 * Tags from 128 on are notes, each one string: who does not know one passes over it.
 *   128 JOB          what a flush or merge did (job_note_encode, as a string)
 *   129 HIDES        number of a table, about how many of its entries hide older ones;
 *                    behind its ADD_TABLE. Without it that is unknown
 */
#ifndef FORMAT_EDIT_H
#define FORMAT_EDIT_H

#include "format/footer.h"

enum { MANIFEST_HEADER = 64, MANIFEST_RECORD = 16, MANIFEST_VERSION = 1 };

/* Features this program knows; an unknown incompatible one refuses the store. */
#define FEATURES_COMPATIBLE 0u
#define FEATURES_READ_ONLY 0u
#define FEATURES_INCOMPATIBLE 0u

enum edit_tag {
	EDIT_NEXT_NUMBER = 1,
	EDIT_LAST_SEQ,
	EDIT_CF_CREATE,
	EDIT_CF_DROP,
	EDIT_CF_FLUSHED,
	EDIT_ADD_TABLE,
	EDIT_REMOVE_TABLE,
	EDIT_LOG_ADD,
	EDIT_LOG_SEAL,
	EDIT_LOG_REMOVE,
	EDIT_SNAPSHOT,
	EDIT_CLEAN_CLOSE,
	EDIT_NEXT_RUN,
	EDIT_NEXT_CF,
	EDIT_CF_OPTIONS,
	EDIT_LAST = EDIT_CF_OPTIONS,
	EDIT_NOTES = 128, /* the first note */
	EDIT_JOB = EDIT_NOTES,
	EDIT_HIDES,
};

struct manifest_header {
	uint64_t number, store_id, compatible, read_only, incompatible;
};

/* One field of an edit; which members count follows from the tag. */
struct edit_field {
	enum edit_tag tag;
	uint64_t number;    /* object; counter (NEXT_NUMBER, NEXT_RUN); sequence for LAST_SEQ */
	uint32_t cf, level; /* NEXT_CF: the next id is in cf */
	uint64_t run, size, seq, length;
	uint64_t hides;           /* HIDES, of the table `number` */
	shale_slice name;         /* CF_CREATE */
	shale_cf_options options; /* CF_CREATE, CF_OPTIONS */
	struct table_props props; /* ADD_TABLE */
	shale_job job;            /* JOB: one that is done; without cf and text */
};

void manifest_header_encode(const struct manifest_header *h, uint8_t out[MANIFEST_HEADER]);
/* SHALE_CORRUPT, SHALE_UNSUPPORTED (version, unknown incompatible feature); text only. */
shale_status manifest_header_decode(const uint8_t in[MANIFEST_HEADER], struct manifest_header *out);

/* Append one field to a payload. */
void edit_field_encode(struct buf *payload, const struct edit_field *f);
/* Next field, unknown notes left out; SHALE_OK, SHALE_END, SHALE_CORRUPT (text only). Slices point into the input. */
shale_status edit_field_decode(const uint8_t **p, const uint8_t *end, struct edit_field *out);

/* A whole record around a payload, appended to *out. */
void edit_record_encode(struct buf *out, uint64_t manifest, uint64_t edit, shale_slice payload);
/* True if a whole, valid record is at p; *size is what it takes. */
bool edit_record_decode(const uint8_t *p, size_t left, uint64_t manifest, uint64_t *edit,
			shale_slice *payload, size_t *size);

/* Options of a column family: version u8 (1 or 2), then its fields. */
void cf_options_encode(struct buf *out, const shale_cf_options *o);
shale_status cf_options_decode(shale_slice in, shale_cf_options *out);

/*
 * A job that is done (edit_job.c); what a later program adds behind it is passed over.
 * SHALE_CORRUPT (text only).
 */
void job_note_encode(struct buf *out, const shale_job *j);
shale_status job_note_decode(shale_slice in, shale_job *out);

/*
 * The root cell, 48 bytes: magic "SHALEROT" 8, version u32 (1), epoch u32,
 * manifest number u64, store id u64, zero 12, CRC32C of bytes 0..43 u32.
 */
enum { ROOT_SIZE = 48, ROOT_VERSION = 1 };
struct root {
	uint32_t epoch;
	uint64_t manifest, store_id;
};
void root_encode(const struct root *r, uint8_t out[ROOT_SIZE]);
shale_status root_decode(shale_slice in, struct root *out);

#endif
