#include "meter.h"

#include "engine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* What meter_watch() was given. */
static int watched = -1;
static char device_file[64];

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

double ticks_calibrate(void)
{
	uint64_t ns = now_ns(), t = ticks();

	while (now_ns() - ns < 20000000)
		;
	t = ticks() - t;
	return (double)(now_ns() - ns) / (double)t;
}

/* The number after `label` in a file of /proc/self; 0 if it is not there. */
static uint64_t proc_value(const char *file, const char *label)
{
	FILE *f = fopen(file, "r");
	char line[256];
	uint64_t value = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, label, strlen(label)) == 0)
			value = strtoull(line + strlen(label), NULL, 10);
	if (f != NULL)
		fclose(f);
	return value;
}

uint64_t meter_resident(void)
{
	return proc_value("/proc/self/status", "VmRSS:") << 10;
}

void meter_watch(const char *path)
{
	struct stat st;

	watched = open(path, O_RDONLY | O_CLOEXEC);
	if (watched < 0 || fstat(watched, &st) != 0)
		die("%s: cannot be opened", path);
	snprintf(device_file, sizeof(device_file), "/sys/dev/block/%u:%u/stat", major(st.st_dev),
		 minor(st.st_dev));
}

void meter_sync(void)
{
	if (syncfs(watched) != 0)
		die("cannot sync the file system");
}

/* What the device was asked: reads that it has done, and bytes written to it. */
static void device_read(uint64_t *reads, uint64_t *written)
{
	FILE *f = fopen(device_file, "r");
	unsigned long long done, sectors;
	int found = f != NULL ? fscanf(f, "%llu %*u %*u %*u %*u %*u %llu", &done, &sectors) : 0;

	if (f != NULL)
		fclose(f);
	*reads = found == 2 ? done : 0;
	*written = found == 2 ? 512 * sectors : proc_value("/proc/self/io", "write_bytes:");
}

static void peak_reset(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");

	if (f != NULL) {
		fputs("5", f);
		fclose(f);
	}
}

static struct meter meter_read(void)
{
	struct rusage u;
	uint64_t reads, written;

	getrusage(RUSAGE_SELF, &u);
	device_read(&reads, &written);
	return (struct meter){
		.ns = now_ns(),
		.cpu_seconds = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
		.read = proc_value("/proc/self/io", "read_bytes:"),
		.written = written,
		.reads = reads,
		.flushes = meter_flushes(),
		.switches = (uint64_t)(u.ru_nvcsw + u.ru_nivcsw),
		.peak = proc_value("/proc/self/status", "VmHWM:") << 10,
	};
}

struct meter meter_start(void)
{
	peak_reset();
	return meter_read();
}

struct meter meter_stop(const struct meter *start)
{
	struct meter m = meter_read();

	m.ns -= start->ns;
	m.cpu_seconds -= start->cpu_seconds;
	m.read -= start->read;
	m.written -= start->written;
	m.reads -= start->reads;
	m.flushes -= start->flushes;
	m.switches -= start->switches;
	return m;
}
