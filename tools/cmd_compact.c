/* shale compact: merge all runs of a range into one. */
#include "args.h"
#include "figures.h"
#include "grid.h"
#include "range.h"
#include "session.h"
#include "tool.h"
#include "waiting.h"

struct compact {
	shale_db *db;
	shale_compact_options o;
};

static shale_status compact_call(void *arg)
{
	struct compact *c = arg;

	return shale_compact(c->db, &c->o);
}

static int compact_run(struct session *s, const struct range *range)
{
	struct compact c = { s->db, SHALE_COMPACT_OPTIONS_INIT };
	shale_stats before = SHALE_STATS_INIT, after = SHALE_STATS_INIT;
	uint64_t start = tool_now_ns();
	shale_status status;
	shale_error e;

	c.o.cf = s->cf;
	c.o.lower = range_slice(range->from_arg, &range->from);
	c.o.upper = range_slice(range->to_arg, &range->to);
	shale_stats_get(s->db, &before);
	status = waiting_run(s->db, "compact", compact_call, &c, &e);
	if (status < 0)
		return tool_fail_error(&e, "compact");
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
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		RANGE_OPTIONS(&range),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "keys given are hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"compact",
		"",
		"Merge all runs of a range of keys into one: what was overwritten, deleted or\n"
		"has expired gives its space back.",
		0,
		0,
		options,
		NULL,
	};
	struct session s;
	int rc;

	args_parse(&command, argc, argv);
	range_take(&range, &command, hex);
	rc = session_open(&s, &command, &store, SESSION_WRITE);
	if (rc == TOOL_OK)
		rc = session_close(&s, compact_run(&s, &range));
	range_fini(&range);
	return rc;
}
