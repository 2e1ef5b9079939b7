#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_key(shale_slice key)
{
	return XXH3_64bits(key.data, key.size);
}
