/* The memtable's insides, for the files of this folder and their tests. */
#ifndef MEMTABLE_IMPL_H
#define MEMTABLE_IMPL_H

#include "memtable/filter.h"
#include "memtable/ranges.h"
#include "memtable/tree.h"

enum { MEMTABLE_STRIPES = 4 };

#define MEMTABLE_PIN (UINT64_C(1) << 32)

struct memtable {
	const shale_env *env;
	struct arena arena;
	struct memtree tree;
	struct memfilter filter; /* of all keys in the tree */
	struct memranges ranges;
	struct memreuse reuse;
	_Alignas(64) _Atomic uint64_t refs; /* MEMTABLE_PIN for each pin beside */
	struct {
		_Alignas(64) _Atomic uint64_t value;
		_Atomic uint64_t tombstones; /* of these */
		_Atomic uint64_t keys;       /* about as many were new to the filter */
	} count[MEMTABLE_STRIPES];
};

/* The largest seqtype that a reader with this limit sees. */
static inline uint64_t memtable_limit(uint64_t limit)
{
	return limit >= SEQ_MAX ? UINT64_MAX : limit << 8 | 0xff;
}

#endif
