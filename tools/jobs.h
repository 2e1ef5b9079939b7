/* Flushes and compactions of a store: collected once, then listed. */
#ifndef TOOLS_JOBS_H
#define TOOLS_JOBS_H

#include "look.h"
#include "text.h"

#include <shale/shale.h>

struct jobs {
	shale_job *jobs; /* cf is a copy, text is not kept */
	size_t count;
};

/* To be called for each; `arg` is a struct jobs *. */
bool jobs_add(void *arg, const shale_job *j);
void jobs_fini(struct jobs *jobs);

/* The last `limit` of them (0: all) of a family (NULL: of all), a line each. */
void jobs_list(const struct jobs *jobs, const char *family, size_t limit, struct text *t,
	       const struct look *look);
/* The same as an array of objects. */
void jobs_json(const struct jobs *jobs, const char *family, size_t limit, struct text *t);

#endif
