/* shale compactions: the flushes and compactions that a store's manifest tells of. */
#include "args.h"
#include "jobs.h"
#include "session.h"
#include "tool.h"

int cmd_compactions(int argc, char **argv)
{
	struct session_args store = { 0 };
	uint64_t limit = 0;
	bool json = false;
	const struct args_option options[] = {
		{ "dir", 'd', ARGS_TEXT, &store.dir, "DIR",
		  "directory of the store (default: $SHALE_DIR)", NULL },
		SESSION_FAMILY(&store),
		{ "limit", 'n', ARGS_COUNT, &limit, "N", "only the last N", NULL },
		{ "json", 0, ARGS_FLAG, &json, NULL, "an array of objects, exact figures", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"compactions",
		"",
		"List the last flushes and compactions that are done: why each ran, from which\n"
		"levels to which, tables and bytes before and after, entries read and dropped.\n"
		"Nothing is opened or locked: another process may have the store open.",
		0,
		0,
		options,
		"  shale compactions -d /srv/store -n 20",
	};
	struct look look = look_of(stdout);
	struct jobs jobs = { 0 };
	struct text t = { 0 };
	shale_status status;
	int rc = TOOL_OK;

	args_parse(&command, argc, argv);
	status = shale_peek(session_dir(&command, &store), NULL, NULL, jobs_add, &jobs);
	if (status == SHALE_NOT_FOUND)
		rc = tool_fail("there is no store in %s", session_dir(&command, &store));
	else if (status)
		rc = tool_fail_status(status, "looking at %s", session_dir(&command, &store));
	else if (json)
		jobs_json(&jobs, store.family, (size_t)limit, &t);
	else
		jobs_list(&jobs, store.family, (size_t)limit, &t, &look);
	if (t.size)
		fwrite(t.data, 1, t.size, stdout);
	text_fini(&t);
	jobs_fini(&jobs);
	return rc;
}
