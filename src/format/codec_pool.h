/*
 * Working memory of zstd, kept between blocks: to make it anew takes ten times as long as
 * unpacking a block of 4 KiB. A few contexts are kept, whatever the number of threads; who
 * finds none makes one, and frees it if as many are kept already.
 *
 * It comes from the C heap, as all that the codecs use; codec_pool_bytes() tells how much
 * is kept. Thread: any, at once; codec_pool_init() and codec_pool_fini() alone.
 */
#ifndef FORMAT_CODEC_POOL_H
#define FORMAT_CODEC_POOL_H

#include <stdatomic.h>
#include <stdint.h>

enum { CODEC_KEPT = 4 }; /* of each kind; 94 KiB to unpack, 70 to some hundreds to pack */

struct codec_pool {
	_Atomic(void *) pack[CODEC_KEPT], unpack[CODEC_KEPT];
	_Atomic int64_t bytes;
};

void codec_pool_init(struct codec_pool *p);
void codec_pool_fini(struct codec_pool *p);
uint64_t codec_pool_bytes(const struct codec_pool *p);

/* A context of zstd; NULL: no memory. Give it back to the same pool, which may be NULL. */
void *codec_pool_take_pack(struct codec_pool *p);
void codec_pool_give_pack(struct codec_pool *p, void *context);
void *codec_pool_take_unpack(struct codec_pool *p);
void codec_pool_give_unpack(struct codec_pool *p, void *context);

#endif
