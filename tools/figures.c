/* See figures.h. One list of fields drives both forms, so neither can forget one. */
#include "figures.h"

#include "grid.h"

#include <inttypes.h>

enum figure_kind { FIGURE_COUNT, FIGURE_BYTES, FIGURE_TIME };

struct figure {
	const char *name, *label;
	size_t offset;
	enum figure_kind kind;
};

struct figure_group {
	const char *title;
	const struct figure *figures; /* ends with a NULL name */
};

#define FIGURE(field, label, kind)                                                                 \
	{                                                                                          \
#field, label, offsetof(shale_stats, field), FIGURE_##kind                         \
	}
#define FIGURE_END                                                                                 \
	{                                                                                          \
		NULL, NULL, 0, FIGURE_COUNT                                                        \
	}

static const struct figure asked[] = {
	FIGURE(puts, "puts", COUNT),
	FIGURE(deletes, "deletes", COUNT),
	FIGURE(range_deletes, "range deletes", COUNT),
	FIGURE(commits, "commits", COUNT),
	FIGURE(user_bytes, "bytes of keys and values", BYTES),
	FIGURE(gets, "gets", COUNT),
	FIGURE(gets_found, "gets that found", COUNT),
	FIGURE(iterators, "iterators", COUNT),
	FIGURE(seeks, "seeks", COUNT),
	FIGURE(nexts, "steps", COUNT),
	FIGURE(gap_skips, "steps over many deleted keys at once", COUNT),
	FIGURE(gap_scouted, "deleted keys passed before any scan", COUNT),
	FIGURE_END,
};

static const struct figure reads[] = {
	FIGURE(memtable_hits, "answered by a memtable", COUNT),
	FIGURE(filter_probes, "filters asked", COUNT),
	FIGURE(filter_negatives, "filters that said no", COUNT),
	FIGURE(filter_false_positives, "filters that said yes wrongly", COUNT),
	FIGURE(cache_hits, "blocks from the cache", COUNT),
	FIGURE(cache_misses, "blocks not in the cache", COUNT),
	FIGURE(block_reads, "blocks read from files", COUNT),
	FIGURE(block_read_bytes, "bytes of these", BYTES),
	FIGURE_END,
};

static const struct figure logs[] = {
	FIGURE(log_bytes, "bytes written", BYTES),
	FIGURE(log_syncs, "syncs", COUNT),
	FIGURE(log_segments, "segments made", COUNT),
	FIGURE(log_recycled, "segments used again", COUNT),
	FIGURE_END,
};

static const struct figure background[] = {
	FIGURE(flushes, "flushes", COUNT),
	FIGURE(flush_bytes, "bytes flushed", BYTES),
	FIGURE(compactions, "compactions", COUNT),
	FIGURE(compaction_read_bytes, "bytes read", BYTES),
	FIGURE(compaction_written_bytes, "bytes written", BYTES),
	FIGURE(trivial_moves, "tables moved without merging", COUNT),
	FIGURE(entries_in, "entries merged", COUNT),
	FIGURE(entries_kept, "entries kept", COUNT),
	FIGURE(dropped_shadowed, "dropped: overwritten", COUNT),
	FIGURE(dropped_tombstones, "dropped: tombstones", COUNT),
	FIGURE(dropped_expired, "dropped: expired", COUNT),
	FIGURE(dropped_range, "dropped: range deleted", COUNT),
	FIGURE(files_deleted, "files deleted", COUNT),
	FIGURE_END,
};

static const struct figure pressure[] = {
	FIGURE(delayed_writes, "writes delayed", COUNT),
	FIGURE(delay_ns, "time of delays", TIME),
	FIGURE(stops, "writes stopped", COUNT),
	FIGURE(stop_ns, "time stopped", TIME),
	FIGURE(longest_stop_ns, "longest stop", TIME),
	FIGURE(order_waits, "waits for the ordered step", COUNT),
	FIGURE(publish_waits, "waits to become visible", COUNT),
	FIGURE_END,
};

static const struct figure state[] = {
	FIGURE(memtables, "memtables", COUNT),
	FIGURE(sealed_memtables, "memtables to flush", COUNT),
	FIGURE(snapshots, "snapshots", COUNT),
	FIGURE(oldest_snapshot, "oldest snapshot (sequence)", COUNT),
	FIGURE(open_iterators, "open iterators", COUNT),
	FIGURE(last_seq, "last sequence number", COUNT),
	FIGURE(compaction_debt_bytes, "bytes that await compaction", BYTES),
	FIGURE_END,
};

