/* The stack of runs of a store: collected once, then listed or drawn. */
#ifndef TOOLS_STACK_H
#define TOOLS_STACK_H

#include "look.h"
#include "text.h"

#include <shale/shale.h>

struct stack_table {
	shale_table_info info; /* cf, smallest and largest are copies */
	char *cf;
	char *smallest, *largest;
};

/* In the order of shale_tables(): by family, level, newest run first, then by key. */
struct stack {
	struct stack_table *tables;
	size_t count;
	uint64_t bytes, entries;
};

shale_status stack_collect(shale_db *db, struct stack *s);
/* To be called for each table; `arg` is a struct stack *, zeroed at first. */
bool stack_add(void *arg, const shale_table_info *info);
void stack_fini(struct stack *s);

/* The name of a table's file. */
struct stack_name {
	char text[32];
};
struct stack_name stack_file_name(uint64_t number);

/*
 * Levels from new to old; each run a row of boxes as wide as its tables are
 * large. Without a terminal a plain table of the runs. `family` NULL: all.
 * Appends to `t`; `width` columns may be used.
 */
void stack_draw(const struct stack *s, const char *family, struct text *t, const struct look *look,
		int width);

/* A line for each level of each family, in exact figures, each after `prefix`. */
void stack_lines(const struct stack *s, const char *family, const char *prefix, struct text *t);

#endif
