/* Medians over the rounds, printed as a table and written as JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench.h"

enum { ENGINES_MAX = 4, ROUNDS_MAX = 101 };

struct results {
	const struct plan *plan;
	const struct engine *engine[ENGINES_MAX];
	unsigned engines, rounds; /* rounds: those that are complete */
	struct figures figures[ENGINES_MAX][WORKLOADS][ROUNDS_MAX];
};

void report_table(const struct results *r, FILE *out);
/* False when the file cannot be written. */
bool report_json(const struct results *r, const char *path);

#endif
