/* shale get: print one value. */
#include "args.h"
#include "look.h"
#include "session.h"
#include "text.h"
#include "tool.h"

static void print_value(const shale_value *v, bool hex)
{
	struct text t = { 0 };

	if (hex) {
		text_hex(&t, shale_bytes(v->data, v->size));
		text_add_char(&t, '\n');
		fwrite(t.data, 1, t.size, stdout);
		text_fini(&t);
		return;
	}
	fwrite(v->data, 1, v->size, stdout);
	if (look_of(stdout).terminal)
		putchar('\n');
}

int cmd_get(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "KEY is, and the value is printed, hexadecimal",
		  NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"get",
		"KEY",
		"Print the value of KEY: its bytes and nothing else, but for a line end on a\n"
		"terminal. Exit status 1 if there is no such key.",
		1,
		1,
		options,
		"  shale get -d /srv/store greeting\n"
		"  shale get -d /srv/store photo:7 > photo.jpg",
	};
	struct text key = { 0 };
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_value value;
	struct session s;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	if (!text_argument(&key, argv[1], hex))
		args_usage(&command, "KEY `%s` is not hexadecimal", argv[1]);
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		goto out;
	o.cf = s.cf;
	status = shale_get(s.db, &o, text_slice(&key), &value);
	if (status == SHALE_OK) {
		print_value(&value, hex);
		shale_value_release(&value);
	} else if (status == SHALE_NOT_FOUND) {
		rc = tool_fail("no such key: %s", argv[1]);
	} else {
		rc = tool_fail_status(status, "get");
	}
	rc = session_close(&s, rc);
out:
	text_fini(&key);
	return rc;
}
