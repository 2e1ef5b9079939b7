/* A library call that takes long, on a thread of its own, with progress meanwhile. */
#ifndef TOOLS_WAITING_H
#define TOOLS_WAITING_H

#include <shale/shale.h>

/*
 * Run call(arg) and show `what`, the time and what the store reads and writes
 * until it returns; its result, with the error in *e on failure, is returned.
 */
shale_status waiting_run(shale_db *db, const char *what, shale_status (*call)(void *arg), void *arg,
			 shale_error *e);

#endif
