/* Block compression. Stored ids are those of enum shale_compression. */
#ifndef FORMAT_CODEC_H
#define FORMAT_CODEC_H

#include "base/buf.h"
#include "base/status.h"

bool codec_known(uint32_t codec);
const char *codec_name(uint32_t codec);

/*
 * Append the compressed form of `raw` to *out and set *codec to what was used:
 * the given one, or SHALE_NO_COMPRESSION (appended as it is) when that saves
 * less than an eighth. SHALE_NO_MEMORY otherwise.
 */
shale_status codec_compress(uint32_t *codec, shale_slice raw, struct buf *out);

/* Exactly raw_size bytes into `raw`; SHALE_CORRUPT if `in` does not give that. */
shale_status codec_decompress(uint32_t codec, shale_slice in, void *raw, size_t raw_size);

#endif
