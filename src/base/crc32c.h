/*
 * CRC32C (Castagnoli). crc32c(crc32c(0, a), b) is the checksum of a then b, so a
 * payload can be summed before the header that follows it in the sum is known.
 * Uses the processor's instruction where there is one (SSE4.2, ARMv8).
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t n);

/* The table-driven path, for tests that hold the two equal. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
