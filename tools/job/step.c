/* What the parts of the job share: how they speak, and their stores. */
#include "grid.h"
#include "job/job.h"
#include "tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

void step_title(const struct job *job, const char *number, const char *format, ...)
{
	va_list args;

	printf("\n%s%s  ", job->look.bold, number);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", job->look.plain);
	fflush(stdout);
}

void step_done(const struct job *job, const char *format, ...)
{
	va_list args;

	printf("  %s%s%s ", job->look.green, job->look.unicode ? "✓" : "ok", job->look.plain);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

char *step_path(const struct job *job, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", job->dir, name) < 0) {
		tool_fail("out of memory");
		exit(TOOL_FAILED);
	}
	return path;
}

int step_fresh(const char *path)
{
	shale_status status;
	struct stat info;

	if (stat(path, &info))
		return TOOL_OK;
	status = shale_destroy(path, NULL);
	if (status && status != SHALE_NOT_FOUND)
		return tool_fail_status(status, "removing the old store %s", path);
	return TOOL_OK;
}

int step_open(const char *path, const shale_options *o, shale_db **out)
{
	shale_status status = shale_open(path, o, out);

	return status ? tool_fail_status(status, "opening %s", path) : TOOL_OK;
}

int step_close(shale_db *db, const char *path)
{
	shale_status status = shale_close(db);

	return status ? tool_fail_status(status, "closing %s", path) : TOOL_OK;
}

uint64_t step_dir_bytes(const char *path)
{
	DIR *dir = opendir(path);
	uint64_t sum = 0;
	struct dirent *entry;
	struct stat info;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(info.st_mode))
			sum += (uint64_t)info.st_size;
	closedir(dir);
	return sum;
}
