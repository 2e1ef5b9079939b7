/* shale put: store one value. */
#include "args.h"
#include "session.h"
#include "text.h"
#include "tool.h"

#include <errno.h>

int cmd_put(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool hex = false;
	uint64_t ttl_ms = 0;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_DURABILITY(&store),
		{ "ttl", 0, ARGS_DURATION, &ttl_ms, "TIME",
		  "the entry is gone after this time (default: the family's)", NULL },
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "KEY and VALUE are hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"put",
		"KEY VALUE",
		"Store VALUE under KEY, in place of what was there. The store is created if\n"
		"it is missing. VALUE - reads the value from standard input, byte by byte.",
		2,
		2,
		options,
		"  shale put -d /srv/store greeting hello\n"
		"  shale put -d /srv/store photo:7 - < photo.jpg\n"
		"  shale put -d /srv/store --ttl 15m session:42 open",
	};
	struct text key = { 0 }, value = { 0 };
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	struct session s;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	if (!text_argument(&key, argv[1], hex))
		args_usage(&command, "KEY `%s` is not hexadecimal", argv[1]);
	if (!strcmp(argv[2], "-")) {
		if (!text_read(&value, stdin))
			return tool_fail("reading standard input: %s", strerror(errno));
	} else if (!text_argument(&value, argv[2], hex)) {
		args_usage(&command, "VALUE `%s` is not hexadecimal", argv[2]);
	}
	rc = session_open(&s, &command, &store, SESSION_CREATE);
	if (rc)
		goto out;
	o.cf = s.cf;
	o.durability = (shale_durability)store.durability;
	o.ttl_ms = ttl_ms;
	status = shale_put(s.db, &o, text_slice(&key), text_slice(&value));
	if (status)
		rc = tool_fail_status(status, "put");
	rc = session_close(&s, rc);
out:
	text_fini(&key);
	text_fini(&value);
	return rc;
}
