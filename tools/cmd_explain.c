/* shale explain: the way of one get through the store. */
#include "args.h"
#include "grid.h"
#include "look.h"
#include "session.h"
#include "text.h"
#include "tool.h"

static const struct grid_column columns[] = {
	{ "place", false },   { "table", false }, { "filter", false },  { "block", false },
	{ "sequence", true }, { "time", true },   { "outcome", false }, { NULL, false },
};

static const char *filter_text(const shale_explain_step *s)
{
	static const char *const texts[] = { "-", "no", "maybe" };

	return texts[s->filter];
}

static void add_block(struct grid *g, const shale_explain_step *s)
{
	static const char *const from[] = { "", "cache", "file" };

	if (s->block == SHALE_BLOCK_NOT_READ)
		grid_add(g, "-");
	else
		grid_add(g, "%u B at %llu, %s", s->block_bytes, (unsigned long long)s->block_offset,
			 from[s->block]);
}

static void add_step(void *arg, const shale_explain_step *s)
{
	static const char *const outcomes[] = { "not here", "found", "deleted", "expired" };
	struct grid *g = arg;

	if (s->memtable)
		grid_add(g, "memtable");
	else
		grid_add(g, "L%u run %llu", s->level, (unsigned long long)s->run);
	grid_add(g, "%s", s->object[0] != '\0' ? s->object : "-");
	grid_add(g, "%s", filter_text(s));
	add_block(g, s);
	if (s->seq != 0)
		grid_add(g, "%llu", (unsigned long long)s->seq);
	else
		grid_add(g, "-");
	grid_add(g, "%s", human_time(s->ns).text);
	grid_add(g, "%s",
		 !s->memtable && s->object[0] == '\0' ? "no table for it" : outcomes[s->outcome]);
}

int cmd_explain(int argc, char **argv)
{
	struct session_args store = { 0 };
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "KEY is hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"explain",
		"KEY",
		"Get KEY and show the way: every memtable and run that is asked, newest first,\n"
		"what its filter said, which block was read and from where, and how long it\n"
		"took. Exit status 1 if there is no such key.",
		1,
		1,
		options,
		"  shale explain -d /srv/store user:123",
	};
	struct look look = look_of(stdout);
	struct text key = { 0 };
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	struct grid grid;
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
	grid_init(&grid, columns);
	status = shale_explain(s.db, &o, text_slice(&key), add_step, &grid);
	grid_print(&grid, stdout, &look, 0);
	grid_fini(&grid);
	if (status == SHALE_NOT_FOUND)
		rc = tool_fail("no such key: %s", argv[1]);
	else if (status < 0)
		rc = tool_fail_status(status, "explain");
	rc = session_close(&s, rc);
out:
	text_fini(&key);
	return rc;
}
