/* Every field of shale_stats by name: for printing, for JSON, and for differences. */
#ifndef TOOLS_FIGURES_H
#define TOOLS_FIGURES_H

#include "look.h"
#include "text.h"

#include <shale/shale.h>

/* Grouped, with units and what follows from the figures. */
void figures_print(const shale_stats *s, FILE *f, const struct look *look);
/* One object, members named as the fields are, levels as an array. */
void figures_json(const shale_stats *s, struct text *t);

/* Sums over the levels. */
uint64_t figures_table_bytes(const shale_stats *s);
uint64_t figures_tables(const shale_stats *s);

#endif
