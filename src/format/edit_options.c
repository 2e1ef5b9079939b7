/*
 * Options of a column family as bytes, as the manifest keeps them. Zero stays zero
 * (the default), so that a later program may choose better defaults.
 *
 *   version u8 (1) | compression u8 | 8 level compressions u8 | block_bytes varint |
 *   filter_bits varint | no_filter u8 | ttl_ms varint | policy u8 | size_ratio varint |
 *   top_runs varint | base_bytes varint | table_bytes varint
 *
 * Version 2 goes on: max_runs varint | space_amp_max varint | window_ms varint |
 * max_bytes varint | delete_within_ms varint. It is written only where one of these
 * is set or the policy is one that version 1 does not know.
 *
 * Version 3 goes on: 8 level filter bits varint. It is written only where one is set.
 *
 * Only the shape is checked here; whether values are sensible is for who uses them,
 * as with options that a caller hands in.
 */
#include "format/edit.h"

#include "base/coding.h"

enum { OPTIONS_VERSION = 3 };

/* The least version that holds them all. */
static uint8_t version_for(const shale_cf_options *o)
{
	const shale_compaction *c = &o->compaction;
	bool first;

	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		if (o->level_filter_bits[i] != 0)
			return 3;
	first = c->policy <= SHALE_LEVELED && c->max_runs == 0 && c->space_amp_max == 0 &&
		c->window_ms == 0 && c->max_bytes == 0 && c->delete_within_ms == 0;
	return first ? 1 : 2;
}

void cf_options_encode(struct buf *out, const shale_cf_options *o)
{
	const shale_compaction *c = &o->compaction;
	uint8_t version = version_for(o);

	buf_u8(out, version);
	buf_u8(out, (uint8_t)o->compression);
	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		buf_u8(out, (uint8_t)o->level_compression[i]);
	buf_varint(out, o->block_bytes);
	buf_varint(out, o->filter_bits);
	buf_u8(out, o->no_filter);
	buf_varint(out, o->ttl_ms);
	buf_u8(out, (uint8_t)o->compaction.policy);
	buf_varint(out, o->compaction.size_ratio);
	buf_varint(out, o->compaction.top_runs);
	buf_varint(out, o->compaction.base_bytes);
	buf_varint(out, o->compaction.table_bytes);
	if (version == 1)
		return;
	buf_varint(out, c->max_runs);
	buf_varint(out, c->space_amp_max);
	buf_varint(out, c->window_ms);
	buf_varint(out, c->max_bytes);
	buf_varint(out, c->delete_within_ms);
	for (size_t i = 0; i < SHALE_LEVELS_MAX && version > 2; i++)
		buf_varint(out, o->level_filter_bits[i]);
}

/* A cursor that notes that it ran out or met a value over its limit, and goes on as zero. */
struct options_reader {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t options_varint(struct options_reader *r, uint64_t max)
{
	uint64_t v = 0;

	if (!r->bad)
		r->p = get_varint(r->p, r->end, &v);
	r->bad |= r->p == NULL || v > max;
	return r->bad ? 0 : v;
}

static uint8_t options_u8(struct options_reader *r, uint8_t max)
{
	r->bad |= r->p == NULL || r->p == r->end || *r->p > max;
	return r->bad ? 0 : *r->p++;
}

shale_status cf_options_decode(shale_slice in, shale_cf_options *out)
{
	struct options_reader r = { in.data, (const uint8_t *)in.data + in.size, false };
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	uint8_t version;

	if (in.size == 0)
		return err_new(SHALE_CORRUPT, "column family options: cut");
	version = *r.p;
	if (version == 0 || version > OPTIONS_VERSION)
		return err_new(
			SHALE_UNSUPPORTED,
			"column family options of version %u; this program reads up to version %d",
			version, OPTIONS_VERSION);
	r.p++;
	o.compression = (shale_compression)options_u8(&r, SHALE_SNAPPY);
	for (size_t i = 0; i < SHALE_LEVELS_MAX; i++)
		o.level_compression[i] = (shale_compression)options_u8(&r, SHALE_SNAPPY);
	o.block_bytes = (uint32_t)options_varint(&r, UINT32_MAX);
	o.filter_bits = (uint32_t)options_varint(&r, UINT32_MAX);
	o.no_filter = options_u8(&r, 1) != 0;
	o.ttl_ms = options_varint(&r, UINT64_MAX);
	o.compaction.policy =
		(shale_policy)options_u8(&r, version == 1 ? SHALE_LEVELED : SHALE_ADAPTIVE);
	o.compaction.size_ratio = (uint32_t)options_varint(&r, UINT32_MAX);
	o.compaction.top_runs = (uint32_t)options_varint(&r, UINT32_MAX);
	o.compaction.base_bytes = options_varint(&r, UINT64_MAX);
	o.compaction.table_bytes = options_varint(&r, UINT64_MAX);
	if (version > 1) {
		o.compaction.max_runs = (uint32_t)options_varint(&r, UINT32_MAX);
		o.compaction.space_amp_max = (uint32_t)options_varint(&r, UINT32_MAX);
		o.compaction.window_ms = options_varint(&r, UINT64_MAX);
		o.compaction.max_bytes = options_varint(&r, UINT64_MAX);
		o.compaction.delete_within_ms = options_varint(&r, UINT64_MAX);
	}
	for (size_t i = 0; i < SHALE_LEVELS_MAX && version > 2; i++)
		o.level_filter_bits[i] = (uint32_t)options_varint(&r, UINT32_MAX);
	if (r.bad || r.p != r.end)
		return err_new(SHALE_CORRUPT, "column family options: cut, too long or impossible");
	*out = o;
	return SHALE_OK;
}