static const struct figure space[] = {
	FIGURE(space_used, "in files", BYTES),
	FIGURE(space_max, "allowed (0: no bound)", BYTES),
	FIGURE(space_reserve, "reserve", BYTES),
	FIGURE(space_free, "free on the disk", BYTES),
	FIGURE(garbage_files, "files to delete", COUNT),
	FIGURE(garbage_bytes, "bytes of these", BYTES),
	FIGURE(space_refused, "writes refused", COUNT),
	FIGURE(space_short, "no room now", COUNT),
	FIGURE(table_bytes, "bytes of tables", BYTES),
	FIGURE(live_bytes, "of these live, about", BYTES),
	FIGURE_END,
};

static const struct figure memory[] = {
	FIGURE(memory_budget, "budget", BYTES),
	FIGURE(memory_used, "used", BYTES),
	FIGURE(memory_memtables, "  memtables", BYTES),
	FIGURE(memory_cache, "  cache", BYTES),
	FIGURE(memory_tables, "  indexes and filters", BYTES),
	FIGURE(memory_log, "  log", BYTES),
	FIGURE(memory_other, "  other", BYTES),
	FIGURE_END,
};

static const struct figure opening[] = {
	FIGURE(recovery_ns, "time of recovery", TIME),
	FIGURE(recovered_records, "log records replayed", COUNT),
	FIGURE(recovered_bytes, "log bytes replayed", BYTES),
	FIGURE(discarded_tail_bytes, "bytes of an unfinished tail", BYTES),
	FIGURE(discarded_tail_offset, "offset of that tail", COUNT),
	FIGURE(orphans_removed, "left-over files removed", COUNT),
	FIGURE_END,
};

static const struct figure limiter[] = {
	FIGURE(rate_bytes, "bytes merges were let through", BYTES),
	FIGURE(rate_ops, "operations of these", COUNT),
	FIGURE(rate_wait_ns, "time merges waited for it", TIME),
	FIGURE(rate_bytes_per_s, "bytes a second now, if limited", BYTES),
	FIGURE(rate_ops_per_s, "operations a second now", COUNT),
	FIGURE(foreground_p99_ns, "p99 of gets and puts", TIME),
	FIGURE(compaction_pauses, "pauses in force", COUNT),
	FIGURE_END,
};

static const struct figure_group groups[] = {
	{ "Asked of this process", asked },
	{ "Where reads were answered", reads },
	{ "Log", logs },
	{ "Flushes and compactions", background },
	{ "Back-pressure", pressure },
	{ "State", state },
	{ "Space", space },
	{ "Memory", memory },
	{ "This opening of the store", opening },
	{ "The limiter of merges", limiter },
};

static uint64_t figure_value(const shale_stats *s, const struct figure *f)
{
	uint64_t value;

	memcpy(&value, (const char *)s + f->offset, sizeof(value));
	return value;
}

static struct human figure_human(const struct figure *f, uint64_t value)
{
	switch (f->kind) {
	case FIGURE_BYTES:
		return human_size(value);
	case FIGURE_TIME:
		return human_time(value);
	default:
		return human_count(value);
	}
}

uint64_t figures_table_bytes(const shale_stats *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++)
		sum += s->level[i].bytes;
	return sum;
}

uint64_t figures_tables(const shale_stats *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++)
		sum += s->level[i].tables;
	return sum;
}

/* ---- tables of figures ---- */

static void add_work(struct grid *g, const shale_work_stats *w)
{
	grid_add(g, "%s", human_count(w->jobs).text);
	grid_add(g, "%s", human_size(w->read_bytes).text);
	grid_add(g, "%s", human_size(w->written_bytes).text);
	grid_add(g, "%s", human_count(w->entries_kept).text);
	grid_add(g, "%s", human_count(w->dropped_shadowed).text);
	grid_add(g, "%s", human_count(w->dropped_tombstones).text);
	grid_add(g, "%s", human_count(w->dropped_expired).text);
	grid_add(g, "%s", human_count(w->dropped_range).text);
	grid_add(g, "%s", human_count(w->failed).text);
}

#define WORK_COLUMNS                                                                               \
	{ "jobs", true }, { "read", true }, { "wrote", true }, { "kept", true },                   \
		{ "overwritten", true }, { "tombstones", true }, { "expired", true },              \
		{ "range deleted", true }, { "failed", true },                                     \
	{                                                                                          \
		NULL, false                                                                        \
	}

static bool is_idle(const shale_work_stats *w)
{
	return w->jobs == 0 && w->failed == 0;
}

static void print_grid(struct grid *g, FILE *f, const struct look *look, const char *title,
		       const char *nothing)
{
	fprintf(f, "\n%s%s%s\n", look->bold, title, look->plain);
	if (g->cell_count)
		grid_print(g, f, look, 2);
	else
		fprintf(f, "  %s\n", nothing);
	grid_fini(g);
}

