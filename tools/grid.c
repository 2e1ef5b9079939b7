/* See grid.h. */
#include "grid.h"

#include "tool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void grid_init(struct grid *g, const struct grid_column *columns)
{
	memset(g, 0, sizeof(*g));
	g->columns = columns;
	while (columns[g->column_count].title)
		g->column_count++;
}

void grid_fini(struct grid *g)
{
	for (size_t i = 0; i < g->cell_count; i++)
		free(g->cells[i]);
	free(g->cells);
	memset(g, 0, sizeof(*g));
}

void grid_add(struct grid *g, const char *format, ...)
{
	va_list args;
	char *cell = NULL;

	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		cell = NULL;
	va_end(args);
	/* Doubling at powers of two keeps the vector without a field for its capacity. */
	if (!(g->cell_count & (g->cell_count - 1)))
		g->cells = tool_alloc(g->cells,
				      (g->cell_count ? 2 * g->cell_count : 1) * sizeof(*g->cells));
	g->cells[g->cell_count++] = cell ? cell : tool_alloc(NULL, 1);
}

static void grid_cell(struct text *t, const char *cell, int width, bool right, bool last)
{
	int padding = width - look_columns(cell);

	for (int i = 0; right && i < padding; i++)
		text_add_char(t, ' ');
	text_add_str(t, cell);
	for (int i = 0; !right && !last && i < padding; i++)
		text_add_char(t, ' ');
}

void grid_print_to(const struct grid *g, struct text *t, const struct look *look, int indent)
{
	int widths[GRID_COLUMNS_MAX] = { 0 }, n = g->column_count;

	for (int c = 0; c < n; c++)
		widths[c] = look_columns(g->columns[c].title);
	for (size_t i = 0; i < g->cell_count; i++) {
		int columns = look_columns(g->cells[i]), *width = &widths[i % (size_t)n];

		*width = columns > *width ? columns : *width;
	}
	text_printf(t, "%*s%s", indent, "", look->dim);
	for (int c = 0; c < n; c++) {
		grid_cell(t, g->columns[c].title, widths[c], g->columns[c].right, c == n - 1);
		text_add_str(t, c == n - 1 ? "" : "  ");
	}
	text_printf(t, "%s\n", look->plain);
	for (size_t i = 0; i < g->cell_count; i++) {
		int c = (int)(i % (size_t)n);

		if (c == 0)
			text_printf(t, "%*s", indent, "");
		grid_cell(t, g->cells[i], widths[c], g->columns[c].right, c == n - 1);
		text_add_str(t, c == n - 1 ? "\n" : "  ");
	}
}

void grid_print(const struct grid *g, FILE *f, const struct look *look, int indent)
{
	struct text t = { 0 };

	grid_print_to(g, &t, look, indent);
	fwrite(t.data, 1, t.size, f);
	text_fini(&t);
}

/* ---- figures ---- */

/* Three digits that count, whatever the magnitude. */
static struct human human_three(double value, const char *unit)
{
	struct human h;
	int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;

	snprintf(h.text, sizeof(h.text), "%.*f%s%s", decimals, value, unit[0] ? " " : "", unit);
	return h;
}

struct human human_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	struct human h;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(h.text, sizeof(h.text), "%" PRIu64 " B", bytes);
		return h;
	}
	for (; value >= 1023.5 && i < 6; i++)
		value /= 1024;
	return human_three(value, units[i]);
}

struct human human_count(uint64_t n)
{
	char plain[24];
	struct human h;
	size_t size = (size_t)snprintf(plain, sizeof(plain), "%" PRIu64, n), used = 0;

	for (size_t i = 0; i < size; i++) {
		if (i && (size - i) % 3 == 0)
			h.text[used++] = ',';
		h.text[used++] = plain[i];
	}
	h.text[used] = 0;
	return h;
}

struct human human_short(double n)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	struct human h;
	size_t i = 0;

	if (n < 1000) {
		snprintf(h.text, sizeof(h.text), "%.0f", n);
		return h;
	}
	for (; n >= 999.5 && i < 4; i++)
		n /= 1000;
	return human_three(n, units[i]);
}

struct human human_time(uint64_t ns)
{
	double value = (double)ns;
	struct human h;

	if (ns < 1000) {
		snprintf(h.text, sizeof(h.text), "%" PRIu64 " ns", ns);
		return h;
	}
	if (value < 999.5e3)
		return human_three(value / 1e3, "µs");
	if (value < 999.5e6)
		return human_three(value / 1e6, "ms");
	if (value < 120e9)
		return human_three(value / 1e9, "s");
	if (value < 7200e9) {
		snprintf(h.text, sizeof(h.text), "%" PRIu64 " min %02" PRIu64 " s",
			 ns / 60000000000u, ns / 1000000000u % 60);
		return h;
	}
	if (value < 48 * 3600e9)
		return human_three(value / 3600e9, "h");
	return human_three(value / 86400e9, "days");
}

struct human human_ratio(double part, double whole)
{
	struct human h = { "-" };

	return whole > 0 ? human_three(part / whole, "") : h;
}
