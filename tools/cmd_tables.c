/*
 * shale tables: the properties of every table, and how well the filters work:
 * keys that are not there are looked up, and each filter that lets one through
 * has erred. Such a key is an existing one with a tail, so it falls between the
 * keys of the tables, where only a filter can tell that it is missing.
 */
#include "args.h"
#include "grid.h"
#include "progress.h"
#include "session.h"
#include "stack.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum {
	TABLES_KEY_COLUMNS = 28,
	TABLES_SAMPLE = 4096, /* existing keys that absent ones are made from */
};

static const char *compression_name(shale_compression c)
{
	switch (c) {
	case SHALE_NO_COMPRESSION:
		return "none";
	case SHALE_LZ4:
		return "lz4";
	case SHALE_ZSTD:
		return "zstd";
	case SHALE_SNAPPY:
		return "snappy";
	default:
		return "default";
	}
}

static struct human age(uint64_t created_ms)
{
	struct timespec now;
	uint64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	return human_time(now_ms > created_ms ? (now_ms - created_ms) * 1000000 : 0);
}

static void add_row(struct grid *g, const struct stack_table *t)
{
	const shale_table_info *i = &t->info;
	char *smallest = text_brief(i->smallest, TABLES_KEY_COLUMNS);
	char *largest = text_brief(i->largest, TABLES_KEY_COLUMNS);

	grid_add(g, "%s", stack_file_name(i->number).text);
	grid_add(g, "%s", t->cf);
	grid_add(g, "L%u", i->level);
	grid_add(g, "%" PRIu64, i->run);
	grid_add(g, "%s", human_size(i->bytes).text);
	grid_add(g, "%s", human_count(i->entries).text);
	grid_add(g, "%" PRIu64, i->tombstones + i->range_tombstones);
	grid_add(g, "%s", compression_name(i->compression));
	grid_add(g, "%s", human_ratio((double)i->raw_bytes, (double)i->data_bytes).text);
	grid_add(g, "%s", human_size(i->index_bytes).text);
	grid_add(g, "%s", human_ratio((double)i->filter_bytes * 8, (double)i->entries).text);
	grid_add(g, "%s", age(i->created_ms).text);
	grid_add(g, "%s", smallest);
	grid_add(g, "%s", largest);
	free(smallest);
	free(largest);
}

static void print_tables(const struct stack *s, const char *family)
{
	static const struct grid_column columns[] = {
		{ "file", false },     { "family", false },  { "level", false },
		{ "run", true },       { "size", true },     { "entries", true },
		{ "dead", true },      { "codec", false },   { "ratio", true },
		{ "index", true },     { "bits/key", true }, { "age", true },
		{ "smallest", false }, { "largest", false }, { NULL, false },
	};
	struct look look = look_of(stdout);
	struct grid g;

	if (!s->count) {
		puts("no tables");
		return;
	}
	grid_init(&g, columns);
	for (size_t i = 0; i < s->count; i++)
		if (!family || !strcmp(family, s->tables[i].cf))
			add_row(&g, &s->tables[i]);
	grid_print(&g, stdout, &look, 0);
	grid_fini(&g);
}

/* ---- filters ---- */

struct sample {
	struct text keys[TABLES_SAMPLE];
	size_t count;
};

/* Keys from the beginning of every table, as many from each. */
static shale_status sample_collect(struct session *s, const struct stack *stack, const char *family,
				   struct sample *sample)
{
	size_t each = TABLES_SAMPLE / (stack->count ? stack->count : 1) + 1;
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *it = NULL;
	shale_status status;

	o.cf = s->cf;
	status = shale_iter_new(s->db, &o, &it);
	for (size_t i = 0; i < stack->count && status >= 0; i++) {
		const struct stack_table *t = &stack->tables[i];

		if (strcmp(t->cf, family ? family : "default"))
			continue;
		status = shale_iter_seek(it, t->info.smallest);
		for (size_t k = 0; k < each && status == SHALE_OK; k++) {
			shale_slice key = shale_iter_key(it);

			if (sample->count == TABLES_SAMPLE)
				break;
			text_add(&sample->keys[sample->count++], key.data, key.size);
			status = shale_iter_next(it);
		}
	}
	shale_iter_free(it);
	return status < 0 ? status : SHALE_OK;
}

