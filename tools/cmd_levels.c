/* shale levels: draw the stack of runs. */
#include "args.h"
#include "session.h"
#include "stack.h"
#include "tool.h"

int cmd_levels(int argc, char **argv)
{
	struct session_args store = { 0 };
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_END,
	};
	const struct args_command command = {
		"levels",
		"",
		"Draw the stack of sorted runs, newest on top: a row of boxes a run, a box a\n"
		"table, its width the table's size, with the keys the run spans below. A pipe\n"
		"gets a plain list of the runs.",
		0,
		0,
		options,
		NULL,
	};
	struct look look = look_of(stdout);
	struct text t = { 0 };
	struct session s;
	struct stack stack;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		return rc;
	status = stack_collect(s.db, &stack);
	if (status) {
		rc = tool_fail_status(status, "listing the tables");
	} else {
		stack_draw(&stack, store.family, &t, &look, look.width);
		fwrite(t.data, 1, t.size, stdout);
		text_fini(&t);
		stack_fini(&stack);
	}
	return session_close(&s, rc);
}
