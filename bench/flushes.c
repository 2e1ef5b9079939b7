/*
 * Counts the calls by which an engine has data made durable, to see whether it
 * does so at all. These definitions take the place of the C library's, for the
 * engines in shared libraries too. (Files opened with O_DSYNC flush without a call;
 * LMDB writes its meta page so, after an fdatasync that is counted.)
 */
#include "meter.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPLACES __attribute__((visibility("default")))

static _Atomic uint64_t flushes;

uint64_t meter_flushes(void)
{
	return atomic_load_explicit(&flushes, memory_order_relaxed);
}

static void count(void)
{
	atomic_fetch_add_explicit(&flushes, 1, memory_order_relaxed);
}

REPLACES int fsync(int fd)
{
	count();
	return (int)syscall(SYS_fsync, fd);
}

REPLACES int fdatasync(int fd)
{
	count();
	return (int)syscall(SYS_fdatasync, fd);
}

REPLACES int msync(void *address, size_t size, int flags)
{
	if (flags & MS_SYNC)
		count();
	return (int)syscall(SYS_msync, address, size, flags);
}
