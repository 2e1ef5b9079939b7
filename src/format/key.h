/*
 * Internal keys. An entry is a user key, a sequence number and a type; entries
 * sort by user key ascending, then by sequence descending, so the newest version
 * of a key comes first. Sequence and type travel as one word, seq << 8 | type.
 */
#ifndef FORMAT_KEY_H
#define FORMAT_KEY_H

#include "base/coding.h"

enum op_type {
	OP_DELETE = 0,
	OP_PUT = 1,
	OP_PUT_TTL = 2,      /* the value begins with its expiry: u64, wall clock ms */
	OP_RANGE_DELETE = 3, /* the key is the range's start, the value its end (exclusive) */
	OP_POINTER = 4,      /* reserved: the value is kept apart in a value log */
	OP_MERGE = 5,        /* reserved: an operand of a merge */
	OP_TYPES
};

#define SEQ_MAX ((UINT64_C(1) << 56) - 1)
/*
 * The greatest that a store may be opened with: below it is room to write. No store has
 * counted so far, so what says more is damaged or forged.
 */
#define SEQ_RECOVERED_MAX (SEQ_MAX - (UINT64_C(1) << 32))

static inline uint64_t seqtype(uint64_t seq, enum op_type type)
{
	return seq << 8 | (uint64_t)type;
}
static inline uint64_t seqtype_seq(uint64_t st)
{
	return st >> 8;
}
static inline enum op_type seqtype_type(uint64_t st)
{
	return (enum op_type)(st & 0xff);
}

/* Order of entries: by key, then newest first. */
static inline int entry_cmp(shale_slice a, uint64_t a_seqtype, shale_slice b, uint64_t b_seqtype)
{
	int c = slice_cmp(a, b);

	if (c != 0)
		return c;
	return a_seqtype > b_seqtype ? -1 : a_seqtype < b_seqtype;
}

enum { EXPIRY_SIZE = 8 }; /* in front of the value of an OP_PUT_TTL */

/* The stored value of a put: behind the expiry, where it has one. */
static inline shale_slice entry_value(enum op_type type, shale_slice stored)
{
	if (type == OP_PUT_TTL && stored.size >= EXPIRY_SIZE)
		return slice_from((const uint8_t *)stored.data + EXPIRY_SIZE,
				  stored.size - EXPIRY_SIZE);
	return stored;
}

/* Whether a put has expired at wall time now_ms. */
static inline bool entry_expired(enum op_type type, shale_slice stored, uint64_t now_ms)
{
	return type == OP_PUT_TTL && stored.size >= EXPIRY_SIZE && get_u64le(stored.data) <= now_ms;
}

#endif
