#include "base/status.h"

#include "base/task.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

shale_error *err_last(void)
{
	return &task_self()->error;
}

const shale_error *shale_last_error(void)
{
	return err_last();
}

/* Every failure passes here once, where it begins: the place for a breakpoint. */
static shale_status __attribute__((noinline)) err_born(shale_status code)
{
	return code;
}

static shale_status record(shale_status code, int errnum, const char *object, uint64_t offset,
			   const char *fmt, va_list args)
{
	shale_error *e = err_last();
	char text[sizeof(e->text)];
	char name[sizeof(e->object)];

	/* The arguments may point into the scratch that is written below. */
	vsnprintf(text, sizeof(text), fmt, args);
	snprintf(name, sizeof(name), "%s", object);
	memcpy(e->object, name, sizeof(name));
	memcpy(e->text, text, sizeof(text));
	if (errnum != 0) {
		const char *why = strerrordesc_np(errnum);
		size_t used = strlen(e->text);

		snprintf(e->text + used, sizeof(e->text) - used, ": %s",
			 why ? why : "unknown error");
	}
	e->status = code;
	e->sys_errno = errnum;
	e->offset = offset;
	return err_born(code);
}

shale_status err_new(shale_status code, const char *fmt, ...)
{
	va_list args;
	shale_status rc;

	va_start(args, fmt);
	rc = record(code, 0, "", UINT64_MAX, fmt, args);
	va_end(args);
	return rc;
}

shale_status err_at(shale_status code, const char *object, uint64_t offset, const char *fmt, ...)
{
	va_list args;
	shale_status rc;

	va_start(args, fmt);
	rc = record(code, 0, object, offset, fmt, args);
	va_end(args);
	return rc;
}

shale_status err_code(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return SHALE_NO_SPACE;
	case ENOMEM:
		return SHALE_NO_MEMORY;
	case EMFILE:
	case ENFILE:
		return SHALE_NO_FILES;
	case ENOENT:
		return SHALE_MISSING;
	case EEXIST:
		return SHALE_EXISTS;
	default:
		return SHALE_IO;
	}
}

shale_status err_sys(int errnum, const char *object, const char *fmt, ...)
{
	va_list args;
	shale_status rc;

	va_start(args, fmt);
	rc = record(err_code(errnum), errnum, object, UINT64_MAX, fmt, args);
	va_end(args);
	return rc;
}

shale_status err_memory(const char *what)
{
	return err_new(SHALE_NO_MEMORY, "no memory for %s", what);
}

const char *shale_status_name(shale_status status)
{
	switch (status) {
#define NAME(s)                                                                                    \
	case s:                                                                                    \
		return #s
		NAME(SHALE_OK);
		NAME(SHALE_NOT_FOUND);
		NAME(SHALE_END);
		NAME(SHALE_CONFLICT);
		NAME(SHALE_BUSY);
		NAME(SHALE_MORE);
		NAME(SHALE_INVALID);
		NAME(SHALE_CORRUPT);
		NAME(SHALE_IO);
		NAME(SHALE_NO_SPACE);
		NAME(SHALE_NO_MEMORY);
		NAME(SHALE_TOO_LARGE);
		NAME(SHALE_NOT_A_STORE);
		NAME(SHALE_UNSUPPORTED);
		NAME(SHALE_MISSING);
		NAME(SHALE_READ_ONLY);
		NAME(SHALE_EXISTS);
		NAME(SHALE_FORKED);
		NAME(SHALE_NO_FILES);
		NAME(SHALE_BUG);
		NAME(SHALE_STALLED);
#undef NAME
	default:
		return "unknown status";
	}
}

_Noreturn void assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "shale: %s:%d: broken invariant: %s\n", file, line, what);
	abort();
}
