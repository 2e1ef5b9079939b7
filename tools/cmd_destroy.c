/* shale destroy: remove a store with all its data. */
#include "args.h"
#include "session.h"
#include "tool.h"

int cmd_destroy(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool yes = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		{ "yes", 'y', ARGS_FLAG, &yes, NULL, "really remove it", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"destroy",
		"",
		"Remove the files of a store, and its directory if nothing else is in it.\n"
		"The data is gone. Without --yes nothing is done.",
		0,
		0,
		options,
		NULL,
	};
	const char *dir;
	shale_status status;

	args_parse(&command, argc, argv);
	dir = session_dir(&command, &store);
	if (!yes)
		args_usage(&command, "this removes all data in %s; add --yes if you mean it", dir);
	status = shale_destroy(dir, NULL);
	if (status == SHALE_NOT_FOUND)
		return tool_fail("there is no store in %s", dir);
	return status ? tool_fail_status(status, "destroying %s", dir) : TOOL_OK;
}
