/* shale scan: print the entries of a range, or count them. */
#include "args.h"
#include "range.h"
#include "session.h"
#include "text.h"
#include "tool.h"

#include <inttypes.h>

enum { SCAN_TEXT, SCAN_JSON };

struct scan {
	struct range range;
	uint64_t limit;
	int format;
	bool reverse, hex, keys_only, count;
	struct text line;
};

static void format_text(struct scan *c, shale_slice key, shale_slice value)
{
	void (*add)(struct text *, shale_slice) = c->hex ? text_hex : text_escape;

	add(&c->line, key);
	if (!c->keys_only) {
		text_add_char(&c->line, '\t');
		add(&c->line, value);
	}
	text_add_char(&c->line, '\n');
}

static void format_json_member(struct scan *c, const char *name, shale_slice s)
{
	if (!c->hex) {
		text_json_member(&c->line, name, s);
		return;
	}
	text_printf(&c->line, "\"%s_hex\":\"", name);
	text_hex(&c->line, s);
	text_add_char(&c->line, '"');
}

static void format_json(struct scan *c, bool first, shale_slice key, shale_slice value)
{
	text_add_str(&c->line, first ? "[\n {" : ",\n {");
	format_json_member(c, "key", key);
	if (!c->keys_only) {
		text_add_char(&c->line, ',');
		format_json_member(c, "value", value);
	}
	text_add_char(&c->line, '}');
}

/* One entry to stdout; false when that cannot be written any more (a closed pipe). */
static bool print_entry(struct scan *c, bool first, shale_slice key, shale_slice value)
{
	text_clear(&c->line);
	if (c->format == SCAN_JSON)
		format_json(c, first, key, value);
	else
		format_text(c, key, value);
	return fwrite(c->line.data, 1, c->line.size, stdout) == c->line.size;
}

static shale_status walk(struct scan *c, shale_iter *it, uint64_t *n)
{
	shale_status status = c->reverse ? shale_iter_last(it) : shale_iter_first(it);
	shale_slice value = { NULL, 0 };

	*n = 0;
	while (status == SHALE_OK && *n < c->limit) {
		if (!c->count && !c->keys_only) {
			status = shale_iter_value(it, &value);
			if (status)
				return status;
		}
		if (!c->count && !print_entry(c, *n == 0, shale_iter_key(it), value))
			return SHALE_END;
		(*n)++;
		if (*n < c->limit)
			status = c->reverse ? shale_iter_prev(it) : shale_iter_next(it);
	}
	return status == SHALE_OK ? SHALE_END : status;
}

static int scan_run(struct scan *c, struct session *s)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it = NULL;
	shale_status status;
	uint64_t n = 0;
	int rc = TOOL_OK;

	o.cf = s->cf;
	o.no_fill_cache = true;
	range_apply(&c->range, &o);
	status = shale_iter_new(s->db, &o, &it);
	if (status == SHALE_OK)
		status = walk(c, it, &n);
	if (status != SHALE_END)
		rc = tool_fail_status(status, "scan, after %" PRIu64 " entries", n);
	shale_iter_free(it);
	if (rc == TOOL_OK && c->count && c->format == SCAN_JSON)
		printf("{\"count\":%" PRIu64 "}\n", n);
	else if (rc == TOOL_OK && c->count)
		printf("%" PRIu64 "\n", n);
	else if (rc == TOOL_OK && c->format == SCAN_JSON)
		fputs(n ? "\n]\n" : "[]\n", stdout);
	return rc;
}

int cmd_scan(int argc, char **argv)
{
	static const struct args_choice formats[] = { { "text", SCAN_TEXT },
						      { "json", SCAN_JSON },
						      { NULL, 0 } };
	struct session_args store = { 0 };
	struct scan c = { .limit = UINT64_MAX };
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		RANGE_OPTIONS(&c.range),
		RANGE_PREFIX(&c.range),
		{ "limit", 'n', ARGS_COUNT, &c.limit, "N", "at most so many entries", NULL },
		{ "reverse", 'r', ARGS_FLAG, &c.reverse, NULL, "from the last key to the first",
		  NULL },
		{ "keys-only", 'k', ARGS_FLAG, &c.keys_only, NULL, "do not print the values",
		  NULL },
		{ "count", 'c', ARGS_FLAG, &c.count, NULL, "print only how many there are", NULL },
		{ "format", 0, ARGS_CHOICE, &c.format, NULL, "how to print (default: text)",
		  formats },
		{ "hex", 0, ARGS_FLAG, &c.hex, NULL,
		  "keys given and all that is printed are hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"scan",
		"",
		"Print the entries of a range or prefix in the order of their keys: key, tab,\n"
		"value on a line, with \\t \\n \\r \\\\ and \\xHH for what a line cannot show; or "
		"as\n"
		"a JSON array. For all entries in a form to load again, see `shale dump`.",
		0,
		0,
		options,
		"  shale scan -d /srv/store --prefix user: --limit 10\n"
		"  shale scan -d /srv/store --from 2023 --to 2024 --count\n"
		"  shale scan -d /srv/store --reverse -n 1 --format json",
	};
	struct session s;
	int rc;

	args_parse(&command, argc, argv);
	range_take(&c.range, &command, c.hex);
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc == TOOL_OK)
		rc = session_close(&s, scan_run(&c, &s));
	range_fini(&c.range);
	text_fini(&c.line);
	return rc;
}
