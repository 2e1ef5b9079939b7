/* shale stats: every figure the store keeps. */
#include "args.h"
#include "figures.h"
#include "session.h"
#include "tool.h"

int cmd_stats(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool json = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		{ "json", 0, ARGS_FLAG, &json, NULL, "one JSON object, exact figures", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"stats",
		"",
		"Print every figure of shale_stats. What is counted is counted since a store was\n"
		"opened, so from here only the state, the levels and the opening itself tell much.",
		0,
		0,
		options,
		NULL,
	};
	shale_stats stats = SHALE_STATS_INIT;
	struct look look = look_of(stdout);
	struct text t = { 0 };
	struct session s;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		return rc;
	status = shale_stats_get(s.db, &stats);
	if (status) {
		rc = tool_fail_status(status, "stats");
	} else if (json) {
		figures_json(&stats, &t);
		fwrite(t.data, 1, t.size, stdout);
		text_fini(&t);
	} else {
		figures_print(&stats, stdout, &look);
	}
	return session_close(&s, rc);
}
