/*
 * Footer, block trailer and extents of a table (layouts in footer.h). The sum is
 * checked before anything else is believed, the version included: only a sound
 * footer may say that it is of a newer program.
 */
#include "format/footer.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "format/codec.h"
#include "format/filter.h"

static const char footer_magic[8] = { 'S', 'H', 'A', 'L', 'E', 'T', 'B', 'L' };

enum {
	AT_VERSION = 8,
	AT_FLAGS = 12,
	AT_NUMBER = 16,
	AT_INDEX = 24,
	AT_RANGES = 40,
	AT_FILTER = 56,
	AT_PROPS = 72,
	AT_LINES = 88,
	AT_PROBES = 96,
	AT_BITS = 100,
	AT_FILE_SIZE = 104,
	AT_STORE = 112,
	AT_ZERO = 120,
	AT_CRC = 124,
};

void extent_encode(const struct extent *e, uint8_t out[16])
{
	put_u64le(out, e->offset);
	put_u32le(out + 8, e->size);
	put_u32le(out + 12, e->raw_size);
}

void extent_decode(const void *in, struct extent *out)
{
	const uint8_t *p = in;

	out->offset = get_u64le(p);
	out->size = get_u32le(p + 8);
	out->raw_size = get_u32le(p + 12);
}

void footer_encode(const struct footer *f, uint8_t out[FOOTER_SIZE])
{
	memset(out, 0, FOOTER_SIZE);
	memcpy(out, footer_magic, sizeof(footer_magic));
	put_u32le(out + AT_VERSION, TABLE_VERSION);
	put_u64le(out + AT_NUMBER, f->number);
	extent_encode(&f->index, out + AT_INDEX);
	extent_encode(&f->ranges, out + AT_RANGES);
	extent_encode(&f->filter, out + AT_FILTER);
	extent_encode(&f->props, out + AT_PROPS);
	put_u64le(out + AT_LINES, f->filter_lines);
	put_u32le(out + AT_PROBES, f->filter_probes);
	put_u32le(out + AT_BITS, f->filter_bits);
	put_u64le(out + AT_FILE_SIZE, f->file_size);
	put_u64le(out + AT_STORE, f->store_id);
	put_u32le(out + AT_CRC, crc32c(0, out, AT_CRC));
}

static shale_status footer_bad(const char *what)
{
	return err_new(SHALE_CORRUPT, "table footer: %s", what);
}

/* A piece with its trailer lies before the footer, at a multiple of 8. */
static bool footer_extent_fits(const struct footer *f, const struct extent *e)
{
	uint64_t end = f->file_size - FOOTER_SIZE;

	if (e->offset == 0 && e->size == 0 && e->raw_size == 0)
		return true;
	return e->offset % 8 == 0 && e->offset <= end &&
	       end - e->offset >= (uint64_t)e->size + BLOCK_TRAILER;
}

static bool footer_filter_fits(const struct footer *f)
{
	if (f->filter.size == 0)
		return f->filter.offset == 0 && f->filter_lines == 0;
	return f->filter.offset % FILTER_LINE == 0 && f->filter.size % FILTER_LINE == 0 &&
	       f->filter_lines == f->filter.size / FILTER_LINE &&
	       f->filter.raw_size == f->filter.size && f->filter_probes >= 1 &&
	       f->filter_probes <= FILTER_PROBES_MAX;
}

shale_status footer_decode(const uint8_t in[FOOTER_SIZE], struct footer *out)
{
	struct footer f;

	if (memcmp(in, footer_magic, sizeof(footer_magic)) != 0)
		return footer_bad("no magic, this is not a table or its end is lost");
	if (get_u32le(in + AT_CRC) != crc32c(0, in, AT_CRC))
		return footer_bad("checksum does not match");
	if (get_u32le(in + AT_VERSION) != TABLE_VERSION || get_u32le(in + AT_FLAGS) != 0)
		return err_new(SHALE_UNSUPPORTED,
			       "table of version %u, flags %#x; this program reads version %d",
			       get_u32le(in + AT_VERSION), get_u32le(in + AT_FLAGS), TABLE_VERSION);
	f.number = get_u64le(in + AT_NUMBER);
	extent_decode(in + AT_INDEX, &f.index);
	extent_decode(in + AT_RANGES, &f.ranges);
	extent_decode(in + AT_FILTER, &f.filter);
	extent_decode(in + AT_PROPS, &f.props);
	f.filter_lines = get_u64le(in + AT_LINES);
	f.filter_probes = get_u32le(in + AT_PROBES);
	f.filter_bits = get_u32le(in + AT_BITS);
	f.file_size = get_u64le(in + AT_FILE_SIZE);
	f.store_id = get_u64le(in + AT_STORE);
	for (size_t i = AT_ZERO; i < AT_CRC; i++)
		if (in[i] != 0)
			return footer_bad("reserved bytes are not zero");
	if (f.file_size < FOOTER_SIZE)
		return footer_bad("impossible file size");
	if (!footer_extent_fits(&f, &f.index) || !footer_extent_fits(&f, &f.ranges) ||
	    !footer_extent_fits(&f, &f.filter) || !footer_extent_fits(&f, &f.props))
		return footer_bad("a piece lies outside the file");
	if (!footer_filter_fits(&f))
		return footer_bad("the filter's sizes disagree");
	*out = f;
	return SHALE_OK;
}

static uint32_t trailer_crc(shale_slice stored, const uint8_t *trailer, uint64_t number,
			    uint64_t offset)
{
	uint8_t rest[24];

	memcpy(rest, trailer, 8);
	put_u64le(rest + 8, number);
	put_u64le(rest + 16, offset);
	return crc32c(crc32c(0, stored.data, stored.size), rest, sizeof(rest));
}

void trailer_encode(uint8_t out[BLOCK_TRAILER], shale_slice stored, uint32_t raw_size,
		    uint32_t codec, uint64_t number, uint64_t offset)
{
	memset(out, 0, BLOCK_TRAILER);
	put_u32le(out, raw_size);
	out[4] = (uint8_t)codec;
	put_u32le(out + 8, trailer_crc(stored, out, number, offset));
}

shale_status trailer_decode(const uint8_t in[BLOCK_TRAILER], shale_slice stored, uint64_t number,
			    uint64_t offset, uint32_t *codec, uint32_t *raw_size)
{
	uint32_t raw = get_u32le(in);

	if (get_u32le(in + 8) != trailer_crc(stored, in, number, offset))
		return err_new(SHALE_CORRUPT, "block trailer: checksum does not match");
	if ((in[5] | in[6] | in[7]) != 0 || get_u32le(in + 12) != 0)
		return err_new(SHALE_CORRUPT, "block trailer: reserved bytes are not zero");
	if (!codec_known(in[4]))
		return err_new(SHALE_CORRUPT, "block trailer: unknown codec %u", in[4]);
	if (in[4] == SHALE_NO_COMPRESSION && raw != stored.size)
		return err_new(SHALE_CORRUPT, "block trailer: raw size does not match");
	*codec = in[4];
	*raw_size = raw;
	return SHALE_OK;
}
