/*
 * Segments and records of the write-ahead log (layouts in record.h). A record's
 * sum includes the segment's number, so what an earlier life of a recycled file
 * left behind never passes; the padding is not summed but must be zero.
 */
#include "format/record.h"

#include "base/crc32c.h"

static const char segment_magic[8] = { 'S', 'H', 'A', 'L', 'E', 'L', 'O', 'G' };

enum { SEGMENT_CRC = 40, SEGMENT_USED = 44 };

void segment_header_encode(const struct segment_header *h, uint8_t out[LOG_PAGE])
{
	memset(out, 0, LOG_PAGE);
	memcpy(out, segment_magic, sizeof(segment_magic));
	put_u32le(out + 8, LOG_VERSION);
	put_u64le(out + 16, h->number);
	put_u64le(out + 24, h->store_id);
	put_u64le(out + 32, h->edit);
	put_u32le(out + SEGMENT_CRC, crc32c(0, out, SEGMENT_CRC));
}

static bool record_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

shale_status segment_header_decode(const uint8_t in[LOG_PAGE], struct segment_header *out)
{
	if (memcmp(in, segment_magic, sizeof(segment_magic)) != 0)
		return err_new(SHALE_CORRUPT, "log header: no magic");
	if (get_u32le(in + SEGMENT_CRC) != crc32c(0, in, SEGMENT_CRC))
		return err_new(SHALE_CORRUPT, "log header: checksum does not match");
	if (get_u32le(in + 8) != LOG_VERSION)
		return err_new(SHALE_UNSUPPORTED,
			       "log of version %u; this program reads version %d",
			       get_u32le(in + 8), LOG_VERSION);
	if (get_u32le(in + 12) != 0 || !record_zero(in + SEGMENT_USED, LOG_PAGE - SEGMENT_USED))
		return err_new(SHALE_CORRUPT, "log header: reserved bytes are not zero");
	out->number = get_u64le(in + 16);
	out->store_id = get_u64le(in + 24);
	out->edit = get_u64le(in + 32);
	return SHALE_OK;
}

/* The sum, given that of the payload. */
static uint32_t record_crc(uint32_t payload_crc, const uint8_t *header, uint64_t segment)
{
	uint8_t rest[RECORD_HEADER - 4 + 8];

	memcpy(rest, header + 4, RECORD_HEADER - 4);
	put_u64le(rest + RECORD_HEADER - 4, segment);
	return crc32c(payload_crc, rest, sizeof(rest));
}

void record_header_encode(uint8_t out[RECORD_HEADER], const struct record_header *h,
			  uint32_t payload_crc, uint64_t segment)
{
	put_u32le(out + 4, h->length);
	put_u64le(out + 8, h->first_seq << 8 | h->type);
	put_u32le(out + 16, h->count);
	put_u32le(out + 20, h->distance);
	put_u32le(out, record_crc(payload_crc, out, segment));
}

bool record_decode(const uint8_t *p, size_t left, uint64_t segment, struct record_header *h,
		   shale_slice *payload)
{
	uint32_t crc, length;
	uint64_t word;

	if (left < RECORD_HEADER)
		return false;
	crc = get_u32le(p);
	length = get_u32le(p + 4);
	if (record_size(length) > left)
		return false;
	if (crc != record_crc(crc32c(0, p + RECORD_HEADER, length), p, segment))
		return false;
	if (!record_zero(p + RECORD_HEADER + length, record_size(length) - RECORD_HEADER - length))
		return false;
	word = get_u64le(p + 8);
	h->crc = crc;
	h->length = length;
	h->first_seq = word >> 8;
	h->type = (uint8_t)word;
	h->count = get_u32le(p + 16);
	h->distance = get_u32le(p + 20);
	*payload = slice_from(p + RECORD_HEADER, length);
	return true;
}

void record_link_encode(const struct record_link *l, uint8_t out[LINK_SIZE])
{
	put_u64le(out, l->previous);
	put_u64le(out + 8, l->previous_length);
	put_u64le(out + 16, l->base_lsn);
	put_u64le(out + 24, l->next_seq);
}

bool record_link_decode(shale_slice payload, struct record_link *out)
{
	const uint8_t *p = payload.data;

	if (payload.size != LINK_SIZE)
		return false;
	out->previous = get_u64le(p);
	out->previous_length = get_u64le(p + 8);
	out->base_lsn = get_u64le(p + 16);
	out->next_seq = get_u64le(p + 24);
	return true;
}
