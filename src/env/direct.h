/*
 * Reading past the page cache. What is asked for lies anywhere; what the kernel is asked
 * for is the aligned pieces that hold it, in memory of their own, from which it is copied.
 */
#ifndef ENV_DIRECT_H
#define ENV_DIRECT_H

#include "env/fs.h"

/* The read of all that holds [offset, offset + n), not begun. False: no memory. */
bool direct_widen(const shale_env *env, shale_file *f, size_t n, uint64_t offset, shale_read *wide);
/*
 * After fs_read_try(): read what is missing, copy what was asked for to buf, free the memory.
 * Returns as fs_read(): less than n where the file ends before.
 */
int64_t direct_narrow(const shale_env *env, shale_read *wide, void *buf, size_t n, uint64_t offset);

#endif
