/* See jobs.h. */
#include "jobs.h"

#include "grid.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

bool jobs_add(void *arg, const shale_job *j)
{
	struct jobs *all = arg;
	shale_job *to;

	if (!(all->count & (all->count - 1)))
		all->jobs = tool_alloc(all->jobs,
				       (all->count ? 2 * all->count : 1) * sizeof(*all->jobs));
	to = &all->jobs[all->count++];
	*to = *j;
	to->cf = strcpy(tool_alloc(NULL, strlen(j->cf) + 1), j->cf);
	to->text = "";
	return true;
}

void jobs_fini(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++)
		free((char *)jobs->jobs[i].cf);
	free(jobs->jobs);
	memset(jobs, 0, sizeof(*jobs));
}

static const char *kind_name(shale_job_kind kind)
{
	switch (kind) {
	case SHALE_JOB_FLUSH:
		return "flush";
	case SHALE_JOB_MERGE:
		return "merge";
	case SHALE_JOB_MOVE:
		return "move";
	case SHALE_JOB_DROP:
		return "drop";
	}
	return "?";
}

static bool is_of(const shale_job *j, const char *family)
{
	return !family || !strcmp(family, j->cf);
}

/* Where the last `limit` of a family begin. */
static size_t begin_of(const struct jobs *jobs, const char *family, size_t limit)
{
	size_t i = jobs->count, n = 0;

	while (i > 0 && (limit == 0 || n < limit))
		n += is_of(&jobs->jobs[--i], family);
	return i;
}

/* The levels that tables came from, such as "L0 L3", or the memtable. */
static void levels_of(const shale_job *j, char *out, size_t size)
{
	size_t at = 0;

	snprintf(out, size, "%s", j->kind == SHALE_JOB_FLUSH ? "memory" : "");
	for (unsigned l = 0; l < SHALE_LEVELS_MAX; l++)
		if (j->levels_in >> l & 1 && at + 4 < size)
			at += (size_t)snprintf(out + at, size - at, "%sL%u", at ? " " : "", l);
}

static void add_row(struct grid *g, const shale_job *j)
{
	time_t seconds = (time_t)(j->start_ms / 1000);
	char when[32] = "?", from[8 * SHALE_LEVELS_MAX];
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	levels_of(j, from, sizeof(from));
	grid_add(g, "%" PRIu64, j->id);
	grid_add(g, "%s", when);
	grid_add(g, "%s", j->cf[0] ? j->cf : "(gone)");
	grid_add(g, "%s", kind_name(j->kind));
	grid_add(g, "%s", shale_reason_name(j->reason));
	grid_add(g, "%s", from);
	grid_add(g, "L%u", j->level_out);
	grid_add(g, "%" PRIu64, j->tables_in);
	grid_add(g, "%s", human_size(j->bytes_in).text);
	grid_add(g, "%" PRIu64, j->tables_out);
	grid_add(g, "%s", human_size(j->bytes_out).text);
	grid_add(g, "%s", human_count(j->entries_in).text);
	grid_add(g, "%s", human_count(j->entries_in - j->entries_kept).text);
	grid_add(g, "%s", human_time(j->ns).text);
}

void jobs_list(const struct jobs *jobs, const char *family, size_t limit, struct text *t,
	       const struct look *look)
{
	static const struct grid_column columns[] = {
		{ "job", true },      { "began", false }, { "family", false }, { "kind", false },
		{ "because", false }, { "from", false },  { "to", false },     { "tables", true },
		{ "size", true },     { "tables", true }, { "size", true },    { "entries", true },
		{ "dropped", true },  { "took", true },   { NULL, false },
	};
	struct grid g;

	grid_init(&g, columns);
	for (size_t i = begin_of(jobs, family, limit); i < jobs->count; i++)
		if (is_of(&jobs->jobs[i], family))
			add_row(&g, &jobs->jobs[i]);
	if (g.cell_count)
		grid_print_to(&g, t, look, 0);
	else
		text_add_str(t, "no jobs\n");
	grid_fini(&g);
}

static void json_job(struct text *t, const shale_job *j)
{
	text_printf(t, "  {\"job\": %" PRIu64 ", \"start_ms\": %" PRIu64 ", \"ns\": %" PRIu64 ", ",
		    j->id, j->start_ms, j->ns);
	text_json_member(t, "family", shale_str(j->cf));
	text_printf(t,
		    ", \"kind\": \"%s\", \"because\": \"%s\", \"levels_in\": %" PRIu32
		    ", \"level_out\": %" PRIu32 ", \"tables_in\": %" PRIu64
		    ", \"tables_out\": %" PRIu64 ", \"bytes_in\": %" PRIu64
		    ", \"bytes_out\": %" PRIu64 ", \"entries_in\": %" PRIu64
		    ", \"entries_kept\": %" PRIu64 ", \"dropped_shadowed\": %" PRIu64
		    ", \"dropped_tombstones\": %" PRIu64 ", \"dropped_expired\": %" PRIu64
		    ", \"dropped_range\": %" PRIu64 "}",
		    kind_name(j->kind), shale_reason_name(j->reason), j->levels_in, j->level_out,
		    j->tables_in, j->tables_out, j->bytes_in, j->bytes_out, j->entries_in,
		    j->entries_kept, j->dropped_shadowed, j->dropped_tombstones, j->dropped_expired,
		    j->dropped_range);
}

void jobs_json(const struct jobs *jobs, const char *family, size_t limit, struct text *t)
{
	const char *between = "\n";

	text_add_char(t, '[');
	for (size_t i = begin_of(jobs, family, limit); i < jobs->count; i++) {
		if (!is_of(&jobs->jobs[i], family))
			continue;
		text_add_str(t, between);
		json_job(t, &jobs->jobs[i]);
		between = ",\n";
	}
	text_add_str(t, "\n]\n");
}
