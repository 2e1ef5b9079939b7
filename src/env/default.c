/* This machine: files, clock, threads and heap of the running system. */
#include "env/posix.h"

static const shale_env this_machine = {
	.struct_size = sizeof(shale_env),
	.fs = { NULL, &posix_fs },
	.clock = { NULL, &posix_clock },
	.executor = { NULL, &threads_executor },
	.allocator = { NULL, &heap_allocator },
};

const shale_env *shale_env_default(void)
{
	return &this_machine;
}
