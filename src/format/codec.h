/* Block compression. Stored ids are those of enum shale_compression. */
#ifndef FORMAT_CODEC_H
#define FORMAT_CODEC_H

#include "base/buf.h"
#include "base/status.h"
#include "format/codec_pool.h"

bool codec_known(uint32_t codec);
const char *codec_name(uint32_t codec);

/*
 * Append the compressed form of `raw` to *out and set *codec to what was used:
 * the given one, or SHALE_NO_COMPRESSION (appended as it is) when that saves
 * less than an eighth. SHALE_NO_MEMORY otherwise. `pool` may be NULL, here and below.
 */
shale_status codec_compress(struct codec_pool *pool, uint32_t *codec, shale_slice raw,
			    struct buf *out);

/* Exactly raw_size bytes into `raw`; SHALE_CORRUPT if `in` does not give that. */
shale_status codec_decompress(struct codec_pool *pool, uint32_t codec, shale_slice in, void *raw,
			      size_t raw_size);

#endif
