/*
 * This machine, as shale_env_default() puts it together: the tables of functions
 * over the kernel and the C library. Their `self` is NULL.
 */
#ifndef ENV_POSIX_H
#define ENV_POSIX_H

#include <shale/env.h>

struct shale_file {
	int fd;
};

void posix_read_many(void *self, shale_read *reads, size_t n);

extern const shale_fs_ops posix_fs;
extern const shale_clock_ops posix_clock;
extern const shale_executor_ops threads_executor;
extern const shale_allocator_ops heap_allocator;

#endif
