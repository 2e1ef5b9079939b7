/* CRC32C of long inputs by carry-less multiplication; see crc32c_fold.c. */
#ifndef BASE_CRC32C_FOLD_H
#define BASE_CRC32C_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CRC32C_FOLD = 256 }; /* bytes of one step */

/* Whether this processor can. */
bool crc32c_can_fold(void);

/*
 * Reads the n bytes at p, n a positive multiple of CRC32C_FOLD, into 64 bytes that
 * leave a register of 0 where the input would leave one that holds `state`.
 */
void crc32c_fold(uint32_t state, const uint8_t *p, size_t n, uint64_t out[8]);

#endif
