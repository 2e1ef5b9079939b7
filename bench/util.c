#include "engine.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("shale_bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void unsupported(const char *what)
{
	fprintf(stderr, "shale_bench: not possible: %s\n", what);
	exit(EXIT_UNSUPPORTED);
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		die("no memory");
	return p;
}

void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

uint64_t directory_bytes(const char *path)
{
	DIR *d = opendir(path);
	uint64_t bytes = 0;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char name[4096];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (lstat(name, &st) != 0)
			continue;
		bytes += S_ISDIR(st.st_mode) ? directory_bytes(name) : (uint64_t)st.st_blocks * 512;
	}
	if (d != NULL)
		closedir(d);
	return bytes;
}

void directory_quiet(const char *path, unsigned ms)
{
	enum { STEP_MS = 50 };
	uint64_t last = directory_bytes(path);

	for (unsigned quiet = 0; quiet < ms;) {
		uint64_t bytes;

		sleep_ms(STEP_MS);
		bytes = directory_bytes(path);
		quiet = bytes == last ? quiet + STEP_MS : 0;
		last = bytes;
	}
}