/* Look absent keys up; *absent counts those that really were. */
static shale_status probe(struct session *s, const struct sample *sample, uint64_t probes,
			  uint64_t *absent)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	struct text key = { 0 };
	struct progress p;
	shale_status status = SHALE_OK;
	shale_value value;

	o.cf = s->cf;
	progress_start(&p, "filters", PROGRESS_COUNT, probes);
	*absent = 0;
	for (uint64_t i = 0; i < probes && status >= 0; i++) {
		text_clear(&key);
		text_add(&key, sample->keys[i % sample->count].data,
			 sample->keys[i % sample->count].size);
		text_add(&key, "\0?", 2);
		text_add(&key, &i, sizeof(i));
		status = shale_get(s->db, &o, text_slice(&key), &value);
		if (status == SHALE_OK)
			shale_value_release(&value);
		else if (status == SHALE_NOT_FOUND)
			(*absent)++;
		if (i % 256 == 0)
			progress_update(&p, i);
	}
	progress_end(&p, NULL);
	text_fini(&key);
	return status < 0 ? status : SHALE_OK;
}

static int measure_filters(struct session *s, const struct stack *stack, const char *family,
			   uint64_t probes)
{
	struct sample *sample = tool_alloc(NULL, sizeof(*sample));
	shale_stats before = SHALE_STATS_INIT, after = SHALE_STATS_INIT;
	uint64_t absent = 0, ns = 0, asked, no, wrong;
	shale_status status;
	int rc = TOOL_OK;

	memset(sample, 0, sizeof(*sample));
	status = sample_collect(s, stack, family, sample);
	if (status == SHALE_OK && sample->count) {
		shale_stats_get(s->db, &before);
		ns = tool_now_ns();
		status = probe(s, sample, probes, &absent);
		ns = tool_now_ns() - ns;
		shale_stats_get(s->db, &after);
	}
	if (status) {
		rc = tool_fail_status(status, "measuring the filters");
	} else if (!sample->count) {
		puts("\nfilters: there are no keys in tables to probe with");
	} else {
		asked = after.filter_probes - before.filter_probes;
		no = after.filter_negatives - before.filter_negatives;
		wrong = after.filter_false_positives - before.filter_false_positives;
		printf("\nfilters: %s absent keys, %s per lookup\n", human_count(absent).text,
		       human_time(ns / probes).text);
		printf("  asked           %14s  (%.2f a lookup)\n", human_count(asked).text,
		       (double)asked / (double)probes);
		printf("  said no         %14s\n", human_count(no).text);
		printf("  false positives %14s", human_count(wrong).text);
		if (no + wrong)
			printf("  (%.3f %%)", 100.0 * (double)wrong / (double)(no + wrong));
		putchar('\n');
		printf("  blocks read     %14s\n",
		       human_count(after.block_reads - before.block_reads).text);
	}
	for (size_t i = 0; i < sample->count; i++)
		text_fini(&sample->keys[i]);
	free(sample);
	return rc;
}

int cmd_tables(int argc, char **argv)
{
	struct session_args store = { 0 };
	uint64_t probes = 1000000;
	bool filter = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		SESSION_FAMILY(&store),
		{ "filter", 0, ARGS_FLAG, &filter, NULL,
		  "look absent keys up and tell how often the filters are wrong", NULL },
		{ "probes", 0, ARGS_COUNT, &probes, "N", "so many (default: 1000000)", NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"tables",
		"",
		"List the tables: newest run first, then by key. `dead` counts tombstones,\n"
		"`ratio` is raw over stored bytes of data, `bits/key` the size of the filter.",
		0,
		0,
		options,
		"  shale tables -d /srv/store --filter",
	};
	struct session s;
	struct stack stack;
	shale_status status;
	int rc;

	args_parse(&command, argc, argv);
	if (!probes)
		args_usage(&command, "--probes: at least 1");
	rc = session_open(&s, &command, &store, SESSION_READ);
	if (rc)
		return rc;
	status = stack_collect(s.db, &stack);
	if (status)
		return session_close(&s, tool_fail_status(status, "listing the tables"));
	print_tables(&stack, store.family);
	if (filter)
		rc = measure_filters(&s, &stack, store.family, probes);
	stack_fini(&stack);
	return session_close(&s, rc);
}
