/*
 * This machine, as shale_env_default() puts it together: the tables of functions
 * over the kernel and the C library. Their `self` is NULL.
 */
#ifndef ENV_POSIX_H
#define ENV_POSIX_H

#include <shale/env.h>

#include <stdatomic.h>

struct shale_file {
	int fd;
	_Atomic bool direct; /* the descriptor has O_DIRECT; relaxed, see posix_goes_direct() */
};

/*
 * Before a transfer: whether it goes past the page cache. If it may not, it goes through it, as
 * does all that follows. Who reads or writes past it at the same time is not disturbed: the
 * kernel looks at the descriptor's flag once, as a call begins.
 */
bool posix_goes_direct(shale_file *f, const void *buf, size_t n, uint64_t offset);
int64_t posix_pread(void *self, shale_file *f, void *buf, size_t n, uint64_t offset);
void posix_read_many(void *self, shale_read *reads, size_t n);

extern const shale_fs_ops posix_fs;
extern const shale_clock_ops posix_clock;
extern const shale_executor_ops threads_executor;
extern const shale_allocator_ops heap_allocator;

#endif
