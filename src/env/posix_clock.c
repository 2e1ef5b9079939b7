/* Time and randomness of this machine. */
#include "env/posix.h"

#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t); /* cannot fail for the two clocks used */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t posix_now_ns(void *self)
{
	(void)self;
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t posix_wall_ms(void *self)
{
	(void)self;
	return clock_ns(CLOCK_REALTIME) / 1000000u;
}

static void posix_random(void *self, void *buf, size_t n)
{
	uint8_t *p = buf;
	struct rand r;

	(void)self;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			break;
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
	if (n == 0)
		return;
	/*
	 * A sandbox forbids the call. The library asks for numbers that differ
	 * between runs, not for secrets; time, process and address do for that.
	 */
	rand_seed(&r, clock_ns(CLOCK_REALTIME) ^ clock_ns(CLOCK_MONOTONIC) << 20 ^
			      (uint64_t)getpid() << 48 ^ (uintptr_t)p);
	while (n-- > 0)
		*p++ = (uint8_t)(rand_next(&r) >> 56);
}

const shale_clock_ops posix_clock = {
	.struct_size = sizeof(shale_clock_ops),
	.now_ns = posix_now_ns,
	.wall_ms = posix_wall_ms,
	.random = posix_random,
};
