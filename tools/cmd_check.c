/* shale check: read every table and verify all of it. */
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

/* What the open read-only has left out of the log, which the tables know nothing of. */
static void print_tail(uint64_t bytes, uint64_t offset)
{
	printf("%s of the log from byte %s on were left out, as no sound record begins there: the "
	       "end of\na write that was under way when its process died, or damage; the next open "
	       "for writing\ngives them up\n",
	       human_size(bytes).text, human_count(offset).text);
}

static void print_sound(const struct check *c, const char *dir, const shale_check_report *report,
			uint64_t ns, const shale_stats *stats)
{
	bool torn = stats->discarded_tail_bytes != 0;

	printf("%s%s is sound%s%s: %s table%s, %s blocks, ", c->look.bold, dir,
	       torn ? " but for the end of its log" : "", c->look.plain,
	       human_count(report->tables).text, report->tables == 1 ? "" : "s",
	       human_count(report->blocks).text);
	printf("%s entries, %s, read in %s\n", human_count(report->entries).text,
	       human_size(report->bytes).text, human_time(ns).text);
	if (torn)
		print_tail(stats->discarded_tail_bytes, stats->discarded_tail_offset);
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
		"Read every table of the store and verify all checksums, the order of the keys\n"
		"and all counts; the log is read on the way, and what is left out at its end is\n"
		"told. Nothing is changed. Exit status 1 if anything is damaged; the file and\n"
		"the offset are named. A store that is being written to loses files to\n"
		"compaction meanwhile: stop its writer first.",
		0,
		0,
		options,
		NULL,
	};
	shale_check_report report = { 0 };
	shale_stats stats = SHALE_STATS_INIT;
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
	if (!status)
		status = shale_stats_get(s.db, &stats);
	if (status) {
		rc = tool_fail_status(status,
				      status == SHALE_CORRUPT ? "%s is damaged" : "checking %s",
				      s.dir);
		if (c.damaged)
			fprintf(stderr, "shale: %s of %s files damaged\n",
				human_count(c.damaged).text, human_count(c.files).text);
	} else {
		print_sound(&c, s.dir, &report, tool_now_ns() - start, &stats);
	}
	return session_close(&s, rc);
}
