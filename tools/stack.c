/*
 * The drawing: one scale for all runs of a family, so that the widths show the
 * shape of the stack. A table is a stretch of full blocks; neighbours alternate
 * between two shades. Where several tables share a column they make one cell.
 */
#include "stack.h"

#include "grid.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	STACK_KEY_COLUMNS = 26,
	STACK_DRAW_LEAST = 16,
};

static char *copy_bytes(shale_slice s)
{
	char *copy = tool_alloc(NULL, s.size + 1);

	if (s.size)
		memcpy(copy, s.data, s.size);
	copy[s.size] = 0;
	return copy;
}

bool stack_add(void *arg, const shale_table_info *info)
{
	struct stack *s = arg;
	struct stack_table *t;

	if (!(s->count & (s->count - 1)))
		s->tables =
			tool_alloc(s->tables, (s->count ? 2 * s->count : 1) * sizeof(*s->tables));
	t = &s->tables[s->count++];
	t->info = *info;
	t->cf = copy_bytes(shale_str(info->cf));
	t->smallest = copy_bytes(info->smallest);
	t->largest = copy_bytes(info->largest);
	t->info.cf = t->cf;
	t->info.smallest.data = t->smallest;
	t->info.largest.data = t->largest;
	s->bytes += info->bytes;
	s->entries += info->entries;
	return true;
}

shale_status stack_collect(shale_db *db, struct stack *s)
{
	shale_status status;

	memset(s, 0, sizeof(*s));
	status = shale_tables(db, stack_add, s);
	if (status)
		stack_fini(s);
	return status;
}

void stack_fini(struct stack *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->tables[i].cf);
		free(s->tables[i].smallest);
		free(s->tables[i].largest);
	}
	free(s->tables);
	memset(s, 0, sizeof(*s));
}

struct stack_name stack_file_name(uint64_t number)
{
	struct stack_name name;

	snprintf(name.text, sizeof(name.text), "%08" PRIx64 "-%08" PRIx64 ".sst", number >> 32,
		 number & 0xffffffff);
	return name;
}

/* ---- runs ---- */

/* Tables [first, end) of one run and what they add up to. */
struct run {
	size_t first, end;
	uint64_t bytes, entries, tombstones;
};

static bool same_run(const struct stack_table *a, const struct stack_table *b)
{
	return a->info.level == b->info.level && a->info.run == b->info.run &&
	       !strcmp(a->cf, b->cf);
}

static struct run run_at(const struct stack *s, size_t first)
{
	struct run r = { .first = first, .end = first };

	for (; r.end < s->count && same_run(&s->tables[first], &s->tables[r.end]); r.end++) {
		r.bytes += s->tables[r.end].info.bytes;
		r.entries += s->tables[r.end].info.entries;
		r.tombstones += s->tables[r.end].info.tombstones;
	}
	return r;
}

/* ---- plain ---- */

static void stack_list(const struct stack *s, const char *family, struct text *t,
		       const struct look *look)
{
	static const struct grid_column columns[] = {
		{ "family", false },    { "level", false },    { "run", true },
		{ "tables", true },     { "bytes", true },     { "entries", true },
		{ "tombstones", true }, { "smallest", false }, { "largest", false },
		{ NULL, false },
	};
	struct grid g;
	struct run r;

	grid_init(&g, columns);
	for (size_t i = 0; i < s->count; i = r.end) {
		const struct stack_table *first = &s->tables[i];
		char *smallest, *largest;

		r = run_at(s, i);
		if (family && strcmp(family, first->cf))
			continue;
		smallest = text_brief(first->info.smallest, STACK_KEY_COLUMNS);
		largest = text_brief(s->tables[r.end - 1].info.largest, STACK_KEY_COLUMNS);
		grid_add(&g, "%s", first->cf);
		grid_add(&g, "L%u", first->info.level);
		grid_add(&g, "%" PRIu64, first->info.run);
		grid_add(&g, "%zu", r.end - r.first);
		grid_add(&g, "%" PRIu64, r.bytes);
		grid_add(&g, "%" PRIu64, r.entries);
		grid_add(&g, "%" PRIu64, r.tombstones);
		grid_add(&g, "%s", smallest);
		grid_add(&g, "%s", largest);
		free(smallest);
		free(largest);
	}
	grid_print_to(&g, t, look, 0);
	grid_fini(&g);
}

/* The tables of one level, from table i of it; returns where the next level begins. */
static size_t level_line(const struct stack *s, size_t i, struct text *t)
{
	const struct stack_table *first = &s->tables[i];
	uint64_t runs = 0, bytes = 0, entries = 0, tombstones = 0;
	size_t begin = i;

	while (i < s->count && s->tables[i].info.level == first->info.level &&
	       !strcmp(s->tables[i].cf, first->cf)) {
		struct run r = run_at(s, i);

		runs++;
		bytes += r.bytes;
		entries += r.entries;
		tombstones += r.tombstones;
		i = r.end;
	}
	text_printf(t,
		    "%s L%u: %" PRIu64 " runs, %zu tables, %" PRIu64 " bytes, %" PRIu64
		    " entries, %" PRIu64 " tombstones\n",
		    first->cf, first->info.level, runs, i - begin, bytes, entries, tombstones);
	return i;
}

