/*
 * What a job did, as the manifest notes it beside the edit that installs its result,
 * so that the history of a store outlives the process. Varints, in this order:
 *
 *   id | family id | kind | reason | levels in (bits) | level out | start, ms |
 *   duration, ns | tables in | tables out | bytes in | bytes out | entries in |
 *   entries kept | dropped: shadowed | tombstones | expired | by range
 *
 * Nothing in the store depends on it: a kind or reason that is not known is kept as it
 * is, and what a later program adds at the end is not read.
 */
#include "format/edit.h"

#include "base/coding.h"

enum { NOTE_NUMBERS = 18 };

void job_note_encode(struct buf *out, const shale_job *j)
{
	const uint64_t numbers[NOTE_NUMBERS] = {
		j->id,
		j->cf_id,
		(uint64_t)j->kind,
		(uint64_t)j->reason,
		j->levels_in,
		j->level_out,
		j->start_ms,
		j->ns,
		j->tables_in,
		j->tables_out,
		j->bytes_in,
		j->bytes_out,
		j->entries_in,
		j->entries_kept,
		j->dropped_shadowed,
		j->dropped_tombstones,
		j->dropped_expired,
		j->dropped_range,
	};

	for (size_t i = 0; i < NOTE_NUMBERS; i++)
		buf_varint(out, numbers[i]);
}

shale_status job_note_decode(shale_slice in, shale_job *out)
{
	const uint8_t *p = in.data, *end = p + in.size;
	uint64_t n[NOTE_NUMBERS];

	for (size_t i = 0; i < NOTE_NUMBERS; i++) {
		p = get_varint(p, end, &n[i]);
		if (p == NULL)
			return err_new(SHALE_CORRUPT, "manifest edit: the note of a job is cut");
	}
	if (n[1] > UINT32_MAX || n[2] > INT32_MAX || n[3] > INT32_MAX ||
	    n[4] >> SHALE_LEVELS_MAX != 0 || n[5] >= SHALE_LEVELS_MAX)
		return err_new(SHALE_CORRUPT, "manifest edit: the note of a job is impossible");
	*out = (shale_job){ .id = n[0],
			    .cf = "",
			    .cf_id = (uint32_t)n[1],
			    .kind = (shale_job_kind)n[2],
			    .reason = (shale_reason)n[3],
			    .state = SHALE_JOB_DONE,
			    .levels_in = (uint32_t)n[4],
			    .level_out = (uint32_t)n[5],
			    .start_ms = n[6],
			    .ns = n[7],
			    .tables_in = n[8],
			    .tables_out = n[9],
			    .bytes_in = n[10],
			    .bytes_done = n[10],
			    .bytes_out = n[11],
			    .entries_in = n[12],
			    .entries_kept = n[13],
			    .dropped_shadowed = n[14],
			    .dropped_tombstones = n[15],
			    .dropped_expired = n[16],
			    .dropped_range = n[17],
			    .text = "" };
	return SHALE_OK;
}
