/* shale check: read every file and verify all of it. */
#include "args.h"
#include "grid.h"
#include "session.h"
#include "tool.h"

struct check {
	struct look look;
	bool quiet;
	uint64_t files, damaged;
};

static void check_file(void *arg, const char *file, uint64_t bytes, shale_status status)
{
	const shale_error *e = shale_last_error();
	struct check *c = arg;
	char reason[sizeof(e->text) + sizeof(e->object) + 64];

	c->files++;
	if (status == SHALE_OK) {
		if (!c->quiet)
			printf("%-26s %12s  %sok%s\n", file, human_size(bytes).text, c->look.green,
			       c->look.plain);
		return;
	}
	c->damaged++;
	if (e->status == status)
		tool_reason(e, reason, sizeof(reason));
	else
		snprintf(reason, sizeof(reason), "%s", shale_status_name(status));
	printf("%-26s %12s  %s%s%s\n", file, human_size(bytes).text, c->look.red, reason,
	       c->look.plain);
}

int cmd_check(int argc, char **argv)
{
	struct session_args store = { 0 };
	struct check c = { .look = look_of(stdout) };
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		{ "quiet", 'q', ARGS_FLAG, &c.quiet, NULL, "only damaged files and the summary",
		  NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"check",
		"",
		"Read every file of the store and verify all checksums, the order of the keys\n"
		"and all counts. Nothing is changed. Exit status 1 if anything is damaged; the\n"
		"file and the offset are named. A store that is being written to loses files to\n"
		"compaction meanwhile: stop its writer first.",
		0,
		0,
		options,
		NULL,
	};
	shale_check_report report = { 0 };
	struct session s;
	shale_status status;
	uint64_t start;
	int rc;

	args_parse(&command, argc, argv);
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		return rc;
	start = tool_now_ns();
	status = shale_check(s.db, check_file, &c, &report);
	if (status) {
		rc = tool_fail_status(status,
				      status == SHALE_CORRUPT ? "%s is damaged" : "checking %s",
				      s.dir);
		if (c.damaged)
			fprintf(stderr, "shale: %s of %s files damaged\n",
				human_count(c.damaged).text, human_count(c.files).text);
	} else {
		printf("%s%s is sound%s: %s table%s, %s blocks, ", c.look.bold, s.dir, c.look.plain,
		       human_count(report.tables).text, report.tables == 1 ? "" : "s",
		       human_count(report.blocks).text);
		printf("%s entries, %s, read in %s\n", human_count(report.entries).text,
		       human_size(report.bytes).text, human_time(tool_now_ns() - start).text);
	}
	return session_close(&s, rc);
}
