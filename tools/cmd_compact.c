/* shale compact: merge all runs of a range into one. Ctrl-C ends it and changes nothing. */
#include "args.h"
#include "figures.h"
#include "grid.h"
#include "progress.h"
#include "range.h"
#include "session.h"
#include "tool.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* The first Ctrl-C is for us; one that follows ends the program. */
static void catch_interrupt(void)
{
	struct sigaction a = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	sigaction(SIGINT, &a, NULL);
}

static bool told(void *arg, const shale_compact_progress *p)
{
	struct progress *shown = arg;

	shown->total = p->bytes_total;
	progress_update(shown, p->bytes_done);
	return !interrupted;
}

static shale_status compact_call(struct session *s, const struct range *range)
{
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;
	struct progress shown;
	shale_status rc;

	o.cf = s->cf;
	o.lower = range_slice(range->from_arg, &range->from);
	o.upper = range_slice(range->to_arg, &range->to);
	o.progress = told;
	o.arg = &shown;
	progress_start(&shown, "compact", PROGRESS_BYTES, 0);
	rc = shale_compact(s->db, &o);
	progress_end(&shown, NULL);
	return rc;
}

static int compact_run(struct session *s, const struct range *range, uint64_t rate)
{
	shale_stats before = SHALE_STATS_INIT, after = SHALE_STATS_INIT;
	shale_rate limits = SHALE_RATE_INIT;
	uint64_t start = tool_now_ns();
	shale_status status;

	limits.bytes_per_s = rate;
	status = shale_rate_set(s->db, &limits);
	if (status == SHALE_OK) {
		shale_stats_get(s->db, &before);
		status = compact_call(s, range);
	}
	if (status == SHALE_MORE)
		return tool_fail("compact: interrupted; the store is as it was");
	if (status < 0)
		return tool_fail_status(status, "compact");
	shale_stats_get(s->db, &after);
	fprintf(stderr, "compacted in %s: ", human_time(tool_now_ns() - start).text);
	fprintf(stderr, "read %s, wrote %s; %s in %s tables, ",
		human_size(after.compaction_read_bytes - before.compaction_read_bytes).text,
		human_size(after.compaction_written_bytes - before.compaction_written_bytes).text,
		human_size(figures_table_bytes(&before)).text,
		human_count(figures_tables(&before)).text);
	fprintf(stderr, "now %s in %s\n", human_size(figures_table_bytes(&after)).text,
		human_count(figures_tables(&after)).text);
	return TOOL_OK;
}

int cmd_compact(int argc, char **argv)
{
	struct session_args store = { 0 };
	struct range range = { 0 };
	uint64_t rate = 0;
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		RANGE_OPTIONS(&range),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "keys given are hexadecimal", NULL },
		{ "rate", 0, ARGS_SIZE, &rate, "SIZE",
		  "read and write that many bytes a second (default: as fast as it goes)", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"compact",
		"",
		"Merge all runs of a range of keys into one: what was overwritten, deleted or\n"
		"has expired gives its space back. Ctrl-C ends it and changes nothing.",
		0,
		0,
		options,
		NULL,
	};
	struct session s;
	int rc;

	args_parse(&command, argc, argv);
	range_take(&range, &command, hex);
	catch_interrupt();
	rc = session_open(&s, &command, &store, SESSION_WRITE);
	if (rc == TOOL_OK)
		rc = session_close(&s, compact_run(&s, &range, rate));
	range_fini(&range);
	return rc;
}
