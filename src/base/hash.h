/* The one hash of a key: 64 bits of XXH3, made once an operation, used by every filter. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <shale/shale.h>

uint64_t hash_key(shale_slice key);

#endif
