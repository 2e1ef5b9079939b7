/* Failures, memory and time for the sub-commands. */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

/* Whatever was printed before comes first, also when both go to one file. */
static void tool_begin_error(void)
{
	fflush(stdout);
	fputs("shale: ", stderr);
}

int tool_fail(const char *format, ...)
{
	va_list args;

	tool_begin_error();
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return TOOL_FAILED;
}

void tool_reason(const shale_error *e, char *out, size_t size)
{
	const char *object = e->object;
	/* The text often names the file already. */
	bool named = !object[0] || strstr(e->text, object) != NULL;
	int used = snprintf(out, size, "%s", e->text[0] ? e->text : shale_status_name(e->status));

	if (used < 0 || (size_t)used >= size)
		return;
	if (!named && e->offset != UINT64_MAX)
		snprintf(out + used, size - (size_t)used, " (%s, offset %" PRIu64 ")", object,
			 e->offset);
	else if (!named)
		snprintf(out + used, size - (size_t)used, " (%s)", object);
	else if (e->offset != UINT64_MAX && !strstr(e->text, "offset"))
		snprintf(out + used, size - (size_t)used, " (offset %" PRIu64 ")", e->offset);
}

static void tool_print_failure(const shale_error *e, const char *what, va_list args)
{
	char reason[sizeof(e->text) + sizeof(e->object) + 64];

	tool_reason(e, reason, sizeof(reason));
	tool_begin_error();
	vfprintf(stderr, what, args);
	fprintf(stderr, ": %s\n", reason);
}

/* The expected outcomes set no error; a tool that stops at one has to say why all the same. */
static const char *tool_outcome(shale_status rc)
{
	switch (rc) {
	case SHALE_NOT_FOUND:
		return "not found";
	case SHALE_END:
		return "no more entries";
	case SHALE_BUSY:
		return "in use by another process";
	default:
		return shale_status_name(rc);
	}
}

int tool_fail_status(shale_status rc, const char *what, ...)
{
	shale_error e = *shale_last_error();
	va_list args;

	if (e.status != rc) {
		memset(&e, 0, sizeof(e));
		e.status = rc;
		e.offset = UINT64_MAX;
		snprintf(e.text, sizeof(e.text), "%s", tool_outcome(rc));
	}
	va_start(args, what);
	tool_print_failure(&e, what, args);
	va_end(args);
	return TOOL_FAILED;
}

int tool_fail_error(const shale_error *e, const char *what, ...)
{
	va_list args;

	va_start(args, what);
	tool_print_failure(e, what, args);
	va_end(args);
	return TOOL_FAILED;
}

int tool_finish_output(int rc)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	/* `shale scan | head` closes the pipe on purpose. */
	if (errno == EPIPE)
		return rc;
	return tool_fail("writing the output: %s", strerror(errno));
}

void *tool_alloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p) {
		tool_fail("out of memory (%zu bytes)", size);
		exit(TOOL_FAILED);
	}
	return p;
}

uint64_t tool_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
