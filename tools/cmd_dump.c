/* shale dump: write all entries in a format that `shale load` reads. */
#include "args.h"
#include "grid.h"
#include "progress.h"
#include "range.h"
#include "rows.h"
#include "session.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>

enum { DUMP_CHUNK = 256 * 1024 };

struct dump {
	struct range range;
	const struct rows_format *format;
	FILE *out;
	struct text text;
	uint64_t entries, bytes;
};

static bool write_chunk(struct dump *d)
{
	size_t size = d->text.size;

	d->bytes += size;
	text_clear(&d->text);
	return !size || fwrite(d->text.data, 1, size, d->out) == size;
}

static int dump_entries(struct dump *d, shale_iter *it, struct progress *p)
{
	shale_status status = shale_iter_first(it);
	shale_slice key, value;
	const char *wrong;
	char *name;

	text_add_str(&d->text, d->format->header);
	for (; status == SHALE_OK; status = shale_iter_next(it)) {
		key = shale_iter_key(it);
		status = shale_iter_value(it, &value);
		if (status)
			break;
		wrong = d->format->write(&d->text, key, value);
		if (wrong) {
			name = text_brief(key, 60);
			progress_end(p, NULL);
			tool_fail("the entry %s cannot be written as %s: %s", name, d->format->name,
				  wrong);
			free(name);
			return TOOL_FAILED;
		}
		d->entries++;
		if (d->text.size < DUMP_CHUNK)
			continue;
		if (!write_chunk(d))
			return tool_fail("writing: %s", strerror(errno));
		progress_update(p, d->bytes);
	}
	progress_end(p, NULL);
	if (status != SHALE_END)
		return tool_fail_status(status, "dump");
	if (!write_chunk(d) || fflush(d->out))
		return tool_fail("writing: %s", strerror(errno));
	return TOOL_OK;
}

static int dump_run(struct dump *d, struct session *s)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it = NULL;
	struct progress p;
	shale_status status;
	int rc;

	o.cf = s->cf;
	o.no_fill_cache = true;
	range_apply(&d->range, &o);
	status = shale_iter_new(s->db, &o, &it);
	if (status)
		return tool_fail_status(status, "dump");
	progress_start(&p, "dump", PROGRESS_BYTES, 0);
	/* Lines of the dump and of progress must not mix on one terminal. */
	if (look_of(d->out).terminal)
		p.look.terminal = false;
	rc = dump_entries(d, it, &p);
	shale_iter_free(it);
	if (rc == TOOL_OK)
		fprintf(stderr, "dumped %s entries, %s\n", human_count(d->entries).text,
			human_size(d->bytes).text);
	return rc;
}

int cmd_dump(int argc, char **argv)
{
	struct session_args store = { 0 };
	struct dump d = { .out = stdout };
	const char *output = NULL;
	int format = ROWS_UNKNOWN, rc;
	bool hex = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		{ "format", 'f', ARGS_CHOICE, &format, NULL,
		  "default: as the name of --output ends, or tsv", rows_choices },
		{ "output", 'o', ARGS_TEXT, &output, "FILE", "default: standard output", NULL },
		RANGE_OPTIONS(&d.range),
		RANGE_PREFIX(&d.range),
		{ "hex", 0, ARGS_FLAG, &hex, NULL, "keys given are hexadecimal", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"dump",
		"",
		"Write the entries of a column family, ordered by key, so that `shale load` with\n"
		"the same --format makes them again, whatever bytes they hold:\n"
		"  tsv     key, tab, value; \\t \\n \\r \\\\ and \\xHH stand for what a line "
		"cannot hold\n"
		"  csv     RFC 4180: fields with commas, quotes and line breaks are quoted\n"
		"  jsonl   {\"key\":...,\"value\":...} a line; what is not UTF-8 stands in\n"
		"          hexadecimal as \"key_hex\" or \"value_hex\"\n"
		"  deb822  Debian package paragraphs; only for entries that are such\n"
		"When an entry expires is not written: what is loaded again stays, or lives as\n"
		"long as `shale load --ttl` says.",
		0,
		0,
		options,
		"  shale dump -d /srv/store > all.tsv\n"
		"  shale dump -d /srv/store -o users.jsonl --prefix user:",
	};
	struct session s;

	args_parse(&command, argc, argv);
	range_take(&d.range, &command, hex);
	if (format == ROWS_UNKNOWN && output)
		format = rows_by_name(output);
	d.format = rows_formats[format == ROWS_UNKNOWN ? 0 : format];
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		goto out;
	if (output)
		d.out = fopen(output, "w");
	if (!d.out)
		rc = tool_fail("%s: %s", output, strerror(errno));
	else
		rc = dump_run(&d, &s);
	rc = session_close(&s, rc);
	if (output && d.out && fclose(d.out) && rc == TOOL_OK)
		rc = tool_fail("%s: %s", output, strerror(errno));
out:
	range_fini(&d.range);
	text_fini(&d.text);
	return rc;
}
