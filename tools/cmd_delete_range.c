/* shale delete-range: delete all keys from LO up to, not including, HI. */
#include "args.h"
#include "session.h"
#include "text.h"
#include "tool.h"

int cmd_delete_range(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_DURABILITY(&store),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "LO and HI are hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"delete-range",
		"LO HI",
		"Delete all keys from LO up to, but not including, HI. The cost does not depend\n"
		"on how many there are.",
		2,
		2,
		options,
		"  shale delete-range -d /srv/store log:2023-01 log:2023-07",
	};
	struct text lo = { 0 }, hi = { 0 };
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	struct session s;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	if (!text_argument(&lo, argv[1], hex))
		args_usage(&command, "LO `%s` is not hexadecimal", argv[1]);
	if (!text_argument(&hi, argv[2], hex))
		args_usage(&command, "HI `%s` is not hexadecimal", argv[2]);
	rc = session_open(&s, &command, &store, SESSION_WRITE);
	if (rc)
		goto out;
	o.cf = s.cf;
	o.durability = (shale_durability)store.durability;
	status = shale_delete_range(s.db, &o, text_slice(&lo), text_slice(&hi));
	if (status)
		rc = tool_fail_status(status, "delete-range");
	rc = session_close(&s, rc);
out:
	text_fini(&lo);
	text_fini(&hi);
	return rc;
}