void stack_lines(const struct stack *s, const char *family, const char *prefix, struct text *t)
{
	struct text line = { 0 };

	for (size_t i = 0; i < s->count;) {
		const char *cf = s->tables[i].cf;

		text_clear(&line);
		i = level_line(s, i, &line);
		if (family && strcmp(family, cf))
			continue;
		text_add_str(t, prefix);
		text_add(t, line.data, line.size);
	}
	if (!s->count)
		text_printf(t, "%sno tables\n", prefix);
	text_fini(&line);
}

/* ---- drawn ---- */

static void draw_boxes(const struct stack *s, const struct run *r, struct text *t,
		       const struct look *look, double columns_per_byte)
{
	double at = 0;
	int drawn = 0, shade = 0;

	text_add_str(t, look_level(look, s->tables[r->first].info.level));
	for (size_t i = r->first; i < r->end; i++) {
		int until;

		at += (double)s->tables[i].info.bytes * columns_per_byte;
		until = (int)(at + 0.5);
		/* A run is never nothing. */
		if (i + 1 == r->end && until == 0)
			until = 1;
		if (until == drawn)
			continue;
		for (; drawn < until; drawn++)
			text_add_str(t, shade ? "▓" : "█");
		shade = !shade;
	}
	text_add_str(t, look->plain);
}

/* How a family is drawn: the columns of its widest run, and what one of them stands for. */
struct scale {
	int width;
	double columns_per_byte;
};

/* `alone` in its level, whose title tells the figures already. */
static void draw_run(const struct stack *s, const struct run *r, struct text *t,
		     const struct look *look, const struct scale *scale, bool alone)
{
	size_t columns = (size_t)(scale->width - 28) / 2;
	char *smallest, *largest;

	if (scale->width < 60)
		columns = 16;
	smallest = text_brief(s->tables[r->first].info.smallest, columns);
	largest = text_brief(s->tables[r->end - 1].info.largest, columns);
	text_add_str(t, "    ");
	draw_boxes(s, r, t, look, scale->columns_per_byte);
	text_printf(t, "\n    %s", look->dim);
	if (!alone)
		text_printf(t, "%zu table%s, %s   ", r->end - r->first,
			    r->end - r->first == 1 ? "" : "s", human_size(r->bytes).text);
	text_printf(t, "%s … %s%s\n", smallest, largest, look->plain);
	free(smallest);
	free(largest);
}

/* All runs of one level, from table i of it; returns where the next level begins. */
static size_t draw_level(const struct stack *s, size_t i, struct text *t, const struct look *look,
			 const struct scale *scale)
{
	uint64_t runs = 0, bytes = 0, entries = 0, tombstones = 0;
	const struct stack_table *first = &s->tables[i];
	size_t end = i, begin = i;
	struct run r;

	while (end < s->count && s->tables[end].info.level == first->info.level &&
	       !strcmp(s->tables[end].cf, first->cf)) {
		r = run_at(s, end);
		runs++;
		bytes += r.bytes;
		entries += r.entries;
		tombstones += r.tombstones;
		end = r.end;
	}
	text_printf(t, "  %sL%u%s  %" PRIu64 " run%s  %zu table%s  %s  %s entries", look->bold,
		    first->info.level, look->plain, runs, runs == 1 ? "" : "s", end - begin,
		    end - begin == 1 ? "" : "s", human_size(bytes).text,
		    human_short((double)entries).text);
	if (tombstones)
		text_printf(t, "  %s tombstones", human_short((double)tombstones).text);
	text_add_char(t, '\n');
	for (; i < end; i = r.end) {
		r = run_at(s, i);
		draw_run(s, &r, t, look, scale, runs == 1);
	}
	return end;
}

/* One family, from its first table; returns where the next family begins. */
static size_t draw_family(const struct stack *s, size_t i, struct text *t, const struct look *look,
			  int width)
{
	const char *name = s->tables[i].cf;
	uint64_t bytes = 0, widest = 1;
	struct scale scale;
	size_t end = i;
	struct run r;

	for (; end < s->count && !strcmp(s->tables[end].cf, name); end = r.end) {
		r = run_at(s, end);
		bytes += r.bytes;
		widest = r.bytes > widest ? r.bytes : widest;
	}
	width = width - 8 < STACK_DRAW_LEAST ? STACK_DRAW_LEAST : width - 8;
	scale.width = width;
	scale.columns_per_byte = (double)width / (double)widest;
	text_printf(t, "%s%s%s  %zu table%s, %s; a column is %s\n", look->bold, name, look->plain,
		    end - i, end - i == 1 ? "" : "s", human_size(bytes).text,
		    human_size((uint64_t)(1 / scale.columns_per_byte) + 1).text);
	while (i < end)
		i = draw_level(s, i, t, look, &scale);
	return end;
}

void stack_draw(const struct stack *s, const char *family, struct text *t, const struct look *look,
		int width)
{
	size_t next;

	if (!s->count) {
		text_add_str(t, "no tables\n");
		return;
	}
	if (!look->unicode) {
		stack_list(s, family, t, look);
		return;
	}
	for (size_t i = 0; i < s->count; i = next) {
		if (!family || !strcmp(family, s->tables[i].cf)) {
			next = draw_family(s, i, t, look, width);
			continue;
		}
		for (next = i + 1; next < s->count && !strcmp(s->tables[next].cf, s->tables[i].cf);)
			next++;
	}
}
