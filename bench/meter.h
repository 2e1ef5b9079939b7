/* Clocks, and what the kernel knows of this process. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdint.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Nanoseconds on the monotonic clock. */
uint64_t now_ns(void);

/* A clock that is cheap enough to be read at every operation; in units of its own. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return now_ns();
#endif
}

/* Nanoseconds for each of its units. */
double ticks_calibrate(void);

/* The memory that this process holds at the moment, bytes. */
uint64_t meter_resident(void);

/* How often this process asked for data to be made durable (fsync and the like). */
uint64_t meter_flushes(void);

/*
 * Of which file system `written` and `reads` count, by a file or folder in it. What the kernel
 * tells of a process is what became dirty, by whole folios: with a log that is flushed
 * entry by entry that can be a hundred times what the device is sent. So the device is
 * asked, with all that others write there meanwhile; only where the file system is not
 * on one device, the process.
 */
void meter_watch(const char *path);
/* Have it written what is owed to the device. */
void meter_sync(void);

struct meter {
	uint64_t ns;
	double cpu_seconds;     /* of all threads, those in the background included */
	uint64_t read, written; /* bytes from the device, for this process, and to it */
	uint64_t reads;         /* that the device did for all; 0 where it cannot be asked */
	uint64_t flushes;       /* calls of fsync and the like */
	uint64_t switches;      /* of context, asked for or not */
	uint64_t peak;          /* memory: most since meter_start() */
};

struct meter meter_start(void);
/* What has come to each since `start`; of `peak`, the most. */
struct meter meter_stop(const struct meter *start);

#endif
