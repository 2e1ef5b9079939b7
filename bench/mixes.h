/* Streams that mix kinds of operations: YCSB A to F, entries that expire, time series. */
#ifndef BENCH_MIXES_H
#define BENCH_MIXES_H

#include "stream.h"

bool mix_new(const char *name, const struct sizes *z, uint64_t count, uint64_t turn,
	     struct stream *out);
void stream_alloc(struct stream *s, uint64_t count, bool kinds);

#endif
