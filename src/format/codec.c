/*
 * Block compression, one case a codec. A block whose compressed form saves less
 * than an eighth is kept raw: reading it back costs nothing, and LZ4 and zstd are
 * given only that much room, so they give up early on what does not compress.
 *
 * The libraries' own working memory comes from the C heap, not from the
 * environment: zstd reports when it gets none, and its contexts are kept
 * (codec_pool.h); LZ4 works on the stack, and snappy (C++) needs a small table for
 * which it knows no failure.
 */
#include "format/codec.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { ZSTD_LEVEL = 1 };

bool codec_known(uint32_t codec)
{
	return codec >= SHALE_NO_COMPRESSION && codec <= SHALE_SNAPPY;
}

const char *codec_name(uint32_t codec)
{
	switch (codec) {
	case SHALE_DEFAULT_COMPRESSION:
		return "default";
	case SHALE_NO_COMPRESSION:
		return "none";
	case SHALE_LZ4:
		return "lz4";
	case SHALE_ZSTD:
		return "zstd";
	case SHALE_SNAPPY:
		return "snappy";
	default:
		return "unknown";
	}
}

/*
 * Each of the following writes at most *used bytes at p (all that the codec may
 * need, or `goal`, see codec_room()) and sets *used to what it wrote; 0: no fit.
 */
static shale_status codec_lz4(shale_slice raw, uint8_t *p, size_t *used)
{
	int n = LZ4_compress_default(raw.data, (char *)p, (int)raw.size, (int)*used);

	*used = n > 0 ? (size_t)n : 0;
	return SHALE_OK;
}

static shale_status codec_zstd(struct codec_pool *pool, shale_slice raw, uint8_t *p, size_t *used)
{
	void *context = codec_pool_take_pack(pool);
	size_t n;

	if (context == NULL)
		return err_memory("a zstd context");
	n = ZSTD_compressCCtx(context, p, *used, raw.data, raw.size, ZSTD_LEVEL);
	codec_pool_give_pack(pool, context);
	if (ZSTD_isError(n)) {
		if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
			return err_memory("a zstd context");
		n = 0;
	}
	*used = n;
	return SHALE_OK;
}

static shale_status codec_snappy(shale_slice raw, uint8_t *p, size_t *used)
{
	if (snappy_compress(raw.data, raw.size, (char *)p, used) != SNAPPY_OK)
		*used = 0;
	return SHALE_OK;
}

/* Room that the codec wants for a result of at most `goal` bytes; 0: input too long. */
static size_t codec_room(uint32_t codec, size_t raw, size_t goal)
{
	switch (codec) {
	case SHALE_LZ4:
		return raw <= LZ4_MAX_INPUT_SIZE ? goal : 0;
	case SHALE_ZSTD:
		return goal;
	case SHALE_SNAPPY:
		return raw <= UINT32_MAX ? snappy_max_compressed_length(raw) : 0;
	default:
		return 0;
	}
}

shale_status codec_compress(struct codec_pool *pool, uint32_t *codec, shale_slice raw,
			    struct buf *out)
{
	size_t goal = raw.size - (raw.size + 7) / 8;
	size_t used = codec_room(*codec, raw.size, goal);
	shale_status rc = SHALE_OK;
	uint8_t *p;

	if (!codec_known(*codec))
		return err_new(SHALE_BUG, "codec %u is not a codec", *codec);
	if (!buf_reserve(out, used > raw.size ? used : raw.size))
		return err_memory("a compressed block");
	p = out->data + out->size;
	if (goal == 0)
		used = 0;
	if (used != 0) {
		switch (*codec) {
		case SHALE_LZ4:
			rc = codec_lz4(raw, p, &used);
			break;
		case SHALE_ZSTD:
			rc = codec_zstd(pool, raw, p, &used);
			break;
		default:
			rc = codec_snappy(raw, p, &used);
			break;
		}
		if (rc < 0)
			return rc;
	}
	if (used == 0 || used > goal) {
		*codec = SHALE_NO_COMPRESSION;
		buf_append(out, raw.data, raw.size);
	} else {
		out->size += used;
	}
	return SHALE_OK;
}

static shale_status codec_bad(uint32_t codec, size_t in, size_t raw)
{
	return err_new(SHALE_CORRUPT, "%zu bytes of %s do not unpack to %zu bytes", in,
		       codec_name(codec), raw);
}

shale_status codec_decompress(struct codec_pool *pool, uint32_t codec, shale_slice in, void *raw,
			      size_t raw_size)
{
	void *context;
	size_t n;

	switch (codec) {
	case SHALE_NO_COMPRESSION:
		if (in.size != raw_size)
			break;
		if (raw_size != 0)
			memcpy(raw, in.data, raw_size);
		return SHALE_OK;
	case SHALE_LZ4:
		if (in.size > INT_MAX || raw_size > INT_MAX)
			break;
		if (LZ4_decompress_safe(in.data, raw, (int)in.size, (int)raw_size) != (int)raw_size)
			break;
		return SHALE_OK;
	case SHALE_ZSTD:
		context = codec_pool_take_unpack(pool);
		if (context == NULL)
			return err_memory("a zstd context");
		n = ZSTD_decompressDCtx(context, raw, raw_size, in.data, in.size);
		codec_pool_give_unpack(pool, context);
		if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
			return err_memory("a zstd context");
		if (n != raw_size) /* an error is larger than any size */
			break;
		return SHALE_OK;
	case SHALE_SNAPPY:
		/* The library checks against the length it finds inside: that must be ours. */
		if (snappy_uncompressed_length(in.data, in.size, &n) != SNAPPY_OK || n != raw_size)
			break;
		if (snappy_uncompress(in.data, in.size, raw, &n) != SNAPPY_OK || n != raw_size)
			break;
		return SHALE_OK;
	default:
		return err_new(SHALE_CORRUPT, "unknown codec %u", codec);
	}
	return codec_bad(codec, in.size, raw_size);
}
