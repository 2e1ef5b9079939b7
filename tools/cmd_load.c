/*
 * shale load: store records from a file. Records are committed in batches, each
 * as one. A malformed record stops the load, after what came before it has been
 * committed, and is named by its line.
 */
#include "args.h"
#include "grid.h"
#include "progress.h"
#include "rows.h"
#include "session.h"
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

enum {
	LOAD_BATCH_BYTES = 1 << 20,
	LOAD_BATCH_COUNT = 4096,
	LOAD_BAD_SHOWN = 10, /* so many malformed records are named, the others counted */
};

struct load {
	const struct rows_format *format;
	const char *name; /* of the input */
	struct rows_reader reader;
	struct progress progress;
	shale_db *db;
	shale_batch *batch;
	shale_write_options o;
	size_t batch_bytes;
	bool skip_bad;
	uint64_t entries, bytes, bad;
};

static int load_commit(struct load *l)
{
	shale_status status;

	if (!shale_batch_count(l->batch))
		return TOOL_OK;
	status = shale_write(l->db, &l->o, l->batch);
	if (status) {
		progress_end(&l->progress, NULL);
		return tool_fail_status(status, "writing the records up to line %" PRIu64,
					l->reader.line);
	}
	l->entries += shale_batch_count(l->batch);
	shale_batch_clear(l->batch);
	l->batch_bytes = 0;
	return TOOL_OK;
}

/* The malformed record just met: counted with --skip-bad, else the end. */
static int load_bad(struct load *l, const char *why)
{
	l->bad++;
	if (!l->skip_bad || l->bad <= LOAD_BAD_SHOWN) {
		progress_end(&l->progress, NULL);
		tool_fail("%s: line %" PRIu64 ": %s", l->name, l->reader.record_line, why);
	}
	return l->skip_bad ? TOOL_OK : TOOL_FAILED;
}

static int load_add(struct load *l, shale_slice key, shale_slice value)
{
	shale_status status = shale_batch_put(l->batch, &l->o, key, value);

	if (status == SHALE_TOO_LARGE)
		return load_bad(l, shale_last_error()->text);
	if (status) {
		progress_end(&l->progress, NULL);
		return tool_fail_status(status, "line %" PRIu64, l->reader.record_line);
	}
	l->bytes += key.size + value.size;
	l->batch_bytes += key.size + value.size;
	if (l->batch_bytes < LOAD_BATCH_BYTES && shale_batch_count(l->batch) < LOAD_BATCH_COUNT)
		return TOOL_OK;
	progress_update(&l->progress, l->reader.bytes);
	return load_commit(l);
}

static int load_records(struct load *l)
{
	struct text key = { 0 }, value = { 0 };
	int rc = TOOL_OK, committed;
	enum rows_result result = ROWS_OK;

	while (rc == TOOL_OK && result != ROWS_END) {
		result = l->format->read(&l->reader, &key, &value);
		if (result == ROWS_OK) {
			rc = load_add(l, text_slice(&key), text_slice(&value));
		} else if (result == ROWS_BAD) {
			rc = load_bad(l, l->reader.error);
		} else if (result == ROWS_FAILED) {
			progress_end(&l->progress, NULL);
			rc = tool_fail("reading %s: %s", l->name, strerror(errno));
		}
	}
	text_fini(&key);
	text_fini(&value);
	committed = load_commit(l);
	return rc ? rc : committed;
}

static int load_run(struct load *l, FILE *in)
{
	struct stat info;
	shale_status status;
	uint64_t ns;
	int rc;

	status = shale_batch_new(&l->batch);
	if (status)
		return tool_fail_status(status, "load");
	rows_init(&l->reader, in);
	progress_start(&l->progress, "load", PROGRESS_BYTES,
		       fstat(fileno(in), &info) == 0 && S_ISREG(info.st_mode)
			       ? (uint64_t)info.st_size
			       : 0);
	rc = load_records(l);
	ns = progress_elapsed_ns(&l->progress);
	progress_end(&l->progress, "loaded %s entries, %s in %s (%s entries/s)",
		     human_count(l->entries).text, human_size(l->bytes).text, human_time(ns).text,
		     human_short((double)l->entries * 1e9 / (double)(ns ? ns : 1)).text);
	if (l->skip_bad && l->bad)
		fprintf(stderr, "skipped %s malformed record%s\n", human_count(l->bad).text,
			l->bad == 1 ? "" : "s");
	rows_fini(&l->reader, l->format);
	shale_batch_free(l->batch);
	return rc;
}

int cmd_load(int argc, char **argv)
{
	struct session_args store = { 0 };
	struct load l = { .o = SHALE_WRITE_OPTIONS_INIT };
	int format = ROWS_UNKNOWN, rc;
	uint64_t ttl_ms = 0;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		SESSION_DURABILITY(&store),
		{ "format", 'f', ARGS_CHOICE, &format, NULL,
		  "default: as the name of FILE ends, or tsv", rows_choices },
		{ "ttl", 0, ARGS_DURATION, &ttl_ms, "TIME",
		  "the entries are gone after this time (default: the family's)", NULL },
		{ "skip-bad", 0, ARGS_FLAG, &l.skip_bad, NULL,
		  "leave out malformed records and count them, instead of stopping", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"load",
		"[FILE]",
		"Store the records of FILE, or of standard input. The store is created if it is\n"
		"missing. Formats:\n"
		"  tsv     key, tab, value; \\t \\n \\r \\\\ and \\xHH are escapes\n"
		"  csv     RFC 4180, two fields; a first line key,value is taken for a header\n"
		"  jsonl   {\"key\":...,\"value\":...} a line; \"key_hex\" and \"value_hex\" hold\n"
		"          bytes in hexadecimal\n"
		"  deb822  Debian package paragraphs: the key is Package/Version, the value the\n"
		"          paragraph",
		0,
		1,
		options,
		"  shale load -d /srv/store all.tsv\n"
		"  apt-cache dumpavail | shale load -d /srv/packages --format deb822",
	};
	struct session s;
	FILE *in = stdin;

	if (args_parse(&command, argc, argv) == 0 || !strcmp(argv[1], "-")) {
		l.name = "standard input";
	} else {
		l.name = argv[1];
		in = fopen(l.name, "r");
		if (!in)
			return tool_fail("%s: %s", l.name, strerror(errno));
		if (format == ROWS_UNKNOWN)
			format = rows_by_name(l.name);
	}
	l.format = rows_formats[format == ROWS_UNKNOWN ? 0 : format];
	rc = session_open(&s, &command, &store, SESSION_CREATE);
	if (rc == TOOL_OK) {
		l.db = s.db;
		l.o.cf = s.cf;
		l.o.ttl_ms = ttl_ms;
		l.o.durability = (shale_durability)store.durability;
		rc = session_close(&s, load_run(&l, in));
	}
	if (in != stdin)
		fclose(in);
	return rc;
}
