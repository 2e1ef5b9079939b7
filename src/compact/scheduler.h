/*
 * The background threads. The scheduler knows no kinds of work: each idle worker
 * asks the owner for the most urgent piece, runs it, asks again, and sleeps when
 * there is none until it is kicked. What is owed follows from the state of the
 * database, so there is no queue to keep in step with it.
 *
 * Thread: any, as said.
 */
#ifndef COMPACT_SCHEDULER_H
#define COMPACT_SCHEDULER_H

#include "base/lock.h"

struct scheduler;

/*
 * Do one piece of work if any is owed; called without locks. True: ask again at
 * once. False: nothing to do; *wait_ns is how long to sleep at most (UINT64_MAX:
 * until kicked).
 */
typedef bool (*scheduler_step)(void *arg, unsigned worker, uint64_t *wait_ns);

/*
 * Starts `workers` threads, which make way for others as `nice` of 0 to 19 says; on failure none
 * is left running. *out is set before the first runs.
 */
shale_status scheduler_start(const shale_env *env, unsigned workers, unsigned nice,
			     scheduler_step step, void *arg, struct scheduler **out);
/* Something may be owed now. Any thread, also with locks held. */
void scheduler_kick(struct scheduler *s);
/* Whether the workers are to end; long work looks at it. NULL: true. */
bool scheduler_stopping(const struct scheduler *s);
/* Let the pieces under way end, then stop. It may still be kicked. NULL is allowed. */
void scheduler_stop(struct scheduler *s);
/* One that has been stopped, and that nobody kicks any more. NULL is allowed. */
void scheduler_free(struct scheduler *s);

#endif
