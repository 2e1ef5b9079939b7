/* What every sub-command shares: its entry, exit codes, and how failures are told. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <shale/shale.h>

#include <stdio.h>

enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1, /* it was tried and did not work, or nothing was found */
	TOOL_USAGE = 2,  /* it was asked wrongly; nothing was tried */
};

int cmd_put(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_delete_range(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_levels(int argc, char **argv);
int cmd_compactions(int argc, char **argv);
int cmd_tables(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_families(int argc, char **argv);
int cmd_compact(int argc, char **argv);
int cmd_flush(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_job(int argc, char **argv);
int cmd_job_child(int argc, char **argv); /* started by job, not by people */

/* "shale: <text>" on stderr; returns TOOL_FAILED, so that it can be returned. */
int tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * "shale: <what>: <why>" where `why` is the library's own text for a failure,
 * with file and offset where it gave them, and ours for the expected outcomes.
 * To be called on the thread that met `rc`, before its next library call.
 */
int tool_fail_status(shale_status rc, const char *what, ...) __attribute__((format(printf, 2, 3)));
/* The same with an error that was saved. */
int tool_fail_error(const shale_error *e, const char *what, ...)
	__attribute__((format(printf, 2, 3)));

/* The text after "shale: <what>: " alone. */
void tool_reason(const shale_error *e, char *out, size_t size);

/* Like fflush() on stdout, but a full disk or a closed pipe is told; returns TOOL_*. */
int tool_finish_output(int rc);

/* Memory or the end of the program: a tool has nothing to save. */
void *tool_alloc(void *old, size_t size);

uint64_t tool_now_ns(void);

#endif