static void print_reasons(const shale_stats *s, FILE *f, const struct look *look)
{
	static const struct grid_column columns[] = { { "because", false }, WORK_COLUMNS };
	struct grid g;

	grid_init(&g, columns);
	for (unsigned i = 0; i < SHALE_REASONS_MAX; i++) {
		if (is_idle(&s->by_reason[i]))
			continue;
		grid_add(&g, "%s", shale_reason_name((shale_reason)i));
		add_work(&g, &s->by_reason[i]);
	}
	print_grid(&g, f, look, "Flushes and compactions by reason", "none");
}

static void print_work(const shale_stats *s, FILE *f, const struct look *look)
{
	static const struct grid_column columns[] = { { "into", false }, WORK_COLUMNS };
	struct grid g;

	grid_init(&g, columns);
	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++) {
		if (is_idle(&s->by_level[i]))
			continue;
		grid_add(&g, "L%u", i);
		add_work(&g, &s->by_level[i]);
	}
	print_grid(&g, f, look, "Flushes and compactions by level", "none");
}

static void print_causes(const shale_stats *s, FILE *f, const struct look *look)
{
	static const struct grid_column columns[] = {
		{ "held back by", false }, { "delays", true }, { "in all", true },
		{ "longest", true },       { "stops", true },  { "in all", true },
		{ "longest", true },       { NULL, false },
	};
	struct grid g;

	grid_init(&g, columns);
	for (unsigned i = 0; i < SHALE_STALLS_MAX; i++) {
		const shale_stall_stats *c = &s->by_cause[i];

		if (!c->delays && !c->stops)
			continue;
		grid_add(&g, "%s", shale_stall_cause_name((shale_stall_cause)i));
		grid_add(&g, "%s", human_count(c->delays).text);
		grid_add(&g, "%s", human_time(c->delay_ns).text);
		grid_add(&g, "%s", human_time(c->longest_delay_ns).text);
		grid_add(&g, "%s", human_count(c->stops).text);
		grid_add(&g, "%s", human_time(c->stop_ns).text);
		grid_add(&g, "%s", human_time(c->longest_stop_ns).text);
	}
	print_grid(&g, f, look, "Back-pressure by cause", "none");
}

static void print_amplification(const shale_stats *s, FILE *f, const struct look *look)
{
	fprintf(f, "\n%sAmplification%s\n", look->bold, look->plain);
	fprintf(f, "  %-30s %14.2f\n", "bytes written a byte put", shale_write_amplification(s));
	fprintf(f, "  %-30s %14.2f\n", "bytes of tables a live byte", shale_space_amplification(s));
	fprintf(f, "  %-30s %14.2f\n", "tables asked a get", shale_read_amplification(s));
}

static void print_levels(const shale_stats *s, FILE *f, const struct look *look)
{
	static const struct grid_column columns[] = {
		{ "level", false },     { "runs", true },        { "tables", true },
		{ "size", true },       { "entries", true },     { "tombstones", true },
		{ "merge read", true }, { "merge wrote", true }, { NULL, false },
	};
	struct grid g;

	grid_init(&g, columns);
	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++) {
		const shale_level_stats *l = &s->level[i];

		if (!l->tables && !l->read_bytes && !l->written_bytes)
			continue;
		grid_add(&g, "L%u", i);
		grid_add(&g, "%s", human_count(l->runs).text);
		grid_add(&g, "%s", human_count(l->tables).text);
		grid_add(&g, "%s", human_size(l->bytes).text);
		grid_add(&g, "%s", human_count(l->entries).text);
		grid_add(&g, "%s", human_count(l->tombstones).text);
		grid_add(&g, "%s", human_size(l->read_bytes).text);
		grid_add(&g, "%s", human_size(l->written_bytes).text);
	}
	print_grid(&g, f, look, "Levels", "no tables");
}

void figures_print(const shale_stats *s, FILE *f, const struct look *look)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		fprintf(f, "%s%s%s%s\n", i ? "\n" : "", look->bold, groups[i].title, look->plain);
		for (const struct figure *g = groups[i].figures; g->name; g++) {
			uint64_t value = figure_value(s, g);

			fprintf(f, "  %s%-30s %14s%s\n", value ? "" : look->dim, g->label,
				figure_human(g, value).text, look->plain);
		}
	}
	print_levels(s, f, look);
	print_reasons(s, f, look);
	print_work(s, f, look);
	print_causes(s, f, look);
	print_amplification(s, f, look);
}

/* ---- JSON ---- */

