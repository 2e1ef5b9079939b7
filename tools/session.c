/* See session.h. */
#include "session.h"

#include "tool.h"

#include <stdlib.h>

const struct args_choice session_durabilities[] = {
	{ "ephemeral", SHALE_EPHEMERAL },
	{ "process", SHALE_PROCESS },
	{ "interval", SHALE_INTERVAL },
	{ "durable", SHALE_DURABLE },
	{ NULL, 0 },
};

const char *session_dir(const struct args_command *c, const struct session_args *a)
{
	const char *dir = a->dir ? a->dir : getenv("SHALE_DIR");

	if (!dir || !dir[0])
		args_usage(c, "which store? give --dir DIR or set SHALE_DIR");
	return dir;
}

int session_open(struct session *s, const struct args_command *c, const struct session_args *a,
		 enum session_mode mode)
{
	shale_options o = SHALE_OPTIONS_INIT;
	shale_status rc;

	memset(s, 0, sizeof(*s));
	s->dir = session_dir(c, a);
	o.error_if_missing = mode != SESSION_CREATE;
	o.read_only = mode == SESSION_READ;
	o.memory_budget = a->memory;
	/* A write can ask for more than the store's durability, never for less. */
	o.durability = (shale_durability)a->durability;
	rc = shale_open(s->dir, &o, &s->db);
	if (rc == SHALE_NOT_FOUND)
		return tool_fail("there is no store in %s", s->dir);
	if (rc)
		return tool_fail_status(rc, "opening %s", s->dir);
	if (!a->family)
		return TOOL_OK;
	rc = shale_cf_open(s->db, a->family, &s->cf);
	if (rc == SHALE_NOT_FOUND)
		tool_fail("%s has no column family `%s`", s->dir, a->family);
	else if (rc)
		tool_fail_status(rc, "opening the column family `%s`", a->family);
	return rc ? session_close(s, TOOL_FAILED) : TOOL_OK;
}

int session_close(struct session *s, int rc)
{
	shale_status closed;

	shale_cf_release(s->cf);
	s->cf = NULL;
	closed = shale_close(s->db);
	s->db = NULL;
	return closed ? tool_fail_status(closed, "closing %s", s->dir) : rc;
}
