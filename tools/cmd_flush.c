/* shale flush: write what is in memory to tables. */
#include "args.h"
#include "grid.h"
#include "session.h"
#include "tool.h"
#include "waiting.h"

struct flush {
	shale_db *db;
	shale_flush_options o;
};

static shale_status flush_call(void *arg)
{
	struct flush *f = arg;

	return shale_flush(f->db, &f->o);
}

int cmd_flush(int argc, char **argv)
{
	struct session_args store = { 0 };
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_END,
	};
	const struct args_command command = {
		"flush",
		"",
		"Write what the log holds to tables, of one column family or of all; the next\n"
		"opening then has nothing to replay.",
		0,
		0,
		options,
		NULL,
	};
	struct flush f = { NULL, SHALE_FLUSH_OPTIONS_INIT };
	shale_stats stats = SHALE_STATS_INIT;
	uint64_t start;
	struct session s;
	shale_error e;
	int rc;

	args_parse(&command, argc, argv);
	rc = session_open(&s, &command, &store, SESSION_WRITE);
	if (rc)
		return rc;
	f.db = s.db;
	f.o.cf = s.cf;
	start = tool_now_ns();
	if (waiting_run(s.db, "flush", flush_call, &f, &e) < 0)
		return session_close(&s, tool_fail_error(&e, "flush"));
	shale_stats_get(s.db, &stats);
	fprintf(stderr, "flushed in %s: ", human_time(tool_now_ns() - start).text);
	fprintf(stderr, "wrote %s\n", human_size(stats.flush_bytes).text);
	return session_close(&s, rc);
}