static void json_work(struct text *t, const shale_work_stats *w)
{
	text_printf(t,
		    "{\"jobs\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"read_bytes\": %" PRIu64
		    ", \"written_bytes\": %" PRIu64 ", \"entries_in\": %" PRIu64
		    ", \"entries_kept\": %" PRIu64 ", \"dropped_shadowed\": %" PRIu64
		    ", \"dropped_tombstones\": %" PRIu64 ", \"dropped_expired\": %" PRIu64
		    ", \"dropped_range\": %" PRIu64 "}",
		    w->jobs, w->failed, w->read_bytes, w->written_bytes, w->entries_in,
		    w->entries_kept, w->dropped_shadowed, w->dropped_tombstones, w->dropped_expired,
		    w->dropped_range);
}

static void json_attribution(const shale_stats *s, struct text *t)
{
	text_add_str(t, "  \"by_reason\": {\n");
	for (unsigned i = 0; i < SHALE_REASONS; i++) {
		text_printf(t, "    \"%s\": ", shale_reason_name((shale_reason)i));
		json_work(t, &s->by_reason[i]);
		text_add_str(t, i + 1 < SHALE_REASONS ? ",\n" : "\n  },\n");
	}
	text_add_str(t, "  \"by_level\": [\n");
	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++) {
		text_add_str(t, "    ");
		json_work(t, &s->by_level[i]);
		text_add_str(t, i + 1 < SHALE_LEVELS_MAX ? ",\n" : "\n  ],\n");
	}
	text_add_str(t, "  \"by_cause\": {\n");
	for (unsigned i = 1; i < SHALE_STALL_CAUSES; i++) {
		const shale_stall_stats *c = &s->by_cause[i];

		text_printf(t,
			    "    \"%s\": {\"delays\": %" PRIu64 ", \"delay_ns\": %" PRIu64
			    ", \"longest_delay_ns\": %" PRIu64 ", \"stops\": %" PRIu64
			    ", \"stop_ns\": %" PRIu64 ", \"longest_stop_ns\": %" PRIu64 "}%s",
			    shale_stall_cause_name((shale_stall_cause)i), c->delays, c->delay_ns,
			    c->longest_delay_ns, c->stops, c->stop_ns, c->longest_stop_ns,
			    i + 1 < SHALE_STALL_CAUSES ? ",\n" : "\n  },\n");
	}
	text_printf(t,
		    "  \"write_amplification\": %.4f,\n  \"space_amplification\": %.4f,\n"
		    "  \"read_amplification\": %.4f,\n",
		    shale_write_amplification(s), shale_space_amplification(s),
		    shale_read_amplification(s));
}

void figures_json(const shale_stats *s, struct text *t)
{
	text_add_str(t, "{\n");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct figure *g = groups[i].figures; g->name; g++)
			text_printf(t, "  \"%s\": %" PRIu64 ",\n", g->name, figure_value(s, g));
	json_attribution(s, t);
	text_add_str(t, "  \"level\": [\n");
	for (unsigned i = 0; i < SHALE_LEVELS_MAX; i++) {
		const shale_level_stats *l = &s->level[i];

		text_printf(t,
			    "    {\"runs\": %" PRIu64 ", \"tables\": %" PRIu64
			    ", \"bytes\": %" PRIu64 ", \"entries\": %" PRIu64
			    ", \"tombstones\": %" PRIu64 ", \"read_bytes\": %" PRIu64
			    ", \"written_bytes\": %" PRIu64 "}%s\n",
			    l->runs, l->tables, l->bytes, l->entries, l->tombstones, l->read_bytes,
			    l->written_bytes, i + 1 < SHALE_LEVELS_MAX ? "," : "");
	}
	text_add_str(t, "  ]\n}\n");
}

/* Fields and levels together must be all there is behind struct_size. */
#define FIGURES_OF(list) (sizeof(list) / sizeof((list)[0]) - 1)
_Static_assert(sizeof(size_t) +
			       (FIGURES_OF(asked) + FIGURES_OF(reads) + FIGURES_OF(logs) +
				FIGURES_OF(background) + FIGURES_OF(pressure) + FIGURES_OF(state) +
				FIGURES_OF(space) + FIGURES_OF(memory) + FIGURES_OF(opening) +
				FIGURES_OF(limiter)) *
				       sizeof(uint64_t) +
			       SHALE_LEVELS_MAX *
				       (sizeof(shale_level_stats) + sizeof(shale_work_stats)) +
			       SHALE_REASONS_MAX * sizeof(shale_work_stats) +
			       SHALE_STALLS_MAX * sizeof(shale_stall_stats) ==
		       sizeof(shale_stats),
	       "a field of shale_stats is not printed");
