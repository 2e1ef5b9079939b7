/*
 * Names of stored objects. A number is never used twice, not even after a crash:
 * its upper half is the owner's epoch, which every open raises before it creates
 * anything, its lower half counts within the epoch. On the local store the name
 * is EEEEEEEE-CCCCCCCC with both halves in hexadecimal and the kind's ending.
 */
#ifndef ENV_NAMES_H
#define ENV_NAMES_H

#include <shale/shale.h>

enum object_kind {
	OBJECT_TABLE = 1,    /* .sst, immutable */
	OBJECT_LOG = 2,      /* .log, write-ahead log segment */
	OBJECT_MANIFEST = 3, /* .man, log of edits */
};

struct object_name {
	char text[32];
};

struct object_name object_name(enum object_kind kind, uint64_t number);

/* False unless `text` is exactly a name that object_name() makes. */
bool object_name_parse(const char *text, enum object_kind *kind, uint64_t *number);

static inline uint64_t object_number(uint32_t epoch, uint32_t counter)
{
	return (uint64_t)epoch << 32 | counter;
}

#endif
