/* shale delete: delete one key. */
#include "args.h"
#include "session.h"
#include "text.h"
#include "tool.h"

int cmd_delete(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_DURABILITY(&store),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "KEY is hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"delete",
		"KEY",
		"Delete KEY. It is no failure if there is no such key: a delete does not read.",
		1,
		1,
		options,
		NULL,
	};
	struct text key = { 0 };
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	struct session s;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	if (!text_argument(&key, argv[1], hex))
		args_usage(&command, "KEY `%s` is not hexadecimal", argv[1]);
	rc = session_open(&s, &command, &store, SESSION_WRITE);
	if (rc)
		goto out;
	o.cf = s.cf;
	o.durability = (shale_durability)store.durability;
	status = shale_delete(s.db, &o, text_slice(&key));
	if (status)
		rc = tool_fail_status(status, "delete");
	rc = session_close(&s, rc);
out:
	text_fini(&key);
	return rc;
}
