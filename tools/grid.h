/* Tables of text with aligned columns, and figures as people read them. */
#ifndef TOOLS_GRID_H
#define TOOLS_GRID_H

#include "look.h"
#include "text.h"

enum { GRID_COLUMNS_MAX = 16 };

struct grid_column {
	const char *title;
	bool right; /* aligned to the right */
};

struct grid {
	const struct grid_column *columns;
	int column_count;
	char **cells; /* row by row */
	size_t cell_count;
};

/* `columns` ends with a NULL title and must outlive the grid. */
void grid_init(struct grid *g, const struct grid_column *columns);
void grid_fini(struct grid *g);
/* The next cell; rows fill from left to right. */
void grid_add(struct grid *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void grid_print(const struct grid *g, FILE *f, const struct look *look, int indent);
void grid_print_to(const struct grid *g, struct text *t, const struct look *look, int indent);

/* A figure for printing: human_size(n).text lives to the end of the full expression. */
struct human {
	char text[32];
};

struct human human_size(uint64_t bytes);             /* 1.5 MiB */
struct human human_count(uint64_t n);                /* 1,234,567 */
struct human human_short(double n);                  /* 1.23 M */
struct human human_time(uint64_t ns);                /* 12.3 ms */
struct human human_ratio(double part, double whole); /* 3.14, or - */

#endif
